//! What those without a key get to see where a decoy is configured, and what pages of allowed origins get.

use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;

use vigie_guard::config::{Config, Decoy};

use crate::stage::{Guarded, Played, SOON, version, whole};

fn ollama() -> Played {
    Played::start(|got, stream| match got.line.starts_with("GET /api/version") {
        true => version(stream),
        false => whole(stream, 200, "application/json", b"{\"models\":[]}"),
    })
}

/// Sends a request as it is and returns the whole answer, without its date.
fn sent(guarded: &Guarded, request: &str) -> String {
    let mut stream = TcpStream::connect(guarded.gateway.address()).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("set");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    BufReader::new(stream).read_to_string(&mut answer).expect("an answer");
    answer
}

fn with_config(change: impl Fn(&mut Config)) -> Guarded {
    Guarded::configured(ollama().address, "ollama", change, 1)
}

#[test]
fn without_a_key_there_is_nothing_but_the_decoy() {
    let guarded = with_config(|config| {
        config.refusal.decoy = Some(Decoy {
            status: 404,
            content_type: "text/html".to_owned(),
            body: "<html>404 Not Found</html>".to_owned(),
            server: Some("nginx/1.22.1".to_owned()),
        });
    });
    let get = |path: &str, more: &str| {
        sent(
            &guarded,
            &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{more}\r\n"),
        )
    };
    let first = get("/", "");
    assert!(first.starts_with("HTTP/1.1 404 Not Found\r\n"), "{first}");
    assert!(
        first.contains("server: nginx/1.22.1\r\n") && first.ends_with("<html>404 Not Found</html>"),
        "{first}"
    );
    for (path, more) in [
        ("/api/tags", ""),
        ("/no/such/page", ""),
        ("/api/tags", "authorization: Bearer vigie_wrong\r\n"),
        ("/api/tags", "authorization: nonsense\r\n"),
        ("/api/tags", "x-api-key: a\r\napi-key: b\r\n"),
    ] {
        assert_eq!(get(path, more), first, "{path} {more}");
    }
    // A head that does not read is no way to tell the gateway either.
    let malformed = sent(&guarded, "GET / HTTP/1.1\nhost: localhost\n\n");
    assert!(!malformed.contains("error") && malformed.contains("<html>404"), "{malformed}");
    // Whoever has a key is told what is wrong.
    let refused = get("/no/such/page", &format!("authorization: Bearer {}\r\n", guarded.secret));
    assert!(refused.starts_with("HTTP/1.1 403") && !refused.contains("nginx"), "{refused}");
    guarded.gateway.stop();
}

#[test]
fn a_preflight_is_answered_for_allowed_origins_alone() {
    let guarded = with_config(|config| config.listen.origins = vec!["https://app.example".to_owned()]);
    let preflight = |origin: &str, path: &str| {
        sent(
            &guarded,
            &format!(
                "OPTIONS {path} HTTP/1.1\r\nhost: localhost\r\norigin: {origin}\r\nsec-fetch-site: cross-site\r\n\
                 access-control-request-method: POST\r\naccess-control-request-headers: authorization, content-type\r\n\
                 connection: close\r\n\r\n"
            ),
        )
    };
    let allowed = preflight("https://app.example", "/api/chat");
    assert!(allowed.starts_with("HTTP/1.1 204"), "{allowed}");
    assert!(
        allowed.contains("access-control-allow-origin: https://app.example\r\n"),
        "{allowed}"
    );
    assert!(
        allowed.contains("access-control-allow-headers: authorization, content-type\r\n"),
        "{allowed}"
    );
    assert_eq!(preflight("https://app.example", "/no/such/page"), allowed);
    for origin in [
        "https://evil.example",
        "null",
        "https://app.example.evil.example",
        "https://app.example:444",
    ] {
        let refused = preflight(origin, "/api/chat");
        assert!(
            refused.starts_with("HTTP/1.1 401") && !refused.contains("access-control"),
            "{origin}: {refused}"
        );
    }
    let tags = sent(
        &guarded,
        &format!(
            "GET /api/tags HTTP/1.1\r\nhost: localhost\r\norigin: https://app.example\r\nsec-fetch-site: cross-site\r\n\
             authorization: Bearer {}\r\nconnection: close\r\n\r\n",
            guarded.secret
        ),
    );
    assert!(
        tags.starts_with("HTTP/1.1 200") && tags.contains("access-control-allow-origin: https://app.example\r\n"),
        "{tags}"
    );
    guarded.gateway.stop();
}
