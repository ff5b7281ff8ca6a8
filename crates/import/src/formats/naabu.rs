//! naabu: `host:port` lines, JSON lines, CSV. Carries open ports, and with service detection product and version.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use serde::Deserialize;
use vigie_model::Known;

use crate::endpoint::{address, host_and_port, host_name, is_tcp, port};
use crate::frame::{head_columns, split_row};
use crate::json::{self, Raw};
use crate::out::Out;
use crate::raw::{Carries, Claim, RawObservation};
use crate::time;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    host: Raw<'a>,
    #[serde(borrow, default)]
    ip: Raw<'a>,
    #[serde(borrow, default)]
    port: Raw<'a>,
    #[serde(borrow, default)]
    protocol: Raw<'a>,
    #[serde(borrow, default)]
    timestamp: Raw<'a>,
    #[serde(borrow, default)]
    tls: Raw<'a>,
    #[serde(borrow, default)]
    product: Raw<'a>,
    #[serde(borrow, default)]
    version: Raw<'a>,
    #[serde(borrow, default)]
    tunnel: Raw<'a>,
}

/// Releases before 2.1 wrote the port as an object.
#[derive(Default, Deserialize)]
struct OldPort<'a> {
    #[serde(borrow, default, rename = "Port", alias = "port")]
    port: Raw<'a>,
    /// 0 is TCP, 1 is UDP.
    #[serde(borrow, default, rename = "Protocol", alias = "protocol")]
    protocol: Raw<'a>,
    #[serde(borrow, default, rename = "TLS", alias = "tls")]
    tls: Raw<'a>,
}

pub(crate) fn parse(bytes: &[u8], out: &mut Out<'_>) -> Result<(), String> {
    if !out.head.columns.is_empty() {
        return row(&split_row(bytes), out);
    }
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return plain(&String::from_utf8_lossy(bytes), out);
    }
    let line: Line<'_> = json::read(bytes)?;
    let old: OldPort<'_> = if line.port.is_object() {
        line.port.read().unwrap_or_default()
    } else {
        OldPort::default()
    };
    let host = line.host.word();
    let said = line.ip.word();
    let address = address(said.as_deref().or(host.as_deref()))?;
    let number = if line.port.is_object() { old.port } else { line.port };
    if !number.is_some() || number.scalar().is_some_and(|text| no_port(Some(&text))) {
        // `-sn`: host discovery without ports.
        out.host_discovery();
        return Ok(());
    }
    let port = number.port_said()?.ok_or("it has no port")?;
    if !tcp(line.protocol.said()?.as_deref())? || line.port.is_object() && !old_tcp(old.protocol.said()?.as_deref())? {
        out.not_tcp();
        return Ok(());
    }
    let seen = line.timestamp.time_said(time::instant)?;
    let mut observed = RawObservation::at(address, port, seen, Carries::Port);
    observed.name = host_name(host);
    if line.tls.flag() == Some(true) || old.tls.flag() == Some(true) || line.tunnel.word().as_deref() == Some("ssl") {
        // `false` may also mean that TLS was not checked.
        observed.tls = Known::Known(true);
    }
    if let Some(product) = line.product.word() {
        observed.carries = Carries::Replies;
        observed.claims.push(Claim {
            product,
            version: line.version.word(),
            place: "product",
        });
    }
    out.add(observed);
    Ok(())
}

/// A row of CSV. The header has fewer names than the rows have cells; the columns that are read come first.
fn row(cells: &[String], out: &mut Out<'_>) -> Result<(), String> {
    let columns = &out.head.columns;
    let cell = |name: &str| {
        let at = columns.iter().position(|column| column == name)?;
        cells.get(at).map(|cell| cell.trim()).filter(|cell| !cell.is_empty())
    };
    let address = address(cell("ip").or_else(|| cell("host")))?;
    if no_port(cell("port")) {
        out.host_discovery();
        return Ok(());
    }
    if !tcp(cell("protocol"))? {
        out.not_tcp();
        return Ok(());
    }
    let port = port(cell("port").ok_or("it has no port")?)?;
    let mut observed = RawObservation::at(address, port, time::said(cell("timestamp"), time::instant)?, Carries::Port);
    observed.name = host_name(cell("host").map(str::to_owned));
    if cell("tls") == Some("true") {
        observed.tls = Known::Known(true);
    }
    out.add(observed);
    Ok(())
}

/// Whether the port is missing or 0.
fn no_port(said: Option<&str>) -> bool {
    said.is_none_or(|text| matches!(text.trim(), "" | "0"))
}

/// Whether the transport is TCP. Releases without this field scanned only TCP.
fn tcp(said: Option<&str>) -> Result<bool, String> {
    said.filter(|text| !text.trim().is_empty()).map_or(Ok(true), is_tcp)
}

/// The same for ports that are objects: there the transport is a number, 0 for TCP, 1 for UDP, 2 for ARP.
fn old_tcp(said: Option<&str>) -> Result<bool, String> {
    match said.map(str::trim) {
        Some("0") => Ok(true),
        Some("1" | "2") => Ok(false),
        other => tcp(other),
    }
}

/// Whether the text begins with a header.
pub(crate) fn has_header(head: &[u8]) -> bool {
    is_header(&head_columns(head))
}

/// Whether these are column names, including the required ones.
pub(crate) fn is_header(columns: &[String]) -> bool {
    let has = |name: &str| columns.iter().any(|column| column == name);
    has("port") && (has("ip") || has("host"))
}

fn plain(line: &str, out: &mut Out<'_>) -> Result<(), String> {
    let line = line.trim();
    if line.starts_with('#') {
        return Ok(());
    }
    let line = bare(line);
    if let Some((address, port)) = ambiguous(line) {
        return Err(format!(
            "{line:?} may be an address, or the address {address} and its port {port}; write [{address}]:{port}, or export naabu's -json"
        ));
    }
    if line.parse::<IpAddr>().is_ok() {
        // `-sn`.
        out.host_discovery();
        return Ok(());
    }
    if let Ok(socket) = line.parse::<SocketAddr>() {
        if socket.port() == 0 {
            out.host_discovery();
            return Ok(());
        }
        out.add(RawObservation::at(socket.ip(), socket.port(), None, Carries::Port));
        return Ok(());
    }
    match host_and_port(line) {
        Some((host, port)) => match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => {
                out.add(RawObservation::at(address, port, None, Carries::Port));
                Ok(())
            }
            Err(_) => Err("a name without its address: naabu's -json says both".to_owned()),
        },
        None => Err("no host:port".to_owned()),
    }
}

/// Address and port of an IPv6 address without brackets whose last group may be a port.
fn ambiguous(line: &str) -> Option<(Ipv6Addr, u16)> {
    line.parse::<Ipv6Addr>().ok()?;
    let (address, port) = line.rsplit_once(':')?;
    // A port has no leading zero.
    let written = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
    written.then_some((address.parse().ok()?, port.parse().ok()?))
}

/// A line without what newer releases append to the port: ` [a network's name]`, ` [a service]`.
pub(crate) fn bare(line: &str) -> &str {
    line.split_once(" [").map_or(line, |(bare, _)| bare.trim_end())
}
