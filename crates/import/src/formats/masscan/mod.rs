//! masscan: `-oJ`, `-oD` and `-oX`; see `text` for `-oL` and `-oG`. Carries open ports, and with `--banners` the first bytes of the
//! replies, in separate records.

use serde::Deserialize;

mod port;
mod text;

use port::{Seen, each, take};

use crate::http;
use crate::json::{self, Raw};
use crate::out::Out;
use crate::xml::{Note, Part};
use crate::{time, xml};

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

pub(crate) fn parse(bytes: &[u8], out: &mut Out<'_>) -> Result<(), String> {
    match bytes.trim_ascii_start().first() {
        Some(b'{') => of_json(bytes, out),
        Some(b'<') => of_xml(bytes, out),
        _ => text::parse(&String::from_utf8_lossy(bytes), out),
    }
}

fn of_json(bytes: &[u8], out: &mut Out<'_>) -> Result<(), String> {
    // 1.0 wrote this, which is not JSON, as its last element.
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

/// The text with quotes added around bare keys; `None`: there are none.
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
            out.bad("one of its ports is not an object");
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
                // The rest of a damaged port would be incomplete.
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
