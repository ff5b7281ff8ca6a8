//! The target of a request (its path and query), parsed once as the product's web framework parses it.
//!
//! `vigie_http::path` is no help here. Its strict form refuses what a client may send and a product serves: an encoded slash or percent
//! sign, a semicolon. A decision then says [`Doubts`] and goes on. Its lenient form is what the most forgiving server makes of a path, and
//! a framework reads one path in its own way: `/API/%70ull` is a route for one and none for the next. Both also write the path anew, and a
//! decision about a path without escapes allocates nothing. A test holds the two to each other: where the strict form takes a path, a
//! framework that decodes first reads the same one.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;

use crate::table::doubt::Doubts;

/// How a product's web framework parses a path before it matches routes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathReading {
    /// Gin on Go's net/http: decoded before matching; a final slash, `//` and dot segments are redirected.
    Gin,
    /// Echo: a path with escapes is matched without decoding.
    Echo,
    /// cpp-httplib: decoded before matching.
    Httplib,
    /// Starlette on uvicorn: decoded before matching; a final slash is redirected.
    Starlette,
    /// Express: matched without decoding and without regard to case; a final slash is ignored.
    Express,
    /// axum: matched without decoding.
    Axum,
    /// Unknown: a path with escapes in a fixed segment has no route.
    #[default]
    Unknown,
}

impl PathReading {
    /// Whether `%70` in a fixed segment matches `p`.
    pub(crate) fn decodes_first(self) -> bool {
        matches!(self, Self::Gin | Self::Httplib | Self::Starlette)
    }

    /// Whether `/API/V1` matches `/api/v1`.
    pub(crate) fn ignores_case(self) -> bool {
        self == Self::Express
    }

    /// Whether `/api/` matches `/api`.
    fn ignores_end(self) -> bool {
        self == Self::Express
    }
}

/// The bytes that are escaped in a path to pass on: all except letters, digits, and characters without a special meaning to any server.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'@')
    .remove(b'+')
    .remove(b',')
    .remove(b'=');

/// A parsed target.
#[derive(Clone, Debug)]
pub(crate) struct Target<'r> {
    /// The path for matching: decoded if the framework decodes first.
    pub(crate) path: Cow<'r, str>,
    query: Option<&'r str>,
    reading: PathReading,
    pub(crate) doubts: Doubts,
}

impl<'r> Target<'r> {
    /// Parses a target.
    ///
    /// # Errors
    ///
    /// A target that servers parse differently: a path that does not begin with a slash, or that contains control bytes, white space, a
    /// backslash, a `#`, an invalid escape, an empty segment, or a `.` or `..` segment.
    pub(crate) fn read(reading: PathReading, target: &'r str) -> Result<Self, &'static str> {
        if !target.starts_with('/') {
            return Err("the target does not begin with a slash");
        }
        let mut escaped = false;
        for byte in target.bytes() {
            match byte {
                0..=b' ' | 0x7f => return Err("the target contains a control byte or white space"),
                b'\\' | b'#' => return Err("the target contains a backslash or #"),
                0x80.. => return Err("the target contains characters beyond ASCII that are not escaped"),
                b'%' => escaped = true,
                _ => {}
            }
        }
        let (raw, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let mut doubts = Doubts::default();
        let mut path = Cow::Borrowed(raw);
        if escaped && raw.contains('%') {
            let decoded = decode(raw)?;
            // An escaped slash or backslash separates segments for some servers and not for others.
            if decoded.matches('/').count() != raw.matches('/').count() {
                doubts |= Doubts::ENCODED_SLASH;
            }
            doubts |= Doubts::ENCODED_PATH;
            check_segments(&decoded)?;
            if reading.decodes_first() {
                path = Cow::Owned(decoded);
            }
        }
        check_segments(&path)?;
        if reading.ignores_end()
            && path.len() > 1
            && let Some(len) = path.strip_suffix('/').map(str::len)
        {
            doubts |= Doubts::ENCODED_PATH;
            path = match path {
                Cow::Borrowed(path) => Cow::Borrowed(&path[..len]),
                Cow::Owned(path) => Cow::Owned(path[..len].to_owned()),
            };
        }
        Ok(Self {
            path,
            query,
            reading,
            doubts,
        })
    }

    /// The path to pass on: it is parsed like the original, and has only the escapes that it needs.
    pub(crate) fn canonical(&self) -> Cow<'r, str> {
        match &self.path {
            // Decoded characters are escaped again: a decoded question mark must not start a query.
            Cow::Owned(path) if self.reading.decodes_first() => Cow::Owned(utf8_percent_encode(path, ESCAPED).to_string()),
            path => path.clone(),
        }
    }

    /// The segment with this number, decoded; with `rest`, including all following segments.
    pub(crate) fn segment(&self, number: usize, rest: bool) -> Option<Cow<'r, str>> {
        fn cut(path: &str, number: usize, rest: bool) -> Option<&str> {
            let mut from = path.split_once('/')?.1;
            for _ in 0..number {
                from = from.split_once('/')?.1;
            }
            Some(if rest { from } else { from.split('/').next().unwrap_or_default() })
        }
        let segment = match &self.path {
            Cow::Borrowed(path) => Cow::Borrowed(cut(path, number, rest)?),
            Cow::Owned(path) => Cow::Owned(cut(path, number, rest)?.to_owned()),
        };
        if self.reading.decodes_first() || !segment.contains('%') {
            return Some(segment);
        }
        Some(Cow::Owned(percent_decode_str(&segment).decode_utf8_lossy().into_owned()))
    }

    /// The values of a key of the query, decoded, in their order. `loosely`: without regard to the key's case.
    pub(crate) fn query<'k>(&self, key: &'k str, loosely: bool) -> impl Iterator<Item = Cow<'r, str>> + use<'r, 'k> {
        let pairs = self.query.unwrap_or_default().split(['&', ';']).filter(|pair| !pair.is_empty());
        pairs.filter_map(move |pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = form_decode(name);
            (name == key || (loosely && name.eq_ignore_ascii_case(key))).then(|| form_decode(value))
        })
    }
}

/// The path with its escapes decoded once.
fn decode(raw: &str) -> Result<String, &'static str> {
    let bytes = raw.as_bytes();
    for (at, _) in raw.match_indices('%') {
        let digits = bytes.get(at + 1..at + 3).unwrap_or_default();
        if digits.len() < 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err("the path contains an invalid escape");
        }
    }
    let decoded = percent_decode_str(raw)
        .decode_utf8()
        .map_err(|_| "the path's escapes are not UTF-8")?;
    if decoded.chars().any(|letter| letter.is_control() || letter == '\\') {
        return Err("the path contains an escaped control byte or backslash");
    }
    Ok(decoded.into_owned())
}

/// Rejects `.` and `..` segments, and empty segments except the last.
fn check_segments(path: &str) -> Result<(), &'static str> {
    let mut segments = path.as_bytes().split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        if matches!(segment, b"." | b"..") {
            return Err("the path contains a segment . or ..");
        }
        if segment.is_empty() && segments.peek().is_some() {
            return Err("the path contains an empty segment");
        }
    }
    Ok(())
}

fn form_decode(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        Cow::Owned(percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned())
    } else {
        percent_decode_str(text).decode_utf8_lossy()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [PathReading; 7] = [
        PathReading::Gin,
        PathReading::Echo,
        PathReading::Httplib,
        PathReading::Starlette,
        PathReading::Express,
        PathReading::Axum,
        PathReading::Unknown,
    ];

    #[test]
    fn targets_that_servers_read_differently_are_rejected() {
        for wrong in [
            "",
            "api",
            "*",
            "http://x/api",
            "//api/pull",
            "/api//pull",
            "/api/./pull",
            "/api/../pull",
            "/..",
            "/api/%2e%2e/pull",
            "/api/%2E/x",
            "/api\\pull",
            "/api%5cpull",
            "/api/pull#x",
            "/api/pull\0",
            "/api/pull%00",
            "/api/pull%0a",
            "/api/ pull",
            "/api/%zz",
            "/api/%7",
            "/api/%",
            "/api/%u0070ull",
            "/a%2f%2fb",
            "/a%2f..%2fb",
            "/é",
            "/%ff",
        ] {
            for reading in ALL {
                assert!(Target::read(reading, wrong).is_err(), "{wrong:?} {reading:?}");
            }
        }
    }

    #[test]
    fn escapes_are_decoded_as_the_framework_does() {
        let path = |reading, target| {
            let target = Target::read(reading, target).expect("a target");
            (target.path.into_owned(), target.doubts)
        };
        assert_eq!(
            path(PathReading::Gin, "/api/%70ull"),
            ("/api/pull".to_owned(), Doubts::ENCODED_PATH)
        );
        assert_eq!(path(PathReading::Axum, "/api/%70ull").0, "/api/%70ull");
        assert_eq!(
            path(PathReading::Gin, "/api%2Fpull"),
            ("/api/pull".to_owned(), Doubts::ENCODED_PATH | Doubts::ENCODED_SLASH)
        );
        assert_eq!(path(PathReading::Gin, "/api/%2570ull").0, "/api/%70ull", "once");
        assert_eq!(path(PathReading::Express, "/API/v0/").0, "/API/v0");
        assert_eq!(
            path(PathReading::Gin, "/api/tags?x=%zz/../"),
            ("/api/tags".to_owned(), Doubts::default())
        );
        let target = Target::read(PathReading::Axum, "/v1/models/a%3Ab/c").expect("a target");
        assert_eq!(target.segment(2, false).as_deref(), Some("a:b"));
        assert_eq!(target.segment(2, true).as_deref(), Some("a:b/c"));
        assert_eq!(target.segment(4, false), None);
    }

    #[test]
    fn the_query() {
        let target = Target::read(PathReading::Gin, "/a?model=x&Model=y&m%6fdel=a+b;model=%41").expect("a target");
        let all = |loosely| target.query("model", loosely).map(Cow::into_owned).collect::<Vec<_>>();
        assert_eq!(all(false), ["x", "a b", "A"]);
        assert_eq!(all(true), ["x", "y", "a b", "A"]);
    }

    #[test]
    fn what_the_strict_form_refuses_may_be_a_target() {
        for target in ["/api%2Fpull", "/api/%2570ull", "/a;b=1", "/a%3Bb", "/a%3Fb", "/{a}"] {
            assert!(vigie_http::path::strict(target).is_err(), "{target}");
            for reading in ALL {
                assert!(Target::read(reading, target).is_ok(), "{target} {reading:?}");
            }
        }
    }

    proptest! {
        /// A path in strict form is decoded alike by both.
        #[test]
        fn a_strict_path_is_read_as_it_is(target in r"(/([a-z.]|%2[0-9a-fA-F]|%3[0-9a-fA-F]|%[4-7][0-9a-e]|%c3%a9|A){0,5}){1,4}/?") {
            if let Ok(strict) = vigie_http::path::strict(&target) {
                let decoded: String = strict.segments().flat_map(|segment| ["/".to_owned(), segment.into_owned()]).collect();
                for reading in ALL.into_iter().filter(|reading| reading.decodes_first()) {
                    let read = Target::read(reading, &target).expect("what is strict is a target");
                    prop_assert_eq!(&*read.path, &decoded, "{:?}", reading);
                    prop_assert!(!read.doubts.contains(Doubts::ENCODED_SLASH));
                }
            }
        }

        /// The path to pass on is parsed like the original, and parsing it again does not change it.
        #[test]
        fn reading_is_idempotent(target in r"(/([a-z.]|%2[0-9a-fA-F]|%3[0-9a-fA-F]|%[4-7][0-9a-e]|%c3%a9|A){0,5}){1,4}/?") {
            for reading in ALL {
                if let Ok(once) = Target::read(reading, &target) {
                    let passed = once.canonical();
                    let read = Target::read(reading, &passed).expect("the path to pass on is a valid target");
                    prop_assert_eq!(&read.path, &once.path, "{:?} {}", reading, passed);
                    prop_assert_eq!(&read.canonical(), &passed);
                    prop_assert!(read.query.is_none());
                }
            }
        }

        #[test]
        fn any_text_gives_an_error_or_a_target(target in ".{0,40}") {
            for reading in ALL {
                if let Ok(target) = Target::read(reading, &target) {
                    prop_assert!(target.path.starts_with('/'));
                    prop_assert!(!target.path.split('/').any(|segment| segment == ".."));
                    target.segment(0, true);
                    target.query("x", true).count();
                }
            }
        }
    }
}
