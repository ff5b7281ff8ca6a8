//! The one place where credentials are taken from a request.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vigie_http::headers::{self, Header};

use crate::key;

/// Headers that hold a key and nothing else.
pub(crate) const KEY_HEADERS: [&str; 3] = ["x-api-key", "api-key", "x-goog-api-key"];

/// What stands before a key in a path.
const PATH: &str = "/k/";

/// Why the credentials of a request are refused before any is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadCredential {
    /// Two that differ, or two lines of one header.
    Several,
    /// An `Authorization` that is neither Bearer nor Basic, or does not decode.
    Unreadable,
}

/// The secret that a request carries, whatever place it is in: `Authorization` (Bearer, or the password of Basic), `x-api-key`, `api-key`
/// or `x-goog-api-key`. `None`: it carries none.
///
/// # Errors
///
/// It carries two that differ, two `Authorization` lines, or one that does not read.
pub fn credential(headers: &[Header]) -> Result<Option<Cow<'_, str>>, BadCredential> {
    credential_beside(headers, None)
}

/// [`credential`], beside one that was taken from the target.
///
/// # Errors
///
/// It carries two that differ, two `Authorization` lines, or one that does not read.
pub fn credential_beside<'h>(headers: &'h [Header], of_target: Option<String>) -> Result<Option<Cow<'h, str>>, BadCredential> {
    let mut found: Option<Cow<'_, str>> = of_target.map(Cow::Owned);
    let mut take = |secret: Cow<'h, str>| match &found {
        Some(other) if *other != secret => Err(BadCredential::Several),
        _ => {
            found = Some(secret);
            Ok(())
        }
    };
    let mut lines = headers::all(headers, "authorization");
    if let Some(line) = lines.next() {
        take(authorization(line)?)?;
    }
    if lines.next().is_some() {
        return Err(BadCredential::Several);
    }
    for name in KEY_HEADERS {
        let mut lines = headers::all(headers, name);
        if let Some(line) = lines.next() {
            take(Cow::Borrowed(line.trim()))?;
        }
        if lines.next().is_some() {
            return Err(BadCredential::Several);
        }
    }
    Ok(found)
}

/// A credential in a target, and the target without it.
#[derive(Clone, PartialEq, Eq)]
pub struct InTarget {
    /// The credential.
    pub secret: String,
    /// The target without it.
    pub target: String,
}

impl std::fmt::Debug for InTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InTarget")
    }
}

/// Takes a credential out of a target: a key behind `/k/`, if `in_path`, and the value of the query's key `in_query`.
///
/// # Errors
///
/// There are two that differ, the query has two, or one does not read.
pub fn in_target(target: &str, in_path: bool, in_query: Option<&str>) -> Result<Option<InTarget>, BadCredential> {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let behind = path.strip_prefix(PATH).filter(|_| in_path);
    let (mut secret, path) = match behind {
        None => (None, path),
        Some(behind) => {
            let (key, rest) = behind.find('/').map_or((behind, "/"), |at| behind.split_at(at));
            // Nothing else than a key is taken from here, and no other way to write it.
            if !key::is_well_formed(key) {
                return Err(BadCredential::Unreadable);
            }
            (Some(key.to_owned()), rest)
        }
    };
    let mut kept: Option<String> = None;
    for pair in query.into_iter().flat_map(|query| query.split('&')) {
        match in_query.and_then(|name| pair.strip_prefix(name)?.strip_prefix('=')) {
            None => {
                let kept = kept.get_or_insert_default();
                if !kept.is_empty() {
                    kept.push('&');
                }
                kept.push_str(pair);
            }
            Some(value) => {
                let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
                if value.is_empty() || !value.bytes().all(is_plain) {
                    return Err(BadCredential::Unreadable);
                }
                if secret.replace(value.to_owned()).is_some() {
                    return Err(BadCredential::Several);
                }
            }
        }
    }
    Ok(secret.map(|secret| InTarget {
        secret,
        target: kept.map_or_else(|| path.to_owned(), |kept| format!("{path}?{kept}")),
    }))
}

/// A path as it may be logged: what looks like a key or a token in it is left out, wherever it stands.
#[must_use]
pub fn redact(path: &str) -> Cow<'_, str> {
    let is_secret = |segment: &str| {
        let lower = segment.to_ascii_lowercase();
        lower.contains(key::PREFIX) || lower.contains("vigie%5f") || segment.starts_with("eyJ")
    };
    let behind = path.strip_prefix(PATH);
    // Each of them has one of these letters.
    let may_be = memchr::memchr3(b'_', b'%', b'J', path.as_bytes()).is_some();
    if behind.is_none() && !(may_be && path.split('/').any(is_secret)) {
        return Cow::Borrowed(path);
    }
    let mut segments: Vec<&str> = path
        .split('/')
        .map(|segment| if is_secret(segment) { "***" } else { segment })
        .collect();
    if let Some(key) = segments.get_mut(2).filter(|_| behind.is_some()) {
        *key = "***";
    }
    Cow::Owned(segments.join("/"))
}

fn authorization(line: &str) -> Result<Cow<'_, str>, BadCredential> {
    let (scheme, value) = line.trim().split_once(' ').ok_or(BadCredential::Unreadable)?;
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Cow::Borrowed(value));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let bytes = STANDARD.decode(value).map_err(|_| BadCredential::Unreadable)?;
        let pair = String::from_utf8(bytes).map_err(|_| BadCredential::Unreadable)?;
        let (_, password) = pair.split_once(':').ok_or(BadCredential::Unreadable)?;
        return Ok(Cow::Owned(password.to_owned()));
    }
    Err(BadCredential::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(lines: &[(&str, &str)]) -> Result<Option<String>, BadCredential> {
        let headers: Vec<Header> = lines
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        credential(&headers).map(|found| found.map(Cow::into_owned))
    }

    #[test]
    fn every_place_gives_the_same_secret() {
        let basic = format!("Basic {}", STANDARD.encode("anyone:s3:cret"));
        for (lines, secret) in [
            (&[("authorization", "Bearer s")][..], "s"),
            (&[("authorization", "bearer  s ")], "s"),
            (&[("authorization", basic.as_str())], "s3:cret"),
            (&[("x-api-key", "s")], "s"),
            (&[("api-key", " s ")], "s"),
            (&[("authorization", "Bearer s"), ("x-api-key", "s")], "s"),
        ] {
            assert_eq!(find(lines), Ok(Some(secret.to_owned())), "{lines:?}");
        }
        assert_eq!(find(&[("host", "x")]), Ok(None));
    }

    #[test]
    fn a_target_gives_its_key_away_and_loses_it() {
        let key = key::Secret::generate().expect("random").expose().to_owned();
        for (target, left) in [
            (format!("/k/{key}/api/chat"), "/api/chat"),
            (format!("/k/{key}/v1/models?a=b"), "/v1/models?a=b"),
            (format!("/k/{key}"), "/"),
            (format!("/k/{key}/"), "/"),
            (format!("/v1/models?key={key}"), "/v1/models"),
            (format!("/v1/models?a=b&key={key}&c"), "/v1/models?a=b&c"),
        ] {
            let found = in_target(&target, true, Some("key")).expect("it reads").expect("there is one");
            assert_eq!((found.secret.as_str(), found.target.as_str()), (key.as_str(), left), "{target}");
            assert_eq!(format!("{found:?}"), "InTarget");
            assert_eq!(in_target(&target, false, None), Ok(None), "only where it is configured");
        }
        for target in ["/api/chat", "/api/k/x", "/K/x", "/v1/models?Key=x", "/v1/models?keys=x", "/", "*"] {
            assert_eq!(in_target(target, true, Some("key")), Ok(None), "{target}");
        }
        for target in [
            "/k/",
            "/k/x/api/chat",
            "/k//api",
            "/v1/models?key=",
            "/v1/models?key=%76",
            "/v1/models?key=a+b",
        ] {
            assert_eq!(in_target(target, true, Some("key")), Err(BadCredential::Unreadable), "{target}");
        }
        for target in [format!("/k/{key}/x?key={key}"), format!("/x?key={key}&key={key}")] {
            assert_eq!(in_target(&target, true, Some("key")), Err(BadCredential::Several), "{target}");
        }
        let lines = [("x-api-key".to_owned(), "other".to_owned())];
        assert_eq!(credential_beside(&lines, Some(key.clone())), Err(BadCredential::Several));
        assert_eq!(credential_beside(&[], Some(key.clone())), Ok(Some(Cow::Owned(key.clone()))));
        assert_eq!(
            credential_beside(&[("authorization".to_owned(), format!("Bearer {key}"))], Some(key.clone())),
            Ok(Some(Cow::Owned(key.clone())))
        );
        for path in [
            format!("/k/{key}/api"),
            format!("/api/{key}"),
            format!("/x/{}", key.to_uppercase()),
            format!("//k/{key}"),
            format!("/k/{}", &key[..20]),
            "/a/eyJhbGciOiJub25lIn0.e30.".to_owned(),
        ] {
            let shown = redact(&path);
            assert!(shown.contains("***") && !shown.contains(&key[6..20]), "{shown}");
        }
        assert!(matches!(redact("/api/chat"), Cow::Borrowed("/api/chat")));
    }

    #[test]
    fn two_credentials_and_strange_ones_are_refused() {
        for lines in [
            &[("authorization", "Bearer a"), ("authorization", "Bearer a")][..],
            &[("authorization", "Bearer a"), ("x-api-key", "b")],
            &[("x-api-key", "a"), ("api-key", "b")],
            &[("x-api-key", "a"), ("x-api-key", "a")],
        ] {
            assert_eq!(find(lines), Err(BadCredential::Several), "{lines:?}");
        }
        for line in ["", "Bearer", "s", "Digest x", "Basic ???", "Basic bm9jb2xvbg=="] {
            assert_eq!(find(&[("authorization", line)]), Err(BadCredential::Unreadable), "{line}");
        }
    }
}
