//! Confidence in an endpoint's identity, which limits that of the findings that rest on it.

use vigie_model::{Confidence, Identity};

/// Minimum confidence in the product for findings of high confidence. It is above the maximum for claims of other tools (0.6), and below
/// that of a product known only from its source or documentation (0.8).
pub const HIGH_FROM: f64 = 0.75;

/// Minimum for medium confidence: below one half, the product is more likely wrong than right.
pub const MEDIUM_FROM: f64 = 0.5;

/// The evidence rule of an import whose version is a claim of the source, without a reply.
const CLAIMED_VERSION: &str = "version-said-by-source";

/// Confidence in the product and in the version of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IdentityConfidence {
    /// The product, and all values read by its rules.
    pub(crate) product: Confidence,
    /// The version; never higher than the product's.
    pub(crate) version: Confidence,
    /// Whether the version is only a claim of another tool.
    pub(crate) version_is_claim: bool,
}

impl IdentityConfidence {
    pub(crate) fn of(identity: &Identity) -> Self {
        let product = match identity.confidence {
            confidence if confidence >= HIGH_FROM => Confidence::High,
            confidence if confidence >= MEDIUM_FROM => Confidence::Medium,
            _ => Confidence::Low,
        };
        let version_is_claim = identity.evidence.iter().any(|piece| piece.rule == CLAIMED_VERSION);
        let version = if version_is_claim {
            product.min(Confidence::Medium)
        } else {
            product
        };
        Self {
            product,
            version,
            version_is_claim,
        }
    }
}
