//! `--baseline FILE`, from writing one to its expiry.

use chrono::NaiveDate;
use vigie_export::baseline::{Baseline, write};
use vigie_model::{Observation, PathPrefix, Subject};

use crate::samples;

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

fn accepted(observation: &Observation) -> Vec<&str> {
    observation
        .findings
        .iter()
        .filter(|finding| finding.accepted.is_some())
        .map(|finding| finding.id.as_str())
        .collect()
}

const FILE: &str = r#"
schema = "vigie.baseline/1"

[[accept]]
finding = "open-inference"
subject = "192.0.2.0/24"
reason = "the team's"
expires = 2026-12-31
by = "ops@example.net"

[[accept]]
finding = "open-inference"
subject = "192.0.2.10:11434"
reason = "longer"
expires = 2027-12-31

[[accept]]
finding = "plain-http"
subject = "*"
reason = "last year's"
expires = 2025-12-31

[[accept]]
finding = "no-such-finding"
subject = "*"
reason = "misspelt"
expires = "2027-12-31"

[[accept]]
finding = "vulnerable-version"
subject = "192.0.2.14"
reason = "mitigated"
expires = 2027-12-31
advisories = ["CVE-2026-48746"]
"#;

#[test]
fn an_entry_accepts_its_findings_until_it_expires() {
    let mut baseline = Baseline::parse(FILE).expect("a baseline");
    let mut open = samples::ollama_open();
    baseline.apply(&mut open, day("2026-11-22"));
    assert_eq!(accepted(&open), ["open-inference"]);
    let reason = open.findings.iter().find_map(|f| f.accepted.as_deref());
    assert_eq!(reason, Some("longer"), "the entry that lasts longest speaks");

    // An advisory that is not in the list is a new finding.
    let mut vllm = samples::vllm_vulnerable();
    baseline.apply(&mut vllm, day("2026-11-22"));
    assert_eq!(accepted(&vllm), ["open-inference"]);
    vllm.findings[0].advisories.truncate(1);
    baseline.apply(&mut vllm, day("2026-11-22"));
    assert_eq!(accepted(&vllm), ["vulnerable-version", "open-inference"]);

    // The last day counts, the next one does not.
    for (today, expected) in [("2026-12-31", 1), ("2027-01-01", 0)] {
        let mut vllm = samples::vllm_vulnerable();
        baseline.apply(&mut vllm, day(today));
        assert_eq!(accepted(&vllm).len(), expected, "{today}");
    }
}

#[test]
fn reports_expired_and_unused_entries() {
    let mut baseline = Baseline::parse(FILE).expect("a baseline");
    let mut open = samples::ollama_open();
    baseline.apply(&mut open, day("2026-11-22"));
    assert_eq!(
        baseline.notes(day("2026-11-22")),
        ["baseline line 17: plain-http at * expired on 2025-12-31"]
    );
    let unused: Vec<&str> = baseline.unused().map(|entry| entry.finding.as_str()).collect();
    assert_eq!(unused, ["no-such-finding", "vulnerable-version"]);
}

#[test]
fn a_written_baseline_accepts_exactly_what_was_open() {
    let mut all = samples::all();
    let text = write(&all, "known at the start", day("2027-05-31"), Some("ops@example.net"));
    insta::assert_snapshot!(text);
    let mut baseline = Baseline::parse(&text).expect("reads back");
    for observation in &mut all {
        baseline.apply(observation, day("2026-11-22"));
    }
    let open: Vec<&Observation> = all
        .iter()
        .filter(|one| one.findings.iter().any(|finding| finding.accepted.is_none()))
        .collect();
    assert_eq!(open.len(), 1, "all but the suspect");
    assert_eq!(open[0].endpoint, samples::honeypot().endpoint);
    assert_eq!(baseline.unused().count(), 0);

    let mut other = samples::ollama_open();
    other.endpoint.port += 1;
    baseline.apply(&mut other, day("2026-11-22"));
    assert!(accepted(&other).is_empty());
}

/// Endpoints at one address and port: by the address, by two names, and under a path.
fn neighbours() -> Vec<Observation> {
    [
        (None, None),
        (Some("a.example"), None),
        (Some("b.example"), None),
        (None, Some("/ollama")),
        (Some("a.example"), Some("/ollama")),
    ]
    .map(|(name, path)| {
        let mut one = samples::ollama_open();
        one.endpoint.name = name.map(str::to_owned);
        one.endpoint.prefix = path.and_then(|path| PathPrefix::parse(path).expect("a path"));
        one
    })
    .into()
}

/// Which of the neighbours have an accepted finding.
fn accepted_of(text: &str) -> Vec<String> {
    let mut baseline = Baseline::parse(text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
    let mut all = neighbours();
    all.iter_mut().for_each(|one| baseline.apply(one, day("2026-11-22")));
    let accepted = all.iter().filter(|one| !accepted(one).is_empty());
    accepted.map(|one| one.endpoint.to_string()).collect()
}

#[test]
fn endpoints_at_one_address_and_port_are_accepted_apart() {
    let all: Vec<String> = neighbours().iter().map(|one| one.endpoint.to_string()).collect();
    let [address, a, b, path, a_path] = &all[..] else {
        panic!("{all:?}")
    };
    let cases: [(&str, Vec<&String>); 12] = [
        // As before: all at the address and port.
        ("192.0.2.10:11434", all.iter().collect()),
        ("192.0.2.10", all.iter().collect()),
        ("192.0.2.0/24", all.iter().collect()),
        ("*", all.iter().collect()),
        ("192.0.2.10:11434/ollama", vec![path, a_path]),
        ("a.example", vec![a, a_path]),
        ("a.example (192.0.2.10:11434)", vec![a]),
        ("b.example (192.0.2.10:11434)", vec![b]),
        ("a.example/ollama (192.0.2.10:11434)", vec![a_path]),
        ("192.0.2.10 (192.0.2.10:11434)", vec![address]),
        ("192.0.2.10/ollama (192.0.2.10:11434)", vec![path]),
        ("a.example (192.0.2.10:11435)", vec![]),
    ];
    for (subject, expected) in cases {
        let text = format!(
            "schema = \"vigie.baseline/1\"\n[[accept]]\nfinding = \"open-inference\"\nsubject = \"{subject}\"\nreason = \"r\"\nexpires = \
             2027-12-31\n"
        );
        assert_eq!(accepted_of(&text).iter().collect::<Vec<_>>(), expected, "{subject}");
    }
}

#[test]
fn a_written_baseline_keeps_endpoints_at_one_address_and_port_apart() {
    let all = neighbours();
    for one in &all {
        // The others were seen too, and have no findings.
        let mut seen = all.clone();
        for other in seen.iter_mut().filter(|other| other.endpoint != one.endpoint) {
            other.findings = Vec::new().into();
        }
        let text = write(&seen, "known", day("2027-05-31"), None);
        assert_eq!(accepted_of(&text), [one.endpoint.to_string()], "{text}");
    }
    // Alone, or under a name that no baseline can hold, it is written as it always was.
    let mut alone = all[1].clone();
    assert!(write([&alone], "known", day("2027-05-31"), None).contains("subject = \"192.0.2.10:11434\"\n"));
    alone.endpoint.name = Some("not a name".to_owned());
    let text = write([&alone, &all[0]], "known", day("2027-05-31"), None);
    assert!(
        text.contains("subject = \"192.0.2.10:11434\"\n") && Baseline::parse(&text).is_ok(),
        "{text}"
    );
}

#[test]
fn one_of_two_findings_of_a_rule_is_accepted_alone() {
    let text = "schema = \"vigie.baseline/1\"\n[[accept]]\nfinding = \"uncensored-model\"\nsubject = \"192.0.2.10:11434 (by name)\"\nreason = \
                \"r\"\nexpires = 2027-12-31\n";
    let mut open = samples::ollama_open();
    let by_name = open
        .findings
        .iter()
        .find(|finding| finding.id == "uncensored-model")
        .cloned()
        .expect("it is there");
    let of = |signal: &str| {
        let mut finding = by_name.clone();
        finding.subject = Subject::from_record(&format!("192.0.2.10:11434 (by {signal})"));
        finding
    };
    open.findings = vec![of("name"), of("system prompt")].into();
    Baseline::parse(text).expect("a baseline").apply(&mut open, day("2026-11-22"));
    let reasons: Vec<bool> = open.findings.iter().map(|finding| finding.accepted.is_some()).collect();
    assert_eq!(reasons, [true, false]);
}

#[test]
fn an_old_baseline_reads_the_same() {
    // The subjects that a baseline could have before it could name one endpoint of several, and what they cover.
    for (subject, covered, not) in [
        ("192.0.2.9/24", "192.0.2.10:1", "192.0.3.10:1"),
        ("192.0.2.0/24", "192.0.2.10:1", "192.0.3.10:1"),
        ("192.0.2.10/32", "192.0.2.10:1", "192.0.2.11:1"),
        ("192.0.2.10", "192.0.2.10:1", "192.0.2.11:1"),
        ("192.0.2.10:1", "192.0.2.10:1", "192.0.2.10:2"),
        ("0.0.0.0/0", "192.0.2.10:1", "[2001:db8::1]:1"),
        ("::/0", "[2001:db8::1]:1", "192.0.2.10:1"),
        ("2001:db8::/32", "[2001:db8::1]:1", "[2001:db9::1]:1"),
        ("2001:DB8::1", "[2001:db8::1]:1", "[2001:db8::2]:1"),
        ("[2001:db8::1]:1", "[2001:db8::1]:1", "[2001:db8::1]:2"),
    ] {
        let text = format!(
            "schema = \"vigie.baseline/1\"\n[[accept]]\nfinding = \"open-inference\"\nsubject = \" {subject} \"\nreason = \"r\"\nexpires = \
             2027-12-31\n"
        );
        for (at, expected) in [(covered, true), (not, false)] {
            let mut open = samples::ollama_open();
            let socket: std::net::SocketAddr = at.parse().expect("a socket");
            (open.endpoint.address, open.endpoint.port) = (socket.ip(), socket.port());
            let mut baseline = Baseline::parse(&text).expect("a baseline");
            baseline.apply(&mut open, day("2026-11-22"));
            assert_eq!(!accepted(&open).is_empty(), expected, "{subject} at {at}");
        }
    }
}
