//! What the rules look at, and what they said of it before.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use vigie_catalog::Product;
use vigie_model::{Activity, AdvisoryVerdict, Claim, Deception, Exposure, Known, Model, Observation, Posture, Reach};

/// What the rules look at, and nothing else: what they say hangs on this alone, so it is the same of two servers of which this is
/// the same.
pub(crate) struct Look<'o> {
    pub(crate) product: Option<&'o Product>,
    pub(crate) version: &'o Known<String>,
    pub(crate) exposure: &'o Exposure,
    pub(crate) deception: &'o Deception,
    pub(crate) advisories: &'o Arc<[AdvisoryVerdict]>,
    pub(crate) tls: &'o Known<bool>,
    /// Whether it was reached by a loopback address.
    pub(crate) loopback: bool,
    /// Whether its listening socket is on this machine.
    pub(crate) local: bool,
}

impl<'o> Look<'o> {
    pub(crate) fn at(observation: &'o Observation, product: Option<&'o Product>) -> Self {
        Self {
            product,
            version: &observation.identity.version,
            exposure: &observation.exposure,
            deception: &observation.deception,
            advisories: &observation.advisories,
            tls: &observation.endpoint.tls,
            loopback: observation.endpoint.address.is_loopback(),
            local: observation.listener.is_some(),
        }
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

    /// Seen on this machine, and bound to loopback: others cannot reach it.
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
            version: self.version.clone(),
            exposure: self.exposure.clone(),
            deception: self.deception.clone(),
            advisories: Arc::clone(self.advisories),
            tls: self.tls.clone(),
            loopback: self.loopback,
            local: self.local,
        }
    }
}

/// A claim, and what it is about besides the endpoint.
pub(crate) type About = (Option<String>, Arc<Claim>);

/// A [`Look`] that was had before.
#[derive(Debug)]
struct Kept {
    product: Option<String>,
    version: Known<String>,
    exposure: Exposure,
    deception: Deception,
    advisories: Arc<[AdvisoryVerdict]>,
    tls: Known<bool>,
    loopback: bool,
    local: bool,
}

impl Kept {
    /// Whether a look shows the same; what tells most servers apart comes first.
    fn is(&self, look: &Look<'_>) -> bool {
        // Every field is named: what a rule may look at must stand here too.
        let Look {
            product,
            version,
            exposure,
            deception,
            advisories,
            tls,
            loopback,
            local,
        } = look;
        (self.loopback, self.local) == (*loopback, *local)
            && Arc::ptr_eq(&self.advisories, advisories)
            && self.product.as_deref() == product.map(|product| product.id.as_str())
            && self.version == **version
            && self.tls == **tls
            && self.exposure == **exposure
            && self.deception == **deception
    }
}

/// What the rules said of the last looks: a network's servers come in kinds that show the same.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<VecDeque<(Kept, Arc<[About]>)>>);

/// How many looks are remembered.
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
