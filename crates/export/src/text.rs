//! Text from the network, made safe to show.
//!
//! A model's name, a version or a header may hold terminal sequences, newlines, bidirectional overrides or characters
//! that nobody sees. They are shown as escapes, never passed on.

use std::io;

use serde::Serialize;
use serde_json::ser::Formatter;
use unicode_width::UnicodeWidthChar as _;

/// Marks that may stand on one character before they are escaped; living scripts need no more.
const MARKS: usize = 3;

/// One line of text, safe for a terminal, at most `cap` columns wide; what does not fit is replaced by `…`.
///
/// Control characters (line breaks and ESC among them), bidirectional controls and invisible characters are written
/// as escapes such as `\n`, `\u{1b}` and `\u{202e}`.
#[must_use]
pub fn clean(text: &str, cap: usize) -> String {
    let mut out = String::with_capacity(text.len().min(cap * 4));
    let mut width = 0;
    // Where to cut, should the text prove too long: the ellipsis needs a column.
    let mut cut = 0;
    let mut marks = 0;
    for c in text.chars() {
        let own = c.width().unwrap_or(0);
        marks = if own == 0 { marks + 1 } else { 0 };
        let before = out.len();
        let wide = if is_unsafe(c) || marks > MARKS {
            out.extend(c.escape_default());
            out.len() - before
        } else {
            out.push(c);
            own
        };
        if width + wide > cap {
            out.truncate(cut);
            if cap > 0 {
                out.push('…');
            }
            return out;
        }
        width += wide;
        if width < cap {
            cut = out.len();
        }
    }
    out
}

/// Columns that a text takes on a terminal.
#[must_use]
pub fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// Whether a character may do something else than show itself: controls, bidirectional controls, invisible ones.
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text with a full stop.
pub(crate) fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.ends_with(['.', '!', '?']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

/// Writes a value as JSON on one line. Characters of [`is_unsafe`] are written as `\u` escapes, so that the line is
/// safe on a terminal and still the same value.
///
/// # Errors
///
/// What the writer says.
pub fn json<W: io::Write, T: Serialize + ?Sized>(writer: W, value: &T) -> io::Result<()> {
    value
        .serialize(&mut serde_json::Serializer::with_formatter(writer, Escaping))
        .map_err(io::Error::from)
}

/// Compact JSON that escapes more than it must.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // Nearly all of it is plain ASCII, which is told many bytes at a time: the loop does not end early on purpose.
        let odd = fragment.bytes().fold(false, |odd, byte| odd | !(0x20..0x7f).contains(&byte));
        if !odd {
            return writer.write_all(fragment.as_bytes());
        }
        let mut from = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| is_unsafe(*c)) {
            writer.write_all(&fragment.as_bytes()[from..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            from = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[from..])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_acts_is_shown_as_an_escape() {
        for (hostile, shown) in [
            ("a\nb", "a\\nb"),
            ("a\r\tb", "a\\r\\tb"),
            ("\u{1b}[31mred\u{1b}]0;title\u{7}", "\\u{1b}[31mred\\u{1b}]0;title\\u{7}"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("abc\u{202e}txt.exe", "abc\\u{202e}txt.exe"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}"),
            ("line\u{2028}sep", "line\\u{2028}sep"),
            ("tag\u{e0041}", "tag\\u{e0041}"),
            ("modèle-東京", "modèle-東京"),
        ] {
            assert_eq!(clean(hostile, 200), shown);
        }
    }

    #[test]
    fn stacked_marks_do_not_leave_their_line() {
        let stacked = format!("a{}", "\u{301}".repeat(500));
        let shown = clean(&stacked, 40);
        assert!(shown.matches('\u{301}').count() <= MARKS, "{shown}");
        assert!(columns(&shown) <= 40);
    }

    #[test]
    fn long_texts_are_cut_at_a_column() {
        assert_eq!(clean("abcdef", 6), "abcdef");
        assert_eq!(clean("abcdefg", 6), "abcde…");
        assert_eq!(clean("東京東京", 5), "東京…");
        assert_eq!(clean("abc\n", 4), "abc…");
        assert_eq!(clean("abc", 0), "");
    }

    proptest! {
        #[test]
        fn shown_text_never_acts(text in any::<String>(), cap in 0usize..60) {
            let shown = clean(&text, cap);
            prop_assert!(!shown.chars().any(is_unsafe), "{shown:?}");
            prop_assert!(columns(&shown) <= cap);
        }

        #[test]
        fn escaped_json_is_the_same_value(text in any::<String>()) {
            let mut out = Vec::new();
            json(&mut out, &text).expect("a vector takes every byte");
            let line = String::from_utf8(out).expect("JSON is UTF-8");
            prop_assert!(!line.chars().any(is_unsafe), "{line:?}");
            prop_assert_eq!(serde_json::from_str::<String>(&line).expect("reads back"), text);
        }
    }
}
