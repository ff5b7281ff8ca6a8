//! The identity of a server: product, version and evidence.

use serde::{Deserialize, Serialize};

use crate::{Known, Why};

/// The weight of a piece of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceWeight {
    /// Only this product sends it.
    Unique,
    /// Few other products send it.
    Strong,
    /// Many products send it.
    Weak,
    /// This product never sends it.
    Contradicts,
}

/// A piece of evidence for or against an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The product; empty if the source names a product that is not in the catalogue.
    pub product: String,
    /// The id of the rule, stable within the product's file.
    pub rule: String,
    /// The weight.
    pub weight: EvidenceWeight,
    /// Method and path of the exchange.
    pub request: String,
    /// What was seen, shortened.
    pub seen: String,
}

/// Product, version, confidence and the evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The product's id: its file's name in the catalogue.
    pub product: Known<String>,
    /// The version as reported by the server.
    pub version: Known<String>,
    /// The id that the running copy or installation generated for itself. Omitted if the product reports none, so that content from before
    /// this field keeps its hash.
    #[serde(default = "not_carried", skip_serializing_if = "was_not_carried")]
    pub instance: Known<String>,
    /// The confidence from 0 to 1, as measured on the fixtures; at most 0.8 without a real recording.
    pub confidence: f64,
    /// The evidence, the heaviest first.
    pub evidence: std::sync::Arc<[Evidence]>,
    /// Other products that answer at the same endpoint (an MCP server beside its own API), most certain first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
}

impl Identity {
    /// The instance id as written to records; `None` if the product reports none.
    #[must_use]
    pub fn instance_if_carried(&self) -> Option<&Known<String>> {
        (!was_not_carried(&self.instance)).then_some(&self.instance)
    }
}

fn not_carried() -> Known<String> {
    Known::unknown(Why::NotCarried)
}

/// Whether this is the value of a missing key.
fn was_not_carried(instance: &Known<String>) -> bool {
    matches!(instance, Known::Unknown(unknown) if unknown.why == Why::NotCarried && unknown.detail.is_none())
}
