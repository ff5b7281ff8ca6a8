//! Reading a file or a pipe as observations, one at a time.

use std::collections::VecDeque;
use std::io::{self, Read};

use vigie_model::Observation;

use crate::bad::Bad;
use crate::choose::{ImportError, chosen};
use crate::format::Format;
use crate::frame::Unfinished;
use crate::input::Input;
use crate::options::Options;
use crate::out::{Parsed, PassedOver};
use crate::parser::Parser;
use crate::records::{Batch, Records};

/// Iterator over the observations and bad records of a file or a pipe. The requests of a gateway's log are no observations: for them, take the
/// halves with [`Importer::split`].
pub struct Importer<R: Read> {
    records: Records<R>,
    parser: Parser,
    batch: Batch,
    parsed: Parsed,
    ready: VecDeque<Result<Observation, Bad>>,
    passed_over: PassedOver,
    open_end: bool,
}

impl<R: Read> Importer<R> {
    /// Reads the first bytes and, if no format is given, recognises it from them.
    ///
    /// # Errors
    ///
    /// The first bytes cannot be read, or their format is unknown.
    pub fn new(reader: R, format: Option<Format>, options: Options) -> Result<Self, ImportError> {
        let mut input = Input::new(reader)?;
        let format = match chosen(input.head(), format, options.file_name.as_deref()) {
            // The bytes before a read error may be too few to recognise the format.
            Err(_) if input.broke() => {
                let reason = input.take_fault().unwrap_or_default();
                return Err(ImportError::Read(io::Error::new(io::ErrorKind::UnexpectedEof, reason)));
            }
            chosen => chosen?,
        };
        Ok(Self {
            records: Records::new(input, format, options.max_record),
            parser: Parser::new(format, options),
            batch: Batch::default(),
            parsed: Parsed::default(),
            ready: VecDeque::new(),
            passed_over: PassedOver::default(),
            open_end: false,
        })
    }

    /// The format that is read.
    #[must_use]
    pub fn format(&self) -> Format {
        self.parser.format()
    }

    /// The number of records read so far, including bad ones.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records.count()
    }

    /// Why the archive is damaged; known after the last item.
    #[must_use]
    pub fn damaged(&self) -> Option<&str> {
        self.records.damaged()
    }

    /// A warning about the file that does not stop the import; known after the last item.
    #[must_use]
    pub fn warning(&self) -> Option<&'static str> {
        self.records.warning()
    }

    /// Where the text ended too early; known after the last item.
    #[must_use]
    pub fn unfinished(&self) -> Option<&Unfinished> {
        self.records.unfinished()
    }

    /// Counts of what was left out so far.
    #[must_use]
    pub fn passed_over(&self) -> PassedOver {
        self.passed_over
    }

    /// Splits it, so that one thread fills batches and others parse them.
    #[must_use]
    pub fn split(self) -> (Records<R>, Parser) {
        (self.records, self.parser)
    }
}

impl<R: Read> Iterator for Importer<R> {
    type Item = Result<Observation, Bad>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            if !self.records.fill(&mut self.batch) {
                self.records.is_certain(self.open_end);
                return None;
            }
            self.parser.parse(&self.batch, &mut self.parsed);
            self.passed_over.add(self.parsed.passed_over);
            self.open_end |= self.parsed.open_end;
            self.ready.extend(self.parsed.items.drain(..));
            self.parsed.clear();
        }
    }
}
