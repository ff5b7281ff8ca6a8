//! Entries in the names of OCSF 1.4.0: requests as API Activity (6003), changes of a key as Entity Management (3004), and what else happens to
//! the gateway as Application Lifecycle (6002). What OCSF has no name for is under `unmapped`.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

use ring::rand::{SecureRandom as _, SystemRandom};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use vigie_catalog::table::{Amount, Knob};
use vigie_model::Timestamp;

use super::chain::{FORMAT, begin, finish, hex};
use super::entry::{KeyChange, KeyEvent, Options, Outcome, RequestEntry};
use super::line::Draft;
use super::write::{hex as hex_digits, milliseconds, number, text, whole};

/// What all lines of a log say alike, and the source of their salts.
pub(crate) struct Origin {
    /// The fingerprint of the signing key.
    log_name: String,
    /// What the line of every request has behind its time.
    request: String,
    salts: [u8; 32],
    next: AtomicU64,
}

impl Origin {
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub(crate) fn new(log_name: String) -> Result<Self, ring::error::Unspecified> {
        let mut salts = [0; 32];
        SystemRandom::new().fill(&mut salts)?;
        let metadata = json!(Metadata::of(&log_name));
        let request = format!(
            ",\"class_uid\":{API_ACTIVITY},\"category_uid\":{},\"metadata\":{metadata}",
            API_ACTIVITY / 1_000
        );
        Ok(Self {
            log_name,
            request,
            salts,
            next: AtomicU64::new(0),
        })
    }

    /// A number of 128 bits that nobody can tell from a random one: half of the hash of a random key, which is never stored, and a counter.
    fn salt(&self) -> [u8; 16] {
        let mut hashed = begin(&self.salts);
        hashed.update(&self.next.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let mut salt = [0; 16];
        salt.copy_from_slice(&finish(hashed)[..16]);
        salt
    }

    fn salt_text(&self) -> String {
        hex(&self.salt())
    }

    fn metadata(&self) -> Metadata<'_> {
        Metadata::of(&self.log_name)
    }
}

#[derive(Serialize)]
struct Metadata<'o> {
    version: &'static str,
    product: Product,
    log_version: &'static str,
    log_name: &'o str,
}

impl<'o> Metadata<'o> {
    fn of(log_name: &'o str) -> Self {
        Self {
            version: "1.4.0",
            product: PRODUCT,
            log_version: FORMAT,
            log_name,
        }
    }
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

/// The bytes that the line of a request takes, about.
const ROOM: usize = 1_536;

/// The methods that OCSF 1.4.0 knows.
const METHODS: [&str; 8] = ["OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "CONNECT"];

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
pub(super) fn request(request: &RequestEntry, origin: &Origin) -> io::Result<Draft> {
    let mut line = Vec::with_capacity(ROOM);
    // Whoever looks for old files reads the time at the front.
    put("{\"time\":", &mut line);
    number(milliseconds_of(request.begun), &mut line);
    put(&origin.request, &mut line);
    core(request, &mut line)?;
    let rest_at = line.len();
    personal(request, &origin.salt(), &mut line)?;
    Ok(Draft::of(line, rest_at))
}

/// What is not personal of a request and differs from others, up to the end of `unmapped`, which is left open.
fn core(request: &RequestEntry, out: &mut Vec<u8>) -> io::Result<()> {
    let is_good = matches!(request.outcome, Outcome::Answered | Outcome::Authorized);
    // 1 create, 2 read, 3 update, 4 delete, 99 other.
    let activity = match request.method.as_str() {
        "GET" | "HEAD" => 2,
        "DELETE" => 4,
        "PUT" | "PATCH" => 3,
        "POST" => 1,
        _ => 99,
    };
    let severity = if is_good { 1 } else { 2 };
    for (name, value) in [
        (",\"activity_id\":", activity),
        (",\"type_uid\":", u64::from(API_ACTIVITY) * 100 + activity),
        (",\"severity_id\":", severity),
        (",\"status_id\":", severity),
        (",\"duration\":", whole(request.duration_ms)),
    ] {
        put(name, out);
        number(value, out);
    }
    if let Some(code) = request.status {
        put(",\"http_response\":{\"code\":", out);
        number(code.into(), out);
        put(",\"length\":", out);
        number(request.response_bytes, out);
        out.push(b'}');
    }
    put(",\"api\":{\"operation\":", out);
    text(request.route.as_ref().map_or("unknown", |(_, route)| route.as_str()), out)?;
    put(",\"request\":{\"uid\":", out);
    text(&request.id, out)?;
    put("}},\"status_code\":", out);
    text(
        match &request.outcome {
            Outcome::Answered => "answered",
            Outcome::Authorized => "authorized",
            Outcome::Aborted => "aborted",
            Outcome::Refused { reason, .. } => reason,
            Outcome::Failed { .. } => "failed",
        },
        out,
    )?;
    put(",\"unmapped\":{\"event\":", out);
    text(
        match request.asked_by {
            Some(_) => "decision",
            None if matches!(request.outcome, Outcome::Refused { .. }) => "refused",
            None => "request",
        },
        out,
    )?;
    if let Some(proxy) = request.asked_by {
        put(",\"proxy\":", out);
        text(proxy, out)?;
    }
    put(",\"effect\":", out);
    match &request.route {
        Some((effect, _)) => text(effect, out)?,
        None => put("null", out),
    }
    put(",\"models\":[", out);
    for (at, model) in request.models.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        text(model, out)?;
    }
    out.push(b']');
    if !(request.options.set.is_empty() && request.options.put.is_empty()) {
        put(",\"options\":", out);
        serde_json::to_writer(&mut *out, &request.options)?;
    }
    flag(",\"stream\":", request.streamed, out);
    count(",\"prompt_tokens\":", request.tokens.prompt, out);
    count(",\"output_tokens\":", request.tokens.output, out);
    flag(",\"estimated\":", request.tokens.estimated, out);
    put(",\"chunks\":", out);
    number(request.chunks, out);
    put(",\"first_byte_ms\":", out);
    match request.first_byte_ms {
        Some(ms) => milliseconds(ms, out),
        None => put("null", out),
    }
    put(",\"duration_ms\":", out);
    milliseconds(request.duration_ms, out);
    if let Some((counted, at)) = &request.counted {
        put(",\"counted\":{\"requests\":1,\"tokens\":", out);
        number(counted.tokens, out);
        flag(",\"estimated\":", counted.estimated, out);
        put(",\"at\":", out);
        number(milliseconds_of(*at), out);
        out.push(b'}');
    }
    if let Some(stored) = &request.text {
        put(",\"text\":", out);
        serde_json::to_writer(&mut *out, stored)?;
    }
    Ok(())
}

/// What can be erased of a request: more of `unmapped`, its end, and what is beside it.
fn personal(request: &RequestEntry, salt: &[u8; 16], out: &mut Vec<u8>) -> io::Result<()> {
    let method = Some(request.method.as_str()).filter(|method| !method.is_empty());
    let known = method.filter(|method| METHODS.contains(method));
    if let Some(method) = method.filter(|_| known.is_none()) {
        put(",\"method\":", out);
        text(method, out)?;
    }
    if let Some(prompt) = &request.prompt {
        put(",\"prompt\":{\"bytes\":", out);
        number(prompt.bytes, out);
        put(",\"hmac\":\"", out);
        put(&prompt.hmac, out);
        put("\"}", out);
    }
    put(",\"salt\":\"", out);
    hex_digits(salt, out);
    put("\"},\"src_endpoint\":{\"ip\":\"", out);
    write!(out, "{}", request.client.address.ip())?;
    out.push(b'"');
    // Of a client behind a proxy that asks it is not known.
    if request.client.address.port() != 0 {
        put(",\"port\":", out);
        number(request.client.address.port().into(), out);
    }
    put("},\"actor\":", out);
    match &request.client.key {
        Some((uid, name)) => {
            put("{\"user\":{\"uid\":", out);
            text(uid, out)?;
            put(",\"name\":", out);
            text(name, out)?;
            put("}}", out);
        }
        None => put("{\"app_name\":\"unauthenticated\"}", out),
    }
    put(",\"http_request\":{", out);
    if let Some(method) = known {
        put("\"http_method\":\"", out);
        put(method, out);
        put("\",", out);
    }
    put("\"url\":{\"path\":", out);
    text(&request.path, out)?;
    put("},\"length\":", out);
    number(request.request_bytes as u64, out);
    if !request.user_agent.is_empty() {
        put(",\"user_agent\":", out);
        text(&request.user_agent, out)?;
    }
    out.push(b'}');
    if let Outcome::Refused { detail, .. } | Outcome::Failed { detail } = &request.outcome {
        put(",\"status_detail\":", out);
        text(detail, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn put(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(text.as_bytes());
}

fn flag(name: &str, is_set: bool, out: &mut Vec<u8>) {
    put(name, out);
    put(if is_set { "true" } else { "false" }, out);
}

fn count(name: &str, count: Option<u64>, out: &mut Vec<u8>) {
    put(name, out);
    match count {
        Some(count) => number(count, out),
        None => put("null", out),
    }
}

/// Since 1970; a clock that is set before has none.
fn milliseconds_of(time: Timestamp) -> u64 {
    u64::try_from(time.timestamp_millis()).unwrap_or(0)
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
pub(super) fn lifecycle(activity: Activity, word: &str, detail: Value, origin: &Origin, now: Timestamp) -> io::Result<Draft> {
    Draft::new(&event(activity, word, detail, origin, now), None::<(&Value, &Value)>)
}

/// A line about the gateway and a person. `personal`: an object whose keys can be erased.
pub(super) fn lifecycle_of(activity: Activity, word: &str, mut personal: Value, origin: &Origin, now: Timestamp) -> io::Result<Draft> {
    personal["salt"] = json!(origin.salt_text());
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
pub(super) fn key(change: &KeyChange, count: usize, origin: &Origin, now: Timestamp) -> io::Result<Draft> {
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
    Draft::new(&event, Some((&json!({"salt": origin.salt_text()}), &json!({"entity": entity}))))
}
