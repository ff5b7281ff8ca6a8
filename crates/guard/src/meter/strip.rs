//! Takes out of an event stream the counters that the gateway asked for and the client did not.

use std::ops::Range;

use memchr::{memchr2, memmem};
use vigie_catalog::table::{Item, Json, JsonKind};

use super::habit::{Others, Strips};

/// An event of more bytes passes as it is: the extra chunk has a few hundred.
const LARGEST: usize = 1 << 20;

/// Takes the counters out of a stream: the chunk whose `choices` are empty and whose `usage` is an object, and what the other chunks have
/// of them. Every other byte passes as it came. Where the fingerprint of the system moved to that chunk, it is put back.
///
/// An event is held until its end has come, never longer; only the last chunk of a choice waits for the event after it, which may be that chunk
/// with the fingerprint. The work is linear in the bytes, however the stream is cut into pieces.
#[derive(Debug)]
pub(crate) struct Stripper {
    strips: Strips,
    /// The event that is under way.
    held: Vec<u8>,
    /// The last chunks of choices, and where each of them takes a fingerprint.
    last: Vec<u8>,
    takes: Vec<Takes>,
    /// Nothing of the line that is under way has come.
    at_line_start: bool,
    /// The last byte was a carriage return: a line feed after it belongs to the same end of line.
    after_return: bool,
    /// The event that is under way is too large, and its bytes pass as they come.
    passing: bool,
    /// The event before was left out: the second half of its last end of line is, too.
    left_out: bool,
}

impl Stripper {
    /// A stripper for a stream from its start.
    pub(crate) fn new(strips: Strips) -> Self {
        Self {
            strips,
            held: Vec::new(),
            last: Vec::new(),
            takes: Vec::new(),
            at_line_start: true,
            after_return: false,
            passing: false,
            left_out: false,
        }
    }

    /// Takes a piece of the stream and appends what passes to `out`.
    pub(crate) fn piece(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        // Where the event that is under way begins in this piece, and where it goes on.
        let (mut start, mut at) = (0, 0);
        while let Some(&byte) = piece.get(at) {
            if std::mem::take(&mut self.after_return) && byte == b'\n' {
                at += 1;
                if at - start == 1 && self.held.is_empty() && !self.passing {
                    // The event before ended with the carriage return.
                    if !self.last.is_empty() {
                        self.last.push(b'\n');
                    } else if !self.left_out {
                        out.push(b'\n');
                    }
                    start = at;
                }
                continue;
            }
            let Some(length) = memchr2(b'\r', b'\n', &piece[at..]) else {
                self.at_line_start = false;
                break;
            };
            self.after_return = piece[at + length] == b'\r';
            let is_empty = std::mem::replace(&mut self.at_line_start, true) && length == 0;
            at += length + 1;
            if is_empty {
                self.end_event(&piece[start..at], out);
                start = at;
            }
        }
        let rest = &piece[start..];
        if self.held.len() + rest.len() > LARGEST {
            self.release(None, out);
        }
        if self.passing {
            out.extend_from_slice(rest);
        } else if self.held.len() + rest.len() > LARGEST {
            out.append(&mut self.held);
            out.extend_from_slice(rest);
            self.passing = true;
        } else {
            self.held.extend_from_slice(rest);
        }
    }

    /// The stream is over: what is held of an event without an end passes.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        self.release(None, out);
        out.append(&mut self.held);
    }

    /// The event that is under way ends with these bytes.
    fn end_event(&mut self, last: &[u8], out: &mut Vec<u8>) {
        self.left_out = false;
        if std::mem::take(&mut self.passing) {
            return out.extend_from_slice(last);
        }
        let mut held = std::mem::take(&mut self.held);
        let event = if held.is_empty() {
            last
        } else {
            held.extend_from_slice(last);
            &held
        };
        match change(event, self.strips.others) {
            Change::None => self.pass(event, &(event.len()..event.len()), out),
            Change::LeaveOut => {
                let fingerprint = if self.last.is_empty() { None } else { fingerprint(event) };
                self.release(fingerprint, out);
                self.left_out = true;
            }
            Change::Cut(range) => self.pass(event, &range, out),
        }
        // Its room is used again.
        held.clear();
        self.held = held;
    }

    /// Passes an event on without some of its bytes, or keeps it until the next one if it takes a fingerprint.
    fn pass(&mut self, event: &[u8], cut: &Range<usize>, out: &mut Vec<u8>) {
        let takes = if self.strips.moves_fingerprint { Takes::of(event) } else { None };
        let Some(takes) = takes.filter(|_| self.last.len() + event.len() <= LARGEST) else {
            self.release(None, out);
            out.extend_from_slice(&event[..cut.start]);
            return out.extend_from_slice(&event[cut.end..]);
        };
        let base = self.last.len();
        let moved = |at: usize| base + at - if cut.end <= at { cut.len() } else { 0 };
        self.takes.push(Takes {
            range: moved(takes.range.start)..moved(takes.range.end),
            is_value: takes.is_value,
        });
        self.last.extend_from_slice(&event[..cut.start]);
        self.last.extend_from_slice(&event[cut.end..]);
    }

    /// Passes on what was kept, with the fingerprint where there is one.
    fn release(&mut self, fingerprint: Option<Vec<u8>>, out: &mut Vec<u8>) {
        let mut from = 0;
        if let Some(fingerprint) = fingerprint {
            for takes in &self.takes {
                out.extend_from_slice(&self.last[from..takes.range.start]);
                if !takes.is_value {
                    out.extend_from_slice(b",\"system_fingerprint\":");
                }
                out.extend_from_slice(&fingerprint);
                from = takes.range.end;
            }
        }
        out.extend_from_slice(&self.last[from..]);
        self.last.clear();
        self.takes.clear();
    }
}

/// Where an event takes a fingerprint: in place of these bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Takes {
    range: Range<usize>,
    /// The key is there, and its value is null.
    is_value: bool,
}

impl Takes {
    /// Of the last chunk of a choice: one of its choices says why it ended.
    fn of(event: &[u8]) -> Option<Self> {
        let key = b"\"finish_reason\"";
        let behind = event.get(memmem::find(event, key)? + key.len()..)?;
        // Most chunks say null.
        let value = behind.iter().find(|byte| !byte.is_ascii_whitespace() && **byte != b':');
        if value != Some(&b'"') {
            return None;
        }
        let data = data(event)?;
        let json = Json::parse(&event[data.clone()]).ok()?;
        let find = |name: &str| {
            json.root()
                .entries()
                .find(|(key, _)| key.text().as_deref() == Some(name))
                .map(|(_, value)| value)
        };
        let ends = |choice: Item<'_, '_>| {
            let mut entries = choice.entries();
            entries.any(|(key, value)| key.text().as_deref() == Some("finish_reason") && value.kind() == JsonKind::Text)
        };
        if !find("choices")?.elements().any(ends) {
            return None;
        }
        match find("system_fingerprint") {
            None => {
                let at = data.start + json.root().range().end.checked_sub(1)?;
                Some(Self {
                    range: at..at,
                    is_value: false,
                })
            }
            Some(value) if value.kind() == JsonKind::Null => Some(Self {
                range: data.start + value.range().start..data.start + value.range().end,
                is_value: true,
            }),
            Some(_) => None,
        }
    }
}

/// The fingerprint that an event names, as it is written there.
fn fingerprint(event: &[u8]) -> Option<Vec<u8>> {
    let data = data(event)?;
    let json = Json::parse(&event[data.clone()]).ok()?;
    let mut entries = json.root().entries();
    let (_, value) = entries.find(|(key, value)| key.text().as_deref() == Some("system_fingerprint") && value.kind() == JsonKind::Text)?;
    Some(event[data.start + start(value)..data.start + end(value)].to_vec())
}

/// What becomes of an event.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    None,
    LeaveOut,
    /// These bytes are left out.
    Cut(Range<usize>),
}

fn change(event: &[u8], others: Others) -> Change {
    // Most chunks have none.
    if memmem::find(event, b"\"usage\"").is_none() {
        return Change::None;
    }
    let Some(data) = data(event) else { return Change::None };
    let Ok(json) = Json::parse(&event[data.clone()]) else {
        return Change::None;
    };
    let entries: Vec<(Item<'_, '_>, Item<'_, '_>)> = json.root().entries().collect();
    let find = |name: &str| entries.iter().position(|(key, _)| key.text().as_deref() == Some(name));
    let (Some(choices), Some(usage)) = (find("choices"), find("usage")) else {
        return Change::None;
    };
    let (choices, value) = (entries[choices].1, entries[usage].1);
    if choices.kind() != JsonKind::List {
        return Change::None;
    }
    if choices.is_nothing() && value.kind() == JsonKind::Object {
        return Change::LeaveOut;
    }
    let is_cut = match others {
        Others::Nothing => false,
        Others::Null => value.kind() == JsonKind::Null,
        Others::Any => true,
    };
    if !is_cut {
        return Change::None;
    }
    // With the comma before it; the first with the one after it.
    let range = match usage.checked_sub(1).and_then(|before| entries.get(before)) {
        Some((_, before)) => end(*before)..end(value),
        None => {
            let from = start(entries[usage].0);
            from..entries.get(usage + 1).map_or(end(value), |(next, _)| start(*next))
        }
    };
    Change::Cut(data.start + range.start..data.start + range.end)
}

/// Where a value or key begins, its quote included.
fn start(item: Item<'_, '_>) -> usize {
    item.range().start - usize::from(item.kind() == JsonKind::Text)
}

/// Where it ends.
fn end(item: Item<'_, '_>) -> usize {
    item.range().end + usize::from(item.kind() == JsonKind::Text)
}

/// Where the data of an event stands that has one line of it.
fn data(event: &[u8]) -> Option<Range<usize>> {
    let mut found = None;
    let mut at = 0;
    while at < event.len() {
        let length = memchr2(b'\r', b'\n', &event[at..]).unwrap_or(event.len() - at);
        let line = &event[at..at + length];
        if let Some(value) = line.strip_prefix(b"data:") {
            let skipped = 5 + usize::from(value.first() == Some(&b' '));
            if found.replace(at + skipped..at + length).is_some() {
                return None;
            }
        }
        at += length + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(others: Others) -> Stripper {
        Stripper::new(Strips {
            others,
            moves_fingerprint: false,
        })
    }

    fn stripped(others: Others, stream: &[u8], step: usize) -> String {
        stripped_by(plain(others), stream, step)
    }

    fn stripped_by(mut stripper: Stripper, stream: &[u8], step: usize) -> String {
        let mut out = Vec::new();
        stream.chunks(step).for_each(|piece| stripper.piece(piece, &mut out));
        stripper.finish(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    const EXTRA: &str = "data: {\"id\":\"x\",\"choices\":[],\"usage\":{\"prompt_tokens\":1}}";

    #[test]
    fn exactly_the_counters_are_taken_out() {
        for end in ["\n", "\r\n", "\r"] {
            let chunk = |text: &str| format!("data: {text}{end}{end}");
            let extra = format!("{EXTRA}{end}{end}");
            let stream = [
                chunk("{\"choices\":[{\"text\":\"a\"}],\"usage\":null}"),
                format!(": a comment{end}{end}"),
                chunk("{\"usage\" : null , \"choices\":[{\"text\":\"\\\"usage\\\"\"}]}"),
                chunk("{\"choices\":[{\"text\":\"b\"}],\"usage\":{\"prompt_tokens\":0},\"model\":\"m\"}"),
                chunk("{\"choices\":[], \"usage\": null, \"filter\":1}"),
                chunk("{\"error\":{\"usage\":1}}"),
                chunk("{\"type\":\"message_delta\",\"usage\":{\"output_tokens\":5}}"),
                chunk("{\"usage\": 7"),
                extra.clone(),
                chunk("[DONE]"),
            ];
            let whole = stream.concat();
            let (null, any, nothing) = (
                [
                    chunk("{\"choices\":[{\"text\":\"a\"}]}"),
                    stream[1].clone(),
                    chunk("{\"choices\":[{\"text\":\"\\\"usage\\\"\"}]}"),
                    stream[3].clone(),
                    chunk("{\"choices\":[], \"filter\":1}"),
                    stream[5..8].concat(),
                    stream[9].clone(),
                ],
                chunk("{\"choices\":[{\"text\":\"b\"}],\"model\":\"m\"}"),
                [&stream[..8], &stream[9..]].concat(),
            );
            let mut all = null.clone();
            all[3] = any;
            for step in [1, 2, 3, 17, 10_000] {
                assert_eq!(stripped(Others::Null, whole.as_bytes(), step), null.concat(), "{end:?} by {step}");
                assert_eq!(stripped(Others::Any, whole.as_bytes(), step), all.concat(), "{end:?} by {step}");
                assert_eq!(
                    stripped(Others::Nothing, whole.as_bytes(), step),
                    nothing.concat(),
                    "{end:?} by {step}"
                );
            }
        }
    }

    #[test]
    fn a_fingerprint_is_put_back_where_it_would_have_been() {
        let moves = || {
            Stripper::new(Strips {
                others: Others::Null,
                moves_fingerprint: true,
            })
        };
        for end in ["\n", "\r\n", "\r"] {
            let chunk = |text: &str| format!("data: {text}{end}{end}");
            let first =
                chunk(r#"{"id":"x","choices":[{"delta":{"content":"\"finish_reason\":\"stop\""},"finish_reason":null}],"usage":null}"#);
            let first_passed = first.replace(",\"usage\":null", "");
            let last = |more: &str| {
                chunk(&format!(
                    "{{\"id\":\"x\",\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"stop\",\"stop_reason\":null}}]{more}}}"
                ))
            };
            let extra = |more: &str| chunk(&format!("{{\"id\":\"x\",\"choices\":[],\"usage\":{{\"prompt_tokens\":1}}{more}}}"));
            let named = ",\"system_fingerprint\":\"vllm-0.31.0-0\\u0061\"";
            let done = chunk("[DONE]");
            for (last, extra, wanted) in [
                (last(""), extra(named), last(named)),
                (last(",\"usage\":null"), extra(named), last(named)),
                (
                    last(",\"system_fingerprint\":null,\"metrics\":null"),
                    extra(named),
                    last(&format!("{named},\"metrics\":null")),
                ),
                (last(""), extra(""), last("")),
                (last(""), extra(",\"system_fingerprint\":null"), last("")),
                (last(""), String::new(), last("")),
                // Two choices that end in one step.
                (last("") + &last(""), extra(named), last(named) + &last(named)),
                // Another event in between: it is not kept back.
                (last("") + &first, extra(named), last("") + &first_passed),
            ] {
                let stream = [first.clone(), last, extra, done.clone()].concat();
                let wanted = [first_passed.clone(), wanted, done.clone()].concat();
                for step in [1, 2, 3, 17, 10_000] {
                    assert_eq!(stripped_by(moves(), stream.as_bytes(), step), wanted, "{end:?} by {step}");
                }
            }
            // A stream that breaks off behind its last chunk.
            let (mut stripper, mut out) = (moves(), Vec::new());
            stripper.piece(last("").as_bytes(), &mut out);
            stripper.finish(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), last(""));
        }
    }

    #[test]
    fn an_event_passes_with_its_last_byte() {
        let mut stripper = plain(Others::Null);
        let mut out = Vec::new();
        for byte in b"data: {\"choices\":[1]}\n" {
            stripper.piece(&[*byte], &mut out);
            assert!(out.is_empty());
        }
        stripper.piece(b"\ndata: {", &mut out);
        assert_eq!(out, b"data: {\"choices\":[1]}\n\n");
        stripper.finish(&mut out);
        assert!(out.ends_with(b"\n\ndata: {"), "what has no end is not kept back");
    }

    #[test]
    fn an_event_that_comes_byte_by_byte_costs_no_more() {
        // Read anew at each byte it would take hours.
        let event = format!("data: {{\"choices\":[\"{}\"],\"usage\":null}}\n\n", "x".repeat(LARGEST / 2));
        assert_eq!(stripped(Others::Null, event.as_bytes(), 1), event.replace(",\"usage\":null", ""));
    }

    #[test]
    fn a_large_event_is_not_kept() {
        let large = format!("data: {{\"choices\":[\"{}\"],\"usage\":null}}\n\n", "x".repeat(2 * LARGEST));
        let mut stripper = plain(Others::Null);
        let mut out = Vec::new();
        for piece in large.as_bytes().chunks(8_192) {
            stripper.piece(piece, &mut out);
            assert!(stripper.held.len() <= LARGEST);
        }
        stripper.piece(EXTRA.as_bytes(), &mut out);
        stripper.piece(b"\n\ndata: [DONE]\n\n", &mut out);
        assert_eq!(out, [large.as_bytes(), b"data: [DONE]\n\n"].concat());
    }

    proptest! {
        #[test]
        fn other_bytes_pass_as_they_are(stream in "([a-z\r\n: ]|data: |\"usage\"){0,200}", step in 1_usize..20) {
            prop_assert_eq!(stripped(Others::Any, stream.as_bytes(), step), stream);
        }

        #[test]
        fn pieces_make_no_difference(events in proptest::collection::vec(0_usize..6, 0..20), step in 1_usize..40) {
            let kinds = [
                "data: {\"choices\":[1],\"usage\":null}\n\n",
                "data: {\"choices\":[],\"usage\":{}}\n\n",
                "data: {\"choices\":[],\"usage\":{}}\r\n\r\n",
                "data: {\"choices\":[1],\"usage\":{}}\r\r",
                ": ping\n\n",
                "\n",
            ];
            let stream: String = events.iter().map(|event| kinds[*event]).collect();
            prop_assert_eq!(stripped(Others::Any, stream.as_bytes(), step), stripped(Others::Any, stream.as_bytes(), usize::MAX));
        }
    }
}
