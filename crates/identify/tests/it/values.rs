//! Requests whose effect depends on a value: what names a cloud model of Ollama is passed on with its owner's key.

use proptest::prelude::*;
use serde_json::json;
use vigie_catalog::Catalog;
use vigie_identify::{Identifier, Limits, Session};
use vigie_model::{Effect, EffectSet, Exchange, Known, Reply, Timestamp, Why};

/// Whether Ollama 0.18 takes a name for a cloud model's: `parseSourceSuffix` of internal/modelref at v0.18.0, written anew.
fn goes_to_the_cloud(name: &str) -> bool {
    let name = name.trim();
    let Some(colon) = name.rfind(':') else {
        return false;
    };
    let tag = name[colon + 1..].trim().to_lowercase();
    tag == "cloud" || (tag.ends_with("-cloud") && !tag.contains('/'))
}

/// What a real Ollama 0.18.0 answers, with a list of these names.
fn answer(path: &str, names: &[String]) -> Reply {
    let (status, kind, body) = match path {
        "/" => (200, "text/plain; charset=utf-8", "Ollama is running".to_owned()),
        "/api/version" => (200, "application/json; charset=utf-8", r#"{"version":"0.18.0"}"#.to_owned()),
        "/api/tags" => {
            let models: Vec<_> = names
                .iter()
                .map(|name| {
                    json!({"name": name, "model": name, "modified_at": "2026-11-30T08:45:31.529643654Z", "size": 237, "digest": "0".repeat(64),
                           "details": {"format": "", "family": "", "parameter_size": "", "quantization_level": ""}})
                })
                .collect();
            (200, "application/json; charset=utf-8", json!({"models": models}).to_string())
        }
        "/api/ps" => (200, "application/json; charset=utf-8", r#"{"models":[]}"#.to_owned()),
        "/api/show" => (
            200,
            "application/json; charset=utf-8",
            r#"{"template":"","capabilities":[]}"#.to_owned(),
        ),
        _ => (404, "text/plain", "404 page not found".to_owned()),
    };
    Reply {
        status,
        headers: vec![("content-type".to_owned(), kind.to_owned())],
        version: "HTTP/1.1".to_owned(),
        body: body.into_bytes(),
        truncated: false,
    }
}

/// Holds the conversation and gives the bodies of all POSTs, and what was concluded.
fn talk(names: &[String]) -> (Vec<String>, vigie_identify::Conclusion) {
    let mut session = Session::new(Identifier::embedded(), 11434, "127.0.0.1:11434", Limits::default());
    let mut posted = Vec::new();
    while let Some(ask) = session.next_ask() {
        if ask.request.method == "POST" && ask.request.path == "/api/show" {
            posted.push(ask.request.body.clone());
        }
        let exchange = Exchange {
            request: ask.request.clone(),
            at: Timestamp::default(),
            micros: 1,
            reply: Some(answer(&ask.request.path, names)),
            failure: None,
        };
        session.answer(&ask, exchange);
    }
    (posted, session.conclude())
}

#[test]
fn a_cloud_model_is_listed_and_not_asked_about() {
    let names = [
        "gpt-oss:120b-cloud",
        "a:latest",
        "qwen3-vl:235b-Cloud",
        "ns/b:cloud",
        "cloud-thing:latest",
    ]
    .map(str::to_owned);
    let (posted, conclusion) = talk(&names);
    let asked: Vec<bool> = names.iter().map(|name| posted.iter().any(|body| body.contains(name))).collect();
    assert_eq!(asked, [false, true, false, false, true], "{posted:?}");
    let models = conclusion.exposure.models.into_known().expect("the list was read");
    assert_eq!(models.len(), 5);
    let cloud = models.iter().find(|model| model.name == "gpt-oss:120b-cloud").expect("listed");
    assert_eq!(cloud.remote, Known::Known(true));
    assert_eq!(
        (cloud.template.why(), cloud.system_prompt.why()),
        (Some(Why::NotAsked), Some(Why::NotAsked))
    );
}

#[test]
fn the_transport_rejects_requests_for_a_cloud_model() {
    let catalog = Catalog::embedded();
    for known in [catalog.number("ollama"), None] {
        let permits = |method: &str, path: &str, body: &str| catalog.permit(known, method, path, Some(body), EffectSet::HARMLESS).is_ok();
        assert!(permits("POST", "/api/show", r#"{"model":"x:latest","name":"x:latest"}"#) || known.is_none());
        assert!(permits("GET", "/v1/models/x", "") || known.is_none());
        for body in [
            r#"{"model":"x:cloud"}"#,
            r#"{"name":"x:cloud"}"#,
            r#"{"model":"","name":"x:7b-cloud"}"#,
            r#"{"Model":"x:CLOUD "}"#,
            r#"{"model":"x","MODEL":"x:cloud"}"#,
            // Go's decoder ignores what follows the first value.
            r#"{"model":"x:cloud"} and more"#,
            "\u{feff}{\"model\":\"x:cloud\"}",
        ] {
            assert!(!permits("POST", "/api/show", body), "{body}");
        }
        for path in ["/v1/models/x:cloud", "/v1/models/x%3acloud", "/v1/models/x:7b-Cloud?y"] {
            assert!(!permits("GET", path, ""), "{path}");
        }
    }
    // The owner's proof infers here, not on the owner's account elsewhere.
    let ollama = catalog.number("ollama");
    let proof = |model: &str| {
        catalog.permit(
            ollama,
            "POST",
            "/api/generate",
            Some(&json!({"model": model, "prompt": "?"}).to_string()),
            EffectSet::HARMLESS.with(Effect::Infer),
        )
    };
    assert!(proof("x:latest").is_ok());
    assert!(proof("x:cloud").is_err());
}

#[test]
fn a_list_that_its_owner_pays_for_is_not_asked_for_once_the_product_is_known() {
    let catalog = Catalog::embedded();
    assert!(
        catalog
            .permit(catalog.number("bifrost"), "GET", "/v1/models", None, EffectSet::HARMLESS)
            .is_err()
    );
    assert!(
        catalog
            .permit(catalog.number("ollama"), "GET", "/v1/models", None, EffectSet::HARMLESS)
            .is_ok()
    );
    assert!(catalog.permit(None, "GET", "/v1/models", None, EffectSet::HARMLESS).is_ok());
    for path in [
        "/props?model=x",
        "/slots?model=x&autoload=1",
        "/v1/models?reload=1",
        "/models?RELOAD",
    ] {
        assert!(
            catalog
                .permit(catalog.number("llama-cpp"), "GET", path, None, EffectSet::HARMLESS)
                .is_err(),
            "{path}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever a server puts into its list, what its Ollama would pass on is not asked.
    #[test]
    fn no_name_leads_to_the_cloud(
        heads in proptest::collection::vec("[a-z/:. -]{0,8}", 1..6),
        tails in proptest::collection::vec("(:|: |-|/|::)?([a-zA-Z0-9]{0,3}-)?[cC][lL][oO][uU][dD][ \t\u{a0}\u{2003}/:]{0,2}", 1..6),
    ) {
        let names: Vec<String> = heads.iter().zip(&tails).map(|(head, tail)| format!("{head}{tail}")).collect();
        let (posted, _) = talk(&names);
        for body in posted {
            let asked: serde_json::Value = serde_json::from_str(&body).expect("the scanner sends JSON");
            for key in ["model", "name"] {
                let name = asked[key].as_str().unwrap_or_default();
                prop_assert!(!goes_to_the_cloud(name), "{name:?} was asked about");
            }
        }
    }
}
