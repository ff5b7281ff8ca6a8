//! Values that a server reports of itself: its version and its instance.

use serde_json::Value;
use vigie_catalog::{CompiledValue, ExchangeRef, Product, Step, ValueRule};
use vigie_model::{Known, Why};

use super::unknown::weighs_more;
use crate::condition::EvaluateGuards as _;
use crate::reply::{ParsedReply, refusal};
use crate::transcript::Transcript;

/// Longest version, in bytes.
const MAX_VERSION: usize = 100;

/// Shortest id of an instance, in bytes: a shorter one cannot distinguish hosts of the Internet.
const MIN_INSTANCE: usize = 8;
/// Longest id of an instance, in bytes.
const MAX_INSTANCE: usize = 200;

/// The version that the server reports.
pub(crate) fn version(product: &Product, transcript: &Transcript) -> Known<String> {
    let (value, attempts) = first_value(&product.version, transcript, |text| text.len() <= MAX_VERSION);
    match value {
        Some(text) if product.hidden.contains(&text) => {
            Known::unknown_because(Why::Hidden, format!("it reports {text:?}, which is no version"))
        }
        Some(text) => Known::Known(text),
        None if product.version_never => Known::unknown(Why::NotCarried),
        None => attempts.why_unknown(),
    }
}

/// The id of the running copy or installation; not carried where the product's file has no rule for it.
pub(crate) fn instance(product: &Product, transcript: &Transcript) -> Known<String> {
    let (value, attempts) = first_value(&product.instance, transcript, |text| {
        (MIN_INSTANCE..=MAX_INSTANCE).contains(&text.len())
    });
    match value {
        Some(text) => Known::Known(text),
        None if product.instance.is_empty() => Known::unknown(Why::NotCarried),
        None => attempts.why_unknown(),
    }
}

/// Outcome of the requests whose replies should contain a value.
#[derive(Clone, Debug, Default)]
struct Attempts {
    answered: bool,
    silent: bool,
    /// The strongest reason among the refusals, with its detail.
    declined: Option<(Why, Option<String>)>,
}

impl Attempts {
    /// Why the value is unknown.
    fn why_unknown(self) -> Known<String> {
        if self.silent {
            // The missing reply might have contained it: it is not hidden.
            return Known::unknown_because(Why::NotAsked, "a request that returns it got no answer");
        }
        match self.declined {
            _ if self.answered => Known::unknown(Why::Hidden),
            Some((why, Some(detail))) => Known::unknown_because(why, detail),
            Some((why, None)) => Known::unknown(why),
            None => Known::unknown(Why::NotAsked),
        }
    }
}

/// The first value that a rule finds and that `passes`.
fn first_value(entries: &[CompiledValue], transcript: &Transcript, passes: impl Fn(&str) -> bool) -> (Option<String>, Attempts) {
    let mut attempts = Attempts::default();
    for entry in entries {
        let replies: Vec<&ParsedReply> = match entry.exchange {
            ExchangeRef::Any => transcript.replies.iter().collect(),
            place => transcript.referred(place).into_iter().collect(),
        };
        for parsed in replies {
            let Some(reply) = parsed.reply() else {
                attempts.silent = true;
                continue;
            };
            match refusal::why(parsed) {
                Some(why) if attempts.declined.as_ref().is_none_or(|(known, _)| weighs_more(why, *known)) => {
                    attempts.declined = Some((why, refusal::detail(why, Some(parsed))));
                }
                Some(_) => {}
                None => attempts.answered = true,
            }
            let status_fits = entry.rule.status.0.is_empty() || entry.rule.status.0.contains(&reply.status);
            if !status_fits || !entry.guards.pass(transcript) {
                continue;
            }
            if let Some(text) = take(&entry.rule, parsed) {
                let text = text.trim();
                if !text.is_empty() && passes(text) && !text.chars().any(char::is_control) {
                    return (Some(text.to_owned()), attempts);
                }
            }
        }
    }
    (None, attempts)
}

/// The value that a rule takes from a reply.
fn take(rule: &ValueRule, parsed: &ParsedReply) -> Option<String> {
    let mut text = if let Some(pointer) = &rule.json {
        scalar(pointer.first(parsed.json()?)?)?
    } else if let Some(name) = &rule.header {
        parsed.reply()?.header(name)?.to_owned()
    } else if let Some(take) = &rule.body {
        take.take(parsed.text())?.to_owned()
    } else {
        rule.title.as_ref()?.take(parsed.title()?)?.to_owned()
    };
    if let Some(take) = &rule.take {
        text = take.take(&text)?.to_owned();
    }
    for step in &rule.then {
        text = match step {
            Step::Base64 => {
                use base64::Engine as _;
                use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
                let trimmed = text.trim();
                let bytes = STANDARD.decode(trimmed).or_else(|_| STANDARD_NO_PAD.decode(trimmed)).ok()?;
                String::from_utf8(bytes).ok()?
            }
            Step::Json(pointer) => scalar(pointer.first(&serde_json::from_str::<Value>(&text).ok()?)?)?,
            Step::Take(take) => take.take(&text)?.to_owned(),
        };
    }
    Some(text)
}

/// A string, number or flag as text.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// Whether a version is older than another, by its numbers alone: good enough for what a release can report, not for advisories.
pub(crate) fn before(version: &str, since: &str) -> bool {
    let numbers = |text: &str| -> Vec<u64> {
        text.trim_start_matches(['v', 'b'])
            .split(['.', '-', '+', '_'])
            .map_while(|part| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok())
            .collect()
    };
    let (a, b) = (numbers(version), numbers(since));
    !a.is_empty() && a < b
}

#[cfg(test)]
mod tests {
    use super::before;

    #[test]
    fn releases_by_their_numbers() {
        assert!(before("0.6.3", "0.6.4"));
        assert!(before("v0.6.4-rc1", "0.6.10"));
        assert!(!before("0.10.12", "0.9.0"));
        assert!(!before("0.6.4", "0.6.4"));
        assert!(!before("unknown", "0.6.4"));
        assert!(before("b100", "b8492"));
    }
}
