//! Addresses, ports, transports, host names and URLs as tools write them.

use std::net::IpAddr;

/// Parses an address.
pub(crate) fn address(text: Option<&str>) -> Result<IpAddr, String> {
    let text = text.ok_or("it has no address")?.trim();
    // An IPv4-mapped IPv6 address is the IPv4 host, as in a scan.
    let address = text.parse::<IpAddr>().map_err(|_| format!("{text:?} is not an address"))?;
    Ok(address.to_canonical())
}

/// Parses a port.
pub(crate) fn port(text: &str) -> Result<u16, String> {
    let port = text.trim().parse::<u16>().ok().filter(|port| *port > 0);
    port.ok_or_else(|| {
        let number = text.trim().strip_prefix('-').unwrap_or(text.trim());
        match !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
            true => format!("{text:?} is not a port: ports go from 1 to 65535"),
            false => format!("{text:?} is not a port"),
        }
    })
}

/// Transports and other protocols that are not TCP.
const NOT_TCP: [&str; 16] = [
    "udp", "udp4", "udp6", "udplite", "udp-lite", "quic", "sctp", "dccp", "icmp", "icmp4", "icmp6", "icmpv6", "igmp", "arp", "ip", "gre",
];

/// Whether a transport is TCP.
///
/// # Errors
///
/// The text is not a transport: an application protocol (`http`) is none.
pub(crate) fn is_tcp(text: &str) -> Result<bool, String> {
    let word = text.trim();
    let is = |name: &&str| word.eq_ignore_ascii_case(name);
    if ["tcp", "tcp4", "tcp6"].iter().any(is) {
        Ok(true)
    } else if NOT_TCP.iter().any(is) {
        Ok(false)
    } else {
        Err(format!("{word:?} is not a transport"))
    }
}

/// Splits `host:port`; `None` if the port is not a number from 1 or the host has characters that no host has.
pub(crate) fn host_and_port(line: &str) -> Option<(&str, u16)> {
    let (host, port) = line.rsplit_once(':')?;
    let sane = !host.is_empty()
        && host.len() <= 255
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']'));
    Some((host, port.parse().ok().filter(|port| *port > 0)?)).filter(|_| sane)
}

/// The host name in lower case; `None` if the text is an address or no name.
pub(crate) fn host_name(host: Option<String>) -> Option<String> {
    host.filter(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().is_err())
        .filter(|host| host.len() <= 255 && host.bytes().all(|byte| byte.is_ascii_graphic()))
        .map(|host| host.trim_end_matches('.').to_ascii_lowercase())
        .filter(|host| !host.is_empty())
}

/// Scheme, host, port and path of an HTTP URL; `None` if it is not one or its port is invalid.
pub(crate) fn split_url(url: &str) -> Option<(&str, &str, Option<u16>, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let standard = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let cut = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(cut);
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port.parse().ok().filter(|port| *port > 0)?)),
        _ => (authority, Some(standard)),
    };
    Some((scheme, host, port, if path.is_empty() { "/" } else { path }))
}
