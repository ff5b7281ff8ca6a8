//! Bodies of messages: how their end is found (RFC 9112, section 6), and their chunks (section 7.1).

use bytes::{Buf as _, BytesMut};

use crate::head::{Malformed, ResponseHead};
use crate::headers;

/// The longest line that announces a chunk, or of a trailer, in bytes.
const MAX_LINE: usize = 4 * 1024;
/// The most bytes that chunks may cost besides their data.
const MAX_FRAMING: usize = 256 * 1024;
/// A byte of data pays for so many bytes of framing: a chunk of one byte takes five.
const FRAMING_PER_BYTE: usize = 8;

/// What comes next in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// So many bytes at the front are data; the caller takes them away before it asks again.
    Data(usize),
    /// The body is over.
    End,
    /// More bytes are needed.
    More,
}

/// How a body's end is found, and how much of it is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// So many bytes are left.
    Length(u64),
    /// Chunks.
    Chunks(Chunks),
    /// It ends when the server closes.
    UntilClose,
}

impl Body {
    /// The body of a reply to a request of this method, as clients read it: a transfer coding wins over a length.
    ///
    /// # Errors
    ///
    /// [`Malformed::Length`] if the head contradicts itself about the length.
    pub fn after(head: &ResponseHead, method: &str) -> Result<Self, Malformed> {
        if has_no_body(head.status, method) {
            return Ok(Self::Length(0));
        }
        if let Some(coding) = headers::elements(&head.headers, "transfer-encoding").last() {
            return Ok(if coding.eq_ignore_ascii_case("chunked") {
                Self::Chunks(Chunks::new(Rules::Lenient))
            } else {
                Self::UntilClose
            });
        }
        let mut length = None;
        for text in headers::elements(&head.headers, "content-length") {
            let this = digits(text).ok_or(Malformed::Length)?;
            if length.is_some_and(|before| before != this) {
                return Err(Malformed::Length);
            }
            length = Some(this);
        }
        Ok(length.map_or(Self::UntilClose, Self::Length))
    }

    /// Whether the body may end with the connection.
    #[must_use]
    pub fn may_close(&self) -> bool {
        match self {
            Self::UntilClose | Self::Length(0) => true,
            Self::Length(_) => false,
            Self::Chunks(chunks) => chunks.state == State::End,
        }
    }

    /// What is at the front of the bytes; what frames the data is taken away.
    ///
    /// # Errors
    ///
    /// [`Malformed::Chunk`] if the chunks are malformed, or what frames them is too long.
    pub fn next(&mut self, bytes: &mut BytesMut) -> Result<Piece, Malformed> {
        match self {
            Self::Length(0) => Ok(Piece::End),
            Self::Length(left) => Ok(data(left, bytes)),
            Self::UntilClose if bytes.is_empty() => Ok(Piece::More),
            Self::UntilClose => Ok(Piece::Data(bytes.len())),
            Self::Chunks(chunks) => {
                let (framing, piece) = chunks.next(bytes)?;
                bytes.advance(framing);
                Ok(piece)
            }
        }
    }
}

/// Whether a reply has no body, whatever its headers say (RFC 9112, section 6.3).
pub(crate) fn has_no_body(status: u16, method: &str) -> bool {
    method == "HEAD" || status < 200 || matches!(status, 204 | 304)
}

/// A length in decimal digits and nothing else.
pub(crate) fn digits(text: &str) -> Option<u64> {
    let all = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| all)
}

fn data(left: &mut u64, bytes: &[u8]) -> Piece {
    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    *left -= here as u64;
    if here == 0 { Piece::More } else { Piece::Data(here) }
}

/// How closely chunks are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// As RFC 9112 writes them: lines end with CR and LF, and nothing but extensions follows a size.
    Strict,
    /// As servers send them: lines may end with LF alone, white space may follow a size.
    Lenient,
}

/// Reads chunks from bytes that come in pieces. Extensions and trailers are skipped, and bounded: a line has 4 KiB at most, all that
/// is not data 256 KiB and eight times the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks {
    rules: Rules,
    state: State,
    /// The size of the chunk on its way, then the bytes of it that are left.
    left: u64,
    /// Bytes of the line on its way.
    line: usize,
    /// Bytes of framing so far.
    cost: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first digit of a size.
    Size,
    /// After a digit of it.
    Digits,
    /// White space after a size.
    Space,
    Extension,
    /// Between the CR and the LF of a line with a size.
    SizeReturn,
    Data,
    /// After data, before its end of line.
    AfterData,
    AfterDataReturn,
    /// At the start of a line after the last chunk.
    Trailers,
    TrailersReturn,
    Trailer,
    TrailerReturn,
    End,
}

impl Chunks {
    /// Before the first chunk.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            state: State::Size,
            left: 0,
            line: 0,
            cost: 0,
        }
    }

    /// Reads on: how many bytes at the front are framing, and what comes after them.
    ///
    /// # Errors
    ///
    /// [`Malformed::Chunk`] if the chunks are malformed, or what frames them is too long.
    pub fn next(&mut self, bytes: &[u8]) -> Result<(usize, Piece), Malformed> {
        let mut framing = 0;
        loop {
            let rest = &bytes[framing..];
            match (self.state, rest) {
                (State::End, _) => return Ok((framing, Piece::End)),
                (State::Data, _) if self.left == 0 => self.state = State::AfterData,
                (State::Data, _) => {
                    let piece = data(&mut self.left, rest);
                    // A long stream of small chunks is no attack: framing is bounded against the data that it frames.
                    if let Piece::Data(count) = piece {
                        self.cost = self.cost.saturating_sub(count.saturating_mul(FRAMING_PER_BYTE));
                    }
                    return Ok((framing, piece));
                }
                (_, []) => return Ok((framing, Piece::More)),
                (_, [byte, ..]) => {
                    self.step(*byte)?;
                    framing += 1;
                }
            }
        }
    }

    /// Whether the last chunk was seen; what is still to come then is trailers or their end.
    #[must_use]
    pub fn saw_last(&self) -> bool {
        matches!(
            self.state,
            State::Trailers | State::TrailersReturn | State::Trailer | State::TrailerReturn | State::End
        )
    }

    /// Reads a byte of framing.
    fn step(&mut self, byte: u8) -> Result<(), Malformed> {
        let lenient = self.rules == Rules::Lenient;
        self.cost += 1;
        self.line = if byte == b'\n' { 0 } else { self.line + 1 };
        if self.cost > MAX_FRAMING || self.line >= MAX_LINE {
            return Err(Malformed::Chunk);
        }
        let digit = char::from(byte).to_digit(16);
        self.state = match (self.state, byte) {
            (State::Size | State::Digits, _) if digit.is_some() => {
                if self.left >> 60 != 0 {
                    return Err(Malformed::Chunk);
                }
                self.left = self.left << 4 | u64::from(digit.unwrap_or_default());
                State::Digits
            }
            (State::Digits | State::Space, b';') => State::Extension,
            (State::Digits | State::Space | State::Extension, b'\n') if lenient => self.announced(),
            (State::Digits | State::Space, _) if lenient && byte.is_ascii_whitespace() => State::Space,
            (State::Extension, _) if lenient => State::Extension,
            (State::Digits | State::Extension, b'\r') => State::SizeReturn,
            (State::Extension, b'\t' | b' '..=b'~' | 0x80..) => State::Extension,
            (State::SizeReturn, b'\n') => self.announced(),
            (State::AfterData, b'\r') => State::AfterDataReturn,
            (State::AfterData, b'\n') if lenient => State::Size,
            (State::AfterDataReturn, b'\n') => State::Size,
            (State::Trailers, b'\r') => State::TrailersReturn,
            (State::Trailers, b'\n') if lenient => State::End,
            (State::TrailersReturn, b'\n') => State::End,
            (State::Trailer, b'\n') if lenient => State::Trailers,
            (State::Trailers | State::TrailersReturn | State::Trailer, _) if lenient => State::Trailer,
            (State::Trailer, b'\r') => State::TrailerReturn,
            (State::TrailerReturn, b'\n') => State::Trailers,
            (State::Trailers | State::Trailer, b'\t' | b' '..=b'~' | 0x80..) => State::Trailer,
            _ => return Err(Malformed::Chunk),
        };
        Ok(())
    }

    /// What comes after the line with a size.
    fn announced(&self) -> State {
        if self.left == 0 { State::Trailers } else { State::Data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rules: Rules, bytes: &[u8], size: usize) -> Result<(Vec<u8>, bool), Malformed> {
        let (mut chunks, mut out) = (Chunks::new(rules), Vec::new());
        for mut piece in bytes.chunks(size) {
            loop {
                let (framing, found) = chunks.next(piece)?;
                piece = &piece[framing..];
                match found {
                    Piece::Data(length) => {
                        out.extend_from_slice(&piece[..length]);
                        piece = &piece[length..];
                    }
                    Piece::More => break,
                    Piece::End => return Ok((out, true)),
                }
            }
        }
        Ok((out, false))
    }

    #[test]
    fn both_rules() {
        type Read = Result<&'static str, ()>;
        let cases: [(&str, Read, Read); 22] = [
            ("2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", Ok("abc"), Ok("abc")),
            ("2;x=\"y\"\r\nab\r\n0;z\r\nX: y\r\n\r\n", Ok("ab"), Ok("ab")),
            ("0002\r\nab\r\n00\r\n\r\n", Ok("ab"), Ok("ab")),
            ("A\r\n0123456789\r\n0\r\n\r\n", Ok("0123456789"), Ok("0123456789")),
            ("2\nab\r\n0\r\n\r\n", Err(()), Ok("ab")),
            ("2\r\nab\n0\r\n\r\n", Err(()), Ok("ab")),
            ("2\r\nab\r\n0\r\n\n", Err(()), Ok("ab")),
            ("2\r\nab\r\n0\r\nX: y\n\r\n", Err(()), Ok("ab")),
            ("2 \r\nab\r\n0\r\n\r\n", Err(()), Ok("ab")),
            ("2 ;x\r\nab\r\n0\r\n\r\n", Err(()), Ok("ab")),
            ("2;x\ry\r\nab\r\n0\r\n\r\n", Err(()), Ok("ab")),
            ("2;\0\r\nab\r\n0\r\n\r\n", Err(()), Ok("ab")),
            ("2\r\nab\r\n0\r\n\rX\r\n\r\n", Err(()), Ok("ab")),
            (" 2\r\nab\r\n0\r\n\r\n", Err(()), Err(())),
            ("2 x\r\nab\r\n0\r\n\r\n", Err(()), Err(())),
            ("0x2\r\nab\r\n0\r\n\r\n", Err(()), Err(())),
            ("+2\r\nab\r\n0\r\n\r\n", Err(()), Err(())),
            (";\r\nab\r\n0\r\n\r\n", Err(()), Err(())),
            ("\r\nab\r\n0\r\n\r\n", Err(()), Err(())),
            ("2\r\nabc\r\n0\r\n\r\n", Err(()), Err(())),
            ("2\r\nab\rc\r\n0\r\n\r\n", Err(()), Err(())),
            ("10000000000000000\r\n", Err(()), Err(())),
        ];
        for (text, strict, lenient) in cases {
            for size in 1..=text.len() {
                for (rules, expected) in [(Rules::Strict, strict), (Rules::Lenient, lenient)] {
                    let read = read(rules, text.as_bytes(), size).map_err(|_| ());
                    let expected = expected.map(|data| (data.as_bytes().to_vec(), true));
                    assert_eq!(read, expected, "{text:?} in pieces of {size}, {rules:?}");
                }
            }
        }
        let most = "ffffffffffffffff\r\nab";
        assert_eq!(
            read(Rules::Strict, most.as_bytes(), 3),
            Ok((b"ab".to_vec(), false)),
            "it is only cut"
        );
    }

    #[test]
    fn framing_is_bounded() {
        let fits = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(MAX_LINE - 4));
        let long = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(MAX_LINE));
        let many = "1;xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\nx\r\n".repeat(8_000);
        let trailers = format!("0\r\n{}", "X: y\r\n".repeat(MAX_FRAMING / 6 + 1));
        for rules in [Rules::Strict, Rules::Lenient] {
            assert!(read(rules, fits.as_bytes(), 100).is_ok());
            for text in [&long, &many, &trailers] {
                assert_eq!(read(rules, text.as_bytes(), 100), Err(Malformed::Chunk));
            }
        }
    }

    #[test]
    fn a_long_stream_of_small_chunks_is_read_to_its_end() {
        let count = MAX_FRAMING;
        let mut bytes = BytesMut::from(format!("{}0\r\n\r\n", "1\r\na\r\n".repeat(count)).as_bytes());
        let mut body = Body::Chunks(Chunks::new(Rules::Strict));
        let mut read = 0;
        loop {
            match body.next(&mut bytes).expect("it is well formed") {
                Piece::Data(some) => {
                    read += some;
                    bytes.advance(some);
                }
                Piece::End => break,
                Piece::More => panic!("all of it is there"),
            }
        }
        assert_eq!(read, count);
    }

    #[test]
    fn after_the_last_chunk_only_trailers_come() {
        let saw = |text: &str| {
            let mut chunks = Chunks::new(Rules::Lenient);
            chunks.next(text.as_bytes()).map(|_| chunks.saw_last())
        };
        assert_eq!(saw("0\r\n"), Ok(true));
        assert_eq!(saw("0\r\nX: y\r\n\r\n"), Ok(true));
        assert_eq!(saw("0"), Ok(false), "more digits may come");
        assert_eq!(saw("1\r\na"), Ok(false));
    }
}
