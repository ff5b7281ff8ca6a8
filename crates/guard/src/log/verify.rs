//! Checks a log, offline, with nothing but the public key.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::chain::{Head, VerifyingKey};
use super::check::Check;
use super::files::{files, first_of, lines, streams};

/// The most faults that a report lists.
pub(super) const MOST: usize = 1_000;

/// What a check found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The lines that were read.
    pub lines: u64,
    /// The number of the first line of the first stream.
    pub first: Option<u64>,
    /// Its last line and that line's hash.
    pub head: Option<Head>,
    /// The last line of it that a signature covers.
    pub signed: Option<u64>,
    /// Lines without their personal part, as entries of the log say.
    pub erased: u64,
    /// The lines before the first one were removed, as the log says.
    pub removed: bool,
    /// Each stream, the first included.
    pub streams: Vec<StreamReport>,
    /// What is wrong, in the order of the lines.
    pub faults: Vec<Fault>,
    /// Faults beyond those that are listed.
    pub more_faults: u64,
}

/// What a check found in one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StreamReport {
    /// Its number.
    pub stream: u32,
    /// The lines that were read.
    pub lines: u64,
    /// The number of the first line.
    pub first: Option<u64>,
    /// The last line and its hash.
    pub head: Option<Head>,
    /// The last line that a signature covers.
    pub signed: Option<u64>,
}

/// What is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file.
    pub file: PathBuf,
    /// The line in it, from 1.
    pub line: u64,
    /// What is wrong: `altered`, `cut`, `reordered`, `unreadable`, `signature`, `key`, `begun-anew`, `erased`, `text`.
    pub kind: &'static str,
    /// More about it.
    pub detail: String,
}

/// What a log is checked against.
#[derive(Clone, Debug, Default)]
pub struct Range {
    /// From this line on, by its number; with a hash it is a line that was the head once. Lines before it are not looked at.
    pub from: BTreeMap<u32, From>,
    /// Lines that the log must hold, by stream.
    pub heads: Vec<(u32, Head)>,
}

/// Where a check begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct From {
    /// The number of a line.
    pub seq: u64,
    /// Its hash.
    pub hash: Option<String>,
}

/// Checks the log in a folder.
///
/// # Errors
///
/// A file cannot be read.
pub fn verify(dir: &Path, key: &VerifyingKey, range: &Range) -> io::Result<Report> {
    let mut report = Report::default();
    let mut all = streams(dir)?;
    // A stream that nothing is left of is missed all the same.
    for (number, _) in &range.heads {
        if !all.iter().any(|(other, _)| other == number) {
            all.push((*number, dir.join(number.to_string())));
        }
    }
    let mut check = Check::new(key);
    for (number, folder) in &all {
        let paths = if folder.is_dir() { files(folder)? } else { Vec::new() };
        if paths.is_empty() && *number != 1 && !range.heads.iter().any(|(other, _)| other == number) {
            continue;
        }
        let from = range.from.get(number);
        let heads = range
            .heads
            .iter()
            .filter(|(other, _)| other == number)
            .map(|(_, head)| head.clone());
        check.begin(*number, folder, from.cloned(), heads.collect());
        for (at, path) in paths.iter().enumerate() {
            let next = paths.get(at + 1).and_then(|next| first_of(next));
            if from.zip(next).is_some_and(|(from, next)| next <= from.seq) {
                continue;
            }
            check.file(path);
            let read = lines(path, |number, line, is_whole| check.line(number, line, is_whole));
            read.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        }
        check.end();
    }
    // What streams say of streams that were read before them.
    for (number, folder) in &all {
        let wanted = check.unseen(*number);
        if wanted.is_empty() || !folder.is_dir() {
            continue;
        }
        for path in files(folder)? {
            lines(&path, |_, line, _| check.look_for(*number, line))?;
        }
    }
    check.finish(&mut report);
    Ok(report)
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }
}
