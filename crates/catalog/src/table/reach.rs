//! What the requests with one method and one target can do, whatever their bodies contain.

use vigie_model::EffectSet;

use crate::table::decision::{Body, Request, Unknown};
use crate::table::plan::Found;
use crate::table::shape::Shape;
use crate::table::takes::{Asks, BodyKind, Knob, Place, Role};
use crate::table::{Fitting, RouteTable};

/// What the requests with one method and one target can do, whatever their bodies contain.
#[derive(Debug)]
pub struct Reach<'t> {
    /// Every effect that a body can cause, not only the worst.
    pub effects: EffectSet,
    /// The features that a body can ask for.
    pub asks: Asks,
    fitting: Fitting<'t>,
}

impl RouteTable {
    /// Returns what the requests with this method and target can do, for whoever decides without the body.
    ///
    /// # Errors
    ///
    /// No route matches.
    pub fn reach(&self, method: &str, target: &str) -> Result<Reach<'_>, Unknown> {
        let read = self.read_target(target)?;
        let fitting = self.fitting(method, &read)?;
        let request = Request {
            method,
            target,
            content_type: None,
            body: Body::Unseen,
        };
        let found = Found::default();
        let (mut effects, mut asks) = (EffectSet::EMPTY, Asks::default());
        for shape in fitting.iter() {
            effects = effects.or(shape.effects(&request, &read, &found));
            asks = asks | shape.may_ask;
        }
        Ok(Reach { effects, asks, fitting })
    }
}

impl Reach<'_> {
    fn shapes(&self) -> impl Iterator<Item = &Shape> {
        self.fitting.iter()
    }

    /// Whether a body can name a model.
    #[must_use]
    pub fn names_models(&self) -> bool {
        let places = |role| self.shapes().flat_map(move |shape| shape.model_places(role));
        [Role::Model, Role::Source, Role::Target]
            .into_iter()
            .any(|role| places(role).any(is_in_body))
    }

    /// Whether a body can change this setting.
    #[must_use]
    pub fn sets(&self, knob: Knob) -> bool {
        self.shapes().flat_map(|shape| shape.knob_places(knob)).any(is_in_body)
    }

    /// Whether a body can have this key at its top and the server reads it.
    #[must_use]
    pub fn takes_key(&self, key: &str) -> bool {
        self.shapes()
            .any(|shape| matches!(shape.body(), Some(BodyKind::Json | BodyKind::Form)) && shape.takes_key(key))
    }

    /// Whether a reply lists models.
    #[must_use]
    pub fn lists(&self) -> bool {
        self.shapes().any(|shape| !shape.lists.is_empty())
    }
}

fn is_in_body(place: &Place) -> bool {
    matches!(place, Place::Body(_) | Place::Form(_))
}

#[cfg(test)]
mod tests {
    use vigie_model::Effect;

    use super::*;
    use crate::Catalog;
    use crate::table::Ask;

    #[test]
    fn every_body_of_a_route_counts() {
        let catalog = Catalog::embedded();
        let table = RouteTable::compile(catalog.product("ollama").expect("it is there"), Some("0.17.4"));
        let chat = table.reach("POST", "/api/chat").expect("it is known");
        let all: Vec<Effect> = chat.effects.iter().collect();
        assert_eq!(all, [Effect::Infer, Effect::Load, Effect::Account]);
        assert!(chat.asks.contains(Ask::Tools) && chat.names_models() && chat.sets(Knob::MaxTokens));
        assert!(chat.takes_key("logprobs") && !chat.takes_key("no-such-key") && !chat.lists());
        let version = table.reach("GET", "/api/version").expect("it is known");
        assert_eq!(version.effects.iter().collect::<Vec<_>>(), [Effect::Identify]);
        assert!(version.asks.is_empty() && !version.names_models() && !version.takes_key("logprobs"));
        assert!(table.reach("GET", "/api/tags").expect("it is known").lists());
        assert!(table.reach("GET", "/no/such").is_err() && table.reach("DELETE", "/api/chat").is_err());
    }
}
