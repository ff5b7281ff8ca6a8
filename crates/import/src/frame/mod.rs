//! Where one record ends and the next begins. Framing knows no record's meaning and keeps one record at a time, capped.

mod grepable;
mod json;
mod lines;
mod markup;
mod status;

use std::io::Read;
use std::sync::Arc;

pub(crate) use grepable::GrepFrames;
pub(crate) use json::{JsonFrames, Paths, first_keys, is_empty_list, may_be_json};
pub(crate) use lines::{CsvFrames, LineFrames, head_columns, split_row};
pub(crate) use markup::MarkupFrames;
pub(crate) use status::without as without_status;

use crate::input::Input;

/// A record's bytes were put out, or what stood there was none.
pub(crate) struct Framed {
    /// The line it begins on.
    pub(crate) line: u64,
    /// Why it is none.
    pub(crate) fault: Option<String>,
    /// Whether the text ends with it, and without a line's end.
    pub(crate) open: bool,
}

impl Framed {
    fn new(line: u64, fault: Option<String>) -> Self {
        Self { line, fault, open: false }
    }

    fn bad(line: u64, fault: impl Into<String>) -> Self {
        Self::new(line, Some(fault.into()))
    }
}

/// Where a text ends before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The line it ends on, from 1, of the unpacked text.
    pub line: u64,
    /// What is missing, a fragment that reads well after "unfinished: ".
    pub reason: String,
    /// Whether something is missing for sure. If not, the last record is read as it stands and may be a part of one.
    pub certain: bool,
}

impl Unfinished {
    fn sure(line: u64, reason: &str) -> Self {
        Self {
            line,
            reason: reason.to_owned(),
            certain: true,
        }
    }
}

/// What stands before the records and is needed to read each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The columns of a CSV, in lower case.
    pub(crate) columns: Vec<String>,
    /// The attributes of `<nmaprun>`.
    pub(crate) run: Vec<(String, String)>,
}

/// A way to find records.
pub(crate) enum Frames {
    /// A line each.
    Lines(LineFrames),
    /// A row each, after a header.
    Csv(CsvFrames),
    /// A line each, after comments that say of the run what each needs.
    Grep(GrepFrames),
    /// A JSON value each.
    Json(JsonFrames),
    /// A `<host>` each.
    Markup(MarkupFrames),
}

impl Frames {
    /// Puts the next record's bytes at the end of `out`; `None`: there is none.
    pub(crate) fn next<R: Read>(&mut self, input: &mut Input<R>, out: &mut Vec<u8>, head: &mut Arc<Head>, most: usize) -> Option<Framed> {
        match self {
            Self::Lines(frames) => frames.next(input, out, most),
            Self::Csv(frames) => frames.next(input, out, head, most),
            Self::Grep(frames) => frames.next(input, out, head, most),
            Self::Json(frames) => frames.next(input, out, most),
            Self::Markup(frames) => frames.next(input, out, head, most),
        }
    }

    /// Where the text ended before its end; known once there are no more records.
    pub(crate) fn unfinished<R: Read>(&self, input: &Input<R>) -> Option<Unfinished> {
        // What is damaged may end anywhere: that is another fault.
        if input.damaged().is_some() {
            return None;
        }
        if input.is_cut() {
            return Some(Unfinished::sure(input.line(), "its bytes end before their end"));
        }
        match self {
            Self::Lines(frames) => frames.unfinished().cloned(),
            Self::Grep(frames) => frames.unfinished().cloned(),
            Self::Csv(frames) => frames.unfinished().cloned(),
            Self::Json(frames) => frames.unfinished().cloned(),
            Self::Markup(frames) => frames.unfinished().cloned(),
        }
    }
}

/// The bytes of one record, no more than may be kept.
struct Keep<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    most: usize,
    over: bool,
}

/// How much of a record that is too long is kept, to be quoted.
const QUOTED: usize = 512;

impl<'o> Keep<'o> {
    fn new(out: &'o mut Vec<u8>, most: usize) -> Self {
        let start = out.len();
        Self {
            out,
            start,
            most,
            over: false,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.over {
            return;
        }
        if self.out.len() - self.start + bytes.len() > self.most {
            self.over = true;
            // A record of one piece is quoted too.
            let room = QUOTED.saturating_sub(self.out.len() - self.start).min(bytes.len());
            self.out.extend_from_slice(&bytes[..room]);
            self.out.truncate(self.start + QUOTED);
            return;
        }
        self.out.extend_from_slice(bytes);
    }

    fn clear(&mut self) {
        self.out.truncate(self.start);
        self.over = false;
    }

    fn bytes(&self) -> &[u8] {
        self.out.get(self.start..).unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.out.len() == self.start
    }

    /// Why it is no record, if it is too long.
    fn too_long(&self) -> Option<String> {
        self.over.then(|| format!("longer than {} bytes", self.most))
    }
}
