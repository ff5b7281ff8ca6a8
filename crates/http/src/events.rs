//! Event streams: the format of the WHATWG's HTML standard, section 9.2 ("server-sent events"), read as the bytes come.

use std::borrow::Cow;

use memchr::memchr2;

/// An event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What its `event` field names; `message` if it has none.
    pub kind: Cow<'static, str>,
    /// The values of its `data` fields, with line feeds between them.
    pub data: String,
    /// The stream's last `id` up to this event; empty if it had none.
    pub id: String,
}

/// An event that was skipped because its lines take more than the reader's limit. The stream goes on after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is larger than {most} bytes")]
pub struct Oversized {
    /// The limit that it exceeds.
    pub most: usize,
}

/// Reads events from bytes that come in pieces.
///
/// The work is linear in the bytes, however the stream is cut into pieces. What is kept is at most a few times the limit: the line and
/// the data on their way, and the last `id`.
#[derive(Clone, Debug)]
pub struct EventReader {
    most: usize,
    /// The line on its way, up to the last byte that came.
    line: Vec<u8>,
    /// Nothing of the stream was read as a line yet: a byte order mark may be before it.
    at_start: bool,
    /// The last byte was a carriage return: a line feed after it belongs to the same end of line.
    after_return: bool,
    /// The event on its way is too large and is being skipped.
    skipping: bool,
    kind: String,
    data: String,
    id: String,
    retry: Option<u64>,
    #[cfg(test)]
    work: usize,
}

impl EventReader {
    /// A reader of a stream from its start, which skips events whose lines take more than `most` bytes.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            line: Vec::new(),
            at_start: true,
            after_return: false,
            skipping: false,
            kind: String::new(),
            data: String::new(),
            id: String::new(),
            retry: None,
            #[cfg(test)]
            work: 0,
        }
    }

    /// The next event that ends in these bytes; what was read is taken off their front. `None`: all were read.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Option<Result<Event, Oversized>> {
        loop {
            if self.after_return && !bytes.is_empty() {
                self.after_return = false;
                *bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
            }
            let Some(end) = memchr2(b'\r', b'\n', bytes) else {
                self.count(bytes.len());
                self.keep(bytes);
                *bytes = &[];
                return None;
            };
            self.count(end + 1);
            let (line, rest) = bytes.split_at(end);
            *bytes = match rest {
                [b'\r', b'\n', rest @ ..] => rest,
                [b'\r'] => {
                    self.after_return = true;
                    &[]
                }
                _ => &rest[1..],
            };
            if let Some(found) = self.end_of_line(line) {
                return Some(found);
            }
        }
    }

    /// The time in milliseconds after which the stream asks its clients to reconnect, if it said so.
    #[must_use]
    pub fn retry(&self) -> Option<u64> {
        self.retry
    }

    /// At the end of the stream: what there is of an event that no empty line ended, the last line as far as it goes. A browser
    /// drops such an event.
    #[must_use]
    pub fn unfinished(&mut self) -> Option<Event> {
        if !self.line.is_empty() {
            self.end_of_line(&[]);
        }
        if self.skipping { None } else { self.dispatch() }
    }

    /// Keeps a part of a line whose end is still to come.
    fn keep(&mut self, part: &[u8]) {
        if self.fits(part) {
            self.line.extend_from_slice(part);
        } else if !part.is_empty() {
            self.skip();
            // Enough to know that the line is not empty.
            self.line.push(b':');
        }
    }

    /// Whether the event on its way may have these bytes too.
    fn fits(&self, part: &[u8]) -> bool {
        !self.skipping && self.size() + self.line.len() + part.len() <= self.most
    }

    fn size(&self) -> usize {
        self.data.len() + self.kind.len()
    }

    fn skip(&mut self) {
        self.skipping = true;
        self.line.clear();
        self.data.clear();
        self.kind.clear();
    }

    /// Reads the line whose last part this is.
    fn end_of_line(&mut self, part: &[u8]) -> Option<Result<Event, Oversized>> {
        if !self.fits(part) {
            // An empty line fits whatever there is, unless the event is being skipped.
            if self.line.is_empty() && part.is_empty() {
                self.skipping = false;
                return Some(Err(Oversized { most: self.most }));
            }
            self.skip();
            self.at_start = false;
            return None;
        }
        let mut kept = std::mem::take(&mut self.line);
        let line = if kept.is_empty() {
            part
        } else {
            kept.extend_from_slice(part);
            kept.as_slice()
        };
        self.count(line.len());
        let line = match std::mem::take(&mut self.at_start) {
            true => line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line),
            false => line,
        };
        let found = if line.is_empty() {
            self.dispatch().map(Ok)
        } else {
            self.field(line);
            if self.size() > self.most {
                self.skip();
            }
            None
        };
        // The next line has its room already.
        kept.clear();
        self.line = kept;
        found
    }

    fn field(&mut self, line: &[u8]) {
        let (name, value) = match memchr::memchr(b':', line) {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &[][..]),
        };
        let value = String::from_utf8_lossy(value.strip_prefix(b" ").unwrap_or(value));
        match name {
            b"data" => {
                self.data.push_str(&value);
                self.data.push('\n');
            }
            b"event" => {
                self.kind.clear();
                self.kind.push_str(&value);
            }
            b"id" if !value.contains('\0') => {
                self.id.clear();
                self.id.push_str(&value);
            }
            b"retry" if value.bytes().all(|b| b.is_ascii_digit()) => self.retry = value.parse().ok().or(self.retry),
            // A comment has an empty name; others mean nothing.
            _ => {}
        }
    }

    /// The event that an empty line ends; `None`: it has no data.
    fn dispatch(&mut self) -> Option<Event> {
        let kind = std::mem::take(&mut self.kind);
        let mut data = std::mem::take(&mut self.data);
        // Each field's value has a line feed after it, the last one too.
        data.pop()?;
        Some(Event {
            kind: if kind.is_empty() {
                Cow::Borrowed("message")
            } else {
                Cow::Owned(kind)
            },
            data,
            id: self.id.clone(),
        })
    }

    #[cfg(test)]
    fn count(&mut self, bytes: usize) {
        self.work += bytes;
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "the tests count")]
    fn count(&self, _: usize) {}
}

/// The events of a body that is there whole, one after the other.
#[derive(Clone, Debug)]
pub struct Events<'b> {
    reader: EventReader,
    rest: &'b [u8],
}

impl<'b> Events<'b> {
    /// Starts at the front of the body, which is limit enough.
    #[must_use]
    pub fn of(body: &'b [u8]) -> Self {
        Self {
            reader: EventReader::new(usize::MAX),
            rest: body,
        }
    }

    /// What is left: the event that no empty line ended, as [`EventReader::unfinished`] gives it.
    #[must_use]
    pub fn unfinished(&mut self) -> Option<Event> {
        while self.next().is_some() {}
        self.reader.unfinished()
    }
}

/// The data of the first event of that kind in a body, even if no empty line ended it.
#[must_use]
pub fn data_of(kind: &str, body: &[u8]) -> Option<String> {
    let mut events = Events::of(body);
    let is_wanted = |event: &Event| event.kind.trim() == kind;
    let event = events.find(is_wanted).or_else(|| events.unfinished().filter(is_wanted))?;
    Some(event.data)
}

impl Iterator for Events<'_> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        // Without a limit none is too large.
        self.reader.next(&mut self.rest)?.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kind, data and id.
    type Parts<S> = (S, S, S);

    fn read(pieces: &[&[u8]], most: usize) -> (Vec<Result<Parts<String>, Oversized>>, EventReader) {
        let (mut reader, mut found) = (EventReader::new(most), Vec::new());
        for piece in pieces {
            let mut rest = *piece;
            while let Some(event) = reader.next(&mut rest) {
                found.push(event.map(|event| (event.kind.into_owned(), event.data, event.id)));
            }
            assert!(rest.is_empty());
        }
        (found, reader)
    }

    fn all(text: &[u8]) -> Vec<Parts<String>> {
        let (found, _) = read(&[text], usize::MAX);
        found.into_iter().map(|event| event.expect("no limit")).collect()
    }

    fn event(kind: &str, data: &str, id: &str) -> Parts<String> {
        (kind.to_owned(), data.to_owned(), id.to_owned())
    }

    #[test]
    fn the_format() {
        let cases: [(&[u8], &[Parts<&str>]); 20] = [
            (b"data: a\n\n", &[("message", "a", "")]),
            (b"data: a\r\n\r\n", &[("message", "a", "")]),
            (b"data: a\r\r", &[("message", "a", "")]),
            (b"data: a\n\r\n", &[("message", "a", "")]),
            (b"data: a\r\ndata: b\rdata: c\n\n", &[("message", "a\nb\nc", "")]),
            (b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", &[("message", "a", "")]),
            (b"\xef\xbb\xbf\n\ndata:a\n\n", &[("message", "a", "")]),
            (b": ping\n\ndata:  a \n\n", &[("message", " a ", "")]),
            (b"data\n\n", &[("message", "", "")]),
            (b"data\ndata\n\n", &[("message", "\n", "")]),
            (b"data:\n\ndata", &[("message", "", "")]),
            (b"event: x\ndata: a\n\ndata: b\n\n", &[("x", "a", ""), ("message", "b", "")]),
            (b"event: x\n\ndata: b\n\n", &[("message", "b", "")]),
            (b"event: x\nevent: y\ndata: {\"a\": 1}\n\n", &[("y", "{\"a\": 1}", "")]),
            (
                b"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
                &[("message", "a", "1"), ("message", "b", "1"), ("message", "c", "")],
            ),
            (b"id: 1\nid: 2\x003\ndata: a\n\n", &[("message", "a", "1")]),
            (b"Data: a\n data: b\ndatas: c\n\n", &[]),
            (b"data: \xff\xc3\xa9\n\n", &[("message", "\u{fffd}\u{e9}", "")]),
            (b"data: a\n", &[]),
            (b"\n\n\r\n\r", &[]),
        ];
        for (text, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|(kind, data, id)| event(kind, data, id)).collect();
            assert_eq!(all(text), expected, "{:?}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn the_time_to_reconnect() {
        let (_, reader) = read(&[b"retry: 10\nretry: 1s\nretry\nretry: 99999999999999999999\n"], 100);
        assert_eq!(reader.retry(), Some(10));
    }

    #[test]
    fn a_large_event_is_skipped_and_the_next_is_read() {
        let text = format!("data: {}\ndata: x\n\n: {}\ndata: b\n\ndata: c\n\n", "a".repeat(50), "y".repeat(50));
        let large = || Err(Oversized { most: 40 });
        let expected = [large(), large(), Ok(event("message", "c", ""))];
        assert_eq!(read(&[text.as_bytes()], 40).0, expected);
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(read(&bytes, 40).0, expected);
        let lines = "data: a\n".repeat(30) + "\n";
        assert_eq!(read(&[lines.as_bytes()], 40).0, [large()], "many lines are large too");
    }

    #[test]
    fn an_endless_line_is_not_kept() {
        let mut reader = EventReader::new(1_000);
        for _ in 0..1_000 {
            let mut piece = [b'a'; 100].as_slice();
            assert_eq!(reader.next(&mut piece), None);
        }
        assert!(reader.line.capacity() + reader.data.capacity() < 4_000);
    }

    #[test]
    fn an_unfinished_event_is_returned_at_the_end() {
        let unfinished = |text: &str| Events::of(text.as_bytes()).unfinished().map(|event| event.data);
        assert_eq!(unfinished("data: a\n\ndata: b\ndata: {\"c").as_deref(), Some("b\n{\"c"));
        assert_eq!(unfinished("data: a\n\n"), None);
        assert_eq!(unfinished("data: a\n\ndat"), None);
        let (_, mut reader) = read(&[b"data: 0123456789"], 8);
        assert_eq!(reader.unfinished(), None, "it is too large");
    }

    #[test]
    fn the_first_of_a_kind() {
        let text = b"data: x\n\nevent: endpoint\n\ndata: y\n\nevent:  endpoint\r\ndata: /m\r\n\r\nevent: endpoint\ndata: /n\n\n";
        assert_eq!(data_of("endpoint", text).as_deref(), Some("/m"));
        assert_eq!(data_of("endpoint", b"event: endpoint\ndata: /m").as_deref(), Some("/m"));
        assert_eq!(data_of("endpoint", b"data: /m\n\n"), None);
    }

    #[test]
    fn the_work_is_linear_however_it_is_cut() {
        // One event of many lines, one of a long line, and many small ones.
        let texts = [
            "data: abc\n".repeat(20_000) + "\n",
            format!("data: {}\n\n", "a".repeat(200_000)),
            "data: a\n\n".repeat(20_000),
        ];
        for text in texts {
            for size in [1, 2, 7, 4_096, text.len()] {
                let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
                let (_, reader) = read(&pieces, usize::MAX);
                assert!(
                    reader.work <= 2 * text.len(),
                    "{} of {} in pieces of {size}",
                    reader.work,
                    text.len()
                );
            }
        }
    }
}
