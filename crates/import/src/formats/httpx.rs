//! httpx of ProjectDiscovery: JSON lines. Always with status, headers and title; with complete headers and body only by `-irr`.

use serde::Deserialize;
use vigie_model::{Certificate, Known};

use crate::endpoint::{address, host_name, split_url};
use crate::http;
use crate::json::{self, Raw};
use crate::out::Out;
use crate::raw::{Carries, Claim, RawObservation};
use crate::time;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    timestamp: Raw<'a>,
    #[serde(borrow, default)]
    url: Raw<'a>,
    /// The final URL of redirects, with `-fr`; then everything but address, port and time belongs to that page.
    #[serde(borrow, default, alias = "final-url")]
    final_url: Raw<'a>,
    #[serde(borrow, default)]
    port: Raw<'a>,
    #[serde(borrow, default)]
    host: Raw<'a>,
    #[serde(borrow, default)]
    host_ip: Raw<'a>,
    #[serde(borrow, default)]
    a: Raw<'a>,
    #[serde(borrow, default)]
    aaaa: Raw<'a>,
    #[serde(borrow, default)]
    scheme: Raw<'a>,
    #[serde(borrow, default)]
    method: Raw<'a>,
    #[serde(borrow, default)]
    path: Raw<'a>,
    #[serde(borrow, default, alias = "status-code")]
    status_code: Raw<'a>,
    #[serde(borrow, default)]
    title: Raw<'a>,
    #[serde(borrow, default)]
    webserver: Raw<'a>,
    #[serde(borrow, default, alias = "content-type")]
    content_type: Raw<'a>,
    #[serde(borrow, default)]
    location: Raw<'a>,
    #[serde(borrow, default, alias = "response-header")]
    raw_header: Raw<'a>,
    #[serde(borrow, default)]
    header: Raw<'a>,
    #[serde(borrow, default, alias = "response-body")]
    body: Raw<'a>,
    #[serde(borrow, default, alias = "technologies")]
    tech: Raw<'a>,
    #[serde(borrow, default)]
    failed: Raw<'a>,
    #[serde(borrow, default, alias = "tls-grab")]
    tls: Raw<'a>,
    #[serde(borrow, default)]
    asn: Raw<'a>,
}

#[derive(Deserialize)]
struct Tls<'a> {
    #[serde(borrow, default)]
    subject_dn: Raw<'a>,
    #[serde(borrow, default)]
    issuer_dn: Raw<'a>,
    #[serde(borrow, default)]
    subject_an: Raw<'a>,
    #[serde(borrow, default)]
    not_before: Raw<'a>,
    #[serde(borrow, default)]
    not_after: Raw<'a>,
    #[serde(borrow, default)]
    self_signed: Raw<'a>,
    #[serde(borrow, default)]
    fingerprint_hash: Raw<'a>,
}

#[derive(Deserialize)]
struct Asn<'a> {
    #[serde(borrow, default)]
    as_number: Raw<'a>,
    #[serde(borrow, default)]
    as_country: Raw<'a>,
    #[serde(borrow, default)]
    as_name: Raw<'a>,
}

pub(crate) fn parse(bytes: &[u8], out: &mut Out<'_>) -> Result<(), String> {
    let line: Line<'_> = json::read(bytes)?;
    match line.failed.word_of_any().as_deref().map(str::trim) {
        Some(word) if word.eq_ignore_ascii_case("true") => {
            out.not_open();
            return Ok(());
        }
        Some(word) if word.eq_ignore_ascii_case("false") => {}
        // A status means that the server answered.
        None | Some("") if line.status_code.is_some() => {}
        None | Some("") => return Err("it has neither a status nor a mark that the request failed".to_owned()),
        Some(other) => return Err(format!("failed is {other:?}, which is neither true nor false")),
    }
    let url = line.url.word().ok_or("it has no url")?;
    let (scheme, host, port, path) = split_url(&url).ok_or("its url is none of HTTP, or its port is none")?;
    let seen = line.timestamp.time_said(time::instant)?;
    // `host` was the address up to 1.6 and is the name if `host_ip` is beside it; `a` holds the addresses of the name.
    let first = |list: Raw<'_>| list.each().first().and_then(|raw| raw.word());
    // An invalid address makes the record bad.
    let stated = line.host_ip.said()?.filter(|text| !text.trim().is_empty());
    let stated = stated.map(|text| address(Some(text.trim_matches(['[', ']'])))).transpose()?;
    let places = [
        stated.map(|address| address.to_string()),
        line.host.word(),
        Some(host.to_owned()),
        first(line.a),
        first(line.aaaa),
    ];
    let found = places
        .into_iter()
        .flatten()
        .find(|text| text.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok());
    let address = address(found.as_deref().map(|text| text.trim_matches(['[', ']'])))?;
    let said = line.port.port_said()?;
    if let (Some(said), Some(port)) = (said, port)
        && said != port
    {
        return Err(format!("its port is {said} and that of its url is {port}"));
    }
    let port = said.or(port).ok_or("it has no port")?;
    let mut observed = RawObservation::at(address, port, seen, Carries::Replies);
    observed.name = host_name(Some(host.to_owned()));
    let scheme = line.scheme.word().unwrap_or_else(|| scheme.to_owned());
    observed.tls = match scheme.as_str() {
        "https" => Known::Known(true),
        "http" => Known::Known(false),
        _ => observed.tls,
    };
    let led_to = line.final_url.word();
    let last = led_to.as_deref().and_then(split_url);
    if led_to.is_some() && !last.is_some_and(|there| same_origin((scheme.as_str(), host, Some(port)), there)) {
        // The endpoint answered with a redirect, whose reply the line does not hold.
        out.add(observed);
        return Ok(());
    }
    let status = line
        .status_code
        .whole()
        .and_then(|status| u16::try_from(status).ok())
        .filter(|s| (100..600).contains(s));
    if let Some(status) = status {
        let mut reply = line
            .raw_header
            .text()
            .and_then(|raw| http::parse(raw.as_bytes()))
            .filter(|reply| reply.status == status)
            .unwrap_or_else(|| http::bare(status));
        if reply.headers.is_empty() {
            headers(&line, &mut reply);
        }
        reply.truncated = false;
        match line.body.text() {
            Some(body) => http::set_body(&mut reply, body.as_bytes()),
            None => http::without_body(&mut reply, line.title.text().as_deref()),
        }
        let path = match last {
            Some((_, _, _, path)) => path.to_owned(),
            None => line.path.word().unwrap_or_else(|| path.to_owned()),
        };
        let method = line
            .method
            .word()
            .filter(|method| method.len() <= 16)
            .unwrap_or_else(|| "GET".to_owned());
        observed
            .exchanges
            .push(http::asked(&method, &path, reply, seen.unwrap_or_default()));
    }
    observed.claims = line.tech.each().iter().filter_map(|raw| raw.word()).map(tech).collect();
    observed.certificate = line.tls.read().and_then(|tls| certificate(&tls));
    if let Some(asn) = line.asn.read::<Asn<'_>>() {
        observed.asn = asn
            .as_number
            .scalar()
            .and_then(|text| text.trim().trim_start_matches("AS").parse().ok());
        observed.country = asn.as_country.word();
        observed.organisation = asn.as_name.word();
    }
    out.add(observed);
    Ok(())
}

/// Whether a URL leads to the same endpoint under the same name.
fn same_origin(here: (&str, &str, Option<u16>), (scheme, host, port, _): (&str, &str, Option<u16>, &str)) -> bool {
    here.0 == scheme && here.1.eq_ignore_ascii_case(host) && here.2 == port
}

/// The headers of a line without the raw ones: its own map, whose names have `_` for `-`, else what it lists by itself.
fn headers(line: &Line<'_>, reply: &mut vigie_model::Reply) {
    for (key, value) in line.header.members() {
        if let Some(value) = value.text() {
            http::header(reply, &key.replace('_', "-"), &value);
        }
    }
    for (key, value) in [
        ("content-type", line.content_type),
        ("server", line.webserver),
        ("location", line.location),
    ] {
        if let Some(value) = value.word().filter(|_| reply.header(key).is_none()) {
            http::header(reply, key, &value);
        }
    }
}

/// A technology that httpx detected, `Name` or `Name:version`.
fn tech(text: String) -> Claim {
    let (product, version) = match text.split_once(':') {
        Some((product, version)) => (product.to_owned(), Some(version.to_owned())),
        None => (text, None),
    };
    Claim {
        product,
        version,
        place: "tech",
    }
}

fn certificate(tls: &Tls<'_>) -> Option<Certificate> {
    let members = tls.fingerprint_hash.members();
    let sha256 = members.iter().find(|(name, _)| name == "sha256")?.1.word()?;
    let instant = |raw: Raw<'_>| raw.text().and_then(|text| time::instant(&text));
    (sha256.len() == 64).then_some(())?;
    Some(Certificate {
        sha256: format!("sha256:{}", sha256.to_ascii_lowercase()),
        subject: tls.subject_dn.word()?,
        issuer: tls.issuer_dn.word()?,
        names: tls.subject_an.each().iter().filter_map(|raw| raw.word()).take(1_000).collect(),
        not_before: instant(tls.not_before),
        not_after: instant(tls.not_after),
        // Omitted if false.
        self_signed: tls.self_signed.flag().unwrap_or(false),
    })
}
