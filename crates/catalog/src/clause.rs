//! Compiled conditions: clauses with the exchange that they look at resolved.

use crate::rule::Clause;

/// The number of an interned request: the same request of several products has one.
pub type SigId = u32;

/// A header that differs in each reply, so that no rule may rest on it.
pub const PASSING: &str = "date";

/// The exchange a clause looks at, resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// The reply to this request.
    Sig(SigId),
    /// The last page of the redirects that start at `GET /`.
    Landing,
    /// Some exchange.
    Any,
}

/// A clause with its exchange resolved.
#[derive(Clone, Debug)]
pub struct Look {
    /// Which exchange.
    pub place: Place,
    /// What must hold of it.
    pub clause: Clause,
}

/// The clauses that stand beside a rule's own.
#[derive(Clone, Debug, Default)]
pub struct Guards {
    /// All of these hold.
    pub also: Vec<Look>,
    /// At least one of these holds.
    pub either: Vec<Look>,
    /// None of these holds.
    pub unless: Vec<Look>,
}

impl Guards {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.also.is_empty() && self.either.is_empty() && self.unless.is_empty()
    }
}

/// A text that must stand in the body or in the headers of whatever fits, for the index; the longest there is.
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

/// The longest literal of at least four characters that a clause shows.
pub(crate) fn literal(clause: &Clause) -> Option<Literal> {
    let mut found: Vec<Literal> = Vec::new();
    for pattern in &clause.body.0 {
        found.extend(pattern.literal().map(|text| Literal::Body(text.trim().to_owned())));
    }
    // White space in a title is folded before it is compared, so only a single word is sure to stand in the page.
    if let Some(text) = clause.title.as_ref().and_then(|pattern| pattern.literal()) {
        found.extend(
            text.split_whitespace()
                .max_by_key(|word| word.len())
                .map(|word| Literal::Body(word.to_owned())),
        );
    }
    for (name, pattern) in &clause.header {
        found.push(Literal::Head(
            pattern.literal().map_or_else(|| name.clone(), |text| text.trim().to_owned()),
        ));
    }
    found.extend(
        clause
            .location
            .as_ref()
            .and_then(|pattern| pattern.literal())
            .map(|text| Literal::Head(text.trim().to_owned())),
    );
    for (pointer, test) in &clause.json.0 {
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
