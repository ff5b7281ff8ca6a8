//! The signals that stop a discovery: of Ctrl-C, a service manager, a terminal that is closed. Each page was paid for, so all of them stop it
//! cleanly.

use std::path::PathBuf;
use std::process::exit;

use vigie_discover::ServiceKind;
use vigie_run::discover::how_to_resume;
use vigie_run::{Asked, Failure, Stop};

use crate::failure::exit::INTERRUPTED;

/// Stops the discovery at the first signal and ends the program at the second.
pub(super) fn listen(stop: &Stop, kind: ServiceKind, state: PathBuf) -> Result<(), Failure> {
    let (runtime, stop) = (crate::runtime::runtime()?, stop.clone());
    std::thread::spawn(move || {
        runtime.block_on(async {
            let mut signals = Signals::new();
            while let Some(hung_up) = signals.next().await {
                // A closed terminal may send several hangups, and a service manager one after its request to stop.
                if stop.ask() == Asked::Again && !hung_up {
                    eprintln!("vigie: stopped at once; {}", how_to_resume(kind, &state));
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
            // Started with nohup, the program outlives its terminal. If that is unknown, a hangup ends it like any program; every page that
            // arrived is kept by then.
            hung_up: (ignores_hangups() == Some(false))
                .then(|| signal(SignalKind::hangup()).ok())
                .flatten(),
        }
    }

    /// Waits for the next signal and returns whether it is a hangup; `None`: there will be none.
    async fn next(&mut self) -> Option<bool> {
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted.ok().map(|()| false),
            Some(()) = async { self.terminated.as_mut()?.recv().await } => Some(false),
            Some(()) = async { self.hung_up.as_mut()?.recv().await } => Some(true),
        }
    }
}

/// Whether hangups are ignored, as under `nohup`; `None`: the system does not say.
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
