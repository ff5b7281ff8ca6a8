//! How connections end: a client can tell the end of an answer from a connection that was cut.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::{ClientConnection, StreamOwned};
use vigie_guard::config::{Tls, files};

use super::stage::{Guarded, Played, SOON, chunk, chunked, version};

/// Ollama that ends a chat after one piece, wholly or in the middle.
fn ollama(is_whole: bool) -> Played {
    Played::start(move |got, stream| {
        if got.line.contains("/api/version") {
            return version(stream);
        }
        chunked(stream, "application/x-ndjson");
        chunk(stream, b"{\"message\":{\"content\":\"one\"}}\n");
        if is_whole {
            chunk(stream, b"{\"done\":true}\n");
            chunk(stream, b"");
        }
    })
}

fn guarded(played: &Played, is_plain: bool) -> Guarded {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    Guarded::configured(
        played.address,
        "ollama",
        |config| {
            config.listen.plain_http = is_plain;
            config.listen.tls = (!is_plain).then(|| {
                let dir = tempfile::tempdir().expect("a folder").keep();
                let tls = Tls {
                    certificate: dir.join(files::CERTIFICATE),
                    key: dir.join(files::CERTIFICATE_KEY),
                };
                std::fs::write(&tls.certificate, made.cert.pem()).expect("written");
                std::fs::write(&tls.key, made.signing_key.serialize_pem()).expect("written");
                tls
            });
        },
        1,
    )
}

fn connected(guarded: &Guarded) -> TcpStream {
    let stream = TcpStream::connect(guarded.gateway.address()).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("set");
    stream
}

/// A connection over TLS; whom it leads to is not what is tested here.
fn over_tls(guarded: &Guarded, protocol: &[u8]) -> StreamOwned<ClientConnection, TcpStream> {
    let text = std::fs::read_to_string(guarded.dir.path().join(files::CONFIG)).expect("read");
    let config = vigie_guard::config::Config::parse(&text).expect("it reads");
    let mut roots = rustls::RootCertStore::empty();
    let pem = std::fs::read(config.listen.tls.expect("TLS").certificate).expect("read");
    let certificate = rustls::pki_types::pem::PemObject::from_pem_slice(&pem).expect("a certificate");
    roots.add(certificate).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let client = ClientConnection::new(Arc::new(config), "localhost".try_into().expect("a name")).expect("a client");
    StreamOwned::new(client, connected(guarded))
}

fn chat(guarded: &Guarded, version: &str) -> Vec<u8> {
    let body = "{\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
    format!(
        "POST /api/chat HTTP/{version}\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        guarded.secret,
        body.len()
    )
    .into_bytes()
}

#[test]
fn a_tls_connection_ends_with_a_close_notify() {
    let played = ollama(true);
    let guarded = guarded(&played, false);
    for version in ["1.0", "1.1"] {
        let mut stream = over_tls(&guarded, b"http/1.1");
        stream.write_all(&chat(&guarded, version)).expect("sent");
        let mut answer = String::new();
        // Without a close_notify this is an error.
        stream.read_to_string(&mut answer).expect("the end of the connection is told");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"done\":true"), "{answer}");
    }
    // One whose request was refused unread.
    let mut stream = over_tls(&guarded, b"http/1.1");
    stream.write_all(b"GET  / HTTP/1.1\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the end of the connection is told");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    // HTTP/2, which ends with an error of the client: a PING of three bytes.
    let mut stream = over_tls(&guarded, b"h2");
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .expect("sent");
    stream.write_all(b"\0\0\x03\x06\0\0\0\0\0abc").expect("sent");
    let mut frames = Vec::new();
    stream.read_to_end(&mut frames).expect("the end of the connection is told");
    // A frame of the type GOAWAY.
    assert!(
        frames.windows(4).any(|bytes| bytes[..3] == [0, 0, 8] && bytes[3] == 7),
        "{frames:?}"
    );
}

#[test]
fn a_connection_that_waits_ends_with_a_close_notify_when_the_gateway_stops() {
    let played = ollama(true);
    let guarded = guarded(&played, false);
    let mut streams = [b"http/1.1".as_slice(), b"h2"].map(|protocol| over_tls(&guarded, protocol));
    streams[0].flush().expect("a handshake");
    streams[1]
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .expect("sent");
    let mut settings = [0; 9];
    streams[1].read_exact(&mut settings).expect("the gateway's settings");
    while streams[0].conn.is_handshaking() {
        let StreamOwned { conn, sock } = &mut streams[0];
        conn.complete_io(sock).expect("a handshake");
    }
    guarded.stop();
    for mut stream in streams {
        stream.read_to_end(&mut Vec::new()).expect("the end of the connection is told");
    }
}

#[test]
fn an_answer_that_breaks_off_is_not_taken_for_a_whole_one() {
    let played = ollama(false);
    for is_plain in [false, true] {
        let guarded = guarded(&played, is_plain);
        // The end of the connection is all that a client of HTTP/1.0 has.
        let mut answer = Vec::new();
        let read = if is_plain {
            let mut stream = connected(&guarded);
            stream.write_all(&chat(&guarded, "1.0")).expect("sent");
            stream.read_to_end(&mut answer)
        } else {
            let mut stream = over_tls(&guarded, b"http/1.1");
            stream.write_all(&chat(&guarded, "1.0")).expect("sent");
            stream.read_to_end(&mut answer)
        };
        let text = String::from_utf8_lossy(&answer);
        let kind = read.expect_err(&text).kind();
        assert!(
            matches!(kind, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset),
            "{kind}: {text}"
        );
    }
}
