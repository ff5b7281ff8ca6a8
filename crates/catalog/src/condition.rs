//! Compiled conditions: condition rules with their exchange resolved.

use crate::rule::ConditionRule;

/// The number of an interned request: the same request of several products has one.
pub type SigId = u32;

/// A header that differs in each reply, so no rule may use it.
pub const VOLATILE_HEADER: &str = "date";

/// The exchange that a rule refers to, resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ExchangeRef {
    /// The reply to this request.
    Sig(SigId),
    /// The landing page: the last page of the redirects that start at `GET /`.
    Landing,
    /// Any exchange.
    Any,
}

/// A condition on one exchange.
#[derive(Clone, Debug)]
pub struct Condition {
    /// The exchange.
    pub exchange: ExchangeRef,
    /// The keys that must hold on it.
    pub rule: ConditionRule,
}

/// The further conditions of a rule, besides its own.
#[derive(Clone, Debug, Default)]
pub struct Guards {
    /// All of these hold.
    pub also: Vec<Condition>,
    /// At least one of these holds.
    pub either: Vec<Condition>,
    /// None of these holds.
    pub unless: Vec<Condition>,
}

impl Guards {
    /// Whether there are no further conditions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.also.is_empty() && self.either.is_empty() && self.unless.is_empty()
    }
}

/// A text that every fitting reply contains, for the index of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// In the body.
    Body(String),
    /// In the header block (`name: value`).
    Head(String),
}

impl Literal {
    fn len(&self) -> usize {
        match self {
            Self::Body(text) | Self::Head(text) => text.len(),
        }
    }
}

/// The longest literal of a condition with at least four characters.
pub(crate) fn literal(rule: &ConditionRule) -> Option<Literal> {
    let mut found: Vec<Literal> = Vec::new();
    for pattern in &rule.body.0 {
        found.extend(pattern.literal().map(|text| Literal::Body(text.trim().to_owned())));
    }
    // White space in a title is folded before the comparison, so only a single word is certain to be in the page.
    if let Some(text) = rule.title.as_ref().and_then(|pattern| pattern.literal()) {
        found.extend(
            text.split_whitespace()
                .max_by_key(|word| word.len())
                .map(|word| Literal::Body(word.to_owned())),
        );
    }
    for (name, pattern) in &rule.header {
        found.push(Literal::Head(
            pattern.literal().map_or_else(|| name.clone(), |text| text.trim().to_owned()),
        ));
    }
    found.extend(
        rule.location
            .as_ref()
            .and_then(|pattern| pattern.literal())
            .map(|text| Literal::Head(text.trim().to_owned())),
    );
    for (pointer, test) in &rule.json.0 {
        if test.needs_value() {
            found.extend(pointer.literal().and_then(unescaped).map(Literal::Body));
        }
        found.extend(test.literal().and_then(unescaped).map(Literal::Body));
    }
    found.into_iter().filter(|literal| literal.len() >= 4).max_by_key(Literal::len)
}

/// The longest run of characters that no JSON writer escapes.
fn unescaped(text: &str) -> Option<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || " -_.:,;()[]{}!?@#$%*+=|".contains(c)))
        .map(str::trim)
        .max_by_key(|run| run.len())
        .filter(|run| !run.is_empty())
        .map(str::to_owned)
}
