//! Compose services, and what is reported of each: by the settings in effect, not by what is written.

use std::path::Path;

use vigie_audit::files::Files;
use vigie_audit::{Options, audit_files};
use vigie_catalog::Catalog;

/// The rules that are reported for a service with a published port, and their confidence.
fn reported(service: &str) -> Vec<String> {
    let mut files = Files::default();
    let text = format!("services:\n  app:\n    ports: ['9000:9000']\n{service}");
    files.add(Path::new("compose.yaml"), &text);
    let report = audit_files(&files, &Options::default(), &Catalog::embedded()).expect("an audit");
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    let of = |one: &vigie_audit::Reported| format!("{} {}", one.finding.id, one.finding.confidence);
    report.findings.iter().map(of).collect()
}

#[test]
fn a_setting_protects_only_what_reads_it() {
    let chroma = |tag: &str| {
        reported(&format!(
            "    image: chromadb/chroma:{tag}\n    environment: [CHROMA_SERVER_AUTHN_PROVIDER=x.Token, CHROMA_SERVER_AUTHN_CREDENTIALS=k3y]\n"
        ))
    };
    assert_eq!(chroma("0.5.20"), [""; 0]);
    assert_eq!(
        chroma("1.0.12"),
        ["published-port high", "setting-unread high", "setting-unread high"]
    );
    assert_eq!(chroma("latest"), ["published-port medium"]);
}

#[test]
fn a_setting_without_what_it_needs_protects_nothing() {
    // Phoenix asks for a login only if it is switched on, and then needs a secret.
    assert_eq!(
        reported("    image: arizephoenix/phoenix\n"),
        ["published-port high", "no-authentication high"]
    );
    let guarded = "    image: arizephoenix/phoenix\n    environment: [PHOENIX_ENABLE_AUTH=true, 'PHOENIX_SECRET=${S:?}']\n";
    assert_eq!(reported(guarded), [""; 0]);
}

#[test]
fn keys_that_nobody_knows_are_keys() {
    let vllm = |key: &str| {
        reported(&format!(
            "    image: vllm/vllm-openai\n    command: [--model, x, --api-key, '{key}']\n"
        ))
    };
    assert_eq!(vllm("${KEY:?}"), [""; 0]);
    assert_eq!(vllm("${KEY:-}"), ["published-port high", "no-authentication high"]);
    assert_eq!(
        vllm("token-abc123"),
        ["published-port high", "key-in-command-line high", "no-authentication high"]
    );
}
