//! Requests to gateways for the tests.

use vigie_model::{GatewayRequest, Known, Why};

use super::common::at;

/// A day, in seconds.
pub(crate) const DAY: i64 = 86_400;

/// An answered request of the key `key_1`.
pub(crate) fn entry(gateway: &str, seq: u64, seconds: i64) -> GatewayRequest {
    GatewayRequest {
        gateway: gateway.to_owned(),
        stream: 1,
        seq,
        time: at(seconds),
        recorded: at(30 * DAY),
        version: Some("0.1.0".to_owned()),
        request: Some(format!("{seq:016x}")),
        key_id: Known::Known("key_1".to_owned()),
        key_name: Known::Known("alice".to_owned()),
        address: Known::Known([192, 0, 2, 7].into()),
        user_agent: Known::unknown(Why::NotCarried),
        method: Known::Known("POST".to_owned()),
        path: Known::Known("/api/chat".to_owned()),
        route: Some("POST /api/chat".to_owned()),
        effect: Some("infer".to_owned()),
        model: Some("tiny:latest".to_owned()),
        models: vec!["tiny:latest".to_owned(), "other".to_owned()],
        options: Some(r#"{"put":{"max-tokens":128}}"#.to_owned()),
        outcome: "answered".to_owned(),
        refusal: None,
        detail: None,
        status: Some(200),
        request_bytes: Known::Known(115),
        response_bytes: Known::Known(u64::MAX),
        prompt_tokens: Known::Known(64),
        output_tokens: Known::unknown(Why::NotCarried),
        estimated: Some(false),
        counted_tokens: Some(68),
        chunks: Some(4),
        first_byte_ms: Some(18.5),
        duration_ms: Some(159.25),
        prompt_bytes: Known::Known(2),
        prompt_hash: Known::Known("00".repeat(32)),
        erased: false,
    }
}

/// The same request, erased from the log.
pub(crate) fn erased(request: &GatewayRequest) -> GatewayRequest {
    fn gone<T>() -> Known<T> {
        Known::unknown(Why::Redacted)
    }
    GatewayRequest {
        key_id: gone(),
        key_name: gone(),
        address: gone(),
        user_agent: gone(),
        method: gone(),
        path: gone(),
        request_bytes: gone(),
        prompt_bytes: gone(),
        prompt_hash: gone(),
        erased: true,
        ..request.clone()
    }
}
