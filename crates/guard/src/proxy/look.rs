//! Looks which version answers behind, and whether anything does.

use std::rc::Rc;
use std::time::Duration;

use vigie_catalog::{Catalog, Product, RouteTable, VersionLook};

use super::behind::{INTERVAL, PATIENCE};
use super::gate::Gate;
use super::upstream::{Forwarded, Upstream};
use super::worker::Shared;
use crate::log::{Change, Entry};

/// How often the server behind is asked while it does not answer.
const LOOK_SOON: Duration = Duration::from_millis(200);
/// The longest reply that is read: that of llama.cpp holds the templates of its model.
const MAX_REPLY: usize = 1 << 20;

/// Looks at the server behind until the gateway stops, whichever server the configuration names.
pub(super) async fn look_behind(mut shared: Rc<Shared>) {
    while !shared.gate.is_stopping() {
        look_on(&shared).await;
        tokio::select! {
            () = shared.gate.replaced() => {}
            () = shared.gate.stopped() => return,
        }
        shared = shared.latest();
    }
}

/// Asks from time to time whether the server behind answers and which version it is, and soon after it did not answer; takes the table of
/// that version. A server that answers otherwise than its product does, or names no version, gets the strictest table. If readiness is asked
/// for: at once and whatever the product. Returns when another configuration holds.
async fn look_on(shared: &Shared) {
    let Shared { gate, upstream, .. } = shared;
    let is_watched = gate.plan.config.admin.is_some();
    let catalog = Catalog::embedded();
    let Some(product) = catalog.product(&gate.plan.config.upstream.product) else {
        return;
    };
    let looks = catalog.version_looks(product);
    if looks.is_empty() && !is_watched {
        return;
    }
    let mut known = gate.table().version().map(str::to_owned);
    let mut wait = if is_watched && !gate.behind.is_up() {
        Duration::ZERO
    } else {
        INTERVAL
    };
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = gate.lost() => {
                // What comes up next may be anything.
                take(gate, product, None, &mut known);
            }
            () = gate.replaced() => return,
            () = gate.stopped() => return,
        }
        match look(upstream, product, &looks).await {
            None => {
                gate.behind.asked(false);
                // It is down, and whatever comes up is looked at soon.
                wait = LOOK_SOON;
            }
            Some(version) => {
                gate.behind.asked(true);
                wait = INTERVAL;
                take(gate, product, version, &mut known);
            }
        }
    }
}

/// Puts the table of a version in place, unless it is there already.
fn take(gate: &Gate, product: &Product, version: Option<String>, known: &mut Option<String>) {
    if *known == version {
        return;
    }
    let table = RouteTable::compile(product, version.as_deref());
    gate.log.record(Entry::Change(Change::Upstream {
        version: table.version().map(str::to_owned),
    }));
    gate.set_table(table);
    *known = version;
}

/// Looks once. `None`: it does not answer. `Some(None)`: it names no version.
async fn look(upstream: &Upstream, product: &Product, looks: &[VersionLook<'_>]) -> Option<Option<String>> {
    if looks.is_empty() {
        let answered = tokio::time::timeout(PATIENCE, ask(upstream, product.harmless_path())).await;
        return answered.ok().flatten().map(|_| None);
    }
    let mut answers = false;
    for look in looks {
        // What does not answer one request does not answer the next.
        let (status, body) = tokio::time::timeout(PATIENCE, ask(upstream, look.path)).await.ok().flatten()?;
        answers |= status < 500;
        if let Some(version) = look.version(status, &body) {
            return Some(Some(version));
        }
    }
    answers.then_some(None)
}

/// What the server behind answers to a harmless request, up to a bound. `None`: it does not answer.
async fn ask(upstream: &Upstream, path: &str) -> Option<(u16, Vec<u8>)> {
    let request = Forwarded {
        method: "GET",
        target: path,
        accept: None,
        body: None,
    };
    let mut answer = upstream.send(&request).await.ok()?;
    let status = answer.head.status;
    let mut body = Vec::new();
    while let Some(piece) = answer.piece(PATIENCE).await.ok()? {
        body.extend_from_slice(&piece);
        if body.len() > MAX_REPLY {
            // The connection closes with the answer.
            return Some((status, body));
        }
    }
    upstream.keep(answer);
    Some((status, body))
}
