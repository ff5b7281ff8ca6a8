//! Entries in the names of OCSF 1.4.0: requests as API Activity (6003), changes of a key as Entity Management (3004), and what else happens to
//! the gateway as Application Lifecycle (6002). What OCSF has no name for is under `unmapped`.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use ring::hmac;
use ring::rand::SystemRandom;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use vigie_catalog::table::{Amount, Knob};
use vigie_model::Timestamp;

use super::chain::{FORMAT, hex};
use super::entry::{KeyChange, KeyEvent, Options, Outcome, RequestEntry};
use super::line::Draft;
use super::prompt::PromptMark;
use super::text::StoredText;

/// What all lines of a log say alike, and the source of their salts.
pub(crate) struct Origin {
    /// The fingerprint of the signing key.
    log_name: String,
    salts: hmac::Key,
    next: AtomicU64,
}

impl Origin {
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub(crate) fn new(log_name: String) -> Result<Self, ring::error::Unspecified> {
        Ok(Self {
            log_name,
            salts: hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?,
            next: AtomicU64::new(0),
        })
    }

    /// A number of 128 bits that nobody can tell from a random one. Its key is never stored.
    fn salt(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        hex(&hmac::sign(&self.salts, &number.to_be_bytes()).as_ref()[..16])
    }

    fn metadata(&self) -> Metadata<'_> {
        Metadata {
            version: "1.4.0",
            product: PRODUCT,
            log_version: FORMAT,
            log_name: &self.log_name,
        }
    }
}

#[derive(Serialize)]
struct Metadata<'o> {
    version: &'static str,
    product: Product,
    log_version: &'static str,
    log_name: &'o str,
}

#[derive(Clone, Copy, Serialize)]
struct Product {
    name: &'static str,
    vendor_name: &'static str,
    version: &'static str,
}

const PRODUCT: Product = Product {
    name: "vigie guard",
    vendor_name: "vigie",
    version: env!("CARGO_PKG_VERSION"),
};

const API_ACTIVITY: u32 = 6003;
const LIFECYCLE: u32 = 6002;
const ENTITY_MANAGEMENT: u32 = 3004;

/// The methods that OCSF 1.4.0 knows.
const METHODS: [&str; 8] = ["OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "CONNECT"];

/// A request, without its personal part.
#[derive(Serialize)]
struct RequestEvent<'e> {
    time: i64,
    class_uid: u32,
    category_uid: u32,
    activity_id: u32,
    type_uid: u32,
    severity_id: u8,
    status_id: u8,
    metadata: Metadata<'e>,
    duration: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_response: Option<HttpResponse>,
    api: Api<'e>,
    status_code: &'e str,
    unmapped: Unmapped<'e>,
}

#[derive(Serialize)]
struct HttpResponse {
    code: u16,
    length: u64,
}

#[derive(Serialize)]
struct Api<'e> {
    operation: &'e str,
    request: Uid<'e>,
}

#[derive(Serialize)]
struct Uid<'e> {
    uid: &'e str,
}

#[derive(Serialize)]
struct Unmapped<'e> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<&'static str>,
    effect: Option<&'e str>,
    models: &'e [String],
    #[serde(skip_serializing_if = "is_empty")]
    options: &'e Options,
    stream: bool,
    prompt_tokens: Option<u64>,
    output_tokens: Option<u64>,
    estimated: bool,
    chunks: u64,
    first_byte_ms: Option<f64>,
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    counted: Option<CountedEvent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'e StoredText>,
}

#[derive(Serialize)]
struct CountedEvent {
    requests: u64,
    tokens: u64,
    estimated: bool,
    at: i64,
}

/// What can be erased of a request.
#[derive(Serialize)]
struct Personal<'e> {
    src_endpoint: Endpoint,
    actor: Actor<'e>,
    http_request: HttpRequest<'e>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_detail: Option<&'e str>,
}

/// The part of it under `unmapped`.
#[derive(Serialize)]
struct PersonalUnmapped<'e> {
    /// A method that OCSF does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<&'e PromptMark>,
    salt: String,
}

#[derive(Serialize)]
struct Endpoint {
    ip: IpAddr,
    /// Of a client behind a proxy that asks it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
}

#[derive(Serialize)]
struct HttpRequest<'e> {
    /// Absent where OCSF does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    http_method: Option<&'e str>,
    url: Url<'e>,
    length: usize,
    #[serde(skip_serializing_if = "str::is_empty")]
    user_agent: &'e str,
}

#[derive(Serialize)]
struct Url<'e> {
    path: &'e str,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Actor<'e> {
    User { uid: &'e str, name: &'e str },
    AppName(&'static str),
}

fn is_empty(options: &&Options) -> bool {
    options.set.is_empty() && options.put.is_empty()
}

impl Serialize for Options {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.set.is_empty() {
            map.serialize_entry("set", &SetOptions(&self.set))?;
        }
        if !self.put.is_empty() {
            map.serialize_entry("put", &PutOptions(&self.put))?;
        }
        map.end()
    }
}

struct SetOptions<'e>(&'e [(Knob, Amount)]);

impl Serialize for SetOptions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (knob, amount) in self.0 {
            match amount {
                Amount::Count(count) => map.serialize_entry(knob.word(), count)?,
                Amount::Seconds(seconds) => map.serialize_entry(knob.word(), seconds)?,
                Amount::Flag(is_on) => map.serialize_entry(knob.word(), is_on)?,
                Amount::Unlimited => map.serialize_entry(knob.word(), "unlimited")?,
            }
        }
        map.end()
    }
}

struct PutOptions<'e>(&'e [(Knob, u32)]);

impl Serialize for PutOptions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(knob, most)| (knob.word(), most)))
    }
}

/// The line of a request.
pub(super) fn request(request: &RequestEntry, origin: &Origin) -> serde_json::Result<Draft> {
    let (status_code, status_detail) = match &request.outcome {
        Outcome::Answered => ("answered", None),
        Outcome::Authorized => ("authorized", None),
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
    let is_good = matches!(request.outcome, Outcome::Answered | Outcome::Authorized);
    let is_refused = matches!(request.outcome, Outcome::Refused { .. });
    let length = request.response_bytes;
    let core = RequestEvent {
        time: request.begun.timestamp_millis(),
        class_uid: API_ACTIVITY,
        category_uid: API_ACTIVITY / 1_000,
        activity_id,
        type_uid: API_ACTIVITY * 100 + activity_id,
        severity_id: if is_good { 1 } else { 2 },
        status_id: if is_good { 1 } else { 2 },
        metadata: origin.metadata(),
        duration: whole(request.duration_ms),
        http_response: request.status.map(|code| HttpResponse { code, length }),
        api: Api {
            operation: request.route.as_ref().map_or("unknown", |(_, route)| route.as_str()),
            request: Uid { uid: &request.id },
        },
        status_code,
        unmapped: Unmapped {
            event: match request.asked_by {
                Some(_) => "decision",
                None if is_refused => "refused",
                None => "request",
            },
            proxy: request.asked_by,
            effect: request.route.as_ref().map(|(effect, _)| effect.as_str()),
            models: &request.models,
            options: &request.options,
            stream: request.streamed,
            prompt_tokens: request.tokens.prompt,
            output_tokens: request.tokens.output,
            estimated: request.tokens.estimated,
            chunks: request.chunks,
            first_byte_ms: request.first_byte_ms,
            duration_ms: request.duration_ms,
            counted: request.counted.as_ref().map(|(counted, at)| CountedEvent {
                requests: 1,
                tokens: counted.tokens,
                estimated: counted.estimated,
                at: at.timestamp_millis(),
            }),
            text: request.text.as_ref(),
        },
    };
    let method = Some(request.method.as_str()).filter(|method| !method.is_empty());
    let known = method.filter(|method| METHODS.contains(method));
    let unmapped = PersonalUnmapped {
        method: method.filter(|_| known.is_none()),
        prompt: request.prompt.as_ref(),
        salt: origin.salt(),
    };
    let personal = Personal {
        src_endpoint: Endpoint {
            ip: request.client.address.ip(),
            port: Some(request.client.address.port()).filter(|port| *port != 0),
        },
        actor: match &request.client.key {
            Some((uid, name)) => Actor::User { uid, name },
            None => Actor::AppName("unauthenticated"),
        },
        http_request: HttpRequest {
            http_method: known,
            url: Url { path: &request.path },
            length: request.request_bytes,
            user_agent: &request.user_agent,
        },
        status_detail,
    };
    Draft::new(&core, Some((&unmapped, &personal)))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` takes the nearest number of milliseconds"
)]
fn whole(ms: f64) -> u64 {
    ms.round() as u64
}

/// What happens to the gateway itself, in the activities of OCSF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    Start,
    Stop,
    Update,
    Other,
    /// Something that did not succeed.
    Failure,
}

#[derive(Serialize)]
struct LifecycleEvent<'e> {
    time: i64,
    class_uid: u32,
    category_uid: u32,
    activity_id: u32,
    type_uid: u32,
    severity_id: u8,
    status_id: u8,
    metadata: Metadata<'e>,
    app: Product,
    unmapped: Value,
}

/// A line about the gateway itself. `detail`: an object.
pub(super) fn lifecycle(activity: Activity, word: &str, detail: Value, origin: &Origin, now: Timestamp) -> serde_json::Result<Draft> {
    Draft::new(&event(activity, word, detail, origin, now), None::<(&Value, &Value)>)
}

/// A line about the gateway and a person. `personal`: an object whose keys can be erased.
pub(super) fn lifecycle_of(
    activity: Activity,
    word: &str,
    mut personal: Value,
    origin: &Origin,
    now: Timestamp,
) -> serde_json::Result<Draft> {
    personal["salt"] = json!(origin.salt());
    Draft::new(&event(activity, word, json!({}), origin, now), Some((&personal, &json!({}))))
}

fn event<'e>(activity: Activity, word: &str, detail: Value, origin: &'e Origin, now: Timestamp) -> LifecycleEvent<'e> {
    let activity_id = match activity {
        Activity::Start => 3,
        Activity::Stop => 4,
        Activity::Update => 8,
        Activity::Other | Activity::Failure => 99,
    };
    let mut unmapped = detail;
    unmapped["event"] = json!(word);
    let severity = if activity == Activity::Failure { 2 } else { 1 };
    LifecycleEvent {
        time: now.timestamp_millis(),
        class_uid: LIFECYCLE,
        category_uid: LIFECYCLE / 1_000,
        activity_id,
        type_uid: LIFECYCLE * 100 + activity_id,
        severity_id: severity,
        status_id: severity,
        metadata: origin.metadata(),
        app: PRODUCT,
        unmapped,
    }
}

#[derive(Serialize)]
struct KeyLine<'e> {
    time: i64,
    class_uid: u32,
    category_uid: u32,
    activity_id: u32,
    type_uid: u32,
    severity_id: u8,
    status_id: u8,
    metadata: Metadata<'e>,
    unmapped: Value,
}

/// A line about a key. Its name can be erased.
pub(super) fn key(change: &KeyChange, count: usize, origin: &Origin, now: Timestamp) -> serde_json::Result<Draft> {
    let activity_id = match change.what {
        KeyEvent::Created => 1,
        KeyEvent::Rotated | KeyEvent::Changed | KeyEvent::Revoked => 3,
        KeyEvent::Removed => 4,
    };
    let event = KeyLine {
        time: now.timestamp_millis(),
        class_uid: ENTITY_MANAGEMENT,
        category_uid: ENTITY_MANAGEMENT / 1_000,
        activity_id,
        type_uid: ENTITY_MANAGEMENT * 100 + activity_id,
        severity_id: 1,
        status_id: 1,
        metadata: origin.metadata(),
        unmapped: json!({"event": "keys", "count": count, "changes": [format!("{} {}", change.what.word(), change.id)]}),
    };
    let entity = json!({"uid": change.id, "name": change.name, "type": "API key"});
    Draft::new(&event, Some((&json!({"salt": origin.salt()}), &json!({"entity": entity}))))
}
