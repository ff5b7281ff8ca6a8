//! Some of a product's routes, by their effects and paths: those that an open answer shows to be open too, and those that need an option.

use vigie_model::Effect;

use crate::catalog::Product;
use crate::route::Route;

/// Some of a product's routes: those served where an open answer came from (a product may listen on several ports, with other routes on
/// each), or those that are there only with an option. Written `[infer, /v1/]`: effects, and what paths begin with; where both are named, both count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    effects: Vec<Effect>,
    paths: Vec<String>,
    /// Nothing was named: no route stands beside.
    nothing: bool,
}

impl Beside {
    /// Reads the words.
    ///
    /// # Errors
    ///
    /// The first word that is neither an effect nor the beginning of a path.
    pub fn read<'w>(words: impl IntoIterator<Item = &'w str>) -> Result<Self, String> {
        let mut beside = Self {
            effects: Vec::new(),
            paths: Vec::new(),
            nothing: true,
        };
        for word in words {
            beside.nothing = false;
            let effect = Effect::ALL.into_iter().find(|effect| effect.word() == word);
            match effect {
                Some(effect) => beside.effects.push(effect),
                None if word.starts_with('/') => beside.paths.push(word.to_owned()),
                None => {
                    return Err(format!(
                        "{word:?} is neither an effect ({}) nor the beginning of a path",
                        Effect::ALL.map(Effect::word).join(", ")
                    ));
                }
            }
        }
        Ok(beside)
    }

    /// Whether a route is one of them.
    #[must_use]
    pub fn holds(&self, effect: Effect, route: &Route) -> bool {
        let of_effect = self.effects.is_empty() || self.effects.contains(&effect);
        let of_path = self.paths.is_empty() || self.paths.iter().any(|path| route.path().starts_with(path.as_str()));
        !self.nothing && of_effect && of_path
    }
}

/// An open posture's request, and what stands beside it.
#[derive(Clone, Debug)]
pub struct OpenAt {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// What stands beside; `None`: every route of the product.
    pub beside: Option<Beside>,
}

impl OpenAt {
    /// Whether `METHOD PATH` is this request; behind a proxy the path may have a prefix.
    #[must_use]
    pub fn is(&self, from: &str) -> bool {
        from.split_once(' ')
            .is_some_and(|(method, path)| method == self.method && path.ends_with(&self.path))
    }
}

impl Product {
    /// The routes of an effect that are open where `from` (`METHOD PATH`) answered openly. Without `from`, or with a request that no
    /// open posture names, nothing narrows them.
    pub fn routes_beside<'p>(&'p self, effect: Effect, from: Option<&str>) -> impl Iterator<Item = &'p Route> {
        let beside: Vec<Option<&Beside>> = from
            .map(|from| {
                let named = self.open_at.iter().filter(|open| open.is(from));
                // The longest path is the request itself: `/api/v1/models` also ends with `/v1/models`.
                let longest = named.clone().map(|open| open.path.len()).max();
                named
                    .filter(|open| Some(open.path.len()) == longest)
                    .map(|open| open.beside.as_ref())
                    .collect()
            })
            .unwrap_or_default();
        self.routes_with(effect)
            .filter(move |route| beside.is_empty() || beside.iter().any(|beside| beside.is_none_or(|beside| beside.holds(effect, route))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_and_paths_narrow() {
        let route = |text: &str| Route::parse(text).expect("parses");
        let beside = |words: &[&str]| Beside::read(words.iter().copied()).expect("reads");
        let (load, infer) = (route("POST /models"), route("POST /v1/chat/completions"));
        assert!(beside(&["infer"]).holds(Effect::Infer, &infer) && !beside(&["infer"]).holds(Effect::Load, &load));
        assert!(beside(&["/v1/"]).holds(Effect::Infer, &infer) && !beside(&["/v1/"]).holds(Effect::Load, &load));
        assert!(!beside(&["load", "/v1/"]).holds(Effect::Infer, &infer));
        assert!(!beside(&[]).holds(Effect::Infer, &infer), "nothing named is nothing beside");
        assert!(Beside::read(["inference"]).is_err());
    }
}
