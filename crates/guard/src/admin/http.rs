//! The server of metrics and health.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::TcpStream;
use vigie_http::head::RequestHead;
use vigie_http::headers;

use super::families::{Now, families};
use super::text;
use crate::proxy::{Bounds, Flag, Gate, Patience, read_head, reason, write};

/// Connections at a time; more are closed.
const CONNECTIONS: usize = 32;
/// A monitor sends its request at once.
const BOUNDS: Bounds = Bounds {
    body: 0,
    head_time: Duration::from_secs(5),
    body_time: Duration::from_secs(5),
    idle: Duration::from_secs(5),
};

/// Serves until `until` is set.
pub(crate) fn run(listener: TcpListener, gate: &Arc<Gate>, until: &Flag) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return eprintln!("vigie: the thread for metrics cannot start: {error}"),
    };
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
            return eprintln!("vigie: the thread for metrics cannot listen");
        };
        let open = Rc::new(());
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = until.wait() => return,
            };
            match accepted {
                Ok((stream, _)) if Rc::strong_count(&open) <= CONNECTIONS => {
                    let (gate, open) = (gate.latest(), Rc::clone(&open));
                    tokio::task::spawn_local(async move {
                        serve(stream, &gate).await;
                        drop(open);
                    });
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    });
}

/// Answers one request.
async fn serve(mut stream: TcpStream, gate: &Gate) {
    let mut buffer = BytesMut::new();
    let (status, kind, body, is_head) = match read_head(&mut stream, &mut buffer, &BOUNDS, &mut Patience::new()).await {
        Ok(None) => return,
        Err(refusal) => (refusal.status(), "text/plain", String::new(), false),
        Ok(Some((head, _))) => {
            let (status, kind, body) = answer(&head, gate);
            (status, kind, body, head.method == "HEAD")
        }
    };
    let mut out = format!(
        "HTTP/1.1 {status} {}\r\ncontent-type: {kind}\r\ncache-control: no-store\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        reason(status),
        body.len()
    );
    if !is_head {
        out.push_str(&body);
    }
    write(&mut stream, out.as_bytes()).await;
}

fn answer(head: &RequestHead, gate: &Gate) -> (u16, &'static str, String) {
    let plain = |status, body: &str| (status, "text/plain; charset=utf-8", format!("{body}\n"));
    if !is_own(head, &gate.plan.config.listen.hosts) {
        return plain(403, "forbidden");
    }
    if !matches!(head.method.as_str(), "GET" | "HEAD") {
        return plain(405, "method not allowed");
    }
    match vigie_http::path::without_query(&head.target) {
        "/metrics" => (200, text::CONTENT_TYPE, text::text(&families(gate))),
        "/healthz" => plain(200, "ok"),
        "/readyz" => {
            let now = Now::of(gate);
            let mut missing = Vec::new();
            if now.log_broken {
                missing.push("the audit log cannot be written");
            }
            if !now.keys_current {
                missing.push("the key store cannot be read");
            }
            if !now.upstream_up {
                missing.push("the server behind does not answer");
            }
            if now.redis_up == Some(false) {
                missing.push("Redis, which has the counts of keys, does not answer");
            }
            if gate.is_stopping() {
                missing.push("the gateway stops");
            }
            if now.certificate_missing {
                missing.push("there is no certificate yet");
            }
            match missing.is_empty() {
                // What was before still holds, so the gateway goes on; but somebody should look.
                true if !now.config_current => plain(
                    200,
                    "ready\nwarning: guard.toml or a file that it names does not read; the one before holds",
                ),
                true => plain(200, "ready"),
                false => plain(503, &missing.join("\n")),
            }
        }
        _ => plain(404, "not found"),
    }
}

/// Whether no page of a stranger sends the request through its visitor's browser: the host is an address or a name of this machine, and
/// there is no other origin.
fn is_own(head: &RequestHead, hosts: &[String]) -> bool {
    let host = headers::first(&head.headers, "host").map(|host| name_of(host).to_ascii_lowercase());
    let is_own = host.is_none_or(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host == "localhost" || address.is_ok() || hosts.iter().any(|own| name_of(own).eq_ignore_ascii_case(&host))
    });
    let is_foreign = headers::first(&head.headers, "origin").is_some()
        || headers::all(&head.headers, "sec-fetch-site").any(|site| !matches!(site, "same-origin" | "none"));
    is_own && !is_foreign
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && host.parse::<IpAddr>().is_err() => name,
        _ => host,
    }
}

/// The address of the server, bound before the gateway starts.
pub(crate) fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
