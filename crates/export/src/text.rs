//! Escaping of text from the network.
//!
//! A model's name, a version or a header may contain terminal sequences, newlines, bidirectional overrides or invisible characters. They are
//! always escaped.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};
use unicode_width::UnicodeWidthChar as _;

/// Maximum number of combining marks on a character before they are escaped; living scripts need no more.
const MARKS: usize = 3;

/// Escapes a text as one line for a terminal, at most `cap` columns wide; the rest is replaced by `…`.
///
/// Control characters (line breaks and ESC among them), bidirectional controls and invisible characters are written
/// as escapes such as `\n`, `\u{1b}` and `\u{202e}`.
#[must_use]
pub fn clean(text: &str, cap: usize) -> String {
    let mut out = String::with_capacity(text.len().min(cap.saturating_mul(4)));
    let mut width = 0;
    // Where to cut a text that is too long: the ellipsis needs a column.
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

/// Escapes a text of several lines for a terminal: as [`clean`] does, but line breaks are kept.
///
/// It is for vigie's own texts that quote others. If a line break may come from the network, use [`clean`].
#[must_use]
pub fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && is_unsafe(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// The width of a text on a terminal, in columns.
#[must_use]
pub fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// Whether a character is a control, a bidirectional control or invisible.
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Adds a full stop if the text does not end a sentence.
pub(crate) fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.ends_with(['.', '!', '?']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

/// Writes a value as JSON on one line. Unsafe characters ([`is_unsafe`]) are written as `\u` escapes, so that the line is safe on a terminal and
/// the value unchanged.
///
/// # Errors
///
/// If the writer fails.
pub fn json<W: io::Write, T: Serialize + ?Sized>(writer: W, value: &T) -> io::Result<()> {
    value
        .serialize(&mut serde_json::Serializer::with_formatter(writer, Escaping))
        .map_err(io::Error::from)
}

/// Writes a value as indented JSON, with the same escapes.
///
/// # Errors
///
/// If the writer fails.
pub fn json_pretty<W: io::Write, T: Serialize + ?Sized>(writer: W, value: &T) -> io::Result<()> {
    value
        .serialize(&mut serde_json::Serializer::with_formatter(writer, EscapingPretty::default()))
        .map_err(io::Error::from)
}

/// Formatter of compact JSON that escapes unsafe characters.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        escaped_fragment(writer, fragment)
    }
}

/// The same with line breaks and indents.
#[derive(Default)]
struct EscapingPretty(PrettyFormatter<'static>);

impl Formatter for EscapingPretty {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        escaped_fragment(writer, fragment)
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

/// Whether a text is printable ASCII only, as nearly all text is. The loop does not end early, so that the compiler can vectorise it.
fn is_plain(bytes: &[u8]) -> bool {
    !bytes.iter().fold(false, |odd, byte| odd | !(0x20..0x7f).contains(byte))
}

fn escaped_fragment<W: ?Sized + io::Write>(writer: &mut W, fragment: &str) -> io::Result<()> {
    if is_plain(fragment.as_bytes()) {
        return writer.write_all(fragment.as_bytes());
    }
    escape(writer, fragment, is_unsafe, utf16)
}

/// Writes a text, with some of its characters escaped.
fn escape<W: ?Sized + io::Write>(
    writer: &mut W,
    text: &str,
    acts: fn(char) -> bool,
    otherwise: fn(&mut W, char) -> io::Result<()>,
) -> io::Result<()> {
    let mut from = 0;
    for (at, c) in text.char_indices().filter(|(_, c)| acts(*c)) {
        writer.write_all(&text.as_bytes()[from..at])?;
        otherwise(writer, c)?;
        from = at + c.len_utf8();
    }
    writer.write_all(&text.as_bytes()[from..])
}

/// As JSON escapes it.
fn utf16<W: ?Sized + io::Write>(writer: &mut W, c: char) -> io::Result<()> {
    for unit in c.encode_utf16(&mut [0; 2]) {
        write!(writer, "\\u{unit:04x}")?;
    }
    Ok(())
}

/// As [`clean`] does.
fn shown<W: ?Sized + io::Write>(writer: &mut W, c: char) -> io::Result<()> {
    write!(writer, "{}", c.escape_default())
}

/// Writer that escapes unsafe characters, for text that other code formats. Line breaks are kept.
#[derive(Debug)]
pub struct Safe<W> {
    out: W,
    json: bool,
    /// The first bytes of an incomplete character.
    begun: Vec<u8>,
}

impl<W: io::Write> Safe<W> {
    /// For JSON documents and JSON lines; the values are unchanged.
    pub fn json(out: W) -> Self {
        Self::new(out, true)
    }

    /// For other text, with the escapes of [`clean`].
    pub fn text(out: W) -> Self {
        Self::new(out, false)
    }

    fn new(out: W, json: bool) -> Self {
        Self {
            out,
            json,
            begun: Vec::new(),
        }
    }

    fn pass(&mut self, text: &str) -> io::Result<()> {
        let acts = |c: char| c != '\n' && is_unsafe(c);
        let otherwise = if self.json { utf16::<W> } else { shown::<W> };
        escape(&mut self.out, text, acts, otherwise)
    }

    /// Writes bytes; invalid UTF-8 becomes the replacement character.
    fn take(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        loop {
            match std::str::from_utf8(bytes) {
                Ok(text) => return self.pass(text),
                Err(error) => {
                    let (good, rest) = bytes.split_at(error.valid_up_to());
                    self.pass(&String::from_utf8_lossy(good))?;
                    let Some(bad) = error.error_len() else {
                        self.begun = rest.to_vec();
                        return Ok(());
                    };
                    self.pass("\u{fffd}")?;
                    bytes = &rest[bad..];
                }
            }
        }
    }
}

impl<W: io::Write> io::Write for Safe<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.begun.is_empty() && is_plain(bytes) {
            return self.out.write(bytes);
        }
        if self.begun.is_empty() {
            self.take(bytes)?;
        } else {
            let mut all = std::mem::take(&mut self.begun);
            all.extend_from_slice(bytes);
            self.take(&all)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn active_characters_are_escaped() {
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

        #[test]
        fn pretty_json_is_the_same_value_in_the_usual_layout(text in any::<String>(), number in any::<u32>()) {
            let value = serde_json::json!({"a": [text, {}, []], "b": {"c": number, "d": null}});
            let mut out = Vec::new();
            json_pretty(&mut out, &value).expect("a vector takes every byte");
            let pretty = String::from_utf8(out).expect("JSON is UTF-8");
            prop_assert!(!pretty.chars().any(|c| c != '\n' && is_unsafe(c)), "{pretty:?}");
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&pretty).expect("reads back"), value.clone());
            let usual = serde_json::to_string_pretty(&value).expect("it serialises");
            prop_assert_eq!(usual.lines().count(), pretty.lines().count());
        }

        #[test]
        fn text_formatted_by_another_library_is_escaped(text in any::<String>(), cut in 1usize..7) {
            let mut json = Vec::new();
            let mut shown = Vec::new();
            let line = serde_json::to_string(&text).expect("it serialises");
            let mut writer = Safe::json(&mut json);
            line.as_bytes().chunks(cut).for_each(|some| writer.write_all(some).expect("a vector takes every byte"));
            let mut writer = Safe::text(&mut shown);
            text.as_bytes().chunks(cut).for_each(|some| writer.write_all(some).expect("a vector takes every byte"));
            let json = String::from_utf8(json).expect("JSON is UTF-8");
            prop_assert!(!json.chars().any(is_unsafe), "{json:?}");
            prop_assert_eq!(serde_json::from_str::<String>(&json).expect("reads back"), text.clone());
            prop_assert_eq!(String::from_utf8(shown).expect("text"), lines(&text));
        }
    }
}
