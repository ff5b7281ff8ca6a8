//! No reading of a request makes it more harmless than another reading would find it.

use proptest::prelude::*;
use vigie_catalog::Catalog;
use vigie_catalog::table::{Body, Form, Json, Request, Role, RouteTable};
use vigie_model::{Effect, EffectSet};

use super::{decide, effect, table};

/// A key and its value, both as they are written.
type Entry = (String, &'static str);

fn written(entries: &[Entry]) -> String {
    let all: Vec<String> = entries.iter().map(|(key, value)| format!("{key:?}: {value}")).collect();
    format!("{{{}}}", all.join(", "))
}

/// Keys that some reader takes for one that the route looks for, and others.
fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let key = prop_oneof![
        prop::sample::select(&["model", "prompt", "name", "stream", "x"][..]).prop_map(str::to_owned),
        prop::sample::select(
            &[
                "Model",
                "MODEL",
                "Prompt",
                "PROMPT",
                "Name",
                "\u{17f}tream",
                "promp\u{74}",
                "models",
                "pr\u{f6}mpt"
            ][..]
        )
        .prop_map(str::to_owned),
    ];
    let value = prop::sample::select(&["null", "\"\"", "\"a\"", "\"b:7b-cloud\"", "\"hi\""][..]);
    prop::collection::vec((key, value), 0..6)
}

/// encoding/json of Go, written anew: each key sets the field that it is in any case, a null sets nothing, the last one counts.
fn go(entries: &[Entry], field: &str) -> &'static str {
    let upper = |text: &str| text.chars().flat_map(char::to_uppercase).collect::<String>();
    let mut value = "\"\"";
    for (key, said) in entries {
        if upper(key) == upper(field) && *said != "null" {
            value = said;
        }
    }
    value
}

fn is_cloud(name: &str) -> bool {
    name.trim_matches('"').ends_with("-cloud")
}

/// What a real Ollama 0.17.4 does with a body of /api/generate.
fn oracle(entries: &[Entry]) -> Effect {
    if is_cloud(go(entries, "model")) {
        Effect::Account
    } else if go(entries, "prompt") == "\"\"" {
        Effect::Load
    } else {
        Effect::Infer
    }
}

/// The document as one reader sees it: each key once.
fn reading(entries: &[Entry], folds: bool, last: bool) -> Vec<Entry> {
    let fold = |key: &str| {
        if folds {
            key.chars().flat_map(char::to_uppercase).collect::<String>().to_lowercase()
        } else {
            key.to_owned()
        }
    };
    let mut seen: Vec<Entry> = Vec::new();
    for (key, value) in entries {
        let key = fold(key);
        match seen.iter_mut().find(|(known, _)| *known == key) {
            Some(known) if last => known.1 = value,
            Some(_) => {}
            None => seen.push((key, value)),
        }
    }
    seen
}

proptest! {
    #[test]
    fn go_is_read_as_go_reads(entries in entries()) {
        let table = table("ollama", "0.17.4");
        let body = written(&entries);
        let truth = oracle(&entries);
        decide(&table, "POST", "/api/generate", &body, |said| {
            let said = said.expect("texts and nulls are what the route takes");
            prop_assert!(said.effect >= truth, "{body}: {} and not {truth}", said.effect);
            if said.doubts.is_empty() {
                prop_assert_eq!(said.effect, truth, "{}", body);
            }
            let model = go(&entries, "model").trim_matches('"');
            if !model.is_empty() {
                prop_assert_eq!(said.model(Role::Model).map(|named| &*named.name), Some(model), "{}", body);
            }
            Ok(())
        })?;
    }

    #[test]
    fn the_worst_reading_counts(entries in entries(), known in any::<bool>(), product in prop::sample::select(&["ollama", "llama-cpp", "localai", "vllm"][..])) {
        let version = if known && product == "ollama" { "0.24.0" } else { "" };
        let table = table(product, version);
        let path = if product == "vllm" || product == "llama-cpp" { "/v1/completions" } else { "/api/generate" };
        let said = effect(&table, "POST", path, &written(&entries)).expect("known");
        let folds = [true, false].into_iter().filter(|folds| !folds || product == "ollama" || product == "localai");
        for (folds, last) in folds.flat_map(|folds| [(folds, true), (folds, false)]) {
            let clean = reading(&entries, folds, last);
            let one = effect(&table, "POST", path, &written(&clean)).expect("known");
            prop_assert!(said >= one, "{}: {said}, but {one} as {}", written(&entries), written(&clean));
        }
    }

    /// A table for a version never calls a request worse than the table for none.
    #[test]
    fn the_strictest_table_is_the_strictest(entries in entries(), version in prop::sample::select(&["0.0.5", "0.1.17", "0.6.5", "0.17.4", "0.18.0", "0.18.0-rc1", "0.32.15"][..]),
                                            path in prop::sample::select(&["/api/generate", "/api/show", "/api/chat", "/v1/messages", "/api/pull", "/v1/models/x:cloud"][..]),
                                            method in prop::sample::select(&["GET", "POST", "DELETE", "HEAD"][..])) {
        let body = written(&entries);
        let of = |version| effect(&table("ollama", version), method, path, &body);
        prop_assert!(of("") >= of(version), "{method} {path} {body} at {version}");
    }

    /// Whatever is asked of whatever table gives an answer.
    #[test]
    fn any_request_gets_an_answer(method in "(GET|POST|HEAD|DELETE|PUT|get|X)", target in "/(api|v1|)?/?(chat|tags|models|x)?[/%a-f0-9?=;.]{0,12}", body in ".{0,60}") {
        for table in tables() {
            let json = Json::parse(body.as_bytes());
            let form = Form::default();
            for body in [Body::None, Body::Form(&form), Body::Other, Body::Unseen].into_iter().chain(json.iter().map(Body::Json)) {
                let _ = table.decide(&Request { method: &method, target: &target, content_type: None, body });
            }
        }
    }
}

/// A table of each product, for no version.
fn tables() -> &'static [RouteTable] {
    static TABLES: std::sync::OnceLock<Vec<RouteTable>> = std::sync::OnceLock::new();
    TABLES.get_or_init(|| {
        let catalog = Catalog::embedded();
        catalog
            .products()
            .iter()
            .map(|product| RouteTable::compile(product, None))
            .collect()
    })
}

/// What the scanner is told of a request and what a table says of it do not differ for what clients send.
#[test]
fn the_scanner_and_the_table_agree() {
    let catalog = Catalog::embedded();
    for product in catalog.products() {
        let table = RouteTable::compile(product, None);
        let number = catalog.number(&product.id);
        for (declared, routes) in product.routes.by_effect() {
            for route in routes.iter().filter(|route| route.condition.is_none() && route.method != "ANY") {
                let target = route.as_str().split_whitespace().nth(1).unwrap_or_default();
                let target: String = target
                    .split('/')
                    .map(|segment| if segment.starts_with('{') { "x" } else { segment })
                    .collect::<Vec<_>>()
                    .join("/");
                let request = Request {
                    method: &route.method,
                    target: &target,
                    content_type: Some("application/json"),
                    body: Body::Unseen,
                };
                let said = table
                    .decide(&request)
                    .unwrap_or_else(|unknown| panic!("{} {route}: {unknown}", product.id));
                assert!(said.effect >= *declared, "{} {route}: {}", product.id, said.effect);
                let harmless = catalog.permit(number, &route.method, &target, None, EffectSet::HARMLESS).is_ok();
                assert!(
                    !harmless || said.effect.is_harmless() || route.method == "POST",
                    "{} {route}",
                    product.id
                );
            }
        }
    }
}
