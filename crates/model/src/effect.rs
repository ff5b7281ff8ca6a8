//! Effects of calling a route.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The effect of calling a route, from harmless to harmful. The order is the order of harm.
///
/// The effect belongs to the route and not to the HTTP method: Ollama's `POST /api/show` reads, LiteLLM's
/// `GET /health` calls the models behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Reads constant metadata: version, banner, health.
    Identify,
    /// Lists models, tools, collections.
    Enumerate,
    /// Spends compute, sends content.
    Infer,
    /// Loads or unloads a model, changes memory.
    Load,
    /// Changes what is stored.
    Write,
    /// Uses credentials that the server holds, or returns some.
    Account,
}

impl Effect {
    /// Every effect, from harmless to harmful.
    pub const ALL: [Self; 6] = [Self::Identify, Self::Enumerate, Self::Infer, Self::Load, Self::Write, Self::Account];

    /// Whether a scanner may call routes with this effect.
    #[must_use]
    pub fn is_harmless(self) -> bool {
        matches!(self, Self::Identify | Self::Enumerate)
    }

    /// The word in a product file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Enumerate => "enumerate",
            Self::Infer => "infer",
            Self::Load => "load",
            Self::Write => "write",
            Self::Account => "account",
        }
    }

    /// The effect that a word names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effect| effect.word() == word)
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A set of effects: what a scope file allows beyond reading, what a key of the gateway is granted, what a proof may cause.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct EffectSet(u8);

impl EffectSet {
    /// No effect.
    pub const EMPTY: Self = Self(0);
    /// What a scan may cause on a host that it merely looks at.
    pub const HARMLESS: Self = Self(1 << Effect::Identify as u8 | 1 << Effect::Enumerate as u8);

    /// The set with one more effect.
    #[must_use]
    pub const fn with(self, effect: Effect) -> Self {
        Self(self.0 | 1 << effect as u8)
    }

    /// The set without an effect.
    #[must_use]
    pub const fn without(self, effect: Effect) -> Self {
        Self(self.0 & !(1 << effect as u8))
    }

    /// Whether it has the effect.
    #[must_use]
    pub const fn contains(self, effect: Effect) -> bool {
        self.0 & 1 << effect as u8 != 0
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What both have.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What either has.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every effect of it is in the other.
    #[must_use]
    pub const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Its effects, from harmless to harmful.
    pub fn iter(self) -> impl Iterator<Item = Effect> {
        Effect::ALL.into_iter().filter(move |effect| self.contains(*effect))
    }
}

impl FromIterator<Effect> for EffectSet {
    fn from_iter<I: IntoIterator<Item = Effect>>(effects: I) -> Self {
        effects.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Debug for EffectSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EffectSet({self})")
    }
}

impl fmt::Display for EffectSet {
    /// The words, from harmless to harmful, separated by commas; `none` for the empty set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (number, effect) in self.iter().enumerate() {
            write!(f, "{}{effect}", if number == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_in() {
        let set: EffectSet = [Effect::Load, Effect::Infer].into_iter().collect();
        assert_eq!(set.to_string(), "infer, load");
        assert_eq!(EffectSet::EMPTY.to_string(), "none");
        for effect in Effect::ALL {
            assert_eq!(set.contains(effect), matches!(effect, Effect::Infer | Effect::Load), "{effect}");
            assert_eq!(EffectSet::HARMLESS.contains(effect), effect.is_harmless(), "{effect}");
            assert!(set.with(effect).contains(effect) && !set.without(effect).contains(effect));
            assert_eq!(Effect::from_word(effect.word()), Some(effect));
        }
        assert_eq!(Effect::from_word("pull"), None);
        assert!(set.and(EffectSet::HARMLESS).is_empty());
        assert!(set.is_within(set.or(EffectSet::HARMLESS)) && !set.is_within(EffectSet::HARMLESS));
    }
}
