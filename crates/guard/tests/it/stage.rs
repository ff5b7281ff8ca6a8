//! A gateway, a server behind it that is played, and clients.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use vigie_guard::Gateway;
use vigie_guard::config::{Admin, Config, files};
use vigie_guard::init::{Init, init, write_keys};
use vigie_guard::key::{Grant, Key, KeyFile, Pattern, Secret, StoredSecret};
use vigie_model::{Effect, EffectSet, Timestamp};

/// How long anything on loopback may take.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A request as a server gets it.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) line: String,
    /// Its header lines, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A server whose answers a test writes, byte by byte if it likes.
pub(crate) struct Played {
    pub(crate) address: SocketAddr,
    pub(crate) got: Arc<Mutex<Vec<Got>>>,
}

impl Played {
    /// A server that answers each request, one per connection.
    pub(crate) fn start(answer: impl Fn(&Got, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let (list, answer) = (Arc::clone(&got), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let (list, answer) = (Arc::clone(&list), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let Some(request) = read_request(&mut stream) else { return };
                    list.lock().expect("the list").push(request.clone());
                    answer(&request, &mut stream);
                });
            }
        });
        Self { address, got }
    }

    /// The bodies that came to a path.
    pub(crate) fn bodies(&self, path: &str) -> Vec<Value> {
        let got = self.got.lock().expect("the list");
        let on_path = got.iter().filter(|got| got.line.split(' ').nth(1) == Some(path));
        on_path.map(|got| serde_json::from_str(&got.body).expect("JSON")).collect()
    }
}

fn read_request(stream: &mut TcpStream) -> Option<Got> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let (mut length, mut head) = (0, String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        head.push_str(&header.to_ascii_lowercase());
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Got {
        line: line.trim().to_owned(),
        head,
        body: String::from_utf8(body).ok()?,
    })
}

/// The version that Ollama names.
pub(crate) fn version(stream: &mut TcpStream) {
    whole(stream, 200, "application/json", b"{\"version\":\"0.17.4\"}");
}

/// An answer with a length.
pub(crate) fn whole(stream: &mut TcpStream, status: u16, kind: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("written");
    stream.write_all(body).expect("written");
}

/// The head of an answer in chunks.
pub(crate) fn chunked(stream: &mut TcpStream, kind: &str) {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("written");
}

/// A chunk; an empty one is the last. `false`: the connection is closed.
pub(crate) fn chunk(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    let mut out = format!("{:x}\r\n", bytes.len()).into_bytes();
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
    stream.write_all(&out).is_ok()
}

/// A gateway with one key, in a folder of its own.
pub(crate) struct Guarded {
    pub(crate) dir: TempDir,
    pub(crate) gateway: Gateway,
    pub(crate) secret: String,
    /// The secrets of all keys.
    pub(crate) secrets: Vec<String>,
}

impl Guarded {
    /// A gateway in front of a server of that product.
    pub(crate) fn start(upstream: SocketAddr, product: &str) -> Self {
        Self::configured(upstream, product, |_| {}, 1)
    }

    /// A gateway with a configuration of its own and so many keys with secrets of their own.
    pub(crate) fn configured(upstream: SocketAddr, product: &str, change: impl FnOnce(&mut Config), keys: usize) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let mut config = init(
            dir.path(),
            &Init {
                upstream: format!("http://{upstream}"),
                product: product.to_owned(),
                version: (product == "ollama").then(|| "0.17.4".to_owned()),
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                plain_http: true,
                hosts: vec!["localhost".to_owned()],
            },
        )
        .expect("a folder of a gateway");
        config.admin = Some(Admin {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        });
        change(&mut config);
        write_config(&dir, &config);
        let secrets: Vec<Secret> = (0..keys).map(|_| Secret::generate().expect("random")).collect();
        let key = |(number, secret): (usize, &Secret)| Key {
            id: format!("key-{}", number + 1),
            name: "a name".to_owned(),
            secrets: vec![StoredSecret {
                hash: secret.hash(),
                until: None,
            }],
            certificates: Vec::new(),
            created: Timestamp::UNIX_EPOCH,
            expires: None,
            revoked: None,
            grant: Grant {
                effects: EffectSet::EMPTY.with(Effect::Infer),
                models: vec![Pattern::new("*")],
                ..Grant::default()
            },
        };
        let keys = KeyFile {
            keys: secrets.iter().enumerate().map(key).collect(),
            ..KeyFile::default()
        };
        write_keys(dir.path(), &keys).expect("written");
        let gateway = Gateway::start(dir.path()).unwrap_or_else(|error| panic!("{error}"));
        Self {
            dir,
            gateway,
            secret: secrets[0].expose().to_owned(),
            secrets: secrets.iter().map(|secret| secret.expose().to_owned()).collect(),
        }
    }

    /// Sends a request and returns its connection.
    pub(crate) fn send(&self, path: &str, body: &str) -> BufReader<TcpStream> {
        self.send_as(&self.secret, path, body)
    }

    /// Sends a request with one of the keys.
    pub(crate) fn send_as(&self, secret: &str, path: &str, body: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(self.gateway.address()).expect("a connection");
        stream.set_read_timeout(Some(SOON)).expect("set");
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            secret,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("sent");
        BufReader::new(stream)
    }

    /// Sends a request and reads the answer: its head, and its body without chunks.
    pub(crate) fn ask(&self, path: &str, body: &str) -> (String, Vec<u8>) {
        read_answer(&mut self.send(path, body))
    }

    /// Gets a path and reads the answer.
    pub(crate) fn get(&self, path: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.gateway.address()).expect("a connection");
        stream.set_read_timeout(Some(SOON)).expect("set");
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
            self.secret
        );
        stream.write_all(request.as_bytes()).expect("sent");
        read_answer(&mut BufReader::new(stream))
    }

    /// An answer of the address of metrics and health: its head and body.
    pub(crate) fn admin(&self, request: &str) -> (String, String) {
        let address = self.gateway.admin_address().expect("there is one");
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(SOON)).expect("set");
        stream.write_all(request.as_bytes()).expect("sent");
        let (head, body) = read_answer(&mut BufReader::new(stream));
        (head, String::from_utf8(body).expect("text"))
    }

    /// What `/metrics` or another path says.
    pub(crate) fn look(&self, path: &str) -> (String, String) {
        self.admin(&format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"))
    }

    /// Stops the gateway and returns what its log says of requests.
    pub(crate) fn stop(self) -> Vec<Value> {
        self.stop_and_list("request")
    }

    /// Stops the gateway and returns the lines of its log with that event.
    pub(crate) fn stop_and_list(self, event: &str) -> Vec<Value> {
        self.gateway.stop();
        let mut lines = Vec::new();
        for file in std::fs::read_dir(self.dir.path().join("log")).expect("a log") {
            let file = file.expect("an entry").path();
            if file.extension().is_some_and(|kind| kind == "jsonl") {
                let text = std::fs::read_to_string(file).expect("read");
                lines.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")));
            }
        }
        lines.retain(|line| line["unmapped"]["event"] == event);
        lines
    }
}

fn write_config(dir: &TempDir, config: &Config) {
    let text = toml::to_string(config).expect("it is written");
    std::fs::write(dir.path().join(files::CONFIG), text).expect("written");
}

/// Reads the head of an answer.
pub(crate) fn read_head(reader: &mut BufReader<TcpStream>) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).expect("a line") > 0, "{head}");
    }
    head
}

/// Reads a chunk; `None`: the last.
pub(crate) fn read_chunk(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut size = String::new();
    reader.read_line(&mut size).expect("a size");
    let size = usize::from_str_radix(size.trim(), 16).unwrap_or_else(|_| panic!("{size:?} is no size of a chunk"));
    let mut bytes = vec![0; size + 2];
    reader.read_exact(&mut bytes).expect("a chunk");
    bytes.truncate(size);
    (size > 0).then_some(bytes)
}

pub(crate) fn read_answer(reader: &mut BufReader<TcpStream>) -> (String, Vec<u8>) {
    let head = read_head(reader);
    let mut body = Vec::new();
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        while let Some(chunk) = read_chunk(reader) {
            body.extend_from_slice(&chunk);
        }
    } else {
        reader.read_to_end(&mut body).expect("the body");
    }
    (head, body)
}

/// Waits until something holds.
pub(crate) fn soon(what: &str, holds: impl Fn() -> bool) {
    let since = std::time::Instant::now();
    while !holds() {
        assert!(since.elapsed() < SOON, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What a server answers without a gateway.
pub(crate) fn direct(address: SocketAddr, path: &str, body: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("set");
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    read_answer(&mut BufReader::new(stream)).1
}
