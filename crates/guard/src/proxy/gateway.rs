//! A gateway: started whole or not at all, and stopped.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::gate::{KeyStore, Parts};
use super::life::Life;
use super::plan::{Plan, signing_key};
use super::reload::Running;
use super::sockets::Sockets;
use super::{keeper, worker};
use crate::admin::Metrics;
use crate::authorize::Asked;
use crate::config::{Config, files};
use crate::limit::{self, Remote};
use crate::log::{Change, Entry, PromptKey};
use crate::service;
use crate::telemetry::{self, Telemetry};
#[cfg(unix)]
use crate::top;
use crate::watch::Watch;
use crate::ways;

/// After another process has taken over, a connection that waits for a request may send one for this long; its answer says that it is the last.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    running: Arc<Running>,
    threads: Vec<std::thread::JoinHandle<()>>,
    /// The one that sends to the collector; it ends last.
    exporter: std::thread::JoinHandle<()>,
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
        Self::start_on(dir, |_| Ok(Sockets::default()))
    }

    /// The same on sockets that are handed over once the folder has been checked.
    ///
    /// # Errors
    ///
    /// See [`Gateway::start`], and what the call says.
    pub fn start_on(dir: &Path, sockets: impl FnOnce(&Path) -> Result<Sockets, String>) -> Result<Self, StartError> {
        Self::try_start(dir, None, sockets).map_err(StartError)
    }

    /// Starts to answer the questions of a proxy that is already there, at the address of `[authorize]` or another. The secret that the
    /// proxy shows is made if the folder has none.
    ///
    /// # Errors
    ///
    /// As of [`Gateway::start`], or the configuration has no `[authorize]`.
    pub fn authorize(dir: &Path, listen: Option<SocketAddr>) -> Result<Self, StartError> {
        Self::try_start(dir, Some(Asked { listen }), |_| Ok(Sockets::default())).map_err(StartError)
    }

    fn try_start(dir: &Path, authorizes: Option<Asked>, sockets: impl FnOnce(&Path) -> Result<Sockets, String>) -> Result<Self, String> {
        let plan = Plan::read_as(dir, authorizes.as_ref())?;
        let keys = KeyStore::open(dir.join(files::KEYS))?;
        let signing = signing_key(dir)?;
        let id = signing.verifying().to_string();
        let config = plan.config.clone();
        let mut sockets = sockets(dir)?;
        let (clients, admin) = sockets.take(config.listen.address, config.admin.as_ref().map(|admin| admin.address))?;
        let cannot = |error: std::io::Error| format!("cannot listen on {}: {error}", config.listen.address);
        let listener = clients.try_clone().map_err(cannot)?;
        let mut options = config.log.options().map_err(|(_, why)| why)?;
        options.prompts = Some(prompt_key(&dir.join(files::PROMPT_KEY))?);
        // Where a Redis has the counts, what other processes count is there.
        let (counts, log_dir) = (dir.join(files::COUNTS), Config::beside(dir, &config.log.dir));
        let (log, limiter) =
            limit::open(&counts, &log_dir, signing, options, config.limits.is_none()).map_err(|error| error.to_string())?;
        let log = Arc::new(log);
        let watch = config
            .detect
            .as_ref()
            .map(|detect| Watch::start(dir, detect, &log, None))
            .transpose()?;
        let remote = match &config.limits {
            None => None,
            Some(limits) => Some(Arc::new(Remote::read(dir, limits, id)?)),
        };
        let parts = Parts {
            telemetry: Arc::new(Telemetry::default()),
            log,
            limiter,
            remote,
            metrics: Arc::new(Metrics::new(config.upstream.product.clone())),
            keys: Arc::new(keys),
            life: Arc::new(Life::default()),
        };
        let running = Arc::new(Running::new(dir, plan, authorizes, clients, parts, watch.map(Arc::new))?);
        let gate = running.gate();
        gate.log.record(Entry::Change(Change::Started {
            listen: running.address.to_string(),
            upstream: gate.plan.behind(),
            plain_http: config.listen.plain_http,
        }));
        running.serve_admin(admin);
        let mut threads = Vec::new();
        let looks = Arc::clone(&running);
        threads.push(std::thread::spawn(move || ways::watch(&looks)));
        #[cfg(unix)]
        {
            let (tells, dir) = (Arc::clone(&running), dir.to_owned());
            threads.push(std::thread::spawn(move || top::serve(&tells, &dir)));
        }
        let cores = || std::thread::available_parallelism().map_or(2, usize::from);
        for number in 0..config.listen.workers.map_or_else(cores, usize::from) {
            let listener = listener.try_clone().map_err(cannot)?;
            let gate = Arc::clone(&gate);
            threads.push(std::thread::spawn(move || worker::run(listener, &gate, number == 0)));
        }
        let keeps = Arc::clone(&running);
        threads.push(std::thread::spawn(move || keeper::run(&keeps)));
        let sends = Arc::clone(&running);
        let exporter = std::thread::spawn(move || telemetry::run(&sends));
        #[cfg(unix)]
        if let Some(before) = sockets.before {
            // If it is gone, there is nobody to take over from.
            before.serves();
        }
        service::ready();
        Ok(Self {
            running,
            threads,
            exporter,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// The same as a URL.
    #[must_use]
    pub fn asked_at(&self) -> String {
        let scheme = if self.running.gate().tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.running.address)
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
        let life = &self.running.parts.life;
        if life.is_taken_over() {
            std::thread::sleep(LAST_REQUESTS);
        } else {
            service::stopping();
        }
        life.stop();
        self.running.close();
        for thread in self.threads {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
        self.running.end_admin();
        self.running.parts.telemetry.end();
        let _ = self.exporter.join();
        self.running.end_watches();
        self.running.parts.log.record(Entry::Change(Change::Stopped));
    }
}

impl Control {
    /// Reads the configuration and the files that it names anew, soon.
    pub fn reload(&self) {
        self.0.asked.notify_one();
    }

    /// Waits until another process has taken over: then [`Gateway::stop`] finishes what is under way.
    pub async fn taken_over(&self) {
        self.0.parts.life.taken_over().await;
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
