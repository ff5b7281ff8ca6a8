//! Any request of any table: an answer, never a panic, and no reading that another reading finds worse.

use std::sync::OnceLock;

use vigie_catalog::Catalog;
use vigie_catalog::table::{Body, Form, Json, Request, RouteTable};

/// Decides it: the first line is the method and the target, the rest the body, for every product's table of no version.
pub(crate) fn drive(data: &[u8]) {
    static TABLES: OnceLock<Vec<RouteTable>> = OnceLock::new();
    let tables = TABLES.get_or_init(|| {
        let catalog = Catalog::embedded();
        let products = [
            "ollama",
            "llama-cpp",
            "vllm",
            "lm-studio",
            "localai",
            "tgi",
            "openai-compatible",
            "mcp",
        ];
        products
            .into_iter()
            .filter_map(|id| catalog.product(id))
            .map(|product| RouteTable::compile(product, None))
            .collect()
    });
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (head, body) = data.split_at(end);
    let Ok(head) = std::str::from_utf8(head) else { return };
    let (method, target) = head.split_once(' ').unwrap_or(("POST", head));
    let body = body.get(1..).unwrap_or_default();
    let content_type = "multipart/form-data; boundary=b";
    let json = Json::parse(body);
    let form = Form::parse(content_type, body);
    let whole = match (&json, &form) {
        (_, Ok(form)) => Body::Form(form),
        (Ok(json), _) => Body::Json(json),
        _ if body.is_empty() => Body::None,
        _ => Body::Other,
    };
    for table in tables {
        let request = Request {
            method,
            target,
            content_type: None,
            body: whole,
        };
        let said = table.decide(&request);
        // What is not seen may be anything: it is never called better than what is.
        let unseen = table.decide(&Request {
            body: Body::Unseen,
            ..request
        });
        if let Ok(said) = &said {
            let unseen = unseen.expect("the route is known");
            assert!(unseen.effect >= said.effect, "{head}: {} and {}", unseen.effect, said.effect);
            assert!(said.path.starts_with('/'));
        }
    }
}
