//! Which tool wrote a text: by what only that tool writes. Where several could have written it, all of them are named and none is taken.

use std::net::{IpAddr, SocketAddr};

use crate::format::Format;
use crate::frame::{first_keys, is_empty_list, split_row, without_status};

/// Who wrote a text, as far as it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    /// This tool, and no other.
    One(Format),
    /// One of these, or another tool: nothing in it tells them apart.
    Several(Vec<Format>),
    /// None that is known.
    Unknown,
}

/// What speaks for a format.
#[derive(Default)]
struct Found {
    /// What only this tool writes is there.
    own: Vec<Format>,
    /// The format's reader could read it, and so could others have written it.
    may: Vec<Format>,
}

impl Found {
    fn own(format: Format) -> Self {
        Self {
            own: vec![format],
            may: Vec::new(),
        }
    }

    fn may(format: Format) -> Self {
        Self {
            own: Vec::new(),
            may: vec![format],
        }
    }

    fn add(&mut self, format: Format, own: bool, may: bool) {
        if own {
            self.own.push(format);
        } else if may {
            self.may.push(format);
        }
    }

    /// A reader that could read it is no proof, even where there is one only.
    fn author(self, name: Option<&str>) -> Author {
        match self.own.as_slice() {
            [one] => return Author::One(*one),
            [] if self.may.is_empty() => return Author::Unknown,
            _ => {}
        }
        let all = if self.own.is_empty() { self.may } else { self.own };
        let name = name.map(file_name).unwrap_or_default();
        let mut named = all.iter().filter(|format| name.contains(format.word()));
        match (named.next(), named.next()) {
            (Some(one), None) => Author::One(*one),
            _ => Author::Several(all),
        }
    }
}

/// Looks at the first bytes of a text (unpacked). The file's name decides between those that the bytes leave, or where there are none.
pub(crate) fn author(head: &[u8], name: Option<&str>) -> Author {
    let head = head.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(head);
    let found = match head.iter().copied().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[') => of_json(head),
        Some(b'<') => of_markup(head),
        Some(_) => of_lines(head),
        None => Found::default(),
    };
    let author = found.author(name);
    if author == Author::Unknown
        && let Some(format) = name.and_then(|name| of_name(head, name))
    {
        return Author::One(format);
    }
    author
}

fn contains(head: &[u8], what: &str) -> bool {
    memchr::memmem::find(head, what.as_bytes()).is_some()
}

/// The keys of the first value of a text, down to the second object.
struct Keys<'h> {
    all: Vec<(usize, String)>,
    head: &'h [u8],
}

impl Keys<'_> {
    fn at(&self, depth: usize, names: &[&str]) -> bool {
        self.all.iter().any(|(d, key)| *d == depth && names.contains(&key.as_str()))
    }

    fn top(&self, names: &[&str]) -> bool {
        self.at(1, names)
    }

    fn inner(&self, names: &[&str]) -> bool {
        self.at(2, names)
    }

    /// Whether there is a key at the top, and none but these.
    fn only(&self, names: &[&str]) -> bool {
        let mut top = self.all.iter().filter(|(depth, _)| *depth == 1).peekable();
        top.peek().is_some() && top.all(|(_, key)| names.contains(&key.as_str()))
    }

    fn top_names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().filter(|(depth, _)| *depth == 1).map(|(_, key)| key.as_str())
    }

    /// Whether one of these keys stands anywhere in what is looked at.
    fn anywhere(&self, names: &[&str]) -> bool {
        names.iter().any(|name| contains(self.head, &format!("\"{name}\"")))
    }
}

fn of_json(head: &[u8]) -> Found {
    let keys = Keys {
        all: first_keys(head),
        head,
    };
    if keys.top(&["schema"]) && is_observation(head) {
        return Found::own(Format::Vigie);
    }
    let mut found = Found::default();
    found.add(Format::Shodan, is_shodan(&keys), false);
    let (own, may) = is_censys(&keys);
    found.add(Format::Censys, own, may);
    found.add(Format::Zmap, is_zmap(&keys), keys.top(&["saddr"]));
    let (own, may) = is_masscan(&keys);
    found.add(Format::Masscan, own, may);
    let (own, may) = is_zgrab2(&keys);
    found.add(Format::Zgrab2, own, may);
    let (own, may) = is_httpx(&keys);
    found.add(Format::Httpx, own, may);
    // No other tool's keys have a hyphen here; releases before 2.4 wrote it in one.
    let nuclei = keys.top(&["template-id"]) || keys.top(&["templateID"]) && keys.top(&["info"]);
    found.add(Format::Nuclei, nuclei, false);
    let (own, may) = is_naabu(&keys);
    found.add(Format::Naabu, own, may);
    let (own, may) = is_fofa(&keys);
    found.add(Format::Fofa, own && found.own.is_empty(), may);
    if found.own.is_empty() && found.may.is_empty() {
        // A line may begin with a bracket and be none of JSON.
        return of_lines(head);
    }
    found
}

/// Whether the first schema that stands there is that of vigie's records: what tells of several holds some as well.
fn is_observation(head: &[u8]) -> bool {
    let first = memchr::memmem::find(head, b"\"schema\"")
        .and_then(|at| head.get(at + 8..))
        .unwrap_or_default();
    let value = first.trim_ascii_start().strip_prefix(b":").unwrap_or_default().trim_ascii_start();
    value.starts_with(b"\"vigie.observation/")
}

fn is_shodan(keys: &Keys<'_>) -> bool {
    let banner = ["transport", "opts", "http", "data", "hash"];
    // A banner may be longer than what is looked at, and its address stands near its end.
    let cut = keys.top(&["hash"]) && keys.top(&["transport", "opts", "http"]) && keys.top(&["isp", "asn", "org", "os"]);
    keys.top(&["_shodan"])
        || keys.inner(&["_shodan"])
        || cut
        || keys.top(&["ip_str"]) && keys.top(&["port", "ports", "data", "transport", "hostnames"])
        // Others call their list so too.
        || keys.top(&["matches"]) && (keys.inner(&["ip_str"]) || keys.inner(&["hash"]) && keys.inner(&banner[..4]))
}

fn is_censys(keys: &Keys<'_>) -> (bool, bool) {
    let words = keys.anywhere(&[
        "host_v1",
        "webproperty_v1",
        "certificate_v1",
        "transport_protocol",
        "extended_service_name",
        "service_count",
        "autonomous_system",
        "matched_services",
    ]);
    let asset = ["host_v1", "webproperty_v1", "certificate_v1"];
    let services = ["services", "service_count", "autonomous_system", "matched_services"];
    let reply = ["total_hits", "next_page_token", "query_duration_millis", "links"];
    let around = keys.top(&["result"]) && keys.inner(&["hits", "resource", "services"]) && (words || keys.inner(&reply))
        || keys.top(&["hits"]) && keys.anywhere(&asset)
        || keys.top(&["host", "resource"]) && keys.inner(&["ip"]) && words;
    let host = keys.top(&["ip"]) && keys.top(&services);
    (keys.top(&asset) || keys.inner(&asset) || around || host && words, host)
}

/// `saddr` and the ports are the kernel's words too.
fn is_zmap(keys: &Keys<'_>) -> bool {
    let measured = [
        "classification",
        "success",
        "repeat",
        "cooldown",
        "timestamp-ts",
        "timestamp-str",
        "timestamp-us",
        "timestamp_ts",
        "timestamp_str",
        "timestamp_us",
    ];
    keys.top(&["saddr"]) && (keys.top(&measured) || keys.only(&["saddr", "sport"]))
}

fn is_masscan(keys: &Keys<'_>) -> (bool, bool) {
    let list = keys.top(&["ip"]) && keys.top(&["ports"]);
    let own = list && keys.inner(&["proto"]) && keys.inner(&["port"])
        || keys.top(&["ip"]) && keys.top(&["rec_type"]) && keys.top(&["proto"])
        // 1.0 wrote keys without quotes, and this as its last element, alone if it found nothing.
        || is_unquoted(keys.head);
    (own, list && keys.inner(&["port"]) && keys.only(&["ip", "ports", "timestamp"]))
}

/// `{   ip: "192.0.2.1",   ports: [ {port: 80, …`, or `{finished: 1}` at the end.
fn is_unquoted(head: &[u8]) -> bool {
    let rest = head.trim_ascii_start();
    let rest = rest.strip_prefix(b"[").unwrap_or(rest).trim_ascii_start();
    let Some(inner) = rest.strip_prefix(b"{").map(<[u8]>::trim_ascii_start) else {
        return false;
    };
    let record = inner
        .strip_prefix(b"ip")
        .is_some_and(|rest| rest.trim_ascii_start().starts_with(b":") && contains(&rest[..rest.len().min(200)], "ports:"));
    let ending = inner.starts_with(b"finished:") || contains(head, "{finished: 1}");
    record || ending
}

fn is_zgrab2(keys: &Keys<'_>) -> (bool, bool) {
    let line = keys.top(&["data"]) && keys.top(&["ip", "domain"]) && keys.only(&["ip", "domain", "data", "tag", "port", "metadata"]);
    (line && keys.anywhere(&["status"]) && keys.anywhere(&["protocol"]), line)
}

/// Other tools have a URL and a status too; this one says what it was given and how the reply was measured.
fn is_httpx(keys: &Keys<'_>) -> (bool, bool) {
    let line =
        keys.top(&["url"]) && keys.top(&["status_code", "status-code", "failed"]) && !keys.top(&["template-id", "template", "templateID"]);
    let own = keys.top(&["input", "webserver", "words", "lines", "knowledgebase"]);
    (line && own, line)
}

/// The keys of naabu's lines, those of its service detection too.
const NAABU: [&str; 29] = [
    "host",
    "ip",
    "port",
    "protocol",
    "tls",
    "timestamp",
    "cdn",
    "cdn-name",
    "mac_address",
    "device_type",
    "extra_info",
    "high_version",
    "hostname",
    "low_version",
    "method",
    "name",
    "os_type",
    "product",
    "proto",
    "rpc_num",
    "service_fp",
    "tunnel",
    "version",
    "confidence",
    "cpes",
    "cpe",
    "owner_id",
    "is_cdn_ip",
    "TLS",
];

/// An address and a port are everybody's; whether TLS was looked at, only naabu says beside them.
fn is_naabu(keys: &Keys<'_>) -> (bool, bool) {
    let line = keys.top(&["ip", "host"]) && keys.top(&["port"]) && keys.only(&NAABU);
    let own =
        keys.top(&["tls", "cdn", "cdn-name", "is_cdn_ip", "mac_address"]) || keys.inner(&["Port"]) && keys.inner(&["Protocol", "TLS"]);
    (line && own, line)
}

fn is_fofa(keys: &Keys<'_>) -> (bool, bool) {
    let names: Vec<String> = keys.top_names().map(str::to_lowercase).collect();
    let names = || names.iter().map(String::as_str);
    let readable = crate::fofa::can_read(names());
    let reply = keys.top(&["results"]) && keys.top(&["error"]) && keys.top(&["query", "mode", "consumed_fpoint", "required_fpoints"]);
    (
        reply || readable && crate::fofa::is_its_own(names()),
        readable && keys.top(&["ip"]) && keys.top(&["port"]) && !keys.top(&["url"]),
    )
}

fn of_markup(head: &[u8]) -> Found {
    let head = without_status(head);
    let Some(start) = memchr::memmem::find(&head, b"<nmaprun") else {
        // Of a file that ends early, no more may be there.
        let nmap = contains(&head, "<!DOCTYPE nmaprun");
        return if nmap { Found::own(Format::Nmap) } else { Found::default() };
    };
    let tag = head[start..].split(|byte| *byte == b'>').next().unwrap_or_default();
    if contains(tag, "scanner=\"masscan\"") {
        Found::own(Format::Masscan)
    } else if contains(tag, "scanner=\"nmap\"") || !contains(tag, "scanner=") {
        Found::own(Format::Nmap)
    } else {
        Found::may(Format::Nmap)
    }
}

fn of_lines(head: &[u8]) -> Found {
    let text = String::from_utf8_lossy(&head[..head.len().min(64 * 1024)]);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(first) = lines.next() else { return Found::default() };
    if first.starts_with("#masscan") || first.starts_with("# Masscan") || first.starts_with("Timestamp: ") && first.contains("\tHost: ") {
        return Found::own(Format::Masscan);
    }
    let Some(line) = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')) else {
        let nmap = crate::nmap_text::is_greppable(head);
        return if nmap { Found::own(Format::Nmap) } else { Found::default() };
    };
    if crate::nmap_text::is_line(line) {
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
        // One of IPv6 may have a port behind it.
        found.add(Format::Naabu, false, line.contains(':'));
        return found;
    }
    let bare = crate::naabu::bare(line);
    if bare.parse::<SocketAddr>().is_ok() || crate::naabu::pair(bare).is_some() {
        // What a service or a network is called stands behind the port in naabu's lists alone.
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
    // Shodan's CSV has both, and is none of these.
    let place = has("ip") && has("port") && !has("ip_str");
    let report = ["severity", "tag", "geo", "asn", "region", "naics", "sector", "hostname_source"];
    let report = report.iter().filter(|name| has(name)).count() > 1;
    found.add(Format::Shadowserver, place && has("timestamp") && report, place && has("timestamp"));
    let names = || columns.iter().map(String::as_str);
    let readable = crate::fofa::can_read(names()) && !has("ip_str");
    let fofa = readable && (crate::fofa::is_its_own(names()) || crate::fofa::is_chinese(names()));
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

/// The last part of a path, in lower case.
fn file_name(name: &str) -> String {
    name.rsplit(['/', '\\']).next().unwrap_or(name).to_ascii_lowercase()
}

/// Where the bytes say nothing: a file that is empty or holds comments alone.
fn of_name(head: &[u8], name: &str) -> Option<Format> {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    if lines.any(|line| !line.is_empty() && !line.starts_with(b"#")) && !is_empty_list(head) {
        return None;
    }
    let name = file_name(name);
    let dated = name.len() > 11 && name.is_char_boundary(10) && name[..10].bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if dated && name.contains(".csv") {
        return Some(Format::Shadowserver);
    }
    Format::ALL.into_iter().find(|format| name.contains(format.word()))
}
