//! nmap's greppable output (`-oG`): a line for the ports of a host, or for its state. Service detection is one text with product and version;
//! there are no replies.

use chrono::NaiveDateTime;
use vigie_model::{Known, Timestamp, Why};

use crate::endpoint::{address, is_tcp, port};
use crate::out::Out;
use crate::raw::{Carries, Claim, RawObservation, many_services};

/// Whether a text is nmap's greppable output, as far as its first lines tell: comments of nmap's, and lines of hosts.
pub(crate) fn is_greppable(head: &[u8]) -> bool {
    let mut lines = head
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty());
    match lines.find(|line| !line.starts_with(b"#")) {
        Some(line) => is_line(&String::from_utf8_lossy(line)),
        None => head
            .trim_ascii_start()
            .get(..7)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"# nmap ")),
    }
}

/// Whether a line is one of a host as nmap writes it. masscan's `-oG` has a time before it, or one field less for each port.
pub(crate) fn is_line(line: &str) -> bool {
    let Some((_, fields)) = line.strip_prefix("Host: ").and_then(|rest| rest.split_once('\t')) else {
        return false;
    };
    fields.starts_with("Status: ")
        || fields.starts_with("Protocols: ")
        || fields
            .strip_prefix("Ports: ")
            // Other fields may follow the ports.
            .and_then(|ports| ports.split('\t').next())
            .is_some_and(|ports| ports.trim().is_empty() || entry(ports.trim_end()).is_some())
}

pub(crate) fn parse(bytes: &[u8], out: &mut Out<'_>) -> Result<(), String> {
    let text = String::from_utf8_lossy(bytes);
    let line = text.trim_end();
    let run = |name: &str| out.head.run.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str());
    let rest = line.strip_prefix("Host: ").ok_or("no line of a host, as nmap -oG writes it")?;
    let mut fields = rest.split('\t');
    // The name in brackets after the address is from a reverse lookup.
    let address = address(fields.next().and_then(|host| host.split(' ').next()))?;
    let (mut ports, mut status, mut protocols) = (None, None, None);
    for field in fields {
        match field.split_once(':') {
            Some(("Ports", value)) => ports = Some(value.trim()),
            Some(("Status", value)) => status = Some(value.trim()),
            Some(("Protocols", value)) => protocols = Some(value.trim()),
            _ => {}
        }
    }
    if let Some(protocols) = protocols {
        protocols
            .split(", ")
            .filter(|one| one.contains("/open/"))
            .for_each(|_| out.not_tcp());
        return Ok(());
    }
    let Some(ports) = ports else {
        match status {
            // The ports of a host are on another line, unless none was scanned.
            Some("Up") if run("args").is_some_and(no_ports) => out.host_discovery(),
            Some("Up") => {}
            Some(_) => out.not_open(),
            None => return Err("neither ports nor a state of the host".to_owned()),
        }
        return Ok(());
    };
    let seen = run("started").filter(|text| !text.is_empty()).map(started).transpose()?;
    let version = run("version").unwrap_or_default().to_owned();
    let mut open = Vec::new();
    let mut rest = ports;
    while !rest.is_empty() {
        let Some((one, after)) = entry(rest) else {
            out.bad("one of its ports is not as nmap -oG writes it");
            break;
        };
        rest = after;
        match one.tcp() {
            Err(reason) => out.bad(&reason),
            Ok(false) => out.not_tcp(),
            Ok(true) if one.state != "open" => out.not_open(),
            Ok(true) => open.push(one),
        }
    }
    for one in &open {
        match port(one.port) {
            Ok(number) => {
                let mut observed = one.observed(RawObservation::at(address, number, seen, Carries::Port));
                observed.version.clone_from(&version);
                observed.tells.extend(many_services(open.len()));
                out.add(observed);
            }
            Err(reason) => out.bad(&reason),
        }
    }
    Ok(())
}

/// One port: `11434/open/tcp//http//Ollama API 0.12.3/`.
struct Entry<'l> {
    port: &'l str,
    state: &'l str,
    transport: &'l str,
    service: &'l str,
    version: &'l str,
}

/// The first port of a list and what follows it; nmap writes `|` for a slash within a field.
fn entry(list: &str) -> Option<(Entry<'_>, &str)> {
    let mut fields = list.splitn(8, '/');
    let mut field = || fields.next();
    let (port, state, transport) = (field()?.trim(), field()?, field()?);
    let (_owner, service, _rpc, version, rest) = (field()?, field()?, field()?, field()?, field()?);
    let rest = match rest.strip_prefix(", ") {
        Some(rest) => rest,
        None => rest.trim().is_empty().then_some("")?,
    };
    let one = Entry {
        port,
        state,
        transport,
        service,
        version,
    };
    Some((one, rest))
}

impl Entry<'_> {
    fn tcp(&self) -> Result<bool, String> {
        is_tcp(self.transport)
    }

    fn observed(&self, mut observed: RawObservation) -> RawObservation {
        let probed = !self.version.is_empty();
        observed.tls = if self.service.starts_with("ssl|") || self.service.starts_with("https") && probed {
            Known::Known(true)
        } else if self.service == "http" && probed {
            // It answered plain HTTP.
            Known::Known(false)
        } else {
            Known::unknown(Why::NotAsked)
        };
        if probed {
            observed.carries = Carries::Replies;
            let (product, version) = product(self.version);
            observed.claims.push(Claim {
                product,
                version,
                place: "version",
            });
        }
        observed
    }
}

/// Splits the text of product and version: `Ollama API 0.12.3 (…)`. The first word that begins with a digit is the version.
fn product(text: &str) -> (String, Option<String>) {
    let numbered = |word: &str| word.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
    let words: Vec<&str> = text.split(' ').take_while(|word| !word.starts_with('(')).collect();
    let cut = words.iter().position(|word| numbered(word)).unwrap_or(words.len());
    let name = words[..cut].join(" ");
    let name = name.trim().trim_end_matches(" httpd").trim_end_matches(" API");
    (name.to_owned(), words.get(cut).map(|word| (*word).to_owned()))
}

/// Whether a run scanned no ports.
fn no_ports(args: &str) -> bool {
    args.split(' ').any(|word| matches!(word, "-sn" | "-sP" | "-sL"))
}

/// When a run began, as nmap writes it at the head: the clock of its machine, without a zone. It is taken for UTC.
fn started(text: &str) -> Result<Timestamp, String> {
    NaiveDateTime::parse_from_str(text, "%a %b %e %H:%M:%S %Y")
        .map(|naive| naive.and_utc())
        .map_err(|_| format!("{text:?}, at the head of the file, is not a time"))
}
