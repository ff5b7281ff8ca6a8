//! The bytes of a source: gzip and zstd unpacked while they stream, lines counted, a fault of the archive kept for its turn.

use std::io::{self, BufRead as _, BufReader, Chain, Cursor, Read};

use flate2::bufread::GzDecoder;

/// Bytes read at a time, and the most that recognition may look at.
pub(crate) const CHUNK: usize = 256 * 1024;

/// The largest window that a zstd frame may ask for: 2^27 bytes, that of `zstd -22` and `--long`.
const MAX_WINDOW_LOG: u32 = 27;

type Raw<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

enum Unpacked<R: Read> {
    Plain(Raw<R>),
    // It holds its tables in itself.
    Gzip(Box<Gzip<R>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, Raw<R>>>),
}

/// The members of a gzip file, one after the other.
struct Gzip<R: Read> {
    /// `None` after the last.
    member: Option<GzDecoder<Raw<R>>>,
    /// Members that were read to their end.
    whole: u64,
    /// Bytes of this one.
    given: u64,
    /// Whether something follows the last member that is none.
    junk: bool,
}

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(member) = &mut self.member else { return Ok(0) };
            match member.read(buf) {
                Ok(0) if !buf.is_empty() => {
                    self.whole += 1;
                    self.given = 0;
                    let Some(mut rest) = self.member.take().map(GzDecoder::into_inner) else {
                        return Ok(0);
                    };
                    let next = rest.fill_buf()?;
                    match next {
                        [] => return Ok(0),
                        [0x1f] | [0x1f, 0x8b, ..] => self.member = Some(GzDecoder::new(rest)),
                        _ => {
                            self.junk = true;
                            return Ok(0);
                        }
                    }
                }
                // What begins as a member does and is none.
                Err(error) if self.whole > 0 && self.given == 0 && error.to_string().contains("invalid gzip header") => {
                    self.junk = true;
                    self.member = None;
                    return Ok(0);
                }
                Ok(read) => {
                    self.given += read as u64;
                    return Ok(read);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(reader) => reader.read(buf),
            Self::Gzip(reader) => reader.read(buf),
            Self::Zstd(reader) => reader.read(buf),
        }
    }
}

/// A stream of unpacked bytes.
pub(crate) struct Input<R: Read> {
    source: Unpacked<R>,
    packed: &'static str,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    lines: u64,
    fault: Option<io::Error>,
    broke: bool,
    /// Why what was unpacked is not what was packed.
    damaged: Option<String>,
    over: bool,
    /// Whether lines end as they did on old Macintosh systems, with a carriage return alone.
    returns: bool,
}

impl<R: Read> Input<R> {
    /// Looks at the first bytes and chooses how to unpack.
    pub(crate) fn new(mut reader: R) -> io::Result<Self> {
        let mut magic = Vec::with_capacity(4);
        read_some(&mut reader, &mut magic, 4)?;
        let gzip = magic.starts_with(&[0x1f, 0x8b]);
        let zstd = magic == [0x28, 0xb5, 0x2f, 0xfd] || (magic.len() == 4 && magic[0] & 0xf0 == 0x50 && magic[1..] == [0x2a, 0x4d, 0x18]);
        let raw = BufReader::with_capacity(64 * 1024, Cursor::new(magic).chain(reader));
        let (source, packed) = if gzip {
            let member = Some(GzDecoder::new(raw));
            let gzip = Gzip {
                member,
                whole: 0,
                given: 0,
                junk: false,
            };
            (Unpacked::Gzip(Box::new(gzip)), "gzip")
        } else if zstd {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(raw)?;
            decoder.window_log_max(MAX_WINDOW_LOG)?;
            (Unpacked::Zstd(Box::new(decoder)), "zstd")
        } else {
            (Unpacked::Plain(raw), "")
        };
        let mut input = Self {
            source,
            packed,
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
            lines: 0,
            fault: None,
            broke: false,
            damaged: None,
            over: false,
            returns: false,
        };
        while input.end < input.buffer.len() && !input.over {
            input.more();
        }
        if memchr::memchr(b'\n', input.head()).is_none() && memchr::memchr(b'\r', input.head()).is_some() {
            input.returns = true;
            into_lines(&mut input.buffer);
        }
        if input.head().starts_with(&[0xef, 0xbb, 0xbf]) {
            input.start = 3;
        }
        Ok(input)
    }

    /// The first bytes, before any was consumed.
    pub(crate) fn head(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// The line that the next byte stands on, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.lines + 1
    }

    /// The bytes at hand, read if there are none; empty at the end and at a fault.
    pub(crate) fn fill(&mut self) -> &[u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            while self.end == 0 && !self.over {
                self.more();
            }
        }
        self.head()
    }

    /// The bytes at hand, `want` of them if there are as many before the end; no more than [`CHUNK`].
    pub(crate) fn at_hand(&mut self, want: usize) -> &[u8] {
        if self.end - self.start < want && !self.over {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            while self.end < want.min(self.buffer.len()) && !self.over {
                self.more();
            }
        }
        self.head()
    }

    /// Passes over bytes that were given.
    pub(crate) fn consume(&mut self, bytes: usize) {
        let to = (self.start + bytes).min(self.end);
        if let Some(gone) = self.buffer.get(self.start..to) {
            self.lines += memchr::memchr_iter(b'\n', gone).count() as u64;
        }
        self.start = to;
    }

    /// Whether the bytes ended before their end, or could not be read on.
    pub(crate) fn broke(&self) -> bool {
        self.broke
    }

    /// Whether bytes are missing at the end.
    pub(crate) fn is_cut(&self) -> bool {
        self.broke && self.damaged.is_none()
    }

    /// Why what was unpacked is not what was packed; known at the end.
    pub(crate) fn damaged(&self) -> Option<&str> {
        self.damaged.as_deref()
    }

    /// What follows the end of an archive that is whole; known at the end.
    pub(crate) fn junk(&self) -> Option<&'static str> {
        match &self.source {
            Unpacked::Gzip(gzip) if gzip.junk => Some("something follows the end of the gzip archive that is none of it, and is not read"),
            _ => None,
        }
    }

    /// Why the bytes ended before their end, told once.
    pub(crate) fn take_fault(&mut self) -> Option<String> {
        let error = self.fault.take()?;
        Some(match self.packed {
            "" => format!("cannot read on: {error}"),
            packed if self.damaged.is_some() => format!("the {packed} archive is damaged here: {}", spoken(&error)),
            packed => format!("the {packed} archive is cut off here: {error}"),
        })
    }

    fn more(&mut self) {
        let Some(room) = self.buffer.get_mut(self.end..) else {
            self.over = true;
            return;
        };
        match self.source.read(room) {
            Ok(0) => self.over = true,
            Ok(read) => {
                if self.returns {
                    into_lines(&mut room[..read]);
                }
                self.end += read;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                self.over = true;
                self.broke = true;
                if is_damage(&error, self.packed) {
                    self.damaged = Some(match self.packed {
                        "" => spoken(&error),
                        packed => format!("the {packed} archive is damaged: {}", spoken(&error)),
                    });
                }
                self.fault = Some(error);
            }
        }
    }
}

/// Whether an error says that bytes are not what they were, and not that some are missing.
fn is_damage(error: &io::Error, packed: &str) -> bool {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => true,
        io::ErrorKind::Other => packed == "zstd",
        _ => false,
    }
}

/// What is wrong with an archive, in plain words.
fn spoken(error: &io::Error) -> String {
    let words = error.to_string();
    if words.contains("checksum") && !words.contains("size") {
        "its checksum is not that of what it unpacks to".to_owned()
    } else {
        words
    }
}

/// Makes the line ends of each carriage return.
fn into_lines(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte == b'\r') {
        *byte = b'\n';
    }
}

/// Reads until there are that many bytes, or the end.
fn read_some<R: Read>(reader: &mut R, out: &mut Vec<u8>, most: u64) -> io::Result<()> {
    reader.take(most).read_to_end(out).map(|_| ())
}
