//! The client's side of one request, whatever version of HTTP it speaks.

use bytes::BytesMut;
use vigie_http::head::RequestHead;
use vigie_http::headers::{self, Header};

use super::wire::Bounds;
use crate::policy::Refusal;

/// The client's side of one request: its body is read once, and one answer is written. Dropped before [`Client::finish`], the client sees
/// that the answer has no end.
pub(crate) trait Client {
    /// The length of the body that is still to be read; `None`: it is not announced.
    fn announced(&self) -> Option<u64>;

    /// Reads the body to its end.
    async fn body(&mut self, bounds: &Bounds) -> Result<BytesMut, Refusal>;

    /// Begins the answer: nothing is sent before [`Client::flush`] or [`Client::finish`]. `more`: header lines of the gateway's own, each with
    /// its line end. `length`: of the body, if it is known.
    fn begin<'f>(&mut self, status: u16, fields: impl Iterator<Item = (&'f str, &'f str)>, more: &str, length: Option<u64>);

    /// Adds a piece of the answer's body. It must not be empty.
    fn push(&mut self, piece: &[u8]);

    /// Whether something is not sent yet.
    fn has_unsent(&self) -> bool;

    /// Sends what there is; `false`: the client is gone, or takes nothing.
    async fn flush(&mut self) -> bool;

    /// Ends the answer; `false`: the client is gone, or takes nothing.
    async fn finish(&mut self) -> bool;

    /// Waits until the client has gone.
    async fn gone(&mut self);

    /// Takes no further request from the client after this one.
    fn close(&mut self);
}

/// Writes an answer of the gateway's own; `false`: the client is gone, or takes nothing.
pub(crate) async fn answer_whole(client: &mut impl Client, status: u16, text: &str, more: &str) -> bool {
    answer_with(client, status, "application/json", text, more).await
}

/// Writes an answer of the gateway's own with another content type.
pub(crate) async fn answer_with(client: &mut impl Client, status: u16, kind: &str, text: &str, more: &str) -> bool {
    let fields = [("content-type", kind)];
    client.begin(status, fields.into_iter(), more, Some(text.len() as u64));
    if !text.is_empty() {
        client.push(text.as_bytes());
    }
    client.finish().await
}

/// Of an answer's headers those whose names are wanted, as long as no client can read them in two ways.
pub(crate) fn plain_fields(headers: &[Header], wanted: fn(&str) -> bool) -> impl Iterator<Item = (&str, &str)> {
    headers
        .iter()
        .filter(move |(name, value)| wanted(name) && value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)))
        .map(|(name, value)| (name.as_str(), value.as_str()))
}

/// Refuses what the gateway does not pass on, whatever the route.
pub(crate) fn check_head(head: &RequestHead) -> Result<(), Refusal> {
    let refuse = |why: &str| Err(Refusal::Ambiguous(why.to_owned()));
    if headers::first(&head.headers, "upgrade").is_some() {
        return refuse("an upgrade of the connection");
    }
    if headers::all(&head.headers, "content-encoding").any(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return refuse("an encoded body");
    }
    if headers::all(&head.headers, "expect").any(|expect| !expect.eq_ignore_ascii_case("100-continue")) {
        return refuse("an expectation");
    }
    if headers::all(&head.headers, "content-type").count() > 1 {
        return refuse("two content types");
    }
    Ok(())
}
