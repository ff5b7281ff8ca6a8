//! The texts of the findings: `catalog/findings/<id>.yaml`.

use std::collections::BTreeMap;

use serde::Deserialize;
use vigie_catalog::{CARRIED_FINDINGS, FINDINGS, Files};
use vigie_model::{Severity, Standard};

/// The texts of a finding.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingText {
    /// `vigie.finding/1`.
    pub schema: String,
    /// The id, which is the file's name.
    pub id: String,
    /// The default severity.
    pub severity: Severity,
    /// The title, one line.
    pub title: String,
    /// What it means.
    pub why: String,
    /// The remedy, if the product's file has none.
    pub remedy: String,
    /// Other texts for cases in which less or more was seen, by case.
    #[serde(default)]
    pub cases: BTreeMap<String, CaseText>,
    /// References to standards.
    pub standards: std::sync::Arc<[Standard]>,
}

/// Texts that replace the general ones in a case.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseText {
    /// The title, if it differs.
    #[serde(default)]
    pub title: Option<String>,
    /// What it means.
    pub why: String,
}

/// The texts of all findings.
#[derive(Clone, Debug)]
pub struct Texts(BTreeMap<String, FindingText>);

impl Texts {
    /// Parses the files.
    ///
    /// # Errors
    ///
    /// A file that is invalid or missing, or whose id is not its name.
    pub fn load(files: &Files) -> Result<Self, Vec<String>> {
        let read = |text: &str| serde_saphyr::from_str(text).map_err(|error| error.to_string());
        Self::read(files.iter().map(|(name, text)| (name.as_str(), read(text))))
    }

    /// The embedded texts.
    ///
    /// # Errors
    ///
    /// As for [`Self::load`]; a test parses them.
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

    /// The texts of a finding.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&FindingText> {
        self.0.get(id)
    }

    /// All texts, ordered by id.
    pub fn all(&self) -> impl Iterator<Item = &FindingText> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_has_its_texts() {
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
