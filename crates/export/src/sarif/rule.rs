//! The rules of a log (`reportingDescriptor`, 3.49).

use serde::Serialize;
use vigie_model::{Confidence, Finding, Severity, Standard};

use super::{Message, level};
use crate::RuleText;
use crate::text::{self, sentence};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule {
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

/// The properties that GitHub reads. It requires `security` as the first tag.
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
    pub(super) fn new(finding: &Finding, known: Option<&RuleText>) -> Self {
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
            help_uri: known.map(|rule| rule.url.clone()),
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

    /// Raises the rule's severity to that of its worst finding in this run, and adds the finding's standards.
    pub(super) fn include(&mut self, finding: &Finding) {
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

fn problem(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "recommendation",
    }
}

/// A number within GitHub's band for the severity: above 9.0 critical, from 7.0 high, from 4.0 medium, from 0.1 low.
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

/// The tag of a standard: `external/cwe/cwe-<number>`, which GitHub reads as a weakness, or `<scheme>/<id>`.
fn tag(standard: &Standard) -> String {
    let id = &standard.id;
    if standard.scheme == "cwe" {
        let number = id.trim_start_matches("CWE-");
        text::clean(&format!("external/cwe/cwe-{number}"), 100)
    } else {
        text::clean(&format!("{}/{id}", standard.scheme), 100)
    }
}

/// Converts `open-inference` to `OpenInference`.
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
    fn rule_names_are_in_pascal_case() {
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
