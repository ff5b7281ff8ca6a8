//! Which tool wrote a text.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::frame::{first_keys, split_row, without_status};

/// A tool whose records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// Shodan: `shodan download`, replies of its search and its host view, banners.
    Shodan,
    /// Censys: search replies, single assets, lines of hosts; of the Platform and of Search v2.
    Censys,
    /// zmap: addresses, addresses with ports, CSV, JSON lines.
    Zmap,
    /// zgrab2: JSON lines.
    Zgrab2,
    /// masscan: `-oJ`, `-oD`, `-oL`, `-oX`, `-oG`.
    Masscan,
    /// nmap: `-oX`.
    Nmap,
    /// naabu: `host:port`, JSON lines, CSV.
    Naabu,
    /// httpx of ProjectDiscovery: JSON lines.
    Httpx,
    /// Shadowserver's reports: CSV.
    Shadowserver,
    /// vigie's own JSON lines.
    Vigie,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 10] = [
        Self::Shodan,
        Self::Censys,
        Self::Zmap,
        Self::Zgrab2,
        Self::Masscan,
        Self::Nmap,
        Self::Naabu,
        Self::Httpx,
        Self::Shadowserver,
        Self::Vigie,
    ];

    /// Its word, on the command line and as the source's name in the record.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Shodan => "shodan",
            Self::Censys => "censys",
            Self::Zmap => "zmap",
            Self::Zgrab2 => "zgrab2",
            Self::Masscan => "masscan",
            Self::Nmap => "nmap",
            Self::Naabu => "naabu",
            Self::Httpx => "httpx",
            Self::Shadowserver => "shadowserver",
            Self::Vigie => "vigie",
        }
    }

    pub(crate) fn words() -> String {
        Self::ALL.map(Self::word).join(", ")
    }

    /// Recognises a format from the first bytes of a text (unpacked); the file's name decides only where they leave it open.
    #[must_use]
    pub fn recognise(head: &[u8], file_name: Option<&str>) -> Option<Self> {
        let head = head.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(head);
        match head.iter().copied().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{' | b'[') => of_json(head).or_else(|| of_lines(head)),
            Some(b'<') => of_markup(head),
            Some(_) => of_lines(head),
            None => None,
        }
        .or_else(|| of_name(head, file_name?))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|format| format.word() == word)
            .ok_or_else(|| format!("{word:?} is no format; known are {}", Self::words()))
    }
}

fn contains(head: &[u8], what: &str) -> bool {
    memchr::memmem::find(head, what.as_bytes()).is_some()
}

fn of_json(head: &[u8]) -> Option<Format> {
    let keys = first_keys(head);
    let at = |depth: usize, name: &str| keys.iter().any(|(d, key)| *d == depth && key == name);
    let top = |name: &str| at(1, name);
    let any = |names: &[&str]| names.iter().any(|name| top(name));
    // A banner may be longer than what is looked at, and its address stands near its end.
    let cut_banner = top("hash") && any(&["transport", "opts", "http"]) && any(&["isp", "asn", "org", "os"]);
    if top("schema") && contains(head, "vigie.observation/") {
        Some(Format::Vigie)
    } else if any(&["matches", "_shodan", "ip_str"]) || at(2, "_shodan") || cut_banner {
        Some(Format::Shodan)
    } else if top("host_v1")
        || (top("result") && (at(2, "hits") || at(2, "resource") || at(2, "services")))
        || (top("ip") && any(&["services", "service_count", "autonomous_system"]))
        || at(2, "host_v1")
        // Its command line, and lines of assets.
        || (any(&["host", "resource"]) && at(2, "ip"))
    {
        Some(Format::Censys)
    } else if top("saddr") {
        Some(Format::Zmap)
    } else if top("ip") && any(&["ports", "rec_type"]) {
        Some(Format::Masscan)
    } else if top("data") && any(&["ip", "domain"]) {
        Some(Format::Zgrab2)
    } else if is_httpx(&any) {
        Some(Format::Httpx)
    } else if any(&["ip", "host"]) && top("port") && keys.iter().all(|(depth, key)| *depth > 1 || NAABU.contains(&key.as_str())) {
        Some(Format::Naabu)
    } else if contains(head, "finished: 1") {
        // masscan 1.0 wrote this as its last element, and nothing else if it found nothing.
        Some(Format::Masscan)
    } else {
        None
    }
}

/// Other tools have a URL too; this one says how the reply was measured.
fn is_httpx(any: &dyn Fn(&[&str]) -> bool) -> bool {
    any(&["url"])
        && any(&["status_code", "status-code", "failed"])
        && any(&[
            "words",
            "lines",
            "method",
            "time",
            "response-time",
            "webserver",
            "content_length",
            "content-length",
        ])
        && !any(&["template-id", "template"])
}

/// The keys of naabu's lines, those of its service detection too: a line with an address and a port that has others is another tool's.
const NAABU: [&str; 28] = [
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
];

fn of_markup(head: &[u8]) -> Option<Format> {
    let head = without_status(head);
    let Some(start) = memchr::memmem::find(&head, b"<nmaprun") else {
        // Of a file that ends early, no more may be there.
        return contains(&head, "<!DOCTYPE nmaprun").then_some(Format::Nmap);
    };
    let tag = head[start..].split(|byte| *byte == b'>').next()?;
    Some(if contains(tag, "scanner=\"masscan\"") {
        Format::Masscan
    } else {
        Format::Nmap
    })
}

fn of_lines(head: &[u8]) -> Option<Format> {
    let text = String::from_utf8_lossy(&head[..head.len().min(64 * 1024)]);
    let first = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    if first.starts_with("#masscan") || first.starts_with("# Masscan") || first.starts_with("Timestamp: ") {
        return Some(Format::Masscan);
    }
    if ["open ", "banner ", "closed "].iter().any(|word| first.starts_with(word)) && first.split(' ').count() >= 5 {
        return Some(Format::Masscan);
    }
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'))?;
    if line.contains(',') {
        let columns: Vec<String> = split_row(line.as_bytes())
            .iter()
            .map(|cell| cell.trim().to_ascii_lowercase())
            .collect();
        let has = |name: &str| columns.iter().any(|column| column == name);
        if crate::naabu::is_header(&columns) {
            return Some(Format::Naabu);
        }
        let report = ["severity", "tag", "geo", "naics", "hostname_source"];
        if has("timestamp") && has("ip") && has("port") && report.iter().any(|name| has(name)) {
            return Some(Format::Shadowserver);
        }
        let pair = matches!(columns.as_slice(), [address, port] if address.parse::<IpAddr>().is_ok() && port.parse::<u16>().is_ok());
        return (has("saddr") || pair).then_some(Format::Zmap);
    }
    if line == "saddr" || line.parse::<IpAddr>().is_ok() {
        return Some(Format::Zmap);
    }
    let line = crate::naabu::bare(line);
    let is_pair = line.parse::<SocketAddr>().is_ok() || crate::naabu::pair(line).is_some();
    is_pair.then_some(Format::Naabu)
}

/// Where the bytes say nothing: a file that is empty or holds comments alone.
fn of_name(head: &[u8], name: &str) -> Option<Format> {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    if lines.any(|line| !line.is_empty() && !line.starts_with(b"#")) {
        return None;
    }
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name).to_ascii_lowercase();
    let dated = name.len() > 11 && name.is_char_boundary(10) && name[..10].bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if dated && name.contains(".csv") {
        return Some(Format::Shadowserver);
    }
    Format::ALL.into_iter().find(|format| name.contains(format.word()))
}
