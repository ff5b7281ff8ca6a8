//! What must hold for any reply of Redis.

use bytes::BytesMut;

use super::resp::{Malformed, Reply, read};

/// Any bytes as replies, whole and in two pieces: the same replies, then the same rest or the same refusal. The first byte says where they
/// are cut.
pub(crate) fn drive(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    let (first, second) = bytes.split_at(usize::from(*cut).min(bytes.len()));
    let whole = replies(&[bytes]);
    assert_eq!(whole, replies(&[first, second]));
    assert_eq!(whole, replies(&bytes.chunks(1).collect::<Vec<_>>()));
    // Nothing is made of nothing: each reply took bytes for what it holds.
    let held: usize = whole.0.iter().map(size).sum();
    assert!(held <= 3 * bytes.len(), "{held} of {}", bytes.len());
}

fn replies(pieces: &[&[u8]]) -> (Vec<Reply>, Result<Vec<u8>, Malformed>) {
    let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match read(&mut buffer) {
                Ok(Some(reply)) => found.push(reply),
                Ok(None) => break,
                Err(malformed) => return (found, Err(malformed)),
            }
        }
    }
    (found, Ok(buffer.to_vec()))
}

fn size(reply: &Reply) -> usize {
    match reply {
        Reply::Text(text) | Reply::Error(text) => text.len() + 1,
        Reply::Number(_) | Reply::Nil => 1,
        Reply::List(items) => 1 + items.iter().map(size).sum::<usize>(),
    }
}
