//! Versions that are no release of the project: built again, named by somebody else, above all that is known; fixes that the sources
//! dispute; products of which nobody knows an advisory.

use proptest::prelude::*;
use vigie_model::AdvisoryCoverage;

use super::*;

/// A verdict with how sure it is.
fn sure(advisories: &Advisories, package: &str, order: VersionOrder, version: &str, id: &str) -> (Verdict, Confidence) {
    let verdict = one(advisories, package, order, version, id);
    (verdict.verdict, verdict.confidence)
}

#[test]
fn a_release_built_again_is_no_pre_release() {
    let advisories = real();
    let probllama = |version: &str| one(&advisories, "ollama", Semver, version, "CVE-2024-37032");
    // The fix itself, built again: what field reports showed, and others of the kind.
    for suffix in [
        "amd",
        "ipexllm-20250401",
        "rocm",
        "rocm6.2",
        "cuda12",
        "cuda-12.4",
        "jetson",
        "jetson-jp6",
        "arm64",
        "arm64-v8",
        "amd64",
        "alpine",
        "alpine3.19",
        "debian",
        "debian-12-r3",
        "slim",
        "dirty",
        "gabc1234",
        "aio-gpu-nvidia-cuda-12",
        "cpu",
        "vulkan",
        "openvino",
        "musl",
        "windows",
        "linux-x86_64",
        "patch.1",
        "fix2",
        "p1",
        "r2",
        "custom",
    ] {
        for base in ["0.1.34", "0.17.1", "v0.5.0"] {
            let version = format!("{base}-{suffix}");
            let got = probllama(&version);
            assert_eq!(
                (got.verdict, got.confidence),
                (NotAffected, Confidence::Medium),
                "{version}: {}",
                got.why
            );
            assert!(got.why.starts_with("fixed in 0.1.34; but "), "{version}: {}", got.why);
        }
        let old = probllama(&format!("0.1.33-{suffix}"));
        assert_eq!(
            (old.verdict, old.confidence),
            (Affected, Confidence::Medium),
            "{suffix}: {}",
            old.why
        );
    }
    // A pre-release of the fix is affected, and no doubt is needed.
    for suffix in [
        "rc0",
        "rc.1",
        "rc10",
        "alpha",
        "alpha.2",
        "beta3",
        "beta.1",
        "pre",
        "pre1",
        "preview",
        "preview.2",
        "dev",
        "dev.20240501",
        "nightly",
        "a0",
        "b1",
        "m2",
        "snapshot",
        "canary.3",
        "next.4",
        "ci1",
        "rc1-gabc1234",
        "0.20240501010101-abcdefabcdef",
    ] {
        let got = probllama(&format!("0.1.34-{suffix}"));
        assert_eq!((got.verdict, got.confidence), (Affected, Confidence::High), "{suffix}: {}", got.why);
    }
}

#[test]
fn a_pre_release_built_again_and_a_build_of_changed_sources_are_doubted() {
    let advisories = real();
    for (order, package, version, id, verdict) in [
        (Semver, "ollama", "0.1.34-rc1-rocm", "CVE-2024-37032", Affected),
        (Semver, "ollama", "0.1.47-rc1-rocm", "CVE-2024-37032", NotAffected),
        (Semver, "ollama", "0.1.47-rc.1-cuda12-jetson", "CVE-2024-37032", NotAffected),
        (Semver, "ollama", "0.1.33+dirty", "CVE-2024-37032", Affected),
        (Semver, "ollama", "v0.17.1+dirty", "CVE-2024-37032", NotAffected),
        (Semver, "ollama", "0.1.35-rc1+dirty", "CVE-2024-37032", NotAffected),
        (Semver, "ollama", "0.1.33+3.gabc1234.dirty", "CVE-2024-37032", Affected),
        (Pep440, "vllm", "0.22.0+dirty", "CVE-2026-48746", NotAffected),
        (Pep440, "vllm", "0.21.0+g1a2b3c4.d20260101", "CVE-2026-48746", Affected),
    ] {
        let (got, confidence) = sure(&advisories, package, order, version, id);
        assert_eq!((got, confidence), (verdict, Confidence::Medium), "{version}");
    }
    // Metadata of a build that changed nothing is no doubt.
    for version in ["0.1.33+build.5", "0.1.33+20240501", "0.1.33+cu130"] {
        let told = sure(&advisories, "ollama", Semver, version, "CVE-2024-37032");
        assert_eq!(told, (Affected, Confidence::High), "{version}");
    }
}

#[test]
fn a_version_with_fewer_numbers_is_any_release_that_begins_so() {
    let ranges = |ranges: &str| {
        let text = made_up("X-1", &events(ranges), "");
        Advisories::load([INDEX, ("X-1.json", text.as_str())]).expect("reads")
    };
    let fixed = ranges(r#"{"introduced": "0"}, {"fixed": "0.12.4"}"#);
    let inside = ranges(r#"{"introduced": "0.12.2"}, {"fixed": "0.12.4"}"#);
    let last = ranges(r#"{"introduced": "0"}, {"last_affected": "0.12.4"}"#);
    let all = ranges(r#"{"introduced": "0.12.0"}, {"fixed": "0.13.0"}"#);
    let open = ranges(r#"{"introduced": "0"}"#);
    for (advisories, version, verdict) in [
        (&fixed, "0.12", Unknown),
        (&fixed, "v0.12", Unknown),
        (&fixed, "0.12.0", Affected),
        (&fixed, "0.11", Affected),
        (&fixed, "0.13", NotAffected),
        (&inside, "0.12", Unknown),
        (&inside, "0.11", NotAffected),
        (&last, "0.12", Unknown),
        (&last, "0.11", Affected),
        (&all, "0.12", Affected),
        (&all, "0.13", NotAffected),
        (&all, "0.11", NotAffected),
        (&open, "0.12", Affected),
    ] {
        for order in [Semver, Pep440, VersionOrder::Dotted] {
            let got = one(advisories, "thing", order, version, "X-1");
            assert_eq!(got.verdict, verdict, "{version}: {}", got.why);
            assert_eq!(got.confidence == Confidence::Low, verdict == Unknown, "{version}: {}", got.why);
        }
    }
    // A product whose releases have two numbers says all of them.
    let packages = ["thing".to_owned()];
    let told = |newest: &str| {
        let version = Known::Known("0.12".to_owned());
        fixed.against_releases(&packages, Semver, &version, Some(newest))[0].verdict
    };
    assert_eq!((told("0.31"), told("0.31.2")), (Affected, Unknown));
}

#[test]
fn a_suffix_with_an_unknown_meaning_decides_nothing() {
    let advisories = real();
    for suffix in [
        "somebody",
        "feature-x",
        "2",
        "20250401",
        "abc1234",
        "test",
        "main",
        "rocm-of-somebody",
    ] {
        // At the fix, and at the release in which a flaw came in, it depends on what the suffix means.
        let at = |version: String, id| {
            let got = one(&advisories, "ollama", Semver, &version, id);
            (got.verdict, got.confidence)
        };
        assert_eq!(
            at(format!("0.1.34-{suffix}"), "CVE-2024-37032"),
            (Unknown, Confidence::Low),
            "{suffix}"
        );
        assert_eq!(
            at(format!("0.12.10-{suffix}"), "CVE-2026-42248"),
            (Unknown, Confidence::Low),
            "{suffix}"
        );
        // Away from both it does not.
        assert_eq!(at(format!("0.1.33-{suffix}"), "CVE-2024-37032"), (Affected, Confidence::Medium));
        assert_eq!(at(format!("0.1.35-{suffix}"), "CVE-2024-37032"), (NotAffected, Confidence::Medium));
    }
}

#[test]
fn every_order_has_its_builds() {
    let advisories = real();
    for (package, order, version, id, verdict, confidence) in [
        ("vllm", Pep440, "0.22.0-rocm", "CVE-2026-48746", NotAffected, Confidence::Medium),
        ("vllm", Pep440, "0.21.0-rocm6.3", "CVE-2026-48746", Affected, Confidence::Medium),
        ("vllm", Pep440, "0.22.0-somebody", "CVE-2026-48746", Unknown, Confidence::Low),
        ("vllm", Pep440, "0.22.0_ascend", "CVE-2026-48746", NotAffected, Confidence::Medium),
        // PEP 440's local part is a build of the same release, and its own words stay its own.
        ("vllm", Pep440, "0.22.0+cu130", "CVE-2026-48746", NotAffected, Confidence::High),
        ("vllm", Pep440, "0.22.0rc1", "CVE-2026-48746", Affected, Confidence::High),
        ("litellm", Pep440, "1.83.7-stable", "CVE-2026-42208", NotAffected, Confidence::High),
        ("litellm", Pep440, "1.83.7-dev", "CVE-2026-42208", Affected, Confidence::High),
        (
            "llama.cpp",
            LlamaBuild,
            "b8492-abc1234",
            "CVE-2026-34159",
            NotAffected,
            Confidence::High,
        ),
        (
            "llama.cpp",
            LlamaBuild,
            "b8492-cuda12",
            "CVE-2026-34159",
            NotAffected,
            Confidence::Medium,
        ),
        // With a condition that cannot be seen, too.
        (
            "llama.cpp",
            LlamaBuild,
            "8491-abc1234-rocm",
            "CVE-2026-34159",
            Affected,
            Confidence::Low,
        ),
        (
            "tensorzero",
            Dotted,
            "2026.6.0-alpine",
            "CVE-2026-54457",
            NotAffected,
            Confidence::Medium,
        ),
        (
            "tensorzero",
            Dotted,
            "2026.6.0-somebody",
            "CVE-2026-54457",
            Unknown,
            Confidence::Low,
        ),
        // Commits after a tag may hold the fix.
        (
            "ollama",
            Semver,
            "v0.1.33-5-gabc1234",
            "CVE-2024-37032",
            Affected,
            Confidence::Medium,
        ),
        (
            "ollama",
            Semver,
            "v0.1.34-5-gabc1234",
            "CVE-2024-37032",
            NotAffected,
            Confidence::Medium,
        ),
    ] {
        assert_eq!(
            sure(&advisories, package, order, version, id),
            (verdict, confidence),
            "{package} {version} {id}"
        );
    }
}

#[test]
fn a_version_above_all_that_is_known_is_doubted() {
    let advisories = real();
    let verdict = |package: &str, order, version: &str, newest: Option<&str>| {
        let verdicts = advisories.against_releases(&[package.to_owned()], order, &Known::Known(version.to_owned()), newest);
        assert!(!verdicts.is_empty());
        let doubted = verdicts
            .iter()
            .all(|one| one.verdict == Unknown && one.confidence == Confidence::Low && one.why.contains("newest release known"));
        let none = verdicts.iter().all(|one| !one.why.contains("newest release known"));
        assert!(doubted || none, "{package} {version}");
        doubted
    };
    // A fork's numbers, where every known release is 0.x.
    for version in ["2.2.1", "v2.2.1", "1.0.0", "2.2.1-rocm", "9999.0.0"] {
        assert!(verdict("ollama", Semver, version, Some("0.30.7")), "{version}");
        assert!(
            verdict("ollama", Semver, version, None),
            "{version}: the advisories name releases too"
        );
    }
    assert!(verdict("vllm", Pep440, "2.0.0", Some("0.32.0")));
    assert!(verdict("open-webui", Pep440, "3.1.0", Some("0.12.4")));
    // A release of tomorrow is none: the next minor, the next build, the next year.
    for version in ["0.31.0", "0.99.0", "0.17.4"] {
        assert!(!verdict("ollama", Semver, version, Some("0.30.7")), "{version}");
    }
    assert!(!verdict("llama.cpp", LlamaBuild, "b16000", Some("b11549")));
    assert!(verdict("llama.cpp", LlamaBuild, "b240512", Some("b11549")));
    assert!(!verdict("tensorzero", Dotted, "2027.3.1", None));
    assert!(verdict("tensorzero", Dotted, "2031.1.0", None));
    // What the product's file knows counts: the advisories alone end below.
    assert!(verdict("localai", Semver, "9.0.0", Some("4.9.0")));
    assert!(!verdict("localai", Semver, "4.10.0", Some("4.9.0")));
    // Where it cannot be read, it is no help and no harm.
    assert!(!verdict("ollama", Semver, "0.31.0", Some("main")));
}

#[test]
fn a_version_between_two_fixes_is_unknown() {
    let advisories = real();
    let at = |version| one(&advisories, "litellm", Pep440, version, "CVE-2024-6587");
    assert_eq!((at("1.44.7").verdict, at("1.44.7").confidence), (Affected, Confidence::High));
    assert_eq!(at("1.44.8rc1").verdict, Affected);
    let between = at("1.44.8");
    assert_eq!((between.verdict, between.confidence), (Unknown, Confidence::Low));
    assert_eq!(
        between.why,
        "the sources differ: one says that it is fixed in 1.44.8, another in 1.44.9"
    );
    assert_eq!(between.fixed.as_deref(), Some("1.44.9"), "the later one is safe by both");
    assert_eq!((at("1.44.9").verdict, at("1.44.9").confidence), (NotAffected, Confidence::High));
}

#[test]
fn none_found_differs_from_not_covered() {
    let advisories = real();
    let coverage = |product: &str, packages: &[&str], order| {
        let packages: Vec<String> = packages.iter().map(ToString::to_string).collect();
        advisories.coverage(product, &packages, order)
    };
    assert_eq!(coverage("ollama", &["ollama"], Semver), AdvisoryCoverage::Listed);
    assert_eq!(
        coverage("llama-cpp", &["no-such-package", "LLAMA.CPP"], LlamaBuild),
        AdvisoryCoverage::Listed
    );
    assert_eq!(coverage("n8n", &[], Semver), AdvisoryCoverage::NotCovered);
    assert_eq!(coverage("n8n", &["n8n"], Semver), AdvisoryCoverage::NotCovered);
    assert_eq!(coverage("tei", &[], Semver), AdvisoryCoverage::NoneFound);
    assert!(advisories.searched("tei").is_some() && advisories.searched("n8n").is_none());
    // What an author calls a version is never compared.
    assert_eq!(coverage("mcp", &["ollama"], VersionOrder::Author), AdvisoryCoverage::NotCovered);
}

#[test]
fn corrected_ranges_hold() {
    let advisories = real();
    for (package, version, id, verdict) in [
        ("open-webui", "0.1.106", "CVE-2024-6706", Affected),
        ("open-webui", "0.3.14", "CVE-2024-6706", NotAffected),
        ("open-webui", "0.3.15", "CVE-2024-7035", Affected),
        ("open-webui", "0.3.16", "CVE-2024-7035", NotAffected),
        ("open-webui", "0.6.2", "CVE-2024-7041", Affected),
        ("open-webui", "0.3.32", "CVE-2024-7044", Affected),
        ("open-webui", "0.5.12", "CVE-2024-7983", Affected),
        ("open-webui", "0.5.13", "CVE-2024-8053", NotAffected),
        ("open-webui", "0.8.9", "CVE-2026-70486", NotAffected),
        ("litellm", "1.81.7", "CVE-2026-40217", NotAffected),
        ("litellm", "1.83.10", "CVE-2026-40217", NotAffected),
        ("litellm", "1.40.3.dev2", "CVE-2024-6825", Affected),
        ("vllm", "0.8.0", "CVE-2026-5497", Affected),
        ("vllm", "0.19.0", "CVE-2026-5497", NotAffected),
        ("vllm", "0.6.4", "CVE-2025-29783", NotAffected),
        ("vllm", "0.18.0", "CVE-2026-9540", Affected),
        ("sglang", "0.6.0", "CVE-2026-7302", Affected),
    ] {
        let got = one(&advisories, package, Pep440, version, id);
        assert_eq!(got.verdict, verdict, "{package} {version} {id}: {}", got.why);
    }
    let severity = |id| advisories.get(id).expect("is there").severity();
    assert_eq!(severity("CVE-2024-4264"), Severity::Critical);
    assert_eq!(severity("CVE-2026-53923"), Severity::Medium);
    assert_eq!(severity("CVE-2026-7141"), Severity::Low);
}

/// Versions near the bounds of the advisory in the property tests.
fn bases() -> impl Strategy<Value = String> {
    "[01]\\.[0-3]\\.[0-4]".prop_filter("no hidden version", |text| !text.starts_with("0.0."))
}

/// Suffixes: words of builders, of nobody, numbers, hashes.
fn suffixes() -> impl Strategy<Value = String> {
    "-(amd|rocm6|cuda-12|dirty|gabcdef1|[0-9]{1,8}|[c-z]{2,9}(-[0-9a-z]{1,6}){0,2})"
}

fn ranged() -> Advisories {
    let two = events(r#"{"introduced": "0.1.2"}, {"fixed": "0.2.3"}, {"introduced": "1.1.0"}, {"fixed": "1.2.2"}"#);
    loaded(&two, "").expect("loads")
}

proptest! {
    #[test]
    fn a_suffix_never_makes_a_release_surely_affected(base in bases(), suffix in suffixes()) {
        let advisories = ranged();
        let full = format!("{base}{suffix}");
        // What says that it comes before the release is a pre-release, and its own case.
        prop_assume!(Version::parse(Semver, &full).is_ok_and(|version| version.own_build().is_some()));
        let plain = one(&advisories, "thing", Semver, &base, "X-1");
        let got = one(&advisories, "thing", Semver, &full, "X-1");
        prop_assert!(got.confidence < Confidence::High, "{full}: {}", got.why);
        prop_assert!(got.verdict == plain.verdict || got.verdict == Unknown, "{full}: {} where {base} is {}", got.verdict, plain.verdict);
    }

    #[test]
    fn a_suffix_keeps_the_place_among_releases(a in bases(), b in bases(), suffix in suffixes()) {
        let version = |text: &str| Version::parse(Semver, text).expect("a version");
        prop_assume!(version(&a) < version(&b));
        let with = |base: &str| format!("{base}{suffix}");
        prop_assert!(version(&with(&a)) < version(&b));
        prop_assert!(version(&a) < version(&with(&b)));
    }

    /// With one range the verdicts go one way as versions go up: not yet, affected, no longer; and unknown only in between.
    #[test]
    fn verdicts_are_monotonic(mut texts in prop::collection::vec((bases(), prop::option::of(suffixes())), 2..12)) {
        let advisories = loaded(&events(r#"{"introduced": "0"}, {"fixed": "1.0.1"}"#), "").expect("loads");
        texts.sort_by_cached_key(|(base, _)| Version::parse(Semver, base).expect("a version"));
        let mut highest = 0;
        for (base, suffix) in texts {
            let full = format!("{base}{}", suffix.unwrap_or_default());
            let step = match one(&advisories, "thing", Semver, &full, "X-1").verdict {
                Affected => 0,
                Unknown => 1,
                NotAffected => 2,
            };
            // A suffix of no known meaning is unknown beside its release, whichever comes first here.
            if base == "1.0.1" {
                continue;
            }
            prop_assert!(step >= highest, "{full}");
            highest = step;
        }
    }
}
