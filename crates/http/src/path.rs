//! Paths of requests in one form: strict for a gateway, lenient for what others recorded.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The most bytes of a request target that [`strict`] takes.
pub const MAX_TARGET: usize = 8 * 1024;

/// What is percent-encoded in the canonical form: all that RFC 3986 does not allow in a segment, and `;`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// A request target that every server and every proxy reads as the same path, in canonical form.
///
/// What RFC 3986 allows in a segment is written as it is and all else percent-encoded in capitals, so that two targets name the same
/// path exactly if their canonical forms are equal. A slash at the end is kept: `/mcp` and `/mcp/` are two routes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Strict<'t> {
    path: Cow<'t, str>,
    query: Option<&'t str>,
}

/// Why a request target has no strict form: two programs could read it as two paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refused {
    /// The target does not start with a slash.
    #[error("the target does not start with a slash; send a path")]
    NotPath,
    /// The target is longer than [`MAX_TARGET`].
    #[error("the target is longer than 8 KiB")]
    TooLong,
    /// Two slashes without a segment between them: some servers merge them, some redirect, some do not.
    #[error("the path has an empty segment; write one slash")]
    EmptySegment,
    /// A segment is `.` or `..`, encoded or not.
    #[error("a segment of the path is `.` or `..`; send the path that it leads to")]
    DotSegment,
    /// A backslash, encoded or not, which some servers read as a slash.
    #[error("the path holds a backslash")]
    Backslash,
    /// An encoded slash, which some servers read as a slash and some as part of a name.
    #[error("the path holds an encoded slash")]
    EncodedSlash,
    /// An encoded percent sign: decoded twice, the path is another one.
    #[error("the path holds an encoded percent sign, so it could be decoded twice")]
    DoubleEncoding,
    /// An encoded `?` or `#`: decoded and parsed again, the path ends there.
    #[error("the path holds an encoded `?` or `#`")]
    EncodedDelimiter,
    /// A semicolon, encoded or not: some servers cut what follows it off the segment.
    #[error("the path holds a semicolon, which begins a parameter for some servers")]
    Parameter,
    /// A percent sign without two hexadecimal digits after it.
    #[error("a percent sign is not followed by two hexadecimal digits")]
    BadEncoding,
    /// A control character, encoded or not.
    #[error("the target holds a control character")]
    Control,
    /// Decoded, the path is not UTF-8.
    #[error("the path is not UTF-8 once it is decoded")]
    NotUtf8,
    /// A fragment, which no client sends.
    #[error("the target holds a `#`")]
    Fragment,
    /// A character that must be percent-encoded in a URI.
    #[error("the target holds a character that must be percent-encoded")]
    Character,
}

/// Reads a request target (`/path` or `/path?query`) for a gateway: refuses what two programs could read as two paths.
///
/// The query is checked for characters that a URI cannot hold and otherwise left as it is.
///
/// # Errors
///
/// The first reason, in the order: form and length, raw characters, encoding, segments.
pub fn strict(target: &str) -> Result<Strict<'_>, Refused> {
    if !target.starts_with('/') {
        return Err(Refused::NotPath);
    }
    if target.len() > MAX_TARGET {
        return Err(Refused::TooLong);
    }
    if target.contains('#') {
        return Err(Refused::Fragment);
    }
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    if query.is_none() && is_plain(path) {
        return Ok(Strict {
            path: Cow::Borrowed(path),
            query,
        });
    }
    check_raw(path, b"/")?;
    if let Some(query) = query {
        // Browsers leave brackets, braces and the like as they are in a query; there they cannot change the path.
        check_raw(query, b"/?;\\[]{}|^`\"<>")?;
    }
    let decoded = decode(path)?;
    // The root, and a slash at the end, are an empty last segment.
    let mut segments = decoded.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "" if segments.peek().is_some() => return Err(Refused::EmptySegment),
            "." | ".." => return Err(Refused::DotSegment),
            _ => {}
        }
    }
    let mut canonical = String::new();
    for segment in decoded.split('/').skip(1) {
        canonical.push('/');
        canonical.extend(utf8_percent_encode(segment, ENCODED));
    }
    let path = if canonical == path {
        Cow::Borrowed(path)
    } else {
        Cow::Owned(canonical)
    };
    Ok(Strict { path, query })
}

/// Whether a path has only letters, digits, `-`, `_` and single slashes, as nearly all have: nothing in it can be read in two ways.
fn is_plain(path: &str) -> bool {
    let mut before = 0;
    path.bytes().all(|byte| {
        let is_plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'/' && before != b'/');
        before = byte;
        is_plain
    })
}

/// Refuses what cannot be in a URI without being encoded, but for these bytes.
fn check_raw(text: &str, but: &[u8]) -> Result<(), Refused> {
    for byte in text.bytes() {
        match byte {
            b'%' => {}
            _ if but.contains(&byte) => {}
            0..0x20 | 0x7f => return Err(Refused::Control),
            b'\\' => return Err(Refused::Backslash),
            b';' => return Err(Refused::Parameter),
            _ if is_encoded(byte) => return Err(Refused::Character),
            _ => {}
        }
    }
    Ok(())
}

fn is_encoded(byte: u8) -> bool {
    !(byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte))
}

/// Decodes a path whose raw characters were checked.
fn decode(path: &str) -> Result<Cow<'_, str>, Refused> {
    let mut encoded = path.split('%');
    encoded.next();
    for after in encoded {
        let [high, low, ..] = after.as_bytes() else {
            return Err(Refused::BadEncoding);
        };
        let digit = |byte: &u8| char::from(*byte).to_digit(16).ok_or(Refused::BadEncoding);
        match (digit(high)? << 4) | digit(low)? {
            0x2f => return Err(Refused::EncodedSlash),
            0x5c => return Err(Refused::Backslash),
            0x25 => return Err(Refused::DoubleEncoding),
            0x23 | 0x3f => return Err(Refused::EncodedDelimiter),
            0x3b => return Err(Refused::Parameter),
            _ => {}
        }
    }
    let decoded = percent_decode_str(path).decode_utf8().map_err(|_| Refused::NotUtf8)?;
    // Those that only UTF-8 writes (U+0080 to U+009F) too.
    if decoded.chars().any(char::is_control) {
        return Err(Refused::Control);
    }
    Ok(decoded)
}

impl Strict<'_> {
    /// The canonical path without its query, `/api/tags`: what to compare, and what to forward.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query as it was sent, without its question mark.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query
    }

    /// The segments, decoded. The last one is empty if the path ends with a slash; the root is one empty segment.
    pub fn segments(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.path
            .split('/')
            .skip(1)
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy())
    }
}

/// The target to forward: the canonical path and the query.
impl fmt::Display for Strict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        match self.query {
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}

/// What an encoded slash is in a path that someone recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EncodedSlash {
    /// A slash between segments, as for servers that route the decoded path (Go's gin, nginx).
    Separates,
    /// Part of a segment, as for servers that split before they decode (Node's Express, axum).
    Belongs,
}

/// A path as a forgiving server routes it: decoded, without empty segments, `.`, `..` and parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lenient(Vec<String>);

/// Reads a request target that someone recorded: whatever it is, the path that the most forgiving server makes of it.
///
/// A target with scheme and authority is taken as a proxy gets it. Backslashes are slashes, what follows a semicolon in a segment is
/// cut off, encoding is undone twice, what is not UTF-8 is replaced, `..` leads up as far as the root. The case of letters is kept.
#[must_use]
pub fn lenient(target: &str, slash: EncodedSlash) -> Lenient {
    let path = without_query(target);
    let path = match path.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) => {
            rest.find('/').map_or("", |at| &rest[at..])
        }
        _ => path,
    };
    let mut segments = Vec::new();
    match slash {
        EncodedSlash::Separates => {
            let decoded = decode_twice(path);
            for segment in decoded.split(['/', '\\']) {
                follow(&mut segments, segment.split(';').next().unwrap_or_default());
            }
        }
        EncodedSlash::Belongs => {
            for segment in path.split(['/', '\\']) {
                let decoded = decode_twice(segment);
                follow(&mut segments, decoded.split(';').next().unwrap_or_default());
            }
        }
    }
    Lenient(segments)
}

fn decode_twice(text: &str) -> String {
    let once = percent_decode_str(text).decode_utf8_lossy();
    percent_decode_str(&once).decode_utf8_lossy().into_owned()
}

fn follow(segments: &mut Vec<String>, segment: &str) {
    match segment {
        "" | "." => {}
        ".." => {
            segments.pop();
        }
        _ => segments.push(segment.to_owned()),
    }
}

impl Lenient {
    /// The segments, decoded; the root has none.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.0
    }
}

/// The path, encoded as [`Strict::path`] is, without a slash at its end.
impl fmt::Display for Lenient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("/");
        }
        for segment in &self.0 {
            write!(f, "/{}", utf8_percent_encode(segment, ENCODED))?;
        }
        Ok(())
    }
}

/// The most bytes of a target that [`is_sendable`] takes.
const MAX_SENT: usize = 2_048;

/// Whether a request may be sent with this target: it starts with a slash, is not too long, and holds nothing but visible ASCII.
#[must_use]
pub fn is_sendable(target: &str) -> bool {
    target.starts_with('/') && target.len() <= MAX_SENT && target.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A target without query and fragment.
#[must_use]
pub fn without_query(target: &str) -> &str {
    target.split(['?', '#']).next().unwrap_or_default()
}

/// Whether a path leads below whatever it is appended to: no segment leads up, however it is written, and nothing in it is read as a
/// slash by some servers but a slash.
#[must_use]
pub fn stays_below(path: &str) -> bool {
    let path = without_query(path);
    let dots = |segment: &str| {
        // What follows a semicolon is a parameter, which some servers take off before they look at the segment.
        let name = percent_decode_str(segment.split(';').next().unwrap_or_default()).decode_utf8_lossy();
        matches!(name.as_ref(), "." | "..")
    };
    path.starts_with('/') && !path.contains('\\') && !path.split('/').any(dots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_canonical_form() {
        for (target, path, query) in [
            ("/", "/", None),
            ("/api/tags", "/api/tags", None),
            ("/mcp/", "/mcp/", None),
            ("/api/%70ull", "/api/pull", None),
            ("/%61pi/%74ags?x=%2f..", "/api/tags", Some("x=%2f..")),
            ("/api/blobs/sha256:ab", "/api/blobs/sha256:ab", None),
            ("/api/blobs/sha256%3Aab", "/api/blobs/sha256:ab", None),
            ("/a%20b%c3%a9", "/a%20b%C3%A9", None),
            ("/a+b%2Bc", "/a+b+c", None),
            ("/...", "/...", None),
            ("/.well-known/x", "/.well-known/x", None),
            ("/a?", "/a", Some("")),
            ("/a?b?c/../d;e", "/a", Some("b?c/../d;e")),
            ("/%7Bx%7D", "/%7Bx%7D", None),
        ] {
            let read = strict(target).unwrap_or_else(|why| panic!("{target}: {why}"));
            assert_eq!((read.path(), read.query()), (path, query), "{target}");
        }
        let read = strict("/v1/models/a%20b/?x=1").expect("a path");
        assert_eq!(read.segments().collect::<Vec<_>>(), ["v1", "models", "a b", ""]);
        assert_eq!(read.to_string(), "/v1/models/a%20b/?x=1");
    }

    #[test]
    fn ambiguous_paths_are_rejected() {
        use Refused::*;
        let long = format!("/{}", "a".repeat(MAX_TARGET));
        for (target, why) in [
            ("", NotPath),
            ("*", NotPath),
            ("api", NotPath),
            ("http://a/b", NotPath),
            ("?x", NotPath),
            (&long, TooLong),
            ("//", EmptySegment),
            ("//api/pull", EmptySegment),
            ("/api//pull", EmptySegment),
            ("/api/pull//", EmptySegment),
            ("/..", DotSegment),
            ("/.", DotSegment),
            ("/a/../b", DotSegment),
            ("/a/./b", DotSegment),
            ("/a/%2e%2E/b", DotSegment),
            ("/a/.%2e", DotSegment),
            ("/a/%2e/", DotSegment),
            ("/a\\b", Backslash),
            ("/a%5cb", Backslash),
            ("/a%5Cb", Backslash),
            ("/api%2Fpull", EncodedSlash),
            ("/api%2fpull", EncodedSlash),
            ("/api/%2570ull", DoubleEncoding),
            ("/a%25", DoubleEncoding),
            ("/a%3Fb", EncodedDelimiter),
            ("/a%23b", EncodedDelimiter),
            ("/a;b=1", Parameter),
            ("/..;/a", Parameter),
            ("/a%3Bb", Parameter),
            ("/a%", BadEncoding),
            ("/a%4", BadEncoding),
            ("/a%zz", BadEncoding),
            ("/a%+1", BadEncoding),
            ("/a%\u{e9}", Character),
            ("/a%00", Control),
            ("/a%0d%0aX:", Control),
            ("/a%7f", Control),
            ("/a%c2%85", Control),
            ("/a\r\nX: y", Control),
            ("/a\0", Control),
            ("/a?b\nc", Control),
            ("/a?b\0", Control),
            ("/%ff", NotUtf8),
            ("/%c0%af", NotUtf8),
            ("/%c0%ae%c0%ae/", NotUtf8),
            ("/%ed%a0%80", NotUtf8),
            ("/a#b", Fragment),
            ("/a?b#c", Fragment),
            ("/a b", Character),
            ("/a?b c", Character),
            ("/\u{e9}", Character),
            ("/a?\u{e9}", Character),
            ("/{a}", Character),
            ("/a|b", Character),
            ("/a\"b", Character),
        ] {
            assert_eq!(strict(target), Err(why), "{target:?}");
        }
    }

    #[test]
    fn recorded_replies_are_parsed_leniently() {
        use EncodedSlash::{Belongs, Separates};
        for (target, slash, path) in [
            ("", Separates, "/"),
            ("/", Separates, "/"),
            ("//api//pull/", Separates, "/api/pull"),
            ("/api%2Fpull?x=/y", Separates, "/api/pull"),
            ("/api%2Fpull", Belongs, "/api%2Fpull"),
            ("/api%252Fpull", Separates, "/api/pull"),
            ("/v1/models/a%2Fb", Belongs, "/v1/models/a%2Fb"),
            ("/a/../../api/./pull", Separates, "/api/pull"),
            ("/a/%2e%2e/api\\pull", Belongs, "/api/pull"),
            ("/x/..;a=b/api;c/pull", Separates, "/api/pull"),
            ("/API/Pull#x", Separates, "/API/Pull"),
            ("http://host:1/api/pull", Separates, "/api/pull"),
            ("http://host:1", Separates, "/"),
            ("/proxy/http://host/x", Separates, "/proxy/http:/host/x"),
            ("/%ff", Separates, "/%EF%BF%BD"),
            ("/a%", Separates, "/a%25"),
        ] {
            assert_eq!(lenient(target, slash).to_string(), path, "{target:?} {slash:?}");
        }
    }

    #[test]
    fn sendable_targets() {
        for target in ["/", "/a?b=%20#c", "/{a}"] {
            assert!(is_sendable(target), "{target}");
        }
        for target in [
            "",
            "a",
            "/a b",
            "/a\r\nX: y",
            "/\u{e9}",
            "/\u{7f}",
            &format!("/{}", "a".repeat(MAX_SENT)),
        ] {
            assert!(!is_sendable(target), "{target:?}");
        }
    }

    #[test]
    fn a_path_that_leads_up_is_not_below() {
        for path in [
            "/",
            "/api/tags",
            "/a?x=../..",
            "/v1/models/a%2Fb",
            "/...",
            "/.well-known/x",
            "/a;b=1",
        ] {
            assert!(stays_below(path), "{path}");
        }
        for path in ["", "api", "/..", "/a/../b", "/%2e%2E/x", "/.%2e", "/a/./b", "/..;/x", "/a\\..\\b"] {
            assert!(!stays_below(path), "{path}");
        }
    }
}
