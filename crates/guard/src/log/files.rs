//! The files of a log.
//!
//! The folder of a log is its first stream: `audit-<first line>.jsonl`. Processes that write at the same time each have a stream of their own,
//! in `2/`, `3/` and so on. Each stream is a chain of its own.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

/// The file that begins with the line of that number.
const PREFIX: &str = "audit-";
const SUFFIX: &str = ".jsonl";
/// Held by the process that writes a stream.
pub(crate) const LOCK: &str = "lock";
/// Held while files of a stream are replaced, removed or taken up.
pub(crate) const FILES_LOCK: &str = "files.lock";
/// Asks the process that writes a stream to begin another file.
pub(crate) const ROTATE: &str = "rotate";
/// The last signed line of a stream, for the other streams.
pub(crate) const HEAD: &str = "head";
/// Buffers are large, since files are read whole.
const BUFFER: usize = 1 << 17;

/// The longest line that is read, its line feed included; a head has 64 KB at most, and a line names little more.
const MOST_LINE: u64 = 4 << 20;

/// The name of the file that begins with a line.
pub(crate) fn name(seq: u64) -> String {
    format!("{PREFIX}{seq:012}{SUFFIX}")
}

/// The number in a file's name.
pub(crate) fn first_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    name.split('.').next()?.parse().ok()
}

/// Whether a file is compressed.
pub(crate) fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension != "jsonl")
}

/// The files of one stream, in order. A file may be compressed: `.jsonl.gz`, `.jsonl.zst`.
///
/// # Errors
///
/// The folder cannot be listed.
pub fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let whole = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
        if whole.starts_with(PREFIX) && whole.ends_with(SUFFIX) {
            files.push(path);
        }
    }
    files.sort();
    // A file that is being compressed is there twice for a moment.
    files.dedup_by(|packed, plain| is_packed(packed) && !is_packed(plain) && packed.with_extension("") == *plain);
    Ok(files)
}

/// The streams of a log: their numbers and folders, in order.
///
/// # Errors
///
/// The folder cannot be listed.
pub fn streams(dir: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let mut streams = vec![(1, dir.to_owned())];
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(number) = name.parse::<u32>().ok().filter(|number| *number > 1 && name == number.to_string())
            && path.is_dir()
        {
            streams.push((number, path));
        }
    }
    streams.sort();
    Ok(streams)
}

/// Opens a file to be read, compressed or not.
///
/// # Errors
///
/// It cannot be opened, or is compressed in a way that is not known here.
pub fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    let file = BufReader::with_capacity(BUFFER, File::open(path)?);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => Ok(Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(file)))),
        Some("zst") => Err(io::Error::new(
            ErrorKind::Unsupported,
            "it is compressed with zstd, which is not read here; unpack it first: zstd -d --rm FILE",
        )),
        _ => Ok(Box::new(file)),
    }
}

/// Calls for each line of a file, without its line feed: its number from 1, its bytes, and whether it ends with a line feed. Of a line that is
/// longer than any that the gateway writes only the beginning is given, so that a small compressed file cannot fill the memory.
pub(crate) fn lines(path: &Path, mut each: impl FnMut(u64, &[u8], bool)) -> io::Result<()> {
    let mut reader = open(path)?;
    let (mut line, mut number) = (Vec::new(), 0);
    loop {
        line.clear();
        if reader.by_ref().take(MOST_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        number += 1;
        let is_whole = line.pop_if(|last| *last == b'\n').is_some() || (line.len() as u64 == MOST_LINE && skip_line(&mut reader)?);
        each(number, &line, is_whole);
    }
}

/// Skips the rest of a line; whether it has an end.
fn skip_line(reader: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(false);
        }
        let end = memchr::memchr(b'\n', bytes);
        let count = end.map_or(bytes.len(), |at| at + 1);
        reader.consume(count);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// A lock file, held until it is dropped; `None`: another process holds it and `wait` is not set.
pub(crate) fn lock(path: &Path, wait: bool) -> io::Result<Option<File>> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    owners_only(&mut options);
    let file = options.open(path)?;
    if wait {
        file.lock()?;
        return Ok(Some(file));
    }
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

/// What is made is readable by its owner only.
pub(crate) fn owners_only(options: &mut std::fs::OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_an_end_takes_no_more_memory_than_a_long_one() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join(name(1) + ".gz");
        let mut packed = flate2::write::GzEncoder::new(File::create(&path).expect("made"), flate2::Compression::fast());
        let text = [&b"one\n"[..], &vec![b'x'; 64 << 20], b"\nthree\n", &vec![b'y'; 9 << 20]].concat();
        io::Write::write_all(&mut packed, &text).expect("written");
        packed.finish().expect("written");
        let mut seen = Vec::new();
        lines(&path, |number, line, is_whole| seen.push((number, line.len() as u64, is_whole))).expect("read");
        assert_eq!(seen, [(1, 3, true), (2, MOST_LINE, true), (3, 5, true), (4, MOST_LINE, false)]);
    }

    #[test]
    fn files_are_listed_in_order_and_once() {
        let dir = tempfile::tempdir().expect("a folder");
        for name in [
            name(1) + ".gz",
            name(7),
            name(7) + ".gz",
            name(50),
            "audit-x.txt".to_owned(),
            "lock".to_owned(),
        ] {
            std::fs::write(dir.path().join(name), "").expect("written");
        }
        let files: Vec<_> = files(dir.path())
            .expect("listed")
            .iter()
            .map(|file| (first_of(file), is_packed(file)))
            .collect();
        assert_eq!(files, [(Some(1), true), (Some(7), false), (Some(50), false)]);
        for name in ["2", "10", "02", "text"] {
            std::fs::create_dir(dir.path().join(name)).expect("made");
        }
        let streams: Vec<u32> = streams(dir.path()).expect("listed").iter().map(|(number, _)| *number).collect();
        assert_eq!(streams, [1, 2, 10]);
    }
}
