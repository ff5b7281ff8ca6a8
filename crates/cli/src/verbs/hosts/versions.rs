//! `--version`: versions and ranges, compared in the order of each product.

use std::cmp::Ordering;
use std::collections::HashSet;

use vigie_advisory::Version;
use vigie_assess::Knowledge;
use vigie_model::VersionOrder;
use vigie_run::Failure;

use super::choice::UNKNOWN;

/// A version or range as the user wrote it: `0.1.33`, `<0.1.34`, `>=0.1,<0.1.34`, `unknown`.
#[derive(Debug)]
pub(super) struct VersionRange {
    text: String,
    /// The conditions, all of which must hold; without any, the version must be unknown.
    conditions: Vec<(Comparison, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Below,
    AtMost,
    Above,
    AtLeast,
    Equal,
    NotEqual,
}

impl VersionRange {
    /// Reads the text of `--version`.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let conditions = match text.trim() {
            UNKNOWN => Vec::new(),
            _ => text.split(',').map(|part| condition(text, part)).collect::<Result<_, _>>()?,
        };
        Ok(Self {
            text: text.to_owned(),
            conditions,
        })
    }

    /// Fails if no product that may be listed can order these versions.
    pub(super) fn check(&self, products: &[Option<String>], knowledge: &Knowledge) -> Result<(), Failure> {
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
        let error = |order: VersionOrder| {
            let conditions = self.conditions.iter();
            let ordered = conditions.filter(|(comparison, _)| !matches!(comparison, Comparison::Equal | Comparison::NotEqual));
            ordered.map(|(_, text)| Version::parse(order, text)).find_map(Result::err)
        };
        let errors: Vec<_> = orders.iter().filter_map(|order| error(*order)).collect();
        match errors.first() {
            Some(error) if errors.len() == orders.len() => Err(Failure::usage(format!("--version {:?}: {error}", self.text))),
            _ => Ok(()),
        }
    }

    /// Whether a version is in the range, in its product's order; `None`: it cannot be compared.
    pub(super) fn contains(&self, version: Option<&str>, order: Option<VersionOrder>) -> Option<bool> {
        if self.conditions.is_empty() {
            return Some(version.is_none());
        }
        let version = version?;
        let mut all_hold = true;
        for (comparison, bound) in &self.conditions {
            let parsed = order.and_then(|order| Some((Version::parse(order, version).ok()?, Version::parse(order, bound).ok()?)));
            all_hold &= match (comparison, parsed) {
                // A local part (1.0+cu130) is ignored, as in the ranges of advisories.
                (comparison, Some((version, bound))) => comparison.holds(version.public().cmp(&bound.public())),
                (Comparison::Equal, None) => version == bound,
                (Comparison::NotEqual, None) => version != bound,
                (_, None) => return None,
            };
        }
        Some(all_hold)
    }
}

/// Reads one condition of the text of `--version`.
fn condition(whole: &str, part: &str) -> Result<(Comparison, String), Failure> {
    let part = part.trim();
    let signs = [
        ("<=", Comparison::AtMost),
        (">=", Comparison::AtLeast),
        ("==", Comparison::Equal),
        ("!=", Comparison::NotEqual),
        ("<", Comparison::Below),
        (">", Comparison::Above),
        ("=", Comparison::Equal),
    ];
    let signed = signs
        .iter()
        .find_map(|(sign, comparison)| Some((*comparison, part.strip_prefix(sign)?)));
    let (comparison, version) = signed.unwrap_or((Comparison::Equal, part));
    let version = version.trim();
    // A word that no order reads may be meant literally; then it has a sign.
    let is_invalid = version.is_empty()
        || version.starts_with(['<', '>', '=', '!'])
        || version.contains(char::is_whitespace)
        || signed.is_none() && !is_version(version);
    match is_invalid {
        false => Ok((comparison, version.to_owned())),
        true => Err(Failure::usage(format!(
            "--version {whole:?} is not a version or range: write 0.1.33, '<0.1.34', '>=0.1,<0.1.34', '=custom' for a literal word, or unknown"
        ))),
    }
}

/// The version orders of products.
const ORDERS: [VersionOrder; 4] = [
    VersionOrder::Semver,
    VersionOrder::Pep440,
    VersionOrder::LlamaBuild,
    VersionOrder::Dotted,
];

/// Whether a text is a version in any order.
fn is_version(text: &str) -> bool {
    ORDERS.iter().any(|order| Version::parse(*order, text).is_ok())
}

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Below => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Above => order.is_gt(),
            Self::AtLeast => order.is_ge(),
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(range: &str, order: Option<VersionOrder>, version: Option<&str>) -> Option<bool> {
        VersionRange::parse(range)
            .unwrap_or_else(|failure| panic!("{failure}"))
            .contains(version, order)
    }

    #[test]
    fn versions_are_compared_in_their_products_order() {
        let (semver, build, python) = (
            Some(VersionOrder::Semver),
            Some(VersionOrder::LlamaBuild),
            Some(VersionOrder::Pep440),
        );
        for (range, order, version, expected) in [
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
            assert_eq!(contains(range, order, version), expected, "{range} {order:?} {version:?}");
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
            assert!(VersionRange::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_range_that_no_product_can_order_is_an_error() {
        let knowledge = Knowledge::embedded();
        let check = |range: &str, product: Option<&str>| {
            let products: Vec<Option<String>> = product.iter().map(|id| Some((*id).to_owned())).collect();
            VersionRange::parse(range)
                .unwrap_or_else(|failure| panic!("{failure}"))
                .check(&products, &knowledge)
                .is_ok()
        };
        assert!(check("<0.1.34", Some("ollama")) && check("<b9000", None) && check("=latest", None));
        assert!(!check("<latest", None) && !check("<b9000", Some("ollama")));
    }
}
