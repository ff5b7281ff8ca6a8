//! One request of a session, and the limits of a session.

use vigie_catalog::{ReplyEnd, Request, SigId};
use vigie_model::{EffectSet, RequestLine};

/// Limits of one session.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests to the endpoint, recognised or not, redirects included.
    pub requests: usize,
    /// Requests about single models; they are counted separately.
    pub models: usize,
    /// The effects that the owner's proof may cause. Without `infer`, no proof is requested; without `load`, only of a model that is in
    /// memory.
    pub prove: EffectSet,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests: 12,
            models: 16,
            prove: EffectSet::EMPTY,
        }
    }
}

/// The next request of a session.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The request to send.
    pub request: RequestLine,
    /// Where the reply ends.
    pub reply: ReplyEnd,
    /// The request that opened the event stream on which this one is answered: the body is POSTed to the URL that the stream named.
    pub session: Option<SigId>,
    /// The product, if it is recognised; its file decides the effect of the request.
    pub known: Option<u32>,
    /// The effects that it may have: the transport checks it against them.
    pub allowed: EffectSet,
    /// The number of the request in the catalogue.
    pub sig: SigId,
    pub(crate) target: Target,
}

impl Ask {
    /// A request outside a session, for recordings: of the product `known`, or a generic probe.
    #[must_use]
    pub fn alone(request: &Request, known: Option<u32>) -> Self {
        Self {
            request: RequestLine {
                method: request.method.clone(),
                path: request.path.clone(),
                headers: request.headers.clone(),
                body: request.body.clone().unwrap_or_default(),
            },
            reply: request.reply,
            session: None,
            known,
            allowed: EffectSet::HARMLESS,
            sig: request.sig,
            target: Target::Plain { follow: false },
        }
    }
}

/// What a request asks about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    /// The endpoint; with `follow`, its redirects are followed.
    Plain { follow: bool },
    /// The target of an earlier redirect; `landing`: the chain started at `GET /`.
    Redirect { depth: u8, landing: bool },
    /// One model, by name.
    Model(String),
    /// The owner's proof.
    Proof,
}
