//! A tag and its attributes. Only the five entities of XML and numbers are resolved; any other stays as it is written.

use std::borrow::Cow;

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

/// The tags of a fragment, in order.
pub(crate) fn tags(fragment: &[u8]) -> impl Iterator<Item = Tag<'_>> {
    let mut rest = fragment;
    std::iter::from_fn(move || {
        loop {
            let start = memchr::memchr(b'<', rest)?;
            rest = &rest[start..];
            let mut quote = None;
            let end = rest.iter().position(|byte| match (quote, byte) {
                (Some(open), byte) => {
                    if *byte == open {
                        quote = None;
                    }
                    false
                }
                (None, b'"' | b'\'') => {
                    quote = Some(*byte);
                    false
                }
                (None, byte) => *byte == b'>',
            })?;
            let (tag, after) = rest.split_at(end + 1);
            rest = after;
            if let Some(tag) = Tag::read(tag) {
                return Some(tag);
            }
        }
    })
}

fn unescape(value: &str) -> Cow<'_, str> {
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

    #[test]
    fn tags_and_attributes() {
        let all: Vec<Tag<'_>> = tags(b"<a x=\"1\" y = '&lt;&#65;&#x42;&nope;&' ><b/></a>").collect();
        assert_eq!(all.len(), 3);
        assert_eq!(all[0].get("x").as_deref(), Some("1"));
        assert_eq!(all[0].get("y").as_deref(), Some("<AB&nope;&"));
        assert_eq!(all[0].get("z"), None);
        assert!(all[1].empty && all[2].closing);
        assert_eq!(unescape("&ééééééé&amp;"), "&ééééééé&");
    }
}
