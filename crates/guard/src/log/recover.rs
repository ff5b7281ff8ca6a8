//! The end of a stream that a process takes up.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use super::chain::{Hash, Head, LineKey, Mac, SigningKey};
use super::files::{files, first_of, is_packed, lines};
use super::line::Line;

/// Where a stream goes on.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) head: Head,
    /// The last signed line, with which the key of the next lines is made.
    pub(crate) signed: Head,
}

/// Why a stream cannot be taken up.
#[derive(Debug)]
pub(crate) enum EndError {
    Io(io::Error),
    /// Its last line is none of a chain.
    Broken,
    /// A line since the last signature is not as it was written.
    Altered(u64),
}

impl From<io::Error> for EndError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads the end of a stream and checks the lines since its last signature. What a crash left of a line is taken off the file: it was
/// acknowledged to nobody.
pub(crate) fn end(dir: &Path, stream: u32, signing: &SigningKey) -> Result<End, EndError> {
    let all = files(dir)?;
    if let Some(last) = all.last().filter(|last| !is_packed(last)) {
        cut_torn(last)?;
    }
    // A file without a line is one that a crash left.
    let mut used: Vec<&PathBuf> = Vec::new();
    for file in all.iter().rev() {
        used.push(file);
        if is_anchor(file)? {
            break;
        }
    }
    let mut end = End {
        head: Head::start(stream),
        signed: Head::start(stream),
    };
    let (mut tail, mut is_known): (Vec<(u64, Hash, Mac)>, bool) = (Vec::new(), used.len() == all.len());
    let mut is_broken = false;
    for file in used.into_iter().rev() {
        lines(file, |_, bytes, _| {
            let line = match Line::read(bytes) {
                Ok(line) => line,
                Err(_) => {
                    is_broken = true;
                    return;
                }
            };
            is_broken = false;
            end.head = line.head();
            match line {
                Line::Placed(placed) if placed.signature.is_none() => {
                    if is_known {
                        tail.push((placed.seq, placed.digest, placed.mac));
                    }
                }
                Line::Placed(_) | Line::Old { .. } => {
                    is_known = true;
                    end.signed = end.head.clone();
                    tail.clear();
                }
            }
        })?;
    }
    if is_broken || (end.head.seq == 0 && all.iter().any(|file| first_of(file) != Some(1))) {
        return Err(EndError::Broken);
    }
    let key: LineKey = signing.line_key(stream, &end.signed);
    match tail.iter().find(|(_, digest, mac)| key.mac(digest) != *mac) {
        Some((seq, ..)) => Err(EndError::Altered(*seq)),
        None => Ok(end),
    }
}

/// The last line of a stream that another process may be writing; `None`: it has none.
pub(crate) fn last_head(folder: &Path) -> io::Result<Option<Head>> {
    for file in files(folder)?.iter().rev() {
        let mut head = None;
        lines(file, |_, line, is_whole| {
            if let Ok(line) = Line::read(line)
                && is_whole
            {
                head = Some(line.head());
            }
        })?;
        if head.is_some() {
            return Ok(head);
        }
    }
    Ok(None)
}

/// Whether a file has a line from which on the keys of lines are known.
fn is_anchor(path: &Path) -> io::Result<bool> {
    let mut found = false;
    lines(path, |_, line, _| {
        found = found || memchr::memmem::find(line, b"\"signature\":\"").is_some() || matches!(Line::read(line), Ok(Line::Old { .. }));
    })?;
    Ok(found)
}

/// Takes off what has no line feed at its end.
fn cut_torn(path: &Path) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    let mut reader = BufReader::with_capacity(1 << 17, &file);
    let (mut line, mut at) = (Vec::new(), 0_u64);
    loop {
        line.clear();
        let count = reader.read_until(b'\n', &mut line)?;
        if count == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') {
            return file.set_len(at);
        }
        at += count as u64;
    }
}
