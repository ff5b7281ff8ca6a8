//! Evaluates the conditions of the catalogue on the exchanges so far.

use vigie_catalog::{Condition, ConditionRule, ExchangeRef, Guards};

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

impl EvaluateCondition for Condition {
    fn holds(&self, transcript: &Transcript) -> bool {
        self.find(transcript).is_some()
    }

    fn may_hold(&self, transcript: &Transcript) -> bool {
        let may_fit = |parsed: &&ParsedReply| judge(&self.rule, parsed, true);
        match self.exchange {
            ExchangeRef::Any => transcript.replies.iter().any(|parsed| may_fit(&parsed)),
            exchange => transcript.referred(exchange).filter(may_fit).is_some(),
        }
    }

    fn find<'s>(&self, transcript: &'s Transcript) -> Option<&'s ParsedReply> {
        match self.exchange {
            ExchangeRef::Any => transcript.replies.iter().find(|parsed| fits(&self.rule, parsed)),
            exchange => transcript.referred(exchange).filter(|parsed| fits(&self.rule, parsed)),
        }
    }
}

impl EvaluateGuards for Guards {
    fn pass(&self, transcript: &Transcript) -> bool {
        self.also.iter().all(|condition| condition.holds(transcript))
            && (self.either.is_empty() || self.either.iter().any(|condition| condition.holds(transcript)))
            // The truncated part may be what `unless` excludes.
            && !self.unless.iter().any(|condition| condition.may_hold(transcript))
    }
}

/// Whether all keys of a condition hold on one exchange.
pub(crate) fn fits(rule: &ConditionRule, parsed: &ParsedReply) -> bool {
    judge(rule, parsed, false)
}

/// As [`fits`]; with `doubt`, truncated JSON passes where the missing part could make it pass. Cheap keys are tested first.
fn judge(rule: &ConditionRule, parsed: &ParsedReply, doubt: bool) -> bool {
    let Some(reply) = parsed.reply() else {
        return rule.failed == Some(true) && is_bare(rule);
    };
    if rule.failed == Some(true) {
        return false;
    }
    if !rule.status.0.is_empty() && !rule.status.0.contains(&reply.status) {
        return false;
    }
    // A header may occur several times: any of them may fit.
    let header_fits = |name: &str, fits: &dyn Fn(&str) -> bool| reply.headers.iter().any(|(n, v)| n == name && fits(v));
    rule.header
        .iter()
        .all(|(name, pattern)| header_fits(name, &|value| pattern.fits(value)))
        && rule
            .location
            .as_ref()
            .is_none_or(|pattern| header_fits("location", &|value| pattern.fits(value)))
        && rule.body.0.iter().all(|pattern| pattern.fits(parsed.text()))
        && rule
            .title
            .as_ref()
            .is_none_or(|pattern| parsed.title().is_some_and(|title| pattern.fits(title)))
        && rule.kind.is_none_or(|kind| parsed.body_type() == kind)
        && (rule.json.0.is_empty() || json_fits(rule, parsed, doubt))
}

fn json_fits(rule: &ConditionRule, parsed: &ParsedReply, doubt: bool) -> bool {
    let Some(json) = parsed.json() else { return false };
    rule.json.0.iter().all(|(pointer, test)| {
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

fn is_bare(rule: &ConditionRule) -> bool {
    rule.status.0.is_empty()
        && rule.header.is_empty()
        && rule.body.0.is_empty()
        && rule.title.is_none()
        && rule.kind.is_none()
        && rule.json.0.is_empty()
        && rule.location.is_none()
}
