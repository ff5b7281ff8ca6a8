//! Which endpoints are listed: what can be told of them by the few columns that are read of all.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use vigie_advisory::Version;
use vigie_assess::Knowledge;
use vigie_lake::{Filter, Glimpse};
use vigie_model::{AdvisoryCoverage, EndpointKey, Known, Posture, Verdict, VersionOrder, Why};
use vigie_run::Failure;

use super::args::{HostsArgs, VerdictArg};

/// The word for what is unknown, wherever a value is asked for.
const UNKNOWN: &str = "unknown";

/// A product and its version, if it is known.
type Named = (Arc<str>, Option<Arc<str>>);

/// All that must hold; within one option, one of the values.
pub(super) struct Choice {
    products: Vec<Option<String>>,
    postures: Vec<Option<Posture>>,
    countries: Vec<Option<String>>,
    versions: Option<Versions>,
    verdicts: Vec<Verdict>,
    changed: Option<HashSet<EndpointKey>>,
    /// Endpoints whose version cannot be held against what was asked.
    incomparable: u64,
    asked_verdicts: RefCell<HashMap<Named, Verdict>>,
}

impl Choice {
    pub(super) fn of(args: &HostsArgs, knowledge: &Knowledge) -> Result<Self, Failure> {
        let known = |word: &String| (word != UNKNOWN).then(|| word.clone());
        let products: Vec<Option<String>> = args.products.iter().map(known).collect();
        for product in products.iter().flatten() {
            if knowledge.catalog.product(product).is_none() {
                return Err(no_product(product, knowledge));
            }
        }
        let versions = args.version.as_deref().map(Versions::parse).transpose()?;
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
            asked_verdicts: RefCell::default(),
        })
    }

    /// What the lake itself can choose by.
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
            return Err(Failure::usage("--changed-since is an instant in the past, or an age such as 7d"));
        }
        let diff = vigie_run::diff::between(lake, (since, now), None, &knowledge.catalog)?;
        self.changed = Some(diff.changed());
        Ok(())
    }

    pub(super) fn holds(&mut self, glimpse: &Glimpse, knowledge: &Knowledge) -> bool {
        let (product, version) = (glimpse.product.as_deref(), glimpse.version.as_deref());
        let held = any(&self.products, |wanted| wanted.as_deref() == product)
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
        let Some(versions) = self.versions.as_ref().filter(|_| held) else {
            return held;
        };
        let order = product.and_then(|id| knowledge.catalog.product(id)).map(|product| product.versions);
        match versions.hold(version, order) {
            Some(holds) => holds,
            None => {
                self.incomparable += 1;
                false
            }
        }
    }

    fn verdict(&self, glimpse: &Glimpse, knowledge: &Knowledge) -> Verdict {
        let Some(product) = &glimpse.product else { return Verdict::Unknown };
        let key = (Arc::clone(product), glimpse.version.clone());
        if let Some(known) = self.asked_verdicts.borrow().get(&key) {
            return *known;
        }
        let told = verdict(knowledge, Some(product), glimpse.version.as_deref());
        self.asked_verdicts.borrow_mut().insert(key, told);
        told
    }

    /// What is to be known of the choice.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.incomparable > 0 {
            let are = if self.incomparable == 1 { "endpoint is" } else { "endpoints are" };
            notes.push(format!(
                "{} {are} left out whose version is unknown or cannot be held against that one; --version unknown lists those that tell none",
                self.incomparable
            ));
        }
        notes
    }
}

/// Whether nothing is asked for, or one of the values is it.
fn any<T>(wanted: &[T], is: impl FnMut(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(is)
}

/// A code of two letters, in capitals; `None`: unknown.
fn country(word: &str) -> Result<Option<String>, Failure> {
    let code = word.trim();
    if code == UNKNOWN {
        return Ok(None);
    }
    match code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        true => Ok(Some(code.to_ascii_uppercase())),
        false => Err(Failure::usage(format!(
            "--country {word:?} is no country's code of two letters: write DE, or unknown; several apart by commas"
        ))),
    }
}

/// Says that a product is none, and which are meant perhaps.
fn no_product(word: &str, knowledge: &Knowledge) -> Failure {
    let lower = word.to_lowercase();
    let letters = |text: &str| -> String { text.chars().filter(|c| c.is_alphanumeric()).collect() };
    let (bare, most) = (letters(&lower), lower.chars().count().div_ceil(3));
    let products = knowledge.catalog.products().iter();
    let mut near: Vec<(usize, &str)> = products
        .filter_map(|product| {
            let id = product.id.as_str();
            let name = letters(&product.name.to_lowercase());
            let parts = bare.len() > 2 && (letters(id).contains(&bare) || name.contains(&bare) || bare.contains(&letters(id)));
            let far = distance(&lower, id);
            (parts || far <= most).then_some((if parts { 0 } else { far }, id))
        })
        .collect();
    near.sort_unstable();
    let near: Vec<&str> = near.into_iter().map(|(_, id)| id).take(3).collect();
    let meant = match near.is_empty() {
        true => String::new(),
        false => format!("; near it are {}", near.join(", ")),
    };
    Failure::usage(format!(
        "--product {word:?} is no product of the catalogue{meant}; vigie catalog list names them all"
    ))
}

/// How many letters are to be changed, put in or left out to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    // No id is as long.
    for (number, letter) in one.chars().take(64).enumerate() {
        let mut before = std::mem::replace(&mut row[0], number + 1);
        for (at, have) in other.iter().enumerate() {
            let changed = before + usize::from(*have != letter);
            before = row[at + 1];
            row[at + 1] = changed.min(before + 1).min(row[at] + 1);
        }
    }
    row[other.len()]
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
            "{word:?} is no posture: open, key, login, signup, first-admin, forbidden, unknown"
        ))
    })
}

/// What the advisories say of a product's version, the worst first. Unknown as well where no advisory could be held against it: nobody
/// knows the product, or no advisory covers it.
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

/// `0.1.33`, `<0.1.34`, `>=0.1,<0.1.34`, `unknown`.
#[derive(Debug)]
struct Versions {
    text: String,
    /// All must hold; none: the version is unknown.
    bounds: Vec<(Is, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Below,
    AtMost,
    Above,
    AtLeast,
    Equal,
    Other,
}

impl Versions {
    fn parse(text: &str) -> Result<Self, Failure> {
        let whole = Self {
            text: text.to_owned(),
            bounds: Vec::new(),
        };
        if text.trim() == UNKNOWN {
            return Ok(whole);
        }
        let bound = |part: &str| {
            let part = part.trim();
            let signs = [
                ("<=", Is::AtMost),
                (">=", Is::AtLeast),
                ("==", Is::Equal),
                ("!=", Is::Other),
                ("<", Is::Below),
                (">", Is::Above),
                ("=", Is::Equal),
            ];
            let signed = signs.iter().find_map(|(sign, is)| Some((*is, part.strip_prefix(sign)?)));
            let (is, version) = signed.unwrap_or((Is::Equal, part));
            let version = version.trim();
            // A word that no order reads may be meant as it is, and then a sign says so.
            let is_none = version.contains(char::is_whitespace) || signed.is_none() && !in_some_order(version);
            match is_none || version.is_empty() || version.starts_with(['<', '>', '=', '!']) {
                false => Ok((is, version.to_owned())),
                true => Err(Failure::usage(format!(
                    "--version {text:?} is no version and no range: write 0.1.33, '<0.1.34', '>=0.1,<0.1.34', '=custom' for a word as it is, or unknown"
                ))),
            }
        };
        Ok(Self {
            bounds: text.split(',').map(bound).collect::<Result<_, _>>()?,
            ..whole
        })
    }

    /// Whether some product that is asked for orders versions such as these.
    fn check(&self, products: &[Option<String>], knowledge: &Knowledge) -> Result<(), Failure> {
        let named: HashSet<VersionOrder> = products
            .iter()
            .flatten()
            .filter_map(|id| knowledge.catalog.product(id))
            .map(|product| product.versions)
            .collect();
        let orders: Vec<VersionOrder> = if named.is_empty() {
            ORDERS.to_vec()
        } else {
            named.into_iter().collect()
        };
        let read = |order: VersionOrder| {
            let ordered = self.bounds.iter().filter(|(is, _)| !matches!(is, Is::Equal | Is::Other));
            ordered.map(|(_, text)| Version::parse(order, text)).find_map(Result::err)
        };
        let faults: Vec<_> = orders.iter().filter_map(|order| read(*order)).collect();
        match faults.first() {
            Some(fault) if faults.len() == orders.len() => Err(Failure::usage(format!("--version {:?}: {fault}", self.text))),
            _ => Ok(()),
        }
    }

    /// Whether a version lies within, in its product's order; `None`: that cannot be told.
    fn hold(&self, version: Option<&str>, order: Option<VersionOrder>) -> Option<bool> {
        if self.bounds.is_empty() {
            return Some(version.is_none());
        }
        let version = version?;
        let mut all = true;
        for (is, bound) in &self.bounds {
            let parsed = order.and_then(|order| Some((Version::parse(order, version).ok()?, Version::parse(order, bound).ok()?)));
            let holds = match (is, parsed) {
                // A local part (1.0+cu130) takes no part, as in the ranges of advisories.
                (is, Some((version, bound))) => is.told(version.public().cmp(&bound.public())),
                (Is::Equal, None) => version == bound,
                (Is::Other, None) => version != bound,
                (_, None) => return None,
            };
            all &= holds;
        }
        Some(all)
    }
}

/// The orders that products' versions have.
const ORDERS: [VersionOrder; 4] = [
    VersionOrder::Semver,
    VersionOrder::Pep440,
    VersionOrder::LlamaBuild,
    VersionOrder::Dotted,
];

/// Whether a text is a version in some order.
fn in_some_order(text: &str) -> bool {
    ORDERS.iter().any(|order| Version::parse(*order, text).is_ok())
}

impl Is {
    fn told(self, order: Ordering) -> bool {
        match self {
            Self::Below => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Above => order.is_gt(),
            Self::AtLeast => order.is_ge(),
            Self::Equal => order.is_eq(),
            Self::Other => order.is_ne(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(asked: &str, order: Option<VersionOrder>, version: Option<&str>) -> Option<bool> {
        Versions::parse(asked)
            .unwrap_or_else(|failure| panic!("{failure}"))
            .hold(version, order)
    }

    #[test]
    fn versions_are_held_in_their_products_order() {
        let (semver, build, python) = (
            Some(VersionOrder::Semver),
            Some(VersionOrder::LlamaBuild),
            Some(VersionOrder::Pep440),
        );
        for (asked, order, version, wanted) in [
            ("<0.1.34", semver, Some("0.1.9"), Some(true)),
            ("<0.1.34", semver, Some("0.1.34"), Some(false)),
            ("<0.1.34", semver, Some("0.1.34-rc1"), Some(true)),
            ("<0.10.0", semver, Some("0.9.9"), Some(true)),
            (">=0.1, <0.1.34", semver, Some("0.1.33"), Some(true)),
            (">=0.1,<0.1.34", semver, Some("0.0.9"), Some(false)),
            ("0.1.33", semver, Some("v0.1.33"), Some(true)),
            ("=0.1.33", semver, Some("0.1.34"), Some(false)),
            ("!=0.1.33", semver, Some("0.1.34"), Some(true)),
            ("<b10000", build, Some("9999"), Some(true)),
            ("0.8.5", python, Some("0.8.5+cu130"), Some(true)),
            // What cannot be ordered is neither below nor above.
            ("<0.1.34", semver, Some("custom"), None),
            ("<0.1.34", semver, Some("0.0.0"), None),
            ("<0.1.34", semver, None, None),
            ("<0.1.34", None, Some("0.1.33"), None),
            ("=custom", semver, Some("custom"), Some(true)),
            ("1.0", None, Some("1.0"), Some(true)),
            ("unknown", semver, None, Some(true)),
            ("unknown", semver, Some("0.1.33"), Some(false)),
        ] {
            assert_eq!(holds(asked, order, version), wanted, "{asked} {order:?} {version:?}");
        }
        for wrong in [
            "",
            "<",
            "<>1",
            "1,,2",
            ">= ",
            "nonsense",
            "1.0 2.0",
            ">=0.1 <0.2",
            "latest",
            "newer than 1",
        ] {
            assert!(Versions::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_no_product_can_order_is_said() {
        let knowledge = Knowledge::embedded();
        let check = |asked: &str, product: Option<&str>| {
            let products: Vec<Option<String>> = product.iter().map(|id| Some((*id).to_owned())).collect();
            Versions::parse(asked)
                .unwrap_or_else(|failure| panic!("{failure}"))
                .check(&products, &knowledge)
                .is_ok()
        };
        assert!(check("<0.1.34", Some("ollama")) && check("<b9000", None) && check("=latest", None));
        assert!(!check("<latest", None) && !check("<b9000", Some("ollama")));
    }

    #[test]
    fn a_verdict_is_the_worst_and_what_nothing_covers_is_unknown() {
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
