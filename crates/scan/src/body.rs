//! Reading a reply's body: caps, deadlines, event streams, compression.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use vigie_http::events::{Event, EventReader};
use vigie_model::Reply;

use crate::wire::Receiving;

/// The most bytes of a body that are kept, before and after decompression.
const MAX_BODY: usize = 1 << 20;
/// The most bytes that the replies of one endpoint may hold together.
const MAX_ENDPOINT: usize = 4 << 20;
/// Up to here an endpoint needs nobody's leave.
const FREE: usize = 64 << 10;
/// Endpoints that may send more than that at once.
const LARGE: usize = 8;
/// Decompressed this much at a time.
const PIECE: usize = 16 << 10;

/// Who may send large replies: a network of hostile servers that all do costs as much memory as a few of them.
#[derive(Clone, Debug)]
pub struct LargeReplies(Arc<Semaphore>);

impl Default for LargeReplies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LARGE)))
    }
}

/// What one endpoint's replies may still take.
#[derive(Clone, Debug)]
pub(crate) struct Allowance(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    left: Cell<usize>,
    large: LargeReplies,
    leave: RefCell<Option<OwnedSemaphorePermit>>,
}

impl Allowance {
    pub(crate) fn new(large: &LargeReplies) -> Self {
        Self(Rc::new(Inner {
            left: Cell::new(MAX_ENDPOINT),
            large: large.clone(),
            leave: RefCell::new(None),
        }))
    }

    /// How many of these bytes may be kept; waits for leave where it takes one.
    async fn take(&self, wanted: usize, deadline: Instant) -> usize {
        let inner = &self.0;
        let left = inner.left.get();
        let spent = MAX_ENDPOINT - left;
        let mut granted = wanted.min(left);
        if spent + granted > FREE && inner.leave.borrow().is_none() {
            match timeout_at(deadline, Arc::clone(&inner.large.0).acquire_owned()).await {
                Ok(Ok(leave)) => *inner.leave.borrow_mut() = Some(leave),
                Ok(Err(_)) | Err(_) => granted = FREE.saturating_sub(spent),
            }
        }
        inner.left.set(left - granted);
        granted
    }
}

/// Where reading stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// At the end of the body.
    End,
    /// After the first event.
    Event,
    /// After the first event that is a JSON-RPC answer.
    Answer,
}

/// How reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    /// The body ended.
    Whole,
    /// What was waited for is there.
    Stopped,
    /// A cap, a deadline or an error came first.
    Cut,
}

/// A body that ended before its end, or whose frames are none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Broken;

/// A body on its way.
pub(crate) struct Reading {
    pub(crate) from: Receiving,
    allowance: Allowance,
    pub(crate) kept: Kept,
}

/// What is kept of a body, and up to where its events were read.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) buffer: Vec<u8>,
    read: usize,
    /// Made when an event is waited for: most bodies are no streams, and are moved about.
    events: Option<Box<EventReader>>,
}

impl Reading {
    pub(crate) fn new(from: Receiving, allowance: Allowance) -> Self {
        Self {
            from,
            allowance,
            kept: Kept::default(),
        }
    }

    pub(crate) async fn fill(&mut self, stop: Stop, deadline: Instant) -> Filled {
        loop {
            if stop != Stop::End && self.kept.reach(stop) {
                return Filled::Stopped;
            }
            match timeout_at(deadline, self.from.piece()).await {
                Err(_) | Ok(Some(Err(Broken))) => return Filled::Cut,
                Ok(None) => return Filled::Whole,
                Ok(Some(Ok(data))) => {
                    let room = MAX_BODY.saturating_sub(self.kept.buffer.len()).min(data.len());
                    let kept = self.allowance.take(room, deadline).await;
                    self.kept.buffer.extend_from_slice(&data[..kept]);
                    if kept < data.len() {
                        return Filled::Cut;
                    }
                }
            }
        }
    }
}

impl Kept {
    /// Reads events on, up to one that is waited for; whether it has come.
    fn reach(&mut self, stop: Stop) -> bool {
        // What is not kept is not read either.
        let events = self.events.get_or_insert_with(|| Box::new(EventReader::new(MAX_BODY)));
        let mut rest = &self.buffer[self.read..];
        let found = loop {
            match events.next(&mut rest) {
                None => break false,
                Some(Ok(event)) if stop == Stop::Event || is_answer(&event) => break true,
                Some(_) => {}
            }
        };
        self.read = self.buffer.len() - rest.len();
        found
    }

    /// Takes the text up to the event that was reached away; what came after it stays.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let after = self.buffer.split_off(self.read);
        self.read = 0;
        std::mem::replace(&mut self.buffer, after)
    }
}

/// Whether an event is a JSON-RPC answer.
fn is_answer(event: &Event) -> bool {
    serde_json::from_str::<serde_json::Value>(&event.data).is_ok_and(|value| value.get("result").is_some() || value.get("error").is_some())
}

/// Undoes gzip and deflate up to the cap: a bomb costs a megabyte. Other codings are left as they are and marked as cut.
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
    let mut piece = vec![0; PIECE];
    loop {
        match from.by_ref().read(&mut piece) {
            Ok(0) => return (out, true),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return (out, false),
            Ok(read) => {
                let room = MAX_BODY.saturating_sub(out.len()).min(read);
                let kept = allowance.take(room, deadline).await;
                out.extend_from_slice(&piece[..kept]);
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
    async fn an_endpoint_has_its_cap() {
        let large = LargeReplies::default();
        let allowance = Allowance::new(&large);
        let mut kept = 0;
        for _ in 0..100 {
            kept += allowance.take(100_000, soon()).await;
        }
        assert_eq!(kept, MAX_ENDPOINT);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn many_that_send_much_get_a_little_each() {
        let large = LargeReplies::default();
        let first: Vec<Allowance> = (0..LARGE).map(|_| Allowance::new(&large)).collect();
        for allowance in &first {
            assert_eq!(allowance.take(MAX_BODY, soon()).await, MAX_BODY);
        }
        let late = Allowance::new(&large);
        assert_eq!(late.take(1_000, soon()).await, 1_000, "small replies wait for nobody");
        assert_eq!(
            late.take(MAX_BODY, soon()).await,
            FREE - 1_000,
            "what is free, once the wait is over"
        );
        assert_eq!(late.take(1, soon()).await, 0);
        drop(first);
        assert_eq!(
            Allowance::new(&large).take(MAX_BODY, soon()).await,
            MAX_BODY,
            "leave comes back with its holder's end"
        );
    }

    #[test]
    fn what_comes_with_an_event_is_kept_for_the_next() {
        let mut kept = Kept::default();
        kept.buffer
            .extend_from_slice(b": ping\n\nevent: endpoint\ndata: /m\n\ndata: {\"id\":1,\"res");
        assert!(kept.reach(Stop::Event));
        assert_eq!(kept.take(), b": ping\n\nevent: endpoint\ndata: /m\n\n");
        assert!(!kept.reach(Stop::Answer), "it has not come whole");
        kept.buffer
            .extend_from_slice(b"ult\":{}}\r\n\r\ndata: {\"method\":\"x\"}\n\ndata: {\"id\":2,\"error\":{}}\n\n");
        assert!(kept.reach(Stop::Answer));
        assert_eq!(kept.take(), b"data: {\"id\":1,\"result\":{}}\r\n\r\n");
        assert!(kept.reach(Stop::Answer), "it came with the one before");
        assert_eq!(kept.take(), b"data: {\"method\":\"x\"}\n\ndata: {\"id\":2,\"error\":{}}\n\n");
        assert!(!kept.reach(Stop::Event));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_bomb_costs_what_an_endpoint_may_cost() {
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
