//! zgrab2: JSON lines. Its `http` module (with `--use-https` too) carries the complete reply; other modules show only that a port answered.

use std::net::IpAddr;

use serde::Deserialize;
use vigie_model::{Certificate, Exchange, Known, Timestamp};

use crate::endpoint::{address, host_name};
use crate::http;
use crate::json::{self, Raw};
use crate::out::Out;
use crate::raw::{Carries, RawObservation};
use crate::time;

/// The most redirects of one module that are read.
const MAX_REDIRECTS: usize = 16;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    ip: Raw<'a>,
    #[serde(borrow, default)]
    domain: Raw<'a>,
    #[serde(borrow, default)]
    data: Raw<'a>,
}

#[derive(Deserialize)]
struct Scan<'a> {
    #[serde(borrow, default)]
    status: Raw<'a>,
    /// The module, if the result has a name that the user chose.
    #[serde(borrow, default)]
    protocol: Raw<'a>,
    #[serde(borrow, default)]
    port: Raw<'a>,
    #[serde(borrow, default)]
    result: Raw<'a>,
    #[serde(borrow, default)]
    timestamp: Raw<'a>,
}

#[derive(Deserialize)]
struct Outcome<'a> {
    #[serde(borrow, default)]
    response: Raw<'a>,
    #[serde(borrow, default)]
    redirect_response_chain: Raw<'a>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    status_code: Raw<'a>,
    #[serde(borrow, default)]
    protocol: Raw<'a>,
    #[serde(borrow, default)]
    headers: Raw<'a>,
    #[serde(borrow, default)]
    body: Raw<'a>,
    #[serde(borrow, default)]
    content_length: Raw<'a>,
    #[serde(borrow, default)]
    request: Raw<'a>,
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow, default)]
    url: Raw<'a>,
    #[serde(borrow, default)]
    method: Raw<'a>,
    #[serde(borrow, default)]
    tls_log: Raw<'a>,
}

#[derive(Deserialize)]
struct Url<'a> {
    #[serde(borrow, default)]
    scheme: Raw<'a>,
    #[serde(borrow, default)]
    host: Raw<'a>,
    #[serde(borrow, default)]
    path: Raw<'a>,
}

#[derive(Deserialize)]
struct Parsed<'a> {
    #[serde(borrow, default)]
    subject_dn: Raw<'a>,
    #[serde(borrow, default)]
    issuer_dn: Raw<'a>,
    #[serde(borrow, default)]
    names: Raw<'a>,
    #[serde(borrow, default)]
    validity: Raw<'a>,
    #[serde(borrow, default)]
    signature: Raw<'a>,
    #[serde(borrow, default)]
    fingerprint_sha256: Raw<'a>,
}

pub(crate) fn parse(bytes: &[u8], out: &mut Out<'_>) -> Result<(), String> {
    let line: Line<'_> = json::read(bytes)?;
    let address = address(line.ip.word().as_deref())?;
    let modules = line.data.members();
    if modules.is_empty() {
        return Err("it holds no module's result".to_owned());
    }
    // With `multiple` a port has several results: they are of one endpoint.
    let mut sights: Vec<RawObservation> = Vec::new();
    for (module, raw) in modules {
        let Some(scan) = raw.read::<Scan<'_>>() else {
            out.bad(&format!("the result of {module} is none"));
            continue;
        };
        let protocol = scan.protocol.word().unwrap_or_else(|| module.clone());
        if matches!(protocol.as_str(), "ntp" | "bacnet") {
            out.not_tcp();
            continue;
        }
        let outcome: Option<Outcome<'_>> = scan.result.read();
        let last = outcome.as_ref().and_then(|outcome| outcome.response.read::<Response<'_>>());
        let status = scan.status.text().unwrap_or_default();
        // These errors follow a connection: the port is open and does not speak the module's protocol.
        let spoke = matches!(status.as_str(), "success" | "io-timeout" | "protocol-error" | "application-error");
        if !spoke && last.is_none() {
            out.not_open();
            continue;
        }
        let chain = outcome
            .as_ref()
            .map(|outcome| outcome.redirect_response_chain.each())
            .unwrap_or_default();
        let followed = chain.len();
        let mut replies: Vec<Response<'_>> = chain.into_iter().take(MAX_REDIRECTS).filter_map(Raw::read).collect();
        if replies.len() < followed {
            let lost = followed - replies.len();
            out.bad(&format!(
                "the result of {module}: {lost} of its redirects are left out, being none or too many"
            ));
        }
        replies.extend(last);
        match of_module(&scan, &protocol, address, &replies) {
            Ok(mut observed) => {
                observed.name = host_name(line.domain.word());
                match sights.iter_mut().find(|have| have.port == observed.port) {
                    Some(have) => join(have, observed),
                    None => sights.push(observed),
                }
            }
            Err(reason) => out.bad(&format!("the result of {module}: {reason}")),
        }
    }
    for observed in sights {
        out.add(observed);
    }
    Ok(())
}

/// The result of one module.
fn of_module(scan: &Scan<'_>, protocol: &str, address: IpAddr, replies: &[Response<'_>]) -> Result<RawObservation, String> {
    let seen = scan.timestamp.time_said(time::instant)?;
    let asked: Option<Request<'_>> = replies.first().and_then(|reply| reply.request.read());
    let first = asked.as_ref().and_then(|request| Origin::of(request.url));
    let tls_log = asked.as_ref().map(|request| request.tls_log).unwrap_or_default();
    // Releases before 1.0 have the port only in the URL.
    let of_url = first.as_ref().and_then(|origin| origin.port);
    let port = scan.port.port_said()?.or(of_url).ok_or("it has no port")?;
    let mut observed = RawObservation::at(address, port, seen, Carries::Replies);
    observed.tls = match first.as_ref().map(|origin| origin.scheme.as_str()) {
        _ if tls_log.is_some() || protocol == "tls" => Known::Known(true),
        Some("https") => Known::Known(true),
        Some("http") => Known::Known(false),
        _ => observed.tls,
    };
    observed.certificate = certificate(tls_log);
    if of_url.is_none_or(|of_url| of_url == port) {
        // The reply after a redirect elsewhere belongs to another endpoint.
        let own = replies.iter().filter(|reply| {
            let request: Option<Request<'_>> = reply.request.read();
            let there = request.and_then(|request| Origin::of(request.url));
            there.is_none() || first.is_none() || there == first
        });
        observed.exchanges = own.filter_map(|reply| exchange(reply, seen)).collect();
    }
    Ok(observed)
}

/// Adds the result of another module for the same port.
fn join(have: &mut RawObservation, more: RawObservation) {
    have.seen = match (have.seen, more.seen) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    have.certificate = have.certificate.take().or(more.certificate);
    match (have.tls.known(), more.tls.known()) {
        // A TLS port rejects plain requests: such a reply does not identify it.
        (Some(true), Some(false)) => {}
        (Some(false), Some(true)) => {
            have.tls = more.tls;
            have.exchanges = more.exchanges;
        }
        (told, _) => {
            if told.is_none() {
                have.tls = more.tls;
            }
            have.exchanges.extend(more.exchanges);
        }
    }
}

/// The endpoint of a URL.
#[derive(PartialEq)]
struct Origin {
    scheme: String,
    /// In lower case.
    host: String,
    port: Option<u16>,
}

impl Origin {
    /// `None`: the URL has no host.
    fn of(url: Raw<'_>) -> Option<Self> {
        let url: Url<'_> = url.read()?;
        let scheme = url.scheme.word().unwrap_or_default().to_ascii_lowercase();
        let authority = url.host.word()?.to_ascii_lowercase();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host.to_owned(), port.parse().ok().filter(|port| *port > 0)),
            _ => (
                authority,
                match scheme.as_str() {
                    "http" => Some(80),
                    "https" => Some(443),
                    _ => None,
                },
            ),
        };
        Some(Self { scheme, host, port })
    }
}

/// A reply with the request that it answers.
fn exchange(response: &Response<'_>, seen: Option<Timestamp>) -> Option<Exchange> {
    let status = response.status_code.whole().and_then(|status| u16::try_from(status).ok())?;
    // A text since 1.0, an object with a name before.
    let version = response.protocol.word().or_else(|| {
        let members = response.protocol.members();
        members.iter().find(|(name, _)| name == "name")?.1.word()
    });
    let headers = response.headers.members().into_iter().flat_map(|(name, values)| {
        if name == "unknown" {
            values.each().into_iter().filter_map(unknown_header).collect()
        } else {
            vec![(name, values)]
        }
    });
    let headers = headers.flat_map(|(name, values)| {
        let values = values.each().into_iter();
        values.filter_map(move |raw| Some((name.clone(), raw.text()?)))
    });
    let mut reply = http::head(status, version.as_deref(), headers);
    let body = response.body.text().unwrap_or_default();
    // The body is cut at `--max-size`; -1 stands for a length that the server did not say.
    reply.truncated = response.content_length.whole().is_some_and(|length| length > body.len() as u64);
    http::set_body(&mut reply, body.as_bytes());
    let request: Option<Request<'_>> = response.request.read();
    let url: Option<Url<'_>> = request.as_ref().and_then(|request| request.url.read());
    let path = url.and_then(|url| url.path.word()).unwrap_or_else(|| "/".to_owned());
    let method = request
        .and_then(|request| request.method.word())
        .filter(|method| method.len() <= 16);
    Some(http::asked(
        method.as_deref().unwrap_or("GET"),
        &path,
        reply,
        seen.unwrap_or_default(),
    ))
}

/// The name and the values of a header that zgrab2 does not know: `{"key": "x_name", "value": ["…"]}`.
fn unknown_header(raw: Raw<'_>) -> Option<(String, Raw<'_>)> {
    Some((member(raw, "key")?.word()?, member(raw, "value").unwrap_or_default()))
}

fn member<'a>(raw: Raw<'a>, key: &str) -> Option<Raw<'a>> {
    raw.members().into_iter().find(|(name, _)| name == key).map(|(_, raw)| raw)
}

fn certificate(tls_log: Raw<'_>) -> Option<Certificate> {
    let mut at = tls_log;
    for key in ["handshake_log", "server_certificates", "certificate", "parsed"] {
        at = member(at, key)?;
    }
    let parsed: Parsed<'_> = at.read()?;
    let instant = |key: &str| member(parsed.validity, key)?.text().and_then(|text| time::instant(&text));
    let sha256 = parsed.fingerprint_sha256.word().filter(|text| text.len() == 64)?;
    Some(Certificate {
        sha256: format!("sha256:{}", sha256.to_ascii_lowercase()),
        subject: parsed.subject_dn.word()?,
        issuer: parsed.issuer_dn.word()?,
        names: parsed.names.each().iter().filter_map(|raw| raw.word()).take(1_000).collect(),
        not_before: instant("start"),
        not_after: instant("end"),
        self_signed: member(parsed.signature, "self_signed")?.flag()?,
    })
}
