//! Any bytes as an HTTP/1 reply, whole and cut in two: the same either way.

use bytes::BytesMut;
use vigie_http::body::{Body, Piece};
use vigie_http::head::{Malformed, ResponseHead, ResponseReader};

type Read = Result<Option<(ResponseHead, Vec<u8>, bool)>, Malformed>;

/// Reads it. The first byte says where it is cut.
pub(crate) fn drive(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    let (first, second) = bytes.split_at(usize::from(*cut).min(bytes.len()));
    let (whole, halves) = (read(&[bytes]), read(&[first, second]));
    assert_eq!(whole, halves);
}

fn read(pieces: &[&[u8]]) -> Read {
    let mut buffer = BytesMut::new();
    let (mut heads, mut begun, mut body) = (ResponseReader::default(), None, Vec::new());
    let mut over = false;
    for piece in pieces {
        buffer.extend_from_slice(piece);
        if begun.is_none() {
            begun = match heads.read(&mut buffer)? {
                None => continue,
                Some(head) => Some((Body::after(&head, "GET")?, head)),
            };
        }
        while let (Some((framing, _)), false) = (&mut begun, over) {
            match framing.next(&mut buffer)? {
                Piece::Data(length) => {
                    assert!(length > 0 && length <= buffer.len());
                    body.extend_from_slice(&buffer.split_to(length));
                }
                Piece::More => break,
                Piece::End => over = true,
            }
        }
    }
    Ok(begun.map(|(_, head)| (head, body, over)))
}
