//! nmap: `-oX`. Ports, service detection, and its replies to GET requests; the scripts http-title, http-headers and
//! http-server-header, and those of nmap-ai-recon.

use std::borrow::Cow;
use std::net::IpAddr;

use vigie_model::{Exchange, Known, Reply, Timestamp, Why};

mod scripts;
pub(crate) mod text;

use scripts::{Kind, Script};

use crate::endpoint::{address, host_name};
use crate::http;
use crate::out::Out;
use crate::raw::{Carries, Claim, RawObservation, many_services};
use crate::xml::{Note, Part, Tag};
use crate::{time, xml};

/// The paths that nmap's probes ask for.
const PROBES: [(&str, &str); 2] = [("GetRequest", "/"), ("FourOhFourRequest", "/nice%20ports%2C/Tri%6Eity.txt%2ebak")];

/// The states of a port that did not answer.
const NOT_OPEN: [&str; 6] = ["closed", "filtered", "unfiltered", "open|filtered", "closed|filtered", "unknown"];

/// The values of one `<port>`.
#[derive(Default)]
struct Port {
    number: Option<u16>,
    protocol: String,
    state: Option<String>,
    service: Option<Service>,
    title: Option<String>,
    headers: Option<String>,
    server: Option<String>,
    scripts: Vec<Script>,
    /// A part was damaged and reported.
    torn: bool,
}

#[derive(Default)]
struct Service {
    name: String,
    product: Option<String>,
    version: Option<String>,
    ssl: bool,
    /// The service was found by its replies, not by the port number.
    probed: bool,
    replies: Vec<(&'static str, Reply)>,
}

/// Ports of one state that nmap does not list.
#[derive(Default)]
struct Extra {
    ports: u64,
    open: bool,
}

impl Extra {
    fn of(get: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let ports: u64 = get("count")?.parse().ok()?;
        let state = get("state").filter(|state| state == "open" || NOT_OPEN.contains(&state.as_str()))?;
        Some(Self {
            // A host has no more.
            ports: ports.min(4 * 65_536),
            open: ports > 0 && state == "open",
        })
    }
}

/// The values of one `<host>`.
struct Host {
    up: bool,
    address: Option<String>,
    reached: Option<String>,
    at: Option<Timestamp>,
    ports: Vec<Port>,
    extra: Extra,
    /// The current port.
    port: Option<Port>,
    /// Whether the next text and elements are of its last script.
    in_script: bool,
    /// Something was torn: what follows may be another host's, if bytes are lost as well.
    shaken: bool,
    /// What follows is another host's, whose beginning is lost.
    strange: bool,
}

pub(crate) fn parse(bytes: &[u8], out: &mut Out<'_>) -> Result<(), String> {
    let version = out.head.run.iter().find(|(name, _)| name == "version");
    let version = version.map(|(_, value)| value.clone()).unwrap_or_default();
    let run = time::Run::of(&out.head.run)?;
    let mut host = Host {
        up: true,
        address: None,
        reached: None,
        at: None,
        ports: Vec::new(),
        extra: Extra::default(),
        port: None,
        in_script: false,
        shaken: false,
        strange: false,
    };
    for part in xml::parts(bytes) {
        match part {
            Part::Tag(tag) => host.tag(&tag, out)?,
            Part::Text(text) => {
                if let Some(script) = host.script() {
                    script.text(text);
                }
            }
            Part::Note(Note::Mended) => host.shaken = true,
            Part::Note(Note::Torn(torn)) => {
                out.bad_at(torn.line, torn.why, torn.quote);
                host.shaken = true;
                if let Some(port) = &mut host.port {
                    port.torn = true;
                }
            }
            Part::Note(Note::Cut(cut)) => {
                // A later copy of the file has the port whole, and this one would stand in its way.
                let lost = host.port.take().and_then(|port| port.number);
                let lost = lost.map(|number| format!(", in its port {number}")).unwrap_or_default();
                out.bad_at(cut.line, &format!("{}{lost}", cut.why), bytes);
            }
        }
    }
    host.close_port(out);
    host.close_extra(out);
    if !host.up {
        out.not_open();
        return Ok(());
    }
    let address = address(host.address.as_deref())?;
    host.at.map(|at| run.holds(at)).transpose()?;
    host.give(address, (run.began, &version), out);
    Ok(())
}

impl Host {
    fn tag(&mut self, tag: &Tag<'_>, out: &mut Out<'_>) -> Result<(), String> {
        let get = |name: &str| tag.get(name).map(Cow::into_owned);
        if tag.closing {
            match tag.name {
                b"port" => {
                    self.ports.extend(self.port.take());
                    self.in_script = false;
                }
                b"script" => self.in_script = false,
                b"extraports" => self.close_extra(out),
                b"ports" | b"host" => self.close_port(out),
                other => {
                    if let Some(script) = self.script() {
                        script.close(other);
                    }
                }
            }
            return Ok(());
        }
        match tag.name {
            b"host" => self.at = time::said(get("endtime").or_else(|| get("starttime")).as_deref(), time::either)?,
            b"status" => {
                let state = get("state");
                if !matches!(state.as_deref(), None | Some("up" | "down" | "unknown" | "skipped")) {
                    out.bad("its status is none that nmap has");
                }
                self.up = state.is_none_or(|state| state != "down");
            }
            // A MAC address is an address too.
            b"address" if get("addrtype").is_none_or(|kind| kind != "mac") => {
                if self.address.is_none() {
                    self.address = get("addr");
                } else if !self.strange && get("addr") != self.address {
                    self.strange = true;
                    self.close_port(out);
                    out.bad("a second address in it: the beginning of another host is missing, and its ports are left out");
                }
            }
            b"extraports" if !self.strange => {
                self.close_extra(out);
                match Extra::of(&get) {
                    Some(extra) => self.extra = extra,
                    None => out.bad("how many of its ports are not listed, and in which state, cannot be read"),
                }
            }
            // The same ports by reason, and by transport in newer releases.
            b"extrareasons" if self.extra.ports > 0 && get("proto").is_some_and(|proto| proto != "tcp") => {
                let ports = get("count")
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(0_u64)
                    .min(self.extra.ports);
                self.extra.ports -= ports;
                out.not_tcp_each(ports);
            }
            // The name it was scanned by; a name found by reverse look-up is none that was asked for.
            b"hostname" if get("type").as_deref() == Some("user") => self.reached = self.reached.take().or_else(|| host_name(get("name"))),
            b"port" => {
                self.close_port(out);
                if self.strange {
                    return Ok(());
                }
                let port = Port {
                    number: get("portid").and_then(|text| text.parse().ok()).filter(|port| *port > 0),
                    protocol: get("protocol").unwrap_or_default(),
                    ..Port::default()
                };
                if tag.empty {
                    self.ports.push(port);
                } else {
                    self.port = Some(port);
                }
            }
            other => match &mut self.port {
                Some(port) => {
                    self.in_script = within(port, other, &get, tag.empty, self.in_script);
                }
                None => {
                    if matches!(other, b"state" | b"service") && !self.shaken && !self.strange {
                        self.shaken = true;
                        out.bad("the state of a port is in no port: the beginning of the port is missing");
                    }
                }
            },
        }
        Ok(())
    }

    fn script(&mut self) -> Option<&mut Script> {
        self.port.as_mut().filter(|_| self.in_script)?.scripts.last_mut()
    }

    /// Counts ports that are given only as a number.
    fn close_extra(&mut self, out: &mut Out<'_>) {
        let Extra { ports, open } = std::mem::take(&mut self.extra);
        match open {
            true => out.bad("open ports are given only as a number, without saying which"),
            false => out.not_open_each(ports),
        }
    }

    /// Adds a port without an end.
    fn close_port(&mut self, out: &mut Out<'_>) {
        self.in_script = false;
        if let Some(port) = self.port.take() {
            if !port.torn && !self.shaken {
                out.bad("one of its ports has no end");
            }
            self.ports.push(port);
        }
    }

    /// Adds the ports of the host.
    fn give(self, address: IpAddr, (started, version): (Option<Timestamp>, &str), out: &mut Out<'_>) {
        let at = self.at.or(started);
        let is_open = |port: &&Port| port.protocol == "tcp" && port.state.as_deref() == Some("open");
        let open = self.ports.iter().filter(is_open).count();
        // nmap writes the ports of a protocol in the order of their numbers.
        let mut last: Vec<(String, u16)> = Vec::new();
        for port in self.ports {
            let Some(number) = port.number else {
                out.bad("one of its ports has no number");
                continue;
            };
            if self.shaken {
                let before = last.last().filter(|(protocol, _)| *protocol == port.protocol);
                let again = before.is_none() && last.iter().any(|(protocol, _)| *protocol == port.protocol);
                if again || before.is_some_and(|(_, before)| *before >= number) {
                    out.bad(&format!(
                        "port {number} after a torn tag and out of order: it may be another host's"
                    ));
                    continue;
                }
                last.push((port.protocol.clone(), number));
            }
            match (port.protocol.as_str(), port.state.as_deref()) {
                ("udp" | "sctp" | "ip", _) => out.not_tcp(),
                ("tcp", Some(state)) if NOT_OPEN.contains(&state) => out.not_open(),
                ("tcp", Some("open")) => {
                    let mut observed = observed(&port, RawObservation::at(address, number, at, Carries::Port), at);
                    scripts::add(&port.scripts, &mut observed, out.maker.options.catalog());
                    observed.name.clone_from(&self.reached);
                    version.clone_into(&mut observed.version);
                    observed.tells.extend(many_services(open));
                    out.add(observed);
                }
                // The damaged tag was reported already.
                _ if port.torn => {}
                ("tcp", _) => out.bad(&format!("its port {number} says no state that nmap has")),
                _ => out.bad(&format!("its port {number} says no protocol that nmap has")),
            }
        }
    }
}

/// Takes a tag under a port; says whether what follows is of a script that is read.
fn within(port: &mut Port, tag: &[u8], get: &dyn Fn(&str) -> Option<String>, empty: bool, in_script: bool) -> bool {
    match tag {
        b"state" => port.state = get("state"),
        b"service" => {
            let print = get("servicefp").map(unwrapped);
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
                Some(id) => {
                    if let Some(kind) = Kind::of(id) {
                        port.scripts.push(Script::new(kind, &output.unwrap_or_default()));
                        return !empty;
                    }
                }
                None => {}
            }
            return false;
        }
        other if in_script && !empty => {
            if let Some(script) = port.scripts.last_mut() {
                script.open(other, get("key"));
            }
        }
        _ => {}
    }
    in_script
}

fn observed(port: &Port, mut observed: RawObservation, at: Option<Timestamp>) -> RawObservation {
    let scripts = port.headers.is_some() || port.title.is_some() || port.server.is_some() || !port.scripts.is_empty();
    if scripts
        || port
            .service
            .as_ref()
            .is_some_and(|service| service.probed || !service.replies.is_empty())
    {
        observed.carries = Carries::Replies;
    }
    let asked = at.unwrap_or_default();
    let mut exchanges: Vec<Exchange> = Vec::new();
    if let Some(service) = &port.service {
        let http = service.name.starts_with("http") || !service.replies.is_empty();
        observed.tls = if service.ssl {
            Known::Known(true)
        } else if http && (service.probed || !service.replies.is_empty()) {
            // It answered plain HTTP.
            Known::Known(false)
        } else if service.probed {
            Known::unknown(Why::NotCarried)
        } else {
            Known::unknown(Why::NotAsked)
        };
        exchanges.extend(service.replies.iter().map(|(path, reply)| http::get(path, reply.clone(), asked)));
        let claim = |place, word: &str| Claim {
            product: word.to_owned(),
            version: service.version.clone(),
            place,
        };
        observed
            .claims
            .extend(service.product.iter().map(|product| claim("product", product.trim())));
        // Of what it probed, the name of the protocol may be the product's. By the number of a port alone, it is a guess.
        if service.probed && !service.name.is_empty() && !service.name.starts_with("http") {
            observed.claims.push(claim("service", &service.name));
        }
    } else {
        observed.tls = Known::unknown(Why::NotAsked);
    }
    let root = exchanges.iter().any(|exchange| exchange.request.path == "/");
    if !root && let Some(reply) = scripted(port) {
        exchanges.push(http::get("/", reply, asked));
    }
    observed.exchanges = exchanges;
    observed
}

/// The page at `/` as the scripts report it. They have no status, which stays 0, so rules on the status do not match.
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

/// A fingerprint in one line. nmap broke it into lines that begin with `SF:`, up to release 5 in its XML too; it has no other blanks.
fn unwrapped(print: String) -> String {
    if !print.contains(char::is_whitespace) {
        return print;
    }
    let mut lines = print.split_whitespace();
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |print, line| print + line.strip_prefix("SF:").unwrap_or(line))
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
