//! The catalogue, prepared for identification.

use std::sync::{Arc, OnceLock};

use vigie_catalog::{Catalog, SigId, Signature};
use vigie_model::EvidenceWeight;

use crate::cache::replies::ReplyCache;
use crate::cache::sessions::SessionCache;
use crate::index::{Index, IndexBuilder};
use crate::measured::Measured;

/// A compiled catalogue with the index of its evidence rules, and the caches that all sessions share.
#[derive(Debug)]
pub struct Identifier {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) measured: Arc<Measured>,
    pub(crate) index: Index,
    pub(crate) reply_cache: ReplyCache,
    pub(crate) session_cache: SessionCache,
    /// The number of `GET /`.
    pub(crate) root: SigId,
    /// The number of the request for the absent path.
    pub(crate) absent: SigId,
}

impl Identifier {
    /// Builds the index of a catalogue's evidence, with empty caches. `measured` caps the confidence in a product.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>, measured: Arc<Measured>) -> Self {
        let mut index = IndexBuilder::default();
        for (number, product) in (0_u32..).zip(catalog.products()) {
            let rules = (0_u32..).zip(&product.evidence);
            for (position, evidence) in rules.filter(|(_, evidence)| evidence.weight != EvidenceWeight::Contradicts) {
                index.add(evidence.condition.exchange, (number, position), evidence.literal.as_ref());
            }
        }
        // A catalogue without these two requests does not load.
        let number = |path| catalog.sig(&Signature::get(path)).unwrap_or(SigId::MAX);
        Self {
            root: number("/"),
            absent: number(vigie_catalog::ABSENT_PATH),
            index: index.build(),
            reply_cache: ReplyCache::default(),
            session_cache: SessionCache::default(),
            catalog,
            measured,
        }
    }

    /// The identifier of the embedded catalogue, built once.
    #[must_use]
    pub fn embedded() -> Arc<Self> {
        static EMBEDDED: OnceLock<Arc<Identifier>> = OnceLock::new();
        Arc::clone(EMBEDDED.get_or_init(|| Arc::new(Self::new(Catalog::embedded(), Arc::new(Measured::embedded())))))
    }

    /// The catalogue.
    #[must_use]
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The confidence that the fixtures measured.
    #[must_use]
    pub fn measured(&self) -> &Measured {
        &self.measured
    }
}
