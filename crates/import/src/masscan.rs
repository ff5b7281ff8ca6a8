//! masscan: `-oJ`, `-oD` and `-oX` here, `-oL` and `-oG` beside. It says that a port answered a SYN; with `--banners` also the first bytes
//! of what it says, in a record of their own.

use chrono::TimeDelta;
use serde::Deserialize;
use vigie_model::{Known, Reply, Timestamp};

use crate::http;
use crate::json::{self, Raw};
use crate::make::{Carries, Sight};
use crate::out::{Out, address, is_tcp, port};
use crate::xml::{Note, Part};
use crate::{masscan_text, time, xml};

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    ip: Raw<'a>,
    #[serde(borrow, default)]
    timestamp: Raw<'a>,
    #[serde(borrow, default)]
    ports: Raw<'a>,
    /// `-oD` has one port to a line, and under `data` what `-oJ` has beside it.
    #[serde(borrow, default)]
    rec_type: Raw<'a>,
    #[serde(borrow, default)]
    port: Raw<'a>,
    #[serde(borrow, default)]
    proto: Raw<'a>,
    #[serde(borrow, default)]
    data: Raw<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow, default)]
    status: Raw<'a>,
    #[serde(borrow, default)]
    service_name: Raw<'a>,
    #[serde(borrow, default)]
    banner: Raw<'a>,
}

#[derive(Deserialize)]
struct Port<'a> {
    #[serde(borrow, default)]
    port: Raw<'a>,
    #[serde(borrow, default)]
    proto: Raw<'a>,
    #[serde(borrow, default)]
    status: Raw<'a>,
    #[serde(borrow, default)]
    service: Raw<'a>,
}

#[derive(Deserialize)]
struct Service<'a> {
    #[serde(borrow, default)]
    name: Raw<'a>,
    #[serde(borrow, default)]
    banner: Raw<'a>,
}

/// What one line says of one port.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) address: Option<String>,
    pub(crate) port: Option<String>,
    pub(crate) protocol: String,
    pub(crate) status: Option<String>,
    pub(crate) at: Option<Timestamp>,
    /// masscan's name of the protocol and the bytes, unescaped.
    pub(crate) banner: Option<(String, Vec<u8>)>,
    pub(crate) version: String,
}

pub(crate) fn parse(bytes: &[u8], out: &mut Out<'_>) -> Result<(), String> {
    match bytes.trim_ascii_start().first() {
        Some(b'{') => of_json(bytes, out),
        Some(b'<') => of_xml(bytes, out),
        _ => masscan_text::parse(&String::from_utf8_lossy(bytes), out),
    }
}

fn of_json(bytes: &[u8], out: &mut Out<'_>) -> Result<(), String> {
    // 1.0 wrote this, which is no JSON, as its last element.
    let ending: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if ending == b"{finished:1}" {
        return Ok(());
    }
    match json::read::<Line<'_>>(bytes) {
        Ok(line) => of_line(&line, out),
        Err(reason) => {
            // 1.0 wrote its keys without quotes.
            let quoted = quote_keys(bytes).ok_or(reason)?;
            of_line(&json::read::<Line<'_>>(&quoted)?, out)
        }
    }
}

/// The text with quotes around the keys that have none; `None`: every key has.
fn quote_keys(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() + 64);
    let (mut in_string, mut escaped, mut key_next, mut changed) = (false, false, false, false);
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if in_string {
            in_string = byte != b'"' || escaped;
            escaped = !escaped && byte == b'\\';
        } else if key_next && (byte.is_ascii_alphabetic() || byte == b'_') {
            let rest = &text[at..];
            let end = rest
                .iter()
                .position(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_'))
                .unwrap_or(rest.len());
            let colon = rest[end..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
            if colon {
                out.push(b'"');
                out.extend_from_slice(&rest[..end]);
                out.push(b'"');
                changed = true;
            } else {
                out.extend_from_slice(&rest[..end]);
            }
            key_next = false;
            at += end;
            continue;
        } else {
            in_string = byte == b'"';
            key_next = matches!(byte, b'{' | b',') || key_next && byte.is_ascii_whitespace();
        }
        out.push(byte);
        at += 1;
    }
    changed.then_some(out)
}

fn of_line(line: &Line<'_>, out: &mut Out<'_>) -> Result<(), String> {
    let at = line.timestamp.time_said(time::either)?;
    if line.rec_type.is_some() {
        let data: Data<'_> = line.data.read().ok_or("it holds no data")?;
        return take(
            Seen {
                address: line.ip.word(),
                port: line.port.said()?.map(|text| text.into_owned()),
                protocol: line.proto.text().unwrap_or_default(),
                status: data.status.text(),
                at,
                banner: banner(data.service_name, data.banner),
                version: String::new(),
            },
            out,
        );
    }
    let ports = line.ports.each();
    if ports.is_empty() {
        return Err("it lists no ports".to_owned());
    }
    for raw in ports {
        let Some(port) = raw.read::<Port<'_>>() else {
            out.bad("one of its ports is no object");
            continue;
        };
        let service: Option<Service<'_>> = port.service.read();
        each(
            Seen {
                address: line.ip.word(),
                port: port.port.said()?.map(|text| text.into_owned()),
                protocol: port.proto.text().unwrap_or_default(),
                status: port.status.text(),
                at,
                banner: service.and_then(|service| banner(service.name, service.banner)),
                version: String::new(),
            },
            out,
        );
    }
    Ok(())
}

/// A banner's protocol and bytes. Characters stand for bytes: `\u00e9` is one byte of the banner.
fn banner(protocol: Raw<'_>, text: Raw<'_>) -> Option<(String, Vec<u8>)> {
    let text = text.text()?;
    let bytes = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
    Some((protocol.text()?, bytes))
}

fn of_xml(bytes: &[u8], out: &mut Out<'_>) -> Result<(), String> {
    let version = out
        .head
        .run
        .iter()
        .find(|(name, _)| name == "version")
        .map(|(_, v)| v.clone())
        .unwrap_or_default();
    let run = time::Run::of(&out.head.run)?;
    let (mut at, mut host) = (None, None);
    let mut port: Option<Seen> = None;
    for part in xml::parts(bytes) {
        let tag = match part {
            Part::Tag(tag) => tag,
            Part::Text(_) | Part::Note(Note::Mended) => continue,
            Part::Note(Note::Torn(torn)) => {
                out.bad_at(torn.line, torn.why, torn.quote);
                // What is left of a port would say less than there was.
                port = None;
                continue;
            }
            Part::Note(Note::Cut(cut)) => {
                out.bad_at(cut.line, cut.why, bytes);
                return Ok(());
            }
        };
        match (tag.name, tag.closing) {
            (b"host", false) => {
                at = time::said(tag.get("endtime").as_deref(), time::either)?;
                at.map(|at| run.holds(at)).transpose()?;
            }
            (b"address", false) => host = tag.get("addr").map(|text| text.into_owned()),
            (b"port", false) => {
                port = Some(Seen {
                    address: host.clone(),
                    port: tag.get("portid").map(|text| text.into_owned()),
                    protocol: tag.get("protocol").unwrap_or_default().into_owned(),
                    at,
                    version: version.clone(),
                    ..Seen::default()
                });
            }
            (b"state", false) => {
                if let Some(port) = &mut port {
                    port.status = tag.get("state").map(|text| text.into_owned());
                }
            }
            (b"service", false) => {
                if let (Some(port), Some(name), Some(banner)) = (&mut port, tag.get("name"), tag.get("banner")) {
                    port.banner = Some((name.into_owned(), http::unescape(banner.as_bytes())));
                }
            }
            (b"port", true) => {
                if let Some(port) = port.take() {
                    each(port, out);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// What masscan calls the protocols of its banners (`src/masscan-app.c`).
const PROTOCOLS: [&str; 34] = [
    "unknown",
    "ssh",
    "http",
    "ftp",
    "dns-ver",
    "snmp",
    "nbtstat",
    "ssl",
    "smb",
    "smtp",
    "pop",
    "imap",
    "zeroaccess",
    "X509",
    "X509CA",
    "title",
    "html",
    "ntp",
    "vuln",
    "heartbleed",
    "ticketbleed",
    "vnc",
    "safe",
    "memcached",
    "scripting",
    "versioning",
    "coap",
    "telnet",
    "rdp",
    "http.server",
    "minecraft",
    "vnc-info",
    "isakmp",
    "error",
];

/// How many microseconds after the second that masscan says a record stands. It writes an open port and each banner of it as records of
/// their own, often of one second; a lake takes two of one instant for the same. The port itself is first, and a banner has its place by
/// its protocol, so that the same file gives the same instants again. It is less than a millisecond.
fn place(banner: Option<&str>) -> TimeDelta {
    let Some(protocol) = banner else { return TimeDelta::zero() };
    let place = PROTOCOLS.iter().position(|known| *known == protocol).unwrap_or_else(|| {
        // FNV-1a, for a name of a later release has no place of its own.
        let hash = protocol
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        PROTOCOLS.len() + (hash % 900) as usize
    });
    TimeDelta::microseconds(i64::try_from(place).unwrap_or(0) + 1)
}

/// Takes one port of several: what is wrong with it costs no other.
pub(crate) fn each(seen: Seen, out: &mut Out<'_>) {
    if let Err(reason) = take(seen, out) {
        out.bad(&reason);
    }
}

/// Takes a port.
pub(crate) fn take(seen: Seen, out: &mut Out<'_>) -> Result<(), String> {
    let address = address(seen.address.as_deref())?;
    // ICMP and ARP stand with port 0; `oproto` is any other protocol over IP, and `err` one that has no name.
    if matches!(seen.protocol.as_str(), "oproto" | "err") || !is_tcp(&seen.protocol)? {
        out.not_tcp();
        return Ok(());
    }
    let port = port(&seen.port.ok_or("it says no port")?)?;
    match seen.status.as_deref() {
        Some("open") => {}
        Some("closed" | "filtered" | "up" | "unknown") => {
            out.not_open();
            return Ok(());
        }
        // A banner came from an open port.
        None if seen.banner.is_some() => {}
        None => return Err("it says neither whether the port is open nor what came from it".to_owned()),
        Some(other) => return Err(format!("{other:?} is no state of masscan's")),
    }
    let carries = if seen.banner.is_some() { Carries::Replies } else { Carries::Port };
    let at = seen.at.or(out.parser.options.seen);
    let at = at.map(|at| at + place(seen.banner.as_ref().map(|(protocol, _)| protocol.as_str())));
    let mut sight = Sight::at(address, port, at, carries);
    sight.version = seen.version;
    if let Some((protocol, bytes)) = seen.banner {
        let reply = reply(&protocol, &bytes);
        if matches!(protocol.as_str(), "ssl" | "X509" | "X509CA") {
            sight.tls = Known::Known(true);
        }
        if let Some(reply) = reply {
            sight.exchanges.push(http::get("/", reply, at.unwrap_or_default()));
        }
    }
    out.sight(sight);
    Ok(())
}

/// What a banner says of the reply at `/`. Of a title, a page and a server's name by themselves masscan says no status, which stays 0: a rule
/// that asks for one does not hold.
fn reply(protocol: &str, bytes: &[u8]) -> Option<Reply> {
    let mut reply = match protocol {
        "http" | "html" if bytes.starts_with(b"HTTP/") => http::parse(bytes)?,
        "html" => {
            let mut reply = http::bare(0);
            http::set_body(&mut reply, bytes);
            reply
        }
        "title" => {
            let mut reply = http::bare(0);
            let title = http::entities(&String::from_utf8_lossy(bytes));
            http::without_body(&mut reply, Some(&title));
            reply
        }
        "http.server" => {
            let mut reply = http::bare(0);
            http::header(&mut reply, "server", &String::from_utf8_lossy(bytes));
            reply
        }
        _ => return None,
    };
    // A banner is what came in the first moments, and masscan keeps a part of it.
    reply.truncated = true;
    Some(reply)
}
