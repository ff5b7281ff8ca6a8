//! Which endpoints are listed, decided by the few columns that are read of every endpoint.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use vigie_assess::Knowledge;
use vigie_lake::{Filter, Glimpse};
use vigie_model::{AdvisoryCoverage, EndpointKey, Known, Posture, Verdict, Why};
use vigie_run::Failure;

use super::args::{HostsArgs, VerdictArg};
use super::spelling::unknown_product;
use super::versions::VersionRange;

/// The word for an unknown value, in every option that takes values.
pub(super) const UNKNOWN: &str = "unknown";

/// A product, and its version if it is known.
type Release = (Arc<str>, Option<Arc<str>>);

/// The options of a list. An endpoint must satisfy each of them, with one of its values.
pub(super) struct Choice {
    products: Vec<Option<String>>,
    postures: Vec<Option<Posture>>,
    countries: Vec<Option<String>>,
    versions: Option<VersionRange>,
    verdicts: Vec<Verdict>,
    changed: Option<HashSet<EndpointKey>>,
    /// Endpoints left out because their version cannot be compared with the range.
    incomparable: u64,
    /// The verdicts computed so far.
    verdict_cache: RefCell<HashMap<Release, Verdict>>,
}

impl Choice {
    pub(super) fn of(args: &HostsArgs, knowledge: &Knowledge) -> Result<Self, Failure> {
        let known = |word: &String| (word != UNKNOWN).then(|| word.clone());
        let products: Vec<Option<String>> = args.products.iter().map(known).collect();
        for product in products.iter().flatten() {
            if knowledge.catalog.product(product).is_none() {
                return Err(unknown_product(product, knowledge));
            }
        }
        let versions = args.version.as_deref().map(VersionRange::parse).transpose()?;
        if let Some(versions) = &versions {
            versions.check(&products, knowledge)?;
        }
        Ok(Self {
            products,
            postures: args.postures.iter().map(|word| posture(word)).collect::<Result<_, _>>()?,
            countries: args.countries.iter().map(|word| country(word)).collect::<Result<_, _>>()?,
            versions,
            verdicts: args
                .verdicts
                .iter()
                .map(|verdict| match verdict {
                    VerdictArg::Affected => Verdict::Affected,
                    VerdictArg::NotAffected => Verdict::NotAffected,
                    VerdictArg::Unknown => Verdict::Unknown,
                })
                .collect(),
            changed: None,
            incomparable: 0,
            verdict_cache: RefCell::default(),
        })
    }

    /// The part of the choice that the lake applies itself.
    pub(super) fn filter(&self) -> Filter {
        let one = |all: &[Option<String>]| match all {
            [Some(one)] => Some(one.clone()),
            _ => None,
        };
        Filter {
            product: one(&self.products),
            posture: match &self.postures[..] {
                [Some(posture)] => Some(*posture),
                _ => None,
            },
            ..Filter::default()
        }
    }

    /// Finds what changed, as `vigie diff` does.
    #[cfg(feature = "watch")]
    pub(super) fn changed(
        &mut self,
        args: &HostsArgs,
        lake: (&tokio::runtime::Runtime, &vigie_lake::Lake),
        knowledge: &Knowledge,
    ) -> Result<(), Failure> {
        let Some(since) = args.changed_since else { return Ok(()) };
        let now = chrono::Utc::now();
        let since = since.at(now);
        if since >= now {
            return Err(Failure::usage(
                "--changed-since must be in the past: write a day, an instant, or an age such as 7d",
            ));
        }
        let diff = vigie_run::diff::between(lake, (since, now), None, &knowledge.catalog)?;
        self.changed = Some(diff.changed());
        Ok(())
    }

    /// Whether an endpoint is listed.
    pub(super) fn holds(&mut self, glimpse: &Glimpse, knowledge: &Knowledge) -> bool {
        let (product, version) = (glimpse.product.as_deref(), glimpse.version.as_deref());
        let is_chosen = any(&self.products, |wanted| wanted.as_deref() == product)
            && any(&self.postures, |wanted| *wanted == glimpse.posture)
            && any(&self.countries, |wanted| {
                wanted.as_deref().map(str::as_bytes)
                    == glimpse
                        .country
                        .as_deref()
                        .map(str::to_ascii_uppercase)
                        .as_deref()
                        .map(str::as_bytes)
            })
            && self.changed.as_ref().is_none_or(|changed| changed.contains(&glimpse.key))
            && any(&self.verdicts, |wanted| *wanted == self.verdict(glimpse, knowledge));
        let Some(versions) = self.versions.as_ref().filter(|_| is_chosen) else {
            return is_chosen;
        };
        let order = product.and_then(|id| knowledge.catalog.product(id)).map(|product| product.versions);
        match versions.contains(version, order) {
            Some(contains) => contains,
            None => {
                self.incomparable += 1;
                false
            }
        }
    }

    fn verdict(&self, glimpse: &Glimpse, knowledge: &Knowledge) -> Verdict {
        let Some(product) = &glimpse.product else { return Verdict::Unknown };
        let key = (Arc::clone(product), glimpse.version.clone());
        if let Some(known) = self.verdict_cache.borrow().get(&key) {
            return *known;
        }
        let computed = verdict(knowledge, Some(product), glimpse.version.as_deref());
        self.verdict_cache.borrow_mut().insert(key, computed);
        computed
    }

    /// Notes for the user on endpoints that were left out.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.incomparable > 0 {
            let are = if self.incomparable == 1 { "endpoint is" } else { "endpoints are" };
            notes.push(format!(
                "{} {are} left out, with a version that is unknown or cannot be compared; --version unknown lists the unknown ones",
                self.incomparable
            ));
        }
        notes
    }
}

/// Whether an option was not given, or one of its values matches.
fn any<T>(wanted: &[T], matches: impl FnMut(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(matches)
}

/// A two-letter country code, in capitals; `None`: unknown.
fn country(word: &str) -> Result<Option<String>, Failure> {
    let code = word.trim();
    if code == UNKNOWN {
        return Ok(None);
    }
    match code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        true => Ok(Some(code.to_ascii_uppercase())),
        false => Err(Failure::usage(format!(
            "--country {word:?} is not a two-letter country code: write DE, or unknown; separate several by commas"
        ))),
    }
}

fn posture(word: &str) -> Result<Option<Posture>, Failure> {
    if word == UNKNOWN {
        return Ok(None);
    }
    let all = [
        Posture::Open,
        Posture::Key,
        Posture::Login,
        Posture::Signup,
        Posture::FirstAdmin,
        Posture::Forbidden,
    ];
    let found = all.into_iter().find(|posture| posture.word() == word);
    found.map(Some).ok_or_else(|| {
        Failure::usage(format!(
            "unknown posture {word:?}: write open, key, login, signup, first-admin, forbidden or unknown"
        ))
    })
}

/// The worst verdict of the advisories on a product's version. It is unknown, too, if the product is unknown or no advisory covers it.
pub(super) fn verdict(knowledge: &Knowledge, product: Option<&str>, version: Option<&str>) -> Verdict {
    let Some(product) = product.and_then(|id| knowledge.catalog.product(id)) else {
        return Verdict::Unknown;
    };
    let version = version.map_or_else(|| Known::unknown(Why::NotCarried), |text| Known::Known(text.to_owned()));
    let verdicts = knowledge.verdicts(&product.id, &version);
    let is = |wanted| verdicts.iter().any(|verdict| verdict.verdict == wanted);
    let covered = knowledge.coverage(&product.id) != AdvisoryCoverage::NotCovered;
    match (is(Verdict::Affected), is(Verdict::Unknown) || !covered) {
        (true, _) => Verdict::Affected,
        (false, true) => Verdict::Unknown,
        (false, false) => Verdict::NotAffected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_the_worst_and_an_uncovered_product_is_unknown() {
        let knowledge = Knowledge::embedded();
        assert_eq!(verdict(&knowledge, Some("ollama"), Some("0.1.33")), Verdict::Affected);
        assert_eq!(verdict(&knowledge, Some("ollama"), None), Verdict::Unknown);
        assert_eq!(verdict(&knowledge, None, Some("0.1.33")), Verdict::Unknown);
        let uncovered = knowledge
            .catalog
            .products()
            .iter()
            .find(|product| knowledge.coverage(&product.id) == AdvisoryCoverage::NotCovered)
            .expect("not every product is covered");
        assert_eq!(verdict(&knowledge, Some(&uncovered.id), Some("1.0.0")), Verdict::Unknown);
    }
}
