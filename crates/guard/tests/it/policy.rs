//! Requests that are put together at random: whatever passes is within the grant.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;
use vigie_catalog::table::NameReading;
use vigie_catalog::{Catalog, RouteTable};
use vigie_guard::key::{Grant, Pattern};
use vigie_guard::policy::{Asked, judge};
use vigie_model::{Effect, EffectSet};

const KEYS: [&str; 40] = [
    "model",
    "Model",
    "MODEL",
    "mod\\u0065l",
    "name",
    "prompt",
    "Prompt",
    "messages",
    "options",
    "Options",
    "option\u{17f}",
    "keep_alive",
    "\u{212a}eep_alive",
    "stream",
    "raw",
    "RAW",
    "template",
    "images",
    "tools",
    "tool\u{17f}",
    "logprobs",
    "top_logprobs",
    "max_tokens",
    "max_to\u{212a}ens",
    "max_completion_tokens",
    "n",
    "n_predict",
    "input",
    "num_predict",
    "num_ctx",
    "num_gpu",
    "seed",
    "format",
    "_debug_render_only",
    "stream_options",
    "include_usage",
    "role",
    "content",
    "tool_calls",
    "from",
];
const SCALARS: [&str; 26] = [
    "null",
    "true",
    "false",
    "0",
    "1",
    "5",
    "-1",
    "16",
    "17",
    "0.5",
    "1e300",
    "99999999999",
    "\"tiny\"",
    "\"tiny:latest\"",
    "\"secret\"",
    "\"\"",
    "\"TINY\"",
    "\"x://registry.ollama.ai/library/secret\"",
    "\"tiny:cloud\"",
    "\"-1m\"",
    "\"1ns\"",
    "\"24h\"",
    "\"hi\"",
    "[]",
    "{}",
    "[1]",
];
const ROUTES: [&str; 9] = [
    "/api/generate",
    "/api/chat",
    "/api/embed",
    "/api/show",
    "/api/pull",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
];

fn bodies() -> impl Strategy<Value = String> {
    let scalar = proptest::sample::select(&SCALARS[..]).prop_map(str::to_owned);
    let value = scalar.prop_recursive(3, 12, 4, |inner| {
        let pair = (proptest::sample::select(&KEYS[..]), inner.clone()).prop_map(|(key, value)| format!("\"{key}\":{value}"));
        prop_oneof![
            proptest::collection::vec(pair, 0..4).prop_map(|pairs| format!("{{{}}}", pairs.join(","))),
            proptest::collection::vec(inner, 0..3).prop_map(|values| format!("[{}]", values.join(","))),
        ]
    });
    let pair = (proptest::sample::select(&KEYS[..]), value).prop_map(|(key, value)| format!("\"{key}\":{value}"));
    // Half of them begin as a good one does.
    let start = proptest::sample::select(
        &[
            "",
            "\"model\":\"tiny\",\"prompt\":\"hi\"",
            "\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]",
        ][..],
    );
    (start, proptest::collection::vec(pair, 0..5)).prop_map(|(start, pairs)| {
        let all: Vec<&str> = std::iter::once(start)
            .chain(pairs.iter().map(String::as_str))
            .filter(|part| !part.is_empty())
            .collect();
        format!("{{{}}}", all.join(","))
    })
}

fn is_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    }
}

/// Why something that arrives is not within the grant of the test.
fn fault(route: &str, body: &Value) -> Option<String> {
    let object = body.as_object()?;
    let is_tiny = |value: &Value| {
        value
            .as_str()
            .is_some_and(|name| NameReading::Ollama.canonical(name) == "tiny:latest")
    };
    let model = object
        .get("model")
        .filter(|model| is_something(model))
        .or_else(|| object.get("name"));
    if !model.is_some_and(is_tiny) {
        return Some("the model".to_owned());
    }
    // Go reads keys in any case; no key that it could take for another may be there.
    if let Some(key) = object
        .keys()
        .find(|key| key.bytes().any(|byte| !(byte.is_ascii_lowercase() || byte == b'_')))
    {
        return Some(format!("the key {key:?}"));
    }
    for key in [
        "raw",
        "template",
        "images",
        "tools",
        "logprobs",
        "top_logprobs",
        "_debug_render_only",
        "from",
    ] {
        // Zero alternatives are none.
        let is_none = |value: &Value| key == "top_logprobs" && value.as_u64() == Some(0);
        if object.get(key).is_some_and(|value| is_something(value) && !is_none(value)) && !(route == "/api/show" && key == "template") {
            return Some(format!("the key {key:?}"));
        }
    }
    // Where tokens are capped there is one answer, which is what a server gives where the number is null.
    if object
        .get("n")
        .is_some_and(|answers| !answers.is_null() && answers.as_u64() != Some(1))
    {
        return Some("the number of answers".to_owned());
    }
    // Only a message of Ollama's own format has images beside its text, and one of Anthropic's has calls of tools as parts of its content.
    let asking: &[&str] = match route {
        "/v1/messages" => &[],
        "/v1/chat/completions" => &["tool_calls"],
        _ => &["images", "tool_calls"],
    };
    for message in object.get("messages").and_then(Value::as_array).into_iter().flatten() {
        if asking.iter().any(|key| is_something(&message[*key])) {
            return Some("a message".to_owned());
        }
    }
    let within = |value: &Value, most: u64| value.as_u64().is_some_and(|count| (1..=most).contains(&count));
    let options = &body["options"];
    match route {
        "/api/generate" | "/api/chat" if !within(&options["num_predict"], 16) => return Some("num_predict".to_owned()),
        "/v1/chat/completions" | "/v1/completions" | "/v1/messages" if !within(&body["max_tokens"], 16) => {
            return Some("max_tokens".to_owned());
        }
        "/v1/responses" if !within(&body["max_output_tokens"], 16) => return Some("max_output_tokens".to_owned()),
        _ => {}
    }
    if matches!(route, "/api/generate" | "/api/chat" | "/api/embed") {
        if !within(&options["num_ctx"], 2048) || options.get("num_gpu").is_some_and(|gpus| !gpus.is_null()) {
            return Some("the options".to_owned());
        }
        let stays = object.get("keep_alive").filter(|stays| !stays.is_null());
        if stays.is_some_and(|stays| !stays.as_f64().is_some_and(|seconds| (1.0..=300.0).contains(&seconds))) {
            return Some("keep_alive".to_owned());
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]
    #[test]
    fn what_passes_is_within_the_grant(route in proptest::sample::select(&ROUTES[..]), body in bodies()) {
        thread_local! {
            static TABLES: [RouteTable; 3] = [Some("0.17.4"), Some("0.32.0"), None]
                .map(|version| RouteTable::compile(Catalog::embedded().product("ollama").expect("it is there"), version));
        }
        let grant = Grant {
            effects: EffectSet::EMPTY.with(Effect::Infer),
            models: vec![Pattern::new("tiny")],
            caps: BTreeMap::from([("max-tokens".to_owned(), 16), ("context".to_owned(), 2048)]),
            ..Grant::default()
        };
        let asked = Asked { method: "POST", target: route, content_type: None, body: body.as_bytes() };
        TABLES.with(|tables| {
            for table in tables {
                let Ok(passed) = judge(table, &grant, &asked) else { continue };
                prop_assert!(passed.effect.is_harmless() || matches!(passed.effect, Effect::Infer | Effect::Load));
                prop_assert_eq!(&passed.target, route);
                let (_, bytes) = passed.body.expect("a body");
                let arrived: Value = serde_json::from_slice(&bytes).expect("it is JSON");
                if let Some(what) = fault(route, &arrived) {
                    return Err(TestCaseError::fail(format!("{what}: {body} passed as {arrived}")));
                }
            }
            Ok(())
        })?;
    }
}
