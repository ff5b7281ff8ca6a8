//! The knowledge for findings: catalogue, advisories and texts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use vigie_advisory::Advisories;
use vigie_catalog::{ADVISORY_INDEX, CARRIED_ADVISORIES, Catalog};
use vigie_model::{Advised, AdvisoryCoverage, AdvisoryVerdict, Confidence, Finding, Known, Observation};

use crate::look::{About, Look, Memory};
use crate::rules;
use crate::sure::Sure;
use crate::texts::Texts;

/// The catalogue, the advisories and the texts of the findings.
#[derive(Clone, Debug)]
pub struct Knowledge {
    /// The catalogue.
    pub catalog: Arc<Catalog>,
    /// The advisories.
    pub advisories: Arc<Advisories>,
    /// The texts of the findings.
    pub texts: Arc<Texts>,
    verdicts: Verdicts,
    said: Arc<Memory>,
}

/// Cache of verdicts by product and version: a network has few of either, and comparing versions takes longer than a lookup.
#[derive(Clone, Debug, Default)]
struct Verdicts(Arc<Mutex<Remembered>>);

type Remembered = HashMap<(String, Known<String>, Confidence), Advised>;

/// Maximum number of cached pairs, so that a hostile network that invents versions cannot exhaust memory.
const MAX_REMEMBERED: usize = 4_096;

impl Knowledge {
    /// The embedded knowledge.
    ///
    /// # Panics
    ///
    /// Never in a build that passed its tests, which load the same files.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the tests load the same files")]
    pub fn embedded() -> Self {
        Self {
            catalog: Catalog::embedded(),
            advisories: Arc::new(Advisories::of_build(ADVISORY_INDEX, CARRIED_ADVISORIES).expect("the embedded advisories load")),
            texts: Arc::new(Texts::embedded().expect("the embedded findings load")),
            verdicts: Verdicts::default(),
            said: Arc::default(),
        }
    }

    /// The same with another catalogue, for `--catalog`.
    #[must_use]
    pub fn with(catalog: Arc<Catalog>, advisories: Arc<Advisories>, texts: Arc<Texts>) -> Self {
        Self {
            catalog,
            advisories,
            texts,
            verdicts: Verdicts::default(),
            said: Arc::default(),
        }
    }

    /// The verdicts of the advisories on a product's version.
    #[must_use]
    pub fn verdicts(&self, product: &str, version: &Known<String>) -> Arc<[AdvisoryVerdict]> {
        Arc::clone(&self.advised(product, version, Confidence::High))
    }

    /// The same, with confidence no higher than that of the version, and with the advisory coverage.
    fn advised(&self, product: &str, version: &Known<String>, most: Confidence) -> Advised {
        let Some(product) = self.catalog.product(product) else {
            return [].into();
        };
        let key = (product.id.clone(), version.clone(), most);
        let mut remembered = self.verdicts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = remembered.get(&key) {
            return known.clone();
        }
        let mut verdicts = self
            .advisories
            .against_releases(&product.packages, product.versions, version, product.newest.as_deref());
        for verdict in &mut verdicts {
            verdict.confidence = verdict.confidence.min(most);
        }
        // Advisories cover products. For an interface that many products implement, the coverage is unknown.
        let coverage = (!product.family).then(|| self.advisories.coverage(&product.id, &product.packages, product.versions));
        let advised = Advised::as_recorded(verdicts.into(), coverage);
        if remembered.len() < MAX_REMEMBERED {
            remembered.insert(key, advised.clone());
        }
        advised
    }

    /// Whether the advisories cover a product. A product that is not in the catalogue is not covered, nor is an interface that many products
    /// implement.
    #[must_use]
    pub fn coverage(&self, product: &str) -> AdvisoryCoverage {
        self.catalog.product(product).map_or(AdvisoryCoverage::NotCovered, |product| {
            self.advisories.coverage(&product.id, &product.packages, product.versions)
        })
    }

    /// Computes the verdicts and findings of an observation, and replaces those that it had.
    pub fn assess(&self, observation: &mut Observation) {
        let product = observation.identity.product.known().and_then(|id| self.catalog.product(id));
        let known = &observation.identity.version;
        observation.advisories = product.map_or_else(
            || [].into(),
            |product| {
                let most = Sure::of(&observation.identity).version;
                self.advised(&product.id, known, most)
            },
        );
        let look = Look::at(observation, product, &self.catalog);
        let said = match self.said.said_of(&look) {
            Some(said) => said,
            None => {
                let said: Arc<[About]> = rules::claims(&look, &self.texts).into();
                // Evidence shared with an earlier conversation is worth caching, because it is likely to recur.
                if Arc::strong_count(&observation.identity.evidence) > 1 {
                    self.said.keep(&look, &said);
                }
                said
            }
        };
        let mut socket = observation.endpoint.socket().to_string();
        if let Some(prefix) = &observation.endpoint.prefix {
            socket.push_str(prefix.as_str());
        }
        let finding = |(about, claim): &About| Finding {
            subject: about.as_ref().map_or_else(|| socket.clone(), |about| format!("{socket} {about}")),
            accepted: None,
            claim: Arc::clone(claim),
        };
        observation.findings = said.iter().map(finding).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advisories_that_a_build_carries_are_those_of_the_files() {
        let files = Advisories::load(vigie_catalog::embedded_advisories()).unwrap_or_else(|errors| panic!("{errors:?}"));
        let built = Advisories::of_build(ADVISORY_INDEX, CARRIED_ADVISORIES).expect("the index reads");
        assert_eq!(
            (files.date(), files.source(), files.hash()),
            (built.date(), built.source(), built.hash())
        );
        assert_eq!(files.count(), built.count());
        assert!(files.count() > 100, "{}", files.count());
        for (a, b) in files.iter().zip(built.iter()) {
            assert_eq!(format!("{a:?}"), format!("{b:?}"));
            assert!(a.packages().all(|package| built.lists(package)), "{}", a.id());
        }
        for product in Catalog::embedded().products() {
            let version = Known::Known("1.2.3".to_owned());
            let against = |advisories: &Advisories| advisories.against(&product.packages, product.versions, &version);
            assert_eq!(against(&files), against(&built), "{}", product.id);
        }
    }
}
