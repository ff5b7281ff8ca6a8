//! A finding claims no more than what it rests on: the product's own routes or a reply, and no surer than the product and the version.

use std::path::Path;
use std::sync::Arc;

use vigie_advisory::{Advisories, Version};
use vigie_catalog::{Catalog, Kind, embedded_advisories, embedded_files};
use vigie_model::{AdvisoryCoverage, Effect, Evidence, EvidenceWeight, Verdict, VersionOrder};

use super::*;

/// The same, with the request that showed the posture.
fn open_at(product: &str, version: &str, from: &str) -> Observation {
    let mut open = seen(product, version, Posture::Open);
    open.exposure.posture_from = Some(from.to_owned());
    open
}

#[test]
fn a_family_has_no_routes_of_its_own() {
    let families: Vec<&str> = knowledge()
        .catalog
        .products()
        .iter()
        .filter(|product| product.family)
        .map(|product| product.id.as_str())
        .collect();
    assert_eq!(families, ["mcp", "openai-compatible"]);
    for family in families {
        let product = knowledge().catalog.product(family).expect("is there");
        for models in [Vec::new(), vec![model("made-up:1b")]] {
            let judged = judged(with_models(open_at(family, "1.0", "GET /v1/models"), models));
            for id in ["management-reachable", "empty-server-fillable", "vulnerable-version"] {
                assert!(!ids(&judged).contains(&id), "{family}: {id}");
            }
            // No text names a route that vigie did not call.
            for effect in [Effect::Infer, Effect::Load, Effect::Write, Effect::Account] {
                for route in product.routes_with(effect) {
                    let named = |finding: &&Finding| finding.detail.contains(route.as_str());
                    assert_eq!(judged.findings.iter().find(named), None, "{family}: {route}");
                }
            }
        }
    }
}

#[test]
fn an_open_list_of_an_unknown_server_has_low_confidence() {
    let open = judged(with_models(
        open_at("openai-compatible", "1.0", "GET /v1/models"),
        vec![model("made-up:1b")],
    ));
    let inference = find(&open, "open-inference");
    assert_eq!(inference.evidence, EvidenceKind::Inferred);
    assert!(inference.confidence < Confidence::High);
    assert_eq!(inference.title, "Anyone may be able to use the models");
    assert!(
        inference
            .detail
            .starts_with("GET /v1/models answered without credentials. It lists 1 model."),
        "{}",
        inference.detail
    );
    assert!(inference.detail.contains("no source says"), "{}", inference.detail);
    assert_eq!(
        find(&open, "models-readable").evidence,
        EvidenceKind::Observed,
        "what was read stays"
    );
    // A known product gives more confidence, and a proof the most.
    let known = judged(with_models(open_at("vllm", "0.11.0", "GET /v1/models"), vec![model("made-up:1b")]));
    assert!(find(&known, "open-inference").confidence > inference.confidence);
    let mut proved = with_models(open_at("openai-compatible", "1.0", "GET /v1/models"), vec![model("made-up:1b")]);
    proved.exposure.inference_proved = Some(true);
    let proved = judged(proved);
    let finding = find(&proved, "open-inference");
    assert_eq!(
        (finding.confidence, finding.evidence, finding.title.as_str()),
        (Confidence::High, EvidenceKind::Observed, "Anyone can use the models")
    );
    assert!(!finding.detail.contains("no source") && !finding.detail.contains("No model was asked"));
}

/// An application with several ports, and one with an option: an open answer is evidence of the routes on its port.
#[test]
fn an_open_port_shows_its_own_routes() {
    for (product, from, claimed, not) in [
        ("torchserve", "GET /models", vec!["management-reachable"], vec!["open-inference"]),
        ("torchserve", "GET /ping", vec!["open-inference"], vec!["management-reachable"]),
        ("torchserve", "GET /metrics", vec![], vec!["open-inference", "management-reachable"]),
        ("fastchat", "GET /v1/models", vec!["open-inference"], vec!["management-reachable"]),
        (
            "fastchat",
            "POST /list_models",
            vec!["management-reachable", "open-inference"],
            vec![],
        ),
        (
            "fastchat",
            "POST /worker_get_status",
            vec!["open-inference"],
            vec!["management-reachable"],
        ),
        (
            "text-generation-webui",
            "GET /v1/models",
            vec!["open-inference", "management-reachable"],
            vec![],
        ),
        ("ollama", "GET /api/tags", vec!["open-inference", "management-reachable"], vec![]),
        // The path prefix of a proxy makes no difference.
        (
            "ollama",
            "GET /ollama/api/tags",
            vec!["open-inference", "management-reachable"],
            vec![],
        ),
        (
            "torchserve",
            "GET /serve/ping",
            vec!["open-inference"],
            vec!["management-reachable"],
        ),
    ] {
        let open = judged(open_at(product, "0.11.0", from));
        for id in claimed {
            assert!(ids(&open).contains(&id), "{product} {from}: no {id} in {:?}", ids(&open));
        }
        for id in not {
            assert!(!ids(&open).contains(&id), "{product} {from}: {id}");
        }
    }
    let detail = |product: &str, from: &str| {
        find(&judged(open_at(product, "2.4.0", from)), "management-reachable")
            .detail
            .clone()
    };
    assert!(!detail("milvus", "POST /v2/vectordb/collections/list").contains("/management/"));
    assert!(!detail("stable-diffusion-webui", "GET /config").contains("/sdapi/"));
    assert!(detail("stable-diffusion-webui", "GET /sdapi/v1/sd-models").contains("/sdapi/"));
    assert!(
        detail("ollama", "GET /api/tags").starts_with("According to its source, Ollama has POST /api/pull, "),
        "{}",
        detail("ollama", "GET /api/tags")
    );
    // A page that needs no credentials.
    let page = judged(open_at("streamlit", "1.40.0", "GET /"));
    let page = find(&page, "open-application");
    assert_eq!(
        (page.confidence, page.evidence, page.title.as_str()),
        (Confidence::Medium, EvidenceKind::Inferred, "Anyone can load the application's page")
    );
    let notebook = judged(open_at("jupyter", "2.14.0", "GET /api/contents"));
    assert_eq!(find(&notebook, "open-application").evidence, EvidenceKind::Observed);
}

/// Every `beside` names routes that the file has, so that a mistyped one is noticed.
#[test]
fn every_route_under_beside_exists() {
    for product in knowledge().catalog.products() {
        for open in product.open_at.iter().filter(|open| open.routes.is_some()) {
            let from = format!("{} {}", open.method, open.path);
            let beside: usize = Effect::ALL
                .iter()
                .map(|effect| product.open_routes(*effect, Some(&from)).count())
                .sum();
            let all: usize = Effect::ALL.iter().map(|effect| product.routes_with(*effect).count()).sum();
            assert!(beside < all, "{} {from}: it narrows nothing", product.id);
            let page_alone = product.id == "streamlit" || from == "GET /metrics";
            assert_eq!(beside == 0, page_alone, "{} {from}", product.id);
        }
    }
}

#[test]
fn a_route_that_needs_an_option_is_reported_as_such() {
    let judged = judged(open_at("vllm", "0.32.0", "GET /v1/models"));
    let finding = find(&judged, "management-reachable");
    assert_eq!(finding.confidence, Confidence::Low);
    assert!(
        finding
            .detail
            .starts_with("According to its source, vLLM has, in some versions or with an option, POST /collective_rpc, "),
        "{}",
        finding.detail
    );
    assert_eq!(
        find(&judged, "open-inference").confidence,
        Confidence::Medium,
        "inference needs none"
    );
}

/// A made-up product with routes that only some versions have.
fn with_versioned_routes() -> Knowledge {
    let mut files = embedded_files();
    files.insert(
        "products/made-up.yaml".to_owned(),
        "schema: vigie.product/1
id: made-up
name: Made Up
kind: inference
versions: semver
routes:
  identify: [GET /vigie-no-such-page]
  enumerate: [GET /list]
  infer: [POST /ask since 1.0.0]
  write: [POST /old until 1.4.0, POST /new since 2.0.0]
  load: [POST /debug/load until 1.0.0]
by_option: [/debug/]
requests:
  - {id: list, send: GET /list, for: identify}
identify:
  - {id: one, evidence: unique, on: GET /list, status: 200, json: {/made_up: boolean}}
posture:
  - {posture: open, on: GET /list, status: 200}
"
        .to_owned(),
    );
    let catalog = Catalog::load(&files, None).unwrap_or_else(|errors| panic!("{errors:?}"));
    let embedded = Knowledge::embedded();
    Knowledge::with(Arc::new(catalog), embedded.advisories, embedded.texts)
}

#[test]
fn a_route_of_other_versions_is_not_claimed() {
    let knowledge = with_versioned_routes();
    let judged = |version: Option<&str>| {
        let mut open = open_at("made-up", "", "GET /list");
        open.identity.version = version.map_or(Known::unknown(Why::Hidden), |version| Known::Known(version.to_owned()));
        knowledge.assess(&mut open);
        open
    };
    let management = |version| {
        let open = judged(version);
        let finding = open.findings.iter().find(|finding| finding.id == "management-reachable")?;
        Some((
            finding.detail.contains("/old"),
            finding.detail.contains("/new"),
            finding.confidence,
            finding.evidence,
        ))
    };
    let inferred = EvidenceKind::Inferred;
    assert_eq!(management(Some("1.4.0")), Some((true, false, Confidence::Medium, inferred)));
    assert_eq!(management(Some("1.5.0")), None, "neither the old one nor the new one");
    assert_eq!(management(Some("2.0.0-rc1")), None);
    assert_eq!(management(Some("2.0.0")), Some((false, true, Confidence::Medium, inferred)));
    // The version is unknown: some versions have the routes.
    for unknown in [None, Some("main"), Some("0.0.0")] {
        assert_eq!(management(unknown), Some((true, true, Confidence::Low, inferred)), "{unknown:?}");
        assert_eq!(find(&judged(unknown), "open-inference").confidence, Confidence::Low);
    }
    assert!(!ids(&judged(Some("0.9.0"))).contains(&"open-inference"));
    // Routes that need an option are named only if there are no others.
    assert!(!find(&judged(Some("0.9.0")), "management-reachable").detail.contains("/debug/"));
    assert_eq!(find(&judged(Some("1.0.0")), "open-inference").confidence, Confidence::Medium);
}

#[test]
fn the_confidence_in_the_product_limits_that_of_findings() {
    let mut leaking = with_models(seen("ollama", "0.1.33", Posture::Open), vec![model("made-up:1b")]);
    leaking.exposure.leaks = vec![Leak {
        what: LeakKind::Settings,
        request: "GET /leak".to_owned(),
    }];
    let at = |confidence: f64| {
        let mut one = leaking.clone();
        one.identity.confidence = confidence;
        judged(one)
    };
    for (confidence, most) in [
        (0.99, Confidence::High),
        (0.8, Confidence::High),
        (0.75, Confidence::High),
        // The claim of another tool.
        (0.6, Confidence::Medium),
        (0.5, Confidence::Medium),
        (0.49, Confidence::Low),
        (0.0, Confidence::Low),
    ] {
        let judged = at(confidence);
        assert_eq!(find(&judged, "vulnerable-version").confidence, most, "{confidence}");
        for finding in &judged.findings {
            assert!(
                finding.confidence <= most || finding.id == "plain-http",
                "{confidence}: {} is {}",
                finding.id,
                finding.confidence
            );
        }
        for verdict in judged.advisories.iter() {
            assert!(verdict.confidence <= most, "{confidence}: {} is {}", verdict.id, verdict.confidence);
        }
        assert!(judged.advisories.iter().any(|verdict| verdict.verdict == Verdict::Affected));
    }
    // The answer of a model is evidence whatever the product is.
    let mut proved = leaking.clone();
    proved.identity.confidence = 0.3;
    proved.exposure.inference_proved = Some(true);
    assert_eq!(find(&judged(proved), "open-inference").confidence, Confidence::High);
    // TLS was observed, whatever the product is.
    assert_eq!(find(&at(0.1), "plain-http").confidence, Confidence::High);
}

#[test]
fn a_version_claimed_by_another_tool_has_medium_confidence() {
    let mut shown = seen("ollama", "0.1.33", Posture::Key);
    assert_eq!(find(&judged(shown.clone()), "vulnerable-version").confidence, Confidence::High);
    // The replies show the product, but only the source reports the version.
    shown.identity.evidence = [Evidence {
        product: "ollama".to_owned(),
        rule: "version-said-by-source".to_owned(),
        weight: EvidenceWeight::Weak,
        request: "nmap record".to_owned(),
        seen: "nmap says version \"0.1.33\"".to_owned(),
    }]
    .into();
    shown.exposure.leaks = vec![Leak {
        what: LeakKind::Settings,
        request: "GET /leak".to_owned(),
    }];
    let judged = judged(shown);
    let finding = find(&judged, "vulnerable-version");
    assert_eq!(finding.confidence, Confidence::Medium);
    assert!(
        finding.detail.contains("another tool reports") && !finding.detail.contains("The server's version"),
        "{}",
        finding.detail
    );
    assert!(judged.advisories.iter().all(|verdict| verdict.confidence <= Confidence::Medium));
    assert_eq!(
        find(&judged, "settings-readable").confidence,
        Confidence::High,
        "it does not rest on the version"
    );
}

#[test]
fn not_covered_is_not_none() {
    let n8n = judged(seen("n8n", "1.0.0", Posture::Login));
    assert!(n8n.advisories.is_empty() && n8n.advisories.is_not_covered());
    let finding = find(&n8n, "advisories-not-covered");
    assert_eq!(finding.severity, Severity::Info);
    assert!(finding.detail.starts_with("n8n 1.0.0. "), "{}", finding.detail);
    let text = serde_json::to_string(&n8n).expect("is JSON");
    assert!(
        text.contains(r#""advisories":[],"advisory_coverage":"not-covered","findings":["#),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<Observation>(&text).expect("reads"), n8n);
    // A search found no advisories: the empty list is an answer.
    let tei = judged(seen("tei", "1.7.0", Posture::Key));
    assert_eq!(tei.advisories.coverage(), Some(AdvisoryCoverage::NoneFound));
    assert!(!ids(&tei).contains(&"advisories-not-covered"));
    // If advisories list the product, the record has no coverage.
    let ollama = judged(seen("ollama", "0.17.4", Posture::Key));
    assert!(!serde_json::to_string(&ollama).expect("is JSON").contains("advisory_coverage"));
    let mut stranger = seen("ollama", "0.17.4", Posture::Key);
    stranger.identity.product = Known::unknown(Why::NotCarried);
    assert!(
        !serde_json::to_string(&judged(stranger))
            .expect("is JSON")
            .contains("advisory_coverage")
    );
    // An unknown version is reported already.
    let mut hidden = seen("n8n", "1.0.0", Posture::Login);
    hidden.identity.version = Known::unknown(Why::Hidden);
    let hidden = judged(hidden);
    assert!(hidden.advisories.is_not_covered() && !ids(&hidden).contains(&"advisories-not-covered"));
}

/// Every product is listed, searched, or not covered; what is searched is a product of the catalogue and has no advisory.
#[test]
fn every_product_is_covered_or_not() {
    let knowledge = knowledge();
    for product in knowledge.catalog.products() {
        let listed = product.packages.iter().any(|package| knowledge.advisories.lists(package));
        let expected = match (listed, knowledge.advisories.searched(&product.id).is_some()) {
            (true, false) => AdvisoryCoverage::Listed,
            (false, true) => AdvisoryCoverage::NoneFound,
            (false, false) => AdvisoryCoverage::NotCovered,
            (true, true) => panic!("{} is listed, and searched without a find", product.id),
        };
        assert_eq!(knowledge.coverage(&product.id), expected, "{}", product.id);
        let none = judged(seen(&product.id, "1.2.3", Posture::Key));
        assert_eq!(none.advisories.is_empty(), expected != AdvisoryCoverage::Listed, "{}", product.id);
    }
    for searched in knowledge.advisories.all_searched() {
        assert!(knowledge.catalog.product(searched).is_some(), "{searched} is no product");
    }
    assert_eq!(knowledge.coverage("no-such-product"), AdvisoryCoverage::NotCovered);
}

/// The newest release that a file names is one, and no fixture of the product begins with a higher number: it would be doubted.
#[test]
fn the_newest_release_is_not_behind_the_fixtures() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog/fixtures");
    let advisories = Advisories::load(embedded_advisories()).expect("the embedded advisories load");
    for product in knowledge().catalog.products() {
        let Some(newest) = &product.newest else {
            let listed = product.packages.iter().any(|package| advisories.lists(package));
            assert!(
                !listed || product.versions == VersionOrder::Author,
                "{} has advisories and no newest release",
                product.id
            );
            continue;
        };
        Version::parse(product.versions, newest).unwrap_or_else(|error| panic!("{}: newest: {error}", product.id));
        for entry in std::fs::read_dir(fixtures.join(&product.id)).expect("its fixtures are there") {
            let name = entry.expect("reads").file_name().to_string_lossy().into_owned();
            let version = name.split('-').next().unwrap_or_default().to_owned();
            let verdicts = knowledge().verdicts(&product.id, &Known::Known(version.clone()));
            let doubted = verdicts.iter().any(|verdict| verdict.why.contains("newest release known"));
            // A date in a fixture's name means that the server reports no version.
            assert!(!doubted || version.len() == 4, "{} {version}", product.id);
        }
    }
}

/// The newest release that a file names is no older than any that the file knows of: in a bound of a route or a setting, in `since`, or
/// in the comment that says which releases its routes were read from.
#[test]
fn the_newest_release_is_not_behind_its_own_file() {
    let files = embedded_files();
    let (mut bounded, mut read) = (0, 0);
    for product in knowledge().catalog.products() {
        let Some(newest) = &product.newest else { continue };
        let parse = |text: &str| Version::parse(product.versions, text).unwrap_or_else(|error| panic!("{}: {error}", product.id));
        let routes = Effect::ALL.into_iter().flat_map(|effect| product.routes_with(effect));
        let of_routes = routes.flat_map(|route| [&route.since, &route.until]);
        let of_settings = product.settings.iter().flat_map(|setting| [&setting.since, &setting.until]);
        let bounds = of_routes.chain(of_settings).flatten().chain(product.since.values());
        for bound in bounds {
            assert!(parse(bound) <= parse(newest), "{}: {bound} is newer than {newest}", product.id);
            bounded += 1;
        }
        // `of all 252 releases from v0.0.1 to v0.32.15.`
        let text = &files[&format!("products/{}.yaml", product.id)];
        for range in text.split(" releases from ").skip(1) {
            let last = range
                .split_whitespace()
                .nth(2)
                .unwrap_or_default()
                .trim_end_matches(['.', ',', ':']);
            assert!(parse(last) <= parse(newest), "{}: {last} is newer than {newest}", product.id);
            read += 1;
        }
    }
    assert!(bounded > 100 && read >= 2, "{bounded} {read}");
}

/// Two interfaces on one port: the open answer of the other one is evidence for that one.
#[test]
fn another_interface_counts_if_its_answer_was_open() {
    let mut both = with_models(open_at("mcp", "1.0", "GET /v1/models"), vec![model("made-up:1b")]);
    both.identity.also = vec!["openai-compatible".to_owned()];
    let inference = judged(both.clone());
    assert!(find(&inference, "open-inference").detail.contains("GET /v1/models"));
    // The posture of the first is no evidence about the second.
    both.exposure.posture_from = Some("POST /mcp".to_owned());
    assert!(!ids(&judged(both.clone())).contains(&"open-inference"));
    both.identity.also = vec!["qdrant".to_owned()];
    both.exposure.posture_from = Some("GET /collections".to_owned());
    assert!(!ids(&judged(both)).contains(&"open-inference"), "a store serves no model");
    assert!(
        knowledge()
            .catalog
            .product("qdrant")
            .is_some_and(|product| product.kind == Kind::Vectors)
    );
}

/// The coverage of an interface that many products implement is unknown.
#[test]
fn an_interface_is_no_product() {
    for product in knowledge().catalog.products().iter().filter(|product| product.family) {
        let one = judged(seen(&product.id, "1.2.3", Posture::Open));
        assert!(one.advisories.is_empty() && one.advisories.coverage().is_none(), "{}", product.id);
        assert!(!ids(&one).contains(&"advisories-not-covered"), "{}", product.id);
    }
}
