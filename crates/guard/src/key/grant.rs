//! What a key may do.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use vigie_catalog::table::{Ask, Knob, NameReading};
use vigie_model::{Effect, EffectSet, Timestamp};

use super::{Hours, Network, Pattern};
use crate::limit::Limits;

/// A cap on the images of a request.
pub const CAP_IMAGES: &str = "images";
/// A cap on the bytes of a request's body.
pub const CAP_BYTES: &str = "prompt-bytes";

/// What a key may do. Reading constant metadata and lists is part of every key; lists show only the models that the key may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The effects beyond reading.
    #[serde(default, with = "effects")]
    pub effects: EffectSet,
    /// Which models, as patterns. Empty: none.
    #[serde(default)]
    pub models: Vec<Pattern>,
    /// Whether models that run on the server owner's account with the vendor may be used.
    #[serde(default)]
    pub cloud: bool,
    /// What requests may ask for beyond text: `tools`, `images`, …
    #[serde(default)]
    pub can: Vec<String>,
    /// The most of what a request may set, by the words of the catalogue: `max-tokens`, `context`, `keep-alive` in seconds, …; and of
    /// what it may hold: `images`, `prompt-bytes`.
    #[serde(default)]
    pub caps: BTreeMap<String, u32>,
    /// How much the key may use, over time and at once.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub limits: Limits,
    /// From which networks. Empty: from any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Network>,
    /// At which hours. Empty: at any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<Hours>,
}

/// Why a grant does not hold for a client where and when it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotHere {
    /// Its address is in none of the networks.
    Network,
    /// It is none of the hours.
    Hour,
}

impl Grant {
    /// Whether a request may have this effect. Inference includes loading the model that infers.
    #[must_use]
    pub fn allows(&self, effect: Effect) -> bool {
        effect.is_harmless() || self.effects.contains(effect) || (effect == Effect::Load && self.effects.contains(Effect::Infer))
    }

    /// Whether it holds for an address at a moment.
    ///
    /// # Errors
    ///
    /// Which of the two is not granted.
    pub fn holds_for(&self, address: IpAddr, at: Timestamp) -> Result<(), NotHere> {
        if !self.networks.is_empty() && !self.networks.iter().any(|network| network.contains(address)) {
            return Err(NotHere::Network);
        }
        if !self.hours.is_empty() && !self.hours.iter().any(|hours| hours.contain(at)) {
            return Err(NotHere::Hour);
        }
        Ok(())
    }

    /// Whether a model is pinned to a digest: the grant is then to be compared with the server's models first ([`Grant::with_digests`]).
    #[must_use]
    pub fn has_pins(&self) -> bool {
        self.models.iter().any(Pattern::is_pinned)
    }

    /// The grant in which each pinned pattern is the names that have its digest now. `digests`: the canonical names of the server's models,
    /// each with its digest.
    #[must_use]
    pub fn with_digests<'m>(&self, digests: impl Iterator<Item = (&'m str, super::Hash)> + Clone, names: NameReading) -> Cow<'_, Self> {
        if !self.has_pins() {
            return Cow::Borrowed(self);
        }
        let mut models: Vec<Pattern> = Vec::new();
        for pattern in &self.models {
            // The pattern stays, so that a refusal can tell that it is the digest that differs.
            models.push(pattern.clone());
            if let Some(Ok((pattern, pinned))) = pattern.pin() {
                let holding = digests
                    .clone()
                    .filter(|(name, digest)| digest.is(&pinned) && pattern.holds(name, names));
                models.extend(holding.map(|(name, _)| Pattern::new(name)));
            }
        }
        Cow::Owned(Self { models, ..self.clone() })
    }

    /// Whether a model would be granted if it had another digest.
    #[must_use]
    pub fn pins(&self, name: &str, names: NameReading) -> bool {
        let canonical = names.canonical(name);
        let pinned = self.models.iter().filter_map(Pattern::pin).flatten();
        pinned.into_iter().any(|(pattern, _)| pattern.holds(&canonical, names))
    }

    /// Whether models may be used that run on the credentials of the server's owner.
    #[must_use]
    pub fn allows_cloud(&self) -> bool {
        self.cloud || self.effects.contains(Effect::Account)
    }

    /// Whether the key may use a model, by any of its names.
    #[must_use]
    pub fn allows_model(&self, name: &str, names: NameReading) -> bool {
        let canonical = names.canonical(name);
        self.models.iter().any(|pattern| pattern.holds(&canonical, names))
    }

    /// Whether the key may use every model.
    #[must_use]
    pub fn allows_every_model(&self) -> bool {
        self.models.iter().any(Pattern::is_every)
    }

    /// Whether a request may ask for this. A form of the answer is part of inference.
    #[must_use]
    pub fn allows_ask(&self, ask: Ask) -> bool {
        ask == Ask::Grammar || self.can.iter().any(|word| word == ask.word())
    }

    /// The most that a setting may be.
    #[must_use]
    pub fn cap(&self, knob: Knob) -> Option<u32> {
        self.caps.get(knob.word()).copied()
    }
}

mod effects {
    use serde::{Deserialize as _, Deserializer, Serializer};
    use vigie_model::{Effect, EffectSet};

    pub(super) fn serialize<S: Serializer>(effects: &EffectSet, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(effects.iter())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EffectSet, D::Error> {
        Ok(Vec::<Effect>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(models: &[&str]) -> Grant {
        Grant {
            effects: EffectSet::EMPTY.with(Effect::Infer),
            models: models.iter().map(|model| Pattern::new(*model)).collect(),
            ..Grant::default()
        }
    }

    #[test]
    fn a_model_is_granted_under_each_of_its_names() {
        let names = NameReading::Ollama;
        let grant = grant(&["tiny", "Llama3*", "hf.co/me/*"]);
        for name in [
            "tiny",
            "tiny:latest",
            "TINY",
            "library/tiny",
            "registry.ollama.ai/library/tiny:latest",
            "llama3.2:1b",
            "hf.co/me/x:q4",
        ] {
            assert!(grant.allows_model(name, names), "{name}");
        }
        for name in [
            "tiny:other",
            "tiny2",
            "",
            "you/tiny",
            "evil.example/library/tiny",
            "evil.example/me/llama3",
            "llama3.evil.example/me/x",
            "llama3/x",
            "hf.co/me/x/y",
            "hf.co/you/x",
        ] {
            assert!(!grant.allows_model(name, names), "{name}");
        }
        assert!(!self::grant(&[]).allows_model("tiny", names), "no pattern grants nothing");
    }

    #[test]
    fn a_grant_from_before_limits_reads_and_one_without_them_is_written_as_before() {
        let old = r#"{"effects":["infer"],"models":["tiny"],"cloud":false,"can":[],"caps":{}}"#;
        let grant: Grant = serde_json::from_str(old).expect("it reads");
        assert!(grant.limits.is_none());
        assert_eq!(serde_json::to_string(&grant).expect("JSON"), old);
    }

    #[test]
    fn a_pinned_model_is_granted_while_its_digest_is_behind_the_name() {
        let names = NameReading::Ollama;
        let (one, other) = (super::super::Hash::of("one"), super::super::Hash::of("other"));
        let grant = grant(&[&format!("tiny@{one}"), &format!("hf.co/me/*@{other}"), "plain"]);
        let granted = |digests: &[(&str, super::super::Hash)], name: &str| {
            grant
                .with_digests(digests.iter().map(|(name, digest)| (*name, *digest)), names)
                .allows_model(name, names)
        };
        assert!(granted(&[("tiny:latest", one)], "Tiny"));
        assert!(granted(&[("hf.co/me/x:latest", other)], "hf.co/me/x"));
        assert!(granted(&[], "plain"));
        assert!(!granted(&[("tiny:latest", other)], "tiny"), "another digest");
        assert!(!granted(&[], "tiny"), "a digest that is not known");
        assert!(!granted(&[("you/tiny:latest", one)], "you/tiny"), "the digest under another name");
        assert!(grant.pins("tiny:latest", names) && !grant.pins("plain", names));
    }

    #[test]
    fn networks_and_hours_bound_a_grant() {
        let mut bounded = grant(&["*"]);
        let (inside, outside) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([198, 51, 100, 1]));
        let monday: Timestamp = "2026-11-30T12:00:00Z".parse().expect("a time");
        assert_eq!(bounded.holds_for(outside, monday), Ok(()));
        bounded.networks = vec![
            "192.0.2.0/24".parse().expect("a network"),
            "2001:db8::/32".parse().expect("a network"),
        ];
        bounded.hours = vec![
            "Tue 08:00-18:00 UTC".parse().expect("hours"),
            "Mon 11:00-13:00 UTC".parse().expect("hours"),
        ];
        assert_eq!(bounded.holds_for(inside, monday), Ok(()));
        assert_eq!(bounded.holds_for(outside, monday), Err(NotHere::Network));
        assert_eq!(bounded.holds_for(inside, monday + chrono::TimeDelta::hours(2)), Err(NotHere::Hour));
        let text = serde_json::to_string(&bounded).expect("JSON");
        assert_eq!(serde_json::from_str::<Grant>(&text).expect("it reads"), bounded);
    }

    #[test]
    fn inference_includes_loading_and_nothing_else() {
        let grant = grant(&["*"]);
        let allowed: Vec<Effect> = Effect::ALL.into_iter().filter(|effect| grant.allows(*effect)).collect();
        assert_eq!(allowed, [Effect::Identify, Effect::Enumerate, Effect::Infer, Effect::Load]);
    }
}
