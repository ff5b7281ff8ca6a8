//! Versions and servers that vigie does not know: it claims no more than it knows.

use serde_json::Value;

use crate::fleet::{named, raise};
use crate::scan::PORT;
use crate::{code, observations, stderr, stdout, vigie};

fn advisory(word: &str) -> Value {
    let output = vigie(&["advisory", word, "--format", "json"]);
    assert_eq!(code(&output), 0, "{word}: {}", stderr(&output));
    serde_json::from_str(&stdout(&output)).expect("JSON")
}

fn verdict(word: &str, id: &str) -> (String, String) {
    let list = advisory(word);
    let all = list["verdicts"].as_array().expect("a list");
    let one = all.iter().find(|one| one["id"] == id).unwrap_or_else(|| panic!("{word}: no {id}"));
    let text = |key: &str| one[key].as_str().expect(key).to_owned();
    (text("verdict"), text("confidence"))
}

#[test]
fn a_product_without_advisories_is_not_cleared() {
    let list = advisory("n8n@1.0.0");
    assert_eq!(list["coverage"], "not-covered");
    assert_eq!(list["verdicts"].as_array().map(Vec::len), Some(0));
    let table = stdout(&vigie(&["advisory", "n8n@1.0.0"]));
    assert!(
        table.contains("advisories: not covered for n8n") && table.contains("unknown"),
        "{table}"
    );
    assert!(!table.contains("no known advisories"), "{table}");
    // Searched for, and none found.
    let list = advisory("tei@1.7.0");
    assert_eq!(list["coverage"], "none-found");
    assert!(list["searched"].is_string(), "{list}");
    let table = stdout(&vigie(&["advisory", "tei@1.7.0"]));
    assert!(
        table.contains("no known advisories") && table.contains("found none") && !table.contains("not covered"),
        "{table}"
    );
    assert_eq!(advisory("ollama@0.17.4")["coverage"], "listed");
    let list: Value = serde_json::from_str(&stdout(&vigie(&["catalog", "list", "--format", "json"]))).expect("JSON");
    let of = |id: &str| {
        let products = list["products"].as_array().expect("a list");
        let one = products.iter().find(|one| one["id"] == id).expect("the product");
        one["advisory_coverage"].as_str().expect("a word").to_owned()
    };
    assert_eq!(
        (of("n8n"), of("tei"), of("vllm")),
        ("not-covered".into(), "none-found".into(), "listed".into())
    );
    // An interface is not a product.
    for id in ["openai-compatible", "mcp"] {
        let products = list["products"].as_array().expect("a list");
        let one = products.iter().find(|one| one["id"] == id).expect("it is listed");
        assert!(one.get("advisory_coverage").is_none() && advisory(&format!("{id}@1.0")).get("coverage").is_none());
        let table = stdout(&vigie(&["advisory", &format!("{id}@1.0")]));
        assert!(!table.contains("not covered") && table.contains("interface"), "{table}");
    }
}

#[test]
fn the_list_does_not_count_rejected_advisories() {
    let list: Value = serde_json::from_str(&stdout(&vigie(&["catalog", "list", "--format", "json"]))).expect("JSON");
    for one in list["products"].as_array().expect("a list") {
        let id = one["id"].as_str().expect("an id");
        // Without a version, each advisory that was not rejected has a verdict, and no other.
        let verdicts = advisory(id)["verdicts"].as_array().map(Vec::len);
        assert_eq!(one["advisories"].as_u64().map(|count| count as usize), verdicts, "{id}");
    }
}

#[test]
fn versions_that_are_not_releases_are_doubted() {
    let is = |word: &str, id: &str, verdict_is: &str, confidence: &str| {
        assert_eq!(verdict(word, id), (verdict_is.to_owned(), confidence.to_owned()), "{word} {id}");
    };
    is("ollama@0.1.47-amd", "CVE-2024-7773", "not affected", "medium");
    is("ollama@0.1.34-somebody", "CVE-2024-37032", "unknown", "low");
    is("ollama@0.17.1-ipexllm-20250401", "CVE-2024-37032", "not affected", "medium");
    is("ollama@0.1.34-rc1", "CVE-2024-37032", "affected", "high");
    is("ollama@2.2.1", "CVE-2024-37032", "unknown", "low");
    is("localai@4.9.0", "CVE-2024-9900", "not affected", "high");
    is("litellm@1.44.7", "CVE-2024-6587", "affected", "high");
    is("litellm@1.44.8", "CVE-2024-6587", "unknown", "low");
    is("litellm@1.44.9", "CVE-2024-6587", "not affected", "high");
}

#[test]
fn a_scan_claims_only_what_a_server_showed() {
    let (_running, _) = raise(31, &named(&["openai-compatible/acme-stub-open", "n8n/2.40.7-login"]));
    let scan = |format: &str| {
        vigie(&[
            "scan",
            "127.91.31.1-127.91.31.2",
            "--ports",
            PORT,
            "--no-lake",
            "--quiet",
            "--format",
            format,
        ])
    };
    let seen = observations(&scan("jsonl"));
    let of = |product: &str| {
        let one = seen.iter().find(|one| one["identity"]["product"]["known"] == product);
        one.unwrap_or_else(|| panic!("no {product} in {seen:?}"))
    };
    let finding = |product: &str, id: &str| {
        let findings = of(product)["findings"].as_array().expect("a list");
        findings.iter().find(|finding| finding["id"] == id).cloned()
    };
    // The product is unknown: all that it showed is a list of models.
    assert_eq!(finding("openai-compatible", "management-reachable"), None);
    let inference = finding("openai-compatible", "open-inference").expect("its list is open");
    assert_eq!(inference["evidence"], "inferred");
    assert_ne!(inference["confidence"], "high");
    for finding in of("openai-compatible")["findings"].as_array().expect("a list") {
        let detail = finding["detail"].as_str().expect("a text");
        assert!(!detail.contains("DELETE ") && !detail.contains("POST /v1/files"), "{detail}");
    }
    assert_eq!(of("n8n")["advisory_coverage"], "not-covered");
    assert!(finding("n8n", "advisories-not-covered").is_some());
    let table = stdout(&scan("table"));
    assert!(table.contains("not covered for n8n"), "{table}");
    let report: Value = serde_json::from_str(&stdout(&scan("json"))).expect("JSON");
    assert_eq!(report["summary"]["counts"]["not_covered"]["n8n"], 1);
    let log: Value = serde_json::from_str(&stdout(&scan("sarif"))).expect("JSON");
    let results = log["runs"][0]["results"].as_array().expect("a list");
    assert!(results.iter().any(|result| result["ruleId"] == "advisories-not-covered"));
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().expect("a list");
    for rule in rules {
        let page = "https://github.com/vigie/vigie/blob/main/docs/src/findings.md#";
        assert_eq!(rule["helpUri"], format!("{page}{}", rule["id"].as_str().expect("an id")));
    }
}
