//! Nothing is invented: what a source cannot carry is unknown, field by field.

use serde_json::Value;

use crate::{good, options};

/// Every field of a record that is unknown, with its code: `exposure.models not-carried`.
fn unknown(value: &Value, path: &str, out: &mut Vec<String>) {
    if let Value::Object(members) = value {
        if let Some(Value::String(code)) = members.get("unknown") {
            out.push(format!("{path} {code}"));
            return;
        }
        for (name, member) in members {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            unknown(member, &path, out);
        }
    }
}

fn unknowns(name: &str, number: usize) -> Vec<String> {
    let mut all = good(name);
    let mut out = Vec::new();
    let one = serde_json::to_value(all.swap_remove(number)).expect("it writes");
    unknown(&one, "", &mut out);
    out.sort();
    out
}

/// A port that answered, and nothing more.
const PORT_ONLY: [&str; 18] = [
    "deception.score not-carried",
    "endpoint.tls not-carried",
    "exposure.activity not-carried",
    "exposure.capabilities not-carried",
    "exposure.models not-carried",
    "exposure.posture not-carried",
    "exposure.reach not-carried",
    "exposure.running not-carried",
    "exposure.tools not-carried",
    "identity.product not-carried",
    "identity.version not-carried",
    "network.asn not-carried",
    "network.city not-carried",
    "network.class not-carried",
    "network.country not-carried",
    "network.organisation not-carried",
    "network.tier not-carried",
    "scope not-carried",
];

#[test]
fn port_scanners_know_that_a_port_answered() {
    for (name, number) in [
        ("masscan/newer.json", 0),
        ("masscan/list.txt", 0),
        ("masscan/scan.xml", 0),
        ("zmap/fields.csv", 0),
        ("zmap/fields.jsonl", 0),
        ("naabu/ports.jsonl", 0),
    ] {
        assert_eq!(unknowns(name, number), PORT_ONLY, "{name}");
    }
    let mut nmap = PORT_ONLY.to_vec();
    // nmap can tell, and was not asked to.
    nmap[1] = "endpoint.tls not-asked";
    assert_eq!(unknowns("nmap/ports.xml", 0), nmap);
}

#[test]
fn a_page_alone_leaves_most_values_unknown() {
    let page = [
        "deception.score not-asked",
        "exposure.activity not-asked",
        "exposure.capabilities not-carried",
        "exposure.models not-asked",
        "exposure.posture not-carried",
        "exposure.reach not-carried",
        "exposure.running not-asked",
        "exposure.tools not-carried",
        "identity.product not-carried",
        "identity.version not-asked",
        "network.asn not-carried",
        "network.city not-carried",
        "network.class not-carried",
        "network.country not-carried",
        "network.organisation not-carried",
        "network.tier not-carried",
        "scope not-carried",
    ];
    for (name, number) in [("zgrab2/root.jsonl", 0), ("httpx/irr.jsonl", 1), ("nmap/services.xml", 2)] {
        assert_eq!(unknowns(name, number), page, "{name}");
    }
}

#[test]
fn search_engines_know_the_network_and_no_capabilities() {
    let shodan = [
        "deception.score not-asked",
        "exposure.activity not-asked",
        "exposure.capabilities not-carried",
        "exposure.models not-asked",
        "exposure.posture not-asked",
        "exposure.reach not-carried",
        "exposure.running not-asked",
        "exposure.tools not-carried",
        "network.class not-carried",
        "network.tier not-carried",
        "scope not-carried",
    ];
    assert_eq!(unknowns("shodan/download.jsonl", 0), shodan);
    let censys = [
        "deception.score not-asked",
        "exposure.capabilities not-carried",
        "exposure.reach not-carried",
        "exposure.tools not-carried",
        "network.class not-carried",
        "network.tier not-carried",
        "scope not-carried",
    ];
    assert_eq!(unknowns("censys/asset.json", 0), censys);
    // SSH on a record of Shodan: no reply of HTTP is in it.
    let ssh = unknowns("shodan/download.jsonl", 3);
    assert!(ssh.contains(&"endpoint.tls not-carried".to_owned()) && ssh.contains(&"identity.product not-carried".to_owned()));
    let report = unknowns("shadowserver/2026-11-01-scan_http-example.csv", 0);
    assert!(report.contains(&"endpoint.tls not-carried".to_owned()), "{report:?}");
}

#[test]
fn the_callers_part_is_left_to_the_caller() {
    for name in [
        "shodan/download.jsonl",
        "censys/asset.json",
        "nmap/services.xml",
        "masscan/newer.json",
    ] {
        for one in good(name) {
            assert!(one.advisories.is_empty() && one.findings.is_empty() && one.listener.is_none());
            assert_eq!(one.source.catalog, options().identifier.catalog().hash());
        }
    }
}
