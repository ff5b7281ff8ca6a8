//! The input of the rules, and a cache of their results.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use vigie_catalog::{Catalog, Product};
use vigie_model::{Activity, Advised, Claim, Deception, Exposure, Known, Model, Observation, Posture, Reach};

use crate::sure::Sure;

/// The complete input of the rules: two servers with the same input have the same findings.
pub(crate) struct Look<'o> {
    pub(crate) product: Option<&'o Product>,
    /// Other products at the same endpoint.
    pub(crate) also: &'o [String],
    pub(crate) version: &'o Known<String>,
    pub(crate) sure: Sure,
    pub(crate) exposure: &'o Exposure,
    pub(crate) deception: &'o Deception,
    pub(crate) advisories: &'o Advised,
    pub(crate) tls: &'o Known<bool>,
    /// Whether it was reached by a loopback address.
    pub(crate) loopback: bool,
    /// Whether its listening socket is on this machine.
    pub(crate) local: bool,
    /// The knowledge for the other products; it is the same for every input.
    catalog: &'o Catalog,
}

impl<'o> Look<'o> {
    pub(crate) fn at(observation: &'o Observation, product: Option<&'o Product>, catalog: &'o Catalog) -> Self {
        Self {
            product,
            also: &observation.identity.also,
            version: &observation.identity.version,
            sure: Sure::of(&observation.identity),
            exposure: &observation.exposure,
            deception: &observation.deception,
            advisories: &observation.advisories,
            tls: &observation.endpoint.tls,
            loopback: vigie_scope::is_loopback(observation.endpoint.address),
            local: observation.listener.is_some(),
            catalog,
        }
    }

    /// The other products at the endpoint whose open answer decides the posture.
    pub(crate) fn also_open(&self) -> impl Iterator<Item = &'o Product> {
        let from = self.exposure.posture_from.as_deref();
        let catalog = self.catalog;
        let also = self.also.iter().filter_map(move |id| catalog.product(id));
        also.filter(move |product| from.is_some_and(|from| product.open_at.iter().any(|open| open.matches(from))))
    }

    pub(crate) fn posture(&self) -> Option<Posture> {
        self.exposure.posture.known().copied()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.posture() == Some(Posture::Open)
    }

    pub(crate) fn is_dormant(&self) -> bool {
        self.exposure.activity.known() == Some(&Activity::Dormant)
    }

    pub(crate) fn models(&self) -> &'o [Model] {
        self.exposure.models.known().map_or(&[], Vec::as_slice)
    }

    /// Whether it is on this machine and bound to loopback, so that others cannot reach it.
    pub(crate) fn only_here(&self) -> bool {
        self.local && self.exposure.reach.known() == Some(&Reach::Loopback)
    }

    pub(crate) fn is_public(&self) -> bool {
        self.exposure.reach.known() == Some(&Reach::Public)
    }

    pub(crate) fn seen_at(&self) -> String {
        let from = self.exposure.posture_from.as_ref();
        from.map_or_else(String::new, |from| format!("{from} answered without credentials. "))
    }

    fn kept(&self) -> Kept {
        Kept {
            product: self.product.map(|product| product.id.clone()),
            also: self.also.to_vec(),
            version: self.version.clone(),
            sure: self.sure,
            exposure: self.exposure.clone(),
            deception: self.deception.clone(),
            advisories: self.advisories.clone(),
            tls: self.tls.clone(),
            loopback: self.loopback,
            local: self.local,
        }
    }
}

/// A claim, and its subject besides the endpoint.
pub(crate) type About = (Option<String>, Arc<Claim>);

/// An earlier [`Look`].
#[derive(Debug)]
struct Kept {
    product: Option<String>,
    also: Vec<String>,
    version: Known<String>,
    sure: Sure,
    exposure: Exposure,
    deception: Deception,
    advisories: Advised,
    tls: Known<bool>,
    loopback: bool,
    local: bool,
}

impl Kept {
    /// Whether an input is equal; the fields that differ most often are compared first.
    fn is(&self, look: &Look<'_>) -> bool {
        // Every field is named, so that a new input of the rules must be added here.
        let Look {
            product,
            also,
            version,
            sure,
            exposure,
            deception,
            advisories,
            tls,
            loopback,
            local,
            catalog: _,
        } = look;
        (self.loopback, self.local, self.sure) == (*loopback, *local, *sure)
            && self.advisories.is(advisories)
            && self.also == *also
            && self.product.as_deref() == product.map(|product| product.id.as_str())
            && self.version == **version
            && self.tls == **tls
            && self.exposure == **exposure
            && self.deception == **deception
    }
}

/// Cache of the rules' results for recent inputs, because many servers of a network have the same.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<VecDeque<(Kept, Arc<[About]>)>>);

/// Maximum number of cached inputs.
const MAX_LOOKS: usize = 16;

impl Memory {
    pub(crate) fn said_of(&self, look: &Look<'_>) -> Option<Arc<[About]>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(kept, _)| kept.is(look)).map(|(_, said)| Arc::clone(said))
    }

    pub(crate) fn keep(&self, look: &Look<'_>, said: &Arc<[About]>) {
        let one = (look.kept(), Arc::clone(said));
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(MAX_LOOKS - 1);
        kept.push_front(one);
    }
}
