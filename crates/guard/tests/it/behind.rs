//! A server behind the gateway that keeps every request as it arrived and answers as Ollama or llama.cpp would.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The server; it lives as long as the process.
#[derive(Clone)]
pub(crate) struct Behind {
    pub(crate) address: SocketAddr,
    arrived: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Behind {
    pub(crate) fn start(version: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let behind = Self {
            address: listener.local_addr().expect("an address"),
            arrived: Arc::default(),
        };
        let (arrived, version) = (Arc::clone(&behind.arrived), version.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (arrived, version) = (Arc::clone(&arrived), version.clone());
                std::thread::spawn(move || serve(stream, &arrived, &version));
            }
        });
        behind
    }

    /// What has arrived since the last call.
    pub(crate) fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.arrived.lock().expect("no thread panicked"))
    }
}

fn serve(mut stream: TcpStream, arrived: &Mutex<Vec<Vec<u8>>>, version: &str) {
    let mut bytes = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        while let Some(length) = whole(&bytes) {
            let request: Vec<u8> = bytes.drain(..length).collect();
            let first = String::from_utf8_lossy(request.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
            let reply = reply(&first, version);
            let asks_usage = memchr::memmem::find(&request, b"\"include_usage\":true").is_some();
            let streams = memchr::memmem::find(&request, b"\"stream\":true").is_some() && first.contains("/completions ");
            arrived.lock().expect("no thread panicked").push(request);
            let body = if first.starts_with("HEAD ") { "" } else { &reply };
            let answer = if streams {
                stream_of_events(asks_usage)
            } else {
                format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: behind\r\nContent-Length: {}\r\n\r\n{body}",
                    reply.len()
                )
            };
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
        match stream.read(&mut piece) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&piece[..count]),
            _ => {
                // What is left over is no request, and arrived all the same.
                if !bytes.is_empty() {
                    arrived.lock().expect("no thread panicked").push(bytes);
                }
                return;
            }
        }
    }
}

/// The length of the request at the front, read as forgivingly as can be.
fn whole(bytes: &[u8]) -> Option<usize> {
    let end = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length: usize = head
        .lines()
        .filter_map(|line| line.strip_prefix("content-length:"))
        .find_map(|value| value.trim().parse().ok())
        .unwrap_or(0);
    (bytes.len() >= end + length).then_some(end + length)
}

/// A stream as of a chat, with counters if they are asked for.
fn stream_of_events(asks_usage: bool) -> String {
    let mut stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n";
    for event in [text, if asks_usage { usage } else { "" }, "data: [DONE]\n\n"] {
        if !event.is_empty() {
            stream.push_str(&format!("{:x}\r\n{event}\r\n", event.len()));
        }
    }
    stream + "0\r\n\r\n"
}

fn reply(first: &str, version: &str) -> String {
    let path = first.split([' ', '?']).nth(1).unwrap_or_default();
    match path {
        "/api/version" => format!("{{\"version\":\"{version}\"}}"),
        "/api/tags" | "/api/ps" => {
            "{\"models\":[{\"name\":\"tiny:latest\",\"model\":\"tiny:latest\"},{\"name\":\"secret:latest\",\"model\":\"secret:latest\"}]}"
                .to_owned()
        }
        "/v1/models" | "/models" => "{\"object\":\"list\",\"data\":[{\"id\":\"tiny\"},{\"id\":\"secret\"}]}".to_owned(),
        _ => "{\"model\":\"tiny\",\"response\":\"a\",\"done\":true,\"prompt_eval_count\":1,\"eval_count\":1}".to_owned(),
    }
}
