//! Ctrl-C: the first stops cleanly, the second at once.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use vigie_scan::Handle;

use crate::failure::exit;

/// Listens for interrupts, and passes the first on to the scan that runs.
pub(crate) struct Interrupts(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    asked: Condvar,
}

#[derive(Default)]
struct State {
    asked: bool,
    running: Option<Handle>,
}

/// What an interrupt means while no scan runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Idle {
    /// Nothing was begun: the program ends.
    End,
    /// A watch waits: it is told.
    Tell,
}

impl Interrupts {
    /// For one scan: before it begins, the first interrupt ends the program.
    pub(crate) fn of_a_scan() -> Self {
        Self::listen(Idle::End)
    }

    /// For a watch, which waits between its scans. A service manager asks it to stop with SIGTERM.
    #[cfg(feature = "watch")]
    pub(crate) fn of_a_watch() -> Self {
        Self::listen(Idle::Tell)
    }

    fn listen(idle: Idle) -> Self {
        let shared: Arc<Shared> = Arc::default();
        let heard = Arc::clone(&shared);
        std::thread::spawn(move || {
            let Ok(runtime) = crate::verbs::runtime() else { return };
            runtime.block_on(async {
                while signal(idle).await {
                    heard.interrupt(idle);
                }
            });
        });
        Self(shared)
    }

    /// A scan begins; if an interrupt came before, it stops at once.
    pub(crate) fn begin(&self, handle: Handle) {
        let mut state = self.0.lock();
        if state.asked {
            handle.stop();
        }
        state.running = Some(handle);
    }

    /// Waits that long, or until an interrupt; says whether there was one.
    #[cfg(feature = "watch")]
    pub(crate) fn wait(&self, longest: std::time::Duration) -> bool {
        let mut state = self.0.lock();
        // A scan that has ended is nothing to pass an interrupt on to.
        state.running = None;
        let waited = self.0.asked.wait_timeout_while(state, longest, |state| !state.asked);
        waited.map_or_else(|poisoned| poisoned.into_inner().0.asked, |(state, _)| state.asked)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in between can leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn interrupt(&self, idle: Idle) {
        let mut state = self.lock();
        match &state.running {
            Some(handle) if handle.stop() => eprintln!("vigie: stopping; what was found is kept (once more stops at once)"),
            None if idle == Idle::Tell && !state.asked => {}
            Some(_) => std::process::exit(i32::from(exit::INTERRUPTED)),
            None => {
                if idle == Idle::End {
                    eprintln!("vigie: interrupted before anything was begun");
                }
                std::process::exit(i32::from(exit::INTERRUPTED));
            }
        }
        state.asked = true;
        self.asked.notify_all();
    }
}

/// Waits for the next signal that asks to stop; `false`: there will be none.
#[cfg(unix)]
async fn signal(idle: Idle) -> bool {
    use tokio::signal::unix::{SignalKind, signal};
    // A scan that is killed loses nothing that was committed; a watch is a service and ends as one.
    let mut term = match idle {
        Idle::Tell => signal(SignalKind::terminate()).ok(),
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
