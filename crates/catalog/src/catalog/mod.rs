//! The compiled catalogue.

mod harmful;
pub(crate) mod look;
pub(crate) mod permit;
pub(crate) mod permit_cache;
pub(crate) mod product;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use crate::classifiers::TextClassifiers;
use crate::condition::SigId;
use crate::table::effects::EffectTable;
use harmful::HarmfulPath;
use permit_cache::PermitCache;
use product::{GenericProbe, Product, Signature};

/// All products with their rules, checked and compiled.
#[derive(Debug)]
pub struct Catalog {
    pub(crate) products: Vec<Product>,
    pub(crate) by_id: BTreeMap<String, u32>,
    pub(crate) signatures: Vec<Signature>,
    pub(crate) sig_ids: HashMap<Signature, SigId>,
    pub(crate) generic_probes: Vec<GenericProbe>,
    pub(crate) effects: EffectTable,
    pub(crate) harmful: OnceLock<Vec<HarmfulPath>>,
    pub(crate) floor: Option<Arc<(EffectTable, BTreeMap<String, u32>)>>,
    pub(crate) permit_cache: PermitCache,
    pub(crate) classifiers: TextClassifiers,
    pub(crate) hash: String,
    pub(crate) date: String,
}

impl Catalog {
    /// The products, ordered by id.
    #[must_use]
    pub fn products(&self) -> &[Product] {
        &self.products
    }

    /// The product with this id.
    #[must_use]
    pub fn product(&self, id: &str) -> Option<&Product> {
        self.by_id
            .get(id)
            .and_then(|number| self.products.get(usize::try_from(*number).ok()?))
    }

    /// A product's number.
    #[must_use]
    pub fn number(&self, id: &str) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    /// The product with this number.
    ///
    /// # Panics
    ///
    /// The number is not in this catalogue.
    #[must_use]
    pub fn nth(&self, number: u32) -> &Product {
        &self.products[number as usize]
    }

    /// The requests that every endpoint may get before it is recognised.
    #[must_use]
    pub fn generic_probes(&self) -> &[GenericProbe] {
        &self.generic_probes
    }

    /// The hash of its files, `sha256:<hex>`.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Its date, `YYYY-MM-DD`.
    #[must_use]
    pub fn date(&self) -> &str {
        &self.date
    }

    /// The words that classify prompts, models and tools.
    #[must_use]
    pub fn classifiers(&self) -> &TextClassifiers {
        &self.classifiers
    }

    /// The default ports of all products, each once, in order.
    #[must_use]
    pub fn ports(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self.products.iter().flat_map(|product| product.ports.iter().copied()).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// The number of a request, if a file has it.
    #[must_use]
    pub fn sig(&self, signature: &Signature) -> Option<SigId> {
        self.sig_ids.get(signature).copied()
    }

    /// All requests of all files, by number.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The request with this number.
    #[must_use]
    pub fn signature(&self, sig: SigId) -> Option<&Signature> {
        self.signatures.get(sig as usize)
    }
}
