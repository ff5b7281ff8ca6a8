//! What only the source says is told as its word.

use vigie_import::CLAIM_CONFIDENCE;
use vigie_model::Known;

use crate::{data, import_with, options, product};

/// A made-up reply of n8n's page, which names the product and no version, with the source's own word on both.
#[test]
fn a_version_without_a_reply_is_marked_as_the_sources_word() {
    let text = String::from_utf8(data("shodan/download.jsonl")).expect("text");
    let line = text.lines().next().expect("a line");
    let page =
        r#"<html><head><title>n8n.io - Workflow Automation</title><meta name=\"n8n:config:rest-endpoint\" content=\"\"></head></html>"#;
    let line = line
        .replacen("Ollama is running", page, 1)
        .replacen(
            "\"product\": \"Ollama\", \"version\": \"0.12.3\"",
            "\"product\": \"n8n\", \"version\": \"1.0.0\"",
            1,
        )
        .replacen("text/plain", "text/html", 1)
        .replacen("Content-Length: 17\\r\\n", "", 1);
    let of = |line: &str| {
        let mut all = import_with(line.as_bytes(), None, options());
        all.remove(0).expect("sound")
    };
    let rules = |line: &str| {
        of(line)
            .identity
            .evidence
            .iter()
            .map(|piece| piece.rule.clone())
            .collect::<Vec<_>>()
    };
    let one = of(&line);
    assert_eq!(product(&one), Some("n8n"));
    assert!(one.identity.confidence > CLAIM_CONFIDENCE, "its own reply shows it");
    assert_eq!(one.identity.version, Known::Known("1.0.0".to_owned()));
    assert!(
        rules(&line).iter().any(|rule| rule == "version-said-by-source"),
        "{:?}",
        rules(&line)
    );
    // Without a version there is nothing to say it of.
    let untold = line.replacen(", \"version\": \"1.0.0\"", "", 1);
    assert!(rules(&untold).iter().all(|rule| rule != "version-said-by-source"));
}
