//! The knowledge for findings: catalogue, advisories and texts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use vigie_advisory::Advisories;
use vigie_catalog::{ADVISORY_INDEX, CARRIED_ADVISORIES, Catalog, Product};
use vigie_model::{Advised, AdvisoryCoverage, AdvisoryVerdict, Confidence, Finding, Known, Observation, Place, Subject};

use crate::cache::ClaimCache;
use crate::fixes::Fixes;
use crate::identity_confidence::IdentityConfidence;
use crate::input::{AssessmentInput, SubjectClaim};
use crate::rules;
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
    versions: VersionCache,
    claims: Arc<ClaimCache>,
}

/// Cache of verdicts and fixes by version: a network has few of them, and comparing versions takes longer than a lookup.
#[derive(Clone, Debug, Default)]
struct VersionCache(Arc<Mutex<HashMap<VersionKey, VersionFacts>>>);

/// Product, version and maximum confidence.
type VersionKey = (String, Known<String>, Confidence);

/// The verdicts on a version of a product, and its fixes.
#[derive(Clone, Debug)]
struct VersionFacts {
    advised: Advised,
    fixes: Arc<Fixes>,
}

/// Maximum number of cached versions, so that a hostile network that invents versions cannot exhaust memory.
const MAX_VERSIONS: usize = 4_096;

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
            versions: VersionCache::default(),
            claims: Arc::default(),
        }
    }

    /// Knowledge from other files, for `--catalog`.
    #[must_use]
    pub fn with(catalog: Arc<Catalog>, advisories: Arc<Advisories>, texts: Arc<Texts>) -> Self {
        Self {
            catalog,
            advisories,
            texts,
            versions: VersionCache::default(),
            claims: Arc::default(),
        }
    }

    /// The verdicts of the advisories on a product's version.
    #[must_use]
    pub fn verdicts(&self, product: &str, version: &Known<String>) -> Arc<[AdvisoryVerdict]> {
        match self.catalog.product(product) {
            Some(product) => Arc::clone(&self.version_facts(product, version, Confidence::High).advised),
            None => [].into(),
        }
    }

    /// Verdicts with at most the given confidence, the advisory coverage, and fixes.
    fn version_facts(&self, product: &Product, version: &Known<String>, max_confidence: Confidence) -> VersionFacts {
        let key = (product.id.clone(), version.clone(), max_confidence);
        let mut cache = self.versions.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(facts) = cache.get(&key) {
            return facts.clone();
        }
        let mut verdicts = self
            .advisories
            .against_releases(&product.packages, product.versions, version, product.newest.as_deref());
        for verdict in &mut verdicts {
            verdict.confidence = verdict.confidence.min(max_confidence);
        }
        // Advisories cover products. For an interface that many products implement, the coverage is unknown.
        let coverage = (!product.family).then(|| self.advisories.coverage(&product.id, &product.packages, product.versions));
        let facts = VersionFacts {
            advised: Advised::as_recorded(verdicts.into(), coverage),
            fixes: Arc::new(Fixes::new(product, version)),
        };
        if cache.len() < MAX_VERSIONS {
            cache.insert(key, facts.clone());
        }
        facts
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
        let facts = product.map(|product| {
            let max_confidence = IdentityConfidence::of(&observation.identity).version;
            self.version_facts(product, &observation.identity.version, max_confidence)
        });
        let (advised, fixes) = match facts {
            Some(facts) => (facts.advised, facts.fixes),
            None => ([].into(), Arc::default()),
        };
        observation.advisories = advised;
        let input = AssessmentInput::new(observation, product, &self.catalog);
        let claims = match self.claims.get(&input) {
            Some(claims) => claims,
            None => {
                let claims: Arc<[SubjectClaim]> = rules::claims(&input, &self.texts, &fixes).into();
                // Evidence shared with an earlier conversation is worth caching, because it is likely to recur.
                if Arc::strong_count(&observation.identity.evidence) > 1 {
                    self.claims.insert(&input, &claims);
                }
                claims
            }
        };
        let place = Place::At {
            socket: observation.endpoint.socket(),
            prefix: observation.endpoint.prefix.clone(),
        };
        let finding = |one: &SubjectClaim| Finding {
            subject: Subject {
                place: place.clone(),
                part: one.part.clone(),
            },
            location: None,
            accepted: None,
            claim: Arc::clone(&one.claim),
        };
        observation.findings = claims.iter().map(finding).collect();
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
