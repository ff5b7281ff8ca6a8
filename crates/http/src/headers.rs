//! Looking up headers, whatever the case of their names.

/// A name and a value.
pub type Header = (String, String);

/// The values of a header, in order.
pub fn all<'h>(headers: &'h [Header], name: &str) -> impl Iterator<Item = &'h str> {
    headers
        .iter()
        // Most names differ in their lengths.
        .filter(move |(own, _)| own.len() == name.len() && own.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// The first value of a header.
#[must_use]
pub fn first<'h>(headers: &'h [Header], name: &str) -> Option<&'h str> {
    all(headers, name).next()
}

/// The elements of a header whose value is a list (RFC 9110, section 5.6.1), over all its lines.
pub fn elements<'h>(headers: &'h [Header], name: &str) -> impl Iterator<Item = &'h str> {
    all(headers, name)
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|element| !element.is_empty())
}

/// Which bytes a token may have.
static TOKEN: [bool; 256] = {
    let mut all = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        all[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
            );
        byte += 1;
    }
    all
};

/// Whether a name is a token (RFC 9110, section 5.6.2), as methods and names of headers are.
#[must_use]
pub fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|b| TOKEN[usize::from(*b)])
}

/// Whether the content type is an event stream.
#[must_use]
pub fn is_event_stream(headers: &[Header]) -> bool {
    const STREAM: &[u8] = b"text/event-stream";
    first(headers, "content-type").is_some_and(|kind| {
        let kind = kind.trim_ascii_start().as_bytes();
        kind.len() >= STREAM.len()
            && kind[..STREAM.len()].eq_ignore_ascii_case(STREAM)
            && matches!(kind[STREAM.len()..].trim_ascii_start(), [] | [b';' | b',', ..])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&str, &str)]) -> Vec<Header> {
        headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn names_have_no_case_and_lists_have_many_lines() {
        let headers = of(&[("Via", "a, b"), ("server", "x"), ("via", ", c ,")]);
        assert_eq!(first(&headers, "VIA"), Some("a, b"));
        assert_eq!(all(&headers, "Server").collect::<Vec<_>>(), ["x"]);
        assert_eq!(elements(&headers, "via").collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(first(&headers, "serve"), None);
    }

    #[test]
    fn tokens() {
        assert!(is_token(b"X-Api_Key.1"));
        for other in [&b""[..], b"a b", b"a:", b"a\t", b"\xe9", b"a\0", b"(a)"] {
            assert!(!is_token(other), "{other:?}");
        }
    }

    #[test]
    fn event_streams() {
        for kind in ["text/event-stream", "Text/Event-Stream; charset=utf-8", " text/event-stream ;x"] {
            assert!(is_event_stream(&of(&[("Content-Type", kind)])), "{kind}");
        }
        for kind in ["text/event-streams", "application/json", "", "x text/event-stream"] {
            assert!(!is_event_stream(&of(&[("Content-Type", kind)])), "{kind}");
        }
    }
}
