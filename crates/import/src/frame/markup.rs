//! The `<host>` elements of an nmap XML, and the attributes of its `<nmaprun>`. Comments, processing instructions and document
//! types are passed over: no entity is ever declared, and nothing is ever fetched.

use std::io::Read;
use std::sync::Arc;

use super::{Framed, Head, Keep, QUOTED};
use crate::input::Input;
use crate::xml::Tag;

/// The longest tag outside a host that is looked at.
const MAX_TAG: usize = 64 * 1024;

/// What a piece of markup ends with.
#[derive(Clone, Copy, PartialEq)]
enum Until {
    Tag,
    Comment,
    Cdata,
    Instruction,
    Doctype,
}

/// Finds `<host>` elements.
pub(crate) struct MarkupFrames {
    /// Whether there is a text, and nothing of it was a run of nmap's or a host.
    foreign: bool,
    /// The tag that begins a host whose forerunner was not closed.
    begun: Option<(u64, Vec<u8>)>,
}

impl MarkupFrames {
    /// `head` is what the text begins with.
    pub(crate) fn new(head: &[u8]) -> Self {
        Self {
            foreign: !head.trim_ascii().is_empty(),
            begun: None,
        }
    }

    pub(crate) fn next<R: Read>(&mut self, input: &mut Input<R>, out: &mut Vec<u8>, head: &mut Arc<Head>, most: usize) -> Option<Framed> {
        let mut keep = Keep::new(out, most);
        let mut at: Option<u64> = None;
        if let Some((line, tag)) = self.begun.take() {
            keep.push(&tag);
            at = Some(line);
        }
        let mut tag = Vec::new();
        loop {
            if !to_markup(input) {
                let fault = input.take_fault();
                return match (at, fault) {
                    // Said once.
                    (None, None) if std::mem::take(&mut self.foreign) => Some(Framed {
                        line: 1,
                        fault: Some("no XML of nmap's: of nmap and masscan, -oX is read".to_owned()),
                    }),
                    (None, None) => None,
                    (None, fault) => Some(Framed { line: input.line(), fault }),
                    (Some(line), fault) => Some(Framed {
                        line,
                        fault: fault.or_else(|| Some("the file ends inside this host".to_owned())),
                    }),
                };
            }
            let line = input.line();
            tag.clear();
            if !take_markup(input, &mut tag) {
                if at.is_none() && tag.starts_with(b"<host") && !tag.starts_with(b"<hosth") && input.fill().is_empty() {
                    at = Some(line);
                    keep.push(tag.get(..QUOTED.min(tag.len())).unwrap_or_default());
                }
                continue;
            }
            let Some(read) = Tag::read(&tag) else { continue };
            match (read.name, read.closing) {
                (b"nmaprun", false) => {
                    self.foreign = false;
                    let run = read
                        .attributes()
                        .map(|(name, value)| (name.to_owned(), value.into_owned()))
                        .collect();
                    *head = Arc::new(Head { columns: Vec::new(), run });
                }
                (b"host", false) if !read.empty => {
                    self.foreign = false;
                    if let Some(line_before) = at {
                        self.begun = Some((line, tag));
                        return Some(Framed {
                            line: line_before,
                            fault: Some("this host is not closed before the next one".to_owned()),
                        });
                    }
                    at = Some(line);
                    keep.push(&tag);
                }
                (b"host", true) => {
                    if let Some(line) = at {
                        keep.push(&tag);
                        return Some(Framed {
                            line,
                            fault: keep.too_long(),
                        });
                    }
                }
                _ if at.is_some() => keep.push(&tag),
                _ => {}
            }
        }
    }
}

/// Goes to the next `<`; false: there is none. What stands between tags says nothing that an attribute does not.
fn to_markup<R: Read>(input: &mut Input<R>) -> bool {
    loop {
        let chunk = input.fill();
        if chunk.is_empty() {
            return false;
        }
        match memchr::memchr(b'<', chunk) {
            Some(at) => {
                input.consume(at);
                return true;
            }
            None => {
                let bytes = chunk.len();
                input.consume(bytes);
            }
        }
    }
}

/// Takes a piece of markup; false: it is no tag, or is broken or too long.
fn take_markup<R: Read>(input: &mut Input<R>, tag: &mut Vec<u8>) -> bool {
    let mut until = Until::Tag;
    let mut quote: Option<u8> = None;
    let mut brackets = 0_u32;
    // The last bytes, for the ends that are longer than one.
    let mut tail = [0_u8; 2];
    let mut length = 0_usize;
    loop {
        let chunk = input.fill();
        if chunk.is_empty() {
            return false;
        }
        let mut used = 0;
        let mut done = None;
        for &byte in chunk {
            if length > 0 && until == Until::Tag && byte == b'<' {
                // A tag holds no `<`: this one is broken, and here begins another piece.
                done = Some(false);
                break;
            }
            used += 1;
            length += 1;
            if tag.len() < crate::importer::MAX_RECORD.min(if until == Until::Tag { usize::MAX } else { MAX_TAG }) {
                tag.push(byte);
            }
            if length <= 9 {
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
                Until::Comment => byte == b'>' && tail == *b"--" && length > 6,
                Until::Cdata => byte == b'>' && tail == *b"]]",
                Until::Instruction => byte == b'>' && tail[1] == b'?',
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
                done = Some(until == Until::Tag);
                break;
            }
        }
        input.consume(used);
        if let Some(whole) = done {
            return whole && length <= tag.len();
        }
    }
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
    fn hosts_are_found_and_nothing_else() {
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
        assert!(all[0].is_err() && all[1] == Ok("<host><c/></host>".to_owned()) && all[2].is_err());
    }
}
