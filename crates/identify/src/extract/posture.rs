//! The posture: what a client without credentials gets.

use vigie_catalog::{BodyType, Catalog, ExchangeRef, Kind, Product};
use vigie_model::{Effect, Known, Posture, Why};

use super::request::{RequestKind, lists_models, own_effect, request_kind};
use crate::condition::{EvaluateCondition as _, EvaluateGuards as _};
use crate::reply::{ParsedReply, refusal};
use crate::transcript::Transcript;

/// The posture, and the request that showed it.
///
/// `all_else_refused`: one reply names the product, and all its other routes were refused.
pub(crate) fn posture(
    product: Option<&Product>,
    catalog: &Catalog,
    transcript: &Transcript,
    all_else_refused: bool,
) -> (Known<Posture>, Option<String>) {
    if let Some(product) = product {
        for rule in &product.posture {
            if let Some(parsed) = rule.condition.find(transcript)
                && rule.guards.pass(transcript)
            {
                return (Known::Known(rule.posture), Some(parsed.line()));
            }
        }
    }
    let Some(product) = product else {
        return unrecognised(catalog, transcript);
    };
    // If no rule holds, refusals decide; a page that is served decides nothing.
    let mut examined = 0;
    for parsed in transcript.replies.iter().filter(|parsed| parsed.reply().is_some()) {
        if own_effect(catalog, product, parsed) != Some(Effect::Enumerate) {
            continue;
        }
        examined += 1;
        if let Some(found) = refusal::posture(parsed) {
            return (Known::Known(found), Some(parsed.line()));
        }
    }
    if all_else_refused {
        return unrecognised(catalog, transcript);
    }
    match examined {
        0 => (Known::unknown(Why::NotAsked), None),
        _ => (Known::unknown_because(Why::NotCarried, "no rule fits what it answered"), None),
    }
}

/// The posture of another list, or of the details of a model, where the list of models is open; with the request that was refused.
/// Other routes, such as metrics, are often protected separately, so they do not count.
pub(crate) fn refused_list(product: &Product, transcript: &Transcript) -> Option<(Posture, String)> {
    if !matches!(product.kind, Kind::Inference | Kind::Gateway) {
        return None;
    }
    let lists = product.models.iter().chain(&product.running);
    let lists = lists.filter_map(|list| match list.condition.exchange {
        ExchangeRef::Sig(sig) => transcript.reply_to(sig),
        ExchangeRef::Landing | ExchangeRef::Any => None,
    });
    // A 403 may concern the one model: Ollama sends it where its cloud is switched off.
    let details = transcript.models.iter().filter_map(|(_, index)| transcript.replies.get(*index));
    let details = details.filter(|parsed| parsed.reply().is_some_and(|reply| matches!(reply.status, 401 | 407)));
    lists
        .chain(details)
        .find_map(|parsed| Some((refusal::posture(parsed)?, parsed.line())))
}

/// A gate in front of every path except an open list of models: its posture, the first request that it refused, and the open list.
///
/// Every other request was refused, including that for the absent path. The front page may be open: it does not count.
pub(crate) fn gate_around_open_list(catalog: &Catalog, transcript: &Transcript) -> Option<(Posture, String, String)> {
    let (mut refused, mut open, mut absent_refused) = (None, None, false);
    for (index, parsed) in transcript.replies.iter().enumerate() {
        let Some(reply) = parsed.reply() else { continue };
        let is_front = parsed.exchange.request.path == "/" || transcript.landing == Some(index);
        let is_list = parsed.body_type() == BodyType::Json && lists_models(catalog, parsed);
        if (200..300).contains(&reply.status) && is_list {
            open.get_or_insert_with(|| parsed.line());
        } else if let Some(posture) = refusal::posture(parsed) {
            absent_refused |= parsed.exchange.request.path == vigie_catalog::ABSENT_PATH;
            refused.get_or_insert_with(|| (posture, parsed.line()));
        } else if !is_front {
            return None;
        }
    }
    let (posture, request) = refused.filter(|_| absent_refused)?;
    Some((posture, request, open?))
}

/// The posture of an unrecognised endpoint: that of a refused list, else of another refused route for programs, else of a refused
/// front page.
///
/// A page that is served or absent does not count; a list that is served means that there is no access control. A bare 403 counts only
/// on a list, or where every path is refused: servers also forbid folders, and POSTs without the token of their form.
fn unrecognised(catalog: &Catalog, transcript: &Transcript) -> (Known<Posture>, Option<String>) {
    let mut first: [Option<(Posture, &ParsedReply)>; 3] = [None; 3];
    let (mut answered, mut every, mut replies) = (false, true, 0);
    for parsed in &transcript.replies {
        let Some(reply) = parsed.reply() else { continue };
        replies += 1;
        let kind = request_kind(catalog, parsed);
        let refused = refusal::posture(parsed);
        if kind == RequestKind::List && (200..300).contains(&reply.status) && parsed.body_type() == BodyType::Json {
            answered = true;
        }
        // The sign-in page itself is open by design.
        every &= refused.is_some() || refusal::is_sign_in(&parsed.exchange.request.path);
        if let Some(posture) = refused {
            first[kind as usize].get_or_insert((posture, parsed));
        }
    }
    let certain = |(posture, _): &(Posture, &ParsedReply)| *posture != Posture::Forbidden;
    let [list, interface, page] = first;
    let found = if every {
        list.or(interface).or(page)
    } else {
        list.or(interface.filter(certain)).or(page.filter(certain))
    };
    match found {
        Some((posture, parsed)) if !answered => (Known::Known(posture), Some(parsed.line())),
        _ if replies == 0 => (Known::unknown(Why::NotAsked), None),
        _ => (Known::unknown_because(Why::NotCarried, "no rule fits what it answered"), None),
    }
}
