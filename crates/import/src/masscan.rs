//! masscan: `-oJ`, `-oD` and `-oX` here, `-oL` and `-oG` beside. It says that a port answered a SYN; with `--banners` also the first bytes
//! of what it says, in a record of their own.

use chrono::TimeDelta;
use serde::Deserialize;
use vigie_model::{Known, Timestamp};

use crate::http;
use crate::json::{self, Raw};
use crate::make::{Carries, Sight};
use crate::out::{Out, address};
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
    pub(crate) port: Option<u16>,
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
    let line: Line<'_> = json::read(bytes)?;
    let at = time::said(line.timestamp.scalar().as_deref(), time::either)?;
    if line.rec_type.is_some() {
        let data: Data<'_> = line.data.read().ok_or("it holds no data")?;
        return take(
            Seen {
                address: line.ip.word(),
                port: line.port.port(),
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
                port: port.port.port(),
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
            (b"host", false) => at = time::said(tag.get("endtime").as_deref(), time::either)?,
            (b"address", false) => host = tag.get("addr").map(|text| text.into_owned()),
            (b"port", false) => {
                port = Some(Seen {
                    address: host.clone(),
                    port: tag.get("portid").and_then(|text| text.parse().ok()).filter(|port| *port > 0),
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

/// How many microseconds after the second that masscan says a record stands. It writes an open port and each banner of it as records of
/// their own, often of one second; a lake takes two of one instant for the same. The port itself is first, and a banner has its place by
/// its protocol, so that the same file gives the same instants again.
fn place(banner: Option<&str>) -> TimeDelta {
    let Some(protocol) = banner else { return TimeDelta::zero() };
    // FNV-1a, for names have no order of their own.
    let hash = protocol
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    TimeDelta::microseconds(i64::from(hash % 999_983) + 1)
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
    match seen.protocol.to_ascii_lowercase().as_str() {
        "tcp" => {}
        // ICMP and ARP stand with port 0; `oproto` is any other protocol over IP, and `err` one that has no name.
        "udp" | "sctp" | "icmp" | "arp" | "ip" | "oproto" | "err" => {
            out.not_tcp();
            return Ok(());
        }
        "" => return Err("it says no protocol".to_owned()),
        other => return Err(format!("{other:?} is no protocol of masscan's")),
    }
    let port = seen.port.ok_or("it says no port")?;
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
        let reply = match protocol.as_str() {
            "http" | "html" => http::parse(&bytes).map(|mut reply| {
                // A banner is what came in the first moments, and masscan keeps a part of it.
                reply.truncated = true;
                reply
            }),
            _ => None,
        };
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
