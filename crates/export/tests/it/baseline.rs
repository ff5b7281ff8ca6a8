//! `--baseline FILE`, from writing one to its expiry.

use chrono::NaiveDate;
use vigie_export::baseline::{Baseline, write};
use vigie_model::Observation;

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
fn accepts_what_it_names_until_it_expires() {
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
