//! Envoy's questions over gRPC, and callers that do not keep to it. A real Envoy asks in `tests/guard/authorize.py`.

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::SendRequest;
use http::Request;

use crate::authorize::Asked;
use crate::stage::SOON;

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
const HEALTH: &str = "/grpc.health.v1.Health/Check";
const GOOD: &str = r#"{"model": "m", "messages": [{"role": "user", "content": "a"}]}"#;

/// A field that holds bytes.
fn field(number: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    let mut out = vec![number << 3 | 2];
    let mut length = value.len();
    while length >= 0x80 {
        out.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).expect("seven bits"));
    out.extend_from_slice(value);
    out
}

/// A `CheckRequest` about a request, with more fields of `HttpRequest`.
fn question(method: &str, path: &str, headers: &[(&str, &str)], more: &[Vec<u8>]) -> Vec<u8> {
    let mut http = [field(2, method), field(4, path), field(5, "localhost")].concat();
    for (name, value) in headers {
        http.extend(field(3, [field(1, name), field(2, value)].concat()));
    }
    more.iter().for_each(|more| http.extend(more));
    let mut socket = field(2, "192.0.2.7");
    // Port 4000.
    socket.extend([0x18, 0xa0, 0x1f]);
    let source = field(1, field(1, socket));
    field(1, [field(1, source), field(4, field(2, http))].concat())
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    out.put_u8(0);
    out.put_u32(u32::try_from(message.len()).expect("short"));
    out.put_slice(message);
    out.to_vec()
}

/// The answer to a call.
#[derive(Debug)]
struct Answer {
    status: u16,
    grpc: Option<String>,
    body: Vec<u8>,
}

impl Answer {
    /// The text of its message; names and values stand in it as they are.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether its message has the status that lets a request pass: an empty `google.rpc.Status`.
    fn allows(&self) -> bool {
        self.grpc.as_deref() == Some("0") && self.body.get(5..7) == Some(&[0x0a, 0])
    }
}

struct Caller(SendRequest<Bytes>);

impl Caller {
    async fn connect(asked: &Asked) -> Self {
        let stream = tokio::net::TcpStream::connect(asked.address()).await.expect("a connection");
        let (sender, connection) = h2::client::handshake(stream).await.expect("a handshake");
        tokio::spawn(connection);
        Self(sender.ready().await.expect("ready"))
    }

    async fn call(&mut self, request: http::request::Builder, body: Vec<u8>) -> Answer {
        let (answer, mut sending) = self.0.send_request(request.body(()).expect("a request"), false).expect("sent");
        // A caller that is answered early need not have sent all.
        let _ = sending.send_data(body.into(), true);
        let (parts, mut received) = answer.await.expect("an answer").into_parts();
        let mut all = Vec::new();
        while let Some(piece) = received.data().await {
            let piece = piece.expect("a piece");
            received.flow_control().release_capacity(piece.len()).expect("released");
            all.extend_from_slice(&piece);
        }
        let trailers = received.trailers().await.expect("trailers").unwrap_or_default();
        let grpc = [&parts.headers, &trailers]
            .into_iter()
            .find_map(|headers| headers.get("grpc-status"));
        Answer {
            status: parts.status.as_u16(),
            grpc: grpc.map(|code| code.to_str().expect("digits").to_owned()),
            body: all,
        }
    }
}

fn post(path: &str, secret: &str) -> http::request::Builder {
    Request::post(format!("http://guard{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("x-vigie-proxy", secret)
}

fn block_on(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(SOON * 2, work).await.expect("it ends") });
}

#[test]
fn envoy_is_answered_over_grpc() {
    let asked = Asked::start("proxy = \"envoy\"\nbody = true");
    let bearer = format!("Bearer {}", asked.key);
    let two = format!("{bearer},{bearer}");
    let own = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("x-more", "1"),
    ];
    let chat = |headers: &[(&str, &str)], more: &[Vec<u8>]| question("POST", "/v1/chat/completions", headers, more);
    let raw = |text: &str| vec![field(12, text)];
    block_on(async {
        let mut caller = Caller::connect(&asked).await;
        let answer = caller.call(post(CHECK, &asked.secret), framed(&chat(&own, &raw(GOOD)))).await;
        assert!(answer.status == 200 && answer.allows(), "{answer:?}");
        let text = answer.text();
        assert!(
            text.contains("authorization") && text.contains("x-more") && text.contains("key-1"),
            "{text}"
        );
        assert!(!text.contains("content-type"), "{text}");
        // The same by the newer field, which has each line by itself.
        let line = |name: &str, value: &str| field(1, [field(1, name), field(3, value)].concat());
        let lines = |headers: &[(&str, &str)]| field(13, headers.iter().flat_map(|(name, value)| line(name, value)).collect::<Vec<u8>>());
        let answer = caller
            .call(post(CHECK, &asked.secret), framed(&chat(&[], &[lines(&own), field(12, GOOD)])))
            .await;
        assert!(answer.allows(), "{answer:?}");
        let partial = [&own[..], &[("x-envoy-auth-partial-body", "true")]].concat();
        let twice = [own[0], own[0], own[1]];
        for (headers, more, word) in [
            (&own[..], raw(r#"{"model": "m", "messages": [], "no_such": 1}"#), "forbidden"),
            (&own, raw(r#"{"model": "m", "model": "n", "messages": []}"#), "bad request"),
            (&own, vec![field(11, GOOD)], "bad request"),
            (&own, vec![], "forbidden"),
            (&own, vec![field(12, GOOD), field(8, "x")], "bad request"),
            (&partial, raw(GOOD), "request too large"),
            (&[("authorization", two.as_str()), own[1]], raw(GOOD), "unauthorized"),
            (&[], vec![lines(&twice), field(12, GOOD)], "unauthorized"),
            (&[own[1]], raw(GOOD), "unauthorized"),
            (&[own[0], own[1], ("x-original-uri", "/health")], raw(GOOD), "bad request"),
            (&[own[0], own[1], ("upgrade", "websocket")], raw(GOOD), "bad request"),
            (&[own[0], own[1], ("origin", "https://evil.example")], raw(GOOD), "forbidden"),
        ] {
            let answer = caller.call(post(CHECK, &asked.secret), framed(&chat(headers, &more))).await;
            assert_eq!((answer.status, answer.grpc.as_deref()), (200, Some("0")), "{answer:?}");
            assert!(!answer.allows() && answer.text().contains(word), "{word}: {headers:?} {answer:?}");
        }
        let many: Vec<(String, String)> = (0..200).map(|at| (format!("x-{at}"), String::new())).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = caller.call(post(CHECK, &asked.secret), framed(&chat(&many, &raw(GOOD)))).await;
        assert!(answer.text().contains("bad request"), "{answer:?}");
        let stranger = caller.call(post(CHECK, "another secret"), framed(&chat(&own, &raw(GOOD)))).await;
        assert!(
            stranger.grpc.as_deref() == Some("0") && stranger.text().contains("forbidden"),
            "{stranger:?}"
        );
    });
    let lines = asked.stop();
    assert_eq!(lines.len(), 16, "{lines:?}");
    assert_eq!(lines[0]["status_code"], "authorized");
    assert_eq!(lines[0]["http_request"]["url"]["path"], "/v1/chat/completions");
    assert_eq!(lines[0]["src_endpoint"], serde_json::json!({"ip": "192.0.2.7", "port": 4_000}));
    assert_eq!(lines[15]["status_code"], "stranger");
}

#[test]
fn a_call_that_is_none_gets_a_status() {
    let asked = Asked::start("proxy = \"envoy\"\nbody = true");
    let good = question("GET", "/health", &[], &[]);
    block_on(async {
        let mut caller = Caller::connect(&asked).await;
        let mut compressed = framed(&good);
        compressed[0] = 1;
        let short = framed(&good)[..20].to_vec();
        let two = [framed(&good), framed(&good)].concat();
        for (path, body, code) in [
            (CHECK, framed(b"\xff\xff"), "13"),
            (CHECK, framed(&field(1, [0x08])), "13"),
            (CHECK, short, "13"),
            (CHECK, vec![], "13"),
            (CHECK, compressed, "12"),
            (CHECK, two, "12"),
            ("/envoy.service.auth.v3.Authorization/Other", framed(&good), "12"),
            ("/envoy.service.auth.v2.Authorization/Check", framed(&good), "12"),
            ("/grpc.health.v1.Health/Watch", framed(&[]), "12"),
            (HEALTH, framed(&[]), "0"),
            (HEALTH, framed(&field(1, "no.such.Service")), "5"),
            (HEALTH, framed(&field(1, "x".repeat(4_000))), "8"),
        ] {
            let answer = caller.call(post(path, &asked.secret), body).await;
            assert_eq!((answer.status, answer.grpc.as_deref()), (200, Some(code)), "{path}: {answer:?}");
        }
        // A health check of Envoy's shows no secret.
        let health = Request::post(format!("http://guard{HEALTH}")).header("content-type", "application/grpc");
        let answer = caller.call(health, framed(&field(1, "envoy.service.auth.v3.Authorization"))).await;
        assert_eq!(answer.body, framed(&[0x08, 1]));
        let json = Request::post(format!("http://guard{CHECK}")).header("content-type", "application/json");
        assert_eq!(caller.call(json, b"{}".to_vec()).await.status, 415);
        let get = Request::get(format!("http://guard{CHECK}")).header("content-type", "application/grpc");
        assert_eq!(caller.call(get, vec![]).await.status, 405);
        // Longer than any: refused, so that nothing that is not judged passes.
        let long = framed(&question("POST", "/x", &[], &[field(12, vec![b'x'; 33 << 20])]));
        let answer = caller.call(post(CHECK, &asked.secret), long).await;
        assert!(
            answer.grpc.as_deref() == Some("0") && answer.text().contains("too large"),
            "{answer:?}"
        );
        // Still there.
        let answer = caller.call(post(HEALTH, ""), framed(&[])).await;
        assert_eq!(answer.body, framed(&[0x08, 1]));
    });
    let lines = asked.stop();
    assert_eq!(lines.len(), 12, "health is not logged: {lines:?}");
    assert!(lines.iter().all(|line| line["status_id"] == 2), "{lines:?}");
}

#[test]
fn other_proxies_do_not_ask_over_grpc() {
    let asked = Asked::start("proxy = \"nginx\"");
    block_on(async {
        let mut caller = Caller::connect(&asked).await;
        for path in [CHECK, HEALTH] {
            let answer = caller.call(post(path, &asked.secret), framed(&[])).await;
            assert_eq!((answer.status, answer.grpc), (403, None));
        }
    });
}
