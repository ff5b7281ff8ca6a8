//! A reply with its text, title and JSON; each is parsed once, when a rule first needs it.

pub(crate) mod refusal;
pub(crate) mod stack;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;

use serde_json::Value;
use vigie_catalog::BodyType;
use vigie_http::events::Events;
use vigie_http::headers;
use vigie_model::{Exchange, Reply};

use crate::truncated_json::{self, TruncatedJson};

/// The part of a body in which rules search for text, in bytes.
const MAX_SEARCHED: usize = 256 * 1024;

/// An exchange with its parsed reply, if one came.
#[derive(Debug)]
pub(crate) struct ParsedReply {
    /// The exchange.
    pub(crate) exchange: Exchange,
    text: OnceCell<String>,
    title: OnceCell<Option<String>>,
    json: OnceCell<Option<Arc<Value>>>,
    truncated: OnceCell<Option<TruncatedJson>>,
}

impl ParsedReply {
    /// Wraps an exchange.
    #[must_use]
    pub(crate) fn new(exchange: Exchange) -> Self {
        Self {
            exchange,
            text: OnceCell::new(),
            title: OnceCell::new(),
            json: OnceCell::new(),
            truncated: OnceCell::new(),
        }
    }

    /// Uses the JSON of a cached reply with the same bytes.
    pub(crate) fn share_json(&self, json: Option<&Arc<Value>>) {
        let _ = self.json.set(json.cloned());
    }

    /// The request line without headers, `METHOD PATH`.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.exchange.request.method, self.exchange.request.path)
    }

    /// The reply, if one came.
    #[must_use]
    pub(crate) fn reply(&self) -> Option<&Reply> {
        self.exchange.reply.as_ref()
    }

    /// The first 256 KiB of the body as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub(crate) fn text(&self) -> &str {
        self.text.get_or_init(|| {
            let body = self.reply().map_or(&[][..], |reply| &reply.body);
            match String::from_utf8_lossy(&body[..body.len().min(MAX_SEARCHED)]) {
                Cow::Borrowed(text) => text.to_owned(),
                Cow::Owned(text) => text,
            }
        })
    }

    /// The HTML title, white space folded.
    #[must_use]
    pub(crate) fn title(&self) -> Option<&str> {
        self.title
            .get_or_init(|| {
                let text = self.text();
                let start = find_ignoring_case(text, "<title")?;
                let open = start + text[start..].find('>')? + 1;
                let end = open + find_ignoring_case(&text[open..], "</title")?;
                Some(text[open..end].split_whitespace().collect::<Vec<_>>().join(" "))
            })
            .as_deref()
    }

    /// The body as JSON; of an event stream, the data of its first answer; of a truncated body, the part that came.
    #[must_use]
    pub(crate) fn json(&self) -> Option<&Value> {
        match self.shared_json() {
            Some(whole) => Some(whole),
            None => self.truncated().map(|truncated| &truncated.value),
        }
    }

    /// The body as JSON, if it ended before the JSON did: values that are not in it may have come later.
    ///
    /// The JSON decides, not the flag of the reply: not every source flags truncated bodies, and a body that lacks only its last line
    /// break is complete.
    #[must_use]
    pub(crate) fn truncated(&self) -> Option<&TruncatedJson> {
        self.truncated
            .get_or_init(|| {
                if self.shared_json().is_some() {
                    return None;
                }
                let body = &self.reply()?.body;
                let stream = self.is_event_stream();
                if !stream && !matches!(body.iter().find(|byte| !byte.is_ascii_whitespace()), Some(b'{' | b'[')) {
                    return None;
                }
                let text = beginning(body)?;
                if stream {
                    let last = Events::of(text.as_bytes()).unfinished();
                    last.and_then(|event| truncated_json::parse(&event.data))
                } else {
                    truncated_json::parse(text)
                }
            })
            .as_ref()
    }

    /// The complete body as JSON, shared with other replies of the same bytes.
    pub(crate) fn shared_json(&self) -> Option<&Arc<Value>> {
        self.json
            .get_or_init(|| {
                let reply = self.reply()?;
                if self.is_event_stream() {
                    return std::str::from_utf8(&reply.body).ok().and_then(first_json_event).map(Arc::new);
                }
                let first = reply.body.iter().copied().find(|byte| !byte.is_ascii_whitespace())?;
                // An HTML page is not parsed at all.
                if first == b'<' {
                    return None;
                }
                // One UTF-8 check of the text is faster than one per string.
                serde_json::from_str(std::str::from_utf8(&reply.body).ok()?).ok().map(Arc::new)
            })
            .as_ref()
    }

    /// Whether the content type is an event stream.
    #[must_use]
    pub(crate) fn is_event_stream(&self) -> bool {
        self.reply().is_some_and(|reply| headers::is_event_stream(&reply.headers))
    }

    /// The type of the body, judged by its content.
    #[must_use]
    pub(crate) fn body_type(&self) -> BodyType {
        let text = self.text();
        let trimmed = text.trim_start();
        if self.is_event_stream() {
            BodyType::EventStream
        } else if trimmed.is_empty() {
            BodyType::Empty
        } else if is_page(trimmed) {
            BodyType::Html
        } else if self.json().is_some() {
            BodyType::Json
        } else {
            BodyType::Text
        }
    }
}

fn is_page(text: &str) -> bool {
    let mut start = text.trim_start_matches('\u{feff}').trim_start();
    while let Some(rest) = start.strip_prefix("<!--") {
        start = rest.split_once("-->").map_or("", |(_, rest)| rest.trim_start());
    }
    let head: String = start.chars().take(15).collect::<String>().to_ascii_lowercase();
    ["<!doctype html", "<html", "<head", "<body", "<title", "<script", "<meta"]
        .iter()
        .any(|tag| head.starts_with(tag))
}

/// The text without a character that the cut split; `None`: it is not UTF-8.
fn beginning(body: &[u8]) -> Option<&str> {
    match std::str::from_utf8(body) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&body[..error.valid_up_to()]).ok(),
        Err(_) => None,
    }
}

/// The data of the first event that is a JSON-RPC answer (notifications may precede it), else of the first that is JSON. An event
/// without its final empty line counts if its JSON is complete.
fn first_json_event(text: &str) -> Option<Value> {
    let mut events = Events::of(text.as_bytes());
    let mut first = None;
    loop {
        let Some(event) = events.next().or_else(|| events.unfinished()) else {
            return first;
        };
        if let Ok(value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str::<Value>(&event.data) {
            if value.get("result").is_some() || value.get("error").is_some() {
                return Some(value);
            }
            first = first.or(Some(value));
        }
    }
}

/// Finds an ASCII word in any case; the offset is a character boundary because the word is ASCII.
fn find_ignoring_case(text: &str, word: &str) -> Option<usize> {
    let (text, word) = (text.as_bytes(), word.as_bytes());
    let first = word.first()?.to_ascii_lowercase();
    (0..text.len().checked_sub(word.len())? + 1)
        .find(|&at| text[at].to_ascii_lowercase() == first && text[at..at + word.len()].eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_model::{RequestLine, Timestamp};

    fn parsed(kind: &str, body: &str) -> ParsedReply {
        ParsedReply::new(Exchange {
            request: RequestLine {
                method: "GET".into(),
                path: "/".into(),
                headers: vec![],
                body: String::new(),
            },
            at: Timestamp::UNIX_EPOCH,
            micros: 0,
            reply: Some(Reply {
                status: 200,
                version: "HTTP/1.1".into(),
                headers: vec![("content-type".into(), kind.into())],
                body: body.as_bytes().to_vec(),
                truncated: false,
            }),
            failure: None,
        })
    }

    #[test]
    fn titles() {
        assert_eq!(
            parsed("text/html", "<html><TITLE lang=x> Open \n WebUI</Title>").title(),
            Some("Open WebUI")
        );
        assert_eq!(parsed("text/html", "<title>ü").title(), None);
        assert_eq!(parsed("text/html", "").title(), None);
    }

    #[test]
    fn bodies_are_judged_by_their_content() {
        assert_eq!(parsed("text/plain", "{\"a\":1}").body_type(), BodyType::Json);
        assert_eq!(parsed("application/json", "<!doctype html><p>").body_type(), BodyType::Html);
        assert_eq!(parsed("text/html", "pong").body_type(), BodyType::Text);
        assert_eq!(parsed("text/html", "").body_type(), BodyType::Empty);
    }

    #[test]
    fn a_truncated_body_is_parsed_as_far_as_it_goes() {
        let cut = parsed("application/json", "{\"models\":[{\"name\":\"ü\"},{\"name\":\"b");
        assert_eq!(cut.json(), Some(&serde_json::json!({"models": [{"name": "ü"}]})));
        assert_eq!(cut.body_type(), BodyType::Json);
        assert!(cut.truncated().is_some());
        assert!(parsed("application/json", "{\"models\":[]}").truncated().is_none());
        let mut through = parsed("application/json", "");
        if let Some(reply) = &mut through.exchange.reply {
            reply.body = "{\"a\":1,\"b\":\"ü".as_bytes()[..12].to_vec();
        }
        assert_eq!(
            through.json(),
            Some(&serde_json::json!({"a": 1})),
            "the cut went through a character"
        );
    }

    #[test]
    fn event_streams() {
        let stream = parsed(
            "text/event-stream; charset=utf-8",
            ": ping\n\nevent: message\ndata: {\"id\":1,\ndata: \"result\":{}}\n\n",
        );
        assert_eq!(stream.json().and_then(|v| v.get("id")), Some(&Value::from(1)));
        let announced = parsed(
            "text/event-stream",
            "data: {\"method\":\"notifications/x\"}\n\ndata: {\"id\":2,\"result\":{}}\n\n",
        );
        assert!(announced.json().is_some_and(|v| v.get("result").is_some()));
        let unfinished = parsed(
            "text/event-stream",
            ": ping\n\ndata: {\"id\":2,\"result\":{\"tools\":[{\"name\":\"a\"},{\"na",
        );
        assert_eq!(
            unfinished.json(),
            Some(&serde_json::json!({"id": 2, "result": {"tools": [{"name": "a"}]}}))
        );
        let endpoint = parsed("text/event-stream", "event: endpoint\ndata: /messages/?session_id=1\n\n");
        assert!(endpoint.json().is_none());
    }
}
