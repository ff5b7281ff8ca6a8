//! A gateway: started whole or not at all, and stopped.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use vigie_catalog::{Catalog, RouteTable};

use super::gate::{Gate, KeyStore};
use super::origin::Allowed;
use super::tls;
use super::upstream::Upstream;
use super::worker;
use crate::admin;
use crate::config::{Config, files};
use crate::limit;
use crate::log::{Change, Entry, SigningKey};

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
                worker::run(
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

/// The folder's files that a gateway needs, for a check without a start.
#[must_use]
pub fn needed_files(dir: &Path) -> [PathBuf; 3] {
    [files::CONFIG, files::KEYS, files::SIGNING_KEY].map(|name| dir.join(name))
}
