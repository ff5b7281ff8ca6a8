//! What must hold for any answer of a server behind.

use super::{Meter, Others, Stripper, Strips};

/// Any bytes as an answer, whole and in pieces: the same counters and the same bytes for the client, who gets nothing that the server did not
/// send. The first byte says how large the pieces are, the second what the answer is.
pub(crate) fn drive(data: &[u8]) {
    let [size, kind, bytes @ ..] = data else { return };
    let kinds = ["text/event-stream", "application/x-ndjson", "application/json"];
    let kind = Some(kinds[usize::from(*kind) % kinds.len()]);
    let size = usize::from(*size).max(1);
    let metered = |size: usize| {
        let mut meter = Meter::new(kind);
        bytes.chunks(size).for_each(|piece| meter.piece(piece));
        [true, false].map(|whole| meter.tokens(whole))
    };
    let tokens = metered(size);
    assert_eq!(tokens, metered(usize::MAX));
    for tokens in tokens {
        // An estimate is no more than there are lines.
        let lines = memchr::memchr_iter(b'\n', bytes).count() as u64;
        assert!(!tokens.estimated || tokens.output.is_some_and(|output| output <= lines));
    }
    for (others, moves_fingerprint) in [
        (Others::Nothing, false),
        (Others::Null, false),
        (Others::Any, false),
        (Others::Null, true),
    ] {
        let stripped = |size: usize| {
            let strips = Strips { others, moves_fingerprint };
            let (mut stripper, mut out) = (Stripper::new(strips), Vec::new());
            bytes.chunks(size).for_each(|piece| stripper.piece(piece, &mut out));
            stripper.finish(&mut out);
            out
        };
        let passed = stripped(size);
        assert_eq!(passed, stripped(usize::MAX), "{others:?}");
        let mut sent = bytes.iter();
        // A fingerprint is put back in as many chunks as end a choice, and nothing else is added.
        assert!(
            moves_fingerprint || passed.iter().all(|byte| sent.any(|other| other == byte)),
            "something was added"
        );
        if memchr::memmem::find(bytes, b"usage").is_none() {
            assert_eq!(passed, bytes, "there was nothing to take out");
        }
    }
}
