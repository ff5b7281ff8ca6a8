//! Ollama, as real ones (0.17.4, 0.18.0) read requests.

use vigie_catalog::table::{Amount, Ask, Asks, Body, BodyKind, Doubts, Form, Json, Knob, Reason, Request, Role};
use vigie_model::Effect;

use super::{decide, effect, table};

#[test]
fn a_chat() {
    let table = table("ollama", "0.17.4");
    let body = r#"{"model":"tiny","messages":[{"role":"user","content":"hi","images":["aGk="]}],"tools":[],"stream":false,
                   "options":{"num_ctx":4096,"num_predict":-1},"keep_alive":"5m"}"#;
    decide(&table, "POST", "/api/chat", body, |said| {
        let decision = said.expect("known");
        assert_eq!(decision.effect, Effect::Infer);
        assert_eq!(decision.route, "POST /api/chat since 0.1.14");
        assert_eq!(decision.model(Role::Model).map(|named| &*named.name), Some("tiny"));
        assert_eq!(
            decision.asks,
            Asks::from_iter([Ask::Images]),
            "an empty list of tools asks for none"
        );
        assert!(decision.may_ask().contains(Ask::Tools));
        let amounts = [Knob::Context, Knob::MaxTokens, Knob::KeepAlive, Knob::Stream].map(|knob| decision.set(knob).map(|set| set.amount));
        assert_eq!(
            amounts,
            [
                Some(Amount::Count(4096)),
                Some(Amount::Unlimited),
                Some(Amount::Seconds(300.0)),
                Some(Amount::Flag(false))
            ]
        );
        assert!(decision.doubts.is_empty(), "{}", decision.doubts);
        assert!(!decision.in_some_versions);
        assert_eq!(decision.knob_places(Knob::MaxTokens)[0].to_string(), "/options/num_predict");
    });
}

/// Each request with the answer of a real 0.17.4.
#[test]
fn what_loads_a_model() {
    let table = table("ollama", "0.17.4");
    for (path, body) in [
        ("/api/generate", r#"{"model":"tiny","prompt":"hi","Prompt":""}"#),
        ("/api/generate", r#"{"model":"tiny","prompt":"hi","pro\u006dpt":""}"#),
        ("/api/generate", r#"{"model":"tiny","prompt":null}"#),
        ("/api/generate", r#"{"model":"tiny"}"#),
        ("/api/generate", r#"{"model":"tiny","prompt":"","stream":false} trailing"#),
        ("/api/chat", r#"{"model":"tiny","messages":[]}"#),
        ("/api/chat", r#"{"model":"tiny","messages":null}"#),
        ("/api/chat", r#"{"model":"tiny","keep_alive":0}"#),
        ("/api/chat", "{\"model\":\"tiny\",\"messages\":[{}],\"Me\u{17f}\u{17f}ages\":[]}"),
        ("/api/embed", r#"{"model":"tiny","input":[]}"#),
        ("/api/embeddings", r#"{"model":"tiny","prompt":""}"#),
        ("/v1/responses", r#"{"model":"tiny","input":[]}"#),
        ("/v1/completions", r#"{"model":"tiny","prompt":""}"#),
    ] {
        assert_eq!(effect(&table, "POST", path, body), Some(Effect::Load), "{path} {body}");
    }
    assert_eq!(
        effect(&table, "POST", "/api/generate", r#"{"model":"tiny","prompt":"hi"}"#),
        Some(Effect::Infer)
    );
    assert_eq!(
        effect(
            &table,
            "POST",
            "/api/generate",
            r#"{"model":"tiny","prompt":"hi","x":{"prompt":""}}"#
        ),
        Some(Effect::Infer)
    );
}

#[test]
fn a_body_that_the_route_does_not_take_is_unknown() {
    let table = table("ollama", "0.17.4");
    for body in [
        "",
        "[]",
        "null",
        "\"x\"",
        "x",
        "{",
        "{\"model\":5}",
        "{\"model\":[\"tiny\"]}",
        "{\"model\":{\"a\":1}}",
        "{\"name\":true}",
    ] {
        assert_eq!(effect(&table, "POST", "/api/show", body), None, "{body}");
        decide(&table, "POST", "/api/show", body, |said| {
            assert!(matches!(said.expect_err("unknown").reason, Reason::Body(_)), "{body}");
        });
    }
    // From 0.18.0 on it could have named a cloud model.
    decide(&super::table("ollama", "0.18.0"), "POST", "/api/show", "x", |said| {
        assert_eq!(said.expect_err("unknown").worst, Some(Effect::Account));
    });
    let request = |content_type| Request {
        method: "POST",
        target: "/api/chat",
        content_type: Some(content_type),
        body: Body::None,
    };
    let json = Json::parse(br#"{"model":"tiny","messages":[{}]}"#).expect("parses");
    let doubts = |content_type| {
        table
            .decide(&Request {
                body: Body::Json(&json),
                ..request(content_type)
            })
            .map(|said| said.doubts)
    };
    assert_eq!(
        doubts("application/x-www-form-urlencoded"),
        Ok(Doubts::CONTENT_TYPE),
        "Ollama does not look"
    );
    assert_eq!(doubts("application/json; charset=UTF-8"), Ok(Doubts::default()));
    assert!(doubts("application/json; charset=utf-16").is_err());
    assert_eq!(
        table
            .decide(&Request {
                body: Body::Unseen,
                ..request("")
            })
            .map(|said| (said.effect, said.doubts)),
        Ok((Effect::Account, Doubts::UNSEEN_BODY))
    );
}

/// The cost of a decision stays near that of parsing, whatever a body repeats.
#[test]
fn a_body_of_a_million_keys_is_unknown() {
    let table = table("ollama", "0.17.4");
    let body = |key: &str| format!("{{{}\"x\":0}}", format!("\"{key}\":\"a\",").repeat(200_000));
    for key in ["model", "Model", "mod\\u0065l", "keep_alive"] {
        decide(&table, "POST", "/api/chat", &body(key), |said| {
            assert!(matches!(said.expect_err("unknown").reason, Reason::Body(_)), "{key}");
        });
    }
    assert_eq!(effect(&table, "POST", "/api/chat", &body("unheard-of")), Some(Effect::Load));
}

#[test]
fn routes_depend_on_the_version() {
    let cloud = r#"{"model":"gpt-oss:120b-cloud"}"#;
    let of = |version: &str| {
        let table = table("ollama", version);
        let effect = |method, target, body| effect(&table, method, target, body);
        (
            effect("POST", "/api/show", cloud),
            effect("GET", "/v1/models/x:Cloud", ""),
            effect("POST", "/api/experimental/aliases", "{}"),
            effect("POST", "/api/experimental/web_fetch", "{}"),
            effect("POST", "/v1/images/edits", "{}"),
        )
    };
    use Effect::{Account, Enumerate, Infer, Write};
    assert_eq!(of("0.6.5"), (Some(Enumerate), Some(Enumerate), None, None, None));
    assert_eq!(of("0.17.4"), (Some(Enumerate), Some(Enumerate), Some(Write), None, Some(Infer)));
    assert_eq!(of("0.18.0"), (Some(Account), Some(Account), None, Some(Account), Some(Infer)));
    assert_eq!(of("0.32.15"), (Some(Account), Some(Account), None, Some(Account), None));
    for unknown in ["", "0.0.0", "unknown"] {
        assert_eq!(
            of(unknown),
            (Some(Account), Some(Account), Some(Write), Some(Account), Some(Infer)),
            "{unknown}"
        );
    }
    assert_eq!(table("ollama", "0.17.4").version(), Some("0.17.4"));
    assert_eq!(table("ollama", "0.0.0").version(), None);
    let strictest = table("ollama", "");
    decide(&strictest, "POST", "/api/show", r#"{"model":"tiny"}"#, |said| {
        assert!(!said.expect("known").in_some_versions)
    });
    decide(&strictest, "GET", "/api/status", "", |said| {
        assert!(said.expect("known").in_some_versions)
    });
}

#[test]
fn which_of_two_model_names_the_server_uses() {
    let table = table("ollama", "0.17.4");
    let names = |method: &str, path: &str, body: &str| {
        decide(&table, method, path, body, |said| {
            let said = said.expect("known");
            let all: Vec<_> = said
                .models
                .iter()
                .map(|named| (named.role, named.name.clone().into_owned(), named.counts))
                .collect();
            (all, said.doubts)
        })
    };
    let one = |role, name: &str| vec![(role, name.to_owned(), true)];
    let show = |body| names("POST", "/api/show", body);
    assert_eq!(show(r#"{"model":"","name":"tiny"}"#), (one(Role::Model, "tiny"), Doubts::default()));
    assert_eq!(
        show(r#"{"name":"tiny","model":null}"#),
        (one(Role::Model, "tiny"), Doubts::default())
    );
    assert_eq!(show(r#"{"Model":"tiny"}"#), (one(Role::Model, "tiny"), Doubts::KEY_CASE));
    assert_eq!(show(r#"{"model":"tiny:Local"}"#), (one(Role::Model, "tiny:Local"), Doubts::NAME));
    let (both, doubts) = show(r#"{"name":"a","model":"b"}"#);
    assert_eq!(both, [(Role::Model, "b".to_owned(), true), (Role::Model, "a".to_owned(), false)]);
    assert_eq!(doubts, Doubts::SEVERAL_MODELS);
    let (last, doubts) = show(r#"{"model":"a","model":"b"}"#);
    assert_eq!(last[0], (Role::Model, "b".to_owned(), true));
    assert!(doubts.contains(Doubts::REPEATED_KEY | Doubts::SEVERAL_MODELS));
    let (copied, _) = names("POST", "/api/copy", r#"{"source":"a","destination":"b"}"#);
    assert_eq!(copied, [(Role::Source, "a".to_owned(), true), (Role::Target, "b".to_owned(), true)]);
    let (made, _) = names("POST", "/api/create", r#"{"name":"c","from":"a"}"#);
    assert_eq!(made, [(Role::Target, "c".to_owned(), true), (Role::Source, "a".to_owned(), true)]);
    assert_eq!(names("DELETE", "/api/delete", r#"{"name":"c"}"#).0, one(Role::Model, "c"));
    assert_eq!(names("GET", "/v1/models/tiny%3Alatest", "").0, one(Role::Model, "tiny:latest"));
    assert_eq!(
        super::table("ollama", "0.1.17")
            .decide(&Request {
                method: "POST",
                target: "/api/show",
                content_type: None,
                body: Body::Json(&Json::parse(br#"{"model":"a","name":"b"}"#).expect("parses")),
            })
            .expect("known")
            .model(Role::Model)
            .map(|named| named.name.clone().into_owned()),
        Some("b".to_owned())
    );
}

/// Go adds the key of the query before the fields of a multipart form.
#[test]
fn a_transcription_names_its_model_in_a_form() {
    let table = table("ollama", "0.20.0");
    assert_eq!(table.expects("POST", "/v1/audio/transcriptions"), Ok(Some(BodyKind::Form)));
    assert_eq!(table.expects("POST", "/api/blobs/sha256:00"), Ok(Some(BodyKind::Bytes)));
    assert_eq!(table.expects("POST", "/api/chat"), Ok(Some(BodyKind::Json)));
    let part = |name: &str, value: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let said = |target: &str, parts: &[(&str, &str)]| {
        let body: String = parts
            .iter()
            .map(|(name, value)| part(name, value))
            .chain(["--b--\r\n".to_owned()])
            .collect();
        let content_type = "multipart/form-data; boundary=b";
        let form = Form::parse(content_type, body.as_bytes()).expect("a form");
        let said = table
            .decide(&Request {
                method: "POST",
                target,
                content_type: Some(content_type),
                body: Body::Form(&form),
            })
            .expect("known");
        (
            said.model(Role::Model).map(|named| named.name.clone().into_owned()),
            said.doubts,
            said.asks,
        )
    };
    let path = "/v1/audio/transcriptions";
    let audio = Asks::from_iter([Ask::Audio]);
    assert_eq!(
        said(path, &[("model", "tiny"), ("file", "x")]),
        (Some("tiny".to_owned()), Doubts::default(), audio)
    );
    let (name, doubts, _) = said("/v1/audio/transcriptions?model=secret", &[("model", "tiny"), ("file", "x")]);
    assert_eq!((name.as_deref(), doubts), (Some("secret"), Doubts::SEVERAL_MODELS));
    let (name, doubts, _) = said(path, &[("model", "a"), ("model", "b"), ("file", "x")]);
    assert_eq!(name.as_deref(), Some("a"));
    assert!(doubts.contains(Doubts::REPEATED_KEY | Doubts::SEVERAL_MODELS));
    assert!(
        said(path, &[("model", "a"), ("Model", "b"), ("file", "x")])
            .1
            .contains(Doubts::KEY_CASE)
    );
    assert!(
        said(path, &[("model", "a"), ("x", "b"), ("file", "x")])
            .1
            .contains(Doubts::UNKNOWN_KEY)
    );
    assert_eq!(
        effect(&table, "POST", path, r#"{"model":"tiny"}"#),
        None,
        "JSON is not what it takes"
    );
}

#[test]
fn the_key_of_a_setting() {
    let table = table("ollama", "0.17.4");
    let said = |body: &str| {
        decide(&table, "POST", "/api/generate", body, |said| {
            let said = said.expect("known");
            (
                said.set(Knob::MaxTokens).map(|set| set.amount),
                said.sets.len(),
                said.doubts,
                said.asks,
            )
        })
    };
    let base = r#""model":"tiny","prompt":"hi""#;
    let (amount, count, doubts, _) = said(&format!(
        r#"{{{base},"options":{{"num_predict":9}},"option\u017f":{{"num_predict":0}}}}"#
    ));
    assert_eq!((amount, count), (Some(Amount::Unlimited), 2));
    assert!(doubts.contains(Doubts::REPEATED_KEY | Doubts::KEY_CASE));
    let (amount, _, doubts, _) = said(&format!("{{{base},\"option\u{17f}\":{{\"num_predict\":9}}}}"));
    assert_eq!((amount, doubts), (Some(Amount::Count(9)), Doubts::KEY_CASE));
    let (_, _, doubts, asks) = said(&format!("{{{base},\"raw\":true,\"format\":\"json\",\"n\":5}}"));
    assert_eq!(doubts, Doubts::UNKNOWN_KEY);
    assert_eq!(asks, Asks::from_iter([Ask::Template, Ask::Grammar]));
    let (_, _, doubts, asks) = said(&format!("{{{base},\"raw\":false,\"images\":[],\"\u{212a}eep_alive\":0}}"));
    assert_eq!((doubts, asks), (Doubts::KEY_CASE, Asks::default()));
}

#[test]
fn paths() {
    let table = table("ollama", "0.17.4");
    for (target, route) in [
        ("/api/tags", true),
        ("/api%2Ftags", true),
        ("/api/%74ags", true),
        ("/api/tags?x=%zz", true),
        ("//api/tags", false),
        ("/api/tags/", false),
        ("/api/./tags", false),
        ("/api/%2e/tags", false),
        ("/api/x/../tags", false),
        ("/api/tags;x", false),
        ("/API/tags", false),
        ("/api/tags%00", false),
        ("/api/tags#x", false),
        ("/api\\tags", false),
        ("/api/%zz", false),
        ("http://x/api/tags", false),
        ("/v1/models/library%2Ftiny", false),
    ] {
        assert_eq!(effect(&table, "GET", target, "").is_some(), route, "{target}");
    }
    assert_eq!(effect(&table, "POST", "/api%2Fpull", "{}"), Some(Effect::Write));
    for method in ["get", "PUT", "OPTIONS", "TRACE", "POST"] {
        assert_eq!(effect(&table, method, "/api/tags", ""), None, "{method}");
    }
    decide(&table, "GET", "/v1/models/a%3Fb%3d:7%62", "", |said| {
        let said = said.expect("known");
        assert_eq!(&*said.path, "/v1/models/a%3Fb=:7b", "a decoded question mark starts no query");
        assert_eq!(said.model(Role::Model).map(|named| &*named.name), Some("a?b=:7b"));
    });
    decide(&table, "GET", "/api/%74ags", "", |said| {
        let said = said.expect("known");
        assert_eq!((&*said.path, said.doubts), ("/api/tags", Doubts::ENCODED_PATH));
        assert_eq!(said.lists().len(), 1);
    });
}

#[test]
fn an_anthropic_search_spends_the_owners_account() {
    let table = table("ollama", "0.24.0");
    let body = |kind: &str| {
        format!(
            r#"{{"model":"tiny","max_tokens":5,"messages":[{{"role":"user","content":"x"}}],"tools":[{{"type":"{kind}","name":"s"}}]}}"#
        )
    };
    assert_eq!(
        effect(&table, "POST", "/v1/messages", &body("web_search_20250305")),
        Some(Effect::Account)
    );
    assert_eq!(effect(&table, "POST", "/v1/messages", &body("custom")), Some(Effect::Infer));
    decide(&table, "POST", "/v1/messages", &body("web_search"), |said| {
        assert_eq!(said.expect("known").asks, Asks::from_iter([Ask::Tools, Ask::Search]));
    });
}
