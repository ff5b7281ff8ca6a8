//! The notation of one target: an address, a network, a range, a host name, `host:port` or a URL.

use std::net::IpAddr;

use vigie_model::PathPrefix;
use vigie_model::address::{AddressRange, Hosts, NotARange, parse_name, parse_range};

/// One target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The addresses or the host name.
    pub hosts: Hosts,
    /// The port; `None` means the ports of the scan.
    pub port: Option<u16>,
    /// The scheme of a URL.
    pub scheme: Option<Scheme>,
    /// The path below which requests are sent, if a URL has one. A target with a path has a port as well.
    pub prefix: Option<PathPrefix>,
}

/// The scheme of a URL: a hint whether the server uses TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Target {
    /// Whether it names addresses, without a path.
    pub(super) fn is_direct(&self) -> bool {
        matches!(self.hosts, Hosts::Addresses(_)) && self.prefix.is_none()
    }
}

/// Parses one target. `note` receives what the user should know about how the text was understood.
pub(super) fn parse_word(word: &str, note: &mut dyn FnMut(String)) -> Result<Target, String> {
    if word.contains("://") {
        return parse_url(word, note);
    }
    let target = |hosts, port| {
        Ok(Target {
            hosts,
            port,
            scheme: None,
            prefix: None,
        })
    };
    if word.starts_with('[') {
        let (address, port) = bracketed(word)?;
        return target(Hosts::Addresses(AddressRange::single(address)), port);
    }
    match parse_range(word) {
        Ok(written) => {
            if written.host_bits {
                note(format!("`{word}` is taken as the network {}", written.range));
            }
            target(Hosts::Addresses(written.range), None)
        }
        Err(NotARange::Wrong(why)) if word.matches(':').count() != 1 || word.contains('/') => Err(why),
        Err(_) => {
            let (hosts, port) = host_port(word)?;
            target(hosts, port)
        }
    }
}

/// Parses `[v6]` or `[v6]:port`.
fn bracketed(word: &str) -> Result<(IpAddr, Option<u16>), String> {
    let wrong = || format!("`{word}` is not an address with a port: write it as [2001:db8::1]:11434");
    let (address, rest) = word.strip_prefix('[').and_then(|w| w.split_once(']')).ok_or_else(wrong)?;
    if address.contains('%') {
        return Err(format!(
            "`{word}` names an interface (`%`), which is not supported: name an address without one"
        ));
    }
    let address: std::net::Ipv6Addr = address.parse().map_err(|_| wrong())?;
    let port = match rest.strip_prefix(':') {
        Some(port) => Some(parse_port(word, port)?),
        None if rest.is_empty() => None,
        None => return Err(wrong()),
    };
    Ok((IpAddr::V6(address).to_canonical(), port))
}

/// Parses `host` or `host:port`, where the host is an IPv4 address or a name.
fn host_port(word: &str) -> Result<(Hosts, Option<u16>), String> {
    let (host, port) = match word.split_once(':') {
        Some((host, port)) => (host, Some(parse_port(word, port)?)),
        None => (word, None),
    };
    match parse_range(host) {
        Ok(written) if written.range.size() == 1 => Ok((Hosts::Addresses(written.range), port)),
        Ok(_) => Err(format!(
            "`{word}`: a port can follow a single address only; give the ports of a network separately"
        )),
        Err(NotARange::Wrong(why)) => Err(why),
        Err(NotARange::Other) => Ok((Hosts::Name(parse_name(host)?), port)),
    }
}

fn parse_port(word: &str, port: &str) -> Result<u16, String> {
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    port.parse::<u16>()
        .ok()
        .filter(|p| digits && *p != 0)
        .ok_or_else(|| format!("`{word}`: `{port}` is not a port; write a number from 1 to 65535"))
}

fn parse_url(word: &str, note: &mut dyn FnMut(String)) -> Result<Target, String> {
    let (scheme, rest) = word.split_once("://").unwrap_or_default();
    let (scheme, default) = match scheme.to_ascii_lowercase().as_str() {
        "http" => (Scheme::Http, 80),
        "https" => (Scheme::Https, 443),
        other => {
            return Err(format!(
                "`{word}`: the scheme `{other}` is not supported; write http:// or https://"
            ));
        }
    };
    let (authority, path) = match rest.find(['/', '?', '#', '\\']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    if authority.contains('@') {
        // The URL is not part of the message, because it may hold a password.
        return Err("a URL must not hold a user name or a password; vigie sends no credentials".to_owned());
    }
    let (hosts, port) = if authority.starts_with('[') {
        let (address, port) = bracketed(authority)?;
        (Hosts::Addresses(AddressRange::single(address)), port)
    } else {
        host_port(authority)?
    };
    Ok(Target {
        hosts,
        port: Some(port.unwrap_or(default)),
        scheme: Some(scheme),
        prefix: parse_path(word, path, note)?,
    })
}

/// Parses the path of a URL, below which requests are sent. The query and the fragment are ignored.
fn parse_path(word: &str, path: &str, note: &mut dyn FnMut(String)) -> Result<Option<PathPrefix>, String> {
    let (path, rest) = path.find(['?', '#']).map_or((path, ""), |at| path.split_at(at));
    if !rest.is_empty() {
        note(format!("the query and the fragment of `{word}` are ignored"));
    }
    let prefix = PathPrefix::parse(path).map_err(|why| format!("`{word}`: no server can be scanned below this path: {why}"))?;
    if let Some(prefix) = &prefix
        && prefix.as_str() != path.trim_end_matches('/')
    {
        note(format!("the path of `{word}` is taken as {prefix}"));
    }
    Ok(prefix)
}
