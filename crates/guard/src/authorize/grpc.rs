//! gRPC over HTTP/2 for methods of one message each way: names, frames, statuses and the health service.
//!
//! Source: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>, `statuscodes.md` and `health-checking.md` beside it.

use bytes::{Buf as _, Bytes};

use super::protobuf::{Fields, Malformed, Message, once};

/// The content type; `+proto` may follow.
pub(crate) const CONTENT_TYPE: &str = "application/grpc";
/// Envoy's question.
pub(crate) const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
/// The question whether a service is up.
pub(crate) const HEALTH: &str = "/grpc.health.v1.Health/Check";
/// The services that answer, for the health service; an empty name is the process.
const SERVICES: [&str; 3] = ["", "envoy.service.auth.v3.Authorization", "grpc.health.v1.Health"];
/// What stands before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// The longest message of a question about health.
pub(crate) const HEALTH_BYTES: usize = 1_024;

/// Why a call has no message as its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// The number of the status code.
    pub(crate) code: u8,
    pub(crate) why: &'static str,
}

impl Status {
    pub(crate) const DEADLINE_EXCEEDED: u8 = 4;
    pub(crate) const NOT_FOUND: u8 = 5;
    pub(crate) const RESOURCE_EXHAUSTED: u8 = 8;
    pub(crate) const UNIMPLEMENTED: u8 = 12;
    pub(crate) const INTERNAL: u8 = 13;

    pub(crate) fn new(code: u8, why: &'static str) -> Self {
        Self { code, why }
    }
}

/// Whether a content type is one of gRPC with Protocol Buffers.
pub(crate) fn is_grpc(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.strip_prefix(CONTENT_TYPE).is_some_and(|rest| matches!(rest, "" | "+proto"))
}

/// Takes the one message out of a body.
pub(crate) fn message(mut body: Bytes) -> Result<Bytes, Status> {
    if body.len() < PREFIX {
        return Err(Status::new(Status::INTERNAL, "the call ends before its message"));
    }
    match body.get_u8() {
        0 => {}
        1 => return Err(Status::new(Status::UNIMPLEMENTED, "no compression is known")),
        _ => return Err(Status::new(Status::INTERNAL, "the first byte of a message is 0 or 1")),
    }
    let length = body.get_u32();
    match usize::try_from(length).unwrap_or(usize::MAX) {
        length if length == body.len() => Ok(body),
        length if length > body.len() => Err(Status::new(Status::INTERNAL, "the call ends within its message")),
        _ => Err(Status::new(Status::UNIMPLEMENTED, "the method takes one message")),
    }
}

/// A message with what stands before it.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(PREFIX + message.len());
    out.push(0);
    out.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(message);
    out
}

/// The `HealthCheckResponse` to a `HealthCheckRequest`.
pub(crate) fn health(request: Bytes, is_ready: bool) -> Result<Vec<u8>, Status> {
    let service = service(request).map_err(|_| Status::new(Status::INTERNAL, "the message does not read"))?;
    if !SERVICES.contains(&service.as_str()) {
        return Err(Status::new(Status::NOT_FOUND, "no such service"));
    }
    // SERVING and NOT_SERVING.
    Ok(Message::default().number(1, if is_ready { 1 } else { 2 }).into_bytes())
}

fn service(request: Bytes) -> Result<String, Malformed> {
    let (mut fields, mut service) = (Fields(request), None);
    while let Some((field, value)) = fields.next()? {
        if field == 1 {
            once(&mut service, value.text()?)?;
        }
    }
    Ok(service.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_whole_message_that_is_not_compressed_is_taken() {
        let of = |bytes: &[u8]| message(Bytes::copy_from_slice(bytes)).map_err(|status| status.code);
        assert_eq!(of(&frame(b"abc")), Ok(Bytes::from_static(b"abc")));
        assert_eq!(of(&frame(b"")), Ok(Bytes::new()));
        for (bytes, code) in [
            (&[][..], Status::INTERNAL),
            (&[0, 0, 0, 0], Status::INTERNAL),
            (&[0, 0, 0, 0, 1], Status::INTERNAL),
            (&[0, 255, 255, 255, 255, 1], Status::INTERNAL),
            (&[2, 0, 0, 0, 0], Status::INTERNAL),
            (&[1, 0, 0, 0, 0], Status::UNIMPLEMENTED),
            (&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Status::UNIMPLEMENTED),
        ] {
            assert_eq!(of(bytes), Err(code), "{bytes:?}");
        }
    }

    #[test]
    fn content_types_of_grpc() {
        assert!(
            ["application/grpc", "application/grpc+proto", "application/grpc; x=y"]
                .into_iter()
                .all(is_grpc)
        );
        assert!(
            ![
                "",
                "application/json",
                "application/grpc+json",
                "application/grpc-web",
                "Application"
            ]
            .into_iter()
            .any(is_grpc)
        );
    }

    #[test]
    fn health_is_told_of_known_services() {
        let of = |service: &str, is_ready| health(Message::default().text(1, service).into_bytes().into(), is_ready);
        assert_eq!(of("", true), Ok(vec![8, 1]));
        assert_eq!(of("envoy.service.auth.v3.Authorization", false), Ok(vec![8, 2]));
        assert_eq!(of("x", true).map_err(|status| status.code), Err(Status::NOT_FOUND));
        assert!(health(Bytes::from_static(&[0x0a, 9]), true).is_err());
    }
}
