//! Splitting a text into records, without parsing them.

use std::io::Read;
use std::sync::Arc;

use crate::format::Format;
use crate::formats;
use crate::frame::{Frames, Head, Unfinished};
use crate::input::Input;
use crate::options::MAX_RECORD;

/// Bytes after which a batch is full.
const BATCH: usize = 256 * 1024;

/// Some records, with their bytes in one reusable buffer.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    records: Vec<RecordSpan>,
    /// Its number among the batches of a text, from 0.
    number: u64,
}

#[derive(Debug)]
pub(crate) struct RecordSpan {
    start: usize,
    end: usize,
    pub(crate) line: u64,
    pub(crate) record: u64,
    pub(crate) fault: Option<String>,
    pub(crate) open: bool,
    /// The head of the file; a concatenation of files has several.
    pub(crate) head: Arc<Head>,
}

impl Batch {
    /// The records with their bytes.
    pub(crate) fn records(&self) -> impl Iterator<Item = (&RecordSpan, &[u8])> {
        let bytes = |span: &RecordSpan| self.bytes.get(span.start..span.end).unwrap_or_default();
        self.records.iter().map(move |span| (span, bytes(span)))
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it has no records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The number of bytes of its records.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The batch emptied, for reuse, without the memory of long records.
    #[must_use]
    pub fn emptied(mut self) -> Self {
        self.clear();
        self
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
        // The memory of one long record is given back.
        if self.bytes.capacity() > 4 * BATCH {
            self.bytes.shrink_to(2 * BATCH);
        }
    }
}

/// Reads records as bytes.
pub struct Records<R: Read> {
    input: Input<R>,
    frames: Frames,
    head: Arc<Head>,
    most: usize,
    count: u64,
    batches: u64,
    over: bool,
    unfinished: Option<Unfinished>,
}

impl<R: Read> Records<R> {
    /// The records of an input of this format.
    pub(crate) fn new(input: Input<R>, format: Format, longest: usize) -> Self {
        Self {
            frames: formats::frames(format, input.head()),
            input,
            head: Arc::default(),
            most: longest.clamp(1, MAX_RECORD),
            count: 0,
            batches: 0,
            over: false,
            unfinished: None,
        }
    }

    /// How many records were read so far.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Marks the text as certainly unfinished, if it is unfinished at all.
    pub(crate) fn is_certain(&mut self, certain: bool) {
        if let Some(unfinished) = &mut self.unfinished {
            unfinished.certain |= certain;
        }
    }

    /// Why the archive is damaged, such as a wrong checksum; known after [`Records::fill`] returned false.
    #[must_use]
    pub fn damaged(&self) -> Option<&str> {
        self.input.damaged()
    }

    /// A warning about the file that does not stop the import; known after [`Records::fill`] returned false.
    #[must_use]
    pub fn warning(&self) -> Option<&'static str> {
        self.input.junk()
    }

    /// Where the text ended too early; known after [`Records::fill`] returned false. See `Parsed::open_end`.
    #[must_use]
    pub fn unfinished(&self) -> Option<&Unfinished> {
        self.unfinished.as_ref()
    }

    /// Fills a batch with the next records; false: there are no more.
    pub fn fill(&mut self, batch: &mut Batch) -> bool {
        batch.clear();
        batch.number = self.batches;
        self.batches += 1;
        // Room for the last record, which exceeds the size of a batch.
        batch.bytes.reserve(BATCH + BATCH / 4);
        while !self.over && batch.bytes.len() < BATCH && batch.records.len() < 4_096 {
            let start = batch.bytes.len();
            let Some(framed) = self.frames.next(&mut self.input, &mut batch.bytes, &mut self.head, self.most) else {
                self.over = true;
                self.unfinished = self.frames.unfinished(&self.input);
                break;
            };
            self.count += 1;
            batch.records.push(RecordSpan {
                start,
                end: batch.bytes.len(),
                line: framed.line,
                record: self.count,
                fault: framed.fault,
                open: framed.open,
                head: Arc::clone(&self.head),
            });
        }
        !batch.is_empty()
    }
}
