//! What nmap writes of its own progress, wherever that comes: a key pressed while it prints a host puts such an element into the middle of
//! another tag (nmap issue 1601). It says nothing of a host, and is taken out before anything else is read.

use std::borrow::Cow;

/// Elements without content.
const EMPTY: [&[u8]; 7] = [
    b"taskbegin",
    b"taskprogress",
    b"taskend",
    b"verbose",
    b"debugging",
    b"target",
    b"scaninfo",
];

/// Elements with content.
const FULL: [&[u8]; 2] = [b"hosthint", b"output"];

/// The most bytes of one.
pub(crate) const MOST: usize = 64 * 1024;

/// How often one may stand within another.
const DEPTH: u8 = 3;

/// Whether such an element begins where some bytes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It does not.
    No,
    /// These bytes are too few to tell.
    More,
    /// It does, and is as long as this, with the line's end after it.
    Yes(usize),
}

/// Looks at bytes that begin with `<`.
pub(crate) fn status(bytes: &[u8]) -> Status {
    nested(bytes, 0)
}

/// A text without such elements.
pub(crate) fn without(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut out = Vec::new();
    let (mut kept, mut at) = (0, 0);
    while let Some(next) = bytes.get(at..).and_then(|rest| memchr::memchr(b'<', rest)) {
        at += next;
        match status(bytes.get(at..).unwrap_or_default()) {
            Status::Yes(length) => {
                out.extend_from_slice(bytes.get(kept..at).unwrap_or_default());
                at += length;
                kept = at;
            }
            Status::No | Status::More => at += 1,
        }
    }
    if kept == 0 {
        return Cow::Borrowed(bytes);
    }
    out.extend_from_slice(bytes.get(kept..).unwrap_or_default());
    Cow::Owned(out)
}

fn nested(bytes: &[u8], depth: u8) -> Status {
    let mut name = [0_u8; 13];
    let mut length = 0;
    let mut at = 1;
    // The name, which may be torn itself.
    loop {
        match bytes.get(at) {
            None => {
                return if begins_one(name.get(..length).unwrap_or_default()) {
                    Status::More
                } else {
                    Status::No
                };
            }
            Some(b'<') if depth < DEPTH => match nested(bytes.get(at..).unwrap_or_default(), depth + 1) {
                Status::Yes(length) => at += length,
                other => return other,
            },
            Some(letter @ b'a'..=b'z') => {
                let Some(place) = name.get_mut(length) else { return Status::No };
                *place = *letter;
                length += 1;
                at += 1;
            }
            Some(_) => break,
        }
    }
    let name = name.get(..length).unwrap_or_default();
    let full = FULL.contains(&name);
    if !full && !EMPTY.contains(&name) {
        return Status::No;
    }
    let mut quote: Option<u8> = None;
    let closed = loop {
        let Some(&byte) = bytes.get(at) else { return short(bytes) };
        match (quote, byte) {
            (_, b'<') => match nested(bytes.get(at..).unwrap_or_default(), depth + 1) {
                Status::Yes(length) if depth < DEPTH => {
                    at += length;
                    continue;
                }
                Status::More => return Status::More,
                Status::Yes(_) | Status::No => return Status::No,
            },
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'>') => break bytes.get(at - 1) == Some(&b'/'),
            (None, _) => {}
        }
        at += 1;
    };
    at += 1;
    if !closed {
        if !full {
            return Status::No;
        }
        let close = [b"</", name, b">"].concat();
        let Some(end) = memchr::memmem::find(bytes.get(at..).unwrap_or_default(), &close) else {
            return short(bytes);
        };
        // A host's own parts are in no such element: its end is the end of another.
        let inside = bytes.get(at..at + end).unwrap_or_default();
        if [&b"<host "[..], b"</host>", b"<port ", b"</ports>"]
            .iter()
            .any(|own| memchr::memmem::find(inside, own).is_some())
        {
            return Status::No;
        }
        at += end + close.len();
    }
    // nmap ends the line after it.
    match bytes.get(at) {
        Some(b'\r') if bytes.get(at + 1) == Some(&b'\n') => Status::Yes(at + 2),
        Some(b'\n') => Status::Yes(at + 1),
        Some(_) => Status::Yes(at),
        None if bytes.len() < MOST => Status::More,
        None => Status::Yes(at),
    }
}

/// What is not over after so many bytes is none.
fn short(bytes: &[u8]) -> Status {
    if bytes.len() < MOST { Status::More } else { Status::No }
}

fn begins_one(name: &[u8]) -> bool {
    EMPTY.iter().chain(&FULL).any(|known| known.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "<taskprogress task=\"a > b\" time=\"1\"/>";

    #[test]
    fn they_are_found_whole() {
        for text in [
            ONE,
            "<taskend task=\"x\"/>",
            "<verbose level=\"0\"/>",
            "<hosthint><status state=\"up\"/>\n<address addr=\"x\"/></hosthint>",
            "<output type=\"interactive\">some &lt;text\n</output>",
            &format!("<task{ONE}prog{ONE}\nress time=\"{ONE}\"/>"),
        ] {
            for after in ["", "\n", "\r\n", "x", "<port"] {
                let whole = format!("{text}{after}");
                let length = text.len() + if after.trim().is_empty() { after.len() } else { 0 };
                let found = status(whole.as_bytes());
                let more = after.is_empty() && found == Status::More;
                assert!(found == Status::Yes(length) || more, "{whole:?} {found:?}");
            }
            // Of a part of it, no more can be said.
            for cut in 1..text.len() {
                assert_ne!(status(&text.as_bytes()[..cut]), Status::Yes(cut), "{text} {cut}");
            }
        }
        for none in [
            "<host><",
            "<hosts/>",
            "<taskprogress>",
            "<taskprogress a=\"<address/>\"/>",
            "<taskprogression/>",
            "</taskprogress>",
            "<output><host a=\"\"></host></output>",
            "<<<<<<<<<<<<",
            "<",
        ] {
            assert!(matches!(status(none.as_bytes()), Status::No | Status::More), "{none}");
            assert_eq!(status(format!("{none}{}", " ".repeat(MOST)).as_bytes()), Status::No, "{none}");
        }
    }

    #[test]
    fn status_elements_are_removed_from_a_text() {
        assert_eq!(without(b"<a x='1'/>").as_ref(), b"<a x='1'/>");
        let torn = format!("<nmap{ONE}run scan{ONE}\nner=\"{ONE}nmap\">");
        assert_eq!(without(torn.as_bytes()).as_ref(), b"<nmaprun scanner=\"nmap\">");
    }
}
