//! The texts of the rules, in English and French: `catalog/audit/<id>.yaml`.

use std::collections::BTreeMap;

use include_dir::{Dir, include_dir};
use serde::Deserialize;
use vigie_model::{Confidence, Severity, Standard};

static TEXTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../catalog/audit");

/// The language of texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// French.
    French,
}

/// How picky an audit is: each persona gets what those before it get, and more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Persona {
    /// What nearly everybody should mend.
    #[default]
    Regular,
    /// Good practice, too.
    Pedantic,
    /// Everything that an auditor asks about, likely false alarms included.
    Auditor,
}

/// A text in both languages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// English.
    pub en: String,
    /// French.
    pub fr: String,
}

impl Text {
    /// The text in a language.
    #[must_use]
    pub fn get(&self, language: Language) -> &str {
        match language {
            Language::English => &self.en,
            Language::French => &self.fr,
        }
    }

    /// The text in a language, with each `{name}` replaced by its value.
    #[must_use]
    pub fn fill(&self, language: Language, values: &BTreeMap<&'static str, String>) -> String {
        let mut filled = String::new();
        let mut rest = self.get(language);
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let Some((name, behind)) = after.split_once('}') else {
                filled.push('{');
                rest = after;
                continue;
            };
            match values.get(name) {
                Some(value) => filled.push_str(value),
                None => filled.push('?'),
            }
            rest = behind;
        }
        filled.push_str(rest);
        filled
    }
}

/// A file before and after the change, as an example that is also a test: the rule reports the line before, and nothing after.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// The file's path.
    pub file: String,
    /// The line that the rule reports.
    pub line: u32,
    /// Further files that belong to both.
    #[serde(default)]
    pub with: BTreeMap<String, String>,
    /// The file with the mistake.
    pub before: String,
    /// The file without it.
    pub after: String,
}

/// What a rule says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleText {
    /// `vigie.audit-rule/1`.
    pub schema: String,
    /// The id, the file's name without extension.
    pub id: String,
    /// The severity, where nothing in the case changes it.
    pub severity: Severity,
    /// The confidence, where nothing in the case changes it.
    pub confidence: Confidence,
    /// Who gets it.
    pub persona: Persona,
    /// Whether it is reported only for servers that other machines may reach.
    #[serde(default)]
    pub reachable_only: bool,
    /// One line.
    pub title: Text,
    /// What was seen, with values in braces.
    pub message: Text,
    /// The consequence.
    pub why: Text,
    /// What to do.
    pub remedy: Text,
    /// References to standards.
    pub standards: Vec<Standard>,
    /// Pages to read.
    #[serde(default)]
    pub references: Vec<String>,
    /// Examples.
    pub examples: Vec<Example>,
}

/// The texts of all rules.
#[derive(Clone, Debug)]
pub struct Texts {
    by_id: BTreeMap<String, RuleText>,
}

impl Texts {
    /// The embedded texts.
    ///
    /// # Errors
    ///
    /// What is wrong with a file; the tests read all of them.
    pub fn embedded() -> Result<Self, String> {
        let mut by_id = BTreeMap::new();
        for file in TEXTS.files() {
            let name = file
                .path()
                .file_stem()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            let text = file.contents_utf8().ok_or_else(|| format!("{name} is no text"))?;
            let read: RuleText = serde_saphyr::from_str(text).map_err(|error| format!("{name}: {error}"))?;
            if read.id != name {
                return Err(format!("{name}: its id is {}", read.id));
            }
            by_id.insert(name, read);
        }
        Ok(Self { by_id })
    }

    /// The text of a rule.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&RuleText> {
        self.by_id.get(id)
    }

    /// All, by id.
    pub fn all(&self) -> impl Iterator<Item = &RuleText> {
        self.by_id.values()
    }
}
