//! Which routes of a product a server has: those of its file that its version has, where it answered openly.

use vigie_advisory::Version;
use vigie_catalog::{Product, Route};
use vigie_model::{Confidence, Effect, Known};

use crate::look::Look;

/// The routes of some effects that a server has by its product's source.
#[derive(Debug, Default)]
pub(crate) struct Had<'p> {
    /// The product has them in this version.
    pub(crate) surely: Vec<&'p Route>,
    /// Some versions have them, and whether this one does cannot be told; or they need an option.
    pub(crate) perhaps: Vec<&'p Route>,
}

impl<'p> Had<'p> {
    /// The routes beside the one that answered openly. Of a family there are none: its routes are an interface's, and no source says
    /// that this server has them.
    pub(crate) fn by(look: &Look<'_>, product: &'p Product, effects: &[Effect]) -> Self {
        let mut had = Self::default();
        if product.family {
            return had;
        }
        let told = Told::of(product, look.version);
        let from = look.exposure.posture_from.as_deref();
        for effect in effects {
            for route in product.routes_beside(*effect, from) {
                let by_option = product.by_option.as_ref().is_some_and(|some| some.holds(*effect, route));
                match told.has(route) {
                    Some(true) if !by_option => had.surely.push(route),
                    Some(true) | None => had.perhaps.push(route),
                    Some(false) => {}
                }
            }
        }
        had
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.surely.is_empty() && self.perhaps.is_empty()
    }

    /// An effect that was not exercised is stated with medium confidence at most, and with low where the version decides and is not known.
    pub(crate) fn confidence(&self) -> Confidence {
        if self.surely.is_empty() {
            Confidence::Low
        } else {
            Confidence::Medium
        }
    }

    /// The first of them by name, and how many more there are.
    pub(crate) fn words(&self, product: &Product) -> String {
        let (routes, when) = if self.surely.is_empty() {
            (&self.perhaps, ", in some versions or with an option,")
        } else {
            (&self.surely, "")
        };
        let named: Vec<&str> = routes.iter().take(NAMED).map(|route| route.as_str()).collect();
        let more = match routes.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("By its source {} has{when} {}{more}. ", product.name, named.join(", "))
    }
}

/// How many routes are named.
const NAMED: usize = 4;

/// A product's version, read once.
struct Told<'p> {
    product: &'p Product,
    version: Option<Version>,
}

impl<'p> Told<'p> {
    fn of(product: &'p Product, version: &Known<String>) -> Self {
        Self {
            product,
            version: version.known().and_then(|text| Version::parse(product.versions, text).ok()),
        }
    }

    /// Whether this version has a route; `None`: it cannot be told.
    fn has(&self, route: &Route) -> Option<bool> {
        if route.since.is_none() && route.until.is_none() {
            return Some(true);
        }
        let version = self.version.as_ref()?;
        let bound = |text: &Option<String>| text.as_ref().map(|text| Version::parse(self.product.versions, text).ok());
        let (since, until) = (bound(&route.since), bound(&route.until));
        // A bound that cannot be ordered tells nothing.
        let after = since.map_or(Some(true), |since| since.map(|since| *version >= since));
        let before = until.map_or(Some(true), |until| until.map(|until| *version <= until));
        match (after, before) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }
    }
}
