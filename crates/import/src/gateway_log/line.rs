//! One line of the log, as JSON. Unknown fields are ignored: later versions add some.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Line<'l> {
    /// Milliseconds since 1970.
    pub(super) time: i64,
    #[serde(default)]
    pub(super) metadata: Option<Metadata>,
    #[serde(default)]
    pub(super) duration: Option<f64>,
    #[serde(default)]
    pub(super) src_endpoint: Option<SrcEndpoint>,
    #[serde(default)]
    pub(super) http_request: Option<HttpRequest>,
    #[serde(default)]
    pub(super) http_response: Option<HttpResponse>,
    #[serde(default)]
    pub(super) api: Option<Api>,
    #[serde(default)]
    pub(super) actor: Option<Actor>,
    #[serde(default)]
    pub(super) status_code: Option<String>,
    #[serde(default)]
    pub(super) status_detail: Option<String>,
    #[serde(default, borrow)]
    pub(super) unmapped: Option<Unmapped<'l>>,
    /// The place in the chain, in the first version of the log.
    #[serde(default)]
    pub(super) chain: Option<Chain>,
    /// A signature over the chain, in the first version of the log.
    #[serde(default)]
    pub(super) signed: Option<Signed>,
}

/// A line about the gateway itself, of which only its place in the chain is read: its other fields may have any type.
#[derive(Debug, Deserialize)]
struct AboutGateway {
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    unmapped: Option<AboutUnmapped>,
    #[serde(default)]
    chain: Option<Chain>,
    #[serde(default)]
    signed: Option<Signed>,
}

#[derive(Debug, Deserialize)]
struct AboutUnmapped {
    #[serde(default)]
    event: Option<String>,
    #[serde(default)]
    chain: Option<Chain>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) product: Option<Product>,
    /// The version of the log; `None`: the first.
    #[serde(default)]
    pub(super) log_version: Option<String>,
    #[serde(default)]
    pub(super) log_name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Product {
    #[serde(default)]
    pub(super) version: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct SrcEndpoint {
    #[serde(default)]
    pub(super) ip: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct HttpRequest {
    #[serde(default)]
    pub(super) http_method: Option<String>,
    #[serde(default)]
    pub(super) url: Option<Url>,
    #[serde(default)]
    pub(super) length: Option<u64>,
    #[serde(default)]
    pub(super) user_agent: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Url {
    #[serde(default)]
    pub(super) path: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct HttpResponse {
    #[serde(default)]
    pub(super) code: Option<u16>,
    #[serde(default)]
    pub(super) length: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Api {
    #[serde(default)]
    pub(super) operation: Option<String>,
    #[serde(default)]
    pub(super) request: Option<Uid>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Uid {
    #[serde(default)]
    pub(super) uid: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Actor {
    #[serde(default)]
    pub(super) user: Option<User>,
}

#[derive(Debug, Deserialize)]
pub(super) struct User {
    #[serde(default)]
    pub(super) uid: Option<String>,
    #[serde(default)]
    pub(super) name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Unmapped<'l> {
    #[serde(default)]
    pub(super) event: Option<String>,
    #[serde(default)]
    pub(super) effect: Option<String>,
    #[serde(default)]
    pub(super) models: Option<Vec<String>>,
    #[serde(default)]
    pub(super) prompt_tokens: Option<u64>,
    #[serde(default)]
    pub(super) output_tokens: Option<u64>,
    #[serde(default)]
    pub(super) estimated: Option<bool>,
    #[serde(default)]
    pub(super) chunks: Option<u64>,
    #[serde(default)]
    pub(super) first_byte_ms: Option<f64>,
    #[serde(default)]
    pub(super) duration_ms: Option<f64>,
    #[serde(default)]
    pub(super) counted: Option<Counted>,
    #[serde(default, borrow)]
    pub(super) options: Option<BTreeMap<String, &'l RawValue>>,
    #[serde(default)]
    pub(super) prompt: Option<Prompt>,
    #[serde(default)]
    pub(super) erased: Option<bool>,
    #[serde(default)]
    pub(super) chain: Option<Chain>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Counted {
    #[serde(default)]
    pub(super) tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Prompt {
    #[serde(default)]
    pub(super) bytes: Option<u64>,
    #[serde(default)]
    pub(super) hmac: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Chain {
    pub(super) seq: u64,
    pub(super) prev: String,
    #[serde(default)]
    pub(super) stream: Option<u32>,
    /// The hash of the part of the line that can be erased.
    #[serde(default)]
    pub(super) personal: Option<String>,
    #[serde(default)]
    pub(super) signature: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Signed {
    pub(super) seq: u64,
    pub(super) hash: String,
    pub(super) signature: String,
}

impl<'l> Line<'l> {
    pub(super) fn read(text: &'l str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<Self>(text).or_else(|error| match serde_json::from_str::<AboutGateway>(text) {
            Ok(about) => Some(Self::about(about)).filter(|line| !line.is_request()).ok_or(error),
            Err(_) => Err(error),
        })
    }

    fn about(about: AboutGateway) -> Self {
        let unmapped = about.unmapped.map(|unmapped| Unmapped {
            event: unmapped.event,
            chain: unmapped.chain,
            ..Unmapped::default()
        });
        Self {
            metadata: about.metadata,
            unmapped,
            chain: about.chain,
            signed: about.signed,
            ..Self::default()
        }
    }

    pub(super) fn log_name(&self) -> Option<&str> {
        self.metadata.as_ref()?.log_name.as_deref()
    }

    pub(super) fn is_first_version(&self) -> bool {
        self.metadata.as_ref().is_none_or(|metadata| metadata.log_version.is_none())
    }

    /// Whether it is of a request, passed on, refused, or decided on for a proxy, and not of the gateway itself.
    pub(super) fn is_request(&self) -> bool {
        matches!(self.event(), Some("request" | "refused" | "decision"))
    }

    pub(super) fn event(&self) -> Option<&str> {
        self.unmapped.as_ref()?.event.as_deref()
    }

    pub(super) fn chain(&self) -> Option<&Chain> {
        let inner = self.unmapped.as_ref().and_then(|unmapped| unmapped.chain.as_ref());
        inner.or(self.chain.as_ref())
    }
}
