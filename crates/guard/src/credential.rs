//! The one place where credentials are taken from a request.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vigie_http::headers::{self, Header};

/// Headers that hold a key and nothing else.
const KEY_HEADERS: [&str; 3] = ["x-api-key", "api-key", "x-goog-api-key"];

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
    let mut found: Option<Cow<'_, str>> = None;
    let mut take = |secret: Cow<'static, str>| match &found {
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
            take(Cow::Owned(line.trim().to_owned()))?;
        }
        if lines.next().is_some() {
            return Err(BadCredential::Several);
        }
    }
    Ok(found)
}

fn authorization(line: &str) -> Result<Cow<'static, str>, BadCredential> {
    let (scheme, value) = line.trim().split_once(' ').ok_or(BadCredential::Unreadable)?;
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Cow::Owned(value.to_owned()));
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
