//! The verbs, one module each.

#[cfg(feature = "find")]
pub(crate) mod advisory;
#[cfg(feature = "find")]
pub(crate) mod catalog;
#[cfg(feature = "guard")]
pub(crate) mod connect;
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
#[cfg(feature = "guard")]
pub(crate) mod guard;
#[cfg(feature = "find")]
pub(crate) mod hosts;
#[cfg(feature = "watch")]
pub(crate) mod import;
#[cfg(feature = "study")]
pub(crate) mod lake;
#[cfg(feature = "demo")]
pub(crate) mod population;
#[cfg(feature = "find")]
mod record;
#[cfg(feature = "find")]
pub(crate) mod scan;
#[cfg(feature = "find")]
pub(crate) mod scope;
#[cfg(feature = "find")]
pub(crate) mod show;
#[cfg(feature = "study")]
pub(crate) mod sql;
#[cfg(feature = "study")]
pub(crate) mod study;
#[cfg(feature = "watch")]
pub(crate) mod watch;

/// The width of standard output in columns: `COLUMNS`, else the width of the terminal; unbounded if it is not a terminal.
pub(crate) fn width() -> usize {
    use std::io::IsTerminal as _;
    if !std::io::stdout().is_terminal() {
        return vigie_export::UNBOUNDED;
    }
    let variable = std::env::var("COLUMNS").ok();
    let terminal = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    columns(variable.as_deref(), terminal)
}

/// The first known width, else 80.
fn columns(variable: Option<&str>, terminal: Option<usize>) -> usize {
    let variable = variable.and_then(|text| text.trim().parse::<usize>().ok());
    variable
        .filter(|columns| *columns > 0)
        .or(terminal.filter(|columns| *columns > 0))
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

/// A runtime on the calling thread.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, vigie_run::Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| vigie_run::Failure::scan(format!("cannot start the asynchronous runtime: {error}")))
}

/// Waits for Ctrl-C, or for a service manager.
#[cfg(feature = "guard")]
pub(crate) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without signals it runs until the process is ended.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_takes_precedence_over_the_terminals_width() {
        assert_eq!(columns(Some("40"), Some(120)), 40);
        for none in [None, Some(""), Some("0"), Some("wide"), Some("-3")] {
            assert_eq!(columns(none, Some(120)), 120);
            assert_eq!(columns(none, Some(0)), 80);
            assert_eq!(columns(none, None), 80);
        }
    }

    #[test]
    fn without_a_terminal_the_width_is_unbounded() {
        use std::io::IsTerminal as _;
        if !std::io::stdout().is_terminal() {
            assert_eq!(width(), vigie_export::UNBOUNDED);
        }
    }
}
