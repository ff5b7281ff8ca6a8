//! Where one record ends and the next begins. Framing knows no record's meaning and keeps one record at a time, capped.

mod json;
mod lines;
mod markup;

use std::io::Read;
use std::sync::Arc;

pub(crate) use json::{JsonFrames, Paths, first_keys};
pub(crate) use lines::{CsvFrames, LineFrames, head_columns, split_row};
pub(crate) use markup::MarkupFrames;

use crate::input::Input;

/// A record's bytes were put out, or what stood there was none.
pub(crate) struct Framed {
    /// The line it begins on.
    pub(crate) line: u64,
    /// Why it is none.
    pub(crate) fault: Option<String>,
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
            Self::Json(frames) => frames.next(input, out, most),
            Self::Markup(frames) => frames.next(input, out, head, most),
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
