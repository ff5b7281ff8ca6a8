//! Counts the pieces of text of a stream: servers send about one token in each.

use memchr::memchr;

/// So much of a line is looked at: the name of an event, or how its data begins.
const LOOKED_AT: usize = 48;

/// Counts the lines or events that carry text.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// How the line that is under way begins.
    line: Vec<u8>,
    /// Lines with a document.
    documents: u64,
    /// Events whose name says that they carry text; `None`: the stream names no events.
    deltas: Option<u64>,
}

impl Pieces {
    /// The next bytes of the stream, wherever they are cut.
    pub(super) fn piece(&mut self, mut rest: &[u8]) {
        while !rest.is_empty() {
            let end = memchr(b'\n', rest);
            let line = &rest[..end.unwrap_or(rest.len())];
            let room = LOOKED_AT.saturating_sub(self.line.len());
            self.line.extend_from_slice(&line[..line.len().min(room)]);
            let Some(end) = end else { return };
            self.end_line();
            rest = &rest[end + 1..];
        }
    }

    fn end_line(&mut self) {
        let line = self.line.trim_ascii();
        if let Some(name) = line.strip_prefix(b"event:") {
            let name = name.trim_ascii();
            // Anthropic's `message_delta` has the counters.
            let is_text = name.ends_with(b"delta") && name != b"message_delta";
            *self.deltas.get_or_insert(0) += u64::from(is_text);
        } else if line.strip_prefix(b"data:").unwrap_or(line).trim_ascii().starts_with(b"{") {
            self.documents += 1;
        }
        self.line.clear();
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.deltas.unwrap_or(self.documents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_counts_its_texts() {
        for (text, count) in [
            ("data: {\"a\":1}\n\ndata: {\"a\":2}\n\ndata: [DONE]\n\n", 2),
            ("data:{\"a\":1}\r\n\r\n: ping\r\n\r\n", 1),
            ("{\"a\":1}\n{\"a\":2}\n{\"a\"", 2),
            (
                "event: message_start\ndata: {}\n\nevent: content_block_delta\ndata: {}\n\nevent: message_delta\ndata: {}\n\n",
                1,
            ),
            (
                "event: response.output_text.delta\ndata: {}\n\nevent: response.completed\ndata: {}\n\n",
                1,
            ),
            ("", 0),
        ] {
            for step in [1, 3, 1_000] {
                let mut pieces = Pieces::default();
                text.as_bytes().chunks(step).for_each(|piece| pieces.piece(piece));
                assert_eq!(pieces.count(), count, "{text:?} by {step}");
            }
        }
    }
}
