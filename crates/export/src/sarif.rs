//! `--format sarif`: the part of SARIF 2.1.0 that findings need, in the form that code scanning services accept.

mod result;
mod rule;

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use vigie_model::{Finding, Observation, Severity, Timestamp};

use self::result::LogResult;
use self::rule::Rule;
use crate::text;
use crate::{Options, Report, RuleText, Summary};

/// Maximum width of a text in columns.
const TEXT: usize = 4_000;

/// A SARIF log with one run. The rules precede the results, so everything is written at the end; until then the findings are kept in
/// memory, not the observations.
#[derive(Debug)]
pub struct Sarif<W> {
    writer: W,
    texts: Vec<RuleText>,
    rules: Vec<Rule>,
    by_id: BTreeMap<String, usize>,
    results: Vec<LogResult>,
}

impl<W: Write> Sarif<W> {
    /// A log into a writer.
    pub fn new(writer: W, options: Options) -> Self {
        Self {
            writer,
            texts: options.rules,
            rules: Vec::new(),
            by_id: BTreeMap::new(),
            results: Vec::new(),
        }
    }

    /// The index of a finding's rule, which is updated with the finding's severity and standards.
    fn rule(&mut self, finding: &Finding) -> usize {
        let index = *self.by_id.entry(finding.id.clone()).or_insert_with(|| {
            let known = self.texts.iter().find(|rule| rule.id == finding.id);
            self.rules.push(Rule::new(finding, known));
            self.rules.len() - 1
        });
        self.rules[index].include(finding);
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
            self.results.push(LogResult::new(observation, finding, rule));
        }
        Ok(())
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        // The order of arrival differs between runs; sorted logs can be compared.
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
    results: &'a [LogResult],
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

/// GitHub reads the part before the last slash as the category of the analysis.
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

/// A message about the run itself (3.58).
#[derive(Serialize)]
struct Notification {
    level: &'static str,
    message: Message,
}

/// Why the scan failed, and the notes of the run.
fn notifications(summary: &Summary) -> Vec<Notification> {
    let notification = |level, text: &String| Notification {
        level,
        message: Message::new(text),
    };
    let failed = summary.failed.iter().map(|why| notification("error", why));
    failed
        .chain(summary.notes.iter().map(|note| notification("warning", note)))
        .collect()
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
    /// Products without advisories, for which the log can name none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    advisories_not_covered: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Message {
    text: String,
}

impl Message {
    /// A message of SARIF 2.1.0. Braces are doubled, because `{0}` is a placeholder (3.11.5), and embedded links (3.11.6) are broken up,
    /// because the text may come from the network.
    fn new(text: &str) -> Self {
        Self {
            text: text::clean(text, TEXT).replace('{', "{{").replace('}', "}}").replace("](", "] ("),
        }
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

fn utc(at: &Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_make_neither_links_nor_placeholders() {
        let message = Message::new("see [here](https://example.net) {0}\u{202e}");
        assert_eq!(message.text, "see [here] (https://example.net) {{0}}\\u{{202e}}");
    }
}
