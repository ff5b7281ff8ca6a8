//! A product without advisories is never reported as one to which none applies.

use std::sync::Arc;

use serde_json::Value;
use vigie_export::{Format, Options};
use vigie_model::{Advised, AdvisoryCoverage, Known, Observation};

use crate::formats::{with_rules, written};
use crate::samples;

/// A server of that product with an empty list of advisories, and why it is empty.
fn without_advisories(product: &str, coverage: AdvisoryCoverage) -> Observation {
    let mut seen = samples::open_webui_first_admin();
    seen.identity.product = Known::Known(product.to_owned());
    seen.identity.version = Known::Known("1.0.0".to_owned());
    seen.advisories = Advised::new(Arc::from([]), coverage);
    seen
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// A row of CSV by its columns' names.
fn cell(csv: &str, column: &str) -> String {
    let mut lines = csv.trim_start_matches('\u{feff}').lines();
    let (head, row) = (lines.next().expect("a head"), lines.next().expect("a row"));
    let place = head.split(',').position(|name| name == column).expect("the column");
    row.split(',').nth(place).unwrap_or_default().to_owned()
}

#[test]
fn every_format_reports_not_covered() {
    let n8n = [without_advisories("n8n", AdvisoryCoverage::NotCovered)];
    let table = plain(&written(Format::Table, &n8n, Options::default()));
    assert_eq!(
        table.matches("not covered for n8n").count(),
        2,
        "the endpoint's, and the summary's: {table}"
    );

    let json: Value = serde_json::from_str(&written(Format::Json, &n8n, Options::default())).expect("JSON");
    assert_eq!(json["observations"][0]["advisory_coverage"], "not-covered");
    assert_eq!(json["summary"]["counts"]["not_covered"]["n8n"], 1);
    let line: Value = serde_json::from_str(&written(Format::Jsonl, &n8n, Options::default())).expect("JSON");
    assert_eq!(line, json["observations"][0], "both write the same record");

    let csv = written(Format::Csv, &n8n, Options::default());
    assert_eq!(cell(&csv, "advisories_why"), "not-carried");
    assert_eq!(cell(&csv, "advisories_affected"), "");

    let sarif: Value = serde_json::from_str(&written(Format::Sarif, &n8n, Options::default())).expect("JSON");
    assert_eq!(sarif["runs"][0]["properties"]["advisoriesNotCovered"][0], "n8n");
}

#[test]
fn none_found_is_an_answer() {
    let tei = [without_advisories("tei", AdvisoryCoverage::NoneFound)];
    let table = plain(&written(Format::Table, &tei, Options::default()));
    assert!(table.contains("none found") && !table.contains("not covered"), "{table}");
    let json: Value = serde_json::from_str(&written(Format::Json, &tei, Options::default())).expect("JSON");
    assert_eq!(json["observations"][0]["advisory_coverage"], "none-found");
    assert_eq!(json["summary"]["counts"].get("not_covered"), None);
    let csv = written(Format::Csv, &tei, Options::default());
    assert_eq!(cell(&csv, "advisories_why"), "");
}

#[test]
fn a_record_without_coverage_is_unchanged() {
    for observation in samples::all() {
        let text = serde_json::to_string(&observation).expect("JSON");
        assert!(!text.contains("advisory_coverage"), "{text}");
        assert_eq!(serde_json::from_str::<Observation>(&text).expect("reads"), observation);
    }
}

#[test]
fn missing_advisories_are_no_incident() {
    let mut n8n = without_advisories("n8n", AdvisoryCoverage::NotCovered);
    let event: Value = serde_json::from_str(&written(Format::Intelmq, &[n8n.clone()], with_rules())).expect("one event");
    assert_eq!(event["extra.advisories"], "not-covered");
    n8n.findings.truncate(1);
    n8n.findings[0].id = "advisories-not-covered".to_owned();
    assert_eq!(written(Format::Intelmq, &[n8n], with_rules()), "");
}

#[test]
fn an_interface_is_no_product_that_is_not_covered() {
    let mut seen = without_advisories("openai-compatible", AdvisoryCoverage::NotCovered);
    seen.advisories = Advised::as_recorded(Arc::from([]), None);
    let seen = [seen];
    let table = plain(&written(Format::Table, &seen, Options::default()));
    assert!(!table.contains("not covered") && !table.contains("none found"), "{table}");
    let csv = written(Format::Csv, &seen, Options::default());
    assert_eq!(
        cell(&csv, "advisories_why"),
        "not-carried",
        "no compared advisory does not mean that none applies"
    );
}
