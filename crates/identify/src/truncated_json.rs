//! Parser of truncated JSON.
//!
//! A reply can be truncated by a size limit, a deadline or a broken connection. Values before the cut are valid; values after it are
//! unknown, which is not the same as absent.

use serde_json::Value;

/// Deepest nesting, as in `serde_json`.
const MAX_DEPTH: usize = 128;

/// The complete values of a truncated document.
#[derive(Clone, Debug, PartialEq)]
pub struct TruncatedJson {
    /// The complete members and elements. An incomplete element of a list is left out; an incomplete list or object that is a member
    /// is kept with its complete values.
    pub value: Value,
    /// The keys that lead from the root to the container in which the document was cut.
    pub open: Vec<String>,
}

impl TruncatedJson {
    /// Whether this container may have more values after the cut: it contains the cut.
    #[must_use]
    pub fn is_open(&self, container: &Value) -> bool {
        let mut at = &self.value;
        for key in &self.open {
            if std::ptr::eq(at, container) {
                return true;
            }
            let Some(next) = at.get(key) else { return false };
            at = next;
        }
        std::ptr::eq(at, container)
    }
}

/// Parses the beginning of a JSON object or list; `None`: it is none, it is complete, or it has no complete value.
///
/// Linear in the length of the text. Every value of the result is the same in any document that starts with this text and has no
/// duplicate keys.
#[must_use]
pub fn parse(text: &str) -> Option<TruncatedJson> {
    let frames = scan(text.as_bytes())?;
    // An incomplete element of a list would lack keys that it has in the document.
    let kept = (1..frames.len()).find(|&at| !frames[at - 1].object).unwrap_or(frames.len());
    let frames = &frames[..kept];
    let last = frames.last()?;
    if frames.len() == 1 && last.whole == last.start {
        return None;
    }
    let mut whole = text[..last.whole].to_owned();
    whole.extend(frames.iter().rev().map(|frame| if frame.object { '}' } else { ']' }));
    let value = serde_json::from_str(&whole).ok()?;
    // Each container but the last was entered by a key.
    let open = frames[..frames.len() - 1]
        .iter()
        .map(|frame| serde_json::from_str(text.get(frame.key.clone())?).ok())
        .collect::<Option<_>>()?;
    Some(TruncatedJson { value, open })
}

/// A container that was opened and not closed.
#[derive(Debug)]
struct Frame {
    object: bool,
    /// Start of its content.
    start: usize,
    /// End of the last complete member or element.
    whole: usize,
    /// The last key, with its quotes.
    key: std::ops::Range<usize>,
    /// Whether a colon came since the last comma: a value follows.
    value: bool,
}

/// The containers that are open at the end of the text, the root first; `None`: brackets do not match, or none is open.
fn scan(bytes: &[u8]) -> Option<Vec<Frame>> {
    let mut frames: Vec<Frame> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => {
                if frames.len() == MAX_DEPTH {
                    return None;
                }
                frames.push(Frame {
                    object: byte == b'{',
                    start: at + 1,
                    whole: at + 1,
                    key: 0..0,
                    value: false,
                });
                at += 1;
            }
            b'}' | b']' => {
                let closed = frames.pop()?;
                if closed.object != (byte == b'}') {
                    return None;
                }
                at += 1;
                frames.last_mut()?.whole = at;
            }
            b',' => {
                frames.last_mut()?.value = false;
                at += 1;
            }
            b':' => {
                frames.last_mut()?.value = true;
                at += 1;
            }
            b'"' => {
                let Some(end) = string_end(bytes, at) else { break };
                let frame = frames.last_mut()?;
                if frame.object && !frame.value {
                    frame.key = at..end;
                } else {
                    frame.whole = end;
                }
                at = end;
            }
            b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            // A number or a word is complete only if a delimiter follows: 12 may be the beginning of 123.
            _ => {
                let delimiter = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
                let Some(length) = bytes[at..].iter().position(delimiter) else {
                    break;
                };
                at += length;
                frames.last_mut()?.whole = at;
            }
        }
    }
    (!frames.is_empty()).then_some(frames)
}

/// The position after the closing quote of the string that starts here.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn value(text: &str) -> Option<Value> {
        parse(text).map(|truncated| truncated.value)
    }

    #[test]
    fn complete_elements_are_kept_and_an_incomplete_one_is_not() {
        let all = r#"{"models": [{"name": "a", "size": 12}, {"name": "b", "size": 34}], "more": true}"#;
        let until = |marker: &str| &all[..all.find(marker).expect("it is there") + marker.len()];
        assert_eq!(value(until(r#""b", "si"#)), Some(json!({"models": [{"name": "a", "size": 12}]})));
        assert_eq!(value(until(r#""size": 1"#)), Some(json!({"models": []})));
        assert_eq!(
            value(until("34}")),
            Some(json!({"models": [{"name": "a", "size": 12}, {"name": "b", "size": 34}]}))
        );
        assert_eq!(value(until(r#""more": tru"#)), value(until("34}]")));
        assert_eq!(value(all), None, "it is whole");
        assert_eq!(value(r#"{"a": 1, "b": 2"#), Some(json!({"a": 1})), "2 may be 23");
        assert_eq!(value(r#"{"a": {"b": 1, "c": [1, 2"#), Some(json!({"a": {"b": 1, "c": [1]}})));
        assert_eq!(value("[[1, 2], [3, 4"), Some(json!([[1, 2]])));
    }

    #[test]
    fn text_that_is_not_a_truncated_document_is_rejected() {
        for text in [
            "",
            " ",
            "{",
            "[",
            "[{\"a\": 1",
            "null",
            "\"text",
            "{]",
            "[INFO] started",
            "{\"a\" 1, \"b",
            "<html>",
            "}",
            "{a: 1, b",
        ] {
            assert!(parse(text).is_none_or(|truncated| truncated.value == json!([])), "{text}");
        }
        assert_eq!(value(&"[".repeat(100_000)), None);
        assert_eq!(value(&"{\"a\":".repeat(100_000)), None);
    }

    #[test]
    fn open_containers_are_reported() {
        let truncated = parse(r#"{"whole": [], "a": {"list": [1, 2, {"#).expect("a beginning");
        assert_eq!(truncated.open, ["a", "list"]);
        assert!(
            truncated.is_open(&truncated.value["a"]["list"])
                && truncated.is_open(&truncated.value["a"])
                && truncated.is_open(&truncated.value)
        );
        assert!(!truncated.is_open(&truncated.value["whole"]));
    }

    /// Whether one value is part of another: the same, or containers with less in them, lists from their beginning on.
    fn is_part(part: &Value, whole: &Value) -> bool {
        match (part, whole) {
            (Value::Object(part), Value::Object(whole)) => part
                .iter()
                .all(|(key, value)| whole.get(key).is_some_and(|other| is_part(value, other))),
            (Value::Array(part), Value::Array(whole)) => part.len() <= whole.len() && part.iter().zip(whole).all(|(a, b)| a == b),
            (part, whole) => part == whole,
        }
    }

    fn documents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e9..1e9).prop_map(Value::from),
            "[ -~äß🦙\"\\\\\n]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[a-z\"\\\\é]{0,4}", inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_beginning_yields_a_part_of_the_document(document in documents(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) }.expect("it writes");
            let document: Value = serde_json::from_str(&text).expect("it reads");
            for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
                if let Some(truncated) = parse(&text[..end]) {
                    prop_assert!(is_part(&truncated.value, &document), "{} gives {}", &text[..end], truncated.value);
                }
            }
        }

        #[test]
        fn any_text_is_parsed_or_rejected(text in "[\\[\\]{}:,\"\\\\a1 \n]{0,200}") {
            let _ = parse(&text);
        }
    }
}
