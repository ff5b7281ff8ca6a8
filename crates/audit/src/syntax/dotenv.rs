//! Files of variables: `.env` of compose, `env_file`, systemd's `EnvironmentFile`.

use crate::source::{Located, SourceId, Span};

/// A variable of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Its name.
    pub name: Located<String>,
    /// Its value, without quotes; `None`: the line has the name alone.
    pub value: Option<Located<String>>,
    /// The value is in single quotes, so that `$` stands for itself.
    pub literal: bool,
}

/// Reads the assignments of a text, in their order. Lines that are none are left out, as their readers do.
#[must_use]
pub fn read(source: SourceId, text: &str) -> Vec<Assignment> {
    let mut all = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
        at = match assignment(source, text, at, end) {
            Some((assignment, after)) => {
                all.push(assignment);
                after
            }
            None => end + 1,
        };
    }
    all
}

/// Reads the assignment on a line; returns also where the next line starts, since a quoted value may go over several.
fn assignment(source: SourceId, text: &str, start: usize, end: usize) -> Option<(Assignment, usize)> {
    let line = &text[start..end];
    let indent = line.len() - line.trim_start().len();
    let mut name_at = start + indent;
    let rest = &text[name_at..end];
    if rest.starts_with(['#', ';']) {
        return None;
    }
    if let Some(after) = rest.strip_prefix("export").filter(|after| after.starts_with([' ', '\t'])) {
        name_at = end - after.trim_start().len();
    }
    let rest = &text[name_at..end];
    let length = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')))
        .unwrap_or(rest.len());
    if length == 0 {
        return None;
    }
    let name = Located::new(rest[..length].to_owned(), Span::new(source, name_at, name_at + length));
    let after = rest[length..].trim_start();
    let Some(value) = after.strip_prefix(['=', ':']) else {
        let alone = after.trim().is_empty();
        return alone.then_some((
            Assignment {
                name,
                value: None,
                literal: false,
            },
            end + 1,
        ));
    };
    let value = value.trim_start_matches([' ', '\t']);
    let value_at = end - value.len();
    if let Some(quote @ ('"' | '\'')) = value.chars().next() {
        let inner = &text[value_at + 1..];
        if let Some(length) = closing(inner, quote) {
            let raw = &inner[..length];
            let close = value_at + 1 + length + 1;
            let unescaped = if quote == '"' { unescape(raw) } else { raw.to_owned() };
            let next = text[close..].find('\n').map_or(text.len(), |length| close + length + 1);
            let assignment = Assignment {
                name,
                value: Some(Located::new(unescaped, Span::new(source, value_at, close))),
                literal: quote == '\'',
            };
            return Some((assignment, next));
        }
    }
    // A comment is separated from an unquoted value by a blank.
    let plain = value.find(" #").or_else(|| value.find("\t#")).map_or(value, |at| &value[..at]);
    let plain = if value.starts_with('#') { "" } else { plain.trim_end() };
    let assignment = Assignment {
        name,
        value: Some(Located::new(plain.to_owned(), Span::new(source, value_at, value_at + plain.len()))),
        literal: false,
    };
    Some((assignment, end + 1))
}

/// Where a quoted value ends.
fn closing(inner: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            _ if c == quote => return Some(at),
            _ => {}
        }
    }
    None
}

fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some(other @ ('"' | '\\' | '$')) => text.push(other),
            Some(other) => text.extend(['\\', other]),
            None => text.push('\\'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::Sources;

    #[test]
    fn variables_are_read_as_their_readers_do() {
        let text = "# A=1\nA=1\nexport B = two # a comment\nC='$x'\nD=\"a\\nb\n c\" # more\nE=\nF\n G: 7\nH=a#b\n=x\nI='open\nJ=#none\n";
        let mut sources = Sources::default();
        let id = sources.add(".env", text);
        let read: Vec<(String, Option<String>, u32)> = read(id, text)
            .into_iter()
            .map(|one| {
                let line = sources.position(one.value.as_ref().map_or(one.name.span, |value| value.span)).line;
                (one.name.value, one.value.map(|value| value.value), line)
            })
            .collect();
        let expected = [
            ("A", Some("1"), 2),
            ("B", Some("two"), 3),
            ("C", Some("$x"), 4),
            ("D", Some("a\nb\n c"), 5),
            ("E", Some(""), 7),
            ("F", None, 8),
            ("G", Some("7"), 9),
            ("H", Some("a#b"), 10),
            ("I", Some("'open"), 12),
            ("J", Some(""), 13),
        ];
        let expected: Vec<(String, Option<String>, u32)> = expected
            .into_iter()
            .map(|(name, value, line)| (name.to_owned(), value.map(str::to_owned), line))
            .collect();
        assert_eq!(read, expected);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[A-C=:'\"\\\\# \n\texport$é]{0,120}") {
            let mut sources = Sources::default();
            let id = sources.add(".env", &text);
            for one in read(id, &text) {
                prop_assert_eq!(sources.slice(one.name.span), one.name.value);
            }
        }
    }
}
