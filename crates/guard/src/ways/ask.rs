//! Asks the candidates, and compares their answers with the server's.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use vigie_catalog::{Catalog, Product};
use vigie_host::LocalHost;
use vigie_http::body::{Body, Piece};
use vigie_http::head::ResponseReader;

use super::candidates::{Other, candidates};
use super::{Proof, Standing, Way};
use crate::config::UpstreamConfig;

/// How long a connection and an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest answer that is read.
const LONGEST: usize = 1 << 20;
/// An answer of fewer bytes than this does not tell one server from another.
const TELLING: usize = 20;

/// Status and body of an answer.
type Answer = (u16, Vec<u8>);

/// Looks once.
pub(super) async fn look(server: &UpstreamConfig, own: &[SocketAddr]) -> Standing {
    let mut standing = Standing {
        server: server.url.clone(),
        product: server.product.clone(),
        is_here: false,
        unread: None,
        ways: Vec::new(),
        unjudged: 0,
    };
    let Some((upstream, _)) = server.address() else {
        standing.unread = Some(format!("{} has a name, which leads where its network says", server.url));
        return standing;
    };
    let host = match LocalHost::inspect() {
        Ok(host) => host,
        Err(error) => {
            standing.unread = Some(error.to_string());
            return standing;
        }
    };
    let found = candidates(&host, upstream, own, std::process::id());
    standing.is_here = host.owns(upstream.ip());
    standing.ways = answering(found.own).await;
    let (published, others): (Vec<Other>, Vec<Other>) = found.others.into_iter().partition(|other| leads_to(other, upstream));
    for mut other in published {
        other.ways.iter_mut().for_each(|way| way.proof = Proof::Published);
        standing.ways.extend(other.ways);
    }
    let catalog = Catalog::embedded();
    if let Some(product) = catalog.product(&server.product).filter(|_| !others.is_empty()) {
        compare(&catalog, product, upstream, others, &mut standing).await;
    }
    standing.ways.sort();
    standing.ways.dedup();
    standing
}

/// The ways that take a connection. A wildcard, and an address that needs an interface, stand as the sockets have them.
async fn answering(ways: Vec<Way>) -> Vec<Way> {
    let mut asked = JoinSet::new();
    for way in ways {
        asked.spawn(async move {
            let ip = way.address.ip();
            let is_certain = ip.is_unspecified() || matches!(ip, std::net::IpAddr::V6(v6) if v6.is_unicast_link_local());
            let answers = is_certain || matches!(timeout(PATIENCE, TcpStream::connect(way.address)).await, Ok(Ok(_)));
            answers.then_some(way)
        });
    }
    asked.join_all().await.into_iter().flatten().collect()
}

/// Whether the process is a container's proxy whose command line names the server: `docker-proxy … -container-ip ADDR -container-port PORT`.
fn leads_to(other: &Other, upstream: SocketAddr) -> bool {
    let Some(words) = other.pid.and_then(|pid| std::fs::read(format!("/proc/{pid}/cmdline")).ok()) else {
        return false;
    };
    names(&words, upstream)
}

fn names(command: &[u8], upstream: SocketAddr) -> bool {
    let words: Vec<&[u8]> = command.split(|byte| *byte == 0).collect();
    let value = |option: &[u8]| {
        let at = words.iter().position(|word| *word == option)?;
        std::str::from_utf8(words.get(at + 1)?).ok()
    };
    let ip = value(b"-container-ip").and_then(|ip| ip.parse().ok());
    let port = value(b"-container-port").and_then(|port| port.parse().ok());
    ip == Some(upstream.ip()) && port == Some(upstream.port())
}

/// Asks the others for what names the product's version, or for its harmless path, and compares with what the server answers. The server
/// itself is asked only if another one may be it.
async fn compare(catalog: &Catalog, product: &Product, upstream: SocketAddr, others: Vec<Other>, standing: &mut Standing) {
    let looks = catalog.version_looks(product);
    let path = looks.first().map_or_else(|| product.harmless_path(), |look| look.path);
    let version = |(status, body): &Answer| looks.first().and_then(|look| look.version(*status, body));
    let mut asked = JoinSet::new();
    for other in others {
        let path = path.to_owned();
        asked.spawn(async move { (ask(other.ask, &path).await, other) });
    }
    let mut alike = Vec::new();
    for (answer, other) in asked.join_all().await {
        match answer {
            None => standing.unjudged += 1,
            Some(answer) => {
                let may_be = if looks.is_empty() {
                    answer.0 == 200 && answer.1.len() >= TELLING
                } else {
                    version(&answer).is_some()
                };
                alike.extend(may_be.then_some((answer, other)));
            }
        }
    }
    if alike.is_empty() {
        return;
    }
    let Some(behind) = ask(upstream, path).await else {
        // Without the server's own answer there is nothing to compare with.
        standing.unjudged += alike.len();
        return;
    };
    for (answer, other) in alike {
        let is_same = if looks.is_empty() {
            answer == behind
        } else {
            version(&answer) == version(&behind)
        };
        if is_same {
            standing.ways.extend(other.ways);
        }
    }
}

/// What an address answers to a GET request. `None`: no answer in HTTP.
async fn ask(address: SocketAddr, path: &str) -> Option<Answer> {
    timeout(PATIENCE, exchange(address, path)).await.ok().flatten()
}

async fn exchange(address: SocketAddr, path: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let (mut reader, mut buffer) = (ResponseReader::default(), BytesMut::new());
    let head = loop {
        if let Some(head) = reader.read(&mut buffer).ok()? {
            break head;
        }
        if stream.read_buf(&mut buffer).await.ok()? == 0 {
            return None;
        }
    };
    let mut body = Body::after(&head, "GET").ok()?;
    let mut content = Vec::new();
    while content.len() <= LONGEST {
        match body.next(&mut buffer).ok()? {
            Piece::End => break,
            Piece::Data(count) if count > 0 => content.extend_from_slice(&buffer.split_to(count)),
            Piece::Data(_) | Piece::More => match stream.read_buf(&mut buffer).await.ok()? {
                0 if body.may_close() => break,
                0 => return None,
                _ => {}
            },
        }
    }
    Some((head.status, content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_port_names_its_container() {
        let words = [
            "docker-proxy",
            "-host-ip",
            "0.0.0.0",
            "-host-port",
            "11434",
            "-container-ip",
            "172.17.0.2",
            "-container-port",
            "11434",
        ];
        let command = words.join("\0");
        let command = command.as_bytes();
        let at = |text: &str| text.parse().expect("an address");
        assert!(names(command, at("172.17.0.2:11434")));
        assert!(!names(command, at("172.17.0.3:11434")) && !names(command, at("172.17.0.2:8000")));
        assert!(!names(b"docker-proxy\0-container-ip", at("172.17.0.2:11434")));
    }
}
