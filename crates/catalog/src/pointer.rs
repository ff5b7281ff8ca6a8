//! Pointers into JSON: RFC 6901, with `*` for every element and `*.suffix` for keys of that form.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer};
use serde_json::Value;

/// Most values that one pointer finds, so that a hostile document cannot make it slow.
const MAX_VALUES: usize = 20_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Key(String),
    Every,
    /// A key that starts with the first and ends with the second part.
    Like(String, String),
}

/// A pointer into a JSON document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    text: String,
    segments: Vec<Segment>,
}

impl Pointer {
    /// Parses the notation.
    ///
    /// # Errors
    ///
    /// A text that is neither empty nor starts with `/`, or a segment with more than one `*`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self {
                text: String::new(),
                segments: Vec::new(),
            });
        }
        let rest = text
            .strip_prefix('/')
            .ok_or_else(|| format!("invalid pointer {text:?}: it must start with / (RFC 6901)"))?;
        let segments = rest
            .split('/')
            .map(|raw| {
                let key = raw.replace("~1", "/").replace("~0", "~");
                match key.split_once('*') {
                    None => Ok(Segment::Key(key)),
                    Some(("", "")) => Ok(Segment::Every),
                    Some((_, after)) if after.contains('*') => Err(format!("invalid pointer {text:?}: at most one * in a segment")),
                    Some((before, after)) => Ok(Segment::Like(before.to_owned(), after.to_owned())),
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            text: text.to_owned(),
            segments,
        })
    }

    /// The notation.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// All values that it points at, at most 20,000.
    #[must_use]
    pub fn all<'v>(&self, root: &'v Value) -> Vec<&'v Value> {
        // Keys point at one value at most.
        let keys = self
            .segments
            .iter()
            .take_while(|segment| matches!(segment, Segment::Key(_)))
            .count();
        let Some(start) = down(&self.segments[..keys], root) else {
            return Vec::new();
        };
        let mut found = vec![start];
        for segment in &self.segments[keys..] {
            let mut next = Vec::new();
            for value in found {
                step(segment, value, &mut next);
                if next.len() >= MAX_VALUES {
                    break;
                }
            }
            found = next;
        }
        found
    }

    /// All values that it points at if the case of keys is ignored, as in Go; at most 20,000.
    #[must_use]
    pub fn all_in_either_case<'v>(&self, root: &'v Value) -> Vec<&'v Value> {
        let mut found = vec![root];
        for segment in &self.segments {
            let mut next = Vec::new();
            for value in found {
                match (segment, value) {
                    (Segment::Key(key), Value::Object(map)) => {
                        let key = folded(key);
                        next.extend(map.iter().filter(|(name, _)| folded(name) == key).map(|(_, value)| value));
                    }
                    _ => step(segment, value, &mut next),
                }
                if next.len() >= MAX_VALUES {
                    break;
                }
            }
            found = next;
        }
        found
    }

    /// The first value it points at.
    #[must_use]
    pub fn first<'v>(&self, root: &'v Value) -> Option<&'v Value> {
        if self.is_single() {
            return down(&self.segments, root);
        }
        self.all(root).first().copied()
    }

    /// Its segments.
    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether one of its segments is `*`.
    pub(crate) fn is_plain(&self) -> bool {
        !self.segments.iter().any(|segment| matches!(segment, Segment::Like(..)))
    }

    /// Whether it points at one value at most.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.segments.iter().all(|segment| matches!(segment, Segment::Key(_)))
    }

    /// The deepest container or value on its way that exists.
    #[must_use]
    pub fn deepest<'v>(&self, root: &'v Value) -> &'v Value {
        let mut at = root;
        for segment in &self.segments {
            match segment {
                Segment::Key(key) => match child(at, key) {
                    Some(next) => at = next,
                    None => break,
                },
                Segment::Every | Segment::Like(..) => break,
            }
        }
        at
    }

    /// The last key that a document must contain for it to point at something.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        self.segments.iter().rev().find_map(|segment| match segment {
            Segment::Key(key) if key.parse::<usize>().is_err() => Some(key.as_str()),
            Segment::Like(before, after) => Some(if before.len() > after.len() { before } else { after }),
            _ => None,
        })
    }
}

/// The value at a series of keys.
fn down<'v>(keys: &[Segment], root: &'v Value) -> Option<&'v Value> {
    keys.iter().try_fold(root, |value, segment| match segment {
        Segment::Key(key) => child(value, key),
        Segment::Every | Segment::Like(..) => None,
    })
}

fn child<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    match value {
        Value::Object(map) => map.get(key),
        Value::Array(list) => list.get(key.parse::<usize>().ok()?),
        _ => None,
    }
}

/// A key without its case, by Unicode's simple folding: the long s and the Kelvin sign are letters too.
fn folded(key: &str) -> String {
    key.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

fn step<'v>(segment: &Segment, value: &'v Value, next: &mut Vec<&'v Value>) {
    match (segment, value) {
        (Segment::Key(key), value) => next.extend(child(value, key)),
        (Segment::Every, Value::Array(list)) => next.extend(list.iter().take(MAX_VALUES)),
        (Segment::Every, Value::Object(map)) => next.extend(map.values().take(MAX_VALUES)),
        (Segment::Like(before, after), Value::Object(map)) => next.extend(
            map.iter()
                .filter(|(key, _)| key.len() >= before.len() + after.len() && key.starts_with(before) && key.ends_with(after))
                .map(|(_, value)| value),
        ),
        _ => {}
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.text.is_empty() { "the document" } else { &self.text })
    }
}

impl<'de> Deserialize<'de> for Pointer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn points() {
        let document =
            json!({"data": [{"id": "a"}, {"id": "b"}], "model_info": {"llama.context_length": 4096, "general.name": "x"}, "a/b": 1});
        let all = |text: &str| {
            Pointer::parse(text)
                .expect("parses")
                .all(&document)
                .into_iter()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(all("/data/*/id"), [json!("a"), json!("b")]);
        assert_eq!(all("/data/1/id"), [json!("b")]);
        assert_eq!(all("/model_info/*.context_length"), [json!(4096)]);
        assert_eq!(all("/a~1b"), [json!(1)]);
        assert_eq!(all("").len(), 1);
        assert!(all("/none").is_empty());
        assert!(Pointer::parse("data").is_err());
        assert!(Pointer::parse("/a*b*c").is_err());
    }

    #[test]
    fn keys_in_either_case() {
        let document = json!({"model": "a", "MODEL": "b", "Meſſages": 1, "x": {"Name": 2}});
        let all = |text: &str| Pointer::parse(text).expect("parses").all_in_either_case(&document).len();
        assert_eq!(
            (all("/model"), all("/messages"), all("/X/name"), all("/none"), all("")),
            (2, 1, 1, 0, 1)
        );
    }

    #[test]
    fn literals_are_keys() {
        assert_eq!(Pointer::parse("/data/*/owned_by").expect("parses").literal(), Some("owned_by"));
        assert_eq!(Pointer::parse("/data/0").expect("parses").literal(), Some("data"));
        assert_eq!(Pointer::parse("").expect("parses").literal(), None);
    }
}
