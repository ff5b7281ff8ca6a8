//! How sure a finding can be at most: no surer than what it rests on.

use vigie_model::{Confidence, Identity};

/// From this confidence in the product on, a finding that rests on it may be of high confidence. Above what only another tool says
/// (0.6 at most), and below what a product known from its source or documentation alone reaches (0.8).
pub const HIGH_FROM: f64 = 0.75;

/// From this on, of medium confidence: below one half the product is more likely wrong than right.
pub const MEDIUM_FROM: f64 = 0.5;

/// The rule under which an import tells that the version is the source's word and stands in no reply.
const VERSION_BY_WORD: &str = "version-said-by-source";

/// How sure the parts of an identity are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sure {
    /// The product, and whatever its file's rules read.
    pub(crate) product: Confidence,
    /// The version; never surer than the product.
    pub(crate) version: Confidence,
    /// Whether the version is another tool's word alone.
    pub(crate) by_word: bool,
}

impl Sure {
    pub(crate) fn of(identity: &Identity) -> Self {
        let product = match identity.confidence {
            confidence if confidence >= HIGH_FROM => Confidence::High,
            confidence if confidence >= MEDIUM_FROM => Confidence::Medium,
            _ => Confidence::Low,
        };
        let by_word = identity.evidence.iter().any(|piece| piece.rule == VERSION_BY_WORD);
        let version = if by_word { product.min(Confidence::Medium) } else { product };
        Self { product, version, by_word }
    }
}
