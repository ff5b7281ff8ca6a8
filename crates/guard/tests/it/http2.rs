//! HTTP/2: the same answers as over HTTP/1.1, and clients that attack the connection.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;

use crate::stage::{Guarded, Played, SOON, chunk, chunked, soon, version, whole};

const CHAT: &str = r#"{"model":"tiny","messages":[{"role":"user","content":"hi"}]}"#;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Types of frames (RFC 9113, section 6).
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(SOON, work).await.expect("it ends") })
}

async fn connect(guarded: &Guarded) -> SendRequest<Bytes> {
    let stream = tokio::net::TcpStream::connect(guarded.gateway.address())
        .await
        .expect("a connection");
    let (sender, connection) = h2::client::handshake(stream).await.expect("a handshake");
    tokio::spawn(connection);
    sender.ready().await.expect("ready")
}

fn request(guarded: &Guarded, path: &str) -> http::request::Builder {
    Request::post(format!("http://localhost{path}"))
        .header("authorization", format!("Bearer {}", guarded.secret))
        .header("content-type", "application/json")
}

/// Sends a request and reads the whole answer.
async fn ask(sender: &mut SendRequest<Bytes>, request: Request<()>, body: &str) -> Result<(http::response::Parts, Vec<u8>), h2::Error> {
    let (answer, mut sending) = sender.send_request(request, false)?;
    sending.send_data(Bytes::copy_from_slice(body.as_bytes()), true)?;
    let (parts, mut received) = answer.await?.into_parts();
    let mut all = Vec::new();
    while let Some(piece) = received.data().await {
        let piece = piece?;
        received.flow_control().release_capacity(piece.len())?;
        all.extend_from_slice(&piece);
    }
    Ok((parts, all))
}

/// Ollama that answers a chat with one document.
fn ollama() -> Played {
    Played::start(|got, stream| match got.line.starts_with("GET /api/version") {
        true => version(stream),
        false => whole(stream, 200, "application/json", b"{\"done\":true}"),
    })
}

/// Ollama that answers a chat piece by piece, as the test says; an empty piece is the last. The flag is set when its client has gone.
fn streaming(pieces: mpsc::Receiver<&'static str>) -> (Played, Arc<AtomicBool>) {
    let (pieces, is_left) = (Mutex::new(pieces), Arc::new(AtomicBool::new(false)));
    let left = Arc::clone(&is_left);
    let played = Played::start(move |got, stream| {
        if got.line.starts_with("GET /api/version") {
            return version(stream);
        }
        chunked(stream, "application/x-ndjson");
        let pieces = pieces.lock().expect("the pieces");
        while let Ok(piece) = pieces.recv_timeout(SOON) {
            if !chunk(stream, piece.as_bytes()) {
                return left.store(true, Ordering::SeqCst);
            }
            if piece.is_empty() {
                return;
            }
        }
    });
    (played, is_left)
}

#[test]
fn a_chat_is_answered_as_over_http1() {
    let played = ollama();
    let guarded = Guarded::start(played.address, "ollama");
    let (head, body) = guarded.ask("/api/chat", CHAT);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    block_on(async {
        let mut sender = connect(&guarded).await;
        let chat = request(&guarded, "/api/chat").body(()).expect("a request");
        let (parts, over_http2) = ask(&mut sender, chat, CHAT).await.expect("an answer");
        assert_eq!(parts.status, 200);
        assert_eq!(over_http2, body);
        assert_eq!(parts.headers["content-length"], body.len().to_string().as_str());
        assert!(parts.headers.get("server").is_none());
        // A list without a body, and a HEAD.
        let tags = request(&guarded, "/api/tags").method("HEAD").body(()).expect("a request");
        let (answer, _) = sender.send_request(tags, true).expect("sent");
        let answer = answer.await.expect("an answer");
        assert!(answer.body().is_end_stream() || answer.status() == 200);
    });
    let chats = played.bodies("/api/chat");
    assert_eq!(chats.len(), 2);
    assert_eq!(chats[0], chats[1]);
    let lines = guarded.stop();
    assert!(lines.iter().all(|line| line["status_code"] == "answered"), "{lines:?}");
}

#[test]
fn a_stream_passes_piece_by_piece_and_a_second_request_beside_it() {
    let (piece, pieces) = mpsc::channel();
    let (played, _) = streaming(pieces);
    let guarded = Guarded::start(played.address, "ollama");
    block_on(async {
        let mut sender = connect(&guarded).await;
        let chat = request(&guarded, "/api/chat").body(()).expect("a request");
        let (answer, mut sending) = sender.send_request(chat, false).expect("sent");
        sending.send_data(Bytes::from_static(CHAT.as_bytes()), true).expect("sent");
        piece.send("{\"a\":1}\n").expect("the server waits");
        let mut received = answer.await.expect("an answer").into_body();
        let first = received.data().await.expect("a piece").expect("a piece");
        assert_eq!(&first[..], b"{\"a\":1}\n");
        // The first stream is open; a request that is refused does not wait for it.
        let refused = Request::get("http://localhost/api/tags").body(()).expect("a request");
        let (answer, _) = sender.send_request(refused, true).expect("sent");
        let answer = answer.await.expect("an answer");
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.headers()["www-authenticate"], "Bearer");
        piece.send("").expect("the server waits");
        while let Some(more) = received.data().await {
            more.expect("a piece");
        }
    });
    let lines = guarded.stop();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["status_code"], "answered");
}

#[test]
fn a_reset_ends_the_servers_work_and_a_broken_answer_is_reset() {
    let (piece, pieces) = mpsc::channel();
    let (played, is_left) = streaming(pieces);
    let guarded = Guarded::start(played.address, "ollama");
    block_on(async {
        let mut sender = connect(&guarded).await;
        let chat = request(&guarded, "/api/chat").body(()).expect("a request");
        let (answer, mut sending) = sender.send_request(chat, false).expect("sent");
        sending.send_data(Bytes::from_static(CHAT.as_bytes()), true).expect("sent");
        piece.send("{\"a\":1}\n").expect("the server waits");
        let mut received = answer.await.expect("an answer").into_body();
        received.data().await.expect("a piece").expect("a piece");
        sending.send_reset(h2::Reason::CANCEL);
        drop(received);
        tokio::time::sleep(Duration::from_millis(100)).await;
    });
    soon("the server's connection closes", || {
        piece.send("{\"a\":2}\n").expect("the server waits");
        is_left.load(Ordering::SeqCst)
    });
    let lines = guarded.stop();
    assert_eq!(lines[0]["status_code"], "aborted", "{lines:?}");

    let played = Played::start(|got, stream| {
        if got.line.starts_with("GET /api/version") {
            return version(stream);
        }
        chunked(stream, "application/x-ndjson");
        chunk(stream, b"{\"a\":1}\n");
        // It dies in the middle.
    });
    let guarded = Guarded::start(played.address, "ollama");
    let error = block_on(async {
        let mut sender = connect(&guarded).await;
        let chat = request(&guarded, "/api/chat").body(()).expect("a request");
        ask(&mut sender, chat, CHAT).await.expect_err("the answer has no end")
    });
    assert!(error.is_reset(), "{error}");
    let lines = guarded.stop();
    assert_eq!(lines[0]["status_code"], "failed", "{lines:?}");
}

#[test]
fn what_is_ambiguous_is_refused() {
    let played = ollama();
    let guarded = Guarded::start(played.address, "ollama");
    block_on(async {
        let mut sender = connect(&guarded).await;
        let chat = || request(&guarded, "/api/chat");
        let encoded = chat().header("content-encoding", "gzip");
        let two_keys = chat().header("x-api-key", "vigie_other");
        let two_lines = chat().header("authorization", format!("Bearer {}", guarded.secret));
        let foreign = request(&guarded, "/api/chat").uri("http://evil.example/api/chat");
        let other_host = chat().header("host", "evil.example");
        let slash = request(&guarded, "/api/chat").uri("http://localhost/api%2fchat");
        for (what, asked, status) in [
            ("an encoded body", encoded, 400),
            ("two credentials", two_keys, 401),
            ("two lines", two_lines, 401),
            ("a foreign authority", foreign, 403),
            ("an authority and another host", other_host, 400),
            ("an encoded slash", slash, 400),
        ] {
            let asked = asked.body(()).expect("a request");
            let (parts, _) = ask(&mut sender, asked, CHAT)
                .await
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(parts.status, status, "{what}");
        }
        // Nothing that HTTP/2 forbids reaches the exchange: the library answers with a reset.
        for name in ["connection", "transfer-encoding", "upgrade"] {
            let asked = chat().header(name, "chunked").body(()).expect("a request");
            assert!(ask(&mut sender, asked, CHAT).await.is_err(), "{name}");
            sender = connect(&guarded).await;
        }
    });
    assert!(played.bodies("/api/chat").is_empty(), "nothing arrived behind");
    guarded.stop();
}

#[test]
fn a_body_has_the_bounds_of_http1() {
    let played = ollama();
    let guarded = Guarded::start(played.address, "ollama");
    block_on(async {
        let mut sender = connect(&guarded).await;
        let large = request(&guarded, "/api/chat")
            .header("content-length", 33 << 20)
            .body(())
            .expect("a request");
        let (answer, _sending) = sender.send_request(large, false).expect("sent");
        assert_eq!(answer.await.expect("an answer").status(), 413);
    });
    guarded.stop();
}

/// A connection on which a test writes frames of its own.
struct Raw(TcpStream);

impl Raw {
    fn open(guarded: &Guarded) -> Self {
        let mut stream = TcpStream::connect(guarded.gateway.address()).expect("a connection");
        stream.set_read_timeout(Some(SOON)).expect("set");
        stream.write_all(PREFACE).expect("sent");
        let mut raw = Self(stream);
        assert!(raw.frame(SETTINGS, 0, 0, &[]));
        raw
    }

    /// Sends a frame; `false`: the connection is closed.
    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        let mut out = vec![length[1], length[2], length[3], kind, flags];
        out.extend_from_slice(&stream.to_be_bytes());
        out.extend_from_slice(payload);
        self.0.write_all(&out).is_ok()
    }

    /// Reads frames until the gateway closes; the code of its GOAWAY, if there was one.
    fn closed(&mut self) -> Option<u32> {
        let mut all = Vec::new();
        let mut piece = [0; 4096];
        // Closed in an orderly way or reset: either is an end.
        while let Ok(count) = self.0.read(&mut piece) {
            if count == 0 {
                break;
            }
            all.extend_from_slice(&piece[..count]);
            assert!(all.len() < 4 << 20, "the gateway does not close");
        }
        let mut rest = &all[..];
        while let [a, b, c, kind, _, _, _, _, _, payload @ ..] = rest {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            let Some((payload, after)) = payload.split_at_checked(length) else {
                break;
            };
            if *kind == GOAWAY {
                return Some(u32::from_be_bytes([payload[4], payload[5], payload[6], payload[7]]));
            }
            rest = after;
        }
        None
    }
}

/// A request in HPACK (RFC 7541): GET, http, /, and the authority `localhost` as a literal that is not indexed.
fn head_block() -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x84, 0x01, 9];
    block.extend_from_slice(b"localhost");
    block
}

/// Whether the gateway still answers somebody else.
fn still_serves(guarded: &Guarded) {
    let (head, _) = guarded.ask("/api/chat", CHAT);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
}

#[test]
fn a_rapid_reset_ends_its_connection() {
    let played = ollama();
    let guarded = Guarded::start(played.address, "ollama");
    let mut raw = Raw::open(&guarded);
    let mut went = 0;
    for number in 0..20_000_u32 {
        let stream = 2 * number + 1;
        if !raw.frame(HEADERS, 0x5, stream, &head_block()) || !raw.frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()) {
            break;
        }
        went += 1;
    }
    // ENHANCE_YOUR_CALM, unless the connection was reset before it could be read.
    let code = raw.closed();
    assert!(matches!(code, Some(11) | None), "{code:?}");
    assert!(went < 20_000 || code.is_some(), "the connection went on");
    still_serves(&guarded);
    guarded.stop();
}

#[test]
fn headers_without_an_end_are_bounded() {
    let played = ollama();
    let guarded = Guarded::start(played.address, "ollama");
    // CONTINUATION frames without an end (CVE-2024-27316 and its kind): small ones, empty ones, and one large header after another.
    for payload in [&[][..], &[0x40, 1, b'a', 1, b'b'], &[0; 16_000]] {
        let mut raw = Raw::open(&guarded);
        raw.frame(HEADERS, 0, 1, &head_block());
        let mut sent = 0;
        while sent < 64 << 20 && raw.frame(CONTINUATION, 0, 1, payload) {
            sent += payload.len() + 9;
        }
        assert!(sent < 64 << 20, "{} bytes each: the connection went on", payload.len());
    }
    // A header that is said once and named ten thousand times: 4 KB become 40 MB.
    let mut raw = Raw::open(&guarded);
    let mut block = head_block();
    block.extend_from_slice(&[0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
    block.extend_from_slice(&[b'y'; 4_000]);
    block.extend_from_slice(&vec![0xbe; 10_000]);
    raw.frame(HEADERS, 0x5, 1, &block);
    still_serves(&guarded);
    guarded.stop();
}

#[test]
fn pings_and_settings_without_reading_the_answers_are_bounded() {
    let played = ollama();
    let guarded = Guarded::start(played.address, "ollama");
    for (kind, payload) in [(PING, &[0; 8][..]), (SETTINGS, &[])] {
        let mut raw = Raw::open(&guarded);
        raw.0.set_write_timeout(Some(Duration::from_millis(500))).expect("set");
        // The gateway stops reading, or closes: its memory does not grow with what is sent.
        let mut sent = 0_usize;
        while sent < 256 << 20 && raw.frame(kind, 0, 0, payload) {
            sent += payload.len() + 9;
        }
        assert!(sent < 256 << 20, "frames of kind {kind} were taken without an end");
        still_serves(&guarded);
    }
    guarded.stop();
}
