//! Envoy's questions over gRPC. See [`crate::authorize`].
//!
//! What a client of Envoy's can bring about is answered with a refusal, and never with an error, which Envoy may have been told to take for
//! a yes (`failure_mode_allow`). Errors are for what only the caller itself does.

use http::{HeaderMap, HeaderValue};
use vigie_http::head::{MAX_HEAD, RequestHead};
use vigie_http::headers;

use super::client::{Client, answer_with};
use super::exchange::Exchange;
use super::gate::Gate;
use super::http2::Http2;
use super::peer::Peer;
use super::wire::Bounds;
use super::worker::Shared;
use crate::authorize::grpc::{self, CHECK, CONTENT_TYPE, HEALTH, HEALTH_BYTES, Status, is_grpc};
use crate::authorize::{Asker, Check, Unreadable, allowed, denied, refused};
use crate::config::Proxy;
use crate::credential::redact;
use crate::log::{self, Outcome};
use crate::policy::Refusal;

/// What a message may have beside the body of the request.
const BESIDE_BODY: usize = MAX_HEAD + 64 * 1024;

/// What a call is answered with.
enum Reply {
    Message(Vec<u8>),
    Status(Status),
    /// It is no call of gRPC.
    Http(u16),
}

impl From<Status> for Reply {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// Whether a request is a call of gRPC, or of a path that only gRPC has.
pub(super) fn is_call(head: &RequestHead, asker: &Asker) -> bool {
    let is_typed = || headers::first(&head.headers, "content-type").is_some_and(|kind| kind.starts_with(CONTENT_TYPE));
    asker.proxy == Proxy::Envoy && (matches!(head.target.as_str(), CHECK | HEALTH) || is_typed())
}

/// Answers a call.
pub(super) async fn answer(client: &mut Http2, head: &RequestHead, asker: &Asker, peer: &Peer, shared: &Shared) {
    // Health is asked for all the time, and tells nothing of anybody.
    if head.target == HEALTH && asker.trusts(peer.address.ip()) {
        let reply = health(client, head, &shared.gate).await;
        return send(client, reply.unwrap_or_else(|other| other)).await;
    }
    let mut exchange = Exchange::new(peer, shared);
    exchange.entry.method.clone_from(&head.method);
    exchange.entry.path = redact(vigie_http::path::without_query(&head.target)).into_owned();
    if shared.gate.log.refuses() {
        // Nothing happens that is not logged.
        exchange.turn_away();
        return send(client, Reply::Message(denied(503, "", "{\"error\":\"unavailable\"}"))).await;
    }
    let reply = match exchange.called(client, head, asker).await {
        Ok(decided) => exchange.decided(decided),
        Err(reply) => {
            exchange.entry.outcome = Outcome::Refused {
                reason: "ambiguous",
                detail: match &reply {
                    Reply::Status(status) => format!("a call of gRPC, status {}: {}", status.code, status.why),
                    Reply::Http(_) | Reply::Message(_) => "it is no call of gRPC".to_owned(),
                },
            };
            reply
        }
    };
    exchange.entry.duration_ms = exchange.elapsed_ms();
    exchange.log().await;
    send(client, reply).await;
}

/// The names of the headers that Envoy showed.
struct Shown(Vec<String>);

impl Exchange<'_> {
    /// Reads the message of a call and decides. `Err`: there is nothing to decide.
    async fn called(&mut self, client: &mut Http2, head: &RequestHead, asker: &Asker) -> Result<Result<Shown, Refusal>, Reply> {
        check_call(head)?;
        if head.target != CHECK {
            return Err(Status::new(Status::UNIMPLEMENTED, "no such method").into());
        }
        if let Err(refusal) = asker.proves(self.entry.client.address.ip(), head) {
            return Ok(Err(refusal));
        }
        let bounds = &self.shared.gate.bounds;
        let bounds = Bounds {
            body: bounds.body + BESIDE_BODY,
            ..*bounds
        };
        let body = match read(client, &bounds).await {
            Ok(body) => body,
            Err(Refusal::TooLarge) => return Ok(Err(Refusal::TooLarge)),
            Err(refusal) => return Err(unread(&refusal).into()),
        };
        let check = match Check::read(grpc::message(body)?) {
            Ok(check) => check,
            Err(Unreadable::TooMany) => return Ok(Err(Refusal::Ambiguous(Unreadable::TooMany.to_string()))),
            Err(Unreadable::Malformed(_)) => return Err(Status::new(Status::INTERNAL, "the message does not read").into()),
        };
        Ok(self.question(&check, asker).await)
    }

    async fn question(&mut self, check: &Check, asker: &Asker) -> Result<Shown, Refusal> {
        let (asked, address) = asker.request_of(check)?;
        if let Some(agent) = headers::first(&asked.headers, "user-agent") {
            self.entry.user_agent = log::user_agent(agent);
        }
        let key = self.identify(&asked, address).await?;
        if check.body.len() > self.shared.gate.bounds.body {
            return Err(Refusal::TooLarge);
        }
        self.judge(&key, &asked, &check.body, asker).await?;
        Ok(Shown(asked.headers.into_iter().map(|(name, _)| name).collect()))
    }

    /// Notes a decision, and returns its message.
    fn decided(&mut self, decided: Result<Shown, Refusal>) -> Reply {
        Reply::Message(match decided {
            Ok(Shown(names)) => {
                self.entry.outcome = Outcome::Authorized;
                self.entry.status = Some(200);
                let key = self.entry.client.key.as_ref().map(|(id, _)| id.as_str());
                allowed(names.into_iter(), key)
            }
            Err(refusal) => {
                self.refused(&refusal);
                self.entry.status = Some(refusal.status());
                refused(&refusal, &self.more)
            }
        })
    }
}

/// Checks that a request is a call of gRPC.
fn check_call(head: &RequestHead) -> Result<(), Reply> {
    if head.method != "POST" {
        return Err(Reply::Http(405));
    }
    let mut kinds = headers::all(&head.headers, "content-type");
    match (kinds.next(), kinds.next()) {
        (Some(kind), None) if is_grpc(kind) => Ok(()),
        _ => Err(Reply::Http(415)),
    }
}

async fn read(client: &mut Http2, bounds: &Bounds) -> Result<bytes::Bytes, Refusal> {
    client.body(bounds).await.map(bytes::BytesMut::freeze)
}

fn unread(refusal: &Refusal) -> Status {
    match refusal {
        Refusal::TooLarge => Status::new(Status::RESOURCE_EXHAUSTED, "the message is too large"),
        Refusal::TooSlow => Status::new(Status::DEADLINE_EXCEEDED, "the message takes too long"),
        _ => Status::new(Status::INTERNAL, "the call ends within its message"),
    }
}

async fn health(client: &mut Http2, head: &RequestHead, gate: &Gate) -> Result<Reply, Reply> {
    check_call(head)?;
    let bounds = Bounds {
        body: HEALTH_BYTES,
        ..gate.bounds
    };
    let body = read(client, &bounds).await.map_err(|refusal| unread(&refusal))?;
    // Questions are answered without the server behind; without the log nothing is.
    let is_ready = !gate.log.is_broken() && !gate.log.refuses() && !gate.is_stopping();
    Ok(Reply::Message(grpc::health(grpc::message(body)?, is_ready)?))
}

async fn send(client: &mut Http2, reply: Reply) {
    let kind = ("content-type", CONTENT_TYPE);
    match reply {
        Reply::Http(status) => drop(answer_with(client, status, "application/json", "", "").await),
        // Without a message the headers are the trailers as well.
        Reply::Status(Status { code, why }) => {
            let code = code.to_string();
            let fields = [
                kind,
                ("grpc-status", code.as_str()),
                ("grpc-message", why),
                ("grpc-accept-encoding", "identity"),
            ];
            client.begin(200, fields.into_iter(), "", None);
            client.finish().await;
        }
        Reply::Message(message) => {
            client.begin(200, [kind].into_iter(), "", None);
            client.push(&grpc::frame(&message));
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            client.trailers = Some(trailers);
            client.finish().await;
        }
    }
}
