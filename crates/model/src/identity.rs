//! What a server is, and the evidence for it.

use serde::{Deserialize, Serialize};

use crate::{Known, Why};

/// How much a piece of evidence says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceWeight {
    /// Only that product sends it.
    Unique,
    /// Few other products send it.
    Strong,
    /// It fits, as it fits others.
    Weak,
    /// That product never sends it.
    Contradicts,
}

/// One reason for (or against) an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The product it speaks of; empty where a source's own word names none of the catalogue.
    pub product: String,
    /// The rule that found it, stable within the product's file.
    pub rule: String,
    /// How much it says.
    pub weight: EvidenceWeight,
    /// Method and path of the exchange it was found in.
    pub request: String,
    /// What was seen, shortened.
    pub seen: String,
}

/// Product, version, confidence and the evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The product's id: its file's name in the catalogue.
    pub product: Known<String>,
    /// The version as the server says it.
    pub version: Known<String>,
    /// Which running copy or installation of the product it says it is: an id that it drew for itself. Left out where the product
    /// tells none: what was said before the field was there keeps its hash.
    #[serde(default = "not_carried", skip_serializing_if = "was_not_carried")]
    pub instance: Known<String>,
    /// From 0 to 1: what the fixtures measured, never above 0.8 without a real recording.
    pub confidence: f64,
    /// The evidence, the weightiest first.
    pub evidence: std::sync::Arc<[Evidence]>,
    /// Other products that answer at the same endpoint (an MCP server beside its own API), most certain first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
}

impl Identity {
    /// The id of the instance as a record carries it: `None` where the product tells none.
    #[must_use]
    pub fn instance_if_carried(&self) -> Option<&Known<String>> {
        (!was_not_carried(&self.instance)).then_some(&self.instance)
    }
}

fn not_carried() -> Known<String> {
    Known::unknown(Why::NotCarried)
}

/// Whether a record that lacks the key reads as this.
fn was_not_carried(instance: &Known<String>) -> bool {
    matches!(instance, Known::Unknown(unknown) if unknown.why == Why::NotCarried && unknown.detail.is_none())
}
