//! The life of a gateway, whatever its configuration: it takes connections, takes no more, ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::certificate::Certificates;
use super::flag::Flag;
use super::room::Room;

/// How long requests that are under way may take when the gateway stops.
const GRACE: Duration = Duration::from_secs(30);

/// And when another process has taken over: nobody waits for this one.
const GRACE_AFTER_TAKEOVER: Duration = Duration::from_secs(3_600);

/// The life of a gateway.
#[derive(Debug, Default)]
pub(crate) struct Life {
    /// No connection is accepted any more, and no connection takes a further request after the one under way.
    closing: Flag,
    /// Connections that wait for a request are closed.
    stop: Flag,
    /// What is under way is cut off.
    cut: Flag,
    /// Another process takes the connections.
    taken_over: Flag,
    /// The configuration or a file that it names was changed and does not read.
    stale: AtomicBool,
    pub(crate) room: Arc<Room>,
    pub(crate) certificates: Certificates,
}

impl Life {
    /// Takes no further connection; connections that wait for a request may still send one.
    pub(crate) fn close(&self) {
        self.closing.set();
    }

    /// The same, because another process takes the connections from now on.
    pub(crate) fn hand_over(&self) {
        self.taken_over.set();
        self.close();
    }

    /// Stops: no further connection, no further request.
    pub(crate) fn stop(&self) {
        self.close();
        self.stop.set();
    }

    /// Ends at once what is under way.
    pub(crate) fn cut(&self) {
        self.stop();
        self.cut.set();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_set()
    }

    pub(crate) fn is_taken_over(&self) -> bool {
        self.taken_over.is_set()
    }

    /// Waits until another process takes the connections.
    pub(crate) async fn taken_over(&self) {
        self.taken_over.wait().await;
    }

    /// Waits until no connection is accepted any more.
    pub(crate) async fn closing(&self) {
        self.closing.wait().await;
    }

    /// Waits until connections without a request are closed.
    pub(crate) async fn stopped(&self) {
        self.stop.wait().await;
    }

    /// Waits until requests that are under way have had their time.
    pub(crate) async fn grace(&self) {
        tokio::select! {
            () = tokio::time::sleep(if self.is_taken_over() { GRACE_AFTER_TAKEOVER } else { GRACE }) => {}
            () = self.cut.wait() => {}
        }
    }

    /// Whether the configuration that holds is the one in the folder.
    pub(crate) fn is_current(&self) -> bool {
        !self.stale.load(Ordering::SeqCst)
    }

    pub(crate) fn set_current(&self, is_current: bool) {
        self.stale.store(!is_current, Ordering::SeqCst);
    }
}
