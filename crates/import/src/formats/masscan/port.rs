//! One port, or one banner, in any of masscan's formats.

use chrono::TimeDelta;
use vigie_model::{Known, Reply, Timestamp};

use crate::endpoint::{address, is_tcp, port};
use crate::http;
use crate::out::Out;
use crate::raw::{Carries, RawObservation};

/// A port or a banner.
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

/// Microseconds added to the second of a record. masscan writes an open port and each of its banners as separate records, often with the
/// same second, and a lake would take two records with one instant as duplicates. The port comes first, and a banner's offset depends on
/// its protocol, so that the same file always gives the same instants. Always less than a millisecond.
fn place(banner: Option<&str>) -> TimeDelta {
    let Some(protocol) = banner else { return TimeDelta::zero() };
    let place = PROTOCOLS.iter().position(|known| *known == protocol).unwrap_or_else(|| {
        // FNV-1a, for protocols of later releases.
        let hash = protocol
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        PROTOCOLS.len() + (hash % 900) as usize
    });
    TimeDelta::microseconds(i64::try_from(place).unwrap_or(0) + 1)
}

/// Adds one port of several; a fault affects only this one.
pub(crate) fn each(seen: Seen, out: &mut Out<'_>) {
    if let Err(reason) = take(seen, out) {
        out.bad(&reason);
    }
}

/// Adds a port.
pub(crate) fn take(seen: Seen, out: &mut Out<'_>) -> Result<(), String> {
    let address = address(seen.address.as_deref())?;
    // ICMP and ARP have port 0; `oproto` is any other protocol over IP, and `err` one that has no name.
    if matches!(seen.protocol.as_str(), "oproto" | "err") || !is_tcp(&seen.protocol)? {
        out.not_tcp();
        return Ok(());
    }
    let port = port(&seen.port.ok_or("it has no port")?)?;
    match seen.status.as_deref() {
        Some("open") => {}
        Some("closed" | "filtered" | "up" | "unknown") => {
            out.not_open();
            return Ok(());
        }
        // A banner came from an open port.
        None if seen.banner.is_some() => {}
        None => return Err("it has neither a state of the port nor a banner".to_owned()),
        Some(other) => return Err(format!("{other:?} is not a state that masscan writes")),
    }
    let carries = if seen.banner.is_some() { Carries::Replies } else { Carries::Port };
    let at = seen.at.or(out.maker.options.seen);
    let at = at.map(|at| at + place(seen.banner.as_ref().map(|(protocol, _)| protocol.as_str())));
    let mut observed = RawObservation::at(address, port, at, carries);
    observed.version = seen.version;
    if let Some((protocol, bytes)) = seen.banner {
        let reply = reply(&protocol, &bytes);
        if matches!(protocol.as_str(), "ssl" | "X509" | "X509CA") {
            observed.tls = Known::Known(true);
        }
        if let Some(reply) = reply {
            observed.exchanges.push(http::get("/", reply, at.unwrap_or_default()));
        }
    }
    out.add(observed);
    Ok(())
}

/// The reply at `/` as far as a banner shows it. Banners of a title, a page or a server's name have no status, which stays 0, so rules on
/// the status do not match.
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
    // A banner holds only the beginning of the reply.
    reply.truncated = true;
    Some(reply)
}
