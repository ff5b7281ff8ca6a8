//! `--baseline FILE`: accepted findings, each with a reason and an expiry date, `vigie.baseline/1`.
//!
//! ```toml
//! schema = "vigie.baseline/1"
//!
//! [[accept]]
//! finding = "open-inference"
//! subject = "192.0.2.10:11434"   # or a range such as 192.0.2.0/24, an address, a name, one endpoint of several, or "*"
//! reason = "the team's own server, behind its firewall"
//! expires = 2027-03-31           # the last day on which the entry is valid
//! by = "ops@example.net"         # optional
//! advisories = ["CVE-2026-7482"] # optional: only while these are all that apply
//! ```

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::ops::Range;

use chrono::NaiveDate;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use vigie_model::{EndpointKey, Finding, Observation, Place, Subject};

/// The file's schema.
pub const SCHEMA: &str = "vigie.baseline/1";

/// An error in a baseline file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}{}: {message}", key.as_ref().map(|key| format!(", key `{key}`")).unwrap_or_default())]
pub struct BaselineError {
    /// The line, from 1.
    pub line: usize,
    /// The key, if it concerns one.
    pub key: Option<String>,
    /// What is wrong and what to do.
    pub message: String,
}

/// One accepted finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The finding's id.
    pub finding: String,
    /// The endpoints, or a part of them.
    pub subject: Subject,
    /// The reason.
    pub reason: String,
    /// The last day (UTC) on which the entry is valid.
    pub expires: NaiveDate,
    /// Who accepted it.
    pub by: Option<String>,
    /// If given, the entry covers only findings that name no other advisory.
    pub advisories: Option<Vec<String>>,
    /// The line of the file where the entry begins.
    pub line: usize,
}

impl Entry {
    /// Whether the entry is valid on a day.
    #[must_use]
    pub fn is_valid_on(&self, today: NaiveDate) -> bool {
        today <= self.expires
    }

    /// Whether the entry covers a finding about a subject.
    fn covers(&self, finding: &Finding, subject: &Subject) -> bool {
        self.finding == finding.id
            && self.subject.covers(subject)
            && self
                .advisories
                .as_ref()
                .is_none_or(|known| finding.advisories.iter().all(|id| known.contains(id)))
    }
}

/// A baseline: its entries, and which of them were used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    entries: Vec<Entry>,
    used: Vec<bool>,
}

impl Baseline {
    /// Parses a baseline file.
    ///
    /// # Errors
    /// All errors in the file, each with its line and key.
    pub fn parse(text: &str) -> Result<Self, Vec<BaselineError>> {
        let table = DeTable::parse(text).map_err(|error| {
            vec![BaselineError {
                line: line_of(text, error.span().unwrap_or(0..0)),
                key: None,
                message: format!("not TOML: {}", error.message().trim()),
            }]
        })?;
        let mut reader = Reader { text, errors: Vec::new() };
        let entries = reader.file(table.get_ref());
        if reader.errors.is_empty() {
            let used = vec![false; entries.len()];
            Ok(Self { entries, used })
        } else {
            reader.errors.sort_by_key(|error| error.line);
            Err(reader.errors)
        }
    }

    /// The entries, in the file's order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Marks the findings that an entry accepts on a day. The reason is that of the entry that expires last.
    pub fn apply(&mut self, observation: &mut Observation, today: NaiveDate) {
        let place = Place::Endpoint(Box::new(observation.endpoint.key()));
        for at in 0..observation.findings.len() {
            let finding = &observation.findings[at];
            // The subject of the finding does not have the name by which the endpoint was reached.
            let subject = Subject {
                place: place.clone(),
                part: finding.subject.part.clone(),
            };
            let mut best: Option<usize> = None;
            for (index, entry) in self.entries.iter().enumerate() {
                if !entry.covers(finding, &subject) {
                    continue;
                }
                self.used[index] = true;
                if entry.is_valid_on(today) && best.is_none_or(|best| self.entries[best].expires < entry.expires) {
                    best = Some(index);
                }
            }
            if let Some(best) = best {
                observation.findings[at].accepted = Some(self.entries[best].reason.clone());
            }
        }
    }

    /// The entries that have expired on a day.
    pub fn expired(&self, today: NaiveDate) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| !entry.is_valid_on(today))
    }

    /// The entries that covered no finding so far: it was fixed, or the entry is misspelt.
    pub fn unused(&self) -> impl Iterator<Item = &Entry> {
        self.entries
            .iter()
            .zip(&self.used)
            .filter_map(|(entry, used)| (!used).then_some(entry))
    }

    /// Notes for a summary: the expired entries.
    #[must_use]
    pub fn notes(&self, today: NaiveDate) -> Vec<String> {
        self.expired(today)
            .map(|entry| {
                format!(
                    "baseline line {}: {} at {} expired on {}",
                    entry.line, entry.finding, entry.subject, entry.expires
                )
            })
            .collect()
    }
}

/// Writes a baseline that accepts the open findings of observations, each for its endpoint and, if it names advisories, for these only.
/// Findings of suspects and accepted findings are left out.
///
/// An endpoint is written as its address and port, and with its name and path only if others were seen at the same address and port.
#[must_use]
pub fn write<'o>(observations: impl IntoIterator<Item = &'o Observation>, reason: &str, expires: NaiveDate, by: Option<&str>) -> String {
    let observations: Vec<&Observation> = observations.into_iter().collect();
    let mut endpoints: HashMap<SocketAddr, HashSet<EndpointKey>> = HashMap::new();
    for observation in &observations {
        let key = observation.endpoint.key();
        endpoints.entry(observation.endpoint.socket()).or_default().insert(key);
    }
    // Sorted by address, then subject and id; one finding on two parts of an endpoint is one entry.
    let mut entries: BTreeMap<(SocketAddr, String, &str), Vec<&str>> = BTreeMap::new();
    for observation in observations {
        if observation.deception.is_suspect() {
            continue;
        }
        let socket = observation.endpoint.socket();
        let shared = endpoints.get(&socket).is_some_and(|keys| keys.len() > 1);
        let subject = subject_of(observation, shared);
        for finding in observation.findings.iter().filter(|f| f.accepted.is_none()) {
            let ids = finding.advisories.iter().map(String::as_str);
            entries.entry((socket, subject.clone(), &finding.id)).or_default().extend(ids);
        }
    }
    let mut out = format!("schema = {}\n", quoted(SCHEMA));
    for ((_, subject, id), mut advisories) in entries {
        advisories.sort_unstable();
        advisories.dedup();
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "\n[[accept]]\nfinding = {}\nsubject = {}\nreason = {}\nexpires = {expires}\n",
            quoted(id),
            quoted(&subject),
            quoted(reason),
        );
        if let Some(by) = by {
            let _ = writeln!(out, "by = {}", quoted(by));
        }
        if !advisories.is_empty() {
            let list: Vec<String> = advisories.into_iter().map(quoted).collect();
            let _ = writeln!(out, "advisories = [{}]", list.join(", "));
        }
    }
    out
}

/// The written form of the subject of an entry for an endpoint: in full, or all endpoints at its address and port.
fn subject_of(observation: &Observation, in_full: bool) -> String {
    let socket = observation.endpoint.socket();
    let endpoint = Subject::of(Place::Endpoint(Box::new(observation.endpoint.key())));
    let text = endpoint.to_string();
    // An imported name may be one that no baseline can hold.
    let is_read_back = || text.parse::<Subject>().is_ok_and(|read| read.covers(&endpoint));
    if in_full && is_read_back() { text } else { socket.to_string() }
}

/// A TOML basic string on one line.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if crate::text::is_unsafe(c) => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn line_of(text: &str, span: Range<usize>) -> usize {
    let end = span.start.min(text.len());
    text.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count() + 1
}

type Keys<'t, 'i> = &'t DeTable<'i>;

/// Reads a file and collects all errors.
struct Reader<'t> {
    text: &'t str,
    errors: Vec<BaselineError>,
}

impl Reader<'_> {
    fn error(&mut self, span: Range<usize>, key: Option<&str>, message: impl Into<String>) {
        self.errors.push(BaselineError {
            line: line_of(self.text, span),
            key: key.map(str::to_owned),
            message: message.into(),
        });
    }

    fn file(&mut self, table: Keys<'_, '_>) -> Vec<Entry> {
        self.known_keys(table, &["schema", "accept"]);
        match table.get("schema") {
            Some(value) if value.get_ref().as_str() == Some(SCHEMA) => {}
            Some(value) => self.error(value.span(), Some("schema"), format!("unsupported schema: write {SCHEMA:?}")),
            None => self.error(0..0, Some("schema"), format!("missing: write {SCHEMA:?}")),
        }
        let Some(accept) = table.get("accept") else {
            return Vec::new();
        };
        let Some(list) = accept.get_ref().as_array() else {
            self.error(accept.span(), Some("accept"), "not a list: begin each entry with [[accept]]");
            return Vec::new();
        };
        list.iter().filter_map(|item| self.entry(item)).collect()
    }

    fn entry(&mut self, item: &Spanned<DeValue<'_>>) -> Option<Entry> {
        let Some(table) = item.get_ref().as_table() else {
            self.error(item.span(), Some("accept"), "not a table: begin each entry with [[accept]]");
            return None;
        };
        self.known_keys(table, &["finding", "subject", "reason", "expires", "by", "advisories"]);
        let span = item.span();
        let finding = self.text_of(table, "finding", &span, "the finding's id");
        let subject = self.text_of(table, "subject", &span, "address:port, a range or \"*\"");
        let subject = subject.and_then(|text| {
            let parsed = text.parse::<Subject>();
            if let Err(error) = &parsed {
                let at = table.get("subject").map_or(span.clone(), Spanned::span);
                self.error(at, Some("subject"), error.to_string());
            }
            parsed.ok()
        });
        let reason = self.text_of(table, "reason", &span, "why it is accepted");
        let expires = self.date(table, &span);
        let by = match table.get("by") {
            Some(_) => Some(self.text_of(table, "by", &span, "who accepted it")?),
            None => None,
        };
        let advisories = match table.get("advisories") {
            Some(value) => Some(self.ids(value)?),
            None => None,
        };
        Some(Entry {
            finding: finding?,
            subject: subject?,
            reason: reason?,
            expires: expires?,
            by,
            advisories,
            line: line_of(self.text, span),
        })
    }

    fn known_keys(&mut self, table: Keys<'_, '_>, known: &[&str]) {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                self.error(key.span(), Some(name), format!("not a key of a baseline: use {}", known.join(", ")));
            }
        }
    }

    fn text_of(&mut self, table: Keys<'_, '_>, key: &str, entry: &Range<usize>, what: &str) -> Option<String> {
        let Some(value) = table.get(key) else {
            self.error(entry.clone(), Some(key), format!("missing: write {what}"));
            return None;
        };
        match value.get_ref().as_str().map(str::trim) {
            Some("") => self.error(value.span(), Some(key), format!("empty: write {what}")),
            Some(text) => return Some(text.to_owned()),
            None => self.error(value.span(), Some(key), format!("not a text: write {what} in quotes")),
        }
        None
    }

    /// A TOML date, or the same in quotes.
    fn date(&mut self, table: Keys<'_, '_>, entry: &Range<usize>) -> Option<NaiveDate> {
        const WHAT: &str = "the last day on which it is valid, such as 2027-03-31";
        let Some(value) = table.get("expires") else {
            self.error(entry.clone(), Some("expires"), format!("missing: write {WHAT}"));
            return None;
        };
        let text = match value.get_ref() {
            DeValue::Datetime(at) if at.time.is_none() && at.offset.is_none() => at.to_string(),
            DeValue::String(text) => text.to_string(),
            _ => String::new(),
        };
        let date = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok();
        if date.is_none() {
            self.error(value.span(), Some("expires"), format!("not a date: write {WHAT}"));
        }
        date
    }

    fn ids(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Vec<String>> {
        let ids = value.get_ref().as_array().and_then(|list| {
            list.iter()
                .map(|id| id.get_ref().as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
        });
        if ids.is_none() {
            self.error(value.span(), Some("advisories"), "not a list of ids: write [\"CVE-2026-7482\"]");
        }
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> Vec<String> {
        Baseline::parse(text)
            .expect_err("must be refused")
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn errors_name_line_and_key() {
        let text = r#"schema = "vigie.baseline/1"

[[accept]]
finding = "open-inference"
subject = "192.0.2.300:1"
expires = 2027-02-30T00:00:00Z
raison = "x"

[[accept]]
finding = 3
subject = "*"
reason = "  "
expires = "soon"
advisories = "CVE-2026-7482"
"#;
        assert_eq!(
            errors(&text.replace("2027-02-30", "2027-02-28")),
            [
                "line 3, key `reason`: missing: write why it is accepted",
                "line 5, key `subject`: \"192.0.2.300:1\" is not an address:port (a path may follow), name/path (address:port), an address, \
                 a range, a host name or \"*\"",
                "line 6, key `expires`: not a date: write the last day on which it is valid, such as 2027-03-31",
                "line 7, key `raison`: not a key of a baseline: use finding, subject, reason, expires, by, advisories",
                "line 10, key `finding`: not a text: write the finding's id in quotes",
                "line 12, key `reason`: empty: write why it is accepted",
                "line 13, key `expires`: not a date: write the last day on which it is valid, such as 2027-03-31",
                "line 14, key `advisories`: not a list of ids: write [\"CVE-2026-7482\"]",
            ]
        );
        assert!(errors(text)[0].starts_with("line 6: not TOML"), "{:?}", errors(text));
        assert_eq!(errors(""), ["line 1, key `schema`: missing: write \"vigie.baseline/1\""]);
        assert_eq!(
            errors("schema = \"vigie.baseline/2\"\naccept = 3\n"),
            [
                "line 1, key `schema`: unsupported schema: write \"vigie.baseline/1\"",
                "line 2, key `accept`: not a list: begin each entry with [[accept]]",
            ]
        );
    }

    #[test]
    fn quoted_values_are_read_back() {
        let reason = "say \"no\" \\ \u{1b}[31m\nnext \u{202e}";
        let text = format!(
            "schema = \"vigie.baseline/1\"\n[[accept]]\nfinding = \"x\"\nsubject = \"*\"\nexpires = 2027-01-01\nreason = {}\n",
            quoted(reason)
        );
        let read = Baseline::parse(&text).expect("reads back");
        assert_eq!(read.entries()[0].reason, reason);
    }
}
