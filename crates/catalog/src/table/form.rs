//! A strict parser of multipart forms: a form that two parsers could split differently is an error.

use std::ops::Range;

/// Maximum number of parts of a form.
pub const MAX_PARTS: usize = 64;
/// Maximum length of a part's head, in bytes.
const MAX_HEAD: usize = 1024;

/// Why bytes are not a valid form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FormError(&'static str);

/// A field of a form, or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'b> {
    /// Its name.
    pub name: &'b str,
    /// The file's name; `None` for a field.
    pub file: Option<&'b str>,
    /// Its value.
    pub value: &'b [u8],
    /// The bytes of the value in the body.
    pub range: Range<usize>,
}

/// A parsed form over the bytes that it was parsed from.
#[derive(Clone, Debug, Default)]
pub struct Form<'b> {
    parts: Vec<Part<'b>>,
}

impl<'b> Form<'b> {
    /// Parses a `multipart/form-data` body.
    ///
    /// # Errors
    ///
    /// The content type is another one or has no plain boundary; the body does not begin and end with the boundary; or a part's head has
    /// anything but one plain `Content-Disposition` with a name (and a file name) in plain quotes, and a `Content-Type`.
    pub fn parse(content_type: &str, body: &'b [u8]) -> Result<Self, FormError> {
        let boundary = boundary(content_type)?;
        let line = format!("--{boundary}");
        let fail = |what| Err(FormError(what));
        let Some(mut at) = body.starts_with(line.as_bytes()).then_some(line.len()) else {
            return fail("the form does not begin with its boundary");
        };
        let between = format!("\r\n{line}");
        let mut parts = Vec::new();
        loop {
            match body.get(at..).unwrap_or_default() {
                b"--" | b"--\r\n" => return Ok(Self { parts }),
                rest if rest.starts_with(b"\r\n") => at += 2,
                _ => return fail("a boundary of the form is followed by other bytes"),
            }
            if parts.len() >= MAX_PARTS {
                return fail("the form has too many parts");
            }
            let head = &body[at..body.len().min(at + MAX_HEAD)];
            let Some(end) = find(head, b"\r\n\r\n") else {
                return fail("the head of a part does not end");
            };
            let (name, file) = part_head(&head[..end])?;
            let start = at + end + 4;
            // A value may be empty: some parsers then take the line break after the head for the one before the boundary.
            let Some(length) = find(&body[start..], between.as_bytes()) else {
                return fail("a part does not end with the boundary");
            };
            parts.push(Part {
                name,
                file,
                value: &body[start..start + length],
                range: start..start + length,
            });
            at = start + length + between.len();
        }
    }

    /// A form with these parts.
    #[must_use]
    pub fn of(parts: Vec<Part<'b>>) -> Self {
        Self { parts }
    }

    /// Its parts, in order.
    #[must_use]
    pub fn parts(&self) -> &[Part<'b>] {
        &self.parts
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, what)
}

fn boundary(content_type: &str) -> Result<&str, FormError> {
    let (kind, parameters) = content_type.split_once(';').ok_or(FormError("the content type has no boundary"))?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return Err(FormError("the content type is not multipart/form-data"));
    }
    let (name, value) = parameters
        .trim()
        .split_once('=')
        .ok_or(FormError("the content type has no boundary"))?;
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    if !name.trim().eq_ignore_ascii_case("boundary") || value.is_empty() || value.len() > 70 || !value.bytes().all(plain) {
        return Err(FormError("the content type has parameters other than one plain boundary"));
    }
    Ok(value)
}

/// The name of a part, and of its file.
fn part_head(head: &[u8]) -> Result<(&str, Option<&str>), FormError> {
    let fail = FormError("the head of a part is not a plain Content-Disposition: form-data with a name in quotes");
    let head = std::str::from_utf8(head).map_err(|_| fail)?;
    let mut disposition = None;
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or(fail)?;
        if line.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(fail);
        }
        if name.eq_ignore_ascii_case("content-disposition") && disposition.is_none() {
            disposition = Some(value.trim());
        } else if !name.eq_ignore_ascii_case("content-type") {
            return Err(fail);
        }
    }
    let rest = disposition.and_then(|value| value.strip_prefix("form-data")).ok_or(fail)?;
    let (mut name, mut file) = (None, None);
    let mut rest = rest.trim();
    while !rest.is_empty() {
        let parameter = rest.strip_prefix(';').ok_or(fail)?.trim_start();
        let (key, quoted) = parameter.split_once("=\"").ok_or(fail)?;
        let (value, behind) = quoted.split_once('"').ok_or(fail)?;
        if value.contains(['\\', '%']) {
            return Err(fail);
        }
        match key {
            "name" if name.is_none() => name = Some(value),
            "filename" if file.is_none() => file = Some(value),
            _ => return Err(fail),
        }
        rest = behind.trim_start();
    }
    Ok((name.filter(|name| !name.is_empty()).ok_or(fail)?, file))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=b";

    #[test]
    fn a_form() {
        let body =
            b"--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; \
                     filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n\x00\r\n\xff\r\n--b--\r\n";
        let form = Form::parse(TYPE, body).expect("parses");
        let parts: Vec<_> = form.parts().iter().map(|part| (part.name, part.file, part.value)).collect();
        assert_eq!(parts, [("model", None, &b"x"[..]), ("file", Some("a.wav"), b"\x00\r\n\xff")]);
        assert_eq!(&body[form.parts()[0].range.clone()], b"x");
        assert!(Form::parse("multipart/form-data; boundary=\"b\"", body).is_ok());
    }

    #[test]
    fn forms_that_two_parsers_could_split_differently_are_rejected() {
        let part = |head: &str| format!("--b\r\n{head}\r\n\r\nx\r\n--b--");
        assert!(Form::parse(TYPE, part("Content-Disposition: form-data; name=\"a\"").as_bytes()).is_ok());
        for head in [
            "Content-Disposition: form-data; name=a",
            "Content-Disposition: form-data; name=\"a\"; name=\"b\"",
            "Content-Disposition: form-data; name=\"a\\\"b\"",
            "Content-Disposition: form-data; name=\"a%22\"",
            "Content-Disposition: form-data; name*=utf-8''a",
            "Content-Disposition: form-data; name=\"\"",
            "Content-Disposition: attachment; name=\"a\"",
            "Content-Disposition: form-data",
            "Content-Type: text/plain",
            "Content-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; name=\"b\"",
            "Content-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: base64",
            "Content-Disposition: form-data;\r\n name=\"a\"",
            "Content-Disposition: form-data; name=\"a\nb\"",
            "",
        ] {
            assert!(Form::parse(TYPE, part(head).as_bytes()).is_err(), "{head}");
        }
        for body in [
            "",
            "--b",
            "--b--x",
            "x--b--",
            "--b\n\n",
            "--c--",
            "--b\r\nContent-Disposition: form-data; name=\"a\"\n\nx\r\n--b--",
        ] {
            assert!(Form::parse(TYPE, body.as_bytes()).is_err(), "{body}");
        }
        for kind in [
            "multipart/form-data",
            "text/plain; boundary=b",
            "multipart/form-data; boundary=b; boundary=c",
            "multipart/form-data; boundary=",
            "multipart/form-data; charset=utf-8; boundary=b",
        ] {
            assert!(Form::parse(kind, b"--b--").is_err(), "{kind}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_error_or_a_form(body in prop::collection::vec(prop::sample::select(&b"-b\r\n:;=\"naContent-Disposition: form-data; name"[..]), 0..200)) {
            let _ = Form::parse(TYPE, &body);
        }
    }
}
