//! The two halves of an import: one reads records, the other understands them.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read};
use std::sync::Arc;

use vigie_catalog::Catalog;
use vigie_identify::Identifier;
use vigie_model::{Observation, Timestamp};

use crate::bad::{self, Bad};
use crate::format::Format;
use crate::frame::{CsvFrames, Frames, GrepFrames, Head, JsonFrames, LineFrames, MarkupFrames, Unfinished, is_empty_list, may_be_json};
use crate::input::Input;
use crate::make::fold;
use crate::memory::Memory;
use crate::out::{Out, Parsed, PassedOver};
use crate::recognise::{Author, author};
use crate::refuse;

/// The longest record, in bytes. A longer one is told as bad and passed over.
pub const MAX_RECORD: usize = 16 << 20;

/// Bytes after which a batch is handed on.
const BATCH: usize = 256 * 1024;

/// Items of a record that are handed on together.
const PART: usize = 2_048;

/// What the caller knows.
#[derive(Clone, Debug)]
pub struct Options {
    /// Identifies the servers behind records.
    pub identifier: Arc<Identifier>,
    /// When the import is made.
    pub recorded: Timestamp,
    /// The time of records that say none (a file's, say); without it they are bad.
    pub seen: Option<Timestamp>,
    /// From where it was seen; without it, what the source says.
    pub vantage: Option<String>,
    /// The port of records that are an address alone (zmap's default output); without it they are bad.
    pub default_port: Option<u16>,
    /// Passes over what nothing recognised; [`PassedOver`] counts it.
    pub recognised_only: bool,
    /// The file's name, which helps to recognise its format.
    pub file_name: Option<String>,
    /// The longest record in bytes, at most [`MAX_RECORD`].
    pub max_record: usize,
}

impl Options {
    /// With nothing but what each import needs.
    #[must_use]
    pub fn new(identifier: Arc<Identifier>, recorded: Timestamp) -> Self {
        Self {
            identifier,
            recorded,
            seen: None,
            vantage: None,
            default_port: None,
            recognised_only: false,
            file_name: None,
            max_record: MAX_RECORD,
        }
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        self.identifier.catalog()
    }
}

/// Why nothing can be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The first bytes could not be read.
    #[error("cannot read the first bytes: {0}")]
    Read(#[from] io::Error),
    /// There are no bytes, and no format was given.
    #[error("it is empty: there is nothing to import")]
    Empty,
    /// No format was given, and a list without an element is whoever's.
    #[error("it is an empty list: there is no record in it; if the tool found something, look whether it ended well")]
    EmptyList,
    /// No format was given, and the first bytes look like none.
    #[error("not recognised as the output of a tool that vigie reads; name its format with --from ({words}); it begins with {begins}", words = Format::words())]
    NotRecognised {
        /// Its beginning, escaped.
        begins: String,
    },
    /// No format was given, and several tools could have written it.
    #[error("several tools write such a file, and nothing in it says which; name it with --from ({candidates}); it begins with {begins}")]
    Ambiguous {
        /// The formats that could read it, and what else to do.
        candidates: String,
        /// Its beginning, escaped.
        begins: String,
    },
    /// It is in a form that is not read.
    #[error("not read: {why}")]
    Refused {
        /// What it is, and what to export in its place.
        why: &'static str,
    },
}

/// Records, some at a time: their bytes in one piece of memory that is used again.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    records: Vec<Span>,
}

#[derive(Debug)]
struct Span {
    start: usize,
    end: usize,
    line: u64,
    record: u64,
    fault: Option<String>,
    open: bool,
    /// A file that was put together of several has several.
    head: Arc<Head>,
}

impl Batch {
    /// How many records it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How many bytes its records have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Without its records, and without the memory of long ones.
    #[must_use]
    pub fn emptied(mut self) -> Self {
        self.clear();
        self
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
        // One long record must not hold its memory for good.
        if self.bytes.capacity() > 4 * BATCH {
            self.bytes.shrink_to(2 * BATCH);
        }
    }
}

/// Reads records; knows nothing of their meaning.
pub struct Records<R: Read> {
    input: Input<R>,
    frames: Frames,
    head: Arc<Head>,
    most: usize,
    count: u64,
    over: bool,
    unfinished: Option<Unfinished>,
}

impl<R: Read> Records<R> {
    /// Why what was read is not what was packed (a checksum); known once [`Records::fill`] found no more.
    #[must_use]
    pub fn damaged(&self) -> Option<&str> {
        self.input.damaged()
    }

    /// What is to be said of the file that ends nothing; known once [`Records::fill`] found no more.
    #[must_use]
    pub fn warning(&self) -> Option<&'static str> {
        self.input.junk()
    }

    /// Where the text ended before its end; known once [`Records::fill`] found no more. See [`Parsed::open_end`].
    #[must_use]
    pub fn unfinished(&self) -> Option<&Unfinished> {
        self.unfinished.as_ref()
    }

    /// Fills a batch with the next records; false: there are none.
    pub fn fill(&mut self, batch: &mut Batch) -> bool {
        batch.clear();
        // With the record that goes over.
        batch.bytes.reserve(BATCH + BATCH / 4);
        while !self.over && batch.bytes.len() < BATCH && batch.records.len() < 4_096 {
            let start = batch.bytes.len();
            let Some(framed) = self.frames.next(&mut self.input, &mut batch.bytes, &mut self.head, self.most) else {
                self.over = true;
                self.unfinished = self.frames.unfinished(&self.input);
                break;
            };
            self.count += 1;
            batch.records.push(Span {
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

/// Understands records. Threads may share it.
#[derive(Clone, Debug)]
pub struct Parser {
    pub(crate) format: Format,
    pub(crate) options: Options,
    /// Products by their folded names.
    pub(crate) names: Arc<HashMap<String, String>>,
    /// What lines of vigie's own said before.
    pub(crate) memory: Arc<Memory>,
}

impl Parser {
    fn new(format: Format, options: Options) -> Self {
        let mut names = HashMap::new();
        for product in options.catalog().products() {
            for name in [&product.name, &product.id] {
                names.entry(fold(name)).or_insert_with(|| product.id.clone());
            }
        }
        names.remove("");
        Self {
            format,
            options,
            names: Arc::new(names),
            memory: Arc::default(),
        }
    }

    /// The format that is read.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether one large record is a host with very many ports, rather than one endpoint with a long reply.
    #[must_use]
    pub fn gives_many(&self) -> bool {
        self.format == Format::Nmap
    }

    pub(crate) fn recognised_only(&self) -> bool {
        self.options.recognised_only
    }

    /// Adds what a batch's records gave, in their order.
    pub fn parse(&self, batch: &Batch, parsed: &mut Parsed) {
        self.parse_all(batch, parsed, usize::MAX, &mut |_| ());
    }

    /// Hands on what a batch's records gave, in their order and in parts: one record may give as many observations as a host has ports. The
    /// last part, which may be empty, is returned.
    #[must_use]
    pub fn parse_in_parts(&self, batch: &Batch, mut hand_on: impl FnMut(Parsed)) -> Parsed {
        let mut parsed = Parsed::default();
        self.parse_all(batch, &mut parsed, PART, &mut |parsed| hand_on(std::mem::take(parsed)));
        parsed
    }

    fn parse_all(&self, batch: &Batch, parsed: &mut Parsed, most: usize, hand_on: &mut dyn FnMut(&mut Parsed)) {
        for span in &batch.records {
            let bytes = batch.bytes.get(span.start..span.end).unwrap_or_default();
            let mut out = Out {
                parser: self,
                head: &span.head,
                parsed: &mut *parsed,
                most,
                hand_on: &mut *hand_on,
                line: span.line,
                record: span.record,
                bytes,
                given: 0,
                said: None,
                is_bad: false,
            };
            self.parse_one(span.fault.as_deref(), &mut out);
            let is_bad = out.is_bad;
            parsed.open_end |= span.open && is_bad;
        }
    }

    /// Adds what one line of vigie's own JSON gave, or one record of a format that needs no header.
    pub fn parse_record(&self, bytes: &[u8], line: u64, parsed: &mut Parsed) {
        let mut out = Out {
            parser: self,
            head: &Head::default(),
            parsed,
            most: usize::MAX,
            hand_on: &mut |_| (),
            line,
            record: line,
            bytes,
            given: 0,
            said: None,
            is_bad: false,
        };
        self.parse_one(None, &mut out);
    }

    fn parse_one(&self, fault: Option<&str>, out: &mut Out<'_>) {
        if let Some(fault) = fault {
            out.bad(fault);
            return;
        }
        let bytes = out.bytes;
        let told = match self.format {
            Format::Shodan => crate::shodan::parse(bytes, out),
            Format::Censys => crate::censys::parse(bytes, out),
            Format::Zmap => crate::zmap::parse(bytes, out),
            Format::Zgrab2 => crate::zgrab2::parse(bytes, out),
            Format::Masscan => crate::masscan::parse(bytes, out),
            Format::Nmap if bytes.trim_ascii_start().starts_with(b"<") => crate::nmap::parse(bytes, out),
            Format::Nmap => crate::nmap_text::parse(bytes, out),
            Format::Nuclei => crate::nuclei::parse(bytes, out),
            Format::Fofa => crate::fofa::parse(bytes, out),
            Format::Naabu => crate::naabu::parse(bytes, out),
            Format::Httpx => crate::httpx::parse(bytes, out),
            Format::Shadowserver => crate::shadowserver::parse(bytes, out),
            Format::Vigie => crate::vigie::parse(bytes, out),
        };
        if let Err(reason) = told {
            out.bad(&reason);
        }
    }
}

/// Reads a file or a pipe and gives an observation, or a bad record, at a time.
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
    /// Reads the first bytes and, where no format is given, recognises it from them.
    ///
    /// # Errors
    ///
    /// The first bytes cannot be read, or are of no format that is known.
    pub fn new(reader: R, format: Option<Format>, options: Options) -> Result<Self, ImportError> {
        let mut input = Input::new(reader)?;
        let format = match chosen(input.head(), format, options.file_name.as_deref()) {
            // What was read before the fault may not say what it is.
            Err(_) if input.broke() => {
                let reason = input.take_fault().unwrap_or_default();
                return Err(ImportError::Read(io::Error::new(io::ErrorKind::UnexpectedEof, reason)));
            }
            chosen => chosen?,
        };
        let frames = frames(format, input.head());
        let most = options.max_record.clamp(1, MAX_RECORD);
        Ok(Self {
            records: Records {
                input,
                frames,
                head: Arc::default(),
                most,
                count: 0,
                over: false,
                unfinished: None,
            },
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
        self.parser.format
    }

    /// Records met so far, bad ones too.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records.count
    }

    /// Why what was read is not what was packed; known after the last item.
    #[must_use]
    pub fn damaged(&self) -> Option<&str> {
        self.records.damaged()
    }

    /// What is to be said of the file that ends nothing; known after the last item.
    #[must_use]
    pub fn warning(&self) -> Option<&'static str> {
        self.records.warning()
    }

    /// Where the text ended before its end; known after the last item.
    #[must_use]
    pub fn unfinished(&self) -> Option<&Unfinished> {
        self.records.unfinished()
    }

    /// What was passed over so far.
    #[must_use]
    pub fn passed_over(&self) -> PassedOver {
        self.passed_over
    }

    /// Its two halves: one thread fills batches, others parse them.
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
                if let Some(unfinished) = &mut self.records.unfinished {
                    unfinished.certain |= self.open_end;
                }
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

/// The format to read a text by: what the caller says, else what only one tool writes.
fn chosen(head: &[u8], said: Option<Format>, name: Option<&str>) -> Result<Format, ImportError> {
    if let Some(refusal) = refuse::packed(head) {
        return Err(ImportError::Refused { why: refusal.why });
    }
    if let Some(format) = said {
        // nmap's own texts are told line by line.
        let sure = refuse::hint(head).filter(|refusal| refusal.of == said && format != Format::Nmap);
        let fits = matches!(author(head, None), Author::One(found) if found == format);
        return match sure {
            Some(refusal) if !fits => Err(ImportError::Refused { why: refusal.why }),
            _ => Ok(format),
        };
    }
    let begins = || bad::quote(head.split(|byte| *byte == b'\n').next().unwrap_or_default());
    match author(head, name) {
        Author::One(format) => Ok(format),
        _ if head.trim_ascii().is_empty() => Err(ImportError::Empty),
        _ if is_empty_list(head) => Err(ImportError::EmptyList),
        found => match (refuse::hint(head), found) {
            (Some(refusal), _) => Err(ImportError::Refused { why: refusal.why }),
            (None, Author::Several(formats)) => Err(ImportError::Ambiguous {
                candidates: candidates(&formats),
                begins: begins(),
            }),
            (None, _) => Err(ImportError::NotRecognised { begins: begins() }),
        },
    }
}

/// The formats that could read a text, and which export says by itself whose it is.
fn candidates(formats: &[Format]) -> String {
    let words: Vec<&str> = formats.iter().map(|format| format.word()).collect();
    let better: Vec<&str> = formats
        .iter()
        .filter_map(|format| match format {
            Format::Naabu => Some("naabu's -json"),
            Format::Zmap => Some("zmap's -O csv with its fields"),
            Format::Fofa => Some("FOFA's export with lastupdatetime"),
            _ => None,
        })
        .collect();
    let mut text = words.join(", ");
    if !better.is_empty() {
        text.push_str("; ");
        text.push_str(&better.join(", "));
        text.push_str(if better.len() == 1 {
            " says it by itself"
        } else {
            " say it by themselves"
        });
    }
    text
}

/// How the records of a format are found in a text that begins so.
fn frames(format: Format, head: &[u8]) -> Frames {
    let first = head.iter().copied().find(|byte| !byte.is_ascii_whitespace());
    let json = may_be_json(head);
    if is_empty_list(head) {
        return Frames::Json(JsonFrames::new(head, &[]));
    }
    match format {
        Format::Vigie => Frames::Lines(LineFrames::default()),
        Format::Shodan => Frames::Json(JsonFrames::new(head, crate::shodan::PATHS)),
        Format::Censys => Frames::Json(JsonFrames::new(head, crate::censys::PATHS)),
        Format::Zgrab2 | Format::Httpx => Frames::Json(JsonFrames::new(head, &[])),
        Format::Nuclei => Frames::Json(JsonFrames::new(head, &[])),
        Format::Fofa if json => Frames::Json(JsonFrames::new(head, crate::fofa::PATHS)),
        Format::Fofa => Frames::Csv(CsvFrames::default()),
        Format::Nmap if crate::nmap_text::is_greppable(head) => Frames::Grep(GrepFrames::default()),
        Format::Nmap => Frames::Markup(MarkupFrames::new(head)),
        Format::Shadowserver => Frames::Csv(CsvFrames::default()),
        _ if json => Frames::Json(JsonFrames::new(head, &[])),
        Format::Masscan if first == Some(b'<') => Frames::Markup(MarkupFrames::new(head)),
        // What it says of the run stands in a comment before the records.
        Format::Masscan if head.trim_ascii_start().starts_with(b"# Masscan ") => Frames::Grep(GrepFrames::default()),
        Format::Zmap if crate::zmap::has_header(head) => Frames::Csv(CsvFrames::default()),
        Format::Naabu if crate::naabu::has_header(head) => Frames::Csv(CsvFrames::default()),
        Format::Zmap | Format::Naabu | Format::Masscan => Frames::Lines(LineFrames::default()),
    }
}
