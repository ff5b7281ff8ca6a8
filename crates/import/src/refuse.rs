//! What is often taken for a text that can be read, and what to export in its place.

use crate::format::Format;
use crate::frame::head_columns;

/// Why a text is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Whose it is; `None` of what no tool's reader could read. It is refused even where the caller names this format.
    pub(crate) of: Option<Format>,
    /// What it is and what to do, a fragment that reads well after a colon.
    pub(crate) why: &'static str,
}

/// What such a text is, where it is none that can be read whatever the caller says of it.
pub(crate) fn packed(head: &[u8]) -> Option<Refusal> {
    let begins = |magic: &[u8]| head.starts_with(magic);
    let archive = begins(b"7z\xbc\xaf\x27\x1c")
        || begins(b"Rar!\x1a\x07")
        || begins(b"\xfd7zXZ\0")
        || begins(b"BZh") && head.get(4..10) == Some(b"\x31\x41\x59\x26\x53\x59")
        || begins(b"\x04\x22\x4d\x18")
        || begins(b"\x1f\x9d")
        || begins(b"\x1f\x8b")
        || begins(b"\x28\xb5\x2f\xfd")
        || head.get(257..262) == Some(b"ustar");
    let capture = begins(b"\xd4\xc3\xb2\xa1") || begins(b"\xa1\xb2\xc3\xd4") || begins(b"\x4d\x3c\xb2\xa1") || begins(b"\x0a\x0d\x0d\x0a");
    let why = if begins(&[0xff, 0xfe]) || begins(&[0xfe, 0xff]) {
        "it is UTF-16, as a redirection in PowerShell writes it; UTF-8 is read"
    } else if is_wide(head) {
        "it is UTF-16 without the mark at its beginning that says so; UTF-8 is read"
    } else if begins(b"masscan/1.") {
        return Some(Refusal {
            of: None,
            why: "it is masscan's own binary (-oB); make JSON of it with `masscan --readscan FILE -oJ scan.json`",
        });
    } else if begins(b"PK\x03\x04") || begins(b"PK\x05\x06") || begins(b"PK\x07\x08") {
        "it is a zip archive within another, or one that comes as a stream; unpack it and name the files in it"
    } else if archive {
        "it is an archive that is not read here; unpack it first (a file by itself is read from gzip, zstd and zip)"
    } else if begins(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        "it is a workbook of Excel; save it as CSV, or export CSV or JSON"
    } else if begins(b"%PDF-") {
        "it is a PDF; export JSON or CSV"
    } else if capture {
        "it is a capture of packets, which is not read"
    } else if begins(b"SQLite format 3\0") || begins(b"PAR1") {
        "it is a database file; export JSON or CSV of it"
    } else {
        return None;
    };
    Some(Refusal { of: None, why })
}

/// Whether every second byte is zero, as of a text of Latin letters in UTF-16.
fn is_wide(head: &[u8]) -> bool {
    let pairs = || head.chunks_exact(2).take(128);
    let all = pairs().count();
    let zeros = |at: usize| pairs().filter(|pair| pair.get(at) == Some(&0)).count();
    let (first, second) = (zeros(0), zeros(1));
    all >= 4 && (first == 0 && 4 * second >= 3 * all || second == 0 && 4 * first >= 3 * all)
}

/// What a text is that no format claims, or that is of a tool but not in a form that carries what is read.
pub(crate) fn hint(head: &[u8]) -> Option<Refusal> {
    let head = &head[..head.len().min(64 * 1024)];
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let first = text.lines().next().unwrap_or_default().trim_end();
    let of = |format: Format, why: &'static str| Some(Refusal { of: Some(format), why });
    if first.starts_with("# Nmap ") || first.starts_with("Starting Nmap ") || first.starts_with("Nmap scan report for ") {
        return of(Format::Nmap, "of nmap, -oX is read, and -oG, and this is -oN");
    }
    if is_script_kiddie(first) {
        return of(Format::Nmap, "of nmap, -oX is read, and -oG, and this is -oS");
    }
    if first.starts_with("TCP open\t") || first.starts_with("Discovered open port ") {
        return of(
            Format::Masscan,
            "it is masscan's output for people (-oU, or what it prints); export JSON with -oJ",
        );
    }
    if is_nuclei_text(first) {
        return of(Format::Nuclei, "it is nuclei's output for people; export JSON lines with -jsonl");
    }
    if is_zmap_log(first) {
        return of(
            Format::Zmap,
            "it is zmap's log, or what it prints of its progress; name the file that -o wrote",
        );
    }
    if first.starts_with("http://") || first.starts_with("https://") {
        return Some(Refusal {
            of: None,
            why: "it is a list of URLs; of httpx, -json is read, of nuclei, -jsonl, of FOFA, CSV and JSON lines with the names of their fields",
        });
    }
    let lower = first.to_ascii_lowercase();
    if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        return Some(Refusal {
            of: None,
            why: "it is a page of HTML, not the export behind it",
        });
    }
    if text.starts_with('{') || text.starts_with('[') {
        return of_json(text);
    }
    of_csv(&head_columns(head))
}

/// nmap's `-oS` writes its `-oN` with letters changed at random.
fn is_script_kiddie(line: &str) -> bool {
    let plain: String = line
        .chars()
        .take(200)
        .map(|c| match c {
            '4' | '@' => 'a',
            '3' => 'e',
            '!' | '|' | '1' => 'i',
            '0' => 'o',
            '$' | 'z' | 'Z' | '5' => 's',
            other => other.to_ascii_lowercase(),
        })
        .collect();
    plain.starts_with("starting nmap") || plain.starts_with("# nmap") || plain.starts_with("nmap scan report")
}

/// `Nov 30 12:00:00.123 [INFO] zmap: …`, or ` 0:01 12%; send: 1000 100 Kp/s …; recv: …`.
fn is_zmap_log(line: &str) -> bool {
    let levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
    let logged = line.len() > 16
        && line
            .get(..3)
            .is_some_and(|month| month.bytes().all(|byte| byte.is_ascii_alphabetic()))
        && levels.iter().any(|level| {
            line.split_once(&format!(" [{level}] "))
                .is_some_and(|(time, said)| time.len() <= 24 && time.contains(':') && said.contains(": "))
        });
    logged || line.contains("; send: ") && line.contains("p/s")
}

/// `[ollama-detect] [http] [info] http://…`, with or without colours.
fn is_nuclei_text(line: &str) -> bool {
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    plain.push_str(rest);
    let severities = ["info", "low", "medium", "high", "critical", "unknown"];
    plain.starts_with('[') && severities.iter().any(|severity| plain.contains(&format!("] [{severity}] ")))
}

fn of_json(text: &str) -> Option<Refusal> {
    let start: String = text.chars().take(4_096).filter(|c| !c.is_whitespace()).collect();
    let has = |what: &str| start.contains(what);
    let none = |why: &'static str| Some(Refusal { of: None, why });
    let of = |format: Format, why: &'static str| Some(Refusal { of: Some(format), why });
    // The first that stands there is of the whole: a list of observations may follow.
    let schema = start.split_once("\"schema\":\"vigie.").map(|(_, rest)| rest);
    // A text that is cut off may have been any.
    let other = |schema: &str| !schema.starts_with("observation/") && !"observation/".starts_with(schema);
    if schema.is_some_and(other) {
        return of(Format::Vigie, OF_VIGIE);
    }
    if has("\"first_seen\":") && has("\"last_seen\":") && has("\"observations\":") && has("\"posture\":") {
        return of(Format::Vigie, OF_VIGIE);
    }
    if has("sarif") && has("\"version\":\"2.") {
        return none("it is SARIF, which carries no replies; of nuclei, -jsonl is read, of vigie, --format jsonl");
    }
    if has("\"statuses\":") && (has("\"start\":") || has("\"duration\":")) {
        return none("it is zgrab2's summary of a run (its metadata), not its results");
    }
    if has("\"errmsg\":") && has("\"error\":true") {
        return none("it is an error reply of FOFA's API, without results");
    }
    if has("\"data\":{\"http\":{\"response\":") || has("\"data\":{\"banner\":") {
        return none("it is of the first zgrab; scan again with `zgrab2 http`");
    }
    if start.trim_start_matches('[').starts_with("{\"error\":\"") && !has("\"matches\":") && !has("\"ip_str\":") {
        return of(
            Format::Shodan,
            "it is an error reply, such as Shodan's API sends, without results; read its message and query again",
        );
    }
    if has("\"cpes\":") && has("\"vulns\":") && has("\"ports\":") {
        return none("it is a reply of Shodan's InternetDB, which says no time and no service; export with `shodan download`");
    }
    None
}

/// What to do with what vigie tells of its lake.
const OF_VIGIE: &str = "it is vigie's own, and no list of observations: those are the lines that `vigie scan --format jsonl` prints";

fn of_csv(columns: &[String]) -> Option<Refusal> {
    let has = |name: &str| columns.iter().any(|column| column == name);
    let of = |format: Format, why: &'static str| Some(Refusal { of: Some(format), why });
    if has("ip_str") && has("port") {
        return of(
            Format::Shodan,
            "it is Shodan's CSV, which leaves out most of a banner; export JSON lines (`shodan download NAME QUERY` writes NAME.json.gz, and `shodan convert` is not needed)",
        );
    }
    if has("schema") && has("address") && has("first_seen") && has("last_seen") {
        return of(Format::Vigie, OF_VIGIE);
    }
    // FOFA has a banner too, and calls the others otherwise.
    let place = has("ip") || has("ip address") || has("ip_address");
    let around = ["hostnames", "operating system", "organization", "isp", "vulns"]
        .iter()
        .filter(|name| has(name))
        .count();
    if place && has("port") && (has("banner") || has("data") || has("country") || has("timestamp")) && around >= 2 {
        return of(
            Format::Shodan,
            "it is a CSV as Shodan's website exports it, which leaves out most of a banner; export JSON there, or with `shodan download`",
        );
    }
    if has("url") && (has("status_code") || has("status-code")) {
        return of(
            Format::Httpx,
            "it is httpx's CSV; export JSON lines with -json (and -irr for headers and page)",
        );
    }
    let dotted = |start: &str| columns.iter().any(|column| column.starts_with(start));
    if dotted("host.services")
        || dotted("host.ip")
        || dotted("services.")
        || dotted("autonomous_system.")
        || dotted("host.autonomous_system")
    {
        return of(
            Format::Censys,
            "it is a CSV of Censys, where a host's services cannot be told apart; export JSON (`censys search QUERY -o hosts.json`, or the API's reply)",
        );
    }
    if has("real-time") && has("time-elapsed") {
        return of(Format::Zmap, "it is zmap's log of its progress; name the file that -o wrote");
    }
    if has("daddr") || has("classification") {
        return of(
            Format::Zmap,
            "of zmap's fields, saddr is needed: `zmap -O csv -f saddr,sport,classification,success,timestamp-str`",
        );
    }
    let template = [
        "template",
        "template-id",
        "template_id",
        "templateid",
        "template-url",
        "template-path",
    ];
    let match_ = [
        "matched-at",
        "matched_at",
        "matched",
        "matcher-name",
        "matcher_name",
        "extracted-results",
        "severity",
        "info.severity",
        "host",
    ];
    let any = |names: &[&str]| names.iter().any(|name| has(name));
    if any(&template) && any(&match_) {
        return of(Format::Nuclei, "it is a CSV of nuclei's results; export JSON lines with -jsonl");
    }
    None
}
