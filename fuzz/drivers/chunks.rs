//! Any bytes as chunks, whole and in pieces, by both rules.

use vigie_http::body::{Chunks, Piece, Rules};
use vigie_http::head::Malformed;

/// Reads them. The first byte says how large the pieces are.
pub(crate) fn drive(data: &[u8]) {
    let Some((size, bytes)) = data.split_first() else { return };
    let size = usize::from(*size).max(1);
    let strict = read(Rules::Strict, bytes, size);
    let lenient = read(Rules::Lenient, bytes, size);
    assert_eq!(strict, read(Rules::Strict, bytes, usize::MAX));
    assert_eq!(lenient, read(Rules::Lenient, bytes, usize::MAX));
    if strict.is_ok() {
        assert_eq!(strict, lenient);
    }
}

/// The data, and what was left behind the end.
fn read(rules: Rules, bytes: &[u8], size: usize) -> Result<(Vec<u8>, Option<usize>), Malformed> {
    let (mut chunks, mut out, mut read) = (Chunks::new(rules), Vec::new(), 0);
    for mut piece in bytes.chunks(size) {
        loop {
            let (framing, found) = chunks.next(piece)?;
            read += framing;
            piece = &piece[framing..];
            match found {
                Piece::Data(length) => {
                    assert!(length > 0);
                    out.extend_from_slice(&piece[..length]);
                    piece = &piece[length..];
                    read += length;
                }
                Piece::More => break,
                Piece::End => return Ok((out, Some(bytes.len() - read))),
            }
        }
    }
    Ok((out, None))
}
