//! Events from the lines of logs: the gateway's audit log (OCSF, class API Activity), and events as JSON.

use std::net::IpAddr;

use serde::Deserialize;
use vigie_model::{Effect, Timestamp};

use crate::content::Content;
use crate::event::{Event, Outcome};

/// A longer line is none of a log of requests, in bytes.
const MAX_LINE: usize = 1 << 20;
/// Names of keys, paths and models are cut to so many bytes.
const MAX_NAME: usize = 512;
/// Models of a request that are looked at.
const MAX_MODELS: usize = 32;
/// The class API Activity.
const API_ACTIVITY: u32 = 6003;

/// Reads a line. `None`: it is about something else than a request.
///
/// # Errors
///
/// Why the line does not read.
pub fn event(line: &[u8]) -> Result<Option<Event>, String> {
    if line.len() > MAX_LINE {
        return Err(format!("a line of more than {MAX_LINE} bytes"));
    }
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let kind: Kind = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let event = match (kind.class_uid, kind.signed.is_some() || kind.chain.is_some()) {
        (Some(API_ACTIVITY), _) => {
            let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
            line.event()
        }
        // Another class, or a signature of the chain.
        (Some(_), _) | (None, true) => None,
        (None, false) => Some(serde_json::from_slice::<Event>(line).map_err(|error| error.to_string())?),
    };
    Ok(event.map(bounded))
}

#[derive(Deserialize)]
struct Kind {
    class_uid: Option<u32>,
    signed: Option<serde::de::IgnoredAny>,
    chain: Option<serde::de::IgnoredAny>,
}

/// What is taken of a line of the audit log.
#[derive(Deserialize)]
struct Line {
    time: i64,
    #[serde(default)]
    src_endpoint: Option<Endpoint>,
    #[serde(default)]
    http_request: Option<HttpRequest>,
    #[serde(default)]
    http_response: Option<HttpResponse>,
    #[serde(default)]
    actor: Option<Actor>,
    #[serde(default)]
    duration: Option<f64>,
    #[serde(default)]
    status_code: Option<String>,
    #[serde(default)]
    unmapped: Option<Unmapped>,
}

#[derive(Deserialize)]
struct Endpoint {
    ip: Option<IpAddr>,
}

#[derive(Deserialize)]
struct HttpRequest {
    http_method: Option<String>,
    url: Option<Url>,
    length: Option<u64>,
}

#[derive(Deserialize)]
struct Url {
    path: Option<String>,
}

#[derive(Deserialize)]
struct HttpResponse {
    code: Option<u16>,
}

#[derive(Deserialize)]
struct Actor {
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    uid: Option<String>,
}

#[derive(Default, Deserialize)]
struct Unmapped {
    event: Option<String>,
    effect: Option<String>,
    #[serde(default)]
    models: Option<Vec<String>>,
    prompt_tokens: Option<u64>,
    output_tokens: Option<u64>,
    #[serde(default)]
    content: Option<Content>,
}

impl Line {
    fn event(self) -> Option<Event> {
        let unmapped = self.unmapped.unwrap_or_default();
        // Starts, stops and changes have other words; another product's log has none.
        if unmapped
            .event
            .as_deref()
            .is_some_and(|event| !matches!(event, "request" | "refused" | "decision"))
        {
            return None;
        }
        // The detectors did that.
        if self.status_code.as_deref().is_some_and(is_blocked) {
            return None;
        }
        let request = self.http_request?;
        // Of a request that a proxy was told to pass on, nobody but the proxy knows what became.
        let is_decision = unmapped.event.as_deref() == Some("decision");
        let is_passed = is_decision && self.status_code.as_deref() == Some("authorized");
        // A decision has no length where the proxy showed no body.
        let length = request.length.filter(|length| !is_decision || *length > 0);
        Some(Event {
            time: Timestamp::from_timestamp_millis(self.time)?,
            key: self.actor.and_then(|actor| actor.user?.uid),
            address: self.src_endpoint.and_then(|endpoint| endpoint.ip),
            method: request.http_method,
            path: request.url.and_then(|url| url.path),
            effect: unmapped.effect.as_deref().and_then(Effect::from_word),
            models: unmapped.models.unwrap_or_default(),
            outcome: self
                .status_code
                .as_deref()
                .and_then(|word| outcome(word, unmapped.event.as_deref())),
            status: self.http_response.and_then(|response| response.code).filter(|_| !is_passed),
            prompt_tokens: unmapped.prompt_tokens,
            output_tokens: unmapped.output_tokens,
            request_bytes: length,
            duration_ms: self.duration.filter(|_| !is_decision),
            content: unmapped.content,
        })
    }
}

/// Whether a word of the audit log says that a request was refused because a detector had its sender blocked: that is no news of the sender.
#[must_use]
pub fn is_blocked(word: &str) -> bool {
    matches!(word, "blocked" | "blocked-address")
}

/// The outcome that a word of the audit log stands for.
#[must_use]
pub fn outcome(word: &str, event: Option<&str>) -> Option<Outcome> {
    Some(match word {
        "answered" => Outcome::Answered,
        "aborted" => Outcome::Aborted,
        "failed" => Outcome::Failed,
        "not-granted" | "unknown-route" => Outcome::NotGranted,
        "no-credential" | "several-credentials" | "unreadable-credential" | "unknown-key" | "revoked-key" | "expired-key" => Outcome::NoKey,
        "authorized" => return None,
        _ if matches!(event, Some("refused" | "decision")) => Outcome::Refused,
        _ => return None,
    })
}

/// An event whose texts take little memory.
fn bounded(mut event: Event) -> Event {
    let cut = |text: &mut String| text.truncate(text.floor_char_boundary(MAX_NAME));
    for text in [&mut event.key, &mut event.method, &mut event.path].into_iter().flatten() {
        cut(text);
    }
    if let Some(path) = &mut event.path
        && let Some(query) = path.find('?')
    {
        path.truncate(query);
    }
    event.models.truncate(MAX_MODELS);
    event.models.iter_mut().for_each(cut);
    event
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = r#"{"time":1767571200123,"class_uid":6003,"duration":12.5,"src_endpoint":{"ip":"192.0.2.7","port":1},
        "http_request":{"http_method":"POST","url":{"path":"/api/pull?x=1"},"length":20},"http_response":{"code":403,"length":21},
        "api":{"operation":null,"request":{"uid":"a"}},"actor":{"user":{"uid":"key-1","name":"a name"}},"status_code":"not-granted",
        "status_detail":"not-granted: write","unmapped":{"event":"refused","effect":null,"models":[],"prompt_tokens":null,"output_tokens":null,
        "estimated":false},"chain":{"seq":1,"prev":"0"}}"#;

    #[test]
    fn a_line_of_the_audit_log_is_an_event() {
        let event = event(LINE.as_bytes()).expect("it reads").expect("a request");
        assert_eq!(
            (event.key.as_deref(), event.path.as_deref(), event.status),
            (Some("key-1"), Some("/api/pull"), Some(403))
        );
        assert_eq!(
            (event.outcome, event.effect, event.prompt_tokens),
            (Some(Outcome::NotGranted), None, None)
        );
    }

    #[test]
    fn a_decision_is_an_event_with_what_is_known_of_it() {
        let refused = LINE.replace("\"event\":\"refused\"", "\"event\":\"decision\",\"proxy\":\"nginx\"");
        let read = |line: &str| event(line.as_bytes()).expect("it reads").expect("a request");
        let one = read(&refused);
        assert_eq!(
            (one.outcome, one.status, one.request_bytes),
            (Some(Outcome::NotGranted), Some(403), Some(20))
        );
        assert_eq!(one.duration_ms, None, "that of the decision is not that of a request");
        let one = read(&refused.replace("not-granted\"", "over-limit\""));
        assert_eq!(one.outcome, Some(Outcome::Refused));
        let passed = refused
            .replace("\"status_code\":\"not-granted\"", "\"status_code\":\"authorized\"")
            .replace("\"code\":403", "\"code\":200")
            .replace("\"length\":20", "\"length\":0");
        let one = read(&passed);
        assert_eq!((one.outcome, one.status, one.request_bytes), (None, None, None));
        assert_eq!((one.key.as_deref(), one.path.as_deref()), (Some("key-1"), Some("/api/pull")));
        assert!(!one.is_rejected());
    }

    #[test]
    fn what_is_no_request_is_none_and_an_event_reads_back() {
        for other in [
            "",
            r#"{"time":1,"class_uid":6003,"unmapped":{"event":"started"},"chain":{}}"#,
            r#"{"time":1,"signed":{"seq":1},"chain":{}}"#,
            r#"{"time":1,"class_uid":2004}"#,
        ] {
            assert_eq!(event(other.as_bytes()), Ok(None), "{other}");
        }
        let one = event(LINE.as_bytes()).expect("it reads").expect("a request");
        let json = serde_json::to_vec(&one).expect("JSON");
        assert_eq!(event(&json), Ok(Some(one)));
        assert!(event(b"{\"time\":1}").is_err(), "another kind of time");
        assert!(event(b"no JSON").is_err());
    }

    proptest! {
        #[test]
        fn no_line_is_a_panic(line in ".{0,200}") {
            let _ = event(line.as_bytes());
        }
    }
}
