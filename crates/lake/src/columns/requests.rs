//! The columns of the table of requests to gateways.

use std::net::IpAddr;

use chrono::NaiveDate;
use vigie_model::{GatewayRequest, Known, Timestamp, Why};

use super::{Address, Count, Day, Flag, List, Missing, Nullable, Real, Required, Slim, Small, Text, Time, columns};
use crate::batch::Batch;
use crate::rows::Rows;

columns! {
    /// The table of requests.
    RequestColumns of RequestRow<&GatewayRequest>, into RequestRow<GatewayRequest> {
        "date": Day => day,
        "gateway": Required<Text> => request.gateway,
        "stream": Required<Small> => request.stream,
        "seq": Required<Count> => request.seq,
        "time": Required<Time> => request.time,
        "recorded": Required<Time> => request.recorded,
        "version": Nullable<Text> => request.version,
        "request": Nullable<Text> => request.request,
        "key_id": Slim<Text> => request.key_id,
        "key_name": Slim<Text> => request.key_name,
        "address": Slim<Address> => request.address,
        "user_agent": Slim<Text> => request.user_agent,
        "method": Slim<Text> => request.method,
        "path": Slim<Text> => request.path,
        "route": Nullable<Text> => request.route,
        "effect": Nullable<Text> => request.effect,
        "model": Nullable<Text> => request.model,
        "models": List => request.models,
        "options": Nullable<Text> => request.options,
        "outcome": Text => request.outcome,
        "refusal": Nullable<Text> => request.refusal,
        "detail": Nullable<Text> => request.detail,
        "status": Nullable<Small> => request.status,
        "request_bytes": Slim<Count> => request.request_bytes,
        "response_bytes": Slim<Count> => request.response_bytes,
        "prompt_tokens": Slim<Count> => request.prompt_tokens,
        "output_tokens": Slim<Count> => request.output_tokens,
        "estimated": Nullable<Flag> => request.estimated,
        "counted_tokens": Nullable<Count> => request.counted_tokens,
        "chunks": Nullable<Count> => request.chunks,
        "first_byte_ms": Nullable<Real> => request.first_byte_ms,
        "duration_ms": Nullable<Real> => request.duration_ms,
        "prompt_bytes": Slim<Count> => request.prompt_bytes,
        "prompt_hash": Slim<Text> => request.prompt_hash,
        "erased": Flag => request.erased,
    }
}

/// A request, and the day by which its table is partitioned.
pub(crate) struct RequestRow<R> {
    pub(crate) day: NaiveDate,
    pub(crate) request: R,
}

impl<'r> RequestRow<&'r GatewayRequest> {
    pub(crate) fn put(request: &'r GatewayRequest, batch: &mut Batch) {
        let row = RequestRow {
            day: request.day(),
            request,
        };
        RequestColumns::put(&row, batch);
        batch.end_row();
    }
}

impl RequestRow<GatewayRequest> {
    /// Reads a row.
    pub(crate) fn read(rows: &Rows, row: usize) -> Result<GatewayRequest, Missing> {
        let mut read = RequestRow {
            day: NaiveDate::MIN,
            request: blank(),
        };
        RequestColumns::read(rows, row, &mut read)?;
        Ok(read.request)
    }
}

fn blank() -> GatewayRequest {
    fn unknown<T>() -> Known<T> {
        Known::unknown(Why::NotCarried)
    }
    GatewayRequest {
        gateway: String::new(),
        stream: 1,
        seq: 0,
        time: Timestamp::MIN_UTC,
        recorded: Timestamp::MIN_UTC,
        version: None,
        request: None,
        key_id: unknown(),
        key_name: unknown(),
        address: unknown::<IpAddr>(),
        user_agent: unknown(),
        method: unknown(),
        path: unknown(),
        route: None,
        effect: None,
        model: None,
        models: Vec::new(),
        options: None,
        outcome: String::new(),
        refusal: None,
        detail: None,
        status: None,
        request_bytes: unknown(),
        response_bytes: unknown(),
        prompt_tokens: unknown(),
        output_tokens: unknown(),
        estimated: None,
        counted_tokens: None,
        chunks: None,
        first_byte_ms: None,
        duration_ms: None,
        prompt_bytes: unknown(),
        prompt_hash: unknown(),
        erased: false,
    }
}
