//! An HTTP client that returns every byte, including those that hyper would hide.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use vigie_fleet::{Fleet, Personality, Recorder, Recording, Recordings, Running, ServeOptions};

/// A reply as received.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) version: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// A fleet with short pauses, on loopback, on ports that the system chooses.
pub(crate) fn raise(personalities: Vec<Personality>, recorder: &Recorder) -> Running {
    let options = ServeOptions {
        drip: Duration::from_millis(2),
        longest: Duration::from_secs(20),
        ..ServeOptions::default()
    };
    Fleet::serve(personalities, recorder, options).expect("the fleet starts")
}

pub(crate) fn anywhere() -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)
}

pub(crate) fn recordings() -> &'static Recordings {
    Recordings::embedded().expect("the recordings read")
}

/// A recording with a reply to `GET /`.
pub(crate) fn plain() -> Arc<Recording> {
    let fits = |recording: &&Arc<Recording>| {
        recording.fixture().lines.iter().any(|line| {
            line.request.method == "GET"
                && line.request.path == "/"
                && line.reply.as_ref().is_some_and(|r| r.status == 200 && r.body.len() > 8)
        })
    };
    Arc::clone(recordings().iter().find(fits).expect("a recording answers GET /"))
}

pub(crate) fn connect(address: SocketAddrV4) -> TcpStream {
    let stream = TcpStream::connect(SocketAddr::V4(address)).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(15))).expect("a timeout is set");
    stream
}

pub(crate) fn send(stream: &mut TcpStream, method: &str, path: &str, body: &str) {
    let length = if body.is_empty() {
        String::new()
    } else {
        format!("content-length: {}\r\ncontent-type: application/json\r\n", body.len())
    };
    let request = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{length}\r\n{body}");
    stream.write_all(request.as_bytes()).expect("the request is sent");
}

/// Sends one request and reads to the end of the connection.
pub(crate) fn ask(address: SocketAddrV4, method: &str, path: &str, body: &str) -> Answer {
    let mut stream = connect(address);
    send(&mut stream, method, path, body);
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the answer ends");
    parse(&bytes)
}

/// Sends one request and reads `count` bytes of the body, because an event stream has no end.
pub(crate) fn ask_open(stream: &mut TcpStream, method: &str, path: &str, length: usize) -> Answer {
    send(stream, method, path, "");
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).expect("the stream goes on");
        assert!(count > 0, "the stream ended after {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&buffer[..count]);
        if bytes.windows(4).any(|window| window == b"\r\n\r\n") {
            let answer = parse(&bytes);
            if answer.body.len() >= length {
                return answer;
            }
        }
    }
}

/// Reads the next `count` bytes of an open stream, without the chunk framing.
pub(crate) fn next_of(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).expect("the stream goes on");
        assert!(count > 0, "the stream ended");
        bytes.extend_from_slice(&buffer[..count]);
        let said = dechunk(&bytes);
        if said.len() >= length {
            return said;
        }
    }
}

/// Parses a reply; a chunked body may be incomplete.
pub(crate) fn parse(bytes: &[u8]) -> Answer {
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(bytes)));
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let first = lines.next().expect("a status line");
    let (version, status) = first.split_once(' ').expect("a version and a status");
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(':').expect("a header"))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let mut body = bytes[end + 4..].to_vec();
    if headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value == "chunked")
    {
        body = dechunk(&body);
    }
    Answer {
        status: status[..3].parse().expect("a number"),
        version: version.to_owned(),
        headers,
        body,
    }
}

fn dechunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(line) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..line])
            .ok()
            .and_then(|text| usize::from_str_radix(text, 16).ok())
            .expect("a chunk's size");
        if size == 0 {
            break;
        }
        let chunk = &bytes[line + 2..];
        body.extend_from_slice(&chunk[..size.min(chunk.len())]);
        bytes = chunk.get(size + 2..).unwrap_or_default();
    }
    body
}
