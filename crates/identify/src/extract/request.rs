//! What the request of an exchange asks for.

use vigie_catalog::{Catalog, ExchangeRef, Product};
use vigie_http::path::without_query;
use vigie_model::{Effect, EffectSet};

use crate::reply::{ParsedReply, refusal};

/// The effect that a product's own file gives the request of an exchange; `None`: it has no such route.
pub(crate) fn own_effect(catalog: &Catalog, product: &Product, parsed: &ParsedReply) -> Option<Effect> {
    let request = &parsed.exchange.request;
    let number = catalog.number(&product.id)?;
    catalog
        .permit(
            Some(number),
            &request.method,
            &request.path,
            Some(&request.body),
            EffectSet::HARMLESS,
        )
        .ok()
}

/// What a request asks an unrecognised server for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestKind {
    /// A list: `/v1/models`, `/api/tags`.
    List,
    /// Another route for programs: a version, a description, a handshake.
    Interface,
    /// A page.
    Page,
}

/// The kind of the request of an exchange.
pub(super) fn request_kind(catalog: &Catalog, parsed: &ParsedReply) -> RequestKind {
    let request = &parsed.exchange.request;
    let path = without_query(&request.path);
    if path == "/" || path == vigie_catalog::ABSENT_PATH || refusal::is_sign_in(path) {
        return RequestKind::Page;
    }
    match catalog.permit(None, &request.method, &request.path, Some(&request.body), EffectSet::HARMLESS) {
        Ok(Effect::Enumerate) if request.method == "GET" => RequestKind::List,
        Ok(_) => RequestKind::Interface,
        Err(_) => RequestKind::Page,
    }
}

/// Whether some product lists its models in the reply to this request.
pub(super) fn lists_models(catalog: &Catalog, parsed: &ParsedReply) -> bool {
    let request = &parsed.exchange.request;
    let path = without_query(&request.path);
    let lists = catalog.products().iter().flat_map(|product| &product.models);
    let mut requests = lists.filter_map(|list| match list.condition.exchange {
        ExchangeRef::Sig(sig) => catalog.signature(sig),
        ExchangeRef::Landing | ExchangeRef::Any => None,
    });
    request.method == "GET" && path != "/" && requests.any(|asked| asked.method == "GET" && without_query(&asked.path) == path)
}
