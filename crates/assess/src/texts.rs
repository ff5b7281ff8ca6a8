//! The words of the findings: `catalog/findings/<id>.yaml`.

use std::collections::BTreeMap;

use serde::Deserialize;
use vigie_catalog::{CARRIED_FINDINGS, FINDINGS, Files};
use vigie_model::{Severity, Standard};

/// One finding's words.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingText {
    /// `vigie.finding/1`.
    pub schema: String,
    /// Its id, the file's name.
    pub id: String,
    /// How bad it is where nothing makes it worse or milder.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// What it means.
    pub why: String,
    /// What to do, where the product's file has no remedy of its own.
    pub remedy: String,
    /// Other words for cases in which less or more was seen, by case.
    #[serde(default)]
    pub cases: BTreeMap<String, CaseText>,
    /// Where it stands in the standards.
    pub standards: std::sync::Arc<[Standard]>,
}

/// What is said in one case in place of the general words.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseText {
    /// One line, where it differs.
    #[serde(default)]
    pub title: Option<String>,
    /// What it means.
    pub why: String,
}

/// The words of all findings.
#[derive(Clone, Debug)]
pub struct Texts(BTreeMap<String, FindingText>);

impl Texts {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// A file that does not read, is of another finding than its name, or is missing.
    pub fn load(files: &Files) -> Result<Self, Vec<String>> {
        let read = |text: &str| serde_saphyr::from_str(text).map_err(|error| error.to_string());
        Self::read(files.iter().map(|(name, text)| (name.as_str(), read(text))))
    }

    /// The words that this build carries.
    ///
    /// # Errors
    ///
    /// As for [`Self::load`]; a test reads them.
    pub fn embedded() -> Result<Self, Vec<String>> {
        let read = |text: &str| serde_json::from_str(text).map_err(|error| error.to_string());
        Self::read(CARRIED_FINDINGS.iter().map(|(name, text)| (*name, read(text))))
    }

    fn read<'f>(files: impl Iterator<Item = (&'f str, Result<FindingText, String>)>) -> Result<Self, Vec<String>> {
        let mut texts = BTreeMap::new();
        let mut errors = Vec::new();
        for (name, text) in files {
            match text {
                Ok(finding) if format!("{}.yaml", finding.id) != *name => {
                    errors.push(format!("findings/{name}: id is {:?}; it is the file's name", finding.id));
                }
                Ok(finding) => {
                    texts.insert(finding.id.clone(), finding);
                }
                Err(error) => errors.push(format!("findings/{name}: {error}")),
            }
        }
        errors.extend(
            FINDINGS
                .iter()
                .filter(|id| !texts.contains_key(**id))
                .map(|id| format!("findings/{id}.yaml is missing")),
        );
        if errors.is_empty() { Ok(Self(texts)) } else { Err(errors) }
    }

    /// One finding's words.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&FindingText> {
        self.0.get(id)
    }

    /// All of them, by id.
    pub fn all(&self) -> impl Iterator<Item = &FindingText> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_has_its_words() {
        let texts = Texts::load(&vigie_catalog::embedded_findings()).expect("the embedded findings read");
        assert_eq!(texts.all().count(), FINDINGS.len());
        let carried = Texts::embedded().expect("what the build carries reads");
        assert_eq!(format!("{texts:?}"), format!("{carried:?}"));
        for text in texts.all() {
            assert_eq!(text.schema, "vigie.finding/1");
            assert!(
                text.id == "loopback-only" || !text.standards.is_empty(),
                "{} has no standard",
                text.id
            );
        }
    }
}
