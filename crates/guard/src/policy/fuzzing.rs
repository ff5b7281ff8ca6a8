//! What must hold for any request that is passed on.

use std::sync::OnceLock;

use vigie_catalog::{Catalog, RouteTable};
use vigie_model::{Effect, EffectSet};

use super::{Asked, Passed, Refusal, judge};
use crate::key::{Grant, Pattern};

const PRODUCTS: [&str; 4] = ["ollama", "llama-cpp", "vllm", "openai-compatible"];

fn grant() -> Grant {
    let caps = [("max-tokens", 16), ("context", 2_048), ("keep-alive", 60), ("choices", 1)];
    Grant {
        effects: EffectSet::EMPTY.with(Effect::Infer),
        models: vec![Pattern::new("tiny")],
        caps: caps.into_iter().map(|(cap, most)| (cap.to_owned(), most)).collect(),
        ..Grant::default()
    }
}

/// Any request (the first line is its method and target, the rest its body) to each product with a key for one model and caps: what is passed
/// on names no other model, and judged again it passes as it is.
pub(crate) fn drive(data: &[u8]) {
    static TABLES: OnceLock<Vec<(&str, RouteTable)>> = OnceLock::new();
    let tables = TABLES.get_or_init(|| {
        let catalog = Catalog::embedded();
        let products = PRODUCTS.into_iter().filter_map(|id| Some((id, catalog.product(id)?)));
        products.map(|(id, product)| (id, RouteTable::compile(product, None))).collect()
    });
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (head, body) = data.split_at(end);
    let Ok(head) = std::str::from_utf8(head) else { return };
    let (method, target) = head.split_once(' ').unwrap_or(("POST", head));
    let (grant, body) = (grant(), body.get(1..).unwrap_or_default());
    for (product, table) in tables {
        for kind in ["application/json", "multipart/form-data; boundary=b"] {
            let judged = |target: &str, kind: &str, body: &[u8]| -> Result<Kept, Refusal> {
                let asked = Asked {
                    method,
                    target,
                    content_type: Some(kind),
                    body,
                };
                judge(table, &grant, &asked).map(Kept::of)
            };
            let Ok(passed) = judged(target, kind, body) else { continue };
            assert!(grant.allows(passed.effect), "{product} {head}: {:?}", passed.effect);
            for model in &passed.models {
                assert!(grant.allows_model(model, table.names()), "{product} {head}: {model}");
            }
            let (kind, body) = passed.body.clone().unwrap_or_else(|| (kind.to_owned(), Vec::new()));
            let again = judged(&passed.target, &kind, &body).unwrap_or_else(|why| panic!("{product} {head}: {why} of {body:?}"));
            assert_eq!(again, passed, "{product} {head}: {}", String::from_utf8_lossy(&body));
        }
    }
}

/// What is compared of a request that passes.
#[derive(Debug, PartialEq)]
struct Kept {
    effect: Effect,
    target: String,
    models: Vec<String>,
    body: Option<(String, Vec<u8>)>,
}

impl Kept {
    fn of(passed: Passed<'_>) -> Self {
        Self {
            effect: passed.effect,
            target: passed.target,
            models: passed.models,
            body: passed.body,
        }
    }
}
