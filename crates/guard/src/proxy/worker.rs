//! One thread of the gateway, with its connections.

use std::cell::OnceCell;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::LocalSet;

use super::certificate::CHALLENGE_ALPN;
use super::connection;
use super::gate::{Gate, Tls};
use super::look;
use super::room::{NoPlace, Place};
use super::upstreams::Upstreams;
use crate::admin::Recorder;
use crate::limit::Link;
use crate::log::Batch;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How soon a place is looked for again when all are taken, or the system has no descriptor.
const SOON: Duration = Duration::from_millis(20);

/// What the connections of one thread share under one configuration.
pub(super) struct Shared {
    pub(super) gate: Arc<Gate>,
    pub(super) upstreams: Rc<Upstreams>,
    pub(super) recorder: Rc<Recorder>,
    pub(super) batch: Rc<Batch>,
    /// The connection to the Redis that has the counts, if one has.
    pub(super) link: Option<Rc<Link>>,
    /// The same under the configuration that follows.
    next: OnceCell<Rc<Shared>>,
}

impl Shared {
    fn new(gate: &Arc<Gate>, recorder: Rc<Recorder>, batch: Rc<Batch>, before: Option<&Self>) -> Rc<Self> {
        let upstreams = match before {
            Some(before) if Arc::ptr_eq(&before.gate.pool, &gate.pool) => Rc::clone(&before.upstreams),
            _ => Rc::new(Upstreams::new(gate.plan.reaches.clone())),
        };
        let link = match before {
            Some(before) => before.link.clone(),
            None => gate.remote.as_ref().map(Link::new),
        };
        Rc::new(Self {
            link,
            gate: Arc::clone(gate),
            upstreams,
            recorder,
            batch,
            next: OnceCell::new(),
        })
    }

    /// What holds now.
    pub(super) fn latest(self: &Rc<Self>) -> Rc<Self> {
        let mut shared = self;
        while let Some(gate) = shared.gate.next() {
            shared = shared
                .next
                .get_or_init(|| Self::new(gate, Rc::clone(&shared.recorder), Rc::clone(&shared.batch), Some(shared)));
        }
        Rc::clone(shared)
    }
}

/// One thread: its connections, and what is behind them, stay on it. `looks`: whether it looks at the servers behind.
pub(super) fn run(listener: TcpListener, gate: &Arc<Gate>, looks: bool) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return eprintln!("vigie: a thread of the gateway cannot start: {error}"),
    };
    let local = LocalSet::new();
    let life = Arc::clone(&gate.life);
    let batch = Rc::new(Batch::new(Arc::clone(&gate.log)));
    let mut shared = Shared::new(gate, Rc::new(gate.metrics.recorder()), Rc::clone(&batch), None);
    local.block_on(&runtime, async {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
            return eprintln!("vigie: a thread of the gateway cannot listen");
        };
        tokio::task::spawn_local(async move { batch.run().await });
        if let Some(link) = &shared.link {
            tokio::task::spawn_local(Rc::clone(link).run(Arc::clone(&gate.limiter)));
        }
        if looks {
            tokio::task::spawn_local(look::look_behind(Rc::clone(&shared)));
        }
        let open = Rc::new(());
        loop {
            // More connections than there are places wait until they are accepted.
            let accepted = tokio::select! {
                accepted = listener.accept(), if !life.room.is_full() => Some(accepted),
                () = tokio::time::sleep(SOON), if life.room.is_full() => None,
                () = life.closing() => break,
            };
            match accepted {
                Some(Ok((stream, client))) => {
                    let _ = stream.set_nodelay(true);
                    shared = shared.latest();
                    let Some(place) = place(&stream, client, &shared).await else {
                        continue;
                    };
                    let open = Rc::clone(&open);
                    let shared = Rc::clone(&shared);
                    tokio::task::spawn_local(async move {
                        serve(stream, client, shared).await;
                        drop((place, open));
                    });
                }
                // Out of descriptors, say: the next one may do.
                Some(Err(_)) => tokio::time::sleep(SOON).await,
                None => {}
            }
        }
        drop(listener);
        let finished = async {
            while Rc::strong_count(&open) > 1 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // Idle connections have closed by themselves; what is still under way then is cut off, and the log says so.
        tokio::select! {
            () = finished => {}
            () = life.grace() => {}
        }
        if let Some(link) = &shared.link {
            link.finish().await;
        }
    });
}

/// A place for a connection, when there is one. `None`: its client has too many, and is told so where it can be.
async fn place(stream: &TcpStream, client: SocketAddr, shared: &Shared) -> Option<Place> {
    let gate = &shared.gate;
    loop {
        match gate.life.room.take(client.ip()) {
            Ok(place) => return Some(place),
            // Another thread took the last one.
            Err(NoPlace::Full) if !gate.is_stopping() => tokio::time::sleep(SOON).await,
            Err(_) => break,
        }
    }
    if gate.tls.is_none() {
        // It fits into an empty send buffer; a client that does not read it sees the connection close.
        let _ = stream.try_write(TOO_MANY);
    }
    None
}

/// Serves a connection of a client.
async fn serve(stream: TcpStream, client: SocketAddr, shared: Rc<Shared>) {
    let gate = Arc::clone(&shared.gate);
    let _counted = shared.recorder.connections.open();
    match &gate.tls {
        None => connection::plain(stream, client, &shared).await,
        Some(Tls(tls)) => {
            // What is no TLS, or takes too long to become it, asked for nothing.
            let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await else {
                return;
            };
            // An authority wanted to see the certificate, and has.
            if stream.get_ref().1.alpn_protocol() != Some(CHALLENGE_ALPN) {
                connection::encrypted(stream, client, &shared).await;
            }
        }
    }
}

/// The answer to a client whose address has too many connections.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: 23\r\nretry-after: 1\r\n\
connection: close\r\n\r\n{\"error\":\"unavailable\"}";
