//! What a key may do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vigie_catalog::table::{Ask, Knob, NameReading};
use vigie_model::{Effect, EffectSet};

use crate::limit::Limits;

/// What a key may do. Reading constant metadata and lists is part of every key; lists show only the models that the key may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The effects beyond reading.
    #[serde(with = "effects")]
    pub effects: EffectSet,
    /// Which models, as patterns. Empty: none.
    pub models: Vec<Pattern>,
    /// Whether models that run on the server owner's account with the vendor may be used.
    #[serde(default)]
    pub cloud: bool,
    /// What requests may ask for beyond text: `tools`, `images`, …
    #[serde(default)]
    pub can: Vec<String>,
    /// The most of what a request may set, by the words of the catalogue: `max-tokens`, `context`, `keep-alive` in seconds, …
    #[serde(default)]
    pub caps: BTreeMap<String, u32>,
    /// How much the key may use, over time and at once.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub limits: Limits,
}

impl Grant {
    /// Whether a request may have this effect. Inference includes loading the model that infers.
    #[must_use]
    pub fn allows(&self, effect: Effect) -> bool {
        effect.is_harmless() || self.effects.contains(effect) || (effect == Effect::Load && self.effects.contains(Effect::Infer))
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
        self.models.iter().any(|pattern| pattern.0 == "*")
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

/// A pattern of names of models: `*` stands for any characters but a slash, and alone for every name. A slash separates host, namespace
/// and name, so that `llama*` holds for no model of somebody else's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern of a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether it holds for a canonical name. A pattern without `*` is a name itself, in any of its forms.
    pub(crate) fn holds(&self, canonical: &str, names: NameReading) -> bool {
        if self.0.contains('*') {
            let slashes = |text: &str| text.bytes().filter(|byte| *byte == b'/').count();
            let holds_all = self.0.bytes().all(|byte| byte == b'*');
            let pattern = match names {
                // Its canonical names are in lower case.
                NameReading::Ollama => self.0.to_ascii_lowercase(),
                NameReading::Plain | NameReading::Latest => self.0.clone(),
            };
            (holds_all || slashes(&pattern) == slashes(canonical)) && matches(pattern.as_bytes(), canonical.as_bytes())
        } else {
            names.canonical(&self.0) == canonical
        }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text fits a pattern with `*`; the work is at most the product of their lengths.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, read));
            at += 1;
        } else if pattern.get(at) == text.get(read) {
            at += 1;
            read += 1;
        } else if let Some((star_at, taken)) = star {
            star = Some((star_at, taken + 1));
            at = star_at + 1;
            read = taken + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
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
            cloud: false,
            can: Vec::new(),
            caps: BTreeMap::new(),
            limits: crate::limit::Limits::default(),
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
    fn patterns() {
        for (pattern, text, holds) in [
            ("*", "", true),
            ("*", "a", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "axxbxxc", true),
            ("a*b*c", "axxbxx", false),
            ("*a", "aab", false),
            ("a*", "ba", false),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), holds, "{pattern} {text}");
        }
    }

    #[test]
    fn inference_includes_loading_and_nothing_else() {
        let grant = grant(&["*"]);
        let allowed: Vec<Effect> = Effect::ALL.into_iter().filter(|effect| grant.allows(*effect)).collect();
        assert_eq!(allowed, [Effect::Identify, Effect::Enumerate, Effect::Infer, Effect::Load]);
    }
}
