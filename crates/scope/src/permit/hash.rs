//! The hash of what a scope authorises.

use std::fmt;
use std::fmt::Write as _;

use vigie_model::Effect;

use super::scope::Scope;

impl Scope {
    /// The hash of what is authorised, `sha256:<hex>`, over a canonical form. Comments, the order of keys and entries, the notation of an
    /// address and explicit defaults do not change it; opt-out lists do.
    #[must_use]
    pub fn hash(&self) -> String {
        vigie_model::sha256(self.canonical().as_bytes())
    }

    fn canonical(&self) -> String {
        let mut text = String::from("vigie.scope/1\n");
        // The Debug format quotes and escapes, so that no value can look like another line.
        let mut line = |key: &str, value: &dyn fmt::Debug| {
            let _ = writeln!(text, "{key} {value:?}");
        };
        if let Some(file) = &self.file {
            line("owner", &file.owner);
            line("contact", &file.contact);
            line("authorised_by", &file.authorised_by);
            line("reference", &file.reference);
            line("expires", &file.expires.to_string());
            line("window", &file.window.as_ref().map(ToString::to_string));
            line("vantage", &file.vantage);
            let limits = file.limits;
            line("requests_per_host", &limits.requests_per_host);
            line("requests_per_prefix", &limits.requests_per_prefix);
            line("connections_per_second", &limits.connections_per_second);
            line("per_endpoint", &limits.per_endpoint);
            line("models", &limits.models);
            let mut ranges: Vec<_> = file
                .ranges
                .iter()
                .map(|r| {
                    let mut exclusions: Vec<String> = r.exclusions.iter().map(ToString::to_string).collect();
                    exclusions.sort();
                    let ports = r.ports.as_ref().map(ToString::to_string);
                    // As two flags, as they were when the first hashes were recorded.
                    let [infer, load] = [Effect::Infer, Effect::Load].map(|effect| r.allow.contains(effect));
                    (r.hosts.to_string(), ports, r.owner, infer, load, exclusions, r.note.clone())
                })
                .collect();
            ranges.sort();
            ranges.iter().for_each(|range| line("range", range));
            let mut excludes: Vec<_> = file
                .excludes
                .iter()
                .map(|e| (e.hosts.to_string(), e.reason.clone(), e.date.to_string()))
                .collect();
            excludes.sort();
            excludes.iter().for_each(|exclude| line("exclude", exclude));
        } else {
            line("default", &"loopback, own and private");
        }
        let mut out: Vec<_> = self
            .lists
            .iter()
            .flat_map(|list| &list.entries)
            .map(|e| (e.hosts.to_string(), e.date.map(|d| d.to_string()), e.reason.clone()))
            .collect();
        out.sort();
        out.dedup();
        out.iter().for_each(|entry| line("opt-out", entry));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::own::OwnAddresses;
    use crate::file::opt_out::OptOutList;
    use crate::file::scope_file::ScopeFile;
    use crate::fixtures::{full, list, now, own};

    #[test]
    fn the_hash_is_of_the_meaning() {
        let hash = |text: &str| {
            let file = ScopeFile::parse(text, now()).unwrap_or_else(|e| panic!("{e}"));
            Scope::with_file(file, &own(), vec![list()])
                .unwrap_or_else(|e| panic!("{e}"))
                .hash()
        };
        let full = full();
        let same = hash(&full);
        assert!(same.starts_with("sha256:") && same.len() == 71);
        let commented: String = full.lines().map(|l| format!("{}\n", l.split(" #").next().unwrap_or(l))).collect();
        assert_eq!(hash(&commented), same, "comments");
        assert_eq!(hash(&full.replace('\n', "\r\n")), same, "line ends");
        let (head, rest) = full.split_once('\n').unwrap_or_default();
        let (owner, rest) = rest.split_once('\n').unwrap_or_default();
        assert_eq!(hash(&format!("{owner}\n{head}\n{rest}")), same, "the order of keys");
        let blocks: Vec<&str> = full.split("[[range]]").collect();
        let (last, middle) = blocks[1..].split_last().unwrap_or_else(|| panic!("no range"));
        let (last, tail) = last.split_once("[budget]").unwrap_or((last, ""));
        let moved = format!(
            "{}[[range]]{last}\n[[range]]{}\n{}",
            blocks[0],
            middle.join("[[range]]"),
            if tail.is_empty() {
                String::new()
            } else {
                format!("[budget]{tail}")
            }
        );
        assert_eq!(hash(&moved), same, "the order of ranges");
        for (from, to) in [
            ("Example GmbH", "Another GmbH"),
            ("2027-01-31", "2027-02-01"),
            ("198.18.113.0/24", "198.18.113.0/25"),
            ("requests_per_host = 60", "requests_per_host = 61"),
            ("08:00-18:00", "08:00-19:00"),
            ("[\"infer\"]", "[\"infer\", \"load\"]"),
            ("[\"infer\"]", "[]"),
        ] {
            assert!(full.contains(from), "{from}");
            let changed = full.replace(from, to);
            // A smaller range no longer holds the inner one, which is allowed; the hash must differ.
            assert_ne!(hash(&changed), same, "{from}");
        }
        let file = ScopeFile::parse(&full, now()).unwrap_or_else(|e| panic!("{e}"));
        let other = OptOutList::parse("opt-out.txt", "10.9.0.0/16").unwrap_or_else(|e| panic!("{e}"));
        let other = Scope::with_file(file, &own(), vec![other]).unwrap_or_else(|e| panic!("{e}")).hash();
        assert_ne!(other, same, "opt-outs");
        let none = Scope::without_file(&own());
        assert_eq!(none.hash(), Scope::without_file(&OwnAddresses::default()).hash());
        insta::assert_snapshot!("hashes", format!("{same}\n{}", none.hash()));
    }
}
