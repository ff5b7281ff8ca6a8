//! masscan's texts: `-oL` (`open tcp 80 192.0.2.1 1700000000`) and `-oG` (`Timestamp: … Host: … Ports: …`).

use super::port::{Seen, each, take};
use crate::http;
use crate::out::Out;
use crate::time;

pub(crate) fn parse(line: &str, out: &mut Out<'_>) -> Result<(), String> {
    let line = line.trim_end();
    if line.starts_with('#') {
        return Ok(());
    }
    if line.contains("Host: ") && line.contains('\t') {
        return grepable(line, out);
    }
    let mut words = line.splitn(7, ' ');
    let mut word = || words.next().filter(|word| !word.is_empty());
    let status = word().ok_or("an empty line")?;
    let (Some(protocol), Some(port), Some(address), Some(at)) = (word(), word(), word(), word()) else {
        return Err("no line of a masscan list: status, protocol, port, address, time".to_owned());
    };
    let banner = match status {
        "banner" => match (word(), word()) {
            (Some(name), text) => Some((name.to_owned(), http::unescape(text.unwrap_or_default().as_bytes()))),
            _ => return Err("a banner without its protocol".to_owned()),
        },
        _ => None,
    };
    take(
        Seen {
            address: Some(address.to_owned()),
            port: Some(port.to_owned()),
            protocol: protocol.to_owned(),
            status: (status != "banner").then(|| status.to_owned()),
            at: time::said(Some(at), time::either)?,
            banner,
            version: String::new(),
        },
        out,
    )
}

fn grepable(line: &str, out: &mut Out<'_>) -> Result<(), String> {
    let (mut address, mut at, mut ports, mut port, mut name, mut text) = (None, None, None, None, None, None);
    let run = time::Run::headed(&out.head.run);
    for field in line.split('\t') {
        match field.split_once(": ") {
            Some(("Timestamp", value)) => {
                at = time::said(Some(value), time::either)?;
                at.map(|at| run.holds(at)).transpose()?;
            }
            Some(("Host", value)) => address = value.split(' ').next().map(str::to_owned),
            Some(("Ports", value)) => ports = Some(value),
            Some(("Port", value)) => port = Some(value.to_owned()),
            Some(("Service", value)) => name = Some(value.to_owned()),
            Some(("Banner", value)) => text = Some(http::unescape(value.as_bytes())),
            _ => {}
        }
    }
    let Some(ports) = ports else {
        // A banner's line says neither protocol nor time; masscan reads banners over TCP, and its UDP probes have other names.
        let udp = matches!(
            name.as_deref(),
            Some("dns-ver" | "snmp" | "nbtstat" | "ntp" | "zeroaccess" | "memcached" | "coap" | "isakmp")
        );
        return take(
            Seen {
                address,
                port,
                protocol: if udp { "udp" } else { "tcp" }.to_owned(),
                at,
                banner: Some((name.ok_or("no service and no ports")?, text.unwrap_or_default())),
                ..Seen::default()
            },
            out,
        );
    };
    for entry in ports.split(", ") {
        let mut parts = entry.trim().split('/');
        let port = parts.next().map(str::to_owned);
        let (status, protocol) = (parts.next(), parts.next());
        each(
            Seen {
                address: address.clone(),
                port,
                protocol: protocol.unwrap_or_default().to_owned(),
                status: status.map(str::to_owned),
                at,
                ..Seen::default()
            },
            out,
        );
    }
    Ok(())
}
