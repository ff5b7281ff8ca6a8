//! Whether a version lies within the bounds of a route or a setting.

use vigie_advisory::Version;
use vigie_catalog::Product;
use vigie_model::Known;

/// The version of a product, parsed once.
pub(crate) struct ProductVersion<'p> {
    product: &'p Product,
    version: Option<Version>,
}

impl<'p> ProductVersion<'p> {
    pub(crate) fn new(product: &'p Product, version: &Known<String>) -> Self {
        Self {
            product,
            version: version.known().and_then(|text| Version::parse(product.versions, text).ok()),
        }
    }

    /// Whether it lies between two bounds, both included; `None`: unknown.
    pub(crate) fn is_within(&self, since: Option<&str>, until: Option<&str>) -> Option<bool> {
        if since.is_none() && until.is_none() {
            return Some(true);
        }
        let version = self.version.as_ref()?;
        // A bound that cannot be ordered leaves the answer unknown.
        let compare = |bound: Option<&str>, holds: fn(&Version, &Version) -> bool| match bound {
            None => Some(true),
            Some(text) => Version::parse(self.product.versions, text).ok().map(|bound| holds(version, &bound)),
        };
        match (
            compare(since, |version, since| version >= since),
            compare(until, |version, until| version <= until),
        ) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }
    }
}
