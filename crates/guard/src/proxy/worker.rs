//! One thread of the gateway, with its connections.

use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

use super::connection;
use super::gate::Gate;
use super::look;
use super::upstream::Upstream;
use crate::admin::Recorder;

/// How long requests that are under way may take when the gateway stops.
const GRACE: Duration = Duration::from_secs(30);
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What the connections of one thread share.
pub(super) struct Shared {
    pub(super) gate: Arc<Gate>,
    pub(super) upstream: Upstream,
    pub(super) recorder: Recorder,
}

/// One thread: its connections, and what is behind them, stay on it.
pub(super) fn run(listener: TcpListener, tls: Option<TlsAcceptor>, gate: &Arc<Gate>, upstream: Upstream, looks: Option<(String, bool)>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return eprintln!("vigie: a thread of the gateway cannot start: {error}"),
    };
    let local = LocalSet::new();
    let shared = Rc::new(Shared {
        gate: Arc::clone(gate),
        upstream,
        recorder: gate.metrics.recorder(),
    });
    local.block_on(&runtime, async {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
            return eprintln!("vigie: a thread of the gateway cannot listen");
        };
        if let Some((product, is_watched)) = looks {
            tokio::task::spawn_local(look::look_behind(Rc::clone(&shared), product, is_watched));
        }
        let open = Rc::new(());
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = gate.stopped() => break,
            };
            match accepted {
                Ok((stream, client)) => {
                    let _ = stream.set_nodelay(true);
                    let (shared, open, tls) = (Rc::clone(&shared), Rc::clone(&open), tls.clone());
                    tokio::task::spawn_local(async move {
                        let counted = shared.recorder.connections.open();
                        match tls {
                            None => connection::plain(stream, client, &shared).await,
                            // What is no TLS, or takes too long to become it, asked for nothing.
                            Some(tls) => {
                                if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                                    connection::encrypted(stream, client, &shared).await;
                                }
                            }
                        }
                        drop((open, counted));
                    });
                }
                // Out of descriptors, say: the next one may do.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        drop(listener);
        let finished = async {
            while Rc::strong_count(&open) > 1 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // Idle connections have closed by themselves; what is still under way then is cut off, and the log says so.
        let _ = tokio::time::timeout(GRACE, finished).await;
    });
}
