//! Every fixture, as it is and behind a proxy, against the whole catalogue.

use std::sync::Arc;

use vigie_catalog::{Catalog, embedded_files};
use vigie_identify::fixture::{Fixture, test};
use vigie_identify::{Identifier, Limits, Measured, Session};
use vigie_model::EffectSet;

/// The products that the catalogue has at least.
const PRODUCTS: [&str; 55] = [
    "ollama",
    "llama-cpp",
    "llamafile",
    "vllm",
    "sglang",
    "tgi",
    "tei",
    "lm-studio",
    "localai",
    "text-generation-webui",
    "koboldcpp",
    "tabbyapi",
    "aphrodite",
    "lmdeploy",
    "mlc-llm",
    "mistral-rs",
    "gpt4all",
    "jan",
    "fastchat",
    "xinference",
    "triton",
    "nim",
    "torchserve",
    "bentoml",
    "ray",
    "infinity",
    "litellm",
    "one-api",
    "bifrost",
    "olla",
    "open-webui",
    "anythingllm",
    "librechat",
    "lobechat",
    "dify",
    "flowise",
    "langflow",
    "n8n",
    "ragflow",
    "comfyui",
    "stable-diffusion-webui",
    "gradio",
    "streamlit",
    "jupyter",
    "marimo",
    "mlflow",
    "tensorboard",
    "langfuse",
    "phoenix",
    "mcp",
    "qdrant",
    "chroma",
    "weaviate",
    "milvus",
    "openai-compatible",
];

#[test]
fn the_catalogue_has_the_products() {
    let catalog = Catalog::embedded();
    let missing: Vec<&str> = PRODUCTS.into_iter().filter(|id| catalog.product(id).is_none()).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
}

#[test]
fn the_embedded_catalogue_equals_the_yaml_files() {
    // Reading the YAML also compiles every expression, which the build's own form leaves for later.
    let yaml = std::sync::Arc::new(Catalog::load(&embedded_files(), None).unwrap_or_else(|errors| panic!("{errors:?}")));
    let built = Catalog::embedded();
    assert_eq!(yaml.hash(), built.hash());
    let of =
        |catalog: &std::sync::Arc<Catalog>| std::sync::Arc::new(Identifier::new(std::sync::Arc::clone(catalog), std::sync::Arc::default()));
    let (from_yaml, from_build) = (of(&yaml), of(&built));
    for fixture in crate::read_fixtures() {
        let (a, b) = (fixture.replay(&from_yaml), fixture.replay(&from_build));
        assert_eq!(a.asked(), b.asked(), "{}", fixture.name);
        assert_eq!(format!("{:?}", a.conclusion), format!("{:?}", b.conclusion), "{}", fixture.name);
    }
    // Every route, and a request for each, until its product is known and afterwards.
    for (a, b) in yaml.products().iter().zip(built.products()) {
        assert_eq!(a.id, b.id);
        assert_eq!((&a.shodan, &a.censys), (&b.shodan, &b.censys), "{}", a.id);
        assert_eq!(
            format!("{:?}", a.routes.by_effect()),
            format!("{:?}", b.routes.by_effect()),
            "{}",
            a.id
        );
        let number = built.number(&a.id);
        for route in a.routes.by_effect().iter().flat_map(|(_, routes)| routes) {
            let path = route.as_str().split_whitespace().nth(1).unwrap_or_default().replace(['{', '}'], "");
            let method = route.method.replace("ANY", "POST");
            for known in [None, number] {
                let judge = |catalog: &Catalog| catalog.permit(known, &method, &path, None, EffectSet::HARMLESS);
                assert_eq!(judge(&yaml), judge(&built), "{route} of {}", a.id);
            }
        }
    }
}

#[test]
fn every_fixture_is_identified_as_its_product() {
    let report = test(&Catalog::embedded(), &crate::fixtures()).unwrap_or_else(|errors| panic!("{}", errors.join("\n")));
    let mut wrong = Vec::new();
    for (name, differences) in report.differences.iter().chain(&report.missing) {
        wrong.extend(differences.iter().map(|difference| format!("{name}: {difference}")));
    }
    wrong.extend(report.faults);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// A conversation that was had before is not worked out again: it must ask and say the same as one that remembers nothing.
#[test]
fn a_cached_session_gives_the_same_result() {
    let identifier = Identifier::embedded();
    let mut compared = 0;
    for (name, (head, lines)) in crate::fixtures() {
        let fixture = Fixture::read(&name, &head, &lines).expect("it parses");
        let authority = format!("127.0.0.1:{}", fixture.head.port);
        let limits = Limits::default();
        let more = Limits {
            requests: limits.requests + 1,
            ..limits
        };
        // A request that counts and was not seen: this conversation follows no other.
        let mut alone = Session::new(Arc::clone(&identifier), fixture.head.port, authority, more);
        alone.spent();
        let alone = fixture.replay_in(alone);
        for _ in 0..4 {
            let again = fixture.replay(&identifier);
            assert_eq!(again.exchanges, alone.exchanges, "{name}");
            assert_eq!(format!("{:?}", again.conclusion), format!("{:?}", alone.conclusion), "{name}");
            compared += 1;
        }
    }
    assert!(compared > 900, "{compared}");
}

#[test]
fn the_measured_confidence_is_up_to_date() {
    let report = test(&Catalog::embedded(), &crate::fixtures()).unwrap_or_else(|errors| panic!("{}", errors.join("\n")));
    assert_eq!(Measured::embedded(), report.measured, "run: vigie catalog test --write");
}

#[test]
fn no_confidence_above_four_fifths_without_a_recording() {
    let measured = Measured::embedded();
    for product in Catalog::embedded().products() {
        let counts = measured.products.get(&product.id).copied().unwrap_or_default();
        if counts.recorded == 0 {
            assert!(measured.confidence(&product.id) <= 0.8, "{}", product.id);
        }
    }
}

#[test]
fn fixtures_name_no_registry_and_no_folder_of_a_machine() {
    let hosts = ["pypi.", "registry.npmjs.", "crates.io/api", "proxy.golang."];
    for fixture in crate::read_fixtures() {
        for line in &fixture.lines {
            let text = serde_json::to_string(line).expect("writes");
            for host in hosts {
                assert!(!text.contains(&format!("{host}org")), "{}: {host}", fixture.name);
            }
            for folder in ["/root/", "/work/", "/tmp/lab"] {
                assert!(
                    !text.contains(folder),
                    "{}: {folder} in {} {}",
                    fixture.name,
                    line.request.method,
                    line.request.path
                );
            }
        }
    }
}

#[test]
fn every_recorded_request_was_harmless() {
    let catalog = Catalog::embedded();
    for fixture in crate::read_fixtures() {
        let known = fixture.head.product.as_deref().and_then(|id| catalog.number(id));
        for line in fixture.lines.iter().filter(|line| line.request.method != "*") {
            let request = &line.request;
            let own = known.and_then(|n| {
                catalog
                    .permit(Some(n), &request.method, &request.path, Some(&request.body), EffectSet::HARMLESS)
                    .ok()
            });
            let any = catalog
                .permit(None, &request.method, &request.path, Some(&request.body), EffectSet::HARMLESS)
                .ok();
            // What a conversation asked was judged when it was asked; a redirect's target of another product counts by any file.
            assert!(
                own.is_some() || any.is_some() || fixture.head.origin == vigie_identify::fixture::Origin::Constructed,
                "{}: {} {} {}",
                fixture.name,
                request.method,
                request.path,
                request.body
            );
        }
    }
}

/// The conversations of every fixture, as another tool would hand them over: nothing more is asked, and the same is said.
#[test]
fn a_transcript_gives_the_same_conclusion_as_the_session() {
    let identifier = Identifier::embedded();
    let mut compared = 0;
    for fixture in crate::read_fixtures() {
        let replay = fixture.replay(&identifier);
        // What was not answered, others would not hand over; and what is answered on a stream has no path of its own.
        let foreign = |exchange: &vigie_model::Exchange| {
            let kind = exchange
                .reply
                .as_ref()
                .map(|reply| reply.header("content-type").unwrap_or_default());
            kind.is_none_or(|kind| kind.starts_with("text/event-stream") && exchange.request.method == "GET")
        };
        if replay.exchanges.iter().any(foreign) {
            continue;
        }
        compared += 1;
        let authority = format!("127.0.0.1:{}", fixture.head.port);
        let mut session = Session::from_transcript(std::sync::Arc::clone(&identifier), fixture.head.port, authority, replay.exchanges);
        let conclusion = session.conclude();
        let (was, is) = (&replay.conclusion, &conclusion);
        assert_eq!(is.identity.product, was.identity.product, "{}", fixture.name);
        assert_eq!(is.identity.version, was.identity.version, "{}", fixture.name);
        assert_eq!(is.exposure.posture, was.exposure.posture, "{}", fixture.name);
        assert!(session.next_ask().is_none());
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn a_missing_exchange_is_not_asked_and_a_sources_word_is_used_only_without_contradiction() {
    use vigie_model::{Exchange, Known, Reply, RequestLine, Timestamp, Why};
    let get = |path: &str, status: u16, kind: &str, body: &str| Exchange {
        request: RequestLine {
            method: "GET".into(),
            path: path.into(),
            headers: vec![],
            body: String::new(),
        },
        at: Timestamp::UNIX_EPOCH,
        micros: 0,
        reply: Some(Reply {
            status,
            version: "HTTP/1.1".into(),
            headers: vec![("content-type".into(), kind.into())],
            body: body.as_bytes().to_vec(),
            truncated: false,
        }),
        failure: None,
    };
    let of = |exchanges: Vec<Exchange>| Session::from_transcript(Identifier::embedded(), 11434, "192.0.2.1:11434", exchanges);
    let banner = || get("/", 200, "text/plain; charset=utf-8", "Ollama is running");
    let mut session = of(vec![banner()]);
    let alone = session.conclude();
    assert!(!alone.identity.product.is_known());
    let told = session.conclude_as("ollama").expect("nothing speaks against it");
    assert_eq!(told.identity.product, Known::Known("ollama".to_owned()));
    assert_eq!(told.exposure.models.why(), Some(Why::NotAsked));
    assert_eq!(told.identity.version.why(), Some(Why::NotAsked));
    assert!(session.conclude_as("no-such-product").is_none());
    let mut against = of(vec![
        banner(),
        get("/vigie-no-such-page", 404, "application/json", "{\"detail\":\"Not Found\"}"),
    ]);
    assert!(against.conclude_as("ollama").is_none());
    assert!(against.against("ollama").iter().any(|evidence| evidence.rule == "fastapi"));
}

/// Ids that are too short to tell hosts apart, or too long to be one, name no instance.
#[test]
fn an_id_of_an_instance_is_neither_short_nor_long() {
    let identifier = Identifier::embedded();
    let files = crate::fixtures();
    let (head, lines) = &files["gradio/6.31.0-open"];
    let recorded = "7417333130383230573";
    for (id, taken) in [
        ("1234567".to_owned(), false),
        ("12345678".to_owned(), true),
        (format!("\\\"{}\\\"", "a".repeat(7)), false),
        (format!("\\\"{}\\\"", "a".repeat(200)), true),
        (format!("\\\"{}\\\"", "a".repeat(201)), false),
        (format!("\\\"{}\\\\u001b[2J\\\"", "a".repeat(20)), false),
    ] {
        let changed = lines.replace(recorded, &id);
        assert_ne!(&changed, lines);
        let fixture = vigie_identify::fixture::Fixture::read("changed", head, &changed).expect("a fixture");
        let instance = fixture.replay(&identifier).conclusion.identity.instance;
        let wanted = taken.then(|| id.trim_matches(['\\', '"']));
        assert_eq!(instance.known().map(String::as_str), wanted, "{id}");
    }
}
