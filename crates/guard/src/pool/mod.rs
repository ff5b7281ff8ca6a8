//! The servers behind the gateway: which of them takes a request, whether they answer, and who waits for them.
//!
//! All threads share one [`Pool`]. What the servers are is a [`Snapshot`] that is replaced whole; counts are atomic numbers; the queue has
//! a lock of its own, taken only where a server is bounded. No lock is held while anything waits.

pub(crate) mod behind;
mod line;
mod queue;
mod server;
mod set;
mod snapshot;

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use vigie_catalog::{Catalog, RouteTable};

use crate::config::{QueueConfig, UpstreamConfig};
use crate::meter::UsageHabit;

pub(crate) use queue::Busy;
use queue::{Place, Queue};
pub(crate) use server::Server;
pub(crate) use set::Set;
pub(crate) use snapshot::{Judged, Judgement, Models, Snapshot};

/// The servers behind the gateway.
#[derive(Debug)]
pub(crate) struct Pool {
    servers: Vec<Server>,
    snapshot: RwLock<Arc<Snapshot>>,
    /// What the snapshot is made of. Locked by those who look at servers, never by requests.
    state: Mutex<State>,
    queue: Queue,
}

#[derive(Debug)]
struct State {
    tables: Vec<Arc<RouteTable>>,
    models: Vec<Models>,
}

/// A request's place on a server, until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot<'p> {
    pool: &'p Pool,
    pub(crate) server: usize,
    /// Its place in the queue, where the server is bounded.
    _place: Option<Place<'p>>,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        if let Some(server) = self.pool.servers.get(self.server) {
            server.leave();
        }
    }
}

impl Pool {
    /// The servers of a configuration.
    ///
    /// # Errors
    ///
    /// A product is not in the catalogue, or there are too many servers.
    pub(crate) fn new<'c>(configs: impl IntoIterator<Item = &'c UpstreamConfig>, queue: &QueueConfig) -> Result<Self, String> {
        let catalog = Catalog::embedded();
        let (mut servers, mut tables) = (Vec::new(), Vec::new());
        for config in configs {
            let product = catalog
                .number(&config.product)
                .ok_or_else(|| format!("unknown product {:?}; vigie catalog list shows all", config.product))?;
            tables.push(Arc::new(RouteTable::compile(catalog.nth(product), config.version.as_deref())));
            servers.push(Server::new(config, Arc::clone(&catalog), product));
        }
        if servers.len() > set::MOST {
            return Err(format!("{} servers; a gateway has at most {}", servers.len(), set::MOST));
        }
        let is_alone = servers.len() == 1;
        let models = servers
            .iter()
            .map(|server| match &server.models {
                Some(patterns) => Models::Named(patterns.clone().into()),
                None if is_alone => Models::Any,
                None => Models::Listed(Arc::default()),
            })
            .collect();
        let state = State { tables, models };
        let parallel: Vec<Option<u32>> = servers.iter().map(|server| server.parallel).collect();
        Ok(Self {
            snapshot: RwLock::new(Arc::new(snapshot(&servers, &state))),
            state: Mutex::new(state),
            queue: Queue::new(parallel, queue),
            servers,
        })
    }

    /// The servers, in the order of the configuration.
    pub(crate) fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The name of a server; `None`: it is the only one.
    pub(crate) fn name_of(&self, server: usize) -> Option<String> {
        self.servers
            .get(server)
            .filter(|_| self.servers.len() > 1)
            .map(|server| server.name.clone())
    }

    /// Those who wait for a server.
    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// What the servers are now.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a server has to be asked which models it has.
    pub(crate) fn asks_models(&self, server: usize) -> bool {
        self.servers.len() > 1 && self.servers.get(server).is_some_and(|server| server.models.is_none())
    }

    /// The table of a server.
    pub(crate) fn table(&self, server: usize) -> Option<Arc<RouteTable>> {
        self.lock().tables.get(server).cloned()
    }

    /// Whether at least one server answered when it was looked at.
    pub(crate) fn is_up(&self) -> bool {
        self.servers.iter().any(|server| server.behind.is_up())
    }

    /// Puts the table of a server's version in place. `Some`: it is another than before; the version of the table.
    pub(crate) fn take_version(&self, server: usize, version: Option<&str>) -> Option<Option<String>> {
        let mut state = self.lock();
        let (own, table) = (self.servers.get(server)?, state.tables.get_mut(server)?);
        if table.version() == version {
            return None;
        }
        let new = RouteTable::compile(own.product(), version);
        // Another version that is not known either.
        if new.version() == table.version() {
            return None;
        }
        *table = Arc::new(new);
        let version = table.version().map(str::to_owned);
        self.replace(&state);
        Some(version)
    }

    /// Takes the list of a server's models.
    pub(crate) fn take_models(&self, server: usize, mut models: Vec<String>) {
        models.sort_unstable();
        models.dedup();
        let mut state = self.lock();
        if let Some(Models::Listed(known)) = state.models.get_mut(server)
            && **known != *models
        {
            *known = models.into();
            self.replace(&state);
        }
    }

    /// A server answered.
    pub(crate) fn succeeded(&self, server: usize) {
        if self.servers.get(server).is_some_and(Server::succeeded) {
            self.servers.iter().for_each(Server::forget_picks);
        }
    }

    /// A server gave no answer.
    pub(crate) fn failed(&self, server: usize) {
        if let Some(server) = self.servers.get(server) {
            server.failed();
        }
    }

    /// A server gave a request no answer: what comes up next may be anything, so the strictest table holds until it was looked at. `Some`:
    /// that is another table than before.
    pub(crate) fn lose(&self, server: usize) -> Option<Option<String>> {
        self.failed(server);
        let changed = self.take_version(server, None);
        if let Some(server) = self.servers.get(server) {
            server.lose();
        }
        changed
    }

    /// A server closed a connection that was kept: it may have restarted.
    pub(crate) fn suspect(&self, server: usize) {
        if let Some(server) = self.servers.get(server).filter(|server| !server.behind.is_fresh()) {
            server.lose();
        }
    }

    /// Takes a place on one of these servers, and waits for it if all are full. `runs`: whether a model runs.
    ///
    /// # Errors
    ///
    /// Too many wait, or it took too long.
    pub(crate) async fn enter(&self, from: Set, key: &str, runs: bool) -> Result<Slot<'_>, Busy> {
        let from = self.answering(from);
        let (server, place) = match runs && self.queue.bounds(from) {
            false => (self.next(from).ok_or(Busy::NONE)?, None),
            true => {
                let place = self.queue.enter(from, key, |free| self.next(free)).await?;
                (place.server, Some(place))
            }
        };
        self.servers.get(server).ok_or(Busy::NONE)?.enter();
        Ok(Slot {
            pool: self,
            server,
            _place: place,
        })
    }

    /// Those of these servers that answer; all of them if none does: one may be up again.
    pub(crate) fn answering(&self, from: Set) -> Set {
        let answering: Set = from
            .iter()
            .filter(|server| self.servers.get(*server).is_some_and(Server::is_in))
            .collect();
        if answering.is_empty() { from } else { answering }
    }

    /// The server that has the least to do for its weight.
    fn next(&self, from: Set) -> Option<usize> {
        if from.is_one() {
            return from.iter().next();
        }
        let load = |server: &usize| self.servers.get(*server).map_or((f64::MAX, f64::MAX), Server::load);
        from.iter()
            .map(|server| (load(&server), server))
            .min_by(|(a, _), (b, _)| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal))
            .map(|(_, server)| server)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, state: &State) {
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot(&self.servers, state));
    }
}

fn snapshot(servers: &[Server], state: &State) -> Snapshot {
    let mut groups: Vec<snapshot::Group> = Vec::new();
    for (number, (server, table)) in servers.iter().zip(&state.tables).enumerate() {
        let is_alike = |group: &&mut snapshot::Group| group.product == server.product && group.table.version() == table.version();
        match groups.iter_mut().find(is_alike) {
            Some(group) => group.servers = group.servers.with(number),
            None => groups.push(snapshot::Group {
                product: server.product,
                table: Arc::clone(table),
                habit: UsageHabit::of(&server.product().id),
                servers: Set::one(number),
            }),
        }
    }
    Snapshot {
        groups,
        models: state.models.clone(),
    }
}
