//! Cache of the rules' results for recent inputs, because many servers of a network have the same.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use vigie_model::{Advised, Deception, Exposure, Known};

use crate::identity_confidence::IdentityConfidence;
use crate::input::{AssessmentInput, SubjectClaim};

/// The claims of recent inputs.
#[derive(Debug, Default)]
pub(crate) struct ClaimCache(Mutex<VecDeque<(CachedInput, Arc<[SubjectClaim]>)>>);

/// Maximum number of cached inputs.
const MAX_INPUTS: usize = 16;

impl ClaimCache {
    pub(crate) fn get(&self, input: &AssessmentInput<'_>) -> Option<Arc<[SubjectClaim]>> {
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = cached.iter().find(|(earlier, _)| earlier.equals(input));
        found.map(|(_, claims)| Arc::clone(claims))
    }

    pub(crate) fn insert(&self, input: &AssessmentInput<'_>, claims: &Arc<[SubjectClaim]>) {
        let entry = (CachedInput::new(input), Arc::clone(claims));
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cached.truncate(MAX_INPUTS - 1);
        cached.push_front(entry);
    }
}

/// An owned copy of an [`AssessmentInput`].
#[derive(Debug)]
struct CachedInput {
    product: Option<String>,
    also: Vec<String>,
    version: Known<String>,
    confidence: IdentityConfidence,
    exposure: Exposure,
    deception: Deception,
    advisories: Advised,
    tls: Known<bool>,
    loopback: bool,
    local: bool,
}

impl CachedInput {
    fn new(input: &AssessmentInput<'_>) -> Self {
        Self {
            product: input.product.map(|product| product.id.clone()),
            also: input.also.to_vec(),
            version: input.version.clone(),
            confidence: input.confidence,
            exposure: input.exposure.clone(),
            deception: input.deception.clone(),
            advisories: input.advisories.clone(),
            tls: input.tls.clone(),
            loopback: input.loopback,
            local: input.local,
        }
    }

    /// Whether an input is equal; the fields that differ most often are compared first.
    fn equals(&self, input: &AssessmentInput<'_>) -> bool {
        // Every field is named, so that a new input of the rules must be added here.
        let AssessmentInput {
            product,
            also,
            version,
            confidence,
            exposure,
            deception,
            advisories,
            tls,
            loopback,
            local,
            catalog: _,
        } = input;
        (self.loopback, self.local, self.confidence) == (*loopback, *local, *confidence)
            && self.advisories.is(advisories)
            && self.also == *also
            && self.product.as_deref() == product.map(|product| product.id.as_str())
            && self.version == **version
            && self.tls == **tls
            && self.exposure == **exposure
            && self.deception == **deception
    }
}
