//! What all connections of the gateway share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use vigie_catalog::RouteTable;

use super::behind::Behind;
use super::origin::Allowed;
use super::wire::Bounds;
use crate::admin::Metrics;
use crate::key::{Key, KeyFile, Keys};
use crate::limit::Limiter;
use crate::log::{Change, Entry, Log};
use crate::meter::UsageHabit;

/// How often the key store is looked at, at most: a revoked key stops working at the next request after this.
const LOOK: Duration = Duration::from_millis(5);

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) log: Log,
    pub(crate) limiter: Limiter,
    pub(crate) bounds: Bounds,
    pub(crate) allowed: Allowed,
    /// What asking for the counters of a stream changes in the product behind.
    pub(crate) habit: UsageHabit,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) behind: Behind,
    keys: KeyStore,
    table: RwLock<Arc<RouteTable>>,
    stopping: AtomicBool,
    /// Wakes whatever waits for a stop.
    stop: tokio::sync::Notify,
    /// Wakes whoever looks which version answers behind.
    lost: tokio::sync::Notify,
}

impl Gate {
    /// `product`: the id of what stands behind.
    pub(crate) fn new(log: Log, limiter: Limiter, keys: KeyStore, table: RouteTable, allowed: Allowed, product: &str) -> Self {
        Self {
            log,
            limiter,
            bounds: Bounds::default(),
            allowed,
            habit: UsageHabit::of(product),
            metrics: Arc::new(Metrics::new(product.to_owned())),
            behind: Behind::default(),
            keys,
            table: RwLock::new(Arc::new(table)),
            stopping: AtomicBool::new(false),
            stop: tokio::sync::Notify::new(),
            lost: tokio::sync::Notify::new(),
        }
    }

    /// The keys as they are now.
    pub(crate) fn keys(&self) -> Arc<Keys> {
        self.keys.now(&self.log)
    }

    /// How many keys there are, and whether the store was read as it is now.
    pub(crate) fn key_state(&self) -> (usize, bool) {
        let count = self.keys().len();
        (count, self.keys.is_current())
    }

    pub(crate) fn table(&self) -> Arc<RouteTable> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts the table of another version in place.
    pub(crate) fn set_table(&self, table: RouteTable) {
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.stop.notify_waiters();
    }

    /// The server behind did not answer: it may come back as another version.
    pub(crate) fn lose(&self) {
        self.lost.notify_one();
    }

    /// Waits until the server behind did not answer.
    pub(crate) async fn lost(&self) {
        self.lost.notified().await;
    }

    /// Waits until the gateway stops.
    pub(crate) async fn stopped(&self) {
        // The waiter is registered before the flag is read, so that no stop is missed in between.
        let stopped = self.stop.notified();
        if !self.is_stopping() {
            stopped.await;
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
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

/// By which a changed file is known: a store is replaced whole.
type Stamp = (SystemTime, u64, u64);

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
                        log.record(Entry::Change(Change::Keys {
                            count: file.keys.len(),
                            changes,
                        }));
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

fn stamp(path: &std::path::Path) -> Option<Stamp> {
    let about = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(&about);
    #[cfg(not(unix))]
    let number = 0;
    Some((about.modified().ok()?, about.len(), number))
}

/// What changed, by the ids of keys.
fn changes(before: &[Key], after: &[Key]) -> Vec<String> {
    let mut changes = Vec::new();
    for key in after {
        match before.iter().find(|old| old.id == key.id) {
            None => changes.push(format!("created {} ({})", key.id, key.name)),
            Some(old) if old.revoked.is_none() && key.revoked.is_some() => changes.push(format!("revoked {}", key.id)),
            Some(old) if old.secrets != key.secrets => changes.push(format!("rotated {}", key.id)),
            Some(old) if old != key => changes.push(format!("changed {}", key.id)),
            Some(_) => {}
        }
    }
    let gone = before.iter().filter(|old| !after.iter().any(|key| key.id == old.id));
    changes.extend(gone.map(|old| format!("removed {}", old.id)));
    changes
}
