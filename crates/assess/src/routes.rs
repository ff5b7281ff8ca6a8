//! The routes that a server has: those in its product's file that exist in its version, if it answered openly.

use vigie_advisory::Version;
use vigie_catalog::{Product, Route};
use vigie_model::{Confidence, Effect, Known};

use crate::look::Look;

/// The routes with some effects that a server has according to its product's source.
#[derive(Debug, Default)]
pub(crate) struct Had<'p> {
    /// Routes that exist in this version.
    pub(crate) surely: Vec<&'p Route>,
    /// Routes that exist in some versions, if this one is unknown, or that need an option.
    pub(crate) perhaps: Vec<&'p Route>,
}

impl<'p> Had<'p> {
    /// The routes of a server with an open answer. A product family has none: its routes are those of an interface, and no source says that
    /// this server has them.
    pub(crate) fn by(look: &Look<'_>, product: &'p Product, effects: &[Effect]) -> Self {
        let mut had = Self::default();
        if product.family {
            return had;
        }
        let told = Told::of(product, look.version);
        let from = look.exposure.posture_from.as_deref();
        for effect in effects {
            for route in product.open_routes(*effect, from) {
                let by_option = product.by_option.as_ref().is_some_and(|some| some.accepts(*effect, route));
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

    /// An effect that was not exercised has medium confidence at most, and low confidence if it depends on an unknown version.
    pub(crate) fn confidence(&self) -> Confidence {
        if self.surely.is_empty() {
            Confidence::Low
        } else {
            Confidence::Medium
        }
    }

    /// The first routes by name, and the number of the others.
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

/// Maximum number of named routes.
const NAMED: usize = 4;

/// A version, parsed once.
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

    /// Whether this version has a route; `None`: unknown.
    fn has(&self, route: &Route) -> Option<bool> {
        if route.since.is_none() && route.until.is_none() {
            return Some(true);
        }
        let version = self.version.as_ref()?;
        let bound = |text: &Option<String>| text.as_ref().map(|text| Version::parse(self.product.versions, text).ok());
        let (since, until) = (bound(&route.since), bound(&route.until));
        // A bound that cannot be ordered is ignored.
        let after = since.map_or(Some(true), |since| since.map(|since| *version >= since));
        let before = until.map_or(Some(true), |until| until.map(|until| *version <= until));
        match (after, before) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }
    }
}
