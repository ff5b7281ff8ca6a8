//! Selects some of a product's routes by effect and path: those that an open answer shows to be open too, or those that need an option.

use vigie_model::Effect;

use crate::route::Route;

/// Selects some of a product's routes: those on the port of an open answer (a product may listen on several ports with different
/// routes), or those that exist only with an option. Written `[infer, /v1/]`: effects and beginnings of paths; if both are given, a route
/// must match both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteFilter {
    effects: Vec<Effect>,
    paths: Vec<String>,
    /// The list is empty: no route is selected.
    none: bool,
}

impl RouteFilter {
    /// Parses the words of the list.
    ///
    /// # Errors
    ///
    /// The first word that is neither an effect nor the beginning of a path.
    pub fn parse<'w>(words: impl IntoIterator<Item = &'w str>) -> Result<Self, String> {
        let mut filter = Self {
            effects: Vec::new(),
            paths: Vec::new(),
            none: true,
        };
        for word in words {
            filter.none = false;
            let effect = Effect::ALL.into_iter().find(|effect| effect.word() == word);
            match effect {
                Some(effect) => filter.effects.push(effect),
                None if word.starts_with('/') => filter.paths.push(word.to_owned()),
                None => {
                    return Err(format!(
                        "{word:?} is neither an effect ({}) nor the beginning of a path",
                        Effect::ALL.map(Effect::word).join(", ")
                    ));
                }
            }
        }
        Ok(filter)
    }

    /// Whether a route is selected.
    #[must_use]
    pub fn accepts(&self, effect: Effect, route: &Route) -> bool {
        let of_effect = self.effects.is_empty() || self.effects.contains(&effect);
        let of_path = self.paths.is_empty() || self.paths.iter().any(|path| route.path().starts_with(path.as_str()));
        !self.none && of_effect && of_path
    }
}

/// The request of an open posture rule, and the routes that are open if it is answered.
#[derive(Clone, Debug)]
pub struct OpenRequest {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The routes that are open too; `None`: every route of the product.
    pub routes: Option<RouteFilter>,
}

impl OpenRequest {
    /// Whether `METHOD PATH` is this request; behind a proxy the path may have a prefix.
    #[must_use]
    pub fn matches(&self, from: &str) -> bool {
        from.split_once(' ')
            .is_some_and(|(method, path)| method == self.method && path.ends_with(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_and_paths_narrow() {
        let route = |text: &str| Route::parse(text).expect("parses");
        let beside = |words: &[&str]| RouteFilter::parse(words.iter().copied()).expect("reads");
        let (load, infer) = (route("POST /models"), route("POST /v1/chat/completions"));
        assert!(beside(&["infer"]).accepts(Effect::Infer, &infer) && !beside(&["infer"]).accepts(Effect::Load, &load));
        assert!(beside(&["/v1/"]).accepts(Effect::Infer, &infer) && !beside(&["/v1/"]).accepts(Effect::Load, &load));
        assert!(!beside(&["load", "/v1/"]).accepts(Effect::Infer, &infer));
        assert!(!beside(&[]).accepts(Effect::Infer, &infer), "nothing named is nothing beside");
        assert!(RouteFilter::parse(["inference"]).is_err());
    }
}
