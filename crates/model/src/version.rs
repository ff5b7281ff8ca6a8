//! How the versions of a product are ordered.

use serde::{Deserialize, Serialize};

/// How the versions of a product are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VersionOrder {
    /// Semantic Versioning 2.0, with or without a `v` before it.
    Semver,
    /// Python's PEP 440.
    Pep440,
    /// llama.cpp's build numbers, `b8492`.
    LlamaBuild,
    /// Numbers between dots, and nothing more.
    Dotted,
    /// The author's own: shown, and never held against advisories.
    Author,
}
