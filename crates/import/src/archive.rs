//! zip archives: the files in one are read one after the other, none of them is written anywhere. What it unpacks to is bounded.

use std::fs::File;
use std::io::{self, BufReader, Read};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, RECOMMENDED_BUFFER_SIZE, ZipArchive, ZipArchiveEntryWayfinder};

/// The most files in an archive.
const MAX_ENTRIES: u64 = 10_000;

/// What an archive may unpack to: so many times its own size, and this much more. Reports are packed to a fifth or a twentieth; a bomb to a
/// thousandth.
const MAX_RATIO: u64 = 100;
const MAX_FREE: u64 = 256 << 20;

/// The most bytes of a file's name that are kept.
const MAX_NAME: usize = 512;

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It is damaged, cut off or not as it says.
    #[error("the zip archive is cut off or damaged: {0}")]
    Damaged(String),
    /// It has more files than are read.
    #[error("the zip archive holds more than {MAX_ENTRIES} files; unpack it, and name the files")]
    TooMany,
    /// It is a workbook, which is a zip archive too.
    #[error("not read: it is a workbook of Excel; save it as CSV, or export CSV or JSON")]
    Workbook,
}

/// An archive on disk.
pub struct Archive {
    zip: ZipArchive<rawzip::FileReader>,
    entries: Vec<Entry>,
    /// Bytes that may still be unpacked.
    left: u64,
}

/// A file in an archive.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name as the archive has it, shortened. It is shown and helps to recognise a format; it is never a path here.
    pub name: String,
    /// Why it is not read.
    pub refused: Option<String>,
    method: CompressionMethod,
    /// Its checksum and size.
    told: (u32, u64),
    way: ZipArchiveEntryWayfinder,
}

/// The bytes of a file in an archive, unpacked. What goes beyond the bound, and what is not as the archive says, is an error at its place.
pub struct Unpacked<'a> {
    inner: Box<dyn Read + Send + 'a>,
    left: &'a mut u64,
    /// Of what was given so far.
    sum: Crc,
    read: u64,
    /// What the archive says of the whole.
    told: (u32, u64),
}

impl Archive {
    /// Whether a file begins as a zip archive does.
    #[must_use]
    pub fn is_one(start: &[u8]) -> bool {
        start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") || start.starts_with(b"PK\x07\x08")
    }

    /// Reads the table of contents, which stands at the end.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not one that is read.
    pub fn open(file: File) -> Result<Self, ArchiveError> {
        let packed = file.metadata()?.len();
        let damaged = |error: rawzip::Error| ArchiveError::Damaged(error.to_string());
        let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
        let zip = ZipArchive::from_file(file, &mut buffer).map_err(damaged)?;
        let mut entries = Vec::new();
        let mut count = 0_u64;
        // A name or a comment may be as long as the whole of the buffer.
        let mut buffer = vec![0; rawzip::MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
        let mut all = zip.entries(&mut buffer);
        while let Some(header) = all.next_entry().map_err(damaged)? {
            count += 1;
            if count > MAX_ENTRIES {
                return Err(ArchiveError::TooMany);
            }
            let path = header.file_path();
            let bytes = path.as_bytes();
            if bytes == b"[Content_Types].xml" {
                return Err(ArchiveError::Workbook);
            }
            if header.is_dir() {
                continue;
            }
            let method = header.compression_method();
            let refused = if header.flags().is_encrypted() || method == CompressionMethod::AES {
                Some("it is encrypted: unpack the archive with its password, and name the files".to_owned())
            } else if method != CompressionMethod::STORE && method != CompressionMethod::DEFLATE {
                let number = method.as_u16().to_string();
                let name = method.name().unwrap_or(&number);
                Some(format!(
                    "it is packed by method {name}, which is not read: unpack the archive, and name the files"
                ))
            } else {
                None
            };
            entries.push(Entry {
                name: String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_NAME)]).into_owned(),
                refused,
                method,
                told: (header.crc32(), header.uncompressed_size_hint()),
                way: header.wayfinder(),
            });
        }
        // A file that was cut off may hold another archive whose end is whole.
        if zip.comment().end_offset() != packed {
            return Err(ArchiveError::Damaged("it does not end where its table of contents says".to_owned()));
        }
        if count < zip.entries_hint() {
            return Err(ArchiveError::Damaged(format!(
                "its table of contents says {} files and lists {count}",
                zip.entries_hint()
            )));
        }
        Ok(Self {
            zip,
            entries,
            left: packed.saturating_mul(MAX_RATIO).saturating_add(MAX_FREE),
        })
    }

    /// Lowers the bound of what it may unpack to, in bytes.
    #[must_use]
    pub fn within(mut self, most: u64) -> Self {
        self.left = self.left.min(most);
        self
    }

    /// The files in it, in its order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Unpacks one of its files while it is read.
    ///
    /// # Errors
    ///
    /// It is one that is not read, or is not where the archive says.
    pub fn unpack(&mut self, entry: &Entry) -> Result<Unpacked<'_>, String> {
        if let Some(refused) = &entry.refused {
            return Err(refused.clone());
        }
        let found = self
            .zip
            .get_entry(entry.way)
            .map_err(|error| format!("the zip archive is damaged here: {error}"))?;
        let packed = BufReader::with_capacity(64 * 1024, found.reader());
        let inner: Box<dyn Read + Send + '_> = if entry.method == CompressionMethod::STORE {
            Box::new(packed)
        } else {
            Box::new(DeflateDecoder::new(packed))
        };
        let mut unpacked = Unpacked {
            inner,
            left: &mut self.left,
            sum: Crc::new(),
            read: 0,
            told: entry.told,
        };
        // An archive in an archive may unpack to any size, and gives no records by itself.
        let mut start = Vec::with_capacity(8);
        (&mut unpacked)
            .take(8)
            .read_to_end(&mut start)
            .map_err(|error| format!("the zip archive is damaged here: {error}"))?;
        if is_packed(&start) {
            return Err("it is an archive within the archive: unpack the outer one, and name the files".to_owned());
        }
        // They are given, counted and summed again.
        *unpacked.left = unpacked.left.saturating_add(start.len() as u64);
        Ok(Unpacked {
            inner: Box::new(io::Cursor::new(start).chain(unpacked.inner)),
            left: unpacked.left,
            sum: Crc::new(),
            read: 0,
            told: entry.told,
        })
    }
}

/// Whether bytes begin an archive of whatever kind.
fn is_packed(start: &[u8]) -> bool {
    let kinds: [&[u8]; 6] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf", b"Rar!", b"\xfd7zXZ", b"BZh"];
    Archive::is_one(start) || kinds.iter().any(|kind| start.starts_with(kind))
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if *self.left == 0 && !buf.is_empty() {
            return Err(io::Error::other(
                "the zip archive unpacks to more than may be read of one of its size, as a bomb does; unpack it and name the files",
            ));
        }
        let most = usize::try_from(*self.left).unwrap_or(usize::MAX).min(buf.len());
        let read = self.inner.read(buf.get_mut(..most).unwrap_or_default())?;
        *self.left -= read as u64;
        self.read += read as u64;
        self.sum.update(buf.get(..read).unwrap_or_default());
        // What was read is given first; that the whole is not what the archive says comes at its end.
        if read == 0 && !buf.is_empty() && (self.sum.sum(), self.read) != self.told {
            self.told = (self.sum.sum(), self.read);
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its checksum or its size is not what the archive says",
            ));
        }
        Ok(read)
    }
}
