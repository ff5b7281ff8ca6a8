//! The results of a log (`result`, 3.27).

use serde::Serialize;
use vigie_model::{EvidenceKind, Finding, Observation, Severity, sha256};

use super::{Message, TEXT, level, utc};
use crate::text::{self, sentence};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogResult {
    rule_id: String,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: [Location; 1],
    partial_fingerprints: Fingerprints,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suppressions: Vec<Suppression>,
    properties: ResultProperties,
    #[serde(skip)]
    pub(super) order: (vigie_model::EndpointKey, std::cmp::Reverse<Severity>, String, String),
}

impl LogResult {
    pub(super) fn new(observation: &Observation, finding: &Finding, rule_index: usize) -> Self {
        let endpoint = &observation.endpoint;
        let suspect = observation.deception.is_suspect();
        let mut message = format!("{}: {}", finding.subject, sentence(&finding.title));
        if !finding.detail.is_empty() {
            message.push(' ');
            message.push_str(&sentence(&finding.detail));
        }
        message.push_str(" What to do: ");
        message.push_str(&sentence(&finding.remedy));
        Self {
            rule_id: text::clean(&finding.id, 100),
            rule_index,
            // A suspect may not be a real server, so its findings raise no alarm.
            level: if suspect { "note" } else { level(finding.severity) },
            message: Message::new(&message),
            locations: [Location {
                physical_location: PhysicalLocation {
                    artifact_location: ArtifactLocation {
                        // GitHub rejects the whole log if one URI has another scheme than the checkout (github/codeql-action issue 754),
                        // so the endpoint is a relative reference.
                        uri: format!("tcp/{}/{}{}", endpoint.address, endpoint.port, path_of(endpoint)),
                    },
                    region: Region { start_line: 1 },
                },
                logical_locations: [LogicalLocation {
                    name: text::clean(&finding.subject.to_string(), 300),
                    fully_qualified_name: text::clean(
                        &match &endpoint.name {
                            Some(name) => format!("tcp://{}{}#{name}", endpoint.socket(), path_of(endpoint)),
                            None => format!("tcp://{}{}", endpoint.socket(), path_of(endpoint)),
                        },
                        300,
                    ),
                    kind: "resource",
                }],
            }],
            partial_fingerprints: Fingerprints::of(observation, finding),
            suppressions: finding
                .accepted
                .iter()
                .map(|reason| Suppression {
                    kind: "external",
                    status: "accepted",
                    justification: text::clean(reason, TEXT),
                })
                .collect(),
            properties: ResultProperties {
                severity: finding.severity.word(),
                confidence: finding.confidence.word(),
                evidence: match finding.evidence {
                    EvidenceKind::Observed => "observed",
                    EvidenceKind::Inferred => "inferred",
                },
                standards: finding
                    .standards
                    .iter()
                    .map(|standard| text::clean(&format!("{}:{}", standard.scheme, standard.id), 100))
                    .collect(),
                advisories: finding.advisories.iter().map(|id| text::clean(id, 100)).collect(),
                product: observation.identity.product.known().map(|id| text::clean(id, 100)),
                version: observation.identity.version.known().map(|id| text::clean(id, 100)),
                seen: utc(&observation.seen),
                suspect,
            },
            order: (
                endpoint.key(),
                std::cmp::Reverse(finding.severity),
                finding.id.clone(),
                finding.subject.to_string(),
            ),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
    logical_locations: [LogicalLocation; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Debug, Serialize)]
struct ArtifactLocation {
    uri: String,
}

/// Line 1, because services that show results beside lines require one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation {
    name: String,
    fully_qualified_name: String,
    kind: &'static str,
}

/// The path prefix of the endpoint; empty: the root.
fn path_of(endpoint: &vigie_model::Endpoint) -> &str {
    endpoint.prefix.as_ref().map_or("", vigie_model::PathPrefix::as_str)
}

/// Fingerprints that identify a result across runs: rule, endpoint and subject, but not version, severity or wording. GitHub reads
/// `primaryLocationLineHash`, other tools read `vigieFinding/v1`.
#[derive(Debug, Serialize)]
struct Fingerprints {
    #[serde(rename = "primaryLocationLineHash")]
    github: String,
    #[serde(rename = "vigieFinding/v1")]
    own: String,
}

impl Fingerprints {
    fn of(observation: &Observation, finding: &Finding) -> Self {
        let endpoint = &observation.endpoint;
        let parts = [
            finding.id.as_str(),
            &format!("{}{}", endpoint.socket(), path_of(endpoint)),
            endpoint.name.as_deref().unwrap_or_default(),
            &finding.subject.to_string(),
        ]
        .join("\0");
        let hash = sha256(parts.as_bytes()).split_off("sha256:".len());
        Self {
            github: format!("{}:1", &hash[..16]),
            own: hash,
        }
    }
}

#[derive(Debug, Serialize)]
struct Suppression {
    kind: &'static str,
    status: &'static str,
    justification: String,
}

#[derive(Debug, Serialize)]
struct ResultProperties {
    severity: &'static str,
    confidence: &'static str,
    evidence: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    standards: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    advisories: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    seen: String,
    suspect: bool,
}
