//! The path under which a server answers, where it stands behind a proxy's sub-path.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The path under which a server answers, in its one form: `/ollama`, `/team-a/llm`.
///
/// It starts with a slash and ends with none; each segment holds something and is neither `.` nor `..`. What need not be
/// percent-encoded is not, and what is, is written in capitals. It holds no encoded slash, backslash, percent sign or control
/// character, no `;`, no query and no fragment: whatever is appended to it lies below it, for a proxy and for the server alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPrefix(String);

/// Why a path is no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefixError {
    /// It does not start with a slash.
    Start,
    /// It is longer than [`PathPrefix::MAX`] bytes.
    Long,
    /// A segment is `.` or `..`, however it is written.
    Dots,
    /// A percent sign without two hexadecimal digits, or an encoded character that changes what a path means.
    Encoding,
    /// A character that stands in no path as it is.
    Character,
    /// It is a prefix, and not in its one form.
    Form,
}

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "it does not start with a slash",
            Self::Long => "it is longer than 256 bytes",
            Self::Dots => "a segment is `.` or `..`; write the path as the server gets it",
            Self::Encoding => "a percent sign stands for nothing, or for a slash, a backslash, a percent sign or a control character",
            Self::Character => {
                "it holds a character that is not used here; percent-encode what is no letter, digit or one of -._~!$&'()*+,=:@"
            }
            Self::Form => "it is not in its one form: no slash at its end or twice, nothing encoded that need not be",
        })
    }
}

impl std::error::Error for PrefixError {}

impl PathPrefix {
    /// The most bytes.
    pub const MAX: usize = 256;

    /// Reads a path as it stands in a URL, without query and fragment. `/ollama/` and `//ollama` are `/ollama`, `%6f` is `o`;
    /// `None`: it is the root.
    ///
    /// # Errors
    ///
    /// What no server and no proxy must be left to read in its own way.
    pub fn parse(path: &str) -> Result<Option<Self>, PrefixError> {
        if path.is_empty() {
            return Ok(None);
        }
        if !path.starts_with('/') {
            return Err(PrefixError::Start);
        }
        if path.len() > Self::MAX {
            return Err(PrefixError::Long);
        }
        let mut out = String::with_capacity(path.len());
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            out.push('/');
            let start = out.len();
            decode(segment, &mut out)?;
            if matches!(&out[start..], "." | "..") {
                return Err(PrefixError::Dots);
            }
        }
        Ok((!out.is_empty()).then_some(Self(out)))
    }

    /// The path, `/ollama`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A path of the server as it is sent.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// A path that was sent as the server's own; `None`: it does not lie under this prefix.
    #[must_use]
    pub fn strip<'p>(&self, path: &'p str) -> Option<&'p str> {
        match path.strip_prefix(&self.0)? {
            "" => Some("/"),
            rest if rest.starts_with('/') => Some(rest),
            _ => None,
        }
    }
}

/// Appends a segment with what need not be encoded decoded (RFC 3986, section 6.2.2).
fn decode(segment: &str, out: &mut String) -> Result<(), PrefixError> {
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            if !(is_unreserved(byte) || b"!$&'()*+,=:@".contains(&byte)) {
                return Err(PrefixError::Character);
            }
            out.push(char::from(byte));
            continue;
        }
        let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(PrefixError::Encoding);
        };
        // Two hexadecimal digits are a byte.
        let decoded = (high * 16 + low) as u8;
        if decoded < 0x20 || decoded == 0x7f || b"/\\%;".contains(&decoded) {
            return Err(PrefixError::Encoding);
        }
        if is_unreserved(decoded) {
            out.push(char::from(decoded));
        } else {
            out.push_str(&format!("%{decoded:02X}"));
        }
    }
    Ok(())
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for PathPrefix {
    type Error = PrefixError;

    /// Takes the one form and no other, so that two records of one prefix are equal.
    fn try_from(text: String) -> Result<Self, PrefixError> {
        match Self::parse(&text)? {
            Some(prefix) if prefix.0 == text => Ok(prefix),
            _ => Err(PrefixError::Form),
        }
    }
}

impl From<PathPrefix> for String {
    fn from(prefix: PathPrefix) -> Self {
        prefix.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Result<Option<String>, PrefixError> {
        PathPrefix::parse(path).map(|prefix| prefix.map(String::from))
    }

    #[test]
    fn one_form() {
        for (path, expected) in [
            ("", None),
            ("/", None),
            ("//", None),
            ("/ollama", Some("/ollama")),
            ("/ollama/", Some("/ollama")),
            ("//ollama//", Some("/ollama")),
            ("/a//b/", Some("/a/b")),
            ("/%6fllama", Some("/ollama")),
            ("/%7Eme/%41", Some("/~me/A")),
            ("/a%20b%c3%a9", Some("/a%20b%C3%A9")),
            ("/v1.2/...", Some("/v1.2/...")),
        ] {
            assert_eq!(read(path), Ok(expected.map(str::to_owned)), "{path}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        use PrefixError::{Character, Dots, Encoding, Long, Start};
        for (path, why) in [
            ("ollama", Start),
            ("/..", Dots),
            ("/a/../b", Dots),
            ("/./a", Dots),
            ("/%2e%2e/a", Dots),
            ("/.%2E", Dots),
            ("/a%2fb", Encoding),
            ("/a%5Cb", Encoding),
            ("/a%252e", Encoding),
            ("/a%00", Encoding),
            ("/a%0d%0aX:", Encoding),
            ("/a%3Bb", Encoding),
            ("/a%", Encoding),
            ("/a%4", Encoding),
            ("/a%zz", Encoding),
            ("/a;b", Character),
            ("/..;/a", Character),
            ("/a?b", Character),
            ("/a#b", Character),
            ("/a\\b", Character),
            ("/a b", Character),
            ("/a\r\nX: y", Character),
            ("/é", Character),
            ("/{a}", Character),
        ] {
            assert_eq!(read(path), Err(why), "{path}");
        }
        assert_eq!(read(&format!("/{}", "a".repeat(PathPrefix::MAX))), Err(Long));
    }

    #[test]
    fn a_record_holds_the_one_form() {
        let prefix: PathPrefix = serde_json::from_str("\"/ollama\"").expect("a prefix");
        assert_eq!(serde_json::to_string(&prefix).expect("text"), "\"/ollama\"");
        for other in ["\"/ollama/\"", "\"\"", "\"/\"", "\"/%6f\"", "\"/../a\"", "\"a\""] {
            assert!(serde_json::from_str::<PathPrefix>(other).is_err(), "{other}");
        }
    }

    #[test]
    fn under_it_and_not_beside_it() {
        let prefix = PathPrefix::parse("/ollama").expect("it reads").expect("a prefix");
        assert_eq!(prefix.join("/api/tags?x=1"), "/ollama/api/tags?x=1");
        for (path, own) in [
            ("/ollama/api/tags", Some("/api/tags")),
            ("/ollama/", Some("/")),
            ("/ollama", Some("/")),
            ("/ollama2/api", None),
            ("/api/tags", None),
            ("/", None),
        ] {
            assert_eq!(prefix.strip(path), own, "{path}");
        }
    }
}
