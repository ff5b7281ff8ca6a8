//! Reads a scope file.
//!
//! A TOML file is accepted whole or rejected whole: after one mistake nothing of it is used. Every mistake is reported with its line.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use vigie_model::address::{AddressRange, Hosts, parse_hosts};
use vigie_model::{Effect, EffectSet, Timestamp};

use super::scope_file::{Exclude, GRANTABLE, RangeEntry, ScopeErrors, ScopeFile, ScopeProblem};
use super::toml_fields::{FieldReader, Fields, integer};
use crate::address::special::never_scanned;
use crate::ports::Ports;
use crate::rate::limits::ScanLimits;
use crate::window::Window;

/// The schema of a scope file.
pub const SCHEMA: &str = "vigie.scope/1";

const TOP_KEYS: &[&str] = &[
    "schema",
    "owner",
    "contact",
    "authorised_by",
    "reference",
    "expires",
    "vantage",
    "opt_out",
    "window",
    "budget",
    "range",
    "exclude",
];
const RANGE_KEYS: &[&str] = &["cidr", "range", "name", "ports", "owner", "allow", "exclusions", "note"];
const EXCLUDE_KEYS: &[&str] = &["cidr", "range", "name", "reason", "date"];
const WINDOW_KEYS: &[&str] = &["days", "hours"];
const BUDGET_KEYS: &[&str] = &[
    "requests_per_host",
    "requests_per_prefix",
    "connections_per_second",
    "per_endpoint",
    "models",
];

impl ScopeFile {
    /// Parses a scope file. `now` decides whether it has expired.
    ///
    /// # Errors
    ///
    /// Every mistake, with its line.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, ScopeErrors> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = FieldReader {
            text,
            problems: Vec::new(),
        };
        let (root, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            for error in &errors {
                let message = error.message().lines().collect::<Vec<_>>().join(", ");
                reader.problem(error.span().unwrap_or(0..0), message);
            }
            return Err(reader.refuse());
        }
        let file = reader.file(&root, now);
        match file {
            Some(file) if reader.problems.is_empty() => Ok(file),
            _ => Err(reader.refuse()),
        }
    }
}

impl FieldReader<'_> {
    fn file(&mut self, root: &Spanned<DeTable<'_>>, now: Timestamp) -> Option<ScopeFile> {
        // A missing top-level key is reported on the first line.
        let top = Fields {
            title: "",
            span: 0..0,
            table: root.get_ref(),
        };
        self.known(&top, TOP_KEYS);
        if let Some(schema) = self.needed_text(&top, "schema", &format!("schema = \"{SCHEMA}\""))
            && schema != SCHEMA
        {
            let span = top.get("schema").map_or(0..0, Spanned::span);
            self.problem(
                span,
                format!("schema `{schema}` is not supported by this vigie: write \"{SCHEMA}\""),
            );
        }
        let owner = self.needed_text(&top, "owner", "owner = \"who is responsible for these addresses\"");
        let contact = self.needed_text(&top, "contact", "contact = \"a mail address or a URL\"");
        if let Some(contact) = &contact
            && !is_contact(contact)
        {
            let span = top.get("contact").map_or(0..0, Spanned::span);
            self.problem(
                span,
                format!("`{contact}` is not a contact: write a mail address or a URL (https://…)"),
            );
        }
        let authorised_by = self.text(&top, "authorised_by");
        let reference = self.text(&top, "reference");
        let vantage = self.text(&top, "vantage");
        let expires = self.date(&top, "expires", "expires = 2027-01-31");
        if let Some(expires) = expires
            && now.date_naive() > expires
        {
            let span = top.get("expires").map_or(0..0, Spanned::span);
            self.problem(span, format!("the scope expired on {expires}: have it renewed before scanning"));
        }
        let window = top.get("window").and_then(|value| self.window(value));
        let limits = top.get("budget").map(|value| self.budget(value)).unwrap_or_default();
        let opt_out = self.texts(&top, "opt_out");
        let ranges = self.each(&top, "range", "[[range]]", Self::range);
        let excludes = self.each(&top, "exclude", "[[exclude]]", Self::exclude);
        if top.get("range").is_none() {
            self.problem(0..0, "no range is in scope: add a `[[range]]` with a `cidr`, a `range` or a `name`");
        }
        self.nested(&ranges);
        Some(ScopeFile {
            owner: owner?,
            contact: contact?,
            authorised_by,
            reference,
            expires: expires?,
            window,
            vantage,
            ranges,
            excludes,
            limits,
            opt_out,
        })
    }

    fn range(&mut self, fields: &Fields<'_, '_>) -> Option<RangeEntry> {
        self.known(fields, RANGE_KEYS);
        let subject = self.subject(fields);
        if let Some(Hosts::Addresses(span)) = &subject
            && let Some(what) = never_scanned(*span)
        {
            self.problem(
                fields.span.clone(),
                format!("{span} is never scanned, not even with a scope file: {what}"),
            );
        }
        let ports = fields.get("ports").and_then(|value| self.ports(value));
        let owner = self.boolean(fields, "owner").unwrap_or(false);
        let mut allow = EffectSet::EMPTY;
        for (word, span) in self.spanned_texts(fields, "allow") {
            match Effect::from_word(&word).filter(|effect| GRANTABLE.contains(*effect)) {
                Some(effect) => allow = allow.with(effect),
                None => {
                    let accepted: Vec<String> = GRANTABLE.iter().map(|effect| format!("\"{effect}\"")).collect();
                    let accepted = accepted.join(" and ");
                    self.problem(span, format!("`{word}` cannot be allowed: `allow` accepts {accepted}"));
                }
            }
        }
        let span = fields.get("allow").map_or(0..0, Spanned::span);
        if !allow.is_empty() && !owner {
            self.problem(span.clone(), "`allow` needs `owner = true`: it is for your own hosts only");
        }
        if allow.contains(Effect::Load) && !allow.contains(Effect::Infer) {
            self.problem(span, "`allow` with \"load\" needs \"infer\" as well");
        }
        let mut exclusions = Vec::new();
        for (word, span) in self.spanned_texts(fields, "exclusions") {
            if let Some(excluded) = self.parse_hosts(&word, span.clone()) {
                if let (Some(Hosts::Addresses(whole)), Hosts::Addresses(part)) = (&subject, &excluded)
                    && !whole.overlaps(*part)
                {
                    self.problem(span, format!("{part} is outside {whole}: put it under `[[exclude]]`"));
                }
                exclusions.push(excluded);
            }
        }
        let note = self.text(fields, "note");
        let line = self.line(fields.span.start);
        Some(RangeEntry {
            hosts: subject?,
            ports,
            owner,
            allow,
            exclusions,
            note,
            line,
        })
    }

    fn exclude(&mut self, fields: &Fields<'_, '_>) -> Option<Exclude> {
        self.known(fields, EXCLUDE_KEYS);
        let subject = self.subject(fields);
        let reason = self.needed_text(fields, "reason", "reason = \"why\"");
        let date = self.date(fields, "date", "date = 2026-11-30");
        let line = self.line(fields.span.start);
        Some(Exclude {
            hosts: subject?,
            reason: reason?,
            date: date?,
            line,
        })
    }

    /// The value of `cidr`, `range` or `name`; exactly one must be present.
    fn subject(&mut self, fields: &Fields<'_, '_>) -> Option<Hosts> {
        let keys: Vec<&str> = ["cidr", "range", "name"].into_iter().filter(|k| fields.get(k).is_some()).collect();
        let [key] = keys[..] else {
            let title = fields.title;
            self.problem(
                fields.span.clone(),
                format!("{title} needs exactly one of `cidr`, `range` and `name`"),
            );
            return None;
        };
        let word = self.needed_text(fields, key, "an address")?;
        let span = fields.get(key).map_or(0..0, Spanned::span);
        let subject = self.parse_hosts(&word, span.clone())?;
        match (key, &subject) {
            ("name", Hosts::Addresses(_)) => self.problem(span, format!("`{word}` is not a name: write it as `cidr`")),
            ("cidr" | "range", Hosts::Name(_)) => {
                self.problem(
                    span,
                    format!("`{word}` is not an address, network or range: write a host name as `name`"),
                );
            }
            _ => return Some(subject),
        }
        None
    }

    fn parse_hosts(&mut self, word: &str, at: Range<usize>) -> Option<Hosts> {
        match parse_hosts(word) {
            // The file must not allow more than its author meant.
            Ok((Hosts::Addresses(span), true)) => {
                let length = span.to_string();
                self.problem(
                    at,
                    format!("`{word}` has bits set beyond its prefix: write {length}, or the address alone"),
                );
                None
            }
            Ok((subject, _)) => Some(subject),
            Err(why) => {
                self.problem(at, why);
                None
            }
        }
    }

    /// Reports ranges that are listed twice, and ranges that overlap without one holding the other. Of nested ranges the inner one
    /// applies; of crossing ones it would be undefined.
    fn nested(&mut self, ranges: &[RangeEntry]) {
        let mut problems = Vec::new();
        let spans = ranges.iter().filter_map(|r| match r.hosts {
            Hosts::Addresses(span) => Some((span, r.line)),
            Hosts::Name(_) => None,
        });
        let mut spans: Vec<(AddressRange, usize)> = spans.collect();
        spans.sort_by_key(|(span, line)| (span.first_key(), std::cmp::Reverse(span.last_key()), *line));
        let mut open: Vec<(AddressRange, usize)> = Vec::new();
        for (span, line) in spans {
            open.retain(|(outer, _)| outer.last_key() >= span.first_key());
            if let Some((outer, first)) = open.last() {
                let (line, first) = (line.max(*first), line.min(*first));
                if *outer == span {
                    problems.push((line, format!("{span} is already on line {first}")));
                } else if !outer.covers(span) {
                    problems.push((
                        line,
                        format!("{span} and {outer} (line {first}) overlap and neither holds the other: split them"),
                    ));
                }
            }
            open.push((span, line));
        }
        let mut names: Vec<(&str, usize)> = ranges
            .iter()
            .filter_map(|r| match &r.hosts {
                Hosts::Name(name) => Some((name.as_str(), r.line)),
                Hosts::Addresses(_) => None,
            })
            .collect();
        names.sort_unstable();
        for two in names.windows(2).filter(|two| two[0].0 == two[1].0) {
            problems.push((two[1].1, format!("{} is already on line {}", two[0].0, two[0].1)));
        }
        self.problems
            .extend(problems.into_iter().map(|(line, message)| ScopeProblem { line, message }));
    }

    fn window(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Window> {
        let fields = self.table(value, "[window]")?;
        self.known(&fields, WINDOW_KEYS);
        let days = self.texts(&fields, "days");
        let hours = self.text(&fields, "hours");
        match Window::parse(days.iter().map(String::as_str), hours.as_deref()) {
            Ok(window) => Some(window),
            Err(why) => {
                let key = if why.contains("hours") { "hours" } else { "days" };
                let span = fields.get(key).map_or(fields.span.clone(), Spanned::span);
                self.problem(span, why);
                None
            }
        }
    }

    fn budget(&mut self, value: &Spanned<DeValue<'_>>) -> ScanLimits {
        let mut limits = ScanLimits::default();
        let Some(fields) = self.table(value, "[budget]") else {
            return limits;
        };
        self.known(&fields, BUDGET_KEYS);
        let mut set = |key: &str, most: u32, why: &str, field: &mut u32| {
            let Some(value) = fields.get(key) else { return };
            let least = u32::from(key != "models");
            match integer(value.get_ref())
                .and_then(|n| u32::try_from(n).ok())
                .filter(|n| (least..=most).contains(n))
            {
                Some(number) => *field = number,
                None => self.problem(value.span(), format!("`{key}` must be a number from {least} to {most}{why}")),
            }
        };
        let endpoint = ScanLimits::default().per_endpoint;
        set("requests_per_host", 60_000, "", &mut limits.requests_per_host);
        set("requests_per_prefix", 60_000, "", &mut limits.requests_per_prefix);
        set("connections_per_second", 1_000_000, "", &mut limits.connections_per_second);
        set("per_endpoint", endpoint, "; a file can only lower it", &mut limits.per_endpoint);
        set("models", 1_000, "", &mut limits.models);
        limits
    }

    fn ports(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Ports> {
        let mut ports = Ports::default();
        let mut good = true;
        let Some(array) = value.get_ref().as_array() else {
            self.problem(value.span(), "`ports` must be a list: ports = [11434, \"8000-8100\"]");
            return None;
        };
        for item in array.iter() {
            let word = match item.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(number) => number.to_string(),
                other => format!("{} value", other.type_str()),
            };
            match word.parse::<Ports>() {
                Ok(more) => ports = ports.or(&more),
                Err(error) => {
                    good = false;
                    self.problem(item.span(), error.to_string());
                }
            }
        }
        if good && ports.is_empty() {
            self.problem(value.span(), "`ports` is empty: remove it to allow any port");
        }
        (good && !ports.is_empty()).then_some(ports)
    }
}

fn is_contact(text: &str) -> bool {
    let url = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let mail = text.strip_prefix("mailto:").unwrap_or(text);
    let good = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "<>\"".contains(c));
    match (url, mail.split_once('@')) {
        (Some(rest), _) => good(rest) && !rest.starts_with('/'),
        (None, Some((who, host))) => good(who) && good(host) && !host.contains('@'),
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{BOOK, book_example, full, now};

    fn errors(text: &str) -> String {
        match ScopeFile::parse(text, now()) {
            Ok(file) => panic!("it was accepted: {file:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_example_of_the_book_parses() {
        let file = ScopeFile::parse(&full(), now()).unwrap_or_else(|e| panic!("{e}"));
        insta::assert_debug_snapshot!("book_example", file);
    }

    #[test]
    fn documentation_addresses_are_rejected() {
        insta::assert_snapshot!("book_example_as_written", errors(&book_example()));
    }

    #[test]
    fn every_key_of_the_format_is_in_the_book() {
        for key in [TOP_KEYS, RANGE_KEYS, EXCLUDE_KEYS, WINDOW_KEYS, BUDGET_KEYS].concat() {
            assert!(BOOK.contains(&format!("`{key}`")), "the book does not explain `{key}`");
        }
    }

    #[test]
    fn mistakes_are_reported_with_their_lines() {
        let text = r#"schema = "vigie.scope/2"
owner = ""
contact = "call me"
authorized_by = "CISO"
expires = 2026-11-22
vantage = 7
opt_out = "opt-out.txt"

[window]
days = ["monday"]
zone = "Europe/Paris"

[budget]
requests_per_host = 0
per_endpoint = 13
models = 16.5

[[range]]
cidr = "10.0.0.5/24"
ports = [11434, 70000, "90-80"]

[[range]]
cidr = "10.1.0.0/16"
range = "10.2.0.1-10.2.0.9"

[[range]]
cidr = "gpu.example.org"

[[range]]
name = "10.3.0.1"
owner = "yes"
allow = ["infer", "pull"]

[[range]]
cidr = "10.4.0.0/24"
owner = true
allow = ["load"]
exclusions = ["10.5.0.1", "*.example.org"]

[[range]]
range = "10.4.0.128-10.4.1.9"

[[range]]
cidr = "10.4.0.0/24"

[[range]]
cidr = "224.0.0.0/8"

[[range]]
note = "nothing"

[[exclude]]
cidr = "10.0.0.1"
date = "22/11/2026"
"#;
        insta::assert_snapshot!("mistakes", errors(text));
    }

    #[test]
    fn only_some_effects_can_be_allowed() {
        let range = |allow: &str| full().replace("allow = [\"infer\"]", &format!("allow = [{allow}]"));
        for effect in Effect::ALL {
            // With `infer`, which `load` needs.
            let file = ScopeFile::parse(&range(&format!("\"infer\", \"{effect}\"")), now());
            if GRANTABLE.contains(effect) {
                let file = file.unwrap_or_else(|errors| panic!("{effect}: {errors}"));
                let allowed: Vec<EffectSet> = file.ranges.iter().map(|range| range.allow).filter(|set| !set.is_empty()).collect();
                assert_eq!(allowed, [EffectSet::EMPTY.with(Effect::Infer).with(effect)]);
            } else {
                let errors = file.err().map(|errors| errors.to_string()).unwrap_or_default();
                let expected = format!("`{effect}` cannot be allowed: `allow` accepts \"infer\" and \"load\"");
                assert!(errors.ends_with(&expected), "{effect}: {errors}");
            }
        }
    }

    #[test]
    fn missing_keys_are_reported() {
        insta::assert_snapshot!("missing", errors("# empty\n"));
    }

    #[test]
    fn toml_errors_have_a_line() {
        insta::assert_snapshot!("broken_toml", errors("schema = \"vigie.scope/1\"\nowner = \"x\nowner = \"y\"\n"));
        insta::assert_snapshot!("key_twice", errors("owner = \"x\"\nowner = \"y\"\n"));
    }

    #[test]
    fn a_scope_is_valid_through_its_last_day() {
        let text = full().replace("2027-01-31", "2026-11-23");
        let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
        assert!(ScopeFile::parse(&text, at("2026-11-23T23:59:59Z")).is_ok());
        assert!(ScopeFile::parse(&text, at("2026-11-24T00:00:00Z")).is_err());
        let quoted = text.replace("2026-11-23", "\"2026-11-23\"");
        assert!(ScopeFile::parse(&quoted, now()).is_ok());
        for date in ["2026-11-23T10:00:00Z", "\"2026-11-3\"", "\"+2026-11-23\"", "2026"] {
            assert!(ScopeFile::parse(&text.replace("expires = 2026-11-23", &format!("expires = {date}")), now()).is_err());
        }
    }

    #[test]
    fn contacts() {
        for good in ["a@b.example", "mailto:a@b.example", "https://b.example/scan", "http://b.example"] {
            assert!(is_contact(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "a@",
            "@b",
            "a b@c",
            "https://",
            "https:///x",
            "a@b@c",
            "ftp://b.example",
            "<a@b.example>",
        ] {
            assert!(!is_contact(bad), "{bad}");
        }
    }

    #[test]
    fn a_value_is_one_line() {
        let text = full().replace("owner = \"Example GmbH\"", "owner = \"Example\\nContact: someone else\"");
        assert!(errors(&text).contains("must be one line"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            let _ = ScopeFile::parse(&text, now());
        }

        #[test]
        fn no_damage_to_a_file_makes_it_panic(at in 0usize..3_000, junk in "[\\[\\]={}\"'#\\n0-9a-z.]{0,6}") {
            let mut text = full();
            let at = text.char_indices().map(|(i, _)| i).take_while(|i| *i <= at).last().unwrap_or(0);
            text.insert_str(at, &junk);
            let _ = ScopeFile::parse(&text, now());
        }
    }
}
