//! Recognising JSON by its keys.

use super::lines::of_lines;
use super::{Found, contains};
use crate::format::Format;
use crate::formats::fofa;
use crate::frame::first_keys;

/// The keys of the first value of a text, two levels deep.
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

    /// Whether there are keys at the top, and only these.
    fn only(&self, names: &[&str]) -> bool {
        let mut top = self.all.iter().filter(|(depth, _)| *depth == 1).peekable();
        top.peek().is_some() && top.all(|(_, key)| names.contains(&key.as_str()))
    }

    fn top_names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().filter(|(depth, _)| *depth == 1).map(|(_, key)| key.as_str())
    }

    /// Whether one of these keys is anywhere in the first bytes.
    fn anywhere(&self, names: &[&str]) -> bool {
        names.iter().any(|name| contains(self.head, &format!("\"{name}\"")))
    }
}

pub(super) fn of_json(head: &[u8]) -> Found {
    let keys = Keys {
        all: first_keys(head),
        head,
    };
    if keys.top(&["schema"]) && is_observation(head) {
        return Found::own(Format::Vigie);
    }
    if is_gateway_log(&keys) {
        return Found::own(Format::VigieGuard);
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
        // A line may begin with a bracket without being JSON.
        return of_lines(head);
    }
    found
}

/// Whether the first `schema` is that of vigie's records: reports hold records as well.
fn is_observation(head: &[u8]) -> bool {
    let first = memchr::memmem::find(head, b"\"schema\"")
        .and_then(|at| head.get(at + 8..))
        .unwrap_or_default();
    let value = first.trim_ascii_start().strip_prefix(b":").unwrap_or_default().trim_ascii_start();
    value.starts_with(b"\"vigie.observation/")
}

/// An event of OCSF by vigie's gateway. A file may begin with a signature, which was none in the first version of the log.
fn is_gateway_log(keys: &Keys<'_>) -> bool {
    keys.top(&["class_uid"]) && keys.top(&["metadata"]) && contains(keys.head, "\"vigie guard\"")
        || keys.top(&["chain"]) && keys.inner(&["prev"]) && keys.top(&["signed"])
}

fn is_shodan(keys: &Keys<'_>) -> bool {
    let banner = ["transport", "opts", "http", "data", "hash"];
    // A banner may be longer than the first bytes, and its address comes near its end.
    let cut = keys.top(&["hash"]) && keys.top(&["transport", "opts", "http"]) && keys.top(&["isp", "asn", "org", "os"]);
    keys.top(&["_shodan"])
        || keys.inner(&["_shodan"])
        || cut
        || keys.top(&["ip_str"]) && keys.top(&["port", "ports", "data", "transport", "hostnames"])
        // Other tools have a list of this name too.
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

/// `saddr` and the ports alone also come from the kernel's log.
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

/// Other tools have a URL and a status too; httpx also writes its input and measures of the reply.
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

/// Many tools write address and port; only naabu adds whether TLS was seen.
fn is_naabu(keys: &Keys<'_>) -> (bool, bool) {
    let line = keys.top(&["ip", "host"]) && keys.top(&["port"]) && keys.only(&NAABU);
    let own =
        keys.top(&["tls", "cdn", "cdn-name", "is_cdn_ip", "mac_address"]) || keys.inner(&["Port"]) && keys.inner(&["Protocol", "TLS"]);
    (line && own, line)
}

fn is_fofa(keys: &Keys<'_>) -> (bool, bool) {
    let names: Vec<String> = keys.top_names().map(str::to_lowercase).collect();
    let names = || names.iter().map(String::as_str);
    let readable = fofa::can_read(names());
    let reply = keys.top(&["results"]) && keys.top(&["error"]) && keys.top(&["query", "mode", "consumed_fpoint", "required_fpoints"]);
    (
        reply || readable && fofa::is_its_own(names()),
        readable && keys.top(&["ip"]) && keys.top(&["port"]) && !keys.top(&["url"]),
    )
}
