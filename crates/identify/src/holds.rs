//! Whether a condition of the catalogue holds on the replies so far.

use vigie_catalog::{Clause, Guards, Look, Place, SigId};

use crate::view::View;

/// What was seen so far.
pub(crate) trait Seen {
    /// The reply to a request.
    fn at(&self, sig: SigId) -> Option<&View>;
    /// The landing page.
    fn landing(&self) -> Option<&View>;
    /// Every exchange.
    fn every(&self) -> &[View];
}

/// Evaluates a condition.
pub(crate) trait Holds {
    /// Whether it holds; a request that was not sent makes it false.
    fn holds(&self, seen: &dyn Seen) -> bool;
    /// Whether it holds, or might hold if a body had not been cut.
    fn may_hold(&self, seen: &dyn Seen) -> bool;
    /// The exchange on which it holds.
    fn find<'s>(&self, seen: &'s dyn Seen) -> Option<&'s View>;
}

/// Evaluates the conditions beside a rule's own.
pub(crate) trait Pass {
    /// Whether they let the rule pass.
    fn pass(&self, seen: &dyn Seen) -> bool;
}

impl Holds for Look {
    fn holds(&self, seen: &dyn Seen) -> bool {
        self.find(seen).is_some()
    }

    fn may_hold(&self, seen: &dyn Seen) -> bool {
        let may_fit = |view: &&View| judge(&self.clause, view, true);
        match self.place {
            Place::Sig(sig) => seen.at(sig).filter(may_fit).is_some(),
            Place::Landing => seen.landing().filter(may_fit).is_some(),
            Place::Any => seen.every().iter().any(|view| may_fit(&view)),
        }
    }

    fn find<'s>(&self, seen: &'s dyn Seen) -> Option<&'s View> {
        match self.place {
            Place::Sig(sig) => seen.at(sig).filter(|view| fits(&self.clause, view)),
            Place::Landing => seen.landing().filter(|view| fits(&self.clause, view)),
            Place::Any => seen.every().iter().find(|view| fits(&self.clause, view)),
        }
    }
}

impl Pass for Guards {
    fn pass(&self, seen: &dyn Seen) -> bool {
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
