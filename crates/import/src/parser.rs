//! Turning records into observations.

use std::sync::Arc;

use crate::format::Format;
use crate::formats;
use crate::frame::Head;
use crate::line_cache::LineCache;
use crate::make::Maker;
use crate::options::Options;
use crate::out::{Out, Parsed};
use crate::records::Batch;

/// The most items of one part.
const PART: usize = 2_048;

/// Parses records into observations. Threads may share it.
#[derive(Clone, Debug)]
pub struct Parser {
    maker: Maker,
    /// Cache of lines in vigie's own format.
    cache: Arc<LineCache>,
}

impl Parser {
    pub(crate) fn new(format: Format, options: Options) -> Self {
        Self {
            maker: Maker::new(format, options),
            cache: Arc::default(),
        }
    }

    /// The format that is read.
    #[must_use]
    pub fn format(&self) -> Format {
        self.maker.format
    }

    /// Whether one large record is a host with very many ports, rather than one endpoint with a long reply.
    #[must_use]
    pub fn gives_many(&self) -> bool {
        self.maker.format == Format::Nmap
    }

    /// Parses the records of a batch and appends the results, in order.
    pub fn parse(&self, batch: &Batch, parsed: &mut Parsed) {
        self.parse_all(batch, parsed, usize::MAX, &mut |_| ());
        parsed.batch = Some(batch.number());
    }

    /// Parses the records of a batch and passes the results on in parts, in order: one record may give an observation for every port of a
    /// host. Returns the last part, which may be empty.
    #[must_use]
    pub fn parse_in_parts(&self, batch: &Batch, mut hand_on: impl FnMut(Parsed)) -> Parsed {
        let mut parsed = Parsed::default();
        self.parse_all(batch, &mut parsed, PART, &mut |parsed| {
            // The links of a batch stay together.
            let segments = std::mem::take(&mut parsed.segments);
            hand_on(std::mem::take(parsed));
            parsed.segments = segments;
        });
        parsed.batch = Some(batch.number());
        parsed
    }

    fn parse_all(&self, batch: &Batch, parsed: &mut Parsed, most: usize, hand_on: &mut dyn FnMut(&mut Parsed)) {
        for (span, bytes) in batch.records() {
            let mut out = Out {
                maker: &self.maker,
                cache: &self.cache,
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

    /// Parses one line of vigie's own JSON, or one record of a format without a header, and appends the result.
    pub fn parse_record(&self, bytes: &[u8], line: u64, parsed: &mut Parsed) {
        let mut out = Out {
            maker: &self.maker,
            cache: &self.cache,
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
        let parsed = formats::parse(self.maker.format, bytes, out);
        if let Err(fault) = parsed {
            out.fault(&fault);
        }
    }
}
