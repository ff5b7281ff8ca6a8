//! Opening what is imported: files, standard input, zip archives.

use std::fs::File;
use std::io::{Chain, Cursor, Read, Stdin};
use std::path::Path;

use vigie_import::Archive;
use vigie_model::Timestamp;

/// The most of a zip archive that is read from a pipe.
const MAX_PIPED: u64 = 4 << 30;

/// What is known of a file besides its bytes.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Its name in reports.
    pub(super) name: String,
    /// Its own name, which helps to recognise its format.
    pub(super) file_name: Option<String>,
    /// When it was last modified.
    pub(super) modified: Option<Timestamp>,
    /// Its size in bytes, as stored.
    pub(super) size: Option<u64>,
    /// Whether it is in an archive, perhaps with others.
    pub(super) is_packed: bool,
}

/// A file that is open.
pub(super) enum Opened {
    Stdin(Peeked<Stdin>),
    File(Peeked<File>),
    Archive(File),
}

/// A reader whose first bytes were read ahead.
pub(super) type Peeked<R> = Chain<Cursor<Vec<u8>>, R>;

impl Source {
    /// Opens a file, or standard input for `-`. The error is the reason why it cannot be read.
    pub(super) fn open(path: &Path) -> Result<(Self, Opened), String> {
        let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
        let mut source = Self {
            name: path.display().to_string(),
            file_name: None,
            modified: None,
            size: None,
            is_packed: false,
        };
        if path.as_os_str() == "-" {
            let (start, input) = peek(std::io::stdin()).map_err(unreadable)?;
            if !Archive::is_one(&start) {
                return Ok((source, Opened::Stdin(input)));
            }
            // Its table of contents is at its end.
            let mut copy = tempfile::tempfile().map_err(unreadable)?;
            let length = std::io::copy(&mut input.take(MAX_PIPED), &mut copy).map_err(unreadable)?;
            if length == MAX_PIPED {
                return Err(format!("a zip archive of more than {} GiB; name the file", MAX_PIPED >> 30));
            }
            return Ok((source, Opened::Archive(copy)));
        }
        let open = File::open(path).map_err(unreadable)?;
        let about = open.metadata().map_err(unreadable)?;
        if about.is_dir() {
            return Err("is a folder; name the files in it".to_owned());
        }
        source.size = about.is_file().then_some(about.len());
        source.modified = about.modified().ok().map(Timestamp::from);
        source.file_name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let (start, input) = peek(open).map_err(unreadable)?;
        if about.is_file() && Archive::is_one(&start) {
            return Ok((source, Opened::Archive(File::open(path).map_err(unreadable)?)));
        }
        Ok((source, Opened::File(input)))
    }

    /// A file in this archive.
    pub(super) fn inside(&self, name: &str) -> Self {
        Self {
            name: format!("{}: {name}", self.name),
            file_name: Some(name.to_owned()),
            modified: self.modified,
            size: None,
            is_packed: true,
        }
    }
}

/// Whether macOS added a file to an archive: it is none of the user's.
pub(super) fn is_macs_own(name: &str) -> bool {
    name.starts_with("__MACOSX/") || name.ends_with(".DS_Store")
}

/// The first bytes of a reader, and the reader with them.
fn peek<R: Read>(mut reader: R) -> std::io::Result<(Vec<u8>, Peeked<R>)> {
    let mut start = Vec::with_capacity(4);
    reader.by_ref().take(4).read_to_end(&mut start)?;
    Ok((start.clone(), Cursor::new(start).chain(reader)))
}
