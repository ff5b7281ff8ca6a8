//! One server behind the gateway, as all threads see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use tokio::sync::Notify;
use vigie_catalog::{Catalog, Product, RouteTable, VersionLook};

use super::behind::Behind;
use crate::config::UpstreamConfig;
use crate::key::Pattern;
use crate::known::{ModelLists, Models as KnownOf};

/// So many failures one after another take a server out until it answers again.
const FAILURES: u32 = 2;

/// One server behind the gateway.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: String,
    catalog: Arc<Catalog>,
    /// Its product's number in the catalogue.
    pub(super) product: u32,
    /// The models that the configuration names; `None`: the server is asked.
    pub(crate) models: Option<Vec<Pattern>>,
    /// Requests that run at the same time, at most.
    pub(crate) parallel: Option<u32>,
    /// Whether it answered when it was looked at.
    pub(crate) behind: Behind,
    /// What it told of its models.
    pub(crate) known: KnownOf,
    weight: u32,
    open: AtomicI64,
    /// How often it was chosen among servers that had as much to do.
    picked: AtomicU64,
    failures: AtomicU32,
    lost: Notify,
}

impl Server {
    pub(super) fn new(config: &UpstreamConfig, catalog: Arc<Catalog>, product: u32) -> Self {
        let behind = catalog.nth(product);
        let lists = ModelLists::of(behind, RouteTable::compile(behind, None).names());
        Self {
            name: config.name.clone().unwrap_or_else(|| config.url.clone()),
            catalog,
            product,
            models: config.models.clone(),
            parallel: config.parallel.map(std::num::NonZeroU32::get),
            behind: Behind::default(),
            known: KnownOf::new(lists),
            weight: config.weight.get(),
            open: AtomicI64::new(0),
            picked: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            lost: Notify::new(),
        }
    }

    /// Its product.
    pub(crate) fn product(&self) -> &Product {
        self.catalog.nth(self.product)
    }

    /// The requests that name its version.
    pub(crate) fn version_looks(&self) -> Vec<VersionLook<'_>> {
        self.catalog.version_looks(self.product())
    }

    /// Whether requests are sent to it.
    pub(crate) fn is_in(&self) -> bool {
        self.failures.load(Ordering::Relaxed) < FAILURES
    }

    /// It answered. Whether it comes back with that.
    pub(super) fn succeeded(&self) -> bool {
        // Nearly always it is so already, and a load costs no other thread anything.
        self.failures.load(Ordering::Relaxed) > 0 && self.failures.swap(0, Ordering::Relaxed) >= FAILURES
    }

    /// It gave no answer.
    pub(super) fn failed(&self) {
        // It does not wrap: beyond the bound the number says nothing more.
        if self.is_in() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It may have become something else: it is looked at soon.
    pub(super) fn lose(&self) {
        self.known.forget();
        self.lost.notify_one();
    }

    /// Waits until it should be looked at.
    pub(crate) async fn lost(&self) {
        self.lost.notified().await;
    }

    /// Requests that it has now.
    pub(crate) fn open(&self) -> i64 {
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn enter(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.picked.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Forgets how often it was chosen, so that one that comes back is not sent all that it missed.
    pub(super) fn forget_picks(&self) {
        self.picked.store(0, Ordering::Relaxed);
    }

    /// What it has to do for its weight, and how often it was chosen for its weight: the least is next.
    pub(super) fn load(&self) -> (f64, f64) {
        let per = |amount: f64| amount / f64::from(self.weight);
        // Numbers of requests are far below the precision of the type.
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
        let (open, picked) = (self.open() as f64, self.picked.load(Ordering::Relaxed) as f64);
        (per(open), per(picked + 1.0))
    }
}
