//! The `<host>` elements of an nmap XML, and the attributes of its `<nmaprun>`. Comments, processing instructions and document
//! types are passed over: no entity is ever declared, and nothing is ever fetched.
//!
//! What nmap says of its own progress is taken out wherever it stands, inside a tag too; a tag that cannot be read all the same is noted in
//! the host, for the parser to tell, or told here where it stands in none.

use std::io::Read;
use std::sync::Arc;

use super::status::{self, Status, status};
use super::{Framed, Head, Keep, QUOTED, Unfinished};
use crate::input::{CHUNK, Input};
use crate::options::MAX_RECORD;
use crate::time::FINISHED;
use crate::xml::{MENDED, Tag, note};

/// The longest comment that is kept while it is passed over: none of it is needed.
const MAX_OTHER: usize = 64 * 1024;

/// Finds `<host>` elements.
pub(crate) struct MarkupFrames {
    /// Whether there is a text, and nothing of it was a run of nmap's or a host.
    foreign: bool,
    /// The tag that begins a host whose forerunner was not closed.
    begun: Option<(u64, Vec<u8>)>,
    /// The line of the run that was not closed yet.
    run: Option<u64>,
    /// Whether its own tag was read, and not what stands before it alone.
    begun_run: bool,
    /// Of the run: the latest time that a host of it says, where its end is not known yet.
    latest: Option<i64>,
    /// Whether it says when it was finished.
    finished: bool,
    /// Whether something of this place was told already: what hangs loose after it is its remainder.
    told: bool,
    /// Where the text ends before its end.
    unfinished: Option<Unfinished>,
}

/// The elements of a host that are not closed yet.
#[derive(Default)]
struct Inside {
    names: Vec<Box<[u8]>>,
    /// Deeper ones, whose names are not kept.
    deeper: usize,
    /// Something of this host was noted already.
    torn: bool,
}

/// How deep the elements of a host are told apart. nmap's are six deep, and those of scripts some more.
const DEPTH: usize = 64;

impl Inside {
    fn open(&mut self, name: &[u8]) {
        if self.names.len() < DEPTH {
            self.names.push(name.into());
        } else {
            self.deeper += 1;
        }
    }

    /// Takes an end; says whether it is to be noted that it is not the end of what stands open, once a host.
    fn close(&mut self, name: &[u8]) -> bool {
        if self.deeper > 0 && name != b"host" {
            self.deeper -= 1;
            return false;
        }
        let place = self.names.iter().rposition(|open| **open == *name);
        let fits = if name == b"host" {
            self.names.is_empty()
        } else {
            place.is_some_and(|place| place + 1 == self.names.len())
        };
        if let Some(place) = place {
            self.names.truncate(place);
        }
        !fits && !std::mem::replace(&mut self.torn, true)
    }
}

/// What a piece of markup is.
enum Piece {
    /// A tag; whether it had to be put together again.
    Tag(bool),
    /// A text as it stands, of `<![CDATA[`.
    Text,
    /// A comment, an instruction, a document type.
    Other,
    /// A tag that cannot be read.
    Torn(&'static str),
    /// The end of the file came first.
    Cut,
}

impl MarkupFrames {
    /// `head` is what the text begins with.
    pub(crate) fn new(head: &[u8]) -> Self {
        Self {
            foreign: !head.trim_ascii().is_empty(),
            begun: None,
            run: None,
            begun_run: false,
            latest: None,
            finished: false,
            told: false,
            unfinished: None,
        }
    }

    /// Where the text ended before its end.
    pub(crate) fn unfinished(&self) -> Option<&Unfinished> {
        self.unfinished.as_ref()
    }

    pub(crate) fn next<R: Read>(&mut self, input: &mut Input<R>, out: &mut Vec<u8>, head: &mut Arc<Head>, most: usize) -> Option<Framed> {
        let mut keep = Keep::new(out, most);
        let mut at: Option<u64> = None;
        if let Some((line, tag)) = self.begun.take() {
            keep.push(&tag);
            at = Some(line);
        }
        let mut tag = Vec::new();
        let mut in_element = false;
        // The elements of the host that are not closed yet.
        let mut inside = Inside::default();
        loop {
            let line = input.line();
            tag.clear();
            let more = text(input, &mut tag, in_element && at.is_some());
            if memchr::memchr(b'>', &tag).is_some() {
                let why = "a tag whose beginning is missing";
                inside.torn = true;
                match at {
                    Some(_) => keep.push(&note(false, line, why, tag.trim_ascii())),
                    // What stands before the document is no part of it.
                    None if !self.foreign && !std::mem::replace(&mut self.told, true) => {
                        return Some(fault(keep, line, why, tag.trim_ascii()));
                    }
                    None => {}
                }
            } else if in_element && at.is_some() {
                keep.push(&tag);
            }
            if !more {
                return self.end(input, keep, at);
            }
            let line = input.line();
            tag.clear();
            let mended = match piece(input, &mut tag) {
                Piece::Tag(mended) => mended,
                Piece::Text => {
                    if in_element && at.is_some() {
                        keep.push(&tag);
                    }
                    continue;
                }
                Piece::Other => {
                    if tag.starts_with(b"<!DOCTYPE nmaprun") {
                        self.foreign = false;
                        self.run = Some(line);
                    }
                    continue;
                }
                Piece::Cut => {
                    self.cut(line);
                    if at.is_none() && tag.starts_with(b"<host") && !tag.starts_with(b"<hosth") {
                        return Some(fault(keep, line, "the file ends inside this host", &tag));
                    }
                    continue;
                }
                Piece::Torn(why) => {
                    in_element = false;
                    inside.torn = true;
                    self.foreign = false;
                    match at {
                        Some(_) => keep.push(&note(false, line, why, &tag)),
                        None => {
                            self.told = true;
                            return Some(fault(keep, line, why, &tag));
                        }
                    }
                    continue;
                }
            };
            let Some(read) = Tag::read(&tag) else { continue };
            match (read.name, read.closing) {
                (b"nmaprun", false) => {
                    self.foreign = false;
                    // A document type stands before each run too.
                    if std::mem::take(&mut self.begun_run) && self.run.is_some() {
                        let why = "a run ends before </nmaprun>, and another one begins";
                        self.unfinished.get_or_insert_with(|| Unfinished::sure(line, why));
                    }
                    self.run = Some(line);
                    self.begun_run = true;
                    (self.latest, self.finished) = (None, false);
                    let mut run: Vec<(String, String)> = read
                        .attributes()
                        .map(|(name, value)| (name.to_owned(), value.into_owned()))
                        .collect();
                    if let Some(end) = end_of_run(input.at_hand(CHUNK)) {
                        self.finished = true;
                        run.push((FINISHED.to_owned(), end));
                    }
                    *head = Arc::new(Head { columns: Vec::new(), run });
                }
                (b"finished", false) if at.is_none() => {
                    if read.get("exit").is_some_and(|exit| exit == "error") {
                        let why = "its tool ended with an error, and what it had not scanned yet is missing";
                        self.unfinished.get_or_insert_with(|| Unfinished::sure(line, why));
                    }
                    let end = read.get("time").and_then(|text| text.trim().parse::<i64>().ok());
                    let known = std::mem::replace(&mut self.finished, true);
                    if let (Some(latest), Some(end), false) = (self.latest.take(), end, known)
                        && latest > end
                    {
                        let why = "hosts of this run have times after its end; they keep these times";
                        return Some(fault(keep, line, why, &tag));
                    }
                }
                (b"nmaprun", true) => {
                    if self.run.is_some() && !self.finished {
                        self.unfinished.get_or_insert_with(|| Unfinished {
                            line,
                            reason: "its run does not say that it was finished".to_owned(),
                            certain: false,
                        });
                    }
                    self.begun_run = false;
                    let missing = self.run.take().is_none() && at.is_none();
                    if missing && !std::mem::replace(&mut self.told, true) {
                        return Some(fault(keep, line, "a run ends here whose beginning is missing", &tag));
                    }
                }
                (b"host", false) => {
                    self.foreign = false;
                    if let Some(before) = at {
                        keep.push(&note(true, line, "this host is not closed before the next one", &tag));
                        let fault = keep.too_long();
                        self.begun = Some((line, tag));
                        return Some(Framed::new(before, fault));
                    }
                    let empty = read.empty;
                    if !self.finished {
                        let time = read.get("endtime").and_then(|text| text.trim().parse::<i64>().ok());
                        self.latest = self.latest.max(time);
                    }
                    keep.push(&tag);
                    if mended {
                        keep.push(MENDED);
                    }
                    self.told = false;
                    if empty {
                        let fault = keep.too_long();
                        return Some(Framed::new(line, fault));
                    }
                    at = Some(line);
                }
                (b"host", true) => match at {
                    Some(begun) => {
                        if inside.close(b"host") {
                            keep.push(&note(false, line, "an element of this host has no end", &tag));
                        }
                        keep.push(&tag);
                        let fault = keep.too_long();
                        return Some(Framed::new(begun, fault));
                    }
                    None if !std::mem::replace(&mut self.told, true) => {
                        return Some(fault(keep, line, "a host ends here whose beginning is missing", &tag));
                    }
                    None => {}
                },
                (b"port" | b"address", false) if at.is_none() => {
                    let told = std::mem::replace(&mut self.told, true);
                    if !told {
                        return Some(fault(keep, line, "this is in no host: the beginning of the host is missing", &tag));
                    }
                }
                (name, closing) if at.is_some() => {
                    in_element = name == b"elem" && !closing && !read.empty;
                    if closing && inside.close(name) {
                        keep.push(&note(false, line, "this end has no beginning", &tag));
                    } else if !closing && !read.empty {
                        inside.open(name);
                    }
                    if mended {
                        keep.push(MENDED);
                    }
                    keep.push(&tag);
                }
                _ => {}
            }
        }
    }

    /// The last frame, if there is one.
    fn end<R: Read>(&mut self, input: &mut Input<R>, mut keep: Keep<'_>, at: Option<u64>) -> Option<Framed> {
        let line = input.line();
        let broken = input.take_fault();
        if broken.is_some() || at.is_some() || self.run.is_some() {
            self.cut(line);
        }
        match (at, broken) {
            // Said once.
            (None, None) if std::mem::take(&mut self.foreign) => Some(Framed::bad(1, "no XML of nmap's: of nmap and masscan, -oX is read")),
            (None, None) => None,
            (None, fault) => Some(Framed::new(line, fault)),
            (Some(begun), broken) => {
                // What stands whole in it is read all the same.
                let why = broken.unwrap_or_else(|| "the file ends inside this host".to_owned());
                keep.push(&note(true, line, &why, b""));
                let fault = keep.too_long();
                Some(Framed::new(begun, fault))
            }
        }
    }

    fn cut(&mut self, line: u64) {
        self.unfinished.get_or_insert_with(|| match self.run {
            Some(_) => Unfinished::sure(line, "it ends before </nmaprun>"),
            None => Unfinished::sure(line, "it ends inside an element"),
        });
    }
}

/// When a run was finished, where that is near enough to be at hand: the end of a longer file cannot be known before it is read.
fn end_of_run(rest: &[u8]) -> Option<String> {
    let over = memchr::memmem::find(rest, b"</nmaprun")?;
    let run = rest.get(..over)?;
    let run = run.get(..memchr::memmem::find(run, b"<nmaprun").unwrap_or(run.len()))?;
    let tag = run.get(memchr::memmem::rfind(run, b"<finished ")?..)?;
    let tag = tag.get(..=memchr::memchr(b'>', tag)?)?;
    Some(Tag::read(tag)?.get("time")?.into_owned())
}

/// Something that is told by itself.
fn fault(mut keep: Keep<'_>, line: u64, why: &str, quote: &[u8]) -> Framed {
    keep.push(quote.get(..QUOTED.min(quote.len())).unwrap_or_default());
    Framed::bad(line, why)
}

/// Goes to the next `<` that begins no word of nmap's progress; false: there is none. The text before it is taken where it is `wanted`, or
/// holds the end of a tag. Any other text says nothing that an attribute does not.
fn text<R: Read>(input: &mut Input<R>, out: &mut Vec<u8>, wanted: bool) -> bool {
    loop {
        let chunk = input.fill();
        if chunk.is_empty() {
            return false;
        }
        let end = memchr::memchr(b'<', chunk);
        let before = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
        if wanted || !out.is_empty() || memchr::memchr(b'>', before).is_some() {
            let most = if wanted { MAX_RECORD } else { QUOTED };
            let room = most.saturating_sub(out.len());
            out.extend_from_slice(before.get(..room.min(before.len())).unwrap_or_default());
        }
        let bytes = before.len();
        input.consume(bytes);
        if end.is_some() && !pass_status(input) {
            return true;
        }
    }
}

/// Passes over a word of nmap's progress, if one begins here.
fn pass_status<R: Read>(input: &mut Input<R>) -> bool {
    let mut want = 16;
    loop {
        let bytes = input.at_hand(want);
        match status(bytes) {
            Status::No => return false,
            Status::Yes(length) => {
                input.consume(length);
                return true;
            }
            Status::More if bytes.len() < want => {
                // The end of the file: no more comes.
                let whole = [bytes, b" "].concat();
                let Status::Yes(length) = status(&whole) else { return false };
                input.consume(length);
                return true;
            }
            Status::More if want >= status::MOST => return false,
            Status::More => want = (want * 8).min(status::MOST),
        }
    }
}

/// What a piece of markup ends with.
#[derive(Clone, Copy, PartialEq)]
enum Until {
    Tag,
    Comment,
    Cdata,
    Instruction,
    Doctype,
}

/// Takes the piece of markup that begins here.
fn piece<R: Read>(input: &mut Input<R>, tag: &mut Vec<u8>) -> Piece {
    let mut until = Until::Tag;
    let mut quote: Option<u8> = None;
    let mut brackets = 0_u32;
    // The last bytes, for the ends that are longer than one.
    let mut tail = [0_u8; 2];
    let mut mended = false;
    let mut in_value = false;
    let mut long = false;
    loop {
        let chunk = input.fill();
        if chunk.is_empty() {
            return Piece::Cut;
        }
        let mut used = 0;
        let mut done = None;
        let mut stop = false;
        while let Some(&byte) = chunk.get(used) {
            if byte == b'<' && !(tag.is_empty() || brackets > 0) {
                stop = true;
                break;
            }
            // The bytes of a value, and of a tag without one, are taken at once.
            if until == Until::Tag && tag.len() > 9 {
                let rest = chunk.get(used..).unwrap_or_default();
                let run = match quote {
                    Some(open) => memchr::memchr2(open, b'<', rest),
                    None => rest.iter().position(|byte| matches!(byte, b'"' | b'\'' | b'>' | b'<')),
                };
                let run = run.unwrap_or(rest.len());
                if run > 0 {
                    let room = MAX_RECORD.saturating_sub(tag.len());
                    long |= run > room;
                    tag.extend_from_slice(rest.get(..run.min(room)).unwrap_or_default());
                    used += run;
                    continue;
                }
            }
            used += 1;
            if until == Until::Tag || until == Until::Cdata || tag.len() < MAX_OTHER {
                if tag.len() < MAX_RECORD {
                    tag.push(byte);
                } else {
                    long = true;
                }
            }
            if tag.len() <= 9 {
                until = match tag.as_slice() {
                    b"<!--" => Until::Comment,
                    b"<![CDATA[" => Until::Cdata,
                    b"<?" => Until::Instruction,
                    b"<!D" | b"<!d" => Until::Doctype,
                    _ => until,
                };
            }
            let ended = match until {
                Until::Tag => match (quote, byte) {
                    (Some(open), _) => {
                        if byte == open {
                            quote = None;
                        }
                        false
                    }
                    (None, b'"' | b'\'') => {
                        quote = Some(byte);
                        false
                    }
                    (None, _) => byte == b'>',
                },
                Until::Comment => byte == b'>' && tail == *b"--" && tag.len() > 6,
                Until::Cdata => byte == b'>' && tail == *b"]]",
                Until::Instruction => byte == b'>' && tail[1] == b'?' && tag.len() > 3,
                Until::Doctype => {
                    brackets = match byte {
                        b'[' => brackets + 1,
                        b']' => brackets.saturating_sub(1),
                        _ => brackets,
                    };
                    byte == b'>' && brackets == 0
                }
            };
            tail = [tail[1], byte];
            if ended {
                done = Some(until);
                break;
            }
        }
        input.consume(used);
        if stop {
            if pass_status(input) {
                mended = true;
                in_value |= until == Until::Tag && quote.is_some();
                continue;
            }
            if matches!(until, Until::Tag | Until::Doctype) {
                return Piece::Torn("this tag is torn");
            }
            // In a comment it is a letter as any other.
            input.consume(1);
            if tag.len() < MAX_OTHER || until == Until::Cdata && tag.len() < MAX_RECORD {
                tag.push(b'<');
            }
            tail = [tail[1], b'<'];
            continue;
        }
        match done {
            None => {}
            Some(Until::Tag) if long => return Piece::Torn("this tag is too long"),
            Some(Until::Tag) if in_value && tells(tag) => {
                return Piece::Torn("a value of this tag is torn and cannot be reconstructed");
            }
            Some(Until::Tag) => return checked(tag, mended),
            Some(Until::Cdata) => {
                let inside = tag.get(9..tag.len().saturating_sub(3)).unwrap_or_default();
                *tag = escaped(inside);
                return Piece::Text;
            }
            Some(Until::Comment | Until::Instruction | Until::Doctype) => return Piece::Other,
        }
    }
}

/// Whether a tag's values say where, what or when an endpoint is. nmap loses bytes where it writes of its progress: two halves of a
/// number make another number, of another port or host.
fn tells(tag: &[u8]) -> bool {
    Tag::read(tag).is_none_or(|tag| matches!(tag.name, b"host" | b"address" | b"port" | b"state" | b"service"))
}

/// A tag that is written as it should be, or a torn one.
fn checked(tag: &mut Vec<u8>, mended: bool) -> Piece {
    if std::str::from_utf8(tag).is_err() {
        *tag = String::from_utf8_lossy(tag).into_owned().into_bytes();
    }
    if Tag::read(tag).is_some_and(|tag| tag.is_whole()) {
        Piece::Tag(mended)
    } else {
        Piece::Torn("this tag is torn")
    }
}

/// A text as it stands, written as one between tags.
fn escaped(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str) -> (Vec<Result<String, String>>, Head) {
        let mut input = Input::new(text.as_bytes()).expect("a slice reads");
        let (mut frames, mut head) = (MarkupFrames::new(b"<"), Arc::default());
        let (mut all, mut out) = (Vec::new(), Vec::new());
        while let Some(framed) = frames.next(&mut input, &mut out, &mut head, 10_000) {
            all.push(framed.fault.map_or(Ok(String::from_utf8_lossy(&out).into_owned()), Err));
            out.clear();
        }
        (all, Head::clone(&head))
    }

    #[test]
    fn only_host_elements_are_found() {
        let (all, head) = hosts(concat!(
            "<?xml version=\"1.0\"?><!DOCTYPE nmaprun [<!ENTITY x SYSTEM \"file:///etc/passwd\"><host><a/></host>]>\n",
            "<!-- <host><b/></host> --><nmaprun scanner=\"nmap\" args='-p \"1\"'><hosthint><status/></hosthint>",
            "<host a=\"&gt;>\"><ports>text</ports></host><host><c/></host><runstats><hosts up=\"1\"/></runstats></nmaprun>",
        ));
        assert_eq!(
            all,
            [
                Ok("<host a=\"&gt;>\"><ports></ports></host>".to_owned()),
                Ok("<host><c/></host>".to_owned())
            ]
        );
        assert_eq!(head.run[1], ("args".to_owned(), "-p \"1\"".to_owned()));
    }

    #[test]
    fn broken_hosts_cost_themselves_only() {
        let (all, _) = hosts("<nmaprun><host><a x=\"1><b/><host><c/></host><host><d/>");
        assert_eq!(all.len(), 3);
        assert_eq!(all[1], Ok("<host><c/></host>".to_owned()));
        // What stands whole is kept, and what does not is noted.
        let has = |number: usize, what: &str| all[number].as_ref().is_ok_and(|host| host.contains(what));
        assert!(
            has(0, "<?torn 1\nthis tag is torn\n<a x=") && has(0, "<b/>") && has(0, "<?cut 1\n"),
            "{all:?}"
        );
        assert!(has(2, "<d/><?cut 1\nthe file ends inside this host"), "{all:?}");
    }
}
