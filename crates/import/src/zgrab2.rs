//! zgrab2: JSON lines. Its `http` module (with `--use-https` too) carries the reply whole; other modules say that a port answered.

use serde::Deserialize;
use vigie_model::{Certificate, Exchange, Known, Timestamp};

use crate::http;
use crate::json::{self, Raw};
use crate::make::{Carries, Sight};
use crate::naabu::name;
use crate::out::{Out, address};
use crate::time;

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
    for (module, raw) in modules {
        let Some(scan) = raw.read::<Scan<'_>>() else {
            out.bad(&format!("the result of {module} is none"));
            continue;
        };
        let seen = scan.timestamp.text().and_then(|text| time::instant(&text));
        let outcome: Option<Outcome<'_>> = scan.result.read();
        let last = outcome.as_ref().and_then(|outcome| outcome.response.read::<Response<'_>>());
        let success = scan.status.text().as_deref() == Some("success");
        if !success && last.is_none() {
            out.not_open();
            continue;
        }
        let chain = outcome
            .as_ref()
            .map(|outcome| outcome.redirect_response_chain.each())
            .unwrap_or_default();
        let mut replies: Vec<Response<'_>> = chain.into_iter().take(16).filter_map(Raw::read).collect();
        replies.extend(last);
        let asked: Option<Request<'_>> = replies.first().and_then(|reply| reply.request.read());
        let url: Option<Url<'_>> = asked.as_ref().and_then(|request| request.url.read());
        let host = url.as_ref().and_then(|url| url.host.word());
        let scheme = url.as_ref().and_then(|url| url.scheme.word());
        let tls_log = asked.as_ref().map(|request| request.tls_log).unwrap_or_default();
        // Releases before 1.0 say the port in the URL only, and there not the scheme's own.
        let of_url = || {
            let (_, port) = host.as_deref()?.rsplit_once(':')?;
            port.parse::<u16>().ok().filter(|port| *port > 0)
        };
        let of_scheme = || match scheme.as_deref() {
            Some("http") => Some(80),
            Some("https") => Some(443),
            _ => None,
        };
        let Some(port) = scan.port.port().or_else(of_url).or_else(of_scheme) else {
            out.bad(&format!("the result of {module} says no port"));
            continue;
        };
        let mut sight = Sight::at(address, port, seen, Carries::Replies);
        sight.name = name(line.domain.word());
        sight.tls = match scheme.as_deref() {
            _ if tls_log.is_some() || module == "tls" => Known::Known(true),
            Some("https") => Known::Known(true),
            Some("http") => Known::Known(false),
            _ => sight.tls,
        };
        sight.certificate = certificate(tls_log);
        sight.exchanges = replies.iter().filter_map(|reply| exchange(reply, port, seen)).collect();
        out.sight(sight);
    }
    Ok(())
}

/// A reply with the request that it answers; `None` where a redirect led to another host.
fn exchange(response: &Response<'_>, port: u16, seen: Option<Timestamp>) -> Option<Exchange> {
    let status = response.status_code.whole().and_then(|status| u16::try_from(status).ok())?;
    let mut reply = http::bare(status);
    // A text since 1.0, an object with a name before.
    let version = response.protocol.word().or_else(|| {
        let members = response.protocol.members();
        members.iter().find(|(name, _)| name == "name")?.1.word()
    });
    reply.version = version
        .filter(|version| version.starts_with("HTTP/") && version.len() <= 8)
        .unwrap_or_default();
    for (key, values) in response.headers.members() {
        if key == "unknown" {
            for other in values.each() {
                let members = other.members();
                let find = |name: &str| members.iter().find(|(key, _)| key == name).map(|(_, raw)| *raw);
                if let Some(name) = find("key").and_then(Raw::word) {
                    let all = find("value").unwrap_or_default().each();
                    all.iter()
                        .filter_map(|raw| raw.text())
                        .for_each(|value| http::header(&mut reply, &name.replace('_', "-"), &value));
                }
            }
            continue;
        }
        for value in values.each().iter().filter_map(|raw| raw.text()) {
            http::header(&mut reply, &key.replace('_', "-"), &value);
        }
    }
    let body = response.body.text().unwrap_or_default();
    // The body is cut at `--max-size`; -1 stands for a length that the server did not say.
    reply.truncated = response.content_length.whole().is_some_and(|length| length > body.len() as u64);
    http::set_body(&mut reply, body.as_bytes());
    let request: Option<Request<'_>> = response.request.read();
    let url: Option<Url<'_>> = request.as_ref().and_then(|request| request.url.read());
    let there = url
        .as_ref()
        .and_then(|url| url.host.word())
        .and_then(|host| host.rsplit_once(':')?.1.parse::<u16>().ok());
    if there.is_some_and(|there| there != port) {
        return None;
    }
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
