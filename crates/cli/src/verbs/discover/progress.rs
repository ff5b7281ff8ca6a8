//! Progress: a line that moves on a terminal, plain lines elsewhere, nothing with --quiet.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use vigie_discover::{DiscoveryState, PartStatus};

/// Plain lines come this often.
const EVERY: Duration = Duration::from_secs(10);

pub(super) enum Shown {
    Bar(ProgressBar),
    Lines(Instant),
    Nothing,
}

impl Shown {
    pub(super) fn new(quiet: bool) -> Self {
        if quiet {
            Self::Nothing
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
            if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {spinner} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(250));
            Self::Bar(bar)
        } else {
            Self::Lines(Instant::now())
        }
    }

    pub(super) fn update(&mut self, state: &DiscoveryState, spent: u64, budget: u64) {
        match self {
            Self::Bar(bar) => bar.set_message(line(state, spent, budget)),
            Self::Lines(last) => {
                if last.elapsed() >= EVERY {
                    *last = Instant::now();
                    eprintln!("vigie: {}", line(state, spent, budget));
                }
            }
            Self::Nothing => {}
        }
    }

    pub(super) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn line(state: &DiscoveryState, spent: u64, budget: u64) -> String {
    let all = state.queries.len();
    let number = state
        .queries
        .iter()
        .take_while(|query| query.done)
        .count()
        .min(all.saturating_sub(1));
    let mut line = format!("query {} of {all}", number + 1);
    if let Some(query) = state.queries.get(number) {
        let parts = query.parts.iter().filter(|part| part.status != PartStatus::Split);
        let (done, count) = parts.fold((0, 0), |(done, count), part| {
            (done + u32::from(part.status == PartStatus::Done), count + 1)
        });
        if count > 1 {
            line.push_str(&format!(", part {} of {count}", done + 1));
        }
        let total = query.total().map_or_else(|| "?".to_owned(), |total| total.to_string());
        line.push_str(&format!(", {} pages, {} of {total} records", query.pages(), query.got()));
    }
    line.push_str(&format!(", {spent} of {budget} credits"));
    line
}
