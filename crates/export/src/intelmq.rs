//! `--format intelmq`: events for IntelMQ, one JSON object per line, `vigie.intelmq/1`.
//!
//! The keys are those of IntelMQ 3.5.0's harmonisation; the book gives the mapping.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use serde_json::{Map, Value};
use vigie_model::{Confidence, Finding, FindingKind, Known, Observation, Timestamp};

use crate::rule::kind_of;
use crate::{Options, Report, Summary, text};

/// The mapping's schema, in `extra.schema`.
pub const SCHEMA: &str = "vigie.intelmq/1";

/// Maximum width of a text in columns.
const TEXT: usize = 1_000;

/// Writes one event per endpoint and class of finding. Findings that a baseline accepts make no event.
#[derive(Debug)]
pub struct Intelmq<W> {
    writer: W,
    options: Options,
}

impl<W: Write> Intelmq<W> {
    /// A report into a writer.
    pub fn new(writer: W, options: Options) -> Self {
        Self { writer, options }
    }
}

impl<W: Write> Report for Intelmq<W> {
    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn observation(&mut self, observation: &Observation) -> io::Result<()> {
        let mut classes: BTreeMap<Class, Vec<&Finding>> = BTreeMap::new();
        for finding in &observation.findings {
            if finding.accepted.is_some() {
                continue;
            }
            let class = match Class::of(kind_of(&finding.id, &self.options.rules)) {
                Some(_) if observation.deception.is_suspect() => Class::Suspect,
                Some(class) => class,
                None => continue,
            };
            classes.entry(class).or_default().push(finding);
        }
        for (class, findings) in classes {
            let event = Event::new(observation, class, &findings, &self.options);
            text::json(&mut self.writer, &event)?;
            self.writer.write_all(b"\n")?;
        }
        Ok(())
    }

    fn pause(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    fn end(&mut self, _summary: &Summary) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The class of an event in the Reference Security Incident Taxonomy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Vulnerable,
    Readable,
    Accessible,
    /// It may be a honeypot: nobody should be notified that their server is open.
    Suspect,
    /// The rule is unknown.
    Undetermined,
}

impl Class {
    /// The class of a rule's findings; `None`: they are no incident.
    fn of(kind: Option<FindingKind>) -> Option<Self> {
        match kind {
            Some(FindingKind::Vulnerable) => Some(Self::Vulnerable),
            Some(FindingKind::Disclosure) => Some(Self::Readable),
            Some(FindingKind::Exposure) => Some(Self::Accessible),
            Some(FindingKind::Deception) => Some(Self::Suspect),
            Some(FindingKind::Information) => None,
            None => Some(Self::Undetermined),
        }
    }

    fn taxonomy_and_type(self) -> (&'static str, &'static str) {
        match self {
            Self::Vulnerable => ("vulnerable", "vulnerable-system"),
            Self::Readable => ("vulnerable", "information-disclosure"),
            Self::Accessible => ("vulnerable", "potentially-unwanted-accessible"),
            Self::Suspect => ("other", "other"),
            Self::Undetermined => ("other", "undetermined"),
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Vulnerable => "vulnerable",
            Self::Readable => "readable",
            Self::Accessible => "accessible",
            Self::Suspect => "suspected-honeypot",
            Self::Undetermined => "undetermined",
        }
    }
}

/// An event. IntelMQ rejects empty values, so an unknown or empty value has no key.
#[derive(serde::Serialize)]
#[serde(transparent)]
struct Event(Map<String, Value>);

impl Event {
    fn new(observation: &Observation, class: Class, findings: &[&Finding], options: &Options) -> Self {
        let mut event = Self(Map::new());
        event.put("__type", "Event");
        event.put("feed.name", options.feed.as_str());
        event.put("feed.provider", observation.source.name.as_str());
        event.put("time.source", time(&observation.seen));
        event.put("time.observation", time(&observation.recorded));
        event.location(observation);

        let (taxonomy, kind) = class.taxonomy_and_type();
        event.put("classification.taxonomy", taxonomy);
        event.put("classification.type", kind);
        let product = observation.identity.product.known();
        event.put(
            "classification.identifier",
            format!("{}-{}", class.prefix(), product.map_or("ai-server", String::as_str)).to_lowercase(),
        );
        let titles: Vec<&str> = findings.iter().map(|finding| finding.title.as_str()).collect();
        event.put("event_description.text", titles.join("; "));
        event.put("extra.schema", SCHEMA);
        event.put("extra.findings", joined(findings.iter().map(|f| f.id.as_str())));
        let remedies: BTreeSet<String> = findings.iter().map(|f| text::sentence(&f.remedy)).collect();
        event.put("extra.remedy", remedies.into_iter().collect::<Vec<_>>().join(" "));
        if let Some(confidence) = findings.iter().map(|finding| finding.confidence).max() {
            event.put("extra.confidence", Confidence::word(confidence));
        }

        // Keys that exist since 3.5.0; older releases reject a message that has them.
        let new = |key: &str| {
            if options.intelmq_legacy {
                format!("extra.{key}")
            } else {
                key.to_owned()
            }
        };
        let severity = findings.iter().map(|finding| finding.severity).max();
        event.put(&new("severity"), severity.map_or("undefined", vigie_model::Severity::word));
        if let Some(product) = product {
            event.put(&new("product.name"), product.to_lowercase());
            let mut full = product.clone();
            if let Some(version) = observation.identity.version.known() {
                event.put(&new("product.version"), version.to_lowercase());
                full = format!("{product} {version}");
            }
            event.put(&new("product.full_name"), full);
        }
        let advisories: BTreeSet<String> = findings
            .iter()
            .flat_map(|finding| &finding.advisories)
            .map(|id| id.to_lowercase())
            .collect();
        event.put(&new("product.vulnerabilities"), joined(advisories.iter().map(String::as_str)));
        if let Some(coverage) = observation.advisories.coverage() {
            event.put("extra.advisories", coverage.word());
        }
        event.exposure(observation);
        event
    }

    /// Adds the address, the network and the country.
    fn location(&mut self, observation: &Observation) {
        let endpoint = &observation.endpoint;
        // IntelMQ rejects the unspecified address, which no observation should have.
        if endpoint.address.is_unspecified() {
            self.put("extra.address", endpoint.address.to_string());
        } else {
            self.put("source.ip", endpoint.address.to_string());
        }
        self.0.insert("source.port".to_owned(), endpoint.port.into());
        self.put("protocol.transport", "tcp");
        if let Known::Known(tls) = endpoint.tls {
            self.put("protocol.application", if tls { "https" } else { "http" });
        }
        if let Some(name) = endpoint.name.as_deref().and_then(domain) {
            self.put("source.fqdn", name);
        }
        if let Some(prefix) = &endpoint.prefix {
            self.put("source.urlpath", prefix.as_str());
        }
        if let Some(asn) = observation.network.asn.known().filter(|asn| **asn > 0) {
            self.0.insert("source.asn".to_owned(), (*asn).into());
        }
        if let Some(country) = observation.network.country.known()
            && country.len() == 2
            && country.bytes().all(|byte| byte.is_ascii_alphabetic())
        {
            self.put("source.geolocation.cc", country.to_uppercase());
        }
    }

    /// Adds counts and capabilities. Names of models and tools are left out, because they belong to the owner.
    fn exposure(&mut self, observation: &Observation) {
        let exposure = &observation.exposure;
        if let Some(posture) = exposure.posture.known() {
            self.put("extra.posture", posture.word());
        }
        if let Some(counted) = exposure.models_counted() {
            self.0.insert("extra.models_count".to_owned(), counted.count.into());
            if counted.or_more {
                self.0.insert("extra.models_at_least".to_owned(), true.into());
            }
        }
        if let Some(capabilities) = exposure.capabilities.known() {
            self.put(
                "extra.capabilities",
                joined(capabilities.iter().map(vigie_model::Capability::as_str)),
            );
        }
        if let Some(tools) = exposure.tools.known() {
            self.0.insert("extra.tools_count".to_owned(), tools.len().into());
        }
        if observation.deception.is_suspect()
            && let Some(score) = observation.deception.score.known()
        {
            self.0.insert("extra.deception_score".to_owned(), (*score).into());
        }
        if let Some(scan) = &observation.source.scan {
            self.put("extra.scan", scan.as_str());
        }
    }

    fn put(&mut self, key: &str, value: impl AsRef<str>) {
        let value = text::clean(value.as_ref().trim(), TEXT);
        if !value.is_empty() {
            self.0.insert(key.to_owned(), value.into());
        }
    }
}

/// Joins the distinct items with semicolons.
fn joined<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let mut seen = BTreeSet::new();
    items.filter(|item| seen.insert(*item)).collect::<Vec<_>>().join(";")
}

/// Formats an instant as IntelMQ's DateTime: whole seconds with a numeric offset.
fn time(at: &Timestamp) -> String {
    at.format("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// Normalises a name to what IntelMQ accepts as a domain name (lower case, at least two labels, no trailing dot); `None`: it is none.
fn domain(name: &str) -> Option<String> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let labels = name.split('.').count();
    let numeric = name
        .rsplit('.')
        .next()
        .is_none_or(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    (labels >= 2 && !numeric && name.len() <= 253 && name.split('.').all(label)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_domain_names_are_domain_names() {
        assert_eq!(domain("AI.Example.NET.").as_deref(), Some("ai.example.net"));
        for other in ["192.0.2.1", "2001:db8::1", "localhost", "a..b", "-a.example", "a b.example", ""] {
            assert_eq!(domain(other), None, "{other}");
        }
    }

    #[test]
    fn lists_name_a_thing_once() {
        assert_eq!(joined(["b", "a", "b"].into_iter()), "b;a");
    }
}
