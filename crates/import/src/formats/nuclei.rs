//! nuclei of ProjectDiscovery: JSON lines (`-jsonl`) and the array of `-json-export`. A line is one match of a template: its name
//! gives the claimed product, and request and response, if included, the exchange.

use std::borrow::Cow;

use serde::Deserialize;
use vigie_http::events::Events;
use vigie_model::{Exchange, Known, Timestamp};

use crate::endpoint::{address, host_name, split_url};
use crate::http;
use crate::json::{self, Raw};
use crate::out::Out;
use crate::raw::{Carries, Claim, RawObservation, shorten};
use crate::time;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default, rename = "template-id", alias = "templateID")]
    template: Raw<'a>,
    #[serde(borrow, default)]
    info: Raw<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Raw<'a>,
    #[serde(borrow, default)]
    host: Raw<'a>,
    #[serde(borrow, default)]
    port: Raw<'a>,
    #[serde(borrow, default)]
    url: Raw<'a>,
    #[serde(borrow, default, rename = "matched-at", alias = "matched")]
    matched: Raw<'a>,
    #[serde(borrow, default)]
    ip: Raw<'a>,
    #[serde(borrow, default)]
    timestamp: Raw<'a>,
    #[serde(borrow, default, rename = "matcher-status")]
    status: Raw<'a>,
    #[serde(borrow, default, rename = "extractor-name", alias = "extractor_name")]
    extractor: Raw<'a>,
    #[serde(borrow, default, rename = "extracted-results", alias = "extracted_results")]
    extracted: Raw<'a>,
    #[serde(borrow, default)]
    request: Raw<'a>,
    #[serde(borrow, default)]
    response: Raw<'a>,
}

#[derive(Deserialize)]
struct Info<'a> {
    #[serde(borrow, default)]
    name: Raw<'a>,
    #[serde(borrow, default)]
    metadata: Raw<'a>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    product: Raw<'a>,
}

/// Endings of template names that describe the check, not the product.
const DEEDS: [&str; 14] = [
    "-detect",
    "-detection",
    "-server-detect",
    "-panel",
    "-exposed",
    "-exposure",
    "-unauth",
    "-version",
    "-api",
    "-server",
    "-api-detect",
    "-workflow",
    "-tech",
    "-info",
];

pub(crate) fn parse(bytes: &[u8], out: &mut Out<'_>) -> Result<(), String> {
    let line: Line<'_> = json::read(bytes)?;
    let kind = line.kind.word().unwrap_or_else(|| "http".to_owned());
    match kind.as_str() {
        "dns" => {
            out.not_tcp();
            return Ok(());
        }
        "file" | "whois" | "code" | "offline-http" | "workflow" => return Err(format!("a result of type {kind:?} is of no endpoint")),
        _ => {}
    }
    let matched = line.status.flag() != Some(false);
    let response = line.response.text();
    if !matched && response.is_none() {
        out.not_open();
        return Ok(());
    }
    let (place, elsewhere) = place(&line)?;
    let said = line.ip.said()?.filter(|text| !text.trim().is_empty());
    let address = match said {
        Some(text) => address(Some(text.trim_matches(['[', ']'])))?,
        None => address(Some(place.host.trim_matches(['[', ']'])))
            .map_err(|_| format!("it has no address, and {:?} is a name", shorten(&place.host, 100)))?,
    };
    let seen = line.timestamp.time_said(time::instant)?;
    let mut observed = RawObservation::at(address, place.port, seen, Carries::Replies);
    observed.name = host_name(Some(place.host.clone()));
    observed.tls = match place.scheme.as_str() {
        "https" => Known::Known(true),
        "http" => Known::Known(false),
        _ if kind == "ssl" => Known::Known(true),
        _ => observed.tls,
    };
    // What a redirect led to on another host is not this endpoint's.
    if !elsewhere {
        if matched {
            observed.claims = claims(&line);
        }
        let exchange = exchange(&line, &place.path, response.as_deref(), seen);
        let read = exchange.is_some();
        observed.exchanges.extend(exchange);
        observed
            .exchanges
            .extend(calls(&line, &place.path, (response.as_deref(), read), seen));
    }
    out.add(observed);
    Ok(())
}

/// The location of a match.
struct Place {
    scheme: String,
    host: String,
    port: u16,
    path: String,
}

impl Place {
    /// Of a URL, or of `host:port`; of a name alone, `None`.
    fn of(text: &str) -> Option<Self> {
        if let Some((scheme, host, port, path)) = split_url(text) {
            return Some(Self {
                scheme: scheme.to_owned(),
                host: host.to_owned(),
                port: port?,
                path: path.to_owned(),
            });
        }
        let text = text.split_once("://").map_or(text, |(_, rest)| rest);
        let (host, port) = text.split('/').next()?.rsplit_once(':')?;
        let host = (!host.is_empty() && (!host.contains(':') || host.ends_with(']'))).then_some(host)?;
        Some(Self {
            scheme: String::new(),
            host: host.to_owned(),
            port: port.parse().ok().filter(|port| *port > 0)?,
            path: "/".to_owned(),
        })
    }
}

/// The endpoint, and whether what matched came from another host: `matched-at` says where the reply came from, `url` and `host` what was given
/// to nuclei. The port beside them is 80 where it was not given, whatever port a template of another protocol asked.
fn place(line: &Line<'_>) -> Result<(Place, bool), String> {
    let number = line.port.port_said()?;
    let given = line.url.word().or_else(|| line.host.word());
    let base = given.as_deref().and_then(Place::of);
    let matched = line.matched.word();
    let at = matched.as_deref().and_then(Place::of);
    let bare = |text: &str| text.trim_matches(['[', ']']).to_ascii_lowercase();
    let host = line.host.word().filter(|host| !host.contains("://"));
    let asked = base.as_ref().map(|base| bare(&base.host)).or_else(|| {
        let host = host.as_deref()?;
        Some(bare(host.rsplit_once(':').map_or(host, |(name, port)| {
            if port.bytes().all(|byte| byte.is_ascii_digit()) {
                name
            } else {
                host
            }
        })))
    });
    match (at, base) {
        (Some(at), base) if asked.as_deref().is_none_or(|asked| asked == bare(&at.host)) => {
            let given = base.map(|base| base.scheme).unwrap_or_default();
            let scheme = if at.scheme.is_empty() { given } else { at.scheme.clone() };
            Ok((Place { scheme, ..at }, false))
        }
        (at, Some(base)) => {
            let port = number.unwrap_or(base.port);
            Ok((Place { port, ..base }, at.is_some()))
        }
        (at, None) => match (host, number) {
            (Some(host), Some(port)) => Ok((
                Place {
                    scheme: String::new(),
                    host,
                    port,
                    path: "/".to_owned(),
                },
                at.is_some(),
            )),
            (None, _) => Err("it has no host".to_owned()),
            (_, None) => Err("it has no port".to_owned()),
        },
    }
}

/// The claimed product of a template: from its metadata, its id, its title.
fn claims(line: &Line<'_>) -> Vec<Claim> {
    let info: Option<Info<'_>> = line.info.read();
    let stated = info
        .as_ref()
        .and_then(|info| info.metadata.read::<Metadata<'_>>())
        .and_then(|metadata| metadata.product.word());
    let template = line.template.word().map(|template| {
        let deed = DEEDS.iter().filter(|deed| template.ends_with(**deed)).max_by_key(|deed| deed.len());
        deed.map_or(template.clone(), |deed| template[..template.len() - deed.len()].to_owned())
    });
    let title = info
        .and_then(|info| info.name.word())
        .map(|title| title.split(" - ").next().unwrap_or_default().trim().to_owned());
    let version = version(line);
    let places = [(stated, "product"), (template, "template-id"), (title, "name")];
    places
        .into_iter()
        .filter_map(|(product, place)| {
            Some(Claim {
                product: product?,
                version: version.clone(),
                place,
            })
        })
        .collect()
}

/// The version: from an extractor of that name, else the only extracted text that looks like one.
fn version(line: &Line<'_>) -> Option<String> {
    let texts: Vec<String> = line.extracted.each().iter().filter_map(|raw| raw.word()).take(64).collect();
    let like = |text: &&String| {
        let rest = text.trim_start_matches(['v', 'b']);
        text.len() <= 64 && rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains('.') && !rest.contains([' ', '/', ':', '='])
    };
    match line.extractor.word() {
        Some(name) if name.to_ascii_lowercase().contains("version") => texts.first().cloned(),
        Some(_) => None,
        None => {
            let mut all = texts.iter().filter(like);
            let first = all.next()?;
            all.all(|other| other == first).then(|| first.clone())
        }
    }
}

/// The request and its reply, if the line has them.
fn exchange(line: &Line<'_>, path: &str, response: Option<&str>, seen: Option<Timestamp>) -> Option<Exchange> {
    let reply = http::parse(response?.as_bytes())?;
    let request = line.request.text().unwrap_or_default();
    let first = request.lines().next().unwrap_or_default();
    let mut words = first.split(' ');
    let method = words
        .next()
        .filter(|method| !method.is_empty() && method.len() <= 16)
        .unwrap_or("GET");
    let method = if method.bytes().all(|byte| byte.is_ascii_uppercase()) {
        method
    } else {
        "GET"
    };
    let path = words.next().filter(|path| path.starts_with('/')).unwrap_or(path);
    let mut exchange = http::asked(method, path, reply, seen.unwrap_or_default());
    exchange.request.body = shorten(body(&request).trim_end(), 64 * 1024);
    Some(exchange)
}

/// The body of a request.
fn body(request: &str) -> &str {
    let end = request.split_once("\r\n\r\n").or_else(|| request.split_once("\n\n"));
    end.map_or("", |(_, body)| body)
}

/// Answers of the Model Context Protocol that stand without a head: in what was extracted, or as a response of their own. Each is taken for the
/// answer to the call that gives such a result. The protocol sends one with status 200, and a refusal otherwise.
fn calls(line: &Line<'_>, path: &str, (response, read): (Option<&str>, bool), seen: Option<Timestamp>) -> Vec<Exchange> {
    let extracted: Vec<String> = line.extracted.each().iter().filter_map(|raw| raw.text()).take(64).collect();
    let response = response.filter(|_| !read);
    let mut methods: Vec<&str> = Vec::new();
    let mut all = Vec::new();
    for text in response.into_iter().chain(extracted.iter().map(String::as_str)) {
        let Some(method) = answered(text).filter(|method| !methods.contains(method)) else {
            continue;
        };
        // What was extracted of a reply that was read says nothing that it does not.
        let request = line.request.text().unwrap_or_default();
        if read && body(&request).contains(&format!("\"{method}\"")) {
            continue;
        }
        methods.push(method);
        let mut reply = http::bare(200);
        http::header(&mut reply, "content-type", "application/json");
        http::set_body(&mut reply, json_of(text).as_bytes());
        let mut exchange = http::asked("POST", path, reply, seen.unwrap_or_default());
        exchange.request.body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
        all.push(exchange);
    }
    all
}

/// The JSON of a text, which may be an event of a stream.
fn json_of(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if text.starts_with('{') {
        return Cow::Borrowed(text);
    }
    let mut events = Events::of(text.as_bytes());
    // The empty line at its end may have been cut off.
    let event = events.next().or_else(|| events.unfinished());
    Cow::Owned(event.map(|event| event.data).unwrap_or_default())
}

/// The call whose result a JSON-RPC answer is.
fn answered(text: &str) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow, default)]
        jsonrpc: Raw<'a>,
        #[serde(borrow, default)]
        result: Raw<'a>,
    }

    let text = json_of(text);
    let answer: Answer<'_> = json::read(text.as_bytes()).ok()?;
    (answer.jsonrpc.text()? == "2.0").then_some(())?;
    let members = answer.result.members();
    let has = |name: &str| members.iter().any(|(have, _)| have == name);
    if has("protocolVersion") && has("serverInfo") {
        Some("initialize")
    } else if has("tools") {
        Some("tools/list")
    } else {
        None
    }
}
