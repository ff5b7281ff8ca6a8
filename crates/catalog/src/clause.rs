//! Whether a clause holds on what was seen.

use crate::rule::Clause;
use crate::view::View;

/// The number of an interned request: the same request of several products has one.
pub type SigId = u32;

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

/// What was seen so far.
pub trait Seen {
    /// The reply to a request.
    fn at(&self, sig: SigId) -> Option<&View>;
    /// The landing page.
    fn landing(&self) -> Option<&View>;
    /// Every exchange.
    fn every(&self) -> &[View];
}

impl Look {
    /// Whether it holds; a request that was not sent makes it false.
    pub fn holds(&self, seen: &dyn Seen) -> bool {
        self.find(seen).is_some()
    }

    /// Whether it holds, or would perhaps if a body had not been cut.
    pub(crate) fn may_hold(&self, seen: &dyn Seen) -> bool {
        let may_fit = |view: &&View| judge(&self.clause, view, true);
        match self.place {
            Place::Sig(sig) => seen.at(sig).filter(may_fit).is_some(),
            Place::Landing => seen.landing().filter(may_fit).is_some(),
            Place::Any => seen.every().iter().any(|view| may_fit(&view)),
        }
    }

    /// The exchange on which it holds.
    pub fn find<'s>(&self, seen: &'s dyn Seen) -> Option<&'s View> {
        match self.place {
            Place::Sig(sig) => seen.at(sig).filter(|view| fits(&self.clause, view)),
            Place::Landing => seen.landing().filter(|view| fits(&self.clause, view)),
            Place::Any => seen.every().iter().find(|view| fits(&self.clause, view)),
        }
    }
}

impl Guards {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.also.is_empty() && self.either.is_empty() && self.unless.is_empty()
    }

    /// Whether they let the rule pass.
    pub fn pass(&self, seen: &dyn Seen) -> bool {
        self.also.iter().all(|look| look.holds(seen))
            && (self.either.is_empty() || self.either.iter().any(|look| look.holds(seen)))
            // What a cut took away may be what must not be there.
            && !self.unless.iter().any(|look| look.may_hold(seen))
    }
}

/// Whether all keys of a clause hold on one exchange.
pub(crate) fn fits(clause: &Clause, view: &View) -> bool {
    judge(clause, view, false)
}

/// The same; with `doubt`, JSON that was cut may hold whatever it can still turn out to be. The cheap keys first.
fn judge(clause: &Clause, view: &View, doubt: bool) -> bool {
    let Some(reply) = view.reply() else {
        return clause.failed == Some(true) && is_bare(clause);
    };
    if clause.failed == Some(true) {
        return false;
    }
    if !clause.status.0.is_empty() && !clause.status.0.contains(&reply.status) {
        return false;
    }
    // A header may come several times: any of them may fit.
    let header_fits = |name: &str, fits: &dyn Fn(&str) -> bool| reply.headers.iter().any(|(n, v)| n == name && fits(v));
    clause
        .header
        .iter()
        .all(|(name, pattern)| header_fits(name, &|value| pattern.fits(value)))
        && clause
            .location
            .as_ref()
            .is_none_or(|pattern| header_fits("location", &|value| pattern.fits(value)))
        && clause.body.0.iter().all(|pattern| pattern.fits(view.text()))
        && clause
            .title
            .as_ref()
            .is_none_or(|pattern| view.title().is_some_and(|title| pattern.fits(title)))
        && clause.kind.is_none_or(|kind| view.body_type() == kind)
        && (clause.json.0.is_empty() || json_fits(clause, view, doubt))
}

fn json_fits(clause: &Clause, view: &View, doubt: bool) -> bool {
    let Some(json) = view.json() else { return false };
    clause.json.0.iter().all(|(pointer, test)| {
        let values = pointer.all(json);
        let Some(cut) = view.cut() else { return test.passes(&values) };
        // More can come only of what was open when the document was cut.
        match (cut.is_open(pointer.deepest(json)), doubt) {
            (false, _) => test.passes(&values),
            (true, false) => test.passes_in_part(&values),
            (true, true) => test.passes_in_part(&values) || test.may_pass(&values, pointer.is_single()),
        }
    })
}

fn is_bare(clause: &Clause) -> bool {
    clause.status.0.is_empty()
        && clause.header.is_empty()
        && clause.body.0.is_empty()
        && clause.title.is_none()
        && clause.kind.is_none()
        && clause.json.0.is_empty()
        && clause.location.is_none()
}

/// A text that must stand in the body or in the headers of whatever fits, for the index; the longest there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Literal {
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
