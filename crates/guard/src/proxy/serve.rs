//! The threads of the gateway.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;
use vigie_catalog::{Catalog, Product, Purpose, Request, RouteTable};

use super::behind::{INTERVAL, PATIENCE};
use super::exchange;
use super::gate::{Gate, KeyStore};
use super::origin::Allowed;
use super::tls;
use super::upstream::{Forwarded, Upstream};
use crate::admin::{self, Recorder};
use crate::config::{Config, files};
use crate::limit;
use crate::log::{Change, Entry, SigningKey};

/// How often the server behind is asked while it does not answer.
const LOOK_SOON: Duration = Duration::from_millis(200);
/// How long requests that are under way may take when the gateway stops.
const GRACE: Duration = Duration::from_secs(30);
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections that the system holds until they are accepted.
const BACKLOG: i32 = 1_024;

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    gate: Arc<Gate>,
    address: SocketAddr,
    admin: Option<SocketAddr>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Gateway {
    /// Starts the gateway of a folder, complete or not at all.
    ///
    /// # Errors
    ///
    /// A file of the folder is missing or wrong, or the address is taken.
    pub fn start(dir: &Path) -> Result<Self, StartError> {
        let fail = |why: String| StartError(why);
        let path = dir.join(files::CONFIG);
        let text = std::fs::read_to_string(&path).map_err(|error| fail(format!("cannot read {}: {error}", path.display())))?;
        let config = Config::parse(&text).map_err(|error| fail(format!("{}: {error}", path.display())))?;
        let catalog = Catalog::embedded();
        let product = catalog.product(&config.upstream.product).ok_or_else(|| {
            fail(format!(
                "{}: unknown product {:?}; vigie catalog list shows all",
                path.display(),
                config.upstream.product
            ))
        })?;
        let keys = KeyStore::open(dir.join(files::KEYS)).map_err(fail)?;
        let signing = dir.join(files::SIGNING_KEY);
        let signing = std::fs::read(&signing).map_err(|error| fail(format!("cannot read {}: {error}", signing.display())))?;
        let signing = SigningKey::read(&signing).map_err(|error| fail(format!("{} is no signing key: {error}", files::SIGNING_KEY)))?;
        let (upstream, authority) = config.upstream.address().ok_or_else(|| fail("no address of a server".to_owned()))?;
        let wait = Duration::from_secs(config.upstream.wait);
        let listener =
            listen(config.listen.address).map_err(|error| fail(format!("cannot listen on {}: {error}", config.listen.address)))?;
        let address = listener.local_addr().map_err(|error| fail(error.to_string()))?;
        let admin = match &config.admin {
            None => None,
            Some(admin) => {
                let cannot = |error: std::io::Error| fail(format!("cannot listen on {}: {error}", admin.address));
                let listener = admin::listen(admin.address).map_err(cannot)?;
                Some((listener.local_addr().map_err(cannot)?, listener))
            }
        };
        let (log, limiter) = limit::open(&dir.join(files::COUNTS), &Config::beside(dir, &config.log.dir), signing)
            .map_err(|error| fail(error.to_string()))?;
        let table = RouteTable::compile(product, config.upstream.version.as_deref());
        let version = table
            .version()
            .unwrap_or("of an unknown version, which gets the strictest table")
            .to_owned();
        let allowed = Allowed::new(&config.listen.hosts, &config.listen.origins, address.port());
        let gate = Arc::new(Gate::new(log, limiter, keys, table, allowed, &product.id));
        gate.log.record(Entry::Change(Change::Started {
            listen: address.to_string(),
            upstream: format!("{} {version} at {}", config.upstream.product, config.upstream.url),
            plain_http: config.listen.plain_http,
        }));
        let mut gateway = Self {
            gate,
            address,
            admin: admin.as_ref().map(|(address, _)| *address),
            threads: Vec::new(),
        };
        let tls = match &config.listen.tls {
            None => None,
            Some(files) => Some(tls::acceptor(&dir.join(&files.certificate), &dir.join(&files.key)).map_err(fail)?),
        };
        let is_watched = admin.is_some();
        if let Some((_, listener)) = admin {
            let (gate, hosts) = (Arc::clone(&gateway.gate), config.listen.hosts.clone());
            gateway
                .threads
                .push(std::thread::spawn(move || admin::run(listener, &gate, &hosts)));
        }
        let cores = || std::thread::available_parallelism().map_or(2, usize::from);
        let threads = config.listen.workers.map_or_else(cores, usize::from);
        for number in 0..threads {
            let listener = listener.try_clone().map_err(|error| fail(error.to_string()))?;
            let (gate, authority, product) = (Arc::clone(&gateway.gate), authority.clone(), config.upstream.product.clone());
            let tls = tls.clone();
            gateway.threads.push(std::thread::spawn(move || {
                run(
                    listener,
                    tls,
                    &gate,
                    Upstream::new(upstream, authority, wait),
                    (number == 0).then_some((product, is_watched)),
                );
            }));
        }
        Ok(gateway)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where metrics and health are.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Whether the audit log cannot be written any more.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.gate.log.is_broken()
    }

    /// Stops: no connection is accepted any more, requests that are under way are finished, the log is closed.
    pub fn stop(self) {
        self.gate.stop();
        for thread in self.threads {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
        self.gate.log.record(Entry::Change(Change::Stopped));
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // What is asked for is IPv6; IPv4 is asked for by an address of its own.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// One thread: its connections, and what is behind them, stay on it.
fn run(listener: TcpListener, tls: Option<TlsAcceptor>, gate: &Arc<Gate>, upstream: Upstream, looks: Option<(String, bool)>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return eprintln!("vigie: a thread of the gateway cannot start: {error}"),
    };
    let local = LocalSet::new();
    let upstream = Rc::new(upstream);
    let recorder: Rc<Recorder> = Rc::new(gate.metrics.recorder());
    local.block_on(&runtime, async {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
            return eprintln!("vigie: a thread of the gateway cannot listen");
        };
        if let Some((product, is_watched)) = looks {
            tokio::task::spawn_local(look_behind(Arc::clone(gate), Rc::clone(&upstream), product, is_watched));
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
                    let (gate, upstream, open) = (Arc::clone(gate), Rc::clone(&upstream), Rc::clone(&open));
                    let (tls, recorder) = (tls.clone(), Rc::clone(&recorder));
                    tokio::task::spawn_local(async move {
                        let _counted = recorder.connections.open();
                        match tls {
                            None => exchange::serve(stream, client, &gate, &upstream, &recorder).await,
                            // What is no TLS, or takes too long to become it, asked for nothing.
                            Some(tls) => {
                                if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                                    exchange::serve(stream, client, &gate, &upstream, &recorder).await;
                                }
                            }
                        }
                        drop(open);
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

/// Asks from time to time whether the server behind answers and which version it is, and soon after it did not answer; takes the table of
/// that version. `is_watched`: at once and whatever the product, because readiness is asked for.
async fn look_behind(gate: Arc<Gate>, upstream: Rc<Upstream>, product: String, is_watched: bool) {
    let catalog = Catalog::embedded();
    let Some(product) = catalog.product(&product) else { return };
    let version_path = version_path(&product.id);
    let Some(path) = version_path.or_else(|| is_watched.then(|| harmless_path(product))) else {
        return;
    };
    let mut known = gate.table().version().map(str::to_owned);
    let mut wait = if is_watched { Duration::ZERO } else { INTERVAL };
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = gate.lost() => {}
            () = gate.stopped() => return,
        }
        let body = tokio::time::timeout(PATIENCE, ask(&upstream, path)).await.ok().flatten();
        gate.behind.asked(body.is_some());
        let Some(body) = body else {
            // It is down, and whatever comes up is looked at soon.
            wait = LOOK_SOON;
            continue;
        };
        wait = INTERVAL;
        if version_path.is_none() {
            continue;
        }
        let Some(version) = version(&body) else {
            wait = LOOK_SOON;
            continue;
        };
        if known.as_deref() != Some(&version) {
            let table = RouteTable::compile(product, Some(&version));
            let version_of_table = table.version().map(str::to_owned);
            gate.set_table(table);
            gate.log.record(Entry::Change(Change::Upstream { version: version_of_table }));
            known = Some(version);
        }
    }
}

/// The harmless route that names the version.
fn version_path(product: &str) -> Option<&'static str> {
    match product {
        "ollama" => Some("/api/version"),
        "vllm" => Some("/version"),
        _ => None,
    }
}

/// A route that a scan may ask any server of the product for.
fn harmless_path(product: &Product) -> &str {
    let is_plain = |request: &&Request| {
        request.method == "GET" && matches!(request.purpose, Purpose::Identify | Purpose::Read) && !request.path.contains(['{', '?'])
    };
    product.requests.iter().find(is_plain).map_or("/", |request| &request.path)
}

/// What the server behind answers to a harmless request, up to a bound. `None`: it does not answer, or says that it cannot.
async fn ask(upstream: &Upstream, path: &str) -> Option<Vec<u8>> {
    let request = Forwarded {
        method: "GET",
        target: path,
        accept: None,
        body: None,
    };
    let mut answer = upstream.send(&request).await.ok()?;
    if answer.head.status >= 500 {
        return None;
    }
    let mut body = Vec::new();
    while let Some(piece) = answer.piece(PATIENCE).await.ok()? {
        body.extend_from_slice(&piece);
        if body.len() > 4_096 {
            // The connection closes with the answer.
            return Some(body);
        }
    }
    upstream.keep(answer);
    Some(body)
}

fn version(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    value["version"].as_str().map(str::to_owned)
}

/// The folder's files that a gateway needs, for a check without a start.
#[must_use]
pub fn needed_files(dir: &Path) -> [PathBuf; 3] {
    [files::CONFIG, files::KEYS, files::SIGNING_KEY].map(|name| dir.join(name))
}
