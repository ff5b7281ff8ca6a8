//! Redis' protocol (RESP 2), as far as it is needed: commands are written, replies are read within bounds.

use bytes::{Buf as _, BytesMut};

/// The longest line, and the most that a reply may hold.
const MAX_LINE: usize = 64 * 1024;
const MAX_ITEMS: usize = 4_096;

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// A status or a text.
    Text(String),
    /// A number.
    Number(i64),
    /// A list.
    List(Vec<Reply>),
    /// Nothing.
    Nil,
    /// An error, with its word.
    Error(String),
}

/// What came is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Writes a command.
pub(super) fn write(out: &mut Vec<u8>, words: &[&str]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Takes a reply from the front. `None`: it has not come whole.
pub(super) fn read(buffer: &mut BytesMut) -> Result<Option<Reply>, Malformed> {
    let mut at = 0;
    let reply = parse(buffer, &mut at, 0)?;
    if reply.is_some() {
        buffer.advance(at);
    }
    Ok(reply)
}

fn parse(bytes: &[u8], at: &mut usize, depth: usize) -> Result<Option<Reply>, Malformed> {
    let Some(line) = line(bytes, at)? else { return Ok(None) };
    let (kind, rest) = line.split_at_checked(1).ok_or(Malformed)?;
    let number = || rest.parse::<i64>().map_err(|_| Malformed);
    Ok(Some(match kind {
        "+" => Reply::Text(rest.to_owned()),
        "-" => Reply::Error(rest.to_owned()),
        ":" => Reply::Number(number()?),
        "$" => match number()? {
            -1 => Reply::Nil,
            length => {
                let length = usize::try_from(length).ok().filter(|length| *length <= MAX_LINE).ok_or(Malformed)?;
                let Some(text) = bytes.get(*at..*at + length + 2) else {
                    return Ok(None);
                };
                let text = text.strip_suffix(b"\r\n").ok_or(Malformed)?;
                *at += length + 2;
                Reply::Text(String::from_utf8_lossy(text).into_owned())
            }
        },
        "*" => match number()? {
            -1 => Reply::Nil,
            count => {
                let count = usize::try_from(count)
                    .ok()
                    .filter(|count| *count <= MAX_ITEMS && depth < 2)
                    .ok_or(Malformed)?;
                let mut items = Vec::with_capacity(count);
                for _ in 0..count {
                    match parse(bytes, at, depth + 1)? {
                        None => return Ok(None),
                        Some(item) => items.push(item),
                    }
                }
                Reply::List(items)
            }
        },
        _ => return Err(Malformed),
    }))
}

fn line<'b>(bytes: &'b [u8], at: &mut usize) -> Result<Option<&'b str>, Malformed> {
    let rest = bytes.get(*at..).unwrap_or_default();
    let Some(end) = memchr::memchr(b'\n', rest) else {
        return if rest.len() > MAX_LINE { Err(Malformed) } else { Ok(None) };
    };
    let line = rest.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(Malformed)?;
    *at += end + 1;
    std::str::from_utf8(line).map(Some).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn replies_come_in_pieces() {
        let all = b"+OK\r\n:-7\r\n$5\r\na\r\nbc\r\n$-1\r\n-ERR no\r\n*3\r\n:1\r\n$1\r\nx\r\n*0\r\n";
        let wanted = [
            Reply::Text("OK".to_owned()),
            Reply::Number(-7),
            Reply::Text("a\r\nbc".to_owned()),
            Reply::Nil,
            Reply::Error("ERR no".to_owned()),
            Reply::List(vec![Reply::Number(1), Reply::Text("x".to_owned()), Reply::List(Vec::new())]),
        ];
        let (mut buffer, mut got) = (BytesMut::new(), Vec::new());
        for byte in all {
            buffer.extend_from_slice(&[*byte]);
            while let Some(reply) = read(&mut buffer).expect("it is one") {
                got.push(reply);
            }
        }
        assert_eq!(got, wanted);
        assert!(buffer.is_empty());
        for wrong in [
            "x\r\n",
            "\r\n",
            "+a\n",
            ":x\r\n",
            "$-2\r\n",
            "$99999999\r\n",
            "*5000\r\n",
            "*1\r\n*1\r\n*1\r\n*1\r\n",
            "$1\r\nabc\r\n",
        ] {
            assert_eq!(read(&mut BytesMut::from(wrong)), Err(Malformed), "{wrong:?}");
        }
        let mut out = Vec::new();
        write(&mut out, &["GET", "a b"]);
        assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$3\r\na b\r\n");
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(proptest::sample::select(b"+-:$*0123456789\r\nab".to_vec()), 0..60)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = read(&mut buffer) {}
        }
    }
}
