//! A reply, looked at: its text, title and JSON are made once, when a rule first asks.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;

use serde_json::Value;
use vigie_model::{Exchange, Reply};

use crate::rule::BodyType;

/// The part of a body that rules search for text, in bytes.
const MAX_SEARCHED: usize = 256 * 1024;

/// An exchange with what rules ask of it.
#[derive(Debug)]
pub struct View {
    /// The exchange.
    pub exchange: Exchange,
    text: OnceCell<String>,
    title: OnceCell<Option<String>>,
    json: OnceCell<Option<Arc<Value>>>,
}

impl View {
    /// Wraps an exchange.
    #[must_use]
    pub fn new(exchange: Exchange) -> Self {
        Self {
            exchange,
            text: OnceCell::new(),
            title: OnceCell::new(),
            json: OnceCell::new(),
        }
    }

    /// Takes over the JSON of a reply of the same bytes.
    pub(crate) fn take_json(&self, json: Option<&Arc<Value>>) {
        let _ = self.json.set(json.cloned());
    }

    /// The reply, if one came.
    #[must_use]
    pub fn reply(&self) -> Option<&Reply> {
        self.exchange.reply.as_ref()
    }

    /// The body as text; bytes that are no UTF-8 are replaced, and what is past 256 KiB is left out.
    #[must_use]
    pub fn text(&self) -> &str {
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
    pub fn title(&self) -> Option<&str> {
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

    /// The body as JSON; of an event stream, the data of the first answer in it.
    #[must_use]
    pub fn json(&self) -> Option<&Value> {
        self.shared_json().map(Arc::as_ref)
    }

    /// The same, to be shared with other replies of the same bytes.
    pub(crate) fn shared_json(&self) -> Option<&Arc<Value>> {
        self.json
            .get_or_init(|| {
                let reply = self.reply()?;
                if self.is_event_stream() {
                    return std::str::from_utf8(&reply.body).ok().and_then(first_json_event).map(Arc::new);
                }
                let first = reply.body.iter().copied().find(|byte| !byte.is_ascii_whitespace())?;
                // A page is not worth the parser's time.
                if first == b'<' {
                    return None;
                }
                // Checking the text once is quicker than checking each string in it.
                serde_json::from_str(std::str::from_utf8(&reply.body).ok()?).ok().map(Arc::new)
            })
            .as_ref()
    }

    /// Whether the content type is an event stream.
    #[must_use]
    pub fn is_event_stream(&self) -> bool {
        self.reply()
            .and_then(|reply| reply.header("content-type"))
            .is_some_and(|kind| kind.starts_with("text/event-stream"))
    }

    /// What the body is.
    #[must_use]
    pub fn body_type(&self) -> BodyType {
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

/// The data of the first event that is a JSON-RPC answer, else of the first that is JSON: a server may announce things first.
fn first_json_event(text: &str) -> Option<Value> {
    let mut first = None;
    let mut data = String::new();
    for line in text.lines().chain(std::iter::once("")) {
        if let Some(rest) = line.strip_prefix("data:") {
            if !data.is_empty() {
                data.push('\n');
            }
            data.push_str(rest.strip_prefix(' ').unwrap_or(rest));
        } else if line.is_empty() && !data.is_empty() {
            if let Ok(value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str::<Value>(&data) {
                if value.get("result").is_some() || value.get("error").is_some() {
                    return Some(value);
                }
                first = first.or(Some(value));
            }
            data.clear();
        }
    }
    first
}

/// Finds an ASCII word whatever its case; the offset is on a character boundary since the word is ASCII.
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

    fn view(kind: &str, body: &str) -> View {
        View::new(Exchange {
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
            view("text/html", "<html><TITLE lang=x> Open \n WebUI</Title>").title(),
            Some("Open WebUI")
        );
        assert_eq!(view("text/html", "<title>ü").title(), None);
        assert_eq!(view("text/html", "").title(), None);
    }

    #[test]
    fn bodies_are_judged_by_themselves() {
        assert_eq!(view("text/plain", "{\"a\":1}").body_type(), BodyType::Json);
        assert_eq!(view("application/json", "<!doctype html><p>").body_type(), BodyType::Html);
        assert_eq!(view("text/html", "pong").body_type(), BodyType::Text);
        assert_eq!(view("text/html", "").body_type(), BodyType::Empty);
    }

    #[test]
    fn event_streams() {
        let stream = view(
            "text/event-stream; charset=utf-8",
            ": ping\n\nevent: message\ndata: {\"id\":1,\ndata: \"result\":{}}\n\n",
        );
        assert_eq!(stream.json().and_then(|v| v.get("id")), Some(&Value::from(1)));
        let announced = view(
            "text/event-stream",
            "data: {\"method\":\"notifications/x\"}\n\ndata: {\"id\":2,\"result\":{}}\n\n",
        );
        assert!(announced.json().is_some_and(|v| v.get("result").is_some()));
        let endpoint = view("text/event-stream", "event: endpoint\ndata: /messages/?session_id=1\n\n");
        assert!(endpoint.json().is_none());
    }
}
