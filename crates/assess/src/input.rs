//! The input of the rules.

use std::sync::Arc;

use vigie_catalog::{Catalog, Product};
use vigie_model::{Activity, Advised, Claim, Deception, Exposure, Known, LeakKind, Model, Observation, Part, Posture, Reach};

use crate::identity_confidence::IdentityConfidence;

/// The complete input of the rules: two servers with the same input have the same findings.
pub(crate) struct AssessmentInput<'o> {
    pub(crate) product: Option<&'o Product>,
    /// Other products at the same endpoint.
    pub(crate) also: &'o [String],
    pub(crate) version: &'o Known<String>,
    pub(crate) confidence: IdentityConfidence,
    pub(crate) exposure: &'o Exposure,
    pub(crate) deception: &'o Deception,
    pub(crate) advisories: &'o Advised,
    pub(crate) tls: &'o Known<bool>,
    /// Whether it was reached by a loopback address.
    pub(crate) loopback: bool,
    /// Whether its listening socket is on this machine.
    pub(crate) local: bool,
    /// The knowledge for the other products; it is the same for every input.
    pub(crate) catalog: &'o Catalog,
}

impl<'o> AssessmentInput<'o> {
    pub(crate) fn new(observation: &'o Observation, product: Option<&'o Product>, catalog: &'o Catalog) -> Self {
        Self {
            product,
            also: &observation.identity.also,
            version: &observation.identity.version,
            confidence: IdentityConfidence::of(&observation.identity),
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
    pub(crate) fn is_loopback_only(&self) -> bool {
        self.local && self.exposure.reach.known() == Some(&Reach::Loopback)
    }

    pub(crate) fn is_public(&self) -> bool {
        self.exposure.reach.known() == Some(&Reach::Public)
    }

    /// The requests that were answered without credentials and leaked this kind of data.
    pub(crate) fn leaking_requests(&self, kind: LeakKind) -> Vec<&'o str> {
        let leaks = self.exposure.leaks.iter().filter(|leak| leak.what == kind);
        leaks.map(|leak| leak.request.as_str()).collect()
    }

    /// Names the request whose answer showed that the server is open; empty if it is unknown.
    pub(crate) fn open_answer(&self) -> String {
        let from = self.exposure.posture_from.as_ref();
        from.map_or_else(String::new, |from| format!("{from} answered without credentials. "))
    }
}

/// A claim, and the part of the endpoint that it is about.
#[derive(Debug)]
pub(crate) struct SubjectClaim {
    pub(crate) part: Option<Part>,
    pub(crate) claim: Arc<Claim>,
}
