//! Splitting JSON into values: one per line, the elements of an array, or those of an array inside an object. Nothing recurses, so depth
//! costs nothing. Whether a value is valid is left to the parser.

use std::io::Read;

use super::{Framed, Keep, Unfinished};
use crate::input::{CHUNK, Input};

/// The keys that lead from an object to the array whose elements are the records.
pub(crate) type Paths = &'static [&'static [&'static str]];

/// The longest key that is remembered.
const KEY: usize = 16;

/// Keys are remembered down to this depth of a value.
const DEPTHS: usize = 2;

/// Finds JSON values.
pub(crate) struct JsonFrames {
    paths: Paths,
    /// Whether a line's end ends a value, whole or not.
    by_line: bool,
    /// Closing brackets of the containers around the records.
    shell: Vec<u8>,
    /// Skipping what follows the records inside an object.
    rest: bool,
    /// Skipping unreadable text until a line that begins a value.
    lost: bool,
    /// Whether the end came inside a record.
    cut: bool,
    unfinished: Option<Unfinished>,
}

/// Containers are told apart down to this depth; deeper ones are counted.
const KINDS: usize = 256;

/// The state of the scan within a value.
#[derive(Default)]
struct Inside {
    depth: usize,
    /// What the containers around this place begin with, as far as they are told apart.
    kinds: Vec<u8>,
    /// Whether a key or the end must come next.
    key_next: bool,
    in_string: bool,
    escaped: bool,
    last: Vec<u8>,
    keys: [Vec<u8>; DEPTHS],
}

/// The result of a step of the scan.
enum Met {
    /// Nothing yet.
    On,
    /// The value's end, with this byte.
    End,
    /// An array of records: so many containers stand around it.
    Records(usize),
    /// A line's end inside the value.
    LineEnd,
    /// A misplaced bracket: one before it is missing.
    Broken,
}

impl JsonFrames {
    /// `head` is what the text begins with: it shows whether values stand on lines of their own.
    pub(crate) fn new(head: &[u8], paths: Paths) -> Self {
        Self {
            paths,
            by_line: is_by_line(head),
            shell: Vec::new(),
            rest: false,
            lost: false,
            cut: false,
            unfinished: None,
        }
    }

    /// Where the text ended too early.
    pub(crate) fn unfinished(&self) -> Option<&Unfinished> {
        self.unfinished.as_ref()
    }

    /// The last frame, if there is one.
    fn end<R: Read>(&mut self, input: &mut Input<R>) -> Option<Framed> {
        let line = input.line();
        if self.cut {
            self.unfinished = Some(Unfinished::sure(line, "it ends inside a record"));
        } else if let Some(last) = self.shell.first() {
            let what = if *last == b']' { "the array" } else { "the object" };
            self.unfinished = Some(Unfinished::sure(line, &format!("{what} around its records is not closed")));
        }
        Some(Framed::bad(line, input.take_fault()?))
    }

    pub(crate) fn next<R: Read>(&mut self, input: &mut Input<R>, out: &mut Vec<u8>, most: usize) -> Option<Framed> {
        loop {
            if self.lost && !self.find_line(input) {
                return self.end(input);
            }
            if self.rest && !self.pass_rest(input) {
                return self.end(input);
            }
            let Some(first) = self.between(input) else {
                return self.end(input);
            };
            let line = input.line();
            let mut keep = Keep::new(out, most);
            let alone = self.by_line && self.shell.is_empty();
            if !matches!(first, b'{' | b'[' | b'"') || alone && (first == b'"' || first == b'[' && !is_list(input)) {
                self.scalar(input, &mut keep, alone);
                return Some(Framed::bad(line, keep.too_long().unwrap_or_else(|| "no JSON object".to_owned())));
            }
            let mut inside = Inside::default();
            let fault = loop {
                let chunk = input.fill();
                if chunk.is_empty() {
                    self.cut = true;
                    break Some(input.take_fault().unwrap_or_else(|| "the file ends inside this record".to_owned()));
                }
                let (used, met) = inside.scan(chunk, self.paths, self.by_line);
                keep.push(&chunk[..used]);
                input.consume(used);
                match met {
                    Met::On => {}
                    Met::End => break keep.too_long(),
                    Met::Records(objects) => {
                        keep.clear();
                        self.shell.extend(std::iter::repeat_n(b'}', objects));
                        self.shell.push(b']');
                        break None;
                    }
                    Met::LineEnd => {
                        self.lost = !self.by_line;
                        if self.by_line {
                            // An array around the lines goes on; an object's line is over.
                            let array = self.shell.first() == Some(&b']');
                            self.shell.clear();
                            if array {
                                self.shell.push(b']');
                            }
                        }
                        break Some("the line ends inside this record".to_owned());
                    }
                    Met::Broken => {
                        self.lost = true;
                        break Some("a bracket is missing in this record".to_owned());
                    }
                }
            };
            if fault.is_none() && keep.is_empty() {
                continue;
            }
            return Some(Framed::new(line, fault));
        }
    }

    /// Skips what is between values; returns the first byte of the next one without consuming it.
    fn between<R: Read>(&mut self, input: &mut Input<R>) -> Option<u8> {
        loop {
            let chunk = input.fill();
            let first = *chunk.first()?;
            match first {
                b' ' | b'\t' | b'\r' | b'\n' | b',' => {
                    let blank = chunk
                        .iter()
                        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b','))
                        .count();
                    input.consume(blank);
                }
                b'[' if self.shell.is_empty() && (!self.by_line || is_list(input)) => {
                    self.shell.push(b']');
                    input.consume(1);
                }
                b']' | b'}' => {
                    if self.shell.last() == Some(&first) {
                        self.shell.pop();
                        self.rest = self.shell.last() == Some(&b'}');
                    }
                    input.consume(1);
                    if self.rest && !self.pass_rest(input) {
                        return None;
                    }
                }
                // The end of a stream of text, as some tools put it.
                0x1e | 0 => input.consume(1),
                _ => return Some(first),
            }
        }
    }

    /// Passes over the members that follow the records, up to the end of the object around them.
    fn pass_rest<R: Read>(&mut self, input: &mut Input<R>) -> bool {
        while self.rest {
            let mut inside = Inside {
                depth: 1,
                kinds: vec![b'{'],
                ..Inside::default()
            };
            loop {
                let chunk = input.fill();
                if chunk.is_empty() {
                    return false;
                }
                let (used, met) = inside.scan(chunk, &[], self.by_line);
                input.consume(used);
                match met {
                    Met::On | Met::Records(_) => {}
                    Met::End => break,
                    Met::LineEnd | Met::Broken => {
                        self.shell.clear();
                        self.rest = false;
                        return true;
                    }
                }
            }
            self.shell.pop();
            self.rest = self.shell.last() == Some(&b'}');
        }
        true
    }

    /// Takes what is no record: the rest of a line where each is a value by itself, and else what stands before the next value.
    fn scalar<R: Read>(&mut self, input: &mut Input<R>, keep: &mut Keep<'_>, alone: bool) {
        loop {
            let chunk = input.fill();
            let used = match alone {
                true => memchr::memchr(b'\n', chunk),
                false => chunk.iter().position(|byte| matches!(byte, b'\n' | b'{' | b'}' | b']')),
            };
            let used = used.unwrap_or(chunk.len());
            keep.push(&chunk[..used]);
            let over = used < chunk.len() || chunk.is_empty();
            input.consume(used);
            if over {
                return;
            }
        }
    }

    /// Goes to the next line that begins with `{`; false: there is none.
    fn find_line<R: Read>(&mut self, input: &mut Input<R>) -> bool {
        let mut last = 0;
        loop {
            let chunk = input.fill();
            if chunk.is_empty() {
                // The brackets that close it may be among what was passed over.
                if self.shell.first() == Some(&last) {
                    self.shell.clear();
                }
                return false;
            }
            let blank = chunk
                .iter()
                .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b','))
                .count();
            if blank > 0 {
                input.consume(blank);
                continue;
            }
            if chunk.first() == Some(&b'{') {
                self.lost = false;
                return true;
            }
            let to = memchr::memchr(b'\n', chunk).map_or(chunk.len(), |at| at + 1);
            last = chunk.get(..to).unwrap_or_default().trim_ascii_end().last().copied().unwrap_or(last);
            input.consume(to);
        }
    }
}

impl Inside {
    /// Goes on through some bytes; says how many were used and what the last of them was.
    fn scan(&mut self, chunk: &[u8], paths: Paths, by_line: bool) -> (usize, Met) {
        let mut at = 0;
        while let Some(&byte) = chunk.get(at) {
            if self.in_string {
                if self.escaped {
                    self.escaped = false;
                    at += 1;
                    continue;
                }
                let rest = &chunk[at..];
                let run = memchr::memchr3(b'"', b'\\', b'\n', rest).unwrap_or(rest.len());
                let room = KEY.saturating_add(1).saturating_sub(self.last.len());
                self.last.extend_from_slice(&rest[..run.min(room)]);
                at += run;
                match chunk.get(at) {
                    Some(b'"') => {
                        self.in_string = false;
                        at += 1;
                        if self.depth == 0 {
                            return (at, Met::End);
                        }
                    }
                    Some(b'\\') => {
                        self.escaped = true;
                        // No key that is looked for has an escape.
                        self.last.push(b'\\');
                        at += 1;
                    }
                    // JSON has no line's end in a string: the text is broken here.
                    Some(_) => return (at, Met::LineEnd),
                    None => {}
                }
                self.last.truncate(KEY + 1);
                continue;
            }
            match byte {
                b'"' => {
                    self.in_string = true;
                    self.key_next = false;
                    self.last.clear();
                }
                b',' => self.key_next = self.innermost() == Some(b'{'),
                // Where values stand on lines of their own, the line says where the next one begins.
                b'{' | b'[' if self.key_next && !by_line => return (at, Met::Broken),
                b'}' if !by_line && self.innermost() == Some(b'[') => return (at + 1, Met::Broken),
                b']' if !by_line && self.innermost() == Some(b'{') => return (at + 1, Met::Broken),
                b':' => {
                    // Also after a key without quotes, as masscan 1.0 wrote them.
                    self.key_next = false;
                    if let Some(key) = self.depth.checked_sub(1).and_then(|depth| self.keys.get_mut(depth)) {
                        key.clone_from(&self.last);
                    }
                }
                b'[' if self.leads(paths) => return (at + 1, Met::Records(self.depth)),
                b'{' | b'[' => {
                    self.depth += 1;
                    self.key_next = byte == b'{';
                    if self.kinds.len() + 1 == self.depth && self.depth <= KINDS {
                        self.kinds.push(byte);
                    }
                    if let Some(key) = self.depth.checked_sub(1).and_then(|depth| self.keys.get_mut(depth)) {
                        key.clear();
                    }
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.kinds.truncate(self.depth);
                    self.key_next = false;
                    if self.depth == 0 {
                        return (at + 1, Met::End);
                    }
                }
                b'\n' if by_line => return (at, Met::LineEnd),
                _ => {}
            }
            at += 1;
        }
        (at, Met::On)
    }

    /// What the innermost container begins with; `None` where it is too deep to be told.
    fn innermost(&self) -> Option<u8> {
        self.kinds.last().copied().filter(|_| self.kinds.len() == self.depth)
    }

    /// Whether the array that begins here holds the records.
    fn leads(&self, paths: Paths) -> bool {
        paths
            .iter()
            .any(|path| path.len() == self.depth && path.iter().zip(&self.keys).all(|(want, have)| want.as_bytes() == have.as_slice()))
    }
}

/// Whether the bracket that stands next may begin a list of records: what tools say of their work begins with one too, `[INF] …`.
fn is_list<R: Read>(input: &mut Input<R>) -> bool {
    let mut want = 64;
    loop {
        let bytes = input.at_hand(want);
        let inside = bytes.get(1..).unwrap_or_default().trim_ascii_start();
        match inside.first() {
            Some(first) => return matches!(first, b'{' | b'[' | b'"' | b']') || is_scalar(inside),
            None if bytes.len() < want || want >= CHUNK => return true,
            None => want = (want * 8).min(CHUNK),
        }
    }
}

/// Whether a number or a word of JSON stands here, and a list goes on or ends after it.
fn is_scalar(text: &[u8]) -> bool {
    let end = text.iter().position(|byte| matches!(byte, b',' | b']')).unwrap_or(text.len());
    let word = text.get(..end).unwrap_or_default().trim_ascii();
    let number = word.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-')
        && word
            .iter()
            .skip(1)
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+'));
    number || matches!(word, b"true" | b"false" | b"null")
}

/// Whether the list that a text begins with, if it does, may be one of records.
pub(crate) fn may_be_json(head: &[u8]) -> bool {
    let text = head.trim_ascii_start();
    match text.strip_prefix(b"[") {
        None => text.starts_with(b"{"),
        Some(inside) => {
            let inside = inside.trim_ascii_start();
            matches!(inside.first(), None | Some(b'{' | b'[' | b'"' | b']')) || is_scalar(inside)
        }
    }
}

/// Whether a text is a list with nothing in it.
pub(crate) fn is_empty_list(head: &[u8]) -> bool {
    let inside = head.trim_ascii().strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    inside.is_some_and(|inside| inside.trim_ascii().is_empty())
}

/// Whether a text is one value, whole.
pub(crate) fn is_whole(text: &[u8]) -> bool {
    let (used, met) = Inside::default().scan(text, &[], true);
    used == text.len() && matches!(met, Met::End)
}

/// Whether each value is on its own line, judging by the first of them.
fn is_by_line(head: &[u8]) -> bool {
    let start = head
        .iter()
        .position(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'[' | b','))
        .unwrap_or(0);
    let rest = &head[start..];
    let Some(end) = memchr::memchr(b'\n', rest) else {
        return true;
    };
    let line = rest[..end].trim_ascii_end();
    let mut inside = Inside::default();
    if matches!(inside.scan(line, &[], false), (_, Met::End)) {
        return true;
    }
    // A value that goes on after the line says so by how the line ends.
    !matches!(line.last(), Some(b'{' | b'[' | b',' | b':'))
}

/// The keys of the first value in a text, with their depth from 1, as far as the text goes.
pub(crate) fn first_keys(head: &[u8]) -> Vec<(usize, String)> {
    let head = &head[..head.len().min(CHUNK)];
    let mut keys = Vec::new();
    let (mut depth, mut objects) = (0_usize, 0_usize);
    let mut at = 0;
    while let Some(&byte) = head.get(at) {
        match byte {
            b'"' => {
                let start = at + 1;
                at = start;
                while let Some(&inner) = head.get(at) {
                    match inner {
                        b'\\' => at += 1,
                        b'"' => break,
                        _ => {}
                    }
                    at += 1;
                }
                let text = head.get(start..at).unwrap_or_default();
                let after = head.get(at + 1..).unwrap_or_default();
                let colon = after.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
                // Records are told apart by their outer keys; those of a member may be thousands.
                if colon && objects <= DEPTHS && text.len() <= 64 && keys.len() < 2_000 {
                    let key = (objects, String::from_utf8_lossy(text).into_owned());
                    if !keys.contains(&key) {
                        keys.push(key);
                    }
                }
            }
            b'{' => {
                depth += 1;
                objects += 1;
            }
            b'[' => depth += 1,
            b'}' => {
                depth = depth.saturating_sub(1);
                objects = objects.saturating_sub(1);
                if objects == 0 {
                    return keys;
                }
            }
            b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(text: &str, paths: Paths) -> Vec<(u64, Result<String, String>)> {
        let mut input = Input::new(text.as_bytes()).expect("a slice reads");
        let mut frames = JsonFrames::new(input.head(), paths);
        let mut all = Vec::new();
        let mut out = Vec::new();
        while let Some(framed) = frames.next(&mut input, &mut out, 1_000) {
            let text = String::from_utf8_lossy(&out).into_owned();
            all.push((framed.line, framed.fault.map_or(Ok(text), Err)));
            out.clear();
        }
        all
    }

    fn whole(text: &str, paths: Paths) -> Vec<String> {
        frames(text, paths)
            .into_iter()
            .map(|(_, r)| r.unwrap_or_else(|e| format!("bad: {e}")))
            .collect()
    }

    const MATCHES: Paths = &[&["matches"], &["result", "hits"]];

    #[test]
    fn lines_arrays_and_replies() {
        let two = [r#"{"a":1}"#, r#"{"b":"}"}"#];
        for text in [
            "{\"a\":1}\n{\"b\":\"}\"}\n",
            "[{\"a\":1},{\"b\":\"}\"}]",
            "[\n{\"a\":1}\n,\n{\"b\":\"}\"}\n]\n",
            "[\n{\"a\":1},\n{\"b\":\"}\"},\n]",
            "{\"total\":2,\"matches\":[{\"a\":1},{\"b\":\"}\"}],\"facets\":{\"x\":[{\"y\":1}]}}",
            "{\"code\":200,\"result\":{\"query\":\"x\",\"hits\":[{\"a\":1},{\"b\":\"}\"}],\"links\":{\"next\":\"\"}},\"z\":{}}\n",
            "{\"matches\":[{\"a\":1}]}\n{\"matches\":[{\"b\":\"}\"}]}\n",
            "\n\n{\"a\":1}{\"b\":\"}\"}",
        ] {
            assert_eq!(whole(text, MATCHES), two, "{text}");
        }
        assert_eq!(whole("{\n  \"a\":\n  [1]\n}\n", MATCHES), ["{\n  \"a\":\n  [1]\n}"]);
        assert_eq!(
            whole("{\n \"matches\": [\n {\n \"a\": 1\n }\n ],\n \"total\": 1\n}\n", MATCHES),
            ["{\n \"a\": 1\n }"]
        );
        // `matches` that is no list, or is deeper, is a member as any other.
        assert_eq!(whole("{\"matches\":1}", MATCHES).len(), 1);
        assert_eq!(whole("{\"x\":{\"matches\":[1]}}", MATCHES).len(), 1);
        assert!(whole("", MATCHES).is_empty() && whole("[]", MATCHES).is_empty());
    }

    #[test]
    fn a_bracket_that_is_missing_costs_one_record() {
        let record = |n: u32| format!("{{\n  \"n\": {n},\n  \"in\": {{\n    \"a\": [\n      1,\n      {{\"x\": 2}}\n    ]\n  }}\n}}");
        for (from, to) in [
            // The record's own, the inner object's, the array's, and one too many of another kind.
            ("\n  }\n}", "\n  }\n"),
            ("    ]\n  }\n}", "    ]\n  \n}"),
            ("    ]\n", "\n"),
            ("      1,", "      [1,"),
        ] {
            for (before, after) in [("[\n", "\n]\n"), ("{\n\"matches\": [\n", "\n],\n\"total\": 4\n}\n")] {
                let broken = record(2).replacen(from, to, 1);
                assert_ne!(broken, record(2));
                let text = format!("{before}{},\n{broken},\n{},\n{}{after}", record(1), record(3), record(4));
                let all = whole(&text, MATCHES);
                let read: Vec<&String> = all.iter().filter(|record| !record.starts_with("bad")).collect();
                assert!(all.len() - read.len() >= 1, "{all:?}");
                assert!([1, 3, 4].iter().all(|n| read.contains(&&record(*n))), "{from:?} {all:?}");
                assert!(!read.contains(&&record(2)));
            }
        }
    }

    #[test]
    fn a_broken_record_affects_only_itself() {
        let bad = frames("{\"a\":1}\n{\"b\":\n{\"c\":\"x\n7\n{\"d\":1}\n", MATCHES);
        let told: Vec<(u64, bool)> = bad.iter().map(|(line, r)| (*line, r.is_ok())).collect();
        assert_eq!(told, [(1, true), (2, false), (3, false), (4, false), (5, true)]);
        let cut = frames("{\"matches\":[{\"a\":1},{\"b\":", MATCHES);
        assert_eq!(cut.len(), 2);
        assert!(cut[1].1.is_err());
        let array = whole("[\n{\"a\":1},\n{\"b\":\"\n{\"c\":1}\n]", MATCHES);
        assert_eq!(array, ["{\"a\":1}", "bad: the line ends inside this record", "{\"c\":1}"]);
        let pretty = whole("[\n {\n \"a\": \"x\n },\n {\n \"b\": 1\n }\n]", MATCHES);
        assert_eq!(pretty, ["bad: the line ends inside this record", "{\n \"b\": 1\n }"]);
        let long = frames(&format!("{{\"a\":\"{}\"}}\n{{\"b\":1}}", "x".repeat(2_000)), MATCHES);
        assert_eq!(long[0].1, Err("longer than 1000 bytes".to_owned()));
        assert!(long[1].1.is_ok());
    }
}
