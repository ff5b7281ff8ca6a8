//! The target of a request (its path and query), read once as the product's web framework reads it.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;

use crate::table::doubt::Doubts;

/// How a product's web framework reads a path before it looks for a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathReading {
    /// Gin behind Go's net/http: decoded before it is matched; a slash at the end, `//` and dot segments are redirected.
    Gin,
    /// Echo: matched as it is written where it is written with escapes.
    Echo,
    /// cpp-httplib: decoded before it is matched.
    Httplib,
    /// Starlette behind uvicorn: decoded before it is matched; a slash at the end is redirected.
    Starlette,
    /// Express: matched as it is written, in either case of letters; a slash at the end is ignored.
    Express,
    /// axum: matched as it is written.
    Axum,
    /// Not known: nothing written with escapes has a route, in its fixed segments.
    #[default]
    Unknown,
}

impl PathReading {
    /// Whether `%70` in a fixed segment is a `p`.
    pub(crate) fn decodes_first(self) -> bool {
        matches!(self, Self::Gin | Self::Httplib | Self::Starlette)
    }

    /// Whether `/API/V1` is `/api/v1`.
    pub(crate) fn ignores_case(self) -> bool {
        self == Self::Express
    }

    /// Whether `/api/` is `/api`.
    fn ignores_end(self) -> bool {
        self == Self::Express
    }
}

/// What is escaped in a path that is passed on: all but letters, digits and what no server reads as more than itself.
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

/// A target that was read.
#[derive(Clone, Debug)]
pub(crate) struct Target<'r> {
    /// The path as it is matched: decoded where the framework does that first.
    pub(crate) path: Cow<'r, str>,
    query: Option<&'r str>,
    reading: PathReading,
    pub(crate) doubts: Doubts,
}

impl<'r> Target<'r> {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// What no two servers read alike: a path that does not begin with a slash, holds control bytes, white space, a backslash, a `#`, an
    /// escape that is none, an empty segment or one that leads up.
    pub(crate) fn read(reading: PathReading, target: &'r str) -> Result<Self, &'static str> {
        if !target.starts_with('/') {
            return Err("the target does not begin with a slash");
        }
        let mut escaped = false;
        for byte in target.bytes() {
            match byte {
                0..=b' ' | 0x7f => return Err("the target holds a control byte or white space"),
                b'\\' | b'#' => return Err("the target holds a backslash or #"),
                0x80.. => return Err("the target holds letters beyond ASCII that are not escaped"),
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
            // A slash or a backslash behind an escape moves the segments for one reader and not for another.
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

    /// The path to be passed on: it reads as this one did, and has no escapes where none are needed.
    pub(crate) fn canonical(&self) -> Cow<'r, str> {
        match &self.path {
            // What was decoded is escaped anew: a decoded question mark is no query.
            Cow::Owned(path) if self.reading.decodes_first() => Cow::Owned(utf8_percent_encode(path, ESCAPED).to_string()),
            path => path.clone(),
        }
    }

    /// The segment of that number, decoded; with `rest`, it and all behind it.
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

    /// The values under a key of the query, decoded, in their order. `loosely`: the key in either case.
    pub(crate) fn query<'k>(&self, key: &'k str, loosely: bool) -> impl Iterator<Item = Cow<'r, str>> + use<'r, 'k> {
        let pairs = self.query.unwrap_or_default().split(['&', ';']).filter(|pair| !pair.is_empty());
        pairs.filter_map(move |pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = form_decode(name);
            (name == key || (loosely && name.eq_ignore_ascii_case(key))).then(|| form_decode(value))
        })
    }
}

/// The path with its escapes read once.
fn decode(raw: &str) -> Result<String, &'static str> {
    let bytes = raw.as_bytes();
    for (at, _) in raw.match_indices('%') {
        let digits = bytes.get(at + 1..at + 3).unwrap_or_default();
        if digits.len() < 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err("the path holds an escape that is none");
        }
    }
    let decoded = percent_decode_str(raw)
        .decode_utf8()
        .map_err(|_| "the path's escapes are no UTF-8")?;
    if decoded.chars().any(|letter| letter.is_control() || letter == '\\') {
        return Err("the path holds an escaped control byte or backslash");
    }
    Ok(decoded.into_owned())
}

/// No segment leads up or is empty, but for the last.
fn check_segments(path: &str) -> Result<(), &'static str> {
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        if segment == "." || segment == ".." {
            return Err("the path holds a segment . or ..");
        }
        if segment.is_empty() && segments.peek().is_some() {
            return Err("the path holds an empty segment");
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
    fn what_no_two_servers_read_alike_is_no_target() {
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
    fn escapes_are_read_as_the_framework_reads_them() {
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

    proptest! {
        /// What is passed on reads as what came, and is passed on as it is: no second reading changes a path.
        #[test]
        fn reading_is_idempotent(target in r"(/([a-z.]|%2[0-9a-fA-F]|%3[0-9a-fA-F]|%[4-7][0-9a-e]|%c3%a9|A){0,5}){1,4}/?") {
            for reading in ALL {
                if let Ok(once) = Target::read(reading, &target) {
                    let passed = once.canonical();
                    let read = Target::read(reading, &passed).expect("what is passed on is a target");
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
