//! An entry of a request in the names of OCSF 1.4.0 (class API Activity, 6003). What OCSF has no name for is under `unmapped`.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Value, json};
use vigie_model::Timestamp;

use super::entry::{Outcome, RequestEntry};

/// The schema's version, and who writes.
#[derive(Serialize)]
struct Metadata {
    version: &'static str,
    product: Product,
}

#[derive(Serialize)]
struct Product {
    name: &'static str,
    vendor_name: &'static str,
    version: &'static str,
}

const METADATA: Metadata = Metadata {
    version: "1.4.0",
    product: Product {
        name: "vigie guard",
        vendor_name: "vigie",
        version: env!("CARGO_PKG_VERSION"),
    },
};

const CLASS: u32 = 6003;
const CATEGORY: u32 = 6;

/// A request as it is written.
#[derive(Serialize)]
pub(super) struct RequestEvent<'e> {
    time: i64,
    class_uid: u32,
    category_uid: u32,
    activity_id: u8,
    type_uid: u32,
    severity_id: u8,
    status_id: u8,
    metadata: Metadata,
    duration: f64,
    src_endpoint: Endpoint,
    http_request: HttpRequest<'e>,
    http_response: HttpResponse,
    api: Api<'e>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<Actor<'e>>,
    status_code: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_detail: Option<&'e str>,
    unmapped: Unmapped<'e>,
}

#[derive(Serialize)]
struct Endpoint {
    ip: IpAddr,
    port: u16,
}

#[derive(Serialize)]
struct HttpRequest<'e> {
    http_method: &'e str,
    url: Url<'e>,
    length: usize,
}

#[derive(Serialize)]
struct Url<'e> {
    path: &'e str,
}

#[derive(Serialize)]
struct HttpResponse {
    code: Option<u16>,
    length: u64,
}

#[derive(Serialize)]
struct Api<'e> {
    operation: Option<&'e str>,
    request: Uid<'e>,
}

#[derive(Serialize)]
struct Uid<'e> {
    uid: &'e str,
}

#[derive(Serialize)]
struct Actor<'e> {
    user: User<'e>,
}

#[derive(Serialize)]
struct User<'e> {
    uid: &'e str,
    name: &'e str,
}

#[derive(Serialize)]
struct Unmapped<'e> {
    event: &'static str,
    effect: Option<&'e str>,
    models: &'e [String],
    prompt_tokens: Option<u64>,
    output_tokens: Option<u64>,
    estimated: bool,
    chunks: u64,
    first_byte_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counted: Option<CountedEvent>,
}

#[derive(Serialize)]
struct CountedEvent {
    requests: u64,
    tokens: u64,
    estimated: bool,
    at: i64,
}

impl<'e> RequestEvent<'e> {
    pub(super) fn of(request: &'e RequestEntry) -> Self {
        let (status_code, status_detail) = match &request.outcome {
            Outcome::Answered => ("answered", None),
            Outcome::Aborted => ("aborted", None),
            Outcome::Refused { reason, detail } => (*reason, Some(detail.as_str())),
            Outcome::Failed { detail } => ("failed", Some(detail.as_str())),
        };
        // 1 create, 2 read, 3 update, 4 delete, 99 other.
        let activity_id = match request.method.as_str() {
            "GET" | "HEAD" => 2,
            "DELETE" => 4,
            "PUT" | "PATCH" => 3,
            "POST" => 1,
            _ => 99,
        };
        let is_answered = request.outcome == Outcome::Answered;
        let is_refused = matches!(request.outcome, Outcome::Refused { .. });
        Self {
            time: request.begun.timestamp_millis(),
            class_uid: CLASS,
            category_uid: CATEGORY,
            activity_id,
            type_uid: CLASS * 100 + u32::from(activity_id),
            severity_id: if is_answered { 1 } else { 2 },
            status_id: if is_answered { 1 } else { 2 },
            metadata: METADATA,
            duration: request.duration_ms,
            src_endpoint: Endpoint {
                ip: request.client.address.ip(),
                port: request.client.address.port(),
            },
            http_request: HttpRequest {
                http_method: &request.method,
                url: Url { path: &request.path },
                length: request.request_bytes,
            },
            http_response: HttpResponse {
                code: request.status,
                length: request.response_bytes,
            },
            api: Api {
                operation: request.route.as_ref().map(|(_, route)| route.as_str()),
                request: Uid { uid: &request.id },
            },
            actor: request.client.key.as_ref().map(|(uid, name)| Actor { user: User { uid, name } }),
            status_code,
            status_detail,
            unmapped: Unmapped {
                event: if is_refused { "refused" } else { "request" },
                effect: request.route.as_ref().map(|(effect, _)| effect.as_str()),
                models: &request.models,
                prompt_tokens: request.tokens.prompt,
                output_tokens: request.tokens.output,
                estimated: request.tokens.estimated,
                chunks: request.chunks,
                first_byte_ms: request.first_byte_ms,
                counted: request.counted.as_ref().map(|(counted, at)| CountedEvent {
                    requests: 1,
                    tokens: counted.tokens,
                    estimated: counted.estimated,
                    at: at.timestamp_millis(),
                }),
            },
        }
    }
}

/// An event about the gateway itself, without its `unmapped`.
pub(super) fn event(time: Timestamp, ok: bool) -> Value {
    json!({
        "time": time.timestamp_millis(),
        "class_uid": CLASS,
        "category_uid": CATEGORY,
        "activity_id": 99,
        "type_uid": CLASS * 100 + 99,
        "severity_id": if ok { 1 } else { 2 },
        "status_id": if ok { 1 } else { 2 },
        "metadata": METADATA,
    })
}
