//! Version orders.

use serde::{Deserialize, Serialize};

/// The order of a product's versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VersionOrder {
    /// Semantic Versioning 2.0, with or without a leading `v`.
    Semver,
    /// Python's PEP 440.
    Pep440,
    /// llama.cpp's build numbers, `b8492`.
    LlamaBuild,
    /// Numbers separated by dots, without suffix.
    Dotted,
    /// The author's own scheme, which is shown but never compared with advisories.
    Author,
}
