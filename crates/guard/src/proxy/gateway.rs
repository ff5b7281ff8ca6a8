//! A gateway: started whole or not at all, and stopped.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use super::gate::{KeyStore, Parts};
use super::life::Life;
use super::plan::{Plan, signing_key};
use super::reload::Running;
use super::{keeper, worker};
use crate::admin::Metrics;
use crate::config::{Config, files};
use crate::limit;
use crate::log::{Change, Entry, PromptKey};
use crate::watch::Watch;
use crate::ways;

/// Connections that the system holds until they are accepted.
const BACKLOG: i32 = 1_024;

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    running: Arc<Running>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

/// Asks a running gateway for something, from any thread.
#[derive(Clone, Debug)]
pub struct Control(Arc<Running>);

impl Gateway {
    /// Starts the gateway of a folder, complete or not at all.
    ///
    /// # Errors
    ///
    /// A file of the folder is missing or wrong, or the address is taken.
    pub fn start(dir: &Path) -> Result<Self, StartError> {
        Self::try_start(dir).map_err(StartError)
    }

    fn try_start(dir: &Path) -> Result<Self, String> {
        let plan = Plan::read(dir)?;
        let keys = KeyStore::open(dir.join(files::KEYS))?;
        let signing = signing_key(dir)?;
        let config = plan.config.clone();
        let cannot = |error: std::io::Error| format!("cannot listen on {}: {error}", config.listen.address);
        let listener = listen(config.listen.address).map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let admin = Running::bind_admin(&config)?;
        let mut options = config.log.options().map_err(|(_, why)| why)?;
        options.prompts = Some(prompt_key(&dir.join(files::PROMPT_KEY))?);
        let (log, limiter) = limit::open(&dir.join(files::COUNTS), &Config::beside(dir, &config.log.dir), signing, options)
            .map_err(|error| error.to_string())?;
        let log = Arc::new(log);
        let watch = config.detect.as_ref().map(|detect| Watch::start(detect, &log)).transpose()?;
        let parts = Parts {
            watch: watch.map(Arc::new),
            log,
            limiter: Arc::new(limiter),
            metrics: Arc::new(Metrics::new(config.upstream.product.clone())),
            keys: Arc::new(keys),
            life: Arc::new(Life::default()),
        };
        let running = Arc::new(Running::new(dir, plan, address, parts)?);
        let gate = running.gate();
        gate.log.record(Entry::Change(Change::Started {
            listen: address.to_string(),
            upstream: gate.plan.behind(),
            plain_http: config.listen.plain_http,
        }));
        running.serve_admin(admin);
        let mut threads = Vec::new();
        let looks = Arc::clone(&running);
        threads.push(std::thread::spawn(move || ways::watch(&looks)));
        let cores = || std::thread::available_parallelism().map_or(2, usize::from);
        for number in 0..config.listen.workers.map_or_else(cores, usize::from) {
            let listener = listener.try_clone().map_err(cannot)?;
            let gate = Arc::clone(&gate);
            threads.push(std::thread::spawn(move || worker::run(listener, &gate, number == 0)));
        }
        let keeps = Arc::clone(&running);
        threads.push(std::thread::spawn(move || keeper::run(&keeps)));
        Ok(Self { running, threads })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// Where metrics and health are.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.running.admin_address()
    }

    /// Whether the audit log cannot be written any more.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.running.parts.log.is_broken()
    }

    /// Asks it for something from another thread.
    #[must_use]
    pub fn control(&self) -> Control {
        Control(Arc::clone(&self.running))
    }

    /// Stops: no connection is accepted any more, requests that are under way are finished, the log is closed.
    pub fn stop(self) {
        self.running.parts.life.stop();
        for thread in self.threads {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
        self.running.end_admin();
        if let Some(watch) = &self.running.parts.watch {
            watch.end();
        }
        self.running.parts.log.record(Entry::Change(Change::Stopped));
    }
}

impl Control {
    /// Reads the configuration and the files that it names anew, soon.
    pub fn reload(&self) {
        self.0.asked.notify_one();
    }

    /// Cuts off what is under way in a gateway that stops. Returns how many connections and streams there were.
    #[must_use]
    pub fn cut(&self) -> (i64, i64) {
        let open = self.0.parts.metrics.open();
        self.0.parts.life.cut();
        open
    }
}

/// The key of the keyed hashes of prompts, made if there is none.
fn prompt_key(path: &Path) -> Result<PromptKey, String> {
    match std::fs::read_to_string(path) {
        Ok(text) => PromptKey::read(&text).ok_or_else(|| format!("{} is no key: 64 hexadecimal digits", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let text = PromptKey::generate().map_err(|_| "the system gives no random numbers".to_owned())?;
            crate::init::owners_file(path, text.as_bytes(), true).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
            PromptKey::read(&text).ok_or_else(|| format!("{} is no key", path.display()))
        }
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
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
