//! Sessions from the exchanges that another tool recorded.

use std::sync::Arc;

use vigie_catalog::{ReplyEnd, SigId, Signature};
use vigie_model::{EffectSet, Exchange, RequestLine};

use super::Session;
use crate::Identifier;
use crate::ask::{Ask, Limits, Target};

/// The number of a request that is not in the catalogue.
const NO_REQUEST: SigId = SigId::MAX;

/// The method of a JSON-RPC call; `None`: the body is none, or requests a further page of a list.
fn json_rpc_method(body: &str) -> Option<String> {
    let call: serde_json::Value = serde_json::from_str(body).ok()?;
    let further = call.pointer("/params/cursor").is_some_and(|cursor| !cursor.is_null());
    (call.get("jsonrpc")?.as_str()? == "2.0" && !further).then_some(())?;
    Some(call.get("method")?.as_str()?.to_owned())
}

impl Session {
    /// A session from the exchanges that another tool recorded; no further request is returned.
    ///
    /// Requests that are not in the catalogue are seen only by the rules that accept any exchange.
    #[must_use]
    pub fn from_transcript(
        identifier: Arc<Identifier>,
        port: u16,
        authority: impl Into<String>,
        exchanges: impl IntoIterator<Item = Exchange>,
    ) -> Self {
        let mut session = Self::new(identifier, port, authority, Limits::default());
        // Another tool chose the requests, so no session of ours would find these entries in the cache.
        session.cached = None;
        session.over = true;
        for exchange in exchanges {
            let request = &exchange.request;
            let redirected = session
                .pending
                .take()
                .filter(|ask| ask.request.method == request.method && ask.request.path == request.path);
            let ask = redirected.unwrap_or_else(|| session.imported_ask(request));
            session.here.asked.insert(ask.sig);
            session.receive(&ask, exchange);
        }
        session
    }

    /// The request as if this session had returned it.
    fn imported_ask(&self, request: &RequestLine) -> Ask {
        let signature = Signature {
            method: request.method.clone(),
            path: request.path.clone(),
            body: (!request.body.is_empty()).then(|| request.body.clone()),
        };
        Ask {
            request: request.clone(),
            reply: ReplyEnd::default(),
            session: None,
            known: None,
            allowed: EffectSet::HARMLESS,
            sig: (self.identifier.catalog.sig(&signature))
                .or_else(|| self.same_json_rpc_call(&signature))
                .unwrap_or(NO_REQUEST),
            target: Target::Plain { follow: true },
        }
    }

    /// The request with the same JSON-RPC method: another client's id, name and capabilities do not change the answer.
    fn same_json_rpc_call(&self, imported: &Signature) -> Option<SigId> {
        let method = json_rpc_method(imported.body.as_deref()?)?;
        let all = (0..).zip(self.identifier.catalog.signatures());
        let same = all.filter(|(_, one)| one.method == imported.method && one.path == imported.path);
        same.filter(|(_, one)| one.body.as_deref().and_then(json_rpc_method).is_some_and(|called| called == method))
            .map(|(id, _)| id)
            .next()
    }
}
