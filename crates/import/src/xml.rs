//! A tag and its attributes. Only the five entities of XML and numbers are resolved; any other stays as it is written.
//!
//! Written by hand: nmap's progress elements stand inside the tags of other elements and tear them, and `quick-xml` reads a torn tag as an error.

use std::borrow::Cow;

/// The most attributes of one tag.
const MAX_ATTRIBUTES: usize = 64;

/// A tag.
pub(crate) struct Tag<'t> {
    /// Its name.
    pub(crate) name: &'t [u8],
    /// `</name>`.
    pub(crate) closing: bool,
    /// `<name/>`.
    pub(crate) empty: bool,
    rest: &'t str,
}

impl<'t> Tag<'t> {
    /// Reads a tag from `<` to `>`; `None`: it is none, or no text.
    pub(crate) fn read(bytes: &'t [u8]) -> Option<Self> {
        let inner = bytes.strip_prefix(b"<")?.strip_suffix(b">")?;
        let (closing, inner) = match inner.strip_prefix(b"/") {
            Some(inner) => (true, inner),
            None => (false, inner),
        };
        let (empty, inner) = match inner.strip_suffix(b"/") {
            Some(inner) => (true, inner),
            None => (false, inner),
        };
        let end = inner.iter().position(u8::is_ascii_whitespace).unwrap_or(inner.len());
        let (name, rest) = inner.split_at(end);
        let starts = name.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
        Some(Self {
            name,
            closing,
            empty,
            rest: std::str::from_utf8(rest).ok()?,
        })
        .filter(|_| starts)
    }

    /// Whether it is written as XML asks: a name, then attributes in quotes, none of them twice. What is torn seldom is.
    pub(crate) fn is_whole(&self) -> bool {
        let named = |name: &[u8]| {
            !name.is_empty()
                && name
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':' | b'.') || *byte >= 0x80)
        };
        if !named(self.name) {
            return false;
        }
        let mut seen: [&str; MAX_ATTRIBUTES] = [""; MAX_ATTRIBUTES];
        let mut rest = self.rest;
        for number in 0..=MAX_ATTRIBUTES {
            let after = rest.trim_start();
            if after.is_empty() {
                return !(self.closing && (self.empty || number > 0));
            }
            // Blanks part one attribute from the next.
            if after.len() == rest.len() || number == MAX_ATTRIBUTES {
                return false;
            }
            let Some((name, value)) = after.split_once('=') else { return false };
            let (name, value) = (name.trim_end(), value.trim_start());
            let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
                return false;
            };
            let Some((_, tail)) = value.get(1..).and_then(|value| value.split_once(quote)) else {
                return false;
            };
            if !named(name.as_bytes()) || seen.iter().take(number).any(|have| *have == name) {
                return false;
            }
            if let Some(place) = seen.get_mut(number) {
                *place = name;
            }
            rest = tail;
        }
        false
    }

    /// Its attributes, as far as they are sound.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (&'t str, Cow<'t, str>)> + use<'t> {
        let mut rest = self.rest;
        std::iter::from_fn(move || {
            let (name, after) = rest.split_once('=')?;
            let after = after.trim_start();
            let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            let (value, tail) = after.get(1..)?.split_once(quote)?;
            rest = tail;
            Some((name.trim(), unescape(value)))
        })
    }

    /// One attribute.
    pub(crate) fn get(&self, name: &str) -> Option<Cow<'t, str>> {
        self.attributes().find(|(have, _)| *have == name).map(|(_, value)| value)
    }
}

/// A part of a host, as framing hands it on.
pub(crate) enum Part<'t> {
    /// A tag.
    Tag(Tag<'t>),
    /// The text after a tag, entities and all.
    Text(&'t str),
    /// What framing says of this place.
    Note(Note<'t>),
}

/// What framing found that is no part of the host. The file itself cannot say it: its own instructions are left out.
pub(crate) enum Note<'t> {
    /// A tag that was torn and could be put together again.
    Mended,
    /// A tag that could not be read.
    Torn(Torn<'t>),
    /// The host ends here without its end.
    Cut(Torn<'t>),
}

/// Something that could not be read.
pub(crate) struct Torn<'t> {
    /// The line it begins on.
    pub(crate) line: u64,
    /// Why not.
    pub(crate) why: &'t str,
    /// Its beginning.
    pub(crate) quote: &'t [u8],
}

/// The note that a torn tag was put together again.
pub(crate) const MENDED: &[u8] = b"<?mended?>";

/// The most of a torn tag that is quoted.
const QUOTED: usize = 256;

/// Writes a note of something that could not be read; `cut` if the host ends there.
pub(crate) fn note(cut: bool, line: u64, why: &str, quote: &[u8]) -> Vec<u8> {
    let word = if cut { "cut" } else { "torn" };
    let why = why.replace(['\n', '?'], " ");
    let mut out = format!("<?{word} {line}\n{why}\n").into_bytes();
    out.extend(quote.iter().take(QUOTED).map(|byte| if *byte == b'?' { b'.' } else { *byte }));
    out.extend_from_slice(b"?>");
    out
}

/// The parts of a fragment, in order.
pub(crate) fn parts(fragment: &[u8]) -> impl Iterator<Item = Part<'_>> {
    let mut rest = fragment;
    std::iter::from_fn(move || {
        loop {
            if rest.first().is_some_and(|byte| *byte != b'<') {
                let (text, after) = rest.split_at(memchr::memchr(b'<', rest).unwrap_or(rest.len()));
                rest = after;
                match std::str::from_utf8(text) {
                    Ok(text) if !text.trim().is_empty() => return Some(Part::Text(text)),
                    _ => continue,
                }
            }
            if rest.starts_with(b"<?") {
                let (inside, after) = rest.split_at(memchr::memmem::find(rest, b"?>")?);
                rest = after.get(2..)?;
                match read_note(inside) {
                    Some(note) => return Some(Part::Note(note)),
                    None => continue,
                }
            }
            let end = end_of_tag(rest)?;
            let (tag, after) = rest.split_at(end + 1);
            rest = after;
            if let Some(tag) = Tag::read(tag) {
                return Some(Part::Tag(tag));
            }
        }
    })
}

/// Where the tag that begins here ends.
fn end_of_tag(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr3(b'"', b'\'', b'>', bytes.get(at..)?)?;
        let byte = *bytes.get(at)?;
        if byte == b'>' {
            return Some(at);
        }
        at += 2 + memchr::memchr(byte, bytes.get(at + 1..)?)?;
    }
}

fn read_note(inside: &[u8]) -> Option<Note<'_>> {
    if inside == b"<?mended" {
        return Some(Note::Mended);
    }
    let mut fields = inside.strip_prefix(b"<?")?.splitn(3, |byte| *byte == b'\n');
    let (word, line) = std::str::from_utf8(fields.next()?).ok()?.split_once(' ')?;
    let torn = Torn {
        line: line.parse().ok()?,
        why: std::str::from_utf8(fields.next()?).ok()?,
        quote: fields.next()?,
    };
    Some(if word == "cut" { Note::Cut(torn) } else { Note::Torn(torn) })
}

/// Resolves the entities of a text.
pub(crate) fn unescape(value: &str) -> Cow<'_, str> {
    if !value.contains('&') {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let known = after
            .get(..after.len().min(12))
            .or_else(|| after.char_indices().take(8).last().and_then(|(at, _)| after.get(..at)))
            .and_then(|window| window.split_once(';'))
            .and_then(|(name, _)| Some((name.len(), entity(name)?)));
        match known {
            Some((length, character)) => {
                out.push(character);
                rest = after.get(length + 1..).unwrap_or_default();
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(fragment: &[u8]) -> Vec<Tag<'_>> {
        let tag = |part| match part {
            Part::Tag(tag) => Some(tag),
            Part::Text(_) | Part::Note(_) => None,
        };
        parts(fragment).filter_map(tag).collect()
    }

    #[test]
    fn tags_and_attributes() {
        let all = tags(b"<a x=\"1\" y = '&lt;&#65;&#x42;&nope;&' ><b/></a>");
        assert_eq!(all.len(), 3);
        assert_eq!(all[0].get("x").as_deref(), Some("1"));
        assert_eq!(all[0].get("y").as_deref(), Some("<AB&nope;&"));
        assert_eq!(all[0].get("z"), None);
        assert!(all[1].empty && all[2].closing);
        assert_eq!(unescape("&ééééééé&amp;"), "&ééééééé&");
    }

    #[test]
    fn a_torn_record_is_not_complete() {
        let whole = |text: &str| Tag::read(text.as_bytes()).is_some_and(|tag| tag.is_whole());
        for text in [
            "<a>",
            "<a/>",
            "</a>",
            "</a >",
            "<a x=\"1\" y='2'/>",
            "<a x = \"1 > 2\"\n y=\"\"  />",
            "<a-b.c:d _e=\"é\">",
        ] {
            assert!(whole(text), "{text}");
        }
        for text in [
            "<a x>",
            "<a x=>",
            "<a x=1>",
            "<a x=\"1>",
            "<a x=\"1\"y=\"2\">",
            "<a x=\"1\" x=\"2\">",
            "<a \"1\">",
            "<port protocol=\"tcp\" portid=\"4ortid=\"135\">",
            "</a x=\"1\">",
            "</a/>",
            "<a\"b\">",
            "<>",
            "<1>",
        ] {
            assert!(!whole(text), "{text}");
        }
        let many: String = (0..100).map(|number| format!(" x{number}=\"\"")).collect();
        assert!(!whole(&format!("<a{many}>")));
    }

    #[test]
    fn notes_are_read_as_they_were_written() {
        let fragment = [
            &b"<a>te&amp;xt"[..],
            &note(false, 7, "why", b"<x ?> y"),
            MENDED,
            b"</a>",
            &note(true, 9, "end", b""),
        ]
        .concat();
        let all: Vec<String> = parts(&fragment)
            .map(|part| match part {
                Part::Tag(tag) => String::from_utf8_lossy(tag.name).into_owned(),
                Part::Text(text) => text.to_owned(),
                Part::Note(Note::Mended) => "mended".to_owned(),
                Part::Note(Note::Torn(torn)) => format!("torn {} {} {}", torn.line, torn.why, String::from_utf8_lossy(torn.quote)),
                Part::Note(Note::Cut(torn)) => format!("cut {} {}", torn.line, torn.why),
            })
            .collect();
        assert_eq!(all, ["a", "te&amp;xt", "torn 7 why <x .> y", "mended", "a", "cut 9 end"]);
    }
}
