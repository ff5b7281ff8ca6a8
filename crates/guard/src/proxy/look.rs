//! Looks which version each server behind is, which models it has, and whether it answers.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use vigie_catalog::table::{Body, ListPlace, Request};
use vigie_catalog::{Product, RouteTable, VersionLook};

use super::upstream::{Forwarded, Upstream};
use super::worker::Shared;
use crate::log::{Change, Entry};
use crate::policy;
use crate::pool::behind::{INTERVAL, PATIENCE};

/// How often a server is asked while it does not answer.
const LOOK_SOON: Duration = Duration::from_millis(200);
/// The longest reply that is read: that of llama.cpp holds the templates of its model.
const MAX_REPLY: usize = 1 << 20;

/// Looks at the servers behind until the gateway stops, whichever the configuration names.
pub(super) async fn look_behind(mut shared: Rc<Shared>) {
    while !shared.gate.is_stopping() {
        for server in 0..shared.gate.pool.servers().len() {
            tokio::task::spawn_local(look_at(Rc::clone(&shared), server));
        }
        tokio::select! {
            () = shared.gate.replaced() => {}
            () = shared.gate.stopped() => return,
        }
        shared = shared.latest();
    }
}

/// Asks a server from time to time whether it answers and which version it is, and soon after it did not answer; takes the table of that
/// version. A server that answers otherwise than its product does, or names no version, gets the strictest table. Where there are several
/// servers, each is asked for its models too. At once and whatever the product if readiness is asked for or there are several. Returns when
/// another configuration holds.
async fn look_at(shared: Rc<Shared>, number: usize) {
    let (gate, pool) = (&*shared.gate, &*shared.gate.pool);
    let (Some(server), Some(upstream)) = (pool.servers().get(number), shared.upstreams.get(number)) else {
        return;
    };
    let looks = server.version_looks();
    let is_asked_for = gate.plan.config.admin.is_some() || pool.servers().len() > 1;
    if looks.is_empty() && !is_asked_for {
        return;
    }
    let mut wait = if is_asked_for && !server.behind.is_up() {
        Duration::ZERO
    } else {
        INTERVAL
    };
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = server.lost() => {}
            () = gate.replaced() => return,
            () = gate.stopped() => return,
        }
        wait = LOOK_SOON;
        let Some(version) = look(upstream, server.product(), &looks).await else {
            server.behind.asked(false);
            pool.failed(number);
            continue;
        };
        if let Some(version) = pool.take_version(number, version.as_deref()) {
            gate.log.record(Entry::Change(Change::Upstream {
                server: pool.name_of(number),
                version,
            }));
        }
        if pool.asks_models(number) {
            let Some(models) = models(upstream, server.product(), pool.table(number)).await else {
                server.behind.asked(false);
                continue;
            };
            pool.take_models(number, models);
        }
        server.behind.asked(true);
        pool.succeeded(number);
        wait = INTERVAL;
    }
}

/// Looks once. `None`: it does not answer. `Some(None)`: it names no version.
async fn look(upstream: &Upstream, product: &Product, looks: &[VersionLook<'_>]) -> Option<Option<String>> {
    if looks.is_empty() {
        return ask(upstream, product.harmless_path())
            .await
            .filter(|(status, _)| *status < 500)
            .map(|_| None);
    }
    let mut answers = false;
    for look in looks {
        // What does not answer one request does not answer the next.
        let (status, body) = ask(upstream, look.path).await?;
        answers |= status < 500;
        if let Some(version) = look.version(status, &body) {
            return Some(Some(version));
        }
    }
    answers.then_some(None)
}

/// The models that a server lists. `None`: it does not.
async fn models(upstream: &Upstream, product: &Product, table: Option<Arc<RouteTable>>) -> Option<Vec<String>> {
    let table = table?;
    let (path, lists) = list_route(product, &table)?;
    let (status, body) = ask(upstream, path).await?;
    policy::names_of(&body, &lists, table.names()).ok().filter(|_| status == 200)
}

/// A harmless route of a product that lists its models.
fn list_route<'p>(product: &'p Product, table: &RouteTable) -> Option<(&'p str, Vec<ListPlace>)> {
    let own = product
        .requests
        .iter()
        .filter(|request| request.method == "GET" && !request.path.contains(['{', '?']));
    own.map(|request| request.path.as_str()).chain(["/v1/models"]).find_map(|path| {
        let request = Request {
            method: "GET",
            target: path,
            content_type: None,
            body: Body::None,
        };
        let lists = table.decide(&request).ok()?.lists().to_vec();
        (!lists.is_empty() && !is_of_loaded(path)).then_some((path, lists))
    })
}

/// Ollama's list of loaded models is none of all models.
fn is_of_loaded(path: &str) -> bool {
    path.ends_with("/ps")
}

/// What a server answers to a harmless request, up to a bound. `None`: it does not answer in time.
pub(super) async fn ask(upstream: &Upstream, path: &str) -> Option<(u16, Vec<u8>)> {
    tokio::time::timeout(PATIENCE, asked(upstream, path)).await.ok().flatten()
}

async fn asked(upstream: &Upstream, path: &str) -> Option<(u16, Vec<u8>)> {
    let request = Forwarded {
        method: "GET",
        target: path,
        accept: None,
        traceparent: None,
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
