//! The path under which a server answers behind a proxy.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The path under which a server answers, in canonical form: `/ollama`, `/team-a/llm`.
///
/// It starts with a slash and does not end with one. Segments are not empty, `.` or `..`. Only characters that need it are percent-encoded,
/// with upper-case digits. There is no encoded slash, backslash, percent sign or control character, no `;`, no query and no fragment. So
/// proxies and servers agree that an appended path is below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPrefix(String);

/// Why a path is not a valid prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefixError {
    /// It does not start with a slash.
    Start,
    /// It is longer than [`PathPrefix::MAX`] bytes.
    Long,
    /// A segment is `.` or `..`, encoded or not.
    Dots,
    /// A percent sign without two hexadecimal digits, or an encoded character that changes the meaning of a path.
    Encoding,
    /// A character that must be percent-encoded.
    Character,
    /// It is valid, but not in canonical form.
    Form,
}

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "it does not start with a slash",
            Self::Long => "it is longer than 256 bytes",
            Self::Dots => "a segment is `.` or `..`; write the path as the server gets it",
            Self::Encoding => {
                "a percent sign has no two digits, or encodes a slash, a backslash, a percent sign, a semicolon or a control character"
            }
            Self::Character => "it has an invalid character; percent-encode all characters but letters, digits and -._~!$&'()*+,=:@",
            Self::Form => "it is not in canonical form: remove trailing and double slashes, and decode what need not be encoded",
        })
    }
}

impl std::error::Error for PrefixError {}

impl PathPrefix {
    /// Maximum length in bytes.
    pub const MAX: usize = 256;

    /// Parses the path of a URL, without query and fragment, into canonical form: `/ollama/` and `//ollama` become `/ollama`, `%6f` becomes
    /// `o`. `None`: the root.
    ///
    /// # Errors
    ///
    /// A path that proxies and servers may interpret differently.
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

    /// Prepends the prefix to a path of the server.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Removes the prefix from a path; `None`: the path is not below this prefix.
    #[must_use]
    pub fn strip<'p>(&self, path: &'p str) -> Option<&'p str> {
        match path.strip_prefix(&self.0)? {
            "" => Some("/"),
            rest if rest.starts_with('/') => Some(rest),
            _ => None,
        }
    }
}

/// Appends a segment, normalised (RFC 3986, section 6.2.2): characters that need not be encoded are decoded.
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

    /// Accepts the canonical form only, so that records of the same prefix are equal.
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
    fn paths_become_canonical() {
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
    fn ambiguous_paths_are_rejected() {
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
    fn a_record_has_the_canonical_form() {
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
