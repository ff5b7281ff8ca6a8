//! What all connections of the gateway share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio_rustls::TlsAcceptor;

use super::flag::Flag;
use super::life::Life;
use super::origin::Allowed;
use super::plan::Plan;
use super::stamp::{Stamp, stamp};
use super::wire::Bounds;
use crate::admin::Metrics;
use crate::key::{Key, KeyFile, Keys};
use crate::limit::{Limiter, Remote};
use crate::log::{Change, Entry, KeyChange, KeyEvent, Log};
use crate::pool::Pool;
use crate::telemetry::{Telemetry, Traces};
use crate::token::Tokens;
use crate::watch::Watch;
use crate::ways::Found;

/// How often the key store is looked at, at most: a revoked key stops working at the next request after this.
const LOOK: Duration = Duration::from_millis(5);

/// What a gateway keeps when its configuration is read anew.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) log: Arc<Log>,
    pub(crate) limiter: Arc<Limiter>,
    /// The Redis that has the counts. `None`: the limiter has them.
    pub(crate) remote: Option<Arc<Remote>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) keys: Arc<KeyStore>,
    pub(crate) life: Arc<Life>,
    pub(crate) telemetry: Arc<Telemetry>,
}

/// What all connections share under one configuration. When the configuration is read anew, another gate follows: each connection goes on
/// with it at its next request, and a request that is under way keeps the gate that it began with.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) plan: Plan,
    pub(crate) log: Arc<Log>,
    pub(crate) limiter: Arc<Limiter>,
    /// The Redis that has the counts. `None`: the limiter has them.
    pub(crate) remote: Option<Arc<Remote>>,
    pub(crate) bounds: Bounds,
    pub(crate) allowed: Allowed,
    pub(crate) metrics: Arc<Metrics>,
    /// The servers behind.
    pub(crate) pool: Arc<Pool>,
    /// Where else they answer.
    pub(crate) ways: Arc<Found>,
    pub(crate) life: Arc<Life>,
    /// The issuers of tokens.
    pub(crate) tokens: Arc<Tokens>,
    /// Whether a grant of some key depends on what the servers tell of their models.
    pub(super) tells_models_apart: AtomicBool,
    pub(crate) watch: Option<Arc<Watch>>,
    /// What is sent to the collector.
    pub(crate) telemetry: Arc<Telemetry>,
    /// The traces of requests. `None`: there are none.
    pub(crate) traces: Option<Traces>,
    pub(crate) tls: Option<Tls>,
    keys: Arc<KeyStore>,
    /// The gate that follows.
    next: OnceLock<Arc<Gate>>,
    replaced: Flag,
}

impl Gate {
    /// `port`: of the gateway. `watch`: the detectors, if they are configured. `before`: the gate that this one will follow.
    pub(crate) fn new(
        plan: Plan,
        tls: Option<TlsAcceptor>,
        watch: Option<Arc<Watch>>,
        port: u16,
        parts: &Parts,
        before: Option<&Self>,
    ) -> Self {
        // The same issuers are not asked again.
        let same_auth = before.filter(|before| before.plan.has_same_issuers(&plan));
        let tokens = same_auth.map_or_else(
            || {
                plan.tokens.start();
                Arc::clone(&plan.tokens)
            },
            |before| Arc::clone(&before.tokens),
        );
        // The same servers are not looked at again, and who waits for them waits in one queue.
        let before = before.filter(|before| before.plan.has_same_servers(&plan));
        let pool = before.map_or_else(|| Arc::clone(&plan.pool), |before| Arc::clone(&before.pool));
        // The usual port of those whom a proxy serves; others are named with their hosts.
        let port = if plan.asker.is_some() { 443 } else { port };
        Self {
            log: Arc::clone(&parts.log),
            limiter: Arc::clone(&parts.limiter),
            remote: parts.remote.clone(),
            metrics: Arc::clone(&parts.metrics),
            keys: Arc::clone(&parts.keys),
            life: Arc::clone(&parts.life),
            watch,
            telemetry: Arc::clone(&parts.telemetry),
            traces: plan
                .config
                .telemetry
                .as_ref()
                .filter(|telemetry| telemetry.traces)
                .map(|telemetry| Traces(telemetry.sample)),
            bounds: Bounds::default(),
            allowed: Allowed::new(&plan.config.listen.hosts, &plan.config.listen.origins, port),
            pool,
            ways: before.map(|before| Arc::clone(&before.ways)).unwrap_or_default(),
            tokens,
            tells_models_apart: AtomicBool::new(false),
            tls: tls.map(Tls),
            plan,
            next: OnceLock::new(),
            replaced: Flag::default(),
        }
    }

    /// The gate that holds now.
    pub(crate) fn latest(self: &Arc<Self>) -> Arc<Self> {
        let mut gate = self;
        while let Some(next) = gate.next.get() {
            gate = next;
        }
        Arc::clone(gate)
    }

    /// The gate that follows this one, if one does.
    pub(crate) fn next(&self) -> Option<&Arc<Self>> {
        self.next.get()
    }

    /// Puts another gate in the place of this one.
    pub(crate) fn replace(&self, next: Arc<Self>) {
        // Nobody but the thread that reads the configuration anew does this, and once for each gate.
        if self.next.set(next).is_ok() {
            self.replaced.set();
        }
    }

    /// Waits until another gate follows.
    pub(crate) async fn replaced(&self) {
        self.replaced.wait().await;
    }

    /// The keys as they are now.
    pub(crate) fn keys(&self) -> Arc<Keys> {
        let keys = self.keys.now(&self.log);
        let apart = keys.tell_models_apart() || self.tokens.tell_models_apart();
        if self.tells_models_apart.load(Ordering::Relaxed) != apart {
            self.tells_models_apart.store(apart, Ordering::Relaxed);
        }
        keys
    }

    /// How many keys there are, and whether the store was read as it is now.
    pub(crate) fn key_state(&self) -> (usize, bool) {
        let count = self.keys().len();
        (count, self.keys.is_current())
    }

    /// Waits until the gateway stops: connections without a request are closed then.
    pub(crate) async fn stopped(&self) {
        self.life.stopped().await;
    }

    /// Whether no connection takes a further request.
    pub(crate) fn is_stopping(&self) -> bool {
        self.life.is_closing()
    }
}

/// TLS towards clients.
#[derive(Clone)]
pub(crate) struct Tls(pub(crate) TlsAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// The key store's file, read again when it changes.
#[derive(Debug)]
pub(crate) struct KeyStore {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    looked: Instant,
    stamp: Option<Stamp>,
    /// The store does not read; the keys are those before.
    is_stale: bool,
    file: KeyFile,
    keys: Arc<Keys>,
}

impl KeyStore {
    /// Reads a store.
    pub(crate) fn open(path: PathBuf) -> Result<Self, String> {
        let (stamp, file) = load(&path)?;
        let keys = Arc::new(Keys::from(file.clone()));
        Ok(Self {
            path,
            state: Mutex::new(State {
                looked: Instant::now(),
                stamp,
                is_stale: false,
                file,
                keys,
            }),
        })
    }

    /// The keys as they are now. A store that does not read keeps the ones before, and that is logged.
    fn now(&self, log: &Log) -> Arc<Keys> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() >= LOOK {
            state.looked = Instant::now();
            let stamp = stamp(&self.path);
            if stamp != state.stamp {
                state.stamp = stamp;
                match load(&self.path) {
                    Ok((stamp, file)) => {
                        let changes = changes(&state.file.keys, &file.keys);
                        log.record_keys(file.keys.len(), changes);
                        state.stamp = stamp;
                        state.is_stale = false;
                        state.keys = Arc::new(Keys::from(file.clone()));
                        state.file = file;
                    }
                    Err(why) => {
                        state.is_stale = true;
                        eprintln!("vigie: {why}; the keys that were read before still hold");
                        log.record(Entry::Change(Change::NotReloaded { why }));
                    }
                }
            }
        }
        Arc::clone(&state.keys)
    }

    /// How many keys are valid at a time.
    pub(crate) fn valid(&self, at: vigie_model::Timestamp) -> usize {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.file.keys.iter().filter(|key| key.is_valid_at(at)).count()
    }

    /// The keys that are not revoked.
    pub(super) fn living(&self) -> Vec<Key> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.file.keys.iter().filter(|key| key.revoked.is_none()).cloned().collect()
    }

    fn is_current(&self) -> bool {
        !self.state.lock().unwrap_or_else(PoisonError::into_inner).is_stale
    }
}

fn load(path: &std::path::Path) -> Result<(Option<Stamp>, KeyFile), String> {
    let before = stamp(path);
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let file = KeyFile::parse(&text).map_err(|error| format!("{} {error}", path.display()))?;
    Ok((before, file))
}

/// What changed.
fn changes(before: &[Key], after: &[Key]) -> Vec<KeyChange> {
    let change = |what: KeyEvent, key: &Key| KeyChange {
        what,
        id: key.id.clone(),
        name: key.name.clone(),
    };
    let mut changes = Vec::new();
    for key in after {
        match before.iter().find(|old| old.id == key.id) {
            None => changes.push(change(KeyEvent::Created, key)),
            Some(old) if old.revoked.is_none() && key.revoked.is_some() => changes.push(change(KeyEvent::Revoked, key)),
            Some(old) if old.secrets != key.secrets => changes.push(change(KeyEvent::Rotated, key)),
            Some(old) if old != key => changes.push(change(KeyEvent::Changed, key)),
            Some(_) => {}
        }
    }
    let gone = before.iter().filter(|old| !after.iter().any(|key| key.id == old.id));
    changes.extend(gone.map(|old| change(KeyEvent::Removed, old)));
    changes
}
