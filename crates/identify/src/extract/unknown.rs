//! Why a list or a value is unknown.

use vigie_catalog::{Catalog, CompiledList, ExchangeRef, Product};
use vigie_http::path::without_query;
use vigie_model::{Known, Unknown, Why};

use super::request::{RequestKind, lists_models, request_kind};
use crate::condition::EvaluateCondition as _;
use crate::reply::{ParsedReply, refusal};
use crate::transcript::Transcript;

/// Whether `one` is the stronger of two reasons why a value is unknown: the earlier in this order, the surer that the value exists.
pub(super) fn weighs_more(one: Why, other: Why) -> bool {
    let weight = |why: Why| match why {
        Why::Refused => 0,
        Why::Throttled => 1,
        Why::Unavailable => 2,
        Why::Unparsable => 3,
        Why::Absent => 4,
        _ => 5,
    };
    weight(one) < weight(other)
}

/// Why the models of an unrecognised endpoint are unknown: a list was refused, or has no known form, or none was requested.
pub(crate) fn unlisted(catalog: &Catalog, transcript: &Transcript) -> Unknown {
    let mut found = Unknown {
        why: Why::NotAsked,
        detail: None,
    };
    for parsed in &transcript.replies {
        let (why, detail) = match refusal::why(parsed) {
            Some(why) => (why, refusal::detail(why, Some(parsed))),
            None if parsed.reply().is_some_and(|reply| (200..300).contains(&reply.status)) => {
                let path = without_query(&parsed.exchange.request.path);
                (
                    Why::Unparsable,
                    Some(format!("GET {path} answered as no product of the catalogue lists models")),
                )
            }
            None => continue,
        };
        // A refusal of any list counts; that a list is absent or unreadable counts only for lists of models.
        let is_list = match why {
            Why::Refused | Why::Throttled | Why::Unavailable => request_kind(catalog, parsed) == RequestKind::List,
            _ => lists_models(catalog, parsed),
        };
        if is_list && weighs_more(why, found.why) {
            found = Unknown { why, detail };
        }
    }
    found
}

/// Why none of these lists could be read.
pub(super) fn unread<T>(product: &Product, lists: &[CompiledList], transcript: &Transcript) -> Known<T> {
    let mut found: Option<(Why, Option<&ParsedReply>)> = None;
    for list in lists {
        let parsed = transcript.referred(list.condition.exchange);
        let met = match parsed.filter(|parsed| parsed.reply().is_some()) {
            Some(parsed) => (refusal::why(parsed).unwrap_or(Why::Unparsable), Some(parsed)),
            None => unsent(product, list.condition.exchange, transcript),
        };
        if found.is_none_or(|(why, _)| weighs_more(met.0, why)) {
            found = Some(met);
        }
    }
    let Some((why, parsed)) = found else {
        return Known::unknown(Why::NotCarried);
    };
    match refusal::detail(why, parsed) {
        Some(detail) => Known::unknown_because(why, detail),
        None => Known::unknown(why),
    }
}

/// Why a request was not sent: the request that must come first was refused, or the limit was reached.
fn unsent<'s>(product: &Product, place: ExchangeRef, transcript: &'s Transcript) -> (Why, Option<&'s ParsedReply>) {
    let ExchangeRef::Sig(sig) = place else {
        return (Why::NotAsked, None);
    };
    let mut found = (Why::NotAsked, None);
    let waiting = product
        .requests
        .iter()
        .filter(|request| request.sig == sig && !request.when.is_empty());
    for condition in waiting
        .flat_map(|request| &request.when)
        .filter(|condition| !condition.holds(transcript))
    {
        let parsed = transcript.referred(condition.exchange);
        if let Some(parsed) = parsed
            && let Some(why) = refusal::why(parsed).filter(|why| matches!(why, Why::Refused | Why::Throttled | Why::Unavailable))
            && weighs_more(why, found.0)
        {
            found = (why, Some(parsed));
        }
    }
    found
}
