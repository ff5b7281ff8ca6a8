//! The fuzz targets' drivers with inputs made of what their parsers look for: they say what must hold for any input.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::fuzz::{chunks, events, heads, reply, stored};

/// Bytes of words that a parser looks for, with any bytes between them.
fn words(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        8 => select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 1..4),
    ];
    vec(word, 0..24).prop_map(|words| words.concat())
}

/// A message of one of these starts, and words.
fn message(starts: &'static [&'static str], rest: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (select(starts), rest).prop_map(|(start, rest)| [start.as_bytes(), &rest].concat())
}

const LINES: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    "Host: a\r\n",
    "X: y\r\n",
    "X : y\r\n",
    " z\r\n",
    "Content-Length: 2\r\n",
    "content-length: 3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Connection: close\r\n",
    "X",
    ":",
    " ",
    "\t",
    "\u{e9}",
    "\r\n\r\n",
    "{}",
];
const STARTS: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n",
    "POST /a HTTP/1.0\r\n",
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 404 \n",
    "HTTP/1.1 204 No\r\n",
    "HTTP/2 200\n",
    "",
];
const CHUNKS: &[&str] = &[
    "0",
    "1",
    "2",
    "a",
    "\r\n",
    "\r\n",
    "\n",
    "\r",
    ";",
    " ",
    "ab",
    "0\r\n\r\n",
    "2\r\nab\r\n",
    "X: y\r\n",
    "ffffffffffffffff",
];
const EVENTS: &[&str] = &[
    "data: ",
    "data",
    ":",
    " ",
    "\n",
    "\n",
    "\r\n",
    "\r",
    "\n\n",
    "event: x",
    "id: 1",
    "id: \0",
    "retry: 5",
    "a",
    "\u{e9}",
    "\u{feff}",
    "data: {\"result\":{}}\n\n",
];

/// The input with the bytes that say how it is cut.
fn cut(cuts: &[u8], input: &[u8]) -> Vec<u8> {
    [cuts, input].concat()
}

proptest! {
    #[test]
    fn heads_that_are_taken_strictly_are_read_alike(at: u8, bytes in message(STARTS, words(LINES))) {
        heads::drive(&cut(&[at], &[&bytes[..], b"\r\n"].concat()));
        heads::drive(&cut(&[at], &bytes));
    }

    #[test]
    fn replies_are_the_same_wherever_they_are_cut(at: u8, bytes in message(STARTS, words(LINES)), body in words(CHUNKS)) {
        reply::drive(&cut(&[at], &[&bytes[..], b"\r\n", &body].concat()));
    }

    #[test]
    fn chunks_are_the_same_however_they_are_cut(size in 0..9_u8, bytes in words(CHUNKS)) {
        chunks::drive(&cut(&[size], &bytes));
    }

    #[test]
    fn events_are_the_same_however_they_are_cut(size in 0..9_u8, most: u8, bytes in words(EVENTS)) {
        events::drive(&cut(&[size, most], &bytes));
        events::drive(&cut(&[size, most % 32], &bytes));
    }

    #[test]
    fn stored_replies_are_bounded(most: u8, bytes in message(STARTS, words(LINES)), body in words(CHUNKS)) {
        stored::drive(&cut(&[most], &[&bytes[..], b"\n\n", &body].concat()));
    }
}
