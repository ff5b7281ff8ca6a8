//! One verb, one file.

pub(crate) mod advisory;
pub(crate) mod catalog;
#[cfg(feature = "study")]
mod coverage;
#[cfg(feature = "demo")]
pub(crate) mod demo;
#[cfg(feature = "watch")]
pub(crate) mod diff;
#[cfg(feature = "watch")]
pub(crate) mod discover;
#[cfg(feature = "study")]
mod engine;
#[cfg(feature = "demo")]
pub(crate) mod fleet;
pub(crate) mod generate;
pub(crate) mod hosts;
#[cfg(feature = "watch")]
pub(crate) mod import;
#[cfg(feature = "study")]
pub(crate) mod lake;
#[cfg(feature = "demo")]
pub(crate) mod population;
mod record;
pub(crate) mod scan;
pub(crate) mod scope;
pub(crate) mod show;
#[cfg(feature = "study")]
pub(crate) mod sql;
#[cfg(feature = "study")]
pub(crate) mod study;
#[cfg(feature = "watch")]
pub(crate) mod watch;

/// The columns of standard output: what `COLUMNS` says, else the terminal's own; where it is no terminal, lines have no end.
pub(crate) fn width() -> usize {
    use std::io::IsTerminal as _;
    if !std::io::stdout().is_terminal() {
        return vigie_export::UNBOUNDED;
    }
    let told = std::env::var("COLUMNS").ok();
    let own = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    columns(told.as_deref(), own)
}

/// A terminal that does not say how wide it is has 80 columns.
fn columns(told: Option<&str>, own: Option<usize>) -> usize {
    let told = told.and_then(|text| text.trim().parse::<usize>().ok());
    told.filter(|columns| *columns > 0)
        .or(own.filter(|columns| *columns > 0))
        .unwrap_or(80)
}

/// Requests to stop at the first interrupt and ends the program at the second.
#[cfg(feature = "watch")]
pub(crate) fn on_interrupt(stop: &vigie_run::Stop) -> Result<(), vigie_run::Failure> {
    let (runtime, stop) = (runtime()?, stop.clone());
    std::thread::spawn(move || {
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                if stop.ask() == vigie_run::Asked::Again {
                    std::process::exit(i32::from(crate::failure::exit::INTERRUPTED));
                }
            }
        });
    });
    Ok(())
}

/// A runtime on the thread that asks for it.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, vigie_run::Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| vigie_run::Failure::scan(format!("no runtime: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_width_that_is_told_counts_before_the_terminals_own() {
        assert_eq!(columns(Some("40"), Some(120)), 40);
        for none in [None, Some(""), Some("0"), Some("wide"), Some("-3")] {
            assert_eq!(columns(none, Some(120)), 120);
            assert_eq!(columns(none, Some(0)), 80);
            assert_eq!(columns(none, None), 80);
        }
    }

    #[test]
    fn without_a_terminal_lines_have_no_end() {
        use std::io::IsTerminal as _;
        if !std::io::stdout().is_terminal() {
            assert_eq!(width(), vigie_export::UNBOUNDED);
        }
    }
}
