//! Reads a reply's body: size limits, deadlines, event streams, compression.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use vigie_http::events::{Event, EventReader};
use vigie_model::Reply;

use crate::wire::PendingReply;

/// Size limit of a body in bytes, before and after decompression.
const MAX_BODY: usize = 1 << 20;
/// Size limit of all replies of one endpoint together, in bytes.
const MAX_ENDPOINT: usize = 4 << 20;
/// Bytes that an endpoint may send without a permit of [`LargeReplies`].
const FREE: usize = 64 << 10;
/// Number of endpoints that may send more than [`FREE`] at the same time.
const LARGE: usize = 8;
/// Bytes decompressed at a time.
const CHUNK: usize = 16 << 10;

/// Limits how many endpoints send large replies at the same time, so that many hostile servers cost as much memory as a few.
#[derive(Clone, Debug)]
pub struct LargeReplies(Arc<Semaphore>);

impl Default for LargeReplies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LARGE)))
    }
}

/// The bytes that one endpoint's replies may still use.
#[derive(Clone, Debug)]
pub(crate) struct Allowance(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    left: Cell<usize>,
    large: LargeReplies,
    permit: RefCell<Option<OwnedSemaphorePermit>>,
}

impl Allowance {
    pub(crate) fn new(large: &LargeReplies) -> Self {
        Self(Rc::new(Inner {
            left: Cell::new(MAX_ENDPOINT),
            large: large.clone(),
            permit: RefCell::new(None),
        }))
    }

    /// Returns how many of these bytes may be kept; waits for a permit if the endpoint needs one.
    async fn take(&self, wanted: usize, deadline: Instant) -> usize {
        let inner = &self.0;
        let left = inner.left.get();
        let spent = MAX_ENDPOINT - left;
        let mut granted = wanted.min(left);
        if spent + granted > FREE && inner.permit.borrow().is_none() {
            match timeout_at(deadline, Arc::clone(&inner.large.0).acquire_owned()).await {
                Ok(Ok(permit)) => *inner.permit.borrow_mut() = Some(permit),
                Ok(Err(_)) | Err(_) => granted = FREE.saturating_sub(spent),
            }
        }
        inner.left.set(left - granted);
        granted
    }
}

/// Where reading stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadUntil {
    /// At the end of the body.
    End,
    /// After the first event.
    Event,
    /// After the first event that is a JSON-RPC response.
    Answer,
}

/// How reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadEnd {
    /// The body ended.
    Complete,
    /// The awaited event arrived.
    Stopped,
    /// A limit, a deadline or an error came first.
    Cut,
}

/// The body was cut off or its framing is invalid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyError;

/// Reads a body up to its end, a limit or an event.
pub(crate) struct BodyReader {
    pub(crate) reply: PendingReply,
    allowance: Allowance,
    pub(crate) kept: BodyBuffer,
}

/// The bytes of a body, and the position up to which its events were parsed.
#[derive(Debug, Default)]
pub(crate) struct BodyBuffer {
    pub(crate) buffer: Vec<u8>,
    parsed: usize,
    /// Created when an event is awaited, and boxed: most bodies are not event streams, and a small buffer is cheap to move.
    events: Option<Box<EventReader>>,
}

impl BodyReader {
    pub(crate) fn new(reply: PendingReply, allowance: Allowance) -> Self {
        Self {
            reply,
            allowance,
            kept: BodyBuffer::default(),
        }
    }

    pub(crate) async fn read_until(&mut self, until: ReadUntil, deadline: Instant) -> ReadEnd {
        loop {
            if until != ReadUntil::End && self.kept.find_event(until) {
                return ReadEnd::Stopped;
            }
            match timeout_at(deadline, self.reply.next_chunk()).await {
                Err(_) | Ok(Some(Err(BodyError))) => return ReadEnd::Cut,
                Ok(None) => return ReadEnd::Complete,
                Ok(Some(Ok(data))) => {
                    let room = MAX_BODY.saturating_sub(self.kept.buffer.len()).min(data.len());
                    let kept = self.allowance.take(room, deadline).await;
                    self.kept.buffer.extend_from_slice(&data[..kept]);
                    if kept < data.len() {
                        return ReadEnd::Cut;
                    }
                }
            }
        }
    }
}

impl BodyBuffer {
    /// Parses events until the awaited one; returns whether it has arrived.
    fn find_event(&mut self, until: ReadUntil) -> bool {
        // The buffer holds at most MAX_BODY bytes, so an event is never longer.
        let events = self.events.get_or_insert_with(|| Box::new(EventReader::new(MAX_BODY)));
        let mut rest = &self.buffer[self.parsed..];
        let found = loop {
            match events.next(&mut rest) {
                None => break false,
                Some(Ok(event)) if until == ReadUntil::Event || is_answer(&event) => break true,
                Some(_) => {}
            }
        };
        self.parsed = self.buffer.len() - rest.len();
        found
    }

    /// Removes and returns the text up to the event that was found; the bytes after it stay.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let after = self.buffer.split_off(self.parsed);
        self.parsed = 0;
        std::mem::replace(&mut self.buffer, after)
    }
}

/// Whether an event is a JSON-RPC response.
fn is_answer(event: &Event) -> bool {
    serde_json::from_str::<serde_json::Value>(&event.data).is_ok_and(|value| value.get("result").is_some() || value.get("error").is_some())
}

/// Decompresses gzip and deflate up to the limit: a bomb costs a megabyte. Other codings are left as they are and marked as truncated.
pub(crate) async fn decode(reply: &mut Reply, allowance: &Allowance, deadline: Instant) {
    let coding = reply.header("content-encoding").map(str::trim).map(str::to_ascii_lowercase);
    let body = std::mem::take(&mut reply.body);
    let (out, whole) = match coding.as_deref() {
        None | Some("" | "identity") => {
            reply.body = body;
            return;
        }
        Some("gzip" | "x-gzip") => unpack(flate2::read::MultiGzDecoder::new(body.as_slice()), allowance, deadline).await,
        Some("deflate") => match unpack(flate2::read::ZlibDecoder::new(body.as_slice()), allowance, deadline).await {
            // Some servers send the raw format under this name.
            (out, false) if out.is_empty() => unpack(flate2::read::DeflateDecoder::new(body.as_slice()), allowance, deadline).await,
            done => done,
        },
        Some(_) => {
            reply.body = body;
            reply.truncated = true;
            return;
        }
    };
    reply.body = out;
    reply.truncated |= !whole;
}

async fn unpack(mut from: impl std::io::Read, allowance: &Allowance, deadline: Instant) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match from.by_ref().read(&mut chunk) {
            Ok(0) => return (out, true),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return (out, false),
            Ok(read) => {
                let room = MAX_BODY.saturating_sub(out.len()).min(read);
                let kept = allowance.take(room, deadline).await;
                out.extend_from_slice(&chunk[..kept]);
                if kept < read {
                    return (out, false);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(50)
    }

    #[tokio::test(flavor = "current_thread")]
    async fn replies_of_one_endpoint_are_limited_together() {
        let large = LargeReplies::default();
        let allowance = Allowance::new(&large);
        let mut kept = 0;
        for _ in 0..100 {
            kept += allowance.take(100_000, soon()).await;
        }
        assert_eq!(kept, MAX_ENDPOINT);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn only_some_endpoints_may_send_large_replies() {
        let large = LargeReplies::default();
        let first: Vec<Allowance> = (0..LARGE).map(|_| Allowance::new(&large)).collect();
        for allowance in &first {
            assert_eq!(allowance.take(MAX_BODY, soon()).await, MAX_BODY);
        }
        let late = Allowance::new(&large);
        assert_eq!(late.take(1_000, soon()).await, 1_000, "small replies need no permit");
        assert_eq!(
            late.take(MAX_BODY, soon()).await,
            FREE - 1_000,
            "without a permit, the free bytes only"
        );
        assert_eq!(late.take(1, soon()).await, 0);
        drop(first);
        assert_eq!(
            Allowance::new(&large).take(MAX_BODY, soon()).await,
            MAX_BODY,
            "a permit is released when its endpoint is done"
        );
    }

    #[test]
    fn bytes_after_an_event_are_kept_for_the_next() {
        let mut kept = BodyBuffer::default();
        kept.buffer
            .extend_from_slice(b": ping\n\nevent: endpoint\ndata: /m\n\ndata: {\"id\":1,\"res");
        assert!(kept.find_event(ReadUntil::Event));
        assert_eq!(kept.take(), b": ping\n\nevent: endpoint\ndata: /m\n\n");
        assert!(!kept.find_event(ReadUntil::Answer), "only a part has arrived");
        kept.buffer
            .extend_from_slice(b"ult\":{}}\r\n\r\ndata: {\"method\":\"x\"}\n\ndata: {\"id\":2,\"error\":{}}\n\n");
        assert!(kept.find_event(ReadUntil::Answer));
        assert_eq!(kept.take(), b"data: {\"id\":1,\"result\":{}}\r\n\r\n");
        assert!(kept.find_event(ReadUntil::Answer), "it arrived together with the previous event");
        assert_eq!(kept.take(), b"data: {\"method\":\"x\"}\n\ndata: {\"id\":2,\"error\":{}}\n\n");
        assert!(!kept.find_event(ReadUntil::Event));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_decompression_bomb_is_cut_at_the_limit() {
        use std::io::Write as _;
        let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..64 {
            bomb.write_all(&[0; MAX_BODY]).expect("memory takes it");
        }
        let mut reply = Reply {
            status: 200,
            version: "HTTP/1.1".into(),
            headers: vec![("content-encoding".into(), "gzip".into())],
            body: bomb.finish().expect("memory takes it"),
            truncated: false,
        };
        assert!(reply.body.len() < MAX_BODY / 8);
        decode(&mut reply, &Allowance::new(&LargeReplies::default()), soon()).await;
        assert_eq!((reply.body.len(), reply.truncated), (MAX_BODY, true));
    }
}
