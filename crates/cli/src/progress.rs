//! Progress: a bar on a terminal, plain lines elsewhere, nothing with --quiet.

use std::io::IsTerminal as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use vigie_scan::Progress;

/// Interval between plain lines.
const LINES: Duration = Duration::from_secs(10);
/// Interval at which the counts of the bar are updated.
const REDRAW: Duration = Duration::from_millis(100);

pub(crate) enum Shown {
    Bar { bar: ProgressBar, last: Instant },
    Lines { last: Instant, begun: Instant },
    Nothing,
}

impl Shown {
    /// Shows nothing.
    pub(crate) fn nothing() -> Self {
        Self::Nothing
    }

    pub(crate) fn new(total: u64, quiet: bool) -> Self {
        if quiet {
            return Self::Nothing;
        }
        if !std::io::stderr().is_terminal() {
            let now = Instant::now();
            return Self::Lines { last: now, begun: now };
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(8));
        if let Ok(style) =
            ProgressStyle::with_template("{elapsed_precise} [{bar:30}] {human_pos}/{human_len} {per_sec}, {eta} left · {msg}")
        {
            bar.set_style(style.progress_chars("=> "));
        }
        Self::Bar { bar, last: Instant::now() }
    }

    pub(crate) fn update(&mut self, progress: &Progress, findings: u64) {
        let due = match self {
            Self::Bar { last, .. } => last.elapsed() >= REDRAW,
            Self::Lines { last, .. } => last.elapsed() >= LINES,
            Self::Nothing => false,
        };
        if !due {
            return;
        }
        let get = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let (tried, open, seen, total) = (get(&progress.tried), get(&progress.open), get(&progress.seen), get(&progress.total));
        match self {
            Self::Bar { bar, last } => {
                *last = Instant::now();
                bar.set_position(tried);
                bar.set_message(format!("{open} open, {seen} seen, {findings} findings"));
            }
            Self::Lines { last, begun } => {
                *last = Instant::now();
                let rate = tried as f64 / begun.elapsed().as_secs_f64();
                eprintln!("vigie: {tried} of {total} tried ({rate:.0}/s), {open} open, {seen} seen, {findings} findings");
            }
            Self::Nothing => {}
        }
    }

    /// Writes something without disturbing the bar.
    pub(crate) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match self {
            Self::Bar { bar, .. } => bar.suspend(write),
            _ => write(),
        }
    }

    pub(crate) fn end(&mut self) {
        if let Self::Bar { bar, .. } = std::mem::replace(self, Self::Nothing) {
            bar.finish_and_clear();
        }
    }
}
