//! An entry of a request as a record of the lake.

use chrono::DateTime;
use serde_json::value::RawValue;
use vigie_model::{GatewayRequest, Known, Timestamp, Why};

use super::chain::Link;
use super::line::{Line, Unmapped};
use crate::bad::Fault;

/// The method of a request that could not be read.
const NO_METHOD: &str = "UNKNOWN";

/// The outcome of a request that a proxy was told to pass on: nobody but the proxy knows what became of it.
const AUTHORIZED: &str = "authorized";

/// The route of a request for which the catalogue has none.
const NO_ROUTE: &str = "unknown";

pub(super) fn of(line: Line<'_>, gateway: &str, link: &Link, recorded: Timestamp) -> Result<GatewayRequest, Fault> {
    let time = DateTime::from_timestamp_millis(line.time).ok_or("its time is none")?;
    let is_decision = line.event() == Some("decision");
    let is_refused = match line.status_code.as_deref() {
        Some(AUTHORIZED) if is_decision => false,
        _ => is_decision || line.event() == Some("refused"),
    };
    let Some(unmapped) = line.unmapped else {
        return Err("it has no \"unmapped\"".into());
    };
    let word = line.status_code.ok_or("it has no \"status_code\"")?;
    let erased = unmapped.erased == Some(true);
    let personal = Personal { erased };
    let (outcome, refusal) = if is_refused {
        ("refused".to_owned(), Some(word))
    } else {
        (word, None)
    };
    // A server that was asked and named no tokens does not report them.
    let no_tokens = if is_refused { Why::NotAsked } else { Why::NotCarried };
    let user = line.actor.and_then(|actor| actor.user);
    let (key_id, key_name) = user.map_or((None, None), |user| (user.uid, user.name));
    let http = line.http_request;
    let (method, path, length, agent) = http.map_or((None, None, None, None), |http| {
        (http.http_method, http.url.and_then(|url| url.path), http.length, http.user_agent)
    });
    let address = match line.src_endpoint.and_then(|endpoint| endpoint.ip) {
        Some(ip) => Some(ip.parse().map_err(|_| format!("{ip:?} is not an address"))?),
        None => None,
    };
    let (prompt_bytes, prompt_hash) = unmapped
        .prompt
        .as_ref()
        .map_or((None, None), |prompt| (prompt.bytes, prompt.hmac.clone()));
    // The first version of the log has no prompts; later ones leave out that of a request without one.
    let no_prompt = Why::NotCarried;
    let (code, answer) = line.http_response.map_or((None, None), |response| (response.code, response.length));
    // The status of a decision is that of the request only if it was refused, and the length and the time are those of the decision. A length
    // of zero is that of a body which the proxy did not show, or of none.
    let code = code.filter(|_| !is_decision || is_refused);
    let answer = answer.filter(|_| !is_decision);
    let length = length.filter(|length| !is_decision || *length > 0);
    let api = line.api;
    let (operation, request) = api.map_or((None, None), |api| (api.operation, api.request.and_then(|request| request.uid)));
    let options = options(&unmapped);
    let models = unmapped.models.unwrap_or_default();
    Ok(GatewayRequest {
        gateway: gateway.to_owned(),
        stream: link.stream,
        seq: link.seq,
        time,
        recorded,
        version: line
            .metadata
            .and_then(|metadata| metadata.product)
            .and_then(|product| product.version),
        request,
        key_id: personal.known(key_id, Why::Refused),
        key_name: personal.known(key_name, Why::Refused),
        address: personal.known(address, Why::NotCarried),
        user_agent: personal.known(agent, Why::NotCarried),
        method: personal.known(method.filter(|method| method != NO_METHOD), Why::Unparsable),
        path: personal.known(path, Why::NotCarried),
        route: operation.filter(|route| route != NO_ROUTE),
        effect: unmapped.effect,
        model: models.first().cloned(),
        models,
        options,
        outcome,
        refusal,
        detail: line.status_detail,
        status: code,
        request_bytes: personal.known(length, Why::NotCarried),
        response_bytes: known(answer, Why::NotCarried),
        prompt_tokens: known(unmapped.prompt_tokens, no_tokens),
        output_tokens: known(unmapped.output_tokens, no_tokens),
        estimated: unmapped.estimated.filter(|_| !is_decision),
        counted_tokens: unmapped.counted.and_then(|counted| counted.tokens),
        chunks: unmapped.chunks.filter(|_| !is_decision),
        first_byte_ms: unmapped.first_byte_ms,
        duration_ms: unmapped.duration_ms.or(line.duration).filter(|_| !is_decision),
        prompt_bytes: personal.known(prompt_bytes, no_prompt),
        prompt_hash: personal.known(prompt_hash, no_prompt),
        erased,
    })
}

fn known<T>(value: Option<T>, why: Why) -> Known<T> {
    value.map_or(Known::unknown(why), Known::Known)
}

/// Values that erasure removes from an entry.
struct Personal {
    erased: bool,
}

impl Personal {
    fn known<T>(&self, value: Option<T>, why: Why) -> Known<T> {
        known(value, if self.erased { Why::Redacted } else { why })
    }
}

/// The options that the client set, or that the gateway put in, as compact JSON.
fn options(unmapped: &Unmapped<'_>) -> Option<String> {
    let options = unmapped.options.as_ref()?;
    let mut text = String::from("{");
    for (name, value) in options {
        if text.len() > 1 {
            text.push(',');
        }
        // A name is a text, which always serialises.
        text.push_str(&serde_json::to_string(name).ok()?);
        text.push(':');
        text.push_str(RawValue::get(value));
    }
    text.push('}');
    Some(text)
}
