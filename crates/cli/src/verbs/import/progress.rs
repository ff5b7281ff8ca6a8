//! Progress of one file: a bar on a terminal, a line each ten seconds elsewhere, nothing with --quiet.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use vigie_run::import::ImportCounts;

/// Plain lines come this often.
const EVERY: Duration = Duration::from_secs(10);

pub(super) enum Shown {
    Bar(ProgressBar),
    Lines { last: Instant, file: String },
    Nothing,
}

impl Shown {
    /// Starts the progress of a file of so many bytes.
    pub(super) fn new(file: &str, size: Option<u64>, quiet: bool) -> Self {
        if quiet {
            return Self::Nothing;
        }
        let file = vigie_export::text::clean(file, 40);
        if !std::io::stderr().is_terminal() {
            let last = Instant::now();
            return Self::Lines { last, file };
        }
        let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::stderr_with_hz(8));
        let template = match size {
            Some(_) => "{prefix} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}, {eta} left · {msg}",
            None => "{prefix} {bytes} {bytes_per_sec} · {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(file);
        Self::Bar(bar)
    }

    pub(super) fn update(&mut self, read: u64, so_far: ImportCounts) {
        let counts = || format!("{} new, {} duplicates, {} bad", so_far.added, so_far.duplicates, so_far.bad);
        match self {
            Self::Bar(bar) => {
                bar.set_position(read);
                bar.set_message(counts());
            }
            Self::Lines { last, file } => {
                if last.elapsed() >= EVERY {
                    *last = Instant::now();
                    eprintln!("vigie: {file}: {read} bytes read, {}", counts());
                }
            }
            Self::Nothing => {}
        }
    }

    pub(super) fn end(&mut self) {
        if let Self::Bar(bar) = std::mem::replace(self, Self::Nothing) {
            bar.finish_and_clear();
        }
    }
}
