//! nmap: `-oX`. Ports, what service detection says of them, and of the replies it got those to its GET requests; the scripts
//! http-title, http-headers and http-server-header.

use vigie_model::{Exchange, Known, Reply, Timestamp, Why};

use crate::http;
use crate::make::{Carries, Claim, Sight, many_services};
use crate::naabu::name;
use crate::out::{Out, address};
use crate::{time, xml};

/// The paths that nmap's probes ask for.
const PROBES: [(&str, &str); 2] = [("GetRequest", "/"), ("FourOhFourRequest", "/nice%20ports%2C/Tri%6Eity.txt%2ebak")];

/// What stands under one `<port>`.
#[derive(Default)]
struct Port {
    number: Option<u16>,
    tcp: bool,
    open: bool,
    service: Option<Service>,
    title: Option<String>,
    headers: Option<String>,
    server: Option<String>,
}

#[derive(Default)]
struct Service {
    name: String,
    product: Option<String>,
    version: Option<String>,
    ssl: bool,
    /// Found by its replies, not by the number of its port.
    probed: bool,
    replies: Vec<(&'static str, Reply)>,
}

pub(crate) fn parse(bytes: &[u8], out: &mut Out<'_>) -> Result<(), String> {
    let run = |name: &str| out.head.run.iter().find(|(have, _)| have == name).map(|(_, value)| value.clone());
    let version = run("version").unwrap_or_default();
    let started = time::said(run("start").as_deref(), time::either)?;
    let (mut up, mut host, mut reached, mut at) = (true, None, None, None);
    let mut ports: Vec<Port> = Vec::new();
    for tag in xml::tags(bytes).filter(|tag| !tag.closing) {
        let get = |name: &str| tag.get(name).map(|value| value.into_owned());
        match tag.name {
            b"host" => at = time::said(get("endtime").or_else(|| get("starttime")).as_deref(), time::either)?,
            b"status" => up = get("state").is_none_or(|state| state != "down"),
            // A MAC address is an address too.
            b"address" if get("addrtype").is_none_or(|kind| kind != "mac") => host = host.or_else(|| get("addr")),
            // The name it was scanned by; a name found by reverse look-up is none that was asked for.
            b"hostname" if get("type").as_deref() == Some("user") => reached = reached.or_else(|| name(get("name"))),
            b"port" => ports.push(Port {
                number: get("portid").and_then(|text| text.parse().ok()).filter(|port| *port > 0),
                tcp: get("protocol").as_deref() == Some("tcp"),
                ..Port::default()
            }),
            _ => {
                if let Some(port) = ports.last_mut() {
                    within(port, tag.name, &get);
                }
            }
        }
    }
    if !up {
        out.not_open();
        return Ok(());
    }
    let address = address(host.as_deref())?;
    let at = at.or(started);
    let open = ports.iter().filter(|port| port.tcp && port.open).count();
    for port in ports {
        let Some(number) = port.number else {
            out.bad("one of its ports has no number");
            continue;
        };
        if !port.tcp {
            out.not_tcp();
        } else if !port.open {
            out.not_open();
        } else {
            let mut sight = sight(&port, Sight::at(address, number, at, Carries::Port), at);
            sight.name.clone_from(&reached);
            sight.version.clone_from(&version);
            sight.tells.extend(many_services(open));
            out.sight(sight);
        }
    }
    Ok(())
}

/// Takes a tag under a port.
fn within(port: &mut Port, tag: &[u8], get: &dyn Fn(&str) -> Option<String>) {
    match tag {
        b"state" => port.open = get("state").as_deref() == Some("open"),
        b"service" => {
            let print = get("servicefp");
            port.service = Some(Service {
                name: get("name").unwrap_or_default(),
                product: get("product"),
                version: get("version"),
                ssl: get("tunnel").as_deref() == Some("ssl") || print.as_deref().is_some_and(|print| print.contains("%T=SSL%")),
                probed: get("method").as_deref() == Some("probed"),
                replies: print.map(|print| replies(&print)).unwrap_or_default(),
            });
        }
        b"script" => {
            let output = get("output");
            match get("id").as_deref() {
                // Without a title, and on a redirect, it says so in words; a page that a redirect led to is not the one at `/`.
                Some("http-title") => {
                    let other = ["Site doesn't have a title", "Did not follow redirect", "Requested resource was"];
                    port.title = output.filter(|text| !other.iter().any(|words| text.contains(words)));
                }
                Some("http-headers") => port.headers = output,
                Some("http-server-header") => port.server = output,
                _ => {}
            }
        }
        _ => {}
    }
}

fn sight(port: &Port, mut sight: Sight, at: Option<Timestamp>) -> Sight {
    let scripts = port.headers.is_some() || port.title.is_some() || port.server.is_some();
    if scripts
        || port
            .service
            .as_ref()
            .is_some_and(|service| service.probed || !service.replies.is_empty())
    {
        sight.carries = Carries::Replies;
    }
    let asked = at.unwrap_or_default();
    let mut exchanges: Vec<Exchange> = Vec::new();
    if let Some(service) = &port.service {
        let http = service.name.starts_with("http") || !service.replies.is_empty();
        sight.tls = if service.ssl {
            Known::Known(true)
        } else if http && (service.probed || !service.replies.is_empty()) {
            // It answered HTTP in plain.
            Known::Known(false)
        } else if service.probed {
            Known::unknown(Why::NotCarried)
        } else {
            Known::unknown(Why::NotAsked)
        };
        exchanges.extend(service.replies.iter().map(|(path, reply)| http::get(path, reply.clone(), asked)));
        sight.claims = service
            .product
            .iter()
            .map(|product| Claim {
                product: product.trim().trim_end_matches(" httpd").trim_end_matches(" API").to_owned(),
                version: service.version.clone(),
                place: "product",
            })
            .collect();
    } else {
        sight.tls = Known::unknown(Why::NotAsked);
    }
    let root = exchanges.iter().any(|exchange| exchange.request.path == "/");
    if !root && let Some(reply) = scripted(port) {
        exchanges.push(http::get("/", reply, asked));
    }
    sight.exchanges = exchanges;
    sight
}

/// What the scripts say of the page at `/`. None of them says its status, which stays 0: a rule that asks for one does not hold.
fn scripted(port: &Port) -> Option<Reply> {
    if port.headers.is_none() && port.title.is_none() && port.server.is_none() {
        return None;
    }
    let mut reply = http::bare(0);
    let lines = port.headers.iter().flat_map(|text| text.lines()).map(str::trim);
    for line in lines.filter(|line| !line.starts_with("(Request type")) {
        if let Some((name, value)) = line.split_once(':') {
            http::header(&mut reply, name, value);
        }
    }
    if reply.header("server").is_none()
        && let Some(server) = &port.server
    {
        http::header(&mut reply, "server", server);
    }
    http::without_body(&mut reply, port.title.as_deref());
    Some(reply)
}

/// The replies to GET requests in a service fingerprint: `%r(GetRequest,86,"HTTP/1\.0\x20200…")`.
fn replies(print: &str) -> Vec<(&'static str, Reply)> {
    let mut all = Vec::new();
    for (probe, path) in PROBES {
        let start = format!("%r({probe},");
        let Some((_, rest)) = print.split_once(&start) else { continue };
        let Some((_, rest)) = rest.split_once(",\"").or_else(|| rest.split_once('"')) else {
            continue;
        };
        let bytes = rest.as_bytes();
        let mut end = 0;
        while let Some(&byte) = bytes.get(end) {
            match byte {
                b'\\' => end += 2,
                b'"' => break,
                _ => end += 1,
            }
        }
        let whole = end < bytes.len();
        let text = bytes.get(..end.min(bytes.len())).unwrap_or_default();
        if let Some(mut reply) = http::parse(&http::unescape(text)) {
            reply.truncated |= !whole;
            all.push((path, reply));
        }
    }
    all
}
