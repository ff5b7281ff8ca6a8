//! The bytes of a source: gzip and zstd unpacked while they stream, lines counted, a fault of the archive kept for its turn.

use std::io::{self, BufReader, Chain, Cursor, Read};

use flate2::read::MultiGzDecoder;

/// Bytes read at a time, and the most that recognition may look at.
pub(crate) const CHUNK: usize = 256 * 1024;

/// The largest window that a zstd frame may ask for: 2^27 bytes, that of `zstd -22` and `--long`.
const MAX_WINDOW_LOG: u32 = 27;

type Raw<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

enum Unpacked<R: Read> {
    Plain(Raw<R>),
    // It holds its tables in itself.
    Gzip(Box<MultiGzDecoder<Raw<R>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, Raw<R>>>),
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
    over: bool,
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
            (Unpacked::Gzip(Box::new(MultiGzDecoder::new(raw))), "gzip")
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
            over: false,
        };
        while input.end < input.buffer.len() && !input.over {
            input.more();
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

    /// Whether the bytes ended before their end.
    pub(crate) fn broke(&self) -> bool {
        self.broke
    }

    /// Why the bytes ended before their end, told once.
    pub(crate) fn take_fault(&mut self) -> Option<String> {
        let error = self.fault.take()?;
        Some(match self.packed {
            "" => format!("cannot read on: {error}"),
            packed => format!("the {packed} archive is cut off or damaged here: {error}"),
        })
    }

    fn more(&mut self) {
        let Some(room) = self.buffer.get_mut(self.end..) else {
            self.over = true;
            return;
        };
        match self.source.read(room) {
            Ok(0) => self.over = true,
            Ok(read) => self.end += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                self.over = true;
                self.broke = true;
                self.fault = Some(error);
            }
        }
    }
}

/// Reads until there are that many bytes, or the end.
fn read_some<R: Read>(reader: &mut R, out: &mut Vec<u8>, most: u64) -> io::Result<()> {
    reader.take(most).read_to_end(out).map(|_| ())
}
