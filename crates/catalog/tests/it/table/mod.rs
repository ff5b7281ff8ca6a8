//! The route table: what it says of requests, product by product.

mod notation;
mod ollama;
mod others;
mod readings;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use vigie_catalog::Catalog;
use vigie_catalog::table::{Body, Decision, Json, Request, RouteTable, Unknown};
use vigie_model::Effect;

/// The table of a product for a version; an empty one is not known. Each is compiled once.
pub(crate) fn table(product: &str, version: &str) -> Arc<RouteTable> {
    static TABLES: Mutex<BTreeMap<(String, String), Arc<RouteTable>>> = Mutex::new(BTreeMap::new());
    let mut tables = TABLES.lock().expect("no test panics here");
    let made = tables.entry((product.to_owned(), version.to_owned())).or_insert_with(|| {
        let catalog = Catalog::embedded();
        let product = catalog.product(product).expect("the catalogue has it");
        Arc::new(RouteTable::compile(product, Some(version).filter(|version| !version.is_empty())))
    });
    Arc::clone(made)
}

/// What a table says of a request with a JSON body (empty: none; what does not parse: a body that is something else).
pub(crate) fn decide<T>(
    table: &RouteTable,
    method: &str,
    target: &str,
    body: &str,
    look: impl FnOnce(Result<Decision<'_, '_>, Unknown>) -> T,
) -> T {
    let json = Json::parse(body.as_bytes());
    let body = match &json {
        _ if body.is_empty() => Body::None,
        Ok(json) => Body::Json(json),
        Err(_) => Body::Other,
    };
    look(table.decide(&Request {
        method,
        target,
        content_type: Some("application/json"),
        body,
    }))
}

/// The effect, or `None` where the request is unknown.
pub(crate) fn effect(table: &RouteTable, method: &str, target: &str, body: &str) -> Option<Effect> {
    decide(table, method, target, body, |said| said.ok().map(|decision| decision.effect))
}
