//! naabu: `host:port` lines and JSON lines. It says that a port answered.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;
use vigie_model::Known;

use crate::json::{self, Raw};
use crate::make::{Carries, Sight};
use crate::out::{Out, address};
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
}

pub(crate) fn parse(bytes: &[u8], out: &mut Out<'_>) -> Result<(), String> {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return plain(&String::from_utf8_lossy(bytes), out);
    }
    let line: Line<'_> = json::read(bytes)?;
    if line.protocol.text().is_some_and(|protocol| !protocol.eq_ignore_ascii_case("tcp")) {
        out.not_tcp();
        return Ok(());
    }
    let host = line.host.word();
    let said = line.ip.word();
    let address = address(said.as_deref().or(host.as_deref()))?;
    // Releases before 2.1 wrote the port as an object.
    let port = line
        .port
        .port()
        .or_else(|| {
            let members = line.port.members();
            members.iter().find(|(name, _)| name.eq_ignore_ascii_case("port"))?.1.port()
        })
        .ok_or("it says no port")?;
    let seen = line.timestamp.text().and_then(|text| time::instant(&text));
    let mut sight = Sight::at(address, port, seen, Carries::Port);
    sight.name = name(host);
    if line.tls.flag() == Some(true) {
        // `false` also stands where it was not looked at.
        sight.tls = Known::Known(true);
    }
    out.sight(sight);
    Ok(())
}

fn plain(line: &str, out: &mut Out<'_>) -> Result<(), String> {
    let line = line.trim();
    if line.starts_with('#') {
        return Ok(());
    }
    if let Ok(socket) = line.parse::<SocketAddr>() {
        if socket.port() == 0 {
            return Err("0 is no port".to_owned());
        }
        out.sight(Sight::at(socket.ip(), socket.port(), None, Carries::Port));
        return Ok(());
    }
    match pair(line) {
        Some((host, port)) => match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => {
                out.sight(Sight::at(address, port, None, Carries::Port));
                Ok(())
            }
            Err(_) => Err("a name without its address: naabu's -json says both".to_owned()),
        },
        None => Err("no host:port".to_owned()),
    }
}

/// Host and port of `host:port`.
pub(crate) fn pair(line: &str) -> Option<(&str, u16)> {
    let (host, port) = line.rsplit_once(':')?;
    let sane = !host.is_empty()
        && host.len() <= 255
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']'));
    Some((host, port.parse().ok().filter(|port| *port > 0)?)).filter(|_| sane)
}

/// A host name, where it is no address.
pub(crate) fn name(host: Option<String>) -> Option<String> {
    host.filter(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().is_err())
        .filter(|host| host.len() <= 255 && host.bytes().all(|byte| byte.is_ascii_graphic()))
        .map(|host| host.trim_end_matches('.').to_ascii_lowercase())
        .filter(|host| !host.is_empty())
}
