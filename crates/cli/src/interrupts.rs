//! Ctrl-C: the first interrupt stops the work cleanly, the second ends the program at once.

#[cfg(feature = "watch")]
use vigie_run::Failure;
use vigie_run::{Asked, Stop};

use crate::failure::exit;

/// Listens for interrupts, and passes the first on to the running scan or watch.
pub(crate) struct Interrupts(Stop);

/// What an interrupt means while no scan runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Idle {
    /// Nothing was started: the program ends.
    End,
    /// A watch is waiting: it wakes up and ends.
    #[cfg_attr(not(feature = "watch"), expect(dead_code, reason = "only a watch waits"))]
    Wake,
}

impl Interrupts {
    /// For one scan: before it begins, the first interrupt ends the program.
    pub(crate) fn of_a_scan() -> Self {
        Self::listen(Idle::End)
    }

    /// For a watch, which waits between its scans. A service manager asks it to stop with SIGTERM.
    #[cfg(feature = "watch")]
    pub(crate) fn of_a_watch() -> Self {
        Self::listen(Idle::Wake)
    }

    /// The stop request that an interrupt sets.
    pub(crate) fn stop(&self) -> &Stop {
        &self.0
    }

    fn listen(idle: Idle) -> Self {
        let stop = Stop::new();
        let listening = stop.clone();
        std::thread::spawn(move || {
            let Ok(runtime) = crate::runtime::runtime() else { return };
            runtime.block_on(async {
                while signal(idle).await {
                    interrupt(&listening, idle);
                }
            });
        });
        Self(stop)
    }
}

fn interrupt(stop: &Stop, idle: Idle) {
    match (stop.ask(), idle) {
        (Asked::Stopping, _) => eprintln!("vigie: stopping; the results so far are kept (interrupt again to stop at once)"),
        (Asked::Idle, Idle::Wake) => {}
        (Asked::Idle, Idle::End) => {
            eprintln!("vigie: interrupted before the scan started");
            std::process::exit(i32::from(exit::INTERRUPTED));
        }
        (Asked::Again, _) => std::process::exit(i32::from(exit::INTERRUPTED)),
    }
}

/// Waits for the next interrupt; `false`: no more can arrive.
#[cfg(unix)]
async fn signal(idle: Idle) -> bool {
    use tokio::signal::unix::{SignalKind, signal};
    // SIGTERM ends a scan as it ends any program, and what was committed stays; a watch is a service and ends cleanly.
    let mut term = match idle {
        Idle::Wake => signal(SignalKind::terminate()).ok(),
        Idle::End => None,
    };
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.is_ok(),
        Some(()) = async { term.as_mut()?.recv().await } => true,
    }
}

#[cfg(not(unix))]
async fn signal(_idle: Idle) -> bool {
    tokio::signal::ctrl_c().await.is_ok()
}

/// Requests to stop at the first interrupt and ends the program at the second.
#[cfg(feature = "watch")]
pub(crate) fn on_interrupt(stop: &Stop) -> Result<(), Failure> {
    let (runtime, stop) = (crate::runtime::runtime()?, stop.clone());
    std::thread::spawn(move || {
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                if stop.ask() == Asked::Again {
                    std::process::exit(i32::from(exit::INTERRUPTED));
                }
            }
        });
    });
    Ok(())
}
