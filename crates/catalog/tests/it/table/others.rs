//! The other products whose files say what their routes take.

use vigie_catalog::table::{Amount, Ask, Asks, Body, Doubts, Json, Knob, Reason, Request, Role};
use vigie_model::Effect;

use super::{decide, effect, table};

/// Each request with the answer of a real b11549.
#[test]
fn llama_cpp_reads_keys_exactly() {
    let table = table("llama-cpp", "b11549");
    let said = |body: &str| {
        decide(&table, "POST", "/v1/chat/completions", body, |said| {
            said.map(|said| (said.set(Knob::MaxTokens).map(|set| set.amount), said.asks, said.doubts))
        })
    };
    let chat = r#""messages":[{"role":"user","content":"a"}]"#;
    // n_predict goes before max_completion_tokens, and this before max_tokens.
    let (amount, ..) = said(&format!("{{{chat},\"max_tokens\":1,\"n_predict\":2}}")).expect("known");
    assert_eq!(amount, Some(Amount::Count(2)));
    let (amount, ..) = said(&format!("{{{chat},\"max_tokens\":5,\"max_completion_tokens\":1}}")).expect("known");
    assert_eq!(amount, Some(Amount::Count(1)));
    let (amount, _, doubts) = said(&format!("{{{chat},\"n_predict\":1,\"n_predict\":2}}")).expect("known");
    assert_eq!((amount, doubts), (Some(Amount::Count(2)), Doubts::REPEATED_KEY));
    let (amount, _, doubts) = said(&format!("{{{chat},\"N_predict\":1}}")).expect("known");
    assert_eq!((amount, doubts), (None, Doubts::UNKNOWN_KEY), "it reads no such key");
    let (_, _, doubts) = said(&format!("\u{feff}{{{chat}}}")).expect("known");
    assert_eq!(doubts, Doubts::BOM);
    let image =
        r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":" HTTPS://x/y.png"}}]}],"grammar":"root ::= x"}"#;
    assert_eq!(
        said(image).expect("known").1,
        Asks::from_iter([Ask::Images, Ask::Fetch, Ask::Grammar])
    );
    assert_eq!(effect(&table, "GET", "/pr%6fps", ""), Some(Effect::Enumerate));
    assert_eq!(
        effect(&table, "GET", "/%u0070rops", ""),
        None,
        "it reads these escapes, and nobody needs them"
    );
    assert_eq!(effect(&table, "GET", "//props", ""), None);
    assert_eq!(effect(&table, "GET", "/props?model=x", ""), Some(Effect::Load), "in router mode");
    assert_eq!(effect(&table, "HEAD", "/props", ""), Some(Effect::Enumerate));
}

#[test]
fn vllm_checks_the_content_type() {
    let table = table("vllm", "0.32.0");
    let json = Json::parse(
        br#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:x"}}]}],"n":"5","best_of":3,
            "max_tokens":9,"max_completion_tokens":7,"guided_json":{"a":1},"tools":[],"Model":"other"}"#,
    )
    .expect("parses");
    let request = |content_type| Request {
        method: "POST",
        target: "/v1/chat/completions",
        content_type,
        body: Body::Json(&json),
    };
    let said = table.decide(&request(Some("application/json"))).expect("known");
    assert_eq!(said.model(Role::Model).map(|named| &*named.name), Some("m"));
    assert_eq!(said.asks, Asks::from_iter([Ask::Images, Ask::Grammar]));
    assert_eq!(
        said.set(Knob::Choices).map(|set| set.amount),
        Some(Amount::Unlimited),
        "pydantic reads 5 of it, and a cap cannot"
    );
    assert_eq!(said.set(Knob::Candidates).map(|set| set.amount), Some(Amount::Count(3)));
    assert_eq!(said.set(Knob::MaxTokens).map(|set| set.amount), Some(Amount::Count(7)));
    for other in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        assert!(
            matches!(table.decide(&request(Some(other))).expect_err("unknown").reason, Reason::Body(_)),
            "{other}"
        );
    }
    assert_eq!(said.lists().len(), 0);
    decide(&table, "GET", "/v1/models", "", |said| {
        let lists = said.expect("known").lists();
        assert_eq!((lists[0].each.as_str(), lists[0].name.0[0].as_str()), ("/data", "/id"));
    });
}

#[test]
fn batches_are_counted() {
    let table = table("vllm", "");
    let prompts = |body: &str| {
        decide(&table, "POST", "/v1/completions", body, |said| {
            said.expect("known").set(Knob::Prompts).map(|set| set.amount)
        })
    };
    assert_eq!(prompts(r#"{"prompt":"a"}"#), Some(Amount::Count(1)));
    assert_eq!(prompts(r#"{"prompt":["a","b","c"]}"#), Some(Amount::Count(3)));
    assert_eq!(prompts(r#"{"prompt":[1,2,3]}"#), Some(Amount::Count(1)));
    assert_eq!(prompts(r#"{"prompt":[[1],[2]]}"#), Some(Amount::Count(2)));
}

#[test]
fn lm_studio_ignores_the_case_of_paths() {
    let table = table("lm-studio", "");
    for target in ["/api/v1/models/load", "/API/V1/Models/Load", "/api/v1/models/load/"] {
        assert_eq!(effect(&table, "POST", target, r#"{"model":"x"}"#), Some(Effect::Load), "{target}");
    }
    assert_eq!(
        effect(&table, "POST", "/api/v1/models/%6coad", r#"{"model":"x"}"#),
        None,
        "Express matches what is written"
    );
    decide(&table, "GET", "/v1/models/a/b", "", |said| {
        assert_eq!(
            said.expect("known").model(Role::Model).map(|named| named.name.clone().into_owned()),
            Some("a/b".to_owned())
        );
    });
    assert_eq!(
        effect(&table, "GET", "/v1/models/a%2Fb", ""),
        None,
        "what takes the rest takes no escaped slash"
    );
    assert_eq!(effect(&table, "GET", "/v1/models/a/../b", ""), None);
    assert_eq!(effect(&table, "GET", "/v1/models/a/%2e%2e/b", ""), None);
}

#[test]
fn localai_also_reads_a_model_from_the_path_and_the_query() {
    let table = table("localai", "4.9.0");
    let model = |target: &str, body: &str| {
        decide(&table, "POST", target, body, |said| {
            let said = said.expect("known");
            (said.model(Role::Model).map(|named| named.name.clone().into_owned()), said.doubts)
        })
    };
    assert_eq!(
        model("/v1/chat/completions?model=q", r#"{"messages":[]}"#),
        (Some("q".to_owned()), Doubts::default())
    );
    assert_eq!(
        model("/v1/chat/completions?model=q", r#"{"model":"b"}"#),
        (Some("b".to_owned()), Doubts::SEVERAL_MODELS)
    );
    assert_eq!(model("/v1/engines/p/completions", "{}"), (Some("p".to_owned()), Doubts::default()));
    assert_eq!(table.names().canonical("x:latest"), "x");
    // MCP's body of the same path goes by its own line.
    assert_eq!(effect(&table, "POST", "/v1/chat/completions", "<xml/>"), None);
}

#[test]
fn sglang_and_tgi() {
    let sglang = table("sglang", "0.5.23");
    decide(
        &sglang,
        "POST",
        "/generate",
        r#"{"text":["a","b"],"sampling_params":{"max_new_tokens":0,"n":2},"image_data":"http://x"}"#,
        |said| {
            let said = said.expect("known");
            assert_eq!(said.effect, Effect::Infer);
            assert_eq!(said.asks, Asks::from_iter([Ask::Images, Ask::Fetch]));
            let amounts = [Knob::MaxTokens, Knob::Choices, Knob::Prompts].map(|knob| said.set(knob).map(|set| set.amount));
            assert_eq!(amounts, [Some(Amount::Unlimited), Some(Amount::Count(2)), Some(Amount::Count(2))]);
        },
    );
    assert_eq!(effect(&sglang, "GET", "/health", ""), Some(Effect::Infer));
    assert_eq!(effect(&sglang, "GET", "/flush_cache", ""), Some(Effect::Load));
    let tgi = table("tgi", "3.3.7");
    decide(
        &tgi,
        "POST",
        "/generate",
        r#"{"inputs":"![](http://x/y.png)","parameters":{"best_of":4}}"#,
        |said| {
            assert_eq!(said.expect("known").asks, Asks::from_iter([Ask::Images, Ask::Fetch]));
        },
    );
    assert_eq!(effect(&table("tgi", "1.3.0"), "POST", "/v1/chat/completions", "{}"), None);
    assert_eq!(
        effect(&table("tgi", "1.4.0"), "POST", "/v1/chat/completions", "{}"),
        Some(Effect::Infer)
    );
}

#[test]
fn openai_compatible_servers_may_read_keys_in_any_case() {
    let table = table("openai-compatible", "");
    decide(
        &table,
        "POST",
        "/v1/chat/completions",
        r#"{"model":"a","Model":"b","messages":[],"Tools":[{}]}"#,
        |said| {
            let said = said.expect("known");
            assert!(
                said.doubts
                    .contains(Doubts::REPEATED_KEY | Doubts::KEY_CASE | Doubts::SEVERAL_MODELS)
            );
            assert_eq!(said.asks, Asks::from_iter([Ask::Tools]));
        },
    );
}

#[test]
fn routes_come_and_go_with_versions() {
    for (product, version, method, target, expected) in [
        ("vllm", "0.9.2", "POST", "/v1/responses", None),
        ("vllm", "0.10.0", "POST", "/v1/responses", Some(Effect::Infer)),
        ("vllm", "0.11.0", "POST", "/v1/messages", None),
        ("vllm", "0.11.1rc2", "POST", "/v1/messages", Some(Effect::Infer)),
        ("vllm", "0.24.0", "POST", "/generate", Some(Effect::Infer)),
        ("vllm", "0.25.0", "POST", "/generate", None),
        ("llama-cpp", "b9000", "POST", "/api/chat", Some(Effect::Infer)),
        ("llama-cpp", "b11549", "POST", "/api/chat", None),
        ("llama-cpp", "b9538", "POST", "/v1/responses/input_tokens", None),
        ("llama-cpp", "b9713", "POST", "/v1/responses/input_tokens", Some(Effect::Infer)),
        ("llama-cpp", "b0-unknown", "POST", "/api/chat", Some(Effect::Infer)),
        ("llama-cpp", "b10068", "DELETE", "/v1/stream/x", Some(Effect::Write)),
    ] {
        assert_eq!(
            effect(&table(product, version), method, target, "{\"messages\":[{}]}"),
            expected,
            "{product} {version} {target}"
        );
    }
}

#[test]
fn keys_of_an_object_in_the_body_can_be_named_too() {
    let table = table("ollama", "0.17.4");
    let body = r#"{"model":"a","prompt":"b","new":1,"options":{"seed":1,"num_ctx":2,"new":{"seed":3}}}"#;
    let json = vigie_catalog::table::Json::parse(body.as_bytes()).expect("parses");
    let request = vigie_catalog::table::Request {
        method: "POST",
        target: "/api/generate",
        content_type: None,
        body: vigie_catalog::table::Body::Json(&json),
    };
    let decision = table.decide(&request).expect("known");
    assert_eq!(decision.doubts, Doubts::UNKNOWN_KEY);
    let unknown: Vec<&str> = decision.unknown_keys(&json).iter().map(vigie_catalog::table::Item::raw).collect();
    assert_eq!(unknown, ["1", r#"{"seed":3}"#]);
    let said = |body: &str| decide(&table, "POST", "/api/generate", body, |said| said.map(|said| said.doubts));
    assert_eq!(said(r#"{"model":"a","prompt":"b","options":{"seed":1}}"#), Ok(Doubts::default()));
    assert_eq!(said(r#"{"model":"a","prompt":"b","options":{"Seed":1}}"#), Ok(Doubts::KEY_CASE));
}
