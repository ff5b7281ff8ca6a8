//! Any bytes as an event stream, whole and in pieces: the same events.

use vigie_http::events::{Event, EventReader, Events, Oversized};

/// Reads it. The first byte says how large the pieces are, the second the largest event.
pub(crate) fn drive(data: &[u8]) {
    let [size, most, bytes @ ..] = data else { return };
    let (size, most) = (usize::from(*size).max(1), usize::from(*most));
    let (cut, unfinished) = read(bytes, size, most);
    assert_eq!(
        (&cut, &unfinished),
        (&read(bytes, usize::MAX, most).0, &read(bytes, usize::MAX, most).1)
    );
    for event in cut.iter().flatten().chain(&unfinished) {
        // A byte that is no UTF-8 becomes three.
        assert!(event.data.len() <= 3 * most);
    }
    let (without_limit, unfinished) = read(bytes, size, usize::MAX);
    let mut events = Events::of(bytes);
    let all: Vec<_> = events.by_ref().map(Ok).collect();
    assert_eq!((all, events.unfinished()), (without_limit, unfinished));
}

fn read(bytes: &[u8], size: usize, most: usize) -> (Vec<Result<Event, Oversized>>, Option<Event>) {
    let (mut reader, mut found) = (EventReader::new(most), Vec::new());
    for mut piece in bytes.chunks(size) {
        while let Some(event) = reader.next(&mut piece) {
            found.push(event);
        }
        assert!(piece.is_empty());
    }
    (found, reader.unfinished())
}
