//! What asks a discovery to stop: Ctrl-C, a service manager, a terminal that is closed. Each page was paid for, so all of them stop it cleanly.

use std::path::PathBuf;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use vigie_discover::ServiceKind;
use vigie_run::Failure;

use super::again;
use crate::failure::exit::INTERRUPTED;

/// Sets the flag at the first signal and ends the program at the second.
pub(super) fn listen(stop: &Arc<AtomicBool>, kind: ServiceKind, path: PathBuf) -> Result<(), Failure> {
    let (runtime, stop) = (crate::verbs::runtime()?, Arc::clone(stop));
    std::thread::spawn(move || {
        runtime.block_on(async {
            let mut signals = Signals::new();
            while let Some(hung_up) = signals.next().await {
                // A closed terminal says so more than once, and a service manager after it asked to stop.
                if stop.swap(true, Ordering::Relaxed) && !hung_up {
                    eprintln!("vigie: stopped at once; {}", again(kind, &path));
                    exit(i32::from(INTERRUPTED));
                }
            }
        });
    });
    Ok(())
}

#[cfg(unix)]
struct Signals {
    terminated: Option<tokio::signal::unix::Signal>,
    hung_up: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self {
            terminated: signal(SignalKind::terminate()).ok(),
            // Begun with nohup, it is to outlive its terminal. Where that cannot be told, a hangup ends it as it ends any program; every
            // page that came is kept by then.
            hung_up: (ignores_hangups() == Some(false))
                .then(|| signal(SignalKind::hangup()).ok())
                .flatten(),
        }
    }

    /// Waits for the next; whether it is a hangup. `None`: there will be none.
    async fn next(&mut self) -> Option<bool> {
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted.ok().map(|()| false),
            Some(()) = async { self.terminated.as_mut()?.recv().await } => Some(false),
            Some(()) = async { self.hung_up.as_mut()?.recv().await } => Some(true),
        }
    }
}

/// Whether hangups are ignored, as `nohup` has it; `None`: the system does not say.
#[cfg(unix)]
fn ignores_hangups() -> Option<bool> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    // The first bit is the first signal, which is SIGHUP everywhere.
    Some(u64::from_str_radix(mask.trim(), 16).ok()? & 1 == 1)
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Self {
        Self
    }

    async fn next(&mut self) -> Option<bool> {
        tokio::signal::ctrl_c().await.ok().map(|()| false)
    }
}
