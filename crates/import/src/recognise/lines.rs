//! Recognising lines of text and CSV.

use std::net::{IpAddr, SocketAddr};

use super::Found;
use crate::endpoint::host_and_port;
use crate::format::Format;
use crate::formats::{fofa, naabu, nmap};
use crate::frame::split_row;

pub(super) fn of_lines(head: &[u8]) -> Found {
    let text = String::from_utf8_lossy(&head[..head.len().min(64 * 1024)]);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(first) = lines.next() else { return Found::default() };
    if first.starts_with("#masscan") || first.starts_with("# Masscan") || first.starts_with("Timestamp: ") && first.contains("\tHost: ") {
        return Found::own(Format::Masscan);
    }
    let Some(line) = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')) else {
        let nmap = nmap::text::is_greppable(head);
        return if nmap { Found::own(Format::Nmap) } else { Found::default() };
    };
    if nmap::text::is_line(line) {
        return Found::own(Format::Nmap);
    }
    if is_masscan_line(line) {
        return Found::own(Format::Masscan);
    }
    if line.contains(',') {
        return of_csv(line);
    }
    if line == "saddr" {
        return Found::own(Format::Zmap);
    }
    if line.parse::<IpAddr>().is_ok() {
        let mut found = Found::may(Format::Zmap);
        // An IPv6 address may be followed by a port.
        found.add(Format::Naabu, false, line.contains(':'));
        return found;
    }
    let bare = naabu::bare(line);
    if bare.parse::<SocketAddr>().is_ok() || host_and_port(bare).is_some() {
        // Only naabu writes a service or a network after the port.
        return if bare == line {
            Found::may(Format::Naabu)
        } else {
            Found::own(Format::Naabu)
        };
    }
    Found::default()
}

/// A line of `-oL`, or a banner of `-oG`.
fn is_masscan_line(line: &str) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    if let [status, transport, port, address, time, ..] = words.as_slice()
        && matches!(*status, "open" | "closed" | "banner" | "up" | "unknown")
    {
        let transport = matches!(*transport, "tcp" | "udp" | "sctp" | "icmp" | "arp" | "err");
        return transport && port.parse::<u32>().is_ok() && address.parse::<IpAddr>().is_ok() && time.parse::<i64>().is_ok();
    }
    line.strip_prefix("Host: ").is_some_and(|rest| {
        rest.contains("\tPort: ") && rest.contains("\tService: ") || rest.contains("\tPorts: ") && rest.matches('/').count() == 6
    })
}

fn of_csv(line: &str) -> Found {
    let columns: Vec<String> = split_row(line.as_bytes()).iter().map(|cell| cell.trim().to_lowercase()).collect();
    let has = |name: &str| columns.iter().any(|column| column == name);
    let any = |names: &[&str]| names.iter().any(|name| has(name));
    let mut found = Found::default();
    let naabu = columns.starts_with(&["host".to_owned(), "ip".to_owned(), "port".to_owned()]);
    let measured = any(&["tls", "cdn", "cdn-name", "is_cdn_ip", "mac_address"]);
    found.add(Format::Naabu, naabu && measured, naabu);
    // Shodan's CSV has both columns and is not supported.
    let place = has("ip") && has("port") && !has("ip_str");
    let report = ["severity", "tag", "geo", "asn", "region", "naics", "sector", "hostname_source"];
    let report = report.iter().filter(|name| has(name)).count() > 1;
    found.add(Format::Shadowserver, place && has("timestamp") && report, place && has("timestamp"));
    let names = || columns.iter().map(String::as_str);
    let readable = fofa::can_read(names()) && !has("ip_str");
    let fofa = readable && (fofa::is_its_own(names()) || fofa::is_chinese(names()));
    found.add(Format::Fofa, fofa && !measured, place || fofa);
    let probed = any(&[
        "classification",
        "success",
        "sport",
        "timestamp-ts",
        "timestamp-str",
        "timestamp_ts",
        "timestamp_str",
    ]);
    found.add(Format::Zmap, has("saddr") && probed, has("saddr"));
    if let [address, port] = columns.as_slice() {
        let pair = address.parse::<IpAddr>().is_ok() && port.parse::<u16>().is_ok();
        found.add(Format::Zmap, false, pair);
    }
    found
}
