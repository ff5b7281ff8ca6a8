//! `--format sarif`: SARIF 2.1.0, the part of it that findings need, in the shape that code scanning services take.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use vigie_model::{Confidence, EvidenceKind, Finding, Observation, Severity, Standard, Timestamp, sha256};

use crate::text::{self, sentence};
use crate::{Options, Report, RuleText, Summary};

/// Columns that one text may take.
const TEXT: usize = 4_000;

/// One SARIF log with one run. The rules and the tool's version stand before the results, so everything is written
/// at the end; what is kept until then are the findings, not the observations.
#[derive(Debug)]
pub struct Sarif<W> {
    writer: W,
    texts: Vec<RuleText>,
    rules: Vec<Rule>,
    by_id: BTreeMap<String, usize>,
    results: Vec<Found>,
}

impl<W: Write> Sarif<W> {
    /// A log into that writer.
    pub fn new(writer: W, options: Options) -> Self {
        Self {
            writer,
            texts: options.rules,
            rules: Vec::new(),
            by_id: BTreeMap::new(),
            results: Vec::new(),
        }
    }

    /// The index of a finding's rule, which grows with what this finding adds to it.
    fn rule(&mut self, finding: &Finding) -> usize {
        let index = *self.by_id.entry(finding.id.clone()).or_insert_with(|| {
            let known = self.texts.iter().find(|rule| rule.id == finding.id);
            self.rules.push(Rule::new(finding, known));
            self.rules.len() - 1
        });
        self.rules[index].meets(finding);
        index
    }
}

impl<W: Write> Report for Sarif<W> {
    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn observation(&mut self, observation: &Observation) -> io::Result<()> {
        for finding in &observation.findings {
            let rule = self.rule(finding);
            self.results.push(Found::new(observation, finding, rule));
        }
        Ok(())
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        // The order of arrival is not stable across runs; a log that is stable can be compared.
        self.results.sort_by(|a, b| a.order.cmp(&b.order));
        let started = summary.started.known();
        let log = Log {
            schema: "https://json.schemastore.org/sarif-2.1.0.json",
            version: "2.1.0",
            runs: [Run {
                tool: ToolField {
                    driver: Driver {
                        name: &summary.tool.name,
                        full_name: format!("{} {}", summary.tool.name, summary.tool.version),
                        version: &summary.tool.version,
                        semantic_version: &summary.tool.version,
                        information_uri: "https://github.com/vigie/vigie",
                        rules: &self.rules,
                    },
                },
                automation_details: AutomationDetails { id: "vigie/" },
                invocations: [Invocation {
                    execution_successful: summary.complete && summary.failed.is_none(),
                    start_time_utc: started.map(utc),
                    tool_execution_notifications: notifications(summary),
                    end_time_utc: started.zip(summary.duration_ms.known()).and_then(|(at, millis)| {
                        let length = chrono::TimeDelta::milliseconds(i64::try_from(*millis).ok()?);
                        at.checked_add_signed(length).as_ref().map(utc)
                    }),
                }],
                column_kind: "unicodeCodePoints",
                results: &self.results,
                properties: RunProperties {
                    scan: summary.scan.known(),
                    seed: summary.seed.known(),
                    scope: summary.scope.known(),
                    catalog: summary.catalog.sha256.known(),
                    catalog_date: summary.catalog.date.known(),
                    advisories_date: summary.catalog.advisories_date.known(),
                    advisories_not_covered: summary.counts.not_covered.keys().map(|product| text::clean(product, 100)).collect(),
                },
            }],
        };
        text::json(&mut self.writer, &log)?;
        self.writer.write_all(b"\n")?;
        self.writer.flush()
    }
}

#[derive(Serialize)]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: ToolField<'a>,
    automation_details: AutomationDetails,
    invocations: [Invocation; 1],
    column_kind: &'static str,
    results: &'a [Found],
    properties: RunProperties<'a>,
}

#[derive(Serialize)]
struct ToolField<'a> {
    driver: Driver<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver<'a> {
    name: &'a str,
    full_name: String,
    version: &'a str,
    semantic_version: &'a str,
    information_uri: &'static str,
    rules: &'a [Rule],
}

/// GitHub takes the part before the last slash as the category of the analysis.
#[derive(Serialize)]
struct AutomationDetails {
    id: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_execution_notifications: Vec<Notification>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time_utc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time_utc: Option<String>,
}

/// What the reader should know of the run itself (3.58).
#[derive(Serialize)]
struct Notification {
    level: &'static str,
    message: Message,
}

/// Why nothing could be looked at, and the notes.
fn notifications(summary: &Summary) -> Vec<Notification> {
    let told = |level, text: &String| Notification {
        level,
        message: Message::new(text),
    };
    let failed = summary.failed.iter().map(|why| told("error", why));
    failed.chain(summary.notes.iter().map(|note| told("warning", note))).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunProperties<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    scan: Option<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    catalog: Option<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    catalog_date: Option<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advisories_date: Option<&'a String>,
    /// Products of which the log could name no advisory, since none covers them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    advisories_not_covered: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Message {
    text: String,
}

impl Message {
    /// A message as SARIF 2.1.0 has it (3.11.5): braces are doubled because `{0}` is a placeholder, and what would
    /// make an embedded link (3.11.6) is broken up, because the text may come from the network.
    fn new(text: &str) -> Self {
        Self {
            text: text::clean(text, TEXT).replace('{', "{{").replace('}', "}}").replace("](", "] ("),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: String,
    name: String,
    short_description: Message,
    full_description: Message,
    #[serde(skip_serializing_if = "Option::is_none")]
    help_uri: Option<String>,
    help: Message,
    default_configuration: Configuration,
    properties: RuleProperties,
    #[serde(skip)]
    worst: Severity,
}

#[derive(Debug, Serialize)]
struct Configuration {
    level: &'static str,
}

/// `security-severity`, `precision` and `problem.severity` are GitHub's; tags begin with `security` as it asks.
#[derive(Debug, Serialize)]
struct RuleProperties {
    tags: Vec<String>,
    precision: &'static str,
    #[serde(rename = "problem.severity")]
    problem_severity: &'static str,
    #[serde(rename = "security-severity")]
    security_severity: &'static str,
}

impl Rule {
    fn new(finding: &Finding, known: Option<&RuleText>) -> Self {
        let title = known.map_or(&finding.title, |rule| &rule.title);
        let help = match known {
            Some(rule) => format!("{} What to do: {}", sentence(&rule.help), finding.remedy),
            None => format!("What to do: {}", finding.remedy),
        };
        Self {
            id: text::clean(&finding.id, 100),
            name: pascal(&finding.id),
            short_description: Message::new(&sentence(title)),
            full_description: Message::new(&sentence(known.map_or(title, |rule| &rule.help))),
            help_uri: known.and_then(|rule| rule.url.clone()),
            help: Message::new(&sentence(&help)),
            default_configuration: Configuration {
                level: level(finding.severity),
            },
            properties: RuleProperties {
                tags: vec!["security".to_owned()],
                precision: precision(finding.confidence),
                problem_severity: problem(finding.severity),
                security_severity: score(finding.severity),
            },
            worst: finding.severity,
        }
    }

    /// A rule is as severe as the worst of what it found in this run, and carries every standard its findings name.
    fn meets(&mut self, finding: &Finding) {
        for standard in finding.standards.iter() {
            let tag = tag(standard);
            if !self.properties.tags.contains(&tag) {
                self.properties.tags.push(tag);
            }
        }
        if finding.severity > self.worst {
            self.worst = finding.severity;
            self.default_configuration.level = level(finding.severity);
            self.properties.problem_severity = problem(finding.severity);
            self.properties.security_severity = score(finding.severity);
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    rule_id: String,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: [Location; 1],
    partial_fingerprints: Fingerprints,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suppressions: Vec<Suppression>,
    properties: FoundProperties,
    #[serde(skip)]
    order: (vigie_model::EndpointKey, std::cmp::Reverse<Severity>, String, String),
}

impl Found {
    fn new(observation: &Observation, finding: &Finding, rule_index: usize) -> Self {
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
            // A suspect may not be a server at all: it is told, and alarms nobody.
            level: if suspect { "note" } else { level(finding.severity) },
            message: Message::new(&message),
            locations: [Location {
                physical_location: PhysicalLocation {
                    artifact_location: ArtifactLocation {
                        // GitHub refuses a whole log over one URI with a scheme that is not that of the checkout
                        // (github/codeql-action issue 754), so the endpoint stands as a relative reference.
                        uri: format!("tcp/{}/{}{}", endpoint.address, endpoint.port, path_of(endpoint)),
                    },
                    region: Region { start_line: 1 },
                },
                logical_locations: [LogicalLocation {
                    name: text::clean(&finding.subject, 300),
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
            properties: FoundProperties {
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
                finding.subject.clone(),
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

/// An endpoint has no lines; services that show results beside lines want one.
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

/// The path under which it answers; empty: at the root.
fn path_of(endpoint: &vigie_model::Endpoint) -> &str {
    endpoint.prefix.as_ref().map_or("", vigie_model::PathPrefix::as_str)
}

/// What makes a result the same one in the next run: rule, endpoint and subject; nothing that a new version, another
/// severity or another wording changes. GitHub reads `primaryLocationLineHash`, others the key of our own.
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
            &finding.subject,
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
struct FoundProperties {
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

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

fn problem(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "recommendation",
    }
}

/// A number within the band that GitHub shows under that word: over 9.0 critical, from 7.0 high, from 4.0 medium,
/// from 0.1 low.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
        Severity::Info => "0.1",
    }
}

fn precision(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::High => "high",
        Confidence::Medium => "medium",
        Confidence::Low => "low",
    }
}

/// GitHub reads a weakness from a tag `external/cwe/cwe-<number>`; other schemes are `<scheme>/<id>`.
fn tag(standard: &Standard) -> String {
    let id = &standard.id;
    if standard.scheme == "cwe" {
        let number = id.trim_start_matches("CWE-");
        text::clean(&format!("external/cwe/cwe-{number}"), 100)
    } else {
        text::clean(&format!("{}/{id}", standard.scheme), 100)
    }
}

fn utc(at: &Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// `open-inference` as `OpenInference`.
fn pascal(id: &str) -> String {
    id.split('-')
        .flat_map(|word| {
            let mut letters = word.chars().filter(char::is_ascii_alphanumeric);
            letters
                .next()
                .map(|first| first.to_ascii_uppercase())
                .into_iter()
                .chain(letters)
                .collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_make_neither_links_nor_placeholders() {
        let message = Message::new("see [here](https://example.net) {0}\u{202e}");
        assert_eq!(message.text, "see [here] (https://example.net) {{0}}\\u{{202e}}");
    }

    #[test]
    fn names_are_words_run_together() {
        assert_eq!(pascal("first-admin"), "FirstAdmin");
        assert_eq!(pascal("mcp-tools--open!"), "McpToolsOpen");
    }

    #[test]
    fn weaknesses_are_tagged_as_github_reads_them() {
        let standard = |scheme: &str, id: &str| Standard {
            scheme: scheme.to_owned(),
            id: id.to_owned(),
        };
        assert_eq!(tag(&standard("cwe", "CWE-306")), "external/cwe/cwe-306");
        assert_eq!(tag(&standard("cwe", "306")), "external/cwe/cwe-306");
        assert_eq!(tag(&standard("owasp-llm-2025", "LLM10")), "owasp-llm-2025/LLM10");
    }
}
