//! Routes that an open server has: those of its product's file that exist in its version.

use vigie_catalog::{Product, Route};
use vigie_model::{Confidence, Effect};

use crate::input::AssessmentInput;
use crate::product_version::ProductVersion;

/// The routes of an open server that have certain effects, according to its product's source.
#[derive(Debug, Default)]
pub(crate) struct OpenRoutes<'p> {
    /// Routes that exist in this version.
    pub(crate) certain: Vec<&'p Route>,
    /// Routes that exist in some versions, if this one is unknown, or that need an option.
    pub(crate) possible: Vec<&'p Route>,
}

impl<'p> OpenRoutes<'p> {
    /// The routes of a server with an open answer. A product family has none: its routes are those of an interface, and no source says that
    /// this server has them.
    pub(crate) fn of(input: &AssessmentInput<'_>, product: &'p Product, effects: &[Effect]) -> Self {
        let mut open = Self::default();
        if product.family {
            return open;
        }
        let version = ProductVersion::new(product, input.version);
        let from = input.exposure.posture_from.as_deref();
        for effect in effects {
            for route in product.open_routes(*effect, from) {
                let by_option = product.by_option.as_ref().is_some_and(|some| some.accepts(*effect, route));
                match version.is_within(route.since.as_deref(), route.until.as_deref()) {
                    Some(true) if !by_option => open.certain.push(route),
                    Some(true) | None => open.possible.push(route),
                    Some(false) => {}
                }
            }
        }
        open
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.certain.is_empty() && self.possible.is_empty()
    }

    /// An effect that was not exercised has medium confidence at most, and low confidence if it depends on an unknown version.
    pub(crate) fn confidence(&self) -> Confidence {
        if self.certain.is_empty() {
            Confidence::Low
        } else {
            Confidence::Medium
        }
    }

    /// A sentence with the first routes and the number of the others.
    pub(crate) fn sentence(&self, product: &Product) -> String {
        let (routes, when) = if self.certain.is_empty() {
            (&self.possible, ", in some versions or with an option,")
        } else {
            (&self.certain, "")
        };
        let named: Vec<String> = routes.iter().take(MAX_NAMED).map(|route| without_versions(route)).collect();
        let more = match routes.len().saturating_sub(MAX_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("According to its source, {} has{when} {}{more}. ", product.name, named.join(", "))
    }
}

/// Maximum number of routes that a sentence names.
const MAX_NAMED: usize = 4;

/// The notation of a route without its versions, which matter to the catalogue and not to the owner of a server.
fn without_versions(route: &Route) -> String {
    let mut text = route.as_str().to_owned();
    for (word, version) in [("since", &route.since), ("until", &route.until)] {
        if let Some(version) = version {
            text = text.replace(&format!(" {word} {version}"), "");
        }
    }
    text.trim_end_matches(" known").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_named_without_its_versions() {
        for (notation, named) in [
            ("POST /load since 1.2.3 until 2.0", "POST /load"),
            ("POST /load until 2.0 known", "POST /load"),
            ("GET /since/{until}", "GET /since/{until}"),
        ] {
            let route = Route::parse(notation).expect("a route");
            assert_eq!(without_versions(&route), named);
        }
    }
}
