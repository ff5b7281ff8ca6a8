//! A proxy that asks whether it may pass a request on. The proxies themselves are tried by `tests/guard/authorize.py`.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;
use tempfile::TempDir;
use vigie_guard::Gateway;
use vigie_guard::config::files;

use crate::stage::{Guarded, SOON, read_head};

/// A gateway whose connections are those of a proxy.
pub(crate) struct Asked {
    dir: TempDir,
    gateway: Gateway,
    pub(crate) key: String,
    pub(crate) secret: String,
}

/// Nothing listens there, and nothing is asked.
const NOBODY: ([u8; 4], u16) = ([127, 0, 0, 1], 9);

impl Asked {
    pub(crate) fn start(authorize: &str) -> Self {
        let Guarded { dir, gateway, secret, .. } = Guarded::start(SocketAddr::from(NOBODY), "llama-cpp");
        gateway.stop();
        let path = dir.path().join(files::CONFIG);
        let mut text = std::fs::read_to_string(&path).expect("a configuration");
        text.push_str(&format!("\n[authorize]\naddress = \"127.0.0.1:0\"\n{authorize}\n"));
        std::fs::write(&path, text).expect("written");
        let gateway = Gateway::authorize(dir.path(), None).unwrap_or_else(|error| panic!("{error}"));
        let proxy = std::fs::read_to_string(dir.path().join(files::PROXY_SECRET)).expect("a secret");
        Self {
            dir,
            gateway,
            key: secret,
            secret: proxy.trim().to_owned(),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// Asks about a request with the key, and returns the head of the answer.
    fn ask(&self, first: &str, lines: &[&str], body: &str) -> String {
        let mut stream = TcpStream::connect(self.gateway.address()).expect("a connection");
        stream.set_read_timeout(Some(SOON)).expect("set");
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let text = format!(
            "{first} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nx-vigie-proxy: {}\r\ncontent-length: {}\r\n\
             content-type: application/json\r\nconnection: close\r\n{lines}\r\n{body}",
            self.key,
            self.secret,
            body.len()
        );
        stream.write_all(text.as_bytes()).expect("sent");
        let mut reader = BufReader::new(stream);
        let head = read_head(&mut reader);
        reader.read_to_end(&mut Vec::new()).expect("the body");
        head
    }

    /// Stops, and returns the decisions of the log.
    pub(crate) fn stop(self) -> Vec<Value> {
        self.gateway.stop();
        let log = std::fs::read_dir(self.dir.path().join("log")).expect("a log");
        let files = log.map(|file| file.expect("an entry").path());
        let texts = files
            .filter(|file| file.extension().is_some_and(|kind| kind == "jsonl"))
            .map(|file| std::fs::read_to_string(file).expect("read"));
        let lines: Vec<String> = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        let lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines.filter(|line| line["unmapped"]["event"] == "decision").collect()
    }
}

#[test]
fn a_question_with_the_body_is_answered_and_logged() {
    let asked = Asked::start("proxy = \"envoy\"\nbody = true");
    let (first, client) = ("POST /authorize/v1/chat/completions", "x-real-ip: 192.0.2.7");
    let good = r#"{"model": "m", "messages": [{"role": "user", "content": "a"}]}"#;
    let head = asked.ask(first, &[client], good);
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.contains("x-vigie-key: key-1\r\n"),
        "{head}"
    );
    for (lines, body, status) in [
        (&[client][..], r#"{"model": "m", "model": "n", "messages": []}"#, 400),
        (&[client], r#"{"model": "m", "messages": [], "no_such_key": 1}"#, 403),
        (&[client, "x-envoy-auth-partial-body: true"], good, 413),
        (&[client, "x-original-uri: /health"], good, 400),
        (&[client, "x-vigie-proxy: again"], good, 400),
    ] {
        let head = asked.ask(first, lines, body);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{body} {lines:?}: {head}");
        assert!(!head.to_ascii_lowercase().contains("vigie"), "{head}");
    }
    let lines = asked.stop();
    assert_eq!(lines.len(), 6, "{lines:?}");
    assert_eq!(lines[0]["status_code"], "authorized");
    assert_eq!(lines[0]["http_request"]["url"]["path"], "/v1/chat/completions");
    assert_eq!(lines[0]["src_endpoint"], serde_json::json!({"ip": "192.0.2.7"}));
    assert_eq!(lines[0]["unmapped"]["proxy"], "envoy");
    assert_eq!(lines[0]["unmapped"]["prompt_tokens"], Value::Null, "nobody knows them");
}

#[test]
fn nginx_gets_the_statuses_that_it_understands() {
    let asked = Asked::start("proxy = \"nginx\"");
    let ask = |uri: &str, body: &str| {
        let lines = ["x-original-method: GET".to_owned(), format!("x-original-uri: {uri}")];
        asked.ask("GET /authorize", &lines.each_ref().map(String::as_str), body)
    };
    assert!(ask("/health", "").starts_with("HTTP/1.1 200 "));
    for (uri, body, status) in [("//health", "", 400), ("/no/such", "", 403), ("/health", "{}", 400)] {
        let head = ask(uri, body);
        assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
        assert!(head.contains(&format!("x-vigie-status: {status}\r\n")), "{head}");
    }
    assert_eq!(asked.stop().len(), 4);
}

#[test]
fn without_a_configuration_nothing_starts() {
    let Guarded { dir, gateway, .. } = Guarded::start(SocketAddr::from(NOBODY), "llama-cpp");
    gateway.stop();
    let error = Gateway::authorize(dir.path(), None).expect_err("there is no [authorize]");
    assert!(error.to_string().contains("[authorize]"), "{error}");
    for wrong in [
        "proxy = \"apache\"",
        "proxy = \"nginx\"\nbody = true",
        "proxy = \"envoy\"\naddress = \"0.0.0.0:0\"",
        "proxy = \"envoy\"\ntrusted = []",
    ] {
        let path = dir.path().join(files::CONFIG);
        let text = std::fs::read_to_string(&path).expect("a configuration");
        std::fs::write(&path, format!("{text}\n[authorize]\n{wrong}\n")).expect("written");
        assert!(Gateway::authorize(dir.path(), None).is_err(), "{wrong}");
        std::fs::write(&path, text).expect("written");
    }
}
