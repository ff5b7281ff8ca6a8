//! Which requests a scan may send.

use serde_json::Value;
use vigie_http::path::{EncodedSlash, lenient};
use vigie_model::{Effect, EffectSet, PathPrefix};

use super::Catalog;
use super::harmful::HarmfulPath;
use crate::route::condition::{Asked, Body};
use crate::route::{Part, Verb};

/// Why a request must not be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// It has a harmful effect.
    #[error("{method} {path} has the effect {effect}, which a scan never causes")]
    Effect {
        /// The method.
        method: String,
        /// The path.
        path: String,
        /// The effect.
        effect: Effect,
    },
    /// No route fits it.
    #[error("{method} {path} fits no route of the catalogue, so its effect is unknown")]
    NoRoute {
        /// The method.
        method: String,
        /// The path.
        path: String,
    },
}

/// Paths of one segment that clients use as the address of a server; any other may be a prefix.
const OWN_PATHS: [&str; 3] = ["/v1", "/mcp", "/sse"];

/// What is known about the root of an endpoint while a server below a path prefix is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtRoot {
    /// Nothing: any product may be there.
    #[default]
    Unknown,
    /// This product is there.
    Product(u32),
    /// No server is there: all requested paths are absent.
    Nothing,
}

impl Catalog {
    /// Whether a request may be sent by one who may cause certain effects. Its effect is the worst of all files until the product is `known`, afterwards that of the product's
    /// own file, and never below the one in the embedded catalogue.
    ///
    /// The transport repeats this check on the bytes that it is about to send.
    ///
    /// # Errors
    ///
    /// The effect is not among `allowed`, or no route fits.
    pub fn permit(
        &self,
        known: Option<u32>,
        method: &str,
        path: &str,
        body: Option<&str>,
        allowed: EffectSet,
    ) -> Result<Effect, Forbidden> {
        let key = (known, allowed, method, path, body.unwrap_or_default());
        if let Some(effect) = self.permit_cache.get(key) {
            return Ok(effect);
        }
        let effect = self.judge(known, method, path, body, allowed)?;
        self.permit_cache.insert(key, effect);
        Ok(effect)
    }

    /// As [`Catalog::permit`], without the cache.
    fn judge(&self, known: Option<u32>, method: &str, path: &str, body: Option<&str>, allowed: EffectSet) -> Result<Effect, Forbidden> {
        let body = body.filter(|text| !text.is_empty());
        let json = body.map(serde_json::from_str::<Value>);
        let request = Asked {
            method,
            path,
            body: match &json {
                None => Body::None,
                Some(Ok(json)) => Body::Json(json),
                Some(Err(_)) => Body::Unread,
            },
        };
        let by_files = match known {
            Some(product) => self.effects.of_product(product, &request),
            None => self.effects.worst(&request),
        };
        let no_route = || Forbidden::NoRoute {
            method: method.to_owned(),
            path: path.to_owned(),
        };
        let effect = by_files.ok_or_else(no_route)?;
        let floored = self.floor.as_ref().and_then(|floor| {
            let (table, ids) = floor.as_ref();
            let same = known.and_then(|known| ids.get(&self.nth(known).id));
            match same {
                Some(product) => table.of_product(*product, &request),
                None => table.worst(&request),
            }
        });
        let effect = effect.max(floored.unwrap_or(effect));
        if allowed.contains(effect) {
            Ok(effect)
        } else {
            Err(Forbidden::Effect {
                method: method.to_owned(),
                path: path.to_owned(),
                effect,
            })
        }
    }

    /// As [`Catalog::permit`], for a request below a path prefix. Its effect is that of its own path; in addition, the path with the prefix
    /// must not be a harmful route of the product at the root, or of any product while that one is unknown: a gateway at the root forwards
    /// `/vllm/v1/models` with its owner's key.
    ///
    /// # Errors
    ///
    /// As [`Catalog::permit`].
    pub fn permit_under(
        &self,
        under: Option<(&PathPrefix, AtRoot)>,
        known: Option<u32>,
        method: &str,
        path: &str,
        body: Option<&str>,
        allowed: EffectSet,
    ) -> Result<Effect, Forbidden> {
        let effect = self.permit(known, method, path, body, allowed)?;
        let Some((prefix, at_root)) = under else { return Ok(effect) };
        let no_route = || Forbidden::NoRoute {
            method: method.to_owned(),
            path: path.to_owned(),
        };
        // A value from a reply in the path must not lead out of the prefix.
        if !vigie_http::path::stays_below(path) {
            return Err(no_route());
        }
        let sent = prefix.join(path);
        let harm = self.harm_at_root(at_root, method, &sent, body);
        match harm.max(self.harm_of_path(method, &sent)) {
            Some(harm) if !allowed.contains(harm) => Err(Forbidden::Effect {
                method: method.to_owned(),
                path: sent,
                effect: harm,
            }),
            _ => Ok(effect),
        }
    }

    /// The worst harmful effect of the routes that some server may read a path as, whichever product is at the root: servers ignore
    /// trailing and double slashes and the case of letters, and decode escapes. Routes that start with a placeholder or end with a
    /// wildcard are left out; the product at the root decides about those.
    fn harm_of_path(&self, method: &str, path: &str) -> Option<Effect> {
        let verb = Verb::of(method);
        let readings = [EncodedSlash::Separates, EncodedSlash::Belongs].map(|slash| lenient(path, slash));
        self.harmful()
            .iter()
            .filter(|route| route.method.takes(verb) && readings.iter().any(|path| route.is_at(path.segments())))
            .map(|route| route.effect)
            .max()
    }

    /// The harmful routes with a path of their own, of all products here and in the embedded catalogue.
    fn harmful(&self) -> &[HarmfulPath] {
        self.harmful.get_or_init(|| {
            let mut all = Vec::new();
            let embedded = self.floor.is_some().then(Self::embedded);
            let floor = embedded.iter().flat_map(|catalog| catalog.products());
            for (effect, routes) in self.products.iter().chain(floor).flat_map(|product| product.routes.by_effect()) {
                // A condition on the body or the query is evaluated with the request itself.
                let own = routes.iter().filter(|route| !effect.is_harmless() && route.condition.is_none());
                for route in own {
                    let parts: Vec<Part<'_>> = route.parts().collect();
                    if !matches!(parts.first(), Some(Part::Text(text)) if !text.is_empty()) || parts.contains(&Part::Rest) {
                        continue;
                    }
                    let segments = parts.into_iter().filter(|part| *part != Part::Text(""));
                    let segments = segments.map(|part| match part {
                        Part::Text(text) => Some(text.to_ascii_lowercase()),
                        Part::One | Part::Rest => None,
                    });
                    all.push(HarmfulPath {
                        method: Verb::of(&route.method),
                        segments: segments.collect(),
                        effect: *effect,
                    });
                }
            }
            all
        })
    }

    /// Whether a GET of the path is a harmful route of some product: then no server is searched below it.
    #[must_use]
    pub fn is_harmful_prefix(&self, prefix: &PathPrefix) -> bool {
        self.harm_of_path("GET", prefix.as_str()).is_some()
    }

    /// Whether a path may be a gateway's route to a server behind it, where requests are forwarded with the owner's key (`/vllm/…` of
    /// LiteLLM). Then the root is asked first, and the path only if no server is there, or a product without such a route.
    #[must_use]
    pub fn asks_root_first(&self, prefix: &PathPrefix) -> bool {
        self.generic_probes.iter().any(|probe| {
            let request = &probe.request;
            let body = request.body.as_deref().unwrap_or_default();
            self.permit_under(
                Some((prefix, AtRoot::Unknown)),
                None,
                &request.method,
                &request.path,
                Some(body),
                EffectSet::HARMLESS,
            )
            .is_err()
        })
    }

    /// The worst harmful effect of a request at the root, in this catalogue or in the embedded one.
    fn harm_at_root(&self, root: AtRoot, method: &str, path: &str, body: Option<&str>) -> Option<Effect> {
        let product = match root {
            AtRoot::Unknown => None,
            AtRoot::Product(number) => Some(number),
            AtRoot::Nothing => return None,
        };
        let body = body.filter(|text| !text.is_empty());
        let json = body.map(serde_json::from_str::<Value>);
        let request = Asked {
            method,
            path,
            body: match &json {
                None => Body::None,
                Some(Ok(json)) => Body::Json(json),
                Some(Err(_)) => Body::Unread,
            },
        };
        let by_floor = self.floor.as_ref().and_then(|floor| {
            let (table, ids) = floor.as_ref();
            match product.map(|product| ids.get(&self.nth(product).id)) {
                Some(Some(product)) => table.of_product(*product, &request),
                _ => table.worst(&request),
            }
        });
        let by_files = match product {
            Some(product) => self.effects.of_product(product, &request),
            None => self.effects.worst(&request),
        };
        let worst = by_files.max(by_floor)?;
        (!worst.is_harmless()).then_some(worst)
    }

    /// The prefix in the path of a URL that points at one of a server's own paths: `/ollama` in `/ollama/api/tags`, none in `/v1`, the base
    /// URL of clients. `None`: the path ends with no path that a scan requests, so it is a prefix itself.
    #[must_use]
    pub fn prefix_before(&self, path: &PathPrefix) -> Option<Option<PathPrefix>> {
        let asked = self
            .signatures
            .iter()
            .map(|signature| vigie_http::path::without_query(&signature.path).trim_end_matches('/'));
        let before = asked
            .filter(|own| own.matches('/').count() > 1 && !own.contains('{'))
            .chain(OWN_PATHS)
            .filter_map(|own| path.as_str().strip_suffix(own))
            .min_by_key(|before| before.len())?;
        PathPrefix::parse(before).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_harmful_path_is_found_in_every_spelling_that_a_server_accepts() {
        let catalog = Catalog::embedded();
        for path in [
            "/api/mcp-servers/force-reload",
            "/api/mcp-servers%2Fforce-reload",
            "/api%252Fmcp-servers/force-reload",
            "/x/..//API/mcp-servers;a=b/force-reload/",
            "/api\\mcp-servers/force%2dreload",
        ] {
            assert!(catalog.harm_of_path("GET", path).is_some(), "{path}");
        }
        assert_eq!(catalog.harm_of_path("GET", "/x/mcp-servers/force-reload"), None);
    }
}
