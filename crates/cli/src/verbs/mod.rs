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
mod preview;
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

/// The columns to write in: the terminal's, or 100 where there is none.
pub(crate) fn width() -> usize {
    terminal_size::terminal_size()
        .map_or(100, |(width, _)| usize::from(width.0))
        .clamp(40, 200)
}

/// Sets the flag at the first interrupt and ends the program at the second.
#[cfg(feature = "watch")]
pub(crate) fn on_interrupt(stop: &std::sync::Arc<std::sync::atomic::AtomicBool>) -> Result<(), crate::failure::Failure> {
    let (runtime, stop) = (runtime()?, std::sync::Arc::clone(stop));
    std::thread::spawn(move || {
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                if stop.swap(true, std::sync::atomic::Ordering::Relaxed) {
                    std::process::exit(i32::from(crate::failure::exit::INTERRUPTED));
                }
            }
        });
    });
    Ok(())
}

/// A runtime on the thread that asks for it.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, crate::failure::Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| crate::failure::Failure::scan(format!("no runtime: {error}")))
}
