//! Reads the mapping file, which gives the classes of autonomous systems. Every mistake is reported with its line.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::LazyLock;

use chrono::NaiveDate;
use regex::{RegexBuilder, RegexSetBuilder};
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use crate::classes::{ClassEntry, Classes};
use crate::views::{AsType, Tier};

/// The schema of the mapping file.
const SCHEMA: &str = "vigie.network-classes/1";
/// The largest mapping file, in bytes.
const MAX_FILE_BYTES: usize = 4 << 20;
/// The most entries of one kind. There are some 120,000 autonomous systems.
const MAX_NUMBERS: usize = 200_000;
/// The most patterns.
const MAX_PATTERNS: usize = 500;
/// The most bytes that the compiled patterns may take.
const MAX_COMPILED: usize = 16 << 20;

/// The embedded mapping file.
pub const EMBEDDED: &str = include_str!("../../../catalog/network/classes.yaml");

static BUILT_IN: LazyLock<Classes> = LazyLock::new(|| {
    // The test `the_embedded_mapping_is_sound` rules out an error. With one, every system would be unattributed.
    Classes::parse("catalog/network/classes.yaml", EMBEDDED).unwrap_or_default()
});

impl Classes {
    /// The classes of the embedded mapping file.
    #[must_use]
    pub fn embedded() -> &'static Self {
        &BUILT_IN
    }

    /// Reads a mapping file in place of the embedded one.
    ///
    /// # Errors
    ///
    /// The file cannot be read; or every mistake in it, with its line.
    pub fn open(path: &Path) -> Result<Self, ClassErrors> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&file, &text),
            Err(error) => Err(ClassErrors(vec![ClassProblem {
                file,
                line: 0,
                message: format!("cannot be read: {error}"),
            }])),
        }
    }

    /// Parses a mapping file. `file` is its name in messages.
    ///
    /// # Errors
    ///
    /// Every mistake, with its line.
    pub fn parse(file: &str, text: &str) -> Result<Self, ClassErrors> {
        let mut check = Check {
            file,
            problems: Vec::new(),
        };
        let classes = check.read(text).and_then(|read| check.compile(read));
        match classes {
            Some(classes) if check.problems.is_empty() => Ok(classes),
            _ => {
                check.problems.sort_by_key(|problem| problem.line);
                Err(ClassErrors(check.problems))
            }
        }
    }
}

/// Every mistake in a mapping file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ClassErrors(pub Vec<ClassProblem>);

/// A mistake in a mapping file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassProblem {
    /// The name of the file.
    pub file: String,
    /// The line, from 1; 0 for the whole file.
    pub line: u64,
    /// What is wrong and what to write.
    pub message: String,
}

impl fmt::Display for ClassProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}: {}", self.file, self.message),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassesFile {
    schema: Spanned<String>,
    date: NaiveDate,
    #[serde(default)]
    numbers: Vec<NumberEntry>,
    #[serde(default)]
    words: Vec<WordEntry>,
    #[serde(default)]
    names: Vec<NameEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NumberEntry {
    #[serde(rename = "as")]
    number: Spanned<u32>,
    /// The registered name, for readers of the file and for the test that checks the number.
    name: String,
    as_type: Option<AsType>,
    tier: Option<Tier>,
    reason: Spanned<String>,
    date: NaiveDate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WordEntry {
    word: Spanned<String>,
    as_type: Option<AsType>,
    tier: Option<Tier>,
    reason: Spanned<String>,
    date: NaiveDate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NameEntry {
    /// Whole words, in any case, of which one must match; `*` at the end means any ending.
    words: Option<Spanned<Vec<String>>>,
    /// An expression of the `regex` crate, in any case, instead of words.
    regex: Option<Spanned<String>>,
    as_type: Option<AsType>,
    tier: Option<Tier>,
    reason: Spanned<String>,
    date: NaiveDate,
}

struct Check<'f> {
    file: &'f str,
    problems: Vec<ClassProblem>,
}

impl Check<'_> {
    fn say(&mut self, line: u64, message: impl Into<String>) {
        self.problems.push(ClassProblem {
            file: self.file.to_owned(),
            line,
            message: message.into(),
        });
    }

    fn read(&mut self, text: &str) -> Option<ClassesFile> {
        if text.len() > MAX_FILE_BYTES {
            self.say(0, format!("has {} bytes; at most {MAX_FILE_BYTES} are allowed", text.len()));
            return None;
        }
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! { max_depth: 6, max_nodes: MAX_NUMBERS * 16, max_events: MAX_NUMBERS * 20 },
            with_snippet: false,
        };
        match serde_saphyr::from_str_with_options::<ClassesFile>(text, options) {
            Ok(file) => Some(file),
            Err(error) => {
                let line = error.location().unwrap_or(Location::UNKNOWN).line();
                let message = error.to_string();
                // The library adds "at line …, column …", but the line is already in front of the message.
                let message = message.split(" at line ").next().unwrap_or(&message).trim().to_owned();
                self.say(line, message);
                None
            }
        }
    }

    fn compile(&mut self, file: ClassesFile) -> Option<Classes> {
        if file.schema.value != SCHEMA {
            let message = format!("schema is {:?}; this vigie reads {SCHEMA:?}", file.schema.value);
            self.say(file.schema.defined.line(), message);
            return None;
        }
        let mut classes = Classes {
            date: file.date,
            ..Classes::default()
        };
        let mut lines: HashMap<u32, u64> = HashMap::new();
        for entry in file.numbers {
            let (number, line) = (entry.number.value, entry.number.defined.line());
            if number == 0 {
                self.say(line, "AS 0 is reserved (RFC 7607) and has no class");
            }
            if let Some(first) = lines.insert(number, line) {
                self.say(line, format!("AS {number} is already on line {first}; an AS has one entry"));
            }
            if entry.name.trim().is_empty() {
                self.say(line, "`name` is empty; write the registered name of the organisation");
            }
            let entry = self.entry(line, (entry.as_type, entry.tier), entry.reason, entry.date, entry.name);
            classes.numbers.insert(number, entry);
        }
        for entry in file.words {
            let line = entry.word.defined.line();
            let word = entry.word.value.to_lowercase();
            let entry = self.entry(line, (entry.as_type, entry.tier), entry.reason, entry.date, word.clone());
            if classes.words.insert(word.clone(), entry).is_some() {
                self.say(line, format!("the word {word:?} has an entry already"));
            }
        }
        if file.names.len() > MAX_PATTERNS {
            self.say(0, format!("has {} patterns; at most {MAX_PATTERNS} are allowed", file.names.len()));
            return None;
        }
        let mut patterns = Vec::new();
        for entry in file.names {
            let (line, source) = match (entry.words, entry.regex) {
                (Some(words), None) => (words.defined.line(), self.words(words.defined.line(), &words.value)),
                (None, Some(regex)) => (regex.defined.line(), Some(regex.value)),
                (Some(_), Some(_)) | (None, None) => {
                    self.say(entry.reason.defined.line(), "an entry of `names` needs either `words` or `regex`");
                    continue;
                }
            };
            let Some(source) = source else { continue };
            match RegexBuilder::new(&source).case_insensitive(true).size_limit(1 << 20).build() {
                Ok(regex) if regex.is_match("") => {
                    self.say(line, "the pattern matches every name");
                }
                Ok(_) => {}
                Err(error) => {
                    let error = error.to_string();
                    let error = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
                    self.say(line, format!("the pattern does not compile: {error}"));
                }
            }
            let entry = self.entry(line, (entry.as_type, entry.tier), entry.reason, entry.date, source.clone());
            classes.names.push(entry);
            patterns.push(source);
        }
        if !self.problems.is_empty() {
            return None;
        }
        match RegexSetBuilder::new(patterns)
            .case_insensitive(true)
            .size_limit(MAX_COMPILED)
            .build()
        {
            Ok(set) => classes.patterns = set,
            Err(error) => {
                self.say(0, format!("the patterns do not compile together: {error}"));
                return None;
            }
        }
        Some(classes)
    }

    fn entry(
        &mut self,
        line: u64,
        (as_type, tier): (Option<AsType>, Option<Tier>),
        reason: Spanned<String>,
        date: NaiveDate,
        what: String,
    ) -> ClassEntry {
        if as_type.is_none() && tier.is_none() {
            self.say(line, "the entry gives neither `as_type` nor `tier`");
        }
        let at = reason.defined.line();
        let reason = reason.value.trim().to_owned();
        if reason.is_empty() {
            self.say(at, "`reason` is empty; write in one line why the class applies");
        } else if reason.contains('\n') || reason.chars().count() > 200 {
            self.say(at, "`reason` must be one line of at most 200 characters");
        }
        ClassEntry {
            as_type,
            tier,
            reason,
            date,
            what,
        }
    }

    fn words(&mut self, line: u64, words: &[String]) -> Option<String> {
        let mut alternatives = Vec::new();
        for word in words {
            let (stem, open) = word.strip_suffix('*').map_or((word.as_str(), false), |stem| (stem, true));
            let edges = stem.chars().next().zip(stem.chars().last());
            if !edges.is_some_and(|(first, last)| first.is_alphanumeric() && last.is_alphanumeric()) || stem.contains('*') {
                self.say(
                    line,
                    format!("{word:?} is not a word: write letters or digits at both ends, with an optional * after it"),
                );
                return None;
            }
            alternatives.push(regex::escape(stem) + if open { "" } else { r"\b" });
        }
        if alternatives.is_empty() {
            self.say(line, "`words` is empty");
            return None;
        }
        Some(format!(r"\b(?:{})", alternatives.join("|")))
    }
}
