//! Evaluates the conditions of the catalogue on the exchanges so far.

use vigie_catalog::{Clause, Guards, Look, Place};

use crate::reply::ParsedReply;
use crate::transcript::Transcript;

/// Evaluates one condition.
pub(crate) trait EvaluateCondition {
    /// Whether it holds; it does not if its request was not sent.
    fn holds(&self, transcript: &Transcript) -> bool;
    /// Whether it holds, or could hold if a body had not been truncated.
    fn may_hold(&self, transcript: &Transcript) -> bool;
    /// The exchange on which it holds.
    fn find<'s>(&self, transcript: &'s Transcript) -> Option<&'s ParsedReply>;
}

/// Evaluates the further conditions of a rule.
pub(crate) trait EvaluateGuards {
    /// Whether `also`, `either` and `unless` are all satisfied.
    fn pass(&self, transcript: &Transcript) -> bool;
}

impl EvaluateCondition for Look {
    fn holds(&self, transcript: &Transcript) -> bool {
        self.find(transcript).is_some()
    }

    fn may_hold(&self, transcript: &Transcript) -> bool {
        let may_fit = |parsed: &&ParsedReply| judge(&self.clause, parsed, true);
        match self.place {
            Place::Any => transcript.replies.iter().any(|parsed| may_fit(&parsed)),
            place => transcript.referred(place).filter(may_fit).is_some(),
        }
    }

    fn find<'s>(&self, transcript: &'s Transcript) -> Option<&'s ParsedReply> {
        match self.place {
            Place::Any => transcript.replies.iter().find(|parsed| fits(&self.clause, parsed)),
            place => transcript.referred(place).filter(|parsed| fits(&self.clause, parsed)),
        }
    }
}

impl EvaluateGuards for Guards {
    fn pass(&self, transcript: &Transcript) -> bool {
        self.also.iter().all(|look| look.holds(transcript))
            && (self.either.is_empty() || self.either.iter().any(|look| look.holds(transcript)))
            // The truncated part may be what `unless` excludes.
            && !self.unless.iter().any(|look| look.may_hold(transcript))
    }
}

/// Whether all keys of a condition hold on one exchange.
pub(crate) fn fits(clause: &Clause, parsed: &ParsedReply) -> bool {
    judge(clause, parsed, false)
}

/// As [`fits`]; with `doubt`, truncated JSON passes where the missing part could make it pass. Cheap keys are tested first.
fn judge(clause: &Clause, parsed: &ParsedReply, doubt: bool) -> bool {
    let Some(reply) = parsed.reply() else {
        return clause.failed == Some(true) && is_bare(clause);
    };
    if clause.failed == Some(true) {
        return false;
    }
    if !clause.status.0.is_empty() && !clause.status.0.contains(&reply.status) {
        return false;
    }
    // A header may occur several times: any of them may fit.
    let header_fits = |name: &str, fits: &dyn Fn(&str) -> bool| reply.headers.iter().any(|(n, v)| n == name && fits(v));
    clause
        .header
        .iter()
        .all(|(name, pattern)| header_fits(name, &|value| pattern.fits(value)))
        && clause
            .location
            .as_ref()
            .is_none_or(|pattern| header_fits("location", &|value| pattern.fits(value)))
        && clause.body.0.iter().all(|pattern| pattern.fits(parsed.text()))
        && clause
            .title
            .as_ref()
            .is_none_or(|pattern| parsed.title().is_some_and(|title| pattern.fits(title)))
        && clause.kind.is_none_or(|kind| parsed.body_type() == kind)
        && (clause.json.0.is_empty() || json_fits(clause, parsed, doubt))
}

fn json_fits(clause: &Clause, parsed: &ParsedReply, doubt: bool) -> bool {
    let Some(json) = parsed.json() else { return false };
    clause.json.0.iter().all(|(pointer, test)| {
        let values = pointer.all(json);
        let Some(truncated) = parsed.truncated() else {
            return test.passes(&values);
        };
        // Only containers that were open at the cut can have more values.
        match (truncated.is_open(pointer.deepest(json)), doubt) {
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
