//! The list of targets that a user names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use vigie_model::PathPrefix;
use vigie_model::address::{AddressRange, Hosts};

use super::pairs::Pairs;
use super::word::{Target, parse_word};
use crate::comment::uncomment;
use crate::ports::Ports;

/// The targets of a scan, in the order in which the user named them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    entries: Vec<Target>,
    notes: Vec<TargetNote>,
    resolved: BTreeMap<String, Vec<IpAddr>>,
}

impl Targets {
    /// Parses words, as given on a command line.
    ///
    /// # Errors
    ///
    /// Every word that does not parse.
    pub fn parse_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, TargetErrors> {
        Self::parse(words.into_iter().map(|word| (None, word)))
    }

    /// Parses the lines of a file: words separated by white space or commas; `#` starts a comment.
    ///
    /// # Errors
    ///
    /// Every word that does not parse, with its line.
    pub fn parse_lines(text: &str) -> Result<Self, TargetErrors> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self::parse(text.lines().enumerate().flat_map(|(index, line)| {
            uncomment(line)
                .0
                .split(|c: char| c.is_whitespace() || c == ',')
                .map(move |word| (Some(index + 1), word))
        }))
    }

    fn parse<'a>(words: impl Iterator<Item = (Option<usize>, &'a str)>) -> Result<Self, TargetErrors> {
        let mut targets = Self::default();
        let mut errors = Vec::new();
        for (line, word) in words.filter(|(_, word)| !word.trim().is_empty()) {
            let mut note = |text| targets.notes.push(TargetNote { line, text });
            match parse_word(word.trim(), &mut note) {
                Ok(target) => targets.entries.push(target),
                Err(why) => errors.push(TargetError { line, why }),
            }
        }
        if errors.is_empty() {
            Ok(targets)
        } else {
            Err(TargetErrors(errors))
        }
    }

    /// Adds single addresses.
    pub fn push_addresses(&mut self, addresses: impl IntoIterator<Item = IpAddr>) {
        self.entries.extend(addresses.into_iter().map(|address| Target {
            hosts: Hosts::Addresses(AddressRange::single(address)),
            port: None,
            scheme: None,
            prefix: None,
        }));
    }

    /// A list of these targets.
    pub(crate) fn of(entries: impl IntoIterator<Item = Target>) -> Self {
        Self {
            entries: entries.into_iter().collect(),
            ..Self::default()
        }
    }

    /// The addresses that a name resolved to.
    pub(crate) fn resolved(&self, name: &str) -> &[IpAddr] {
        self.resolved.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Adds the targets of another list.
    pub fn merge(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.notes.extend(other.notes);
        self.resolved.extend(other.resolved);
    }

    /// Whether the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The targets, in the order in which they were named.
    #[must_use]
    pub fn entries(&self) -> &[Target] {
        &self.entries
    }

    /// What the user should know about how the words were understood.
    #[must_use]
    pub fn notes(&self) -> &[TargetNote] {
        &self.notes
    }

    /// Replaces the path of each URL by what `change` returns for it, and adds the returned note for the user.
    pub fn change_prefixes(&mut self, change: impl Fn(&PathPrefix) -> Option<(Option<PathPrefix>, String)>) {
        for target in &mut self.entries {
            if let Some((prefix, text)) = target.prefix.as_ref().and_then(&change) {
                target.prefix = prefix;
                self.notes.push(TargetNote { line: None, text });
            }
        }
    }

    /// The paths of the targets, each once and in order; `None` stands for targets without a path.
    pub fn prefixes(&self) -> impl Iterator<Item = Option<&PathPrefix>> {
        let prefixes: BTreeSet<Option<&PathPrefix>> = self.entries.iter().map(|target| target.prefix.as_ref()).collect();
        prefixes.into_iter()
    }

    /// The host names, each once.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names: BTreeSet<&str> = self
            .entries
            .iter()
            .filter_map(|t| match &t.hosts {
                Hosts::Name(name) => Some(name.as_str()),
                Hosts::Addresses(_) => None,
            })
            .collect();
        names.into_iter()
    }

    /// Sets the addresses that a name resolved to. A name without addresses is not scanned.
    pub fn resolve(&mut self, name: &str, addresses: impl IntoIterator<Item = IpAddr>) {
        let mut addresses: Vec<IpAddr> = addresses.into_iter().map(|a| a.to_canonical()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        self.resolved.insert(name.to_ascii_lowercase(), addresses);
    }

    /// The pairs to scan. Overlaps are merged, so no pair occurs twice.
    #[must_use]
    pub fn pairs(&self, ports: &Ports) -> Pairs {
        let default = Arc::new(ports.clone());
        let port_sets = |port: Option<u16>| port.map_or_else(|| Arc::clone(&default), |p| Arc::new(Ports::new([p])));
        let mut wanted = Vec::with_capacity(self.entries.len());
        for target in &self.entries {
            match &target.hosts {
                Hosts::Addresses(range) => wanted.push((*range, port_sets(target.port))),
                Hosts::Name(name) => {
                    for address in self.resolved(name) {
                        wanted.push((AddressRange::single(*address), port_sets(target.port)));
                    }
                }
            }
        }
        Pairs::union(wanted)
    }

    /// The pairs that are scanned by their addresses, without a path.
    pub(crate) fn direct(&self, ports: &Ports) -> Pairs {
        Self::of(self.entries.iter().filter(|target| target.is_direct()).cloned()).pairs(ports)
    }
}

/// Something the user should know about a target that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetNote {
    /// The line in the file, if the target came from a file.
    pub line: Option<usize>,
    /// How the target was understood.
    pub text: String,
}

/// A target that does not parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetError {
    /// The line in the file, if the target came from a file.
    pub line: Option<usize>,
    /// What is wrong and what to write.
    pub why: String,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.why),
            None => f.write_str(&self.why),
        }
    }
}

/// Every target that does not parse. None of the others is used either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetErrors(pub Vec<TargetError>);

/// The most errors that are displayed.
const SHOWN: usize = 20;

impl fmt::Display for TargetErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().take(SHOWN).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for TargetErrors {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(word: &str) -> Target {
        let targets = Targets::parse_words([word]).unwrap_or_else(|e| panic!("{e}"));
        targets.entries()[0].clone()
    }

    #[test]
    fn words() {
        let shown = |word: &str| {
            let target = one(word);
            let hosts = match &target.hosts {
                Hosts::Addresses(range) => range.to_string(),
                Hosts::Name(name) => format!("name {name}"),
            };
            format!("{hosts} {:?} {:?}", target.port, target.scheme)
        };
        for (word, expected) in [
            ("10.0.0.1", "10.0.0.1 None None"),
            ("10.0.0.1:8080", "10.0.0.1 Some(8080) None"),
            ("10.0.0.9-20", "10.0.0.9-10.0.0.20 None None"),
            ("10.0.0.0/24", "10.0.0.0/24 None None"),
            ("fd00::/64", "fd00::/64 None None"),
            ("fd00::1", "fd00::1 None None"),
            ("[fd00::1]", "fd00::1 None None"),
            ("[fd00::1]:80", "fd00::1 Some(80) None"),
            ("[::ffff:10.0.0.1]:80", "10.0.0.1 Some(80) None"),
            ("GPU-1.Example.org", "name gpu-1.example.org None None"),
            ("gpu.example.org:1234", "name gpu.example.org Some(1234) None"),
            ("localhost", "name localhost None None"),
            ("http://gpu.example.org", "name gpu.example.org Some(80) Some(Http)"),
            ("HTTPS://10.0.0.1", "10.0.0.1 Some(443) Some(Https)"),
            ("http://[fd00::1]:1234/v1", "fd00::1 Some(1234) Some(Http)"),
            ("http://10.0.0.1?x=1", "10.0.0.1 Some(80) Some(Http)"),
        ] {
            assert_eq!(shown(word), expected, "{word}");
        }
    }

    #[test]
    fn wrong_words() {
        let words = [
            "10.0.0.256",
            "10.0.0.0/33",
            "fd00::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.20-10",
            "10.0.0.1-fd00::1",
            "10.0.0.1-x",
            "10.0.0.*",
            "127.1",
            "fe80::1%eth0",
            "[fe80::1%eth0]:80",
            "[fd00::1",
            "[fd00::1]x",
            "host:0",
            "host:65536",
            "host:",
            "10.0.0.1:80:90",
            "10.0.0.0/24:80",
            "10.0.0.1-5:80",
            "host/path",
            "ftp://host",
            "http://user:secret@host/",
            "http://",
            "http://ho st",
            "a..b",
            "::/0",
        ];
        let errors: Vec<String> = words
            .iter()
            .map(|word| match Targets::parse_words([*word]) {
                Ok(targets) => panic!("{word} was taken as {:?}", targets.entries()),
                Err(error) => format!("{word:<26} {error}"),
            })
            .collect();
        insta::assert_snapshot!("wrong_targets", errors.join("\n"));
    }

    #[test]
    fn lines_comments_and_notes() {
        let text = "\u{feff}# our hosts\n10.0.0.1, 10.0.0.2 # two\r\n\n  fd00::/120\nhttp://h:1234/x#y\n10.0.0.9/24\n";
        let targets = Targets::parse_lines(text).expect("a list");
        assert_eq!(targets.entries().len(), 5);
        let notes: Vec<(Option<usize>, &str)> = targets.notes().iter().map(|n| (n.line, n.text.as_str())).collect();
        assert_eq!(
            notes,
            [
                (Some(5), "the query and the fragment of `http://h:1234/x#y` are ignored"),
                (Some(6), "`10.0.0.9/24` is taken as the network 10.0.0.0/24"),
            ]
        );
        let error = Targets::parse_lines("10.0.0.1\n10.0.0.300\n\nhost:0").expect_err("two mistakes");
        assert_eq!(error.0.iter().map(|e| e.line).collect::<Vec<_>>(), [Some(2), Some(4)]);
    }

    #[test]
    fn a_64_is_one_segment() {
        let targets = Targets::parse_words(["fd00::/64", "fd00::1"]).expect("targets");
        let pairs = targets.pairs(&Ports::new([80, 81]));
        assert_eq!(pairs.segments().len(), 1);
        assert_eq!(pairs.len(), 1 << 65);
    }

    proptest! {
        #[test]
        fn no_word_makes_it_panic(word in "\\PC{0,40}") {
            let _ = Targets::parse_words([word.as_str()]);
            let _ = Targets::parse_lines(&word);
        }

        #[test]
        fn no_word_of_the_right_letters_makes_it_panic(word in "[0-9a-f:./%\\[\\]#@-]{0,40}") {
            let _ = Targets::parse_words([word.as_str()]);
        }
    }
}
