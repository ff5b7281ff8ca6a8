//! The rules of the design, tested on the files of `catalog/advisories`, and on invented records for rules that no real file needs yet.

mod builds;

use std::path::Path;

use super::*;

use VersionOrder::{Dotted, LlamaBuild, Pep440, Semver};
use vigie_model::Verdict::{Affected, NotAffected, Unknown};
use vigie_model::Why;

/// The files of the folder, as a caller passes them.
fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog/advisories");
    std::fs::read_dir(&folder)
        .expect("catalog/advisories is there")
        .map(|entry| {
            let path = entry.expect("reads").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).expect("is text"))
        })
        .collect()
}

fn real() -> Advisories {
    Advisories::load(files()).unwrap_or_else(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"))
    })
}

fn held(advisories: &Advisories, package: &str, order: VersionOrder, version: &str) -> Vec<AdvisoryVerdict> {
    advisories.against(&[package.to_owned()], order, &Known::Known(version.to_owned()))
}

fn one(advisories: &Advisories, package: &str, order: VersionOrder, version: &str, id: &str) -> AdvisoryVerdict {
    held(advisories, package, order, version)
        .into_iter()
        .find(|verdict| verdict.id == id)
        .unwrap_or_else(|| panic!("{package} {version}: no {id}"))
}

#[test]
fn verdicts_on_the_real_files() {
    let advisories = real();
    let last = "the last version known to be affected";
    let table: &[(&str, VersionOrder, &str, &str, Verdict, &str)] = &[
        // In a range, at the fix, above it.
        ("ollama", Semver, "0.1.33", "CVE-2024-37032", Affected, "0.1.33 < 0.1.34 (fixed)"),
        ("ollama", Semver, "v0.1.9", "CVE-2024-37032", Affected, "v0.1.9 < 0.1.34 (fixed)"),
        ("ollama", Semver, "0.1.34", "CVE-2024-37032", NotAffected, "fixed in 0.1.34"),
        ("ollama", Semver, "v0.1.34", "CVE-2024-37032", NotAffected, "fixed in 0.1.34"),
        ("ollama", Semver, "0.17.4", "CVE-2024-37032", NotAffected, "fixed in 0.1.34"),
        (
            "ollama",
            Semver,
            "0.10.12",
            "CVE-2026-42248",
            NotAffected,
            "below 0.12.10, where it came in",
        ),
        (
            "ollama",
            Semver,
            "0.12.9",
            "CVE-2026-42248",
            NotAffected,
            "below 0.12.10, where it came in",
        ),
        ("ollama", Semver, "0.12.10", "CVE-2026-42248", Affected, "0.12.10 < 0.23.3 (fixed)"),
        (
            "ollama",
            Semver,
            "0.17.4",
            "CVE-2026-42248",
            Affected,
            "0.12.10 <= 0.17.4 < 0.23.3 (fixed)",
        ),
        (
            "llama.cpp",
            LlamaBuild,
            "b8491",
            "CVE-2026-34159",
            Affected,
            "b8491 < b8492 (fixed)",
        ),
        ("llama.cpp", LlamaBuild, "b999", "CVE-2026-34159", Affected, "b999 < b8492 (fixed)"),
        ("llama.cpp", LlamaBuild, "b8492", "CVE-2026-34159", NotAffected, "fixed in b8492"),
        ("llama.cpp", LlamaBuild, "8492", "CVE-2026-34159", NotAffected, "fixed in b8492"),
        (
            "llama.cpp",
            LlamaBuild,
            "b8492-0123abc",
            "CVE-2026-34159",
            NotAffected,
            "fixed in b8492",
        ),
        (
            "llama.cpp",
            LlamaBuild,
            "b11392",
            "CVE-2026-107183",
            Affected,
            "b8227 <= b11392 < b11393 (fixed)",
        ),
        (
            "llama.cpp",
            LlamaBuild,
            "b8226",
            "CVE-2026-107183",
            NotAffected,
            "below b8227, where it came in",
        ),
        (
            "tensorzero",
            Dotted,
            "2026.5.12",
            "CVE-2026-54457",
            Affected,
            "2026.5.12 < 2026.6.0 (fixed)",
        ),
        ("tensorzero", Dotted, "2026.6", "CVE-2026-54457", NotAffected, "fixed in 2026.6.0"),
        // A pre-release of the fixed version is still affected.
        (
            "ollama",
            Semver,
            "0.1.34-rc0",
            "CVE-2024-37032",
            Affected,
            "0.1.34-rc0 < 0.1.34 (fixed)",
        ),
        (
            "ollama",
            Semver,
            "0.1.34-rc10",
            "CVE-2024-37032",
            Affected,
            "0.1.34-rc10 < 0.1.34 (fixed)",
        ),
        (
            "vllm",
            Pep440,
            "0.22.0rc1",
            "CVE-2026-48746",
            Affected,
            "0.3.0 <= 0.22.0rc1 < 0.22.0 (fixed)",
        ),
        (
            "vllm",
            Pep440,
            "0.22.0rc1.dev5+g0123abc",
            "CVE-2026-48746",
            Affected,
            "0.3.0 <= 0.22.0rc1.dev5+g0123abc < 0.22.0 (fixed)",
        ),
        (
            "litellm",
            Pep440,
            "1.83.7-nightly",
            "CVE-2026-42208",
            Affected,
            "1.81.16 <= 1.83.7-nightly < 1.83.7 (fixed)",
        ),
        (
            "litellm",
            Pep440,
            "1.84.0rc1",
            "CVE-2026-49468",
            Affected,
            "1.84.0rc1 < 1.84.0 (fixed)",
        ),
        (
            "litellm",
            Pep440,
            "1.53.1.dev0",
            "CVE-2024-10188",
            Affected,
            "1.53.1.dev0 < 1.53.1.dev1 (fixed)",
        ),
        (
            "litellm",
            Pep440,
            "1.53.1.dev1",
            "CVE-2024-10188",
            NotAffected,
            "fixed in 1.53.1.dev1",
        ),
        // A suffix that is not a pre-release follows its ecosystem's order.
        ("litellm", Pep440, "1.83.7-stable", "CVE-2026-42208", NotAffected, "fixed in 1.83.7"),
        (
            "litellm",
            Pep440,
            "v1.83.7-stable.patch.1",
            "CVE-2026-42208",
            NotAffected,
            "fixed in 1.83.7",
        ),
        (
            "litellm",
            Pep440,
            "1.83.6-stable.patch.3",
            "CVE-2026-42208",
            Affected,
            "1.81.16 <= 1.83.6-stable.patch.3 < 1.83.7 (fixed)",
        ),
        ("litellm", Pep440, "1.83.7", "CVE-2026-59820", NotAffected, "fixed in 1.83.7-stable"),
        (
            "litellm",
            Pep440,
            "1.83.6",
            "CVE-2026-59820",
            Affected,
            "1.83.6 < 1.83.7-stable (fixed)",
        ),
        ("vllm", Pep440, "0.22.0+cu130", "CVE-2026-48746", NotAffected, "fixed in 0.22.0"),
        (
            "vllm",
            Pep440,
            "0.21.0+cu130",
            "CVE-2026-48746",
            Affected,
            "0.3.0 <= 0.21.0+cu130 < 0.22.0 (fixed)",
        ),
        (
            "vllm",
            Pep440,
            "0.5.0.post1",
            "CVE-2024-8939",
            Affected,
            "0.5.0.post1 < 0.5.0.post2 (fixed)",
        ),
        ("vllm", Pep440, "0.5.0.post2", "CVE-2024-8939", NotAffected, "fixed in 0.5.0.post2"),
        ("vllm", Pep440, "0.10.1.1", "CVE-2025-9141", NotAffected, "fixed in 0.10.1.1"),
        (
            "vllm",
            Pep440,
            "0.10.1",
            "CVE-2025-9141",
            Affected,
            "0.10.0 <= 0.10.1 < 0.10.1.1 (fixed)",
        ),
        (
            "vllm",
            Pep440,
            "0.9.9",
            "CVE-2025-9141",
            NotAffected,
            "below 0.10.0, where it came in",
        ),
        ("open-webui", Pep440, "v0.9.6", "CVE-2026-54021", NotAffected, "fixed in 0.9.6"),
        ("open-webui", Pep440, "v0.9.5", "CVE-2026-54021", Affected, "v0.9.5 < 0.9.6 (fixed)"),
        (
            "open-webui",
            Semver,
            "v0.9.6",
            "CVE-2026-59212",
            Affected,
            "v0.9.6 < 0.10.0 (fixed)",
        ),
        (
            "open-webui",
            Pep440,
            "0.9.5",
            "CVE-2026-59212",
            NotAffected,
            "below 0.9.6, where it came in",
        ),
        // A "tested up to" bound without a fix.
        (
            "ollama",
            Semver,
            "0.18.1",
            "CVE-2026-5530",
            Affected,
            &format!("0.18.1 <= 0.18.1, {last}; no fix is known"),
        ),
        (
            "ollama",
            Semver,
            "0.18.2",
            "CVE-2026-5530",
            Unknown,
            &format!("0.18.2 is above 0.18.1, {last}; no fix is known"),
        ),
        (
            "ollama",
            Semver,
            "0.18.1-rc2",
            "CVE-2026-5530",
            Affected,
            &format!("0.18.1-rc2 <= 0.18.1, {last}; no fix is known"),
        ),
        (
            "ollama",
            Semver,
            "0.11.4",
            "CVE-2025-15514",
            NotAffected,
            "below 0.11.5-rc0, where it came in",
        ),
        (
            "ollama",
            Semver,
            "0.11.5-rc0",
            "CVE-2025-15514",
            Affected,
            &format!("0.11.5-rc0 <= 0.13.5, {last}; no fix is known"),
        ),
        (
            "sglang",
            Pep440,
            "0.5.10.post1",
            "CVE-2026-10300",
            Affected,
            &format!("0.5.10.post1 <= 0.5.10.post1, {last}; no fix is known"),
        ),
        (
            "sglang",
            Pep440,
            "0.5.10.post2",
            "CVE-2026-10300",
            Unknown,
            &format!("0.5.10.post2 is above 0.5.10.post1, {last}; no fix is known"),
        ),
        (
            "sglang",
            Pep440,
            "0.5.10.post1+cu130",
            "CVE-2026-10300",
            Affected,
            &format!("0.5.10.post1+cu130 <= 0.5.10.post1, {last}; no fix is known"),
        ),
        (
            "vllm",
            Pep440,
            "0.8.5.post1",
            "CVE-2025-30165",
            Affected,
            &format!("0.5.2 <= 0.8.5.post1 <= 0.8.5.post1, {last}; no fix is known"),
        ),
        (
            "vllm",
            Pep440,
            "0.9.0",
            "CVE-2025-30165",
            Unknown,
            &format!("0.9.0 is above 0.8.5.post1, {last}; no fix is known"),
        ),
        (
            "llama.cpp",
            LlamaBuild,
            "b9061",
            "CVE-2026-43631",
            Unknown,
            &format!("b9061 is above b9060, {last}; no fix is known"),
        ),
        (
            "helicone-ai-gateway",
            Semver,
            "0.2.0-beta.4",
            "CVE-2026-15508",
            Affected,
            &format!("0.2.0-beta.4 <= 0.2.0-beta.30, {last}; no fix is known"),
        ),
        // Between a range's end and its fix.
        (
            "ollama",
            Semver,
            "0.3.14",
            "CVE-2024-12886",
            Affected,
            &format!("0.3.14 <= 0.3.14, {last}; fixed in 0.4.0"),
        ),
        (
            "ollama",
            Semver,
            "0.4.0-ci1",
            "CVE-2024-12886",
            Unknown,
            &format!("0.4.0-ci1 lies between 0.3.14, {last}, and 0.4.0, where it is fixed"),
        ),
        ("ollama", Semver, "0.4.0", "CVE-2024-12886", NotAffected, "fixed in 0.4.0"),
        // The one version that was tested is an upper bound.
        (
            "vllm",
            Pep440,
            "0.6.2",
            "CVE-2024-11041",
            Affected,
            &format!("0.6.2 <= 0.6.2, {last}; no fix is known"),
        ),
        (
            "vllm",
            Pep440,
            "v0.6.2+cu118",
            "CVE-2024-11041",
            Affected,
            &format!("v0.6.2+cu118 <= 0.6.2, {last}; no fix is known"),
        ),
        (
            "vllm",
            Pep440,
            "0.6.1",
            "CVE-2024-11041",
            Affected,
            &format!("0.6.1 <= 0.6.2, {last}; no fix is known"),
        ),
        (
            "vllm",
            Pep440,
            "0.6.3",
            "CVE-2024-11041",
            Unknown,
            &format!("0.6.3 is above 0.6.2, {last}; no fix is known"),
        ),
        // Only these two releases are malicious.
        (
            "litellm",
            Pep440,
            "1.82.8",
            "MALICIOUS-litellm-1.82.7-1.82.8",
            Affected,
            "1.82.8 is a version that it names",
        ),
        (
            "litellm",
            Pep440,
            "1.82.6",
            "MALICIOUS-litellm-1.82.7-1.82.8",
            NotAffected,
            "only 1.82.7, 1.82.8 are affected",
        ),
        (
            "litellm",
            Pep440,
            "1.106.0",
            "MALICIOUS-litellm-1.82.7-1.82.8",
            NotAffected,
            "only 1.82.7, 1.82.8 are affected",
        ),
        // A range without an end is a stated range.
        (
            "sglang",
            Pep440,
            "0.5.4",
            "CVE-2026-7301",
            NotAffected,
            "below 0.5.5, where it came in",
        ),
        (
            "sglang",
            Pep440,
            "0.6.0",
            "CVE-2026-7301",
            Affected,
            "0.5.5 and every later version is affected; no fix is known",
        ),
        // Every version, unless the record doubts that the version decides.
        (
            "ollama",
            Semver,
            "0.17.4",
            "CVE-2025-63389",
            Unknown,
            "the maintainers state that it is by design, and no version changes it: whether the server is open is what matters",
        ),
        (
            "litellm",
            Pep440,
            "1.83.7",
            "CVE-2026-40217",
            Affected,
            "1.81.8 <= 1.83.7 < 1.83.10 (fixed)",
        ),
        // A range given as commits.
        (
            "llama.cpp",
            LlamaBuild,
            "b8492",
            "CVE-2026-21869",
            Unknown,
            "stated in commits (<=commit 55d4206c8 (2026-01)), which a version does not tell",
        ),
        (
            "llama.cpp",
            LlamaBuild,
            "b1046",
            "CVE-2024-21802",
            Unknown,
            "stated in commits (commit 18c2e17 (2024-01)), which a version does not tell",
        ),
        // Builds that hide their version, and texts that cannot be ordered.
        (
            "ollama",
            Semver,
            "0.0.0",
            "CVE-2024-37032",
            Unknown,
            "0.0.0 is what a build says that hides its version",
        ),
        (
            "llama.cpp",
            LlamaBuild,
            "b0-unknown",
            "CVE-2026-34159",
            Unknown,
            "b0-unknown is what a build says that hides its version",
        ),
        (
            "litellm",
            Pep440,
            "latest",
            "CVE-2026-42208",
            Unknown,
            "latest is what a build says that hides its version",
        ),
        (
            "vllm",
            Pep440,
            "dev",
            "CVE-2026-48746",
            Unknown,
            "dev is what a build says that hides its version",
        ),
        (
            "ollama",
            Semver,
            "my-fork",
            "CVE-2024-37032",
            Unknown,
            "my-fork cannot be ordered as semver",
        ),
        (
            "llama.cpp",
            Semver,
            "0.1.2",
            "CVE-2026-34159",
            Unknown,
            "its versions are ordered as llama-build, the product's as semver",
        ),
    ];
    for (package, order, version, id, verdict, why) in table {
        let got = one(&advisories, package, *order, version, id);
        assert_eq!((got.verdict, got.why.as_str()), (*verdict, *why), "{package} {version} {id}");
    }
}

#[test]
fn no_version_is_unknown_never_affected() {
    let advisories = real();
    for package in ["ollama", "vllm", "llama.cpp", "litellm", "open-webui"] {
        for why in [Why::Hidden, Why::Refused, Why::NotAsked, Why::Unparsable] {
            let verdicts = advisories.against(&[package.to_owned()], Semver, &Known::unknown(why));
            assert!(!verdicts.is_empty());
            for verdict in verdicts {
                assert_eq!(
                    (verdict.verdict, verdict.why.as_str()),
                    (Unknown, "no version was reported"),
                    "{}",
                    verdict.id
                );
                assert_eq!(verdict.confidence, Confidence::Low);
            }
        }
    }
}

#[test]
fn an_authors_version_is_never_compared() {
    let advisories = real();
    for package in ["ollama", "ollama-mcp-server"] {
        assert!(held(&advisories, package, VersionOrder::Author, "1.0.0").is_empty());
    }
    assert!(held(&advisories, "no-such-product", Semver, "1.0.0").is_empty());
    assert!(advisories.against(&[], Semver, &Known::Known("1.0.0".to_owned())).is_empty());
}

#[test]
fn rejected_ones_are_never_returned_and_disputed_ones_are_marked() {
    let advisories = real();
    let rejected: Vec<&Advisory> = advisories.iter().filter(|advisory| advisory.status() == Status::Rejected).collect();
    assert_eq!(rejected.len(), 24);
    for advisory in rejected {
        for package in advisory.packages() {
            for version in ["0.3.8", "0.0.0", "99.0.0"] {
                assert!(
                    held(&advisories, package, advisory.order(), version)
                        .iter()
                        .all(|verdict| verdict.id != advisory.id()),
                    "{}",
                    advisory.id()
                );
            }
        }
    }
    let disputed: Vec<String> = held(&advisories, "ollama", Semver, "0.17.4")
        .into_iter()
        .filter(|verdict| verdict.disputed)
        .map(|verdict| verdict.id)
        .collect();
    assert_eq!(disputed, ["CVE-2025-63389"]);
}

#[test]
fn exploited_ones_come_first() {
    let advisories = real();
    let verdicts = held(&advisories, "litellm", Pep440, "1.82.7");
    let ids: Vec<&str> = verdicts.iter().map(|verdict| verdict.id.as_str()).collect();
    assert_eq!(ids[..3], ["CVE-2026-42208", "CVE-2026-42271", "CVE-2026-30623"]);
    assert!(verdicts[..2].iter().all(|verdict| verdict.exploited));
    for pair in verdicts.windows(2) {
        let key = |v: &AdvisoryVerdict| (!v.exploited, rank(v.verdict), Reverse(v.severity), v.id.clone());
        assert!(key(&pair[0]) < key(&pair[1]), "{} {}", pair[0].id, pair[1].id);
    }
    assert_eq!(verdicts.iter().filter(|verdict| verdict.exploited).count(), 2);
}

#[test]
fn conditions_and_doubts_lower_the_confidence() {
    let advisories = real();
    let confidence = |package, order, version, id| {
        let verdict = one(&advisories, package, order, version, id);
        (verdict.verdict, verdict.confidence)
    };
    assert_eq!(
        confidence("ollama", Semver, "0.1.33", "CVE-2024-37032"),
        (Affected, Confidence::High)
    );
    assert_eq!(
        confidence("ollama", Semver, "0.17.4", "CVE-2026-42248"),
        (Affected, Confidence::Medium)
    );
    // A version out of range is not affected, on Windows too.
    assert_eq!(
        confidence("ollama", Semver, "0.23.3", "CVE-2026-42248"),
        (NotAffected, Confidence::High)
    );
    assert_eq!(confidence("ollama", Semver, "0.18.2", "CVE-2026-5530"), (Unknown, Confidence::Low));
    let windows = one(&advisories, "ollama", Semver, "0.17.4", "CVE-2026-42248");
    assert_eq!(windows.conditions, ["Windows only: the desktop updater"]);
    assert_eq!(windows.fixed.as_deref(), Some("0.23.3"));
    let doubtful = one(&advisories, "litellm", Pep440, "1.40.5", "CVE-2024-6825");
    assert_eq!(doubtful.confidence, Confidence::Medium);
    assert_eq!(
        doubtful.why,
        "1.40.3.dev2 <= 1.40.5 <= 1.40.12, the last version known to be affected; no fix is known; \
         but the CVE record states another range: below 1.65.4.dev6"
    );
}

#[test]
fn the_fix_is_named_where_one_is_known() {
    let advisories = real();
    let fixed = |version, id| one(&advisories, "ollama", Semver, version, id).fixed;
    assert_eq!(fixed("0.1.33", "CVE-2024-37032").as_deref(), Some("0.1.34"));
    assert_eq!(fixed("0.2.0", "CVE-2024-37032").as_deref(), Some("0.1.34"));
    assert_eq!(fixed("0.3.20", "CVE-2024-12886").as_deref(), Some("0.4.0"));
    assert_eq!(fixed("0.0.0", "CVE-2024-12886").as_deref(), Some("0.4.0"));
    assert_eq!(fixed("0.0.0", "CVE-2024-37032").as_deref(), Some("0.1.34"));
    assert_eq!(fixed("0.18.2", "CVE-2026-5530"), None);
}

#[test]
fn the_folder_is_whole() {
    let advisories = real();
    assert_eq!(advisories.count(), 332);
    assert_eq!(advisories.date().to_string(), "2026-11-30");
    assert!(!advisories.source().is_empty());
    assert!(advisories.hash().starts_with("sha256:"));
    assert!(advisories.lists("Ollama") && !advisories.lists("n8n"));
    let probllama = advisories.get("CVE-2024-37032").expect("is there");
    assert_eq!(probllama.severity(), Severity::High);
    assert_eq!(probllama.packages().collect::<Vec<_>>(), ["ollama"]);
    assert!(probllama.references().count() >= 1 && probllama.note().is_some());
    assert_eq!(
        advisories.get("PYSEC-2026-4067").map(Advisory::id),
        Some("CVE-2026-12773"),
        "an alias finds it"
    );
    assert!(advisories.get("CVE-1999-0001").is_none());
    let exploited: Vec<&str> = advisories
        .iter()
        .filter(|advisory| advisory.exploited())
        .map(Advisory::id)
        .collect();
    assert_eq!(exploited, ["CVE-2026-42208", "CVE-2026-42271"]);
    for advisory in advisories.iter() {
        assert!(!advisory.effects().is_empty(), "{}", advisory.id());
    }
}

/// A key that the model does not know would be lost.
#[test]
fn every_key_of_every_file_is_known() {
    for (name, text) in files() {
        if !name.ends_with(".json") || name == "index.json" {
            continue;
        }
        let record: osv::Record = parse(&name, &text).expect("reads");
        let back = serde_json::to_value(&record).expect("writes");
        let value: serde_json::Value = serde_json::from_str(&text).expect("is JSON");
        assert_eq!(back, value, "{name}");
        assert_eq!(record.schema_version.as_deref(), Some("1.7.0"), "{name}");
        for (entry, own) in record.affected.iter().map(|e| (e, &record.database_specific.vigie)) {
            let last_affected = entry
                .ranges
                .iter()
                .flat_map(|range| &range.events)
                .any(|event| event.last_affected.is_some());
            assert_eq!(
                last_affected,
                own.tested_up_to.is_some() || own.fixed_in.is_some(),
                "{name}: a last_affected event says whether a fix is known"
            );
            if let Some(package) = &entry.package {
                assert!(["PyPI", "Go"].contains(&package.ecosystem.as_str()), "{name}");
            }
        }
        for reference in &record.references {
            assert!(reference.url.starts_with("https://"), "{name}: {}", reference.url);
        }
    }
}

const INDEX: (&str, &str) = (
    "index.json",
    r#"{"schema": "vigie.advisories/1", "date": "2026-11-22", "source": "made up"}"#,
);

/// A record for `thing`, with the given contents of `affected[0]` and `vigie`.
fn made_up(id: &str, affected: &str, vigie: &str) -> String {
    format!(
        r#"{{"id": "{id}", "modified": "2026-11-22T00:00:00Z",
            "affected": [{{"package": {{"ecosystem": "PyPI", "name": "thing"}}, {affected}}}],
            "database_specific": {{"vigie": {{"status": "published", "known_exploited": false, "severity": "low",
                                             "effects": ["other"], "order": "semver"{vigie}}}}}}}"#
    )
}

fn events(events: &str) -> String {
    format!(r#""ranges": [{{"type": "ECOSYSTEM", "events": [{events}]}}]"#)
}

fn loaded(affected: &str, vigie: &str) -> Result<Advisories, Vec<Error>> {
    Advisories::load([INDEX, ("a/X-1.json", &made_up("X-1", affected, vigie))])
}

#[test]
fn a_gap_between_ranges_is_not_affected() {
    let two = events(
        r#"{"introduced": "0"}, {"fixed": "1.2.5"}, {"introduced": "1.3.0"}, {"fixed": "1.3.4"}, {"introduced": "2.0.0"}, {"last_affected": "2.1.0"}"#,
    );
    let advisories = loaded(&two, "").expect("loads");
    for (version, verdict, why) in [
        ("1.2.4", Affected, "1.2.4 < 1.2.5 (fixed)"),
        ("1.2.5", NotAffected, "fixed in 1.2.5"),
        ("1.2.9", NotAffected, "fixed in 1.2.5"),
        ("1.3.0-rc1", NotAffected, "fixed in 1.2.5"),
        ("1.3.0", Affected, "1.3.0 < 1.3.4 (fixed)"),
        ("1.3.4", NotAffected, "fixed in 1.3.4"),
        ("1.9.0", NotAffected, "fixed in 1.3.4"),
        (
            "2.0.5",
            Affected,
            "2.0.0 <= 2.0.5 <= 2.1.0, the last version known to be affected; no fix is known",
        ),
        (
            "2.1.1",
            Unknown,
            "2.1.1 is above 2.1.0, the last version known to be affected; no fix is known",
        ),
    ] {
        let got = one(&advisories, "thing", Semver, version, "X-1");
        assert_eq!((got.verdict, got.why.as_str()), (verdict, why), "{version}");
    }
    let named = r#""versions": ["1.0.0", "1.2.0"]"#;
    let advisories = loaded(named, "").expect("loads");
    for (version, verdict, why) in [
        ("0.9.0", NotAffected, "below 1.0.0, where it came in"),
        ("1.1.0", NotAffected, "between 1.0.0 and 1.2.0, in a gap between the ranges"),
        ("1.2.0", Affected, "1.2.0 is a version that it names"),
        (
            "1.2.1",
            Unknown,
            "1.2.1 is above 1.2.0, the last version known to be affected; no fix is known",
        ),
    ] {
        let got = one(&advisories, "thing", Semver, version, "X-1");
        assert_eq!((got.verdict, got.why.as_str()), (verdict, why), "{version}");
    }
    let both = format!("{}, {named}", events(r#"{"introduced": "0"}, {"fixed": "2.0.0"}"#));
    let advisories = loaded(&both, "").expect("versions that a range covers are no overlap");
    assert_eq!(one(&advisories, "thing", Semver, "2.0.0", "X-1").verdict, NotAffected);
}

#[test]
fn a_withdrawn_record_is_never_returned() {
    let text = made_up("X-1", &events(r#"{"introduced": "0"}"#), "").replacen('{', r#"{"withdrawn": "2026-01-01T00:00:00Z","#, 1);
    let advisories = Advisories::load([INDEX, ("X-1.json", &text)]).expect("loads");
    assert!(held(&advisories, "thing", Semver, "1.0.0").is_empty());
    assert_eq!(advisories.count(), 1);
}

#[test]
fn where_two_packages_are_listed_the_worse_counts() {
    let text = made_up("X-1", &events(r#"{"introduced": "0"}, {"fixed": "1.0.0"}"#), "").replace(
        r#""affected": ["#,
        r#""affected": [{"database_specific": {"vigie": {"ecosystem": "github", "name": "other"}},
             "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2.0.0"}]}]},"#,
    );
    let advisories = Advisories::load([INDEX, ("X-1.json", &text)]).expect("loads");
    let version = Known::Known("1.5.0".to_owned());
    let verdict = |packages: &[&str]| {
        let packages: Vec<String> = packages.iter().map(ToString::to_string).collect();
        let verdicts = advisories.against(&packages, Semver, &version);
        assert_eq!(verdicts.len(), 1);
        verdicts[0].verdict
    };
    assert_eq!(verdict(&["thing"]), NotAffected);
    assert_eq!(verdict(&["Other"]), Affected);
    assert_eq!(verdict(&["thing", "other", "thing"]), Affected);
}

#[test]
fn errors_name_the_file_and_the_field() {
    let whole = events(r#"{"introduced": "0"}"#);
    let ranges = "affected[0].ranges[0]";
    let cases: Vec<(String, &str, String, &str)> = vec![
        (
            events(r#"{"introduced": "0"}, {"fixed": "x"}"#),
            "",
            format!("{ranges}.events[1].fixed"),
            "x cannot be ordered as semver",
        ),
        (
            events(r#"{"introduced": "0"}, {"fixed": "0.0.0"}"#),
            "",
            format!("{ranges}.events[1].fixed"),
            "hides its version",
        ),
        (
            events(r#"{"introduced": "2.0.0"}, {"fixed": "1.0.0"}"#),
            "",
            format!("{ranges}.events[1].fixed"),
            "not above",
        ),
        (
            events(r#"{"introduced": "2.0.0"}, {"last_affected": "1.0.0"}"#),
            "",
            format!("{ranges}.events[1].last_affected"),
            "below",
        ),
        (
            events(r#"{"fixed": "1.0.0"}"#),
            "",
            format!("{ranges}.events[0].fixed"),
            "no introduced",
        ),
        (
            events(r#"{"introduced": "0"}, {"introduced": "1.0.0"}"#),
            "",
            format!("{ranges}.events[1].introduced"),
            "no end",
        ),
        (
            events(r#"{"introduced": "0", "fixed": "1.0.0"}"#),
            "",
            format!("{ranges}.events[0]"),
            "exactly one",
        ),
        (events(r#"{"fixd": "1.0.0"}"#), "", format!("{ranges}.events[0]"), "exactly one"),
        (
            events(r#"{"introduced": 1}"#),
            "",
            format!("{ranges}.events[0].introduced"),
            "expected a string",
        ),
        (
            r#""ranges": [{"type": "GIT", "events": []}]"#.to_owned(),
            "",
            format!("{ranges}.type"),
            "commit_range",
        ),
        (
            r#""ranges": []"#.to_owned(),
            "",
            "affected[0].ranges".to_owned(),
            "neither ranges nor versions",
        ),
        (
            events(r#"{"introduced": "0"}, {"fixed": "1.0.0"}, {"introduced": "0.5.0"}, {"fixed": "2.0.0"}"#),
            "",
            "affected[0].ranges".to_owned(),
            "overlap",
        ),
        (
            r#""versions": ["0.0.0"]"#.to_owned(),
            "",
            "affected[0].versions[0]".to_owned(),
            "hides its version",
        ),
        (
            whole.clone(),
            r#", "complete": true"#,
            "affected[0].ranges".to_owned(),
            "a list of versions",
        ),
        (
            whole.clone(),
            r#", "commit_range": "abc""#,
            "affected[0].ranges".to_owned(),
            "commit_range",
        ),
        (
            whole.clone(),
            r#", "tested_up_to": "1.0.0""#,
            "database_specific.vigie.tested_up_to".to_owned(),
            "no last_affected",
        ),
        (
            whole.clone(),
            r#", "fixed_in": "1.0.0""#,
            "database_specific.vigie.fixed_in".to_owned(),
            "last_affected",
        ),
        (
            events(r#"{"introduced": "0"}, {"last_affected": "1.0.0"}"#),
            r#", "fixed_in": "1.0.0""#,
            format!("{ranges}.events[1].last_affected"),
            "not below",
        ),
        (
            events(r#"{"introduced": "0"}, {"last_affected": "1.0.0"}"#),
            r#", "fixed_in": "new""#,
            "database_specific.vigie.fixed_in".to_owned(),
            "cannot be ordered",
        ),
        (
            whole.clone(),
            r#", "disputed_fix": "1.0.0""#,
            "database_specific.vigie.disputed_fix".to_owned(),
            "ends with a fixed event",
        ),
        (
            events(r#"{"introduced": "0"}, {"fixed": "1.0.0"}"#),
            r#", "disputed_fix": "1.0.0""#,
            format!("{ranges}.events[1].fixed"),
            "not between",
        ),
        (
            whole.clone(),
            r#", "condition": []"#,
            "database_specific.vigie.condition".to_owned(),
            "unknown field",
        ),
    ];
    for (affected, vigie, field, message) in cases {
        let errors = loaded(&affected, vigie).expect_err(message);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].file, "a/X-1.json");
        assert_eq!(errors[0].field, field, "{}", errors[0]);
        assert!(errors[0].message.contains(message), "{}", errors[0]);
    }

    let good = made_up("X-1", &whole, "");
    let errors = Advisories::load([
        INDEX,
        ("X-2.json", &good),
        ("X-1.json", &good.replace("semver", "author")),
        ("b/X-1.json", "{"),
    ])
    .expect_err("three errors");
    let fields: Vec<(&str, &str)> = errors.iter().map(|error| (error.file.as_str(), error.field.as_str())).collect();
    assert_eq!(
        fields,
        [
            ("X-1.json", "database_specific.vigie.order"),
            ("X-2.json", "id"),
            ("b/X-1.json", "."),
        ],
        "{errors:?}"
    );
    let errors = Advisories::load([("X-1.json", &good)]).expect_err("no index");
    assert_eq!(
        errors[0].to_string(),
        "index.json: date: the file is missing; it gives the date of the advisories"
    );
    let errors = Advisories::load([("index.json", INDEX.1.replace("/1", "/2"))]).expect_err("another schema");
    assert_eq!(errors[0].field, "schema");
    let errors = Advisories::load([("index.json", INDEX.1.replace("11-22", "13-22"))]).expect_err("no date");
    assert_eq!((errors.len(), errors[0].field.as_str()), (1, "date"));
    let errors = Advisories::load([INDEX, ("a/X-1.json", &good), ("b/X-1.json", &good)]).expect_err("twice");
    assert_eq!((errors[0].file.as_str(), errors[0].field.as_str()), ("b/X-1.json", "id"));
}

#[test]
fn the_hash_depends_on_the_content_alone() {
    let text = made_up("X-1", &events(r#"{"introduced": "0"}"#), "");
    let hash = |files: Vec<(&str, &str)>| Advisories::load(files).expect("loads").hash().to_owned();
    let here = hash(vec![INDEX, ("X-1.json", &text)]);
    assert_eq!(here, hash(vec![("some/X-1.json", &text), INDEX, ("README.md", "words")]));
    assert_ne!(here, hash(vec![INDEX, ("X-1.json", &format!("{text} "))]));
    assert_ne!(here, hash(vec![INDEX]));
}
