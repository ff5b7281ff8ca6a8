//! Looks which version answers behind, and whether anything does.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use vigie_catalog::{Catalog, Product, Purpose, Request, RouteTable};

use super::behind::{INTERVAL, PATIENCE};
use super::gate::Gate;
use super::upstream::{Forwarded, Upstream};
use crate::log::{Change, Entry};

/// How often the server behind is asked while it does not answer.
const LOOK_SOON: Duration = Duration::from_millis(200);

/// Asks from time to time whether the server behind answers and which version it is, and soon after it did not answer; takes the table of
/// that version. `is_watched`: at once and whatever the product, because readiness is asked for.
pub(super) async fn look_behind(gate: Arc<Gate>, upstream: Rc<Upstream>, product: String, is_watched: bool) {
    let catalog = Catalog::embedded();
    let Some(product) = catalog.product(&product) else { return };
    let version_path = version_path(&product.id);
    let Some(path) = version_path.or_else(|| is_watched.then(|| harmless_path(product))) else {
        return;
    };
    let mut known = gate.table().version().map(str::to_owned);
    let mut wait = if is_watched { Duration::ZERO } else { INTERVAL };
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = gate.lost() => {}
            () = gate.stopped() => return,
        }
        let body = tokio::time::timeout(PATIENCE, ask(&upstream, path)).await.ok().flatten();
        gate.behind.asked(body.is_some());
        let Some(body) = body else {
            // It is down, and whatever comes up is looked at soon.
            wait = LOOK_SOON;
            continue;
        };
        wait = INTERVAL;
        if version_path.is_none() {
            continue;
        }
        let Some(version) = version(&body) else {
            wait = LOOK_SOON;
            continue;
        };
        if known.as_deref() != Some(&version) {
            let table = RouteTable::compile(product, Some(&version));
            let version_of_table = table.version().map(str::to_owned);
            gate.set_table(table);
            gate.log.record(Entry::Change(Change::Upstream { version: version_of_table }));
            known = Some(version);
        }
    }
}

/// The harmless route that names the version.
fn version_path(product: &str) -> Option<&'static str> {
    match product {
        "ollama" => Some("/api/version"),
        "vllm" => Some("/version"),
        _ => None,
    }
}

/// A route that a scan may ask any server of the product for.
fn harmless_path(product: &Product) -> &str {
    let is_plain = |request: &&Request| {
        request.method == "GET" && matches!(request.purpose, Purpose::Identify | Purpose::Read) && !request.path.contains(['{', '?'])
    };
    product.requests.iter().find(is_plain).map_or("/", |request| &request.path)
}

/// What the server behind answers to a harmless request, up to a bound. `None`: it does not answer, or says that it cannot.
async fn ask(upstream: &Upstream, path: &str) -> Option<Vec<u8>> {
    let request = Forwarded {
        method: "GET",
        target: path,
        accept: None,
        body: None,
    };
    let mut answer = upstream.send(&request).await.ok()?;
    if answer.head.status >= 500 {
        return None;
    }
    let mut body = Vec::new();
    while let Some(piece) = answer.piece(PATIENCE).await.ok()? {
        body.extend_from_slice(&piece);
        if body.len() > 4_096 {
            // The connection closes with the answer.
            return Some(body);
        }
    }
    upstream.keep(answer);
    Some(body)
}

fn version(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    value["version"].as_str().map(str::to_owned)
}
