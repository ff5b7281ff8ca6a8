//! The links between the lines of a log.

use ring::digest::{SHA256, digest};

use super::key::PublicKey;
use super::line::{Line, Signed};
use super::placed::Placed;
use crate::bad::Fault;

/// What the message of a signature begins with. In the first version, the end of the chain before the line was signed.
const SIGNED: &[u8] = b"vigie.guard-log/2 signed line\n";
const SIGNED_1: &str = "vigie.guard-log/1 head";

/// The most breaks that are kept; the others are counted.
pub(super) const MOST_BREAKS: usize = 100;

/// What is wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BreakKind {
    /// An entry is not the one that the next entry follows.
    Altered,
    /// Entries are missing.
    Cut,
    /// An entry comes after a later one.
    Reordered,
    /// A signature does not hold.
    Signature,
}

/// A place where a chain breaks.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ChainBreak {
    /// The line in the file, from 1.
    pub line: u64,
    /// What is wrong.
    pub kind: BreakKind,
    /// More about it.
    pub detail: String,
}

/// The SHA-256 of some bytes, in hexadecimal digits.
pub(super) fn hash_of(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in digest(&SHA256, bytes).as_ref() {
        text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
    }
    text
}

/// The place of a line in its chain.
#[derive(Debug)]
pub(crate) struct Link {
    /// The line in the file.
    line: u64,
    /// The process that wrote it, if several write one log.
    pub(super) stream: u32,
    /// The number of the entry.
    pub(super) seq: u64,
    /// The hash of the entry before.
    prev: String,
    /// The hash of this entry, which the next one names.
    hash: String,
    signature: Option<Signature>,
    /// Whether the part that can be erased was altered.
    is_altered: bool,
}

/// A signature over a chain.
#[derive(Debug)]
struct Signature {
    /// The last entry that it covers.
    seq: u64,
    message: Vec<u8>,
    text: String,
    /// Whether it covers the entry before this one as it is.
    fits: bool,
}

impl Signature {
    /// Of the first version: over the entry before.
    fn over_the_last(signed: &Signed, seq: u64, prev: &str) -> Self {
        Self {
            seq: signed.seq,
            message: format!("{SIGNED_1}\n{}\n{}", signed.seq, signed.hash).into_bytes(),
            text: signed.signature.clone(),
            fits: signed.seq.checked_add(1) == Some(seq) && signed.hash == prev,
        }
    }
}

impl Link {
    pub(super) fn of(line: &Line<'_>, bytes: &[u8], number: u64) -> Result<Self, Fault> {
        let chain = line.chain().ok_or("it has no place in the chain of a log")?;
        if chain.seq == 0 || i64::try_from(chain.seq).is_err() {
            return Err(format!("{} is not the number of an entry", chain.seq).into());
        }
        let mut link = Self {
            line: number,
            stream: chain.stream.unwrap_or(1),
            seq: chain.seq,
            prev: chain.prev.clone(),
            hash: String::new(),
            signature: None,
            is_altered: false,
        };
        if line.is_first_version() {
            link.hash = hash_of(bytes);
            let over_the_last = |signed| Signature::over_the_last(signed, chain.seq, &chain.prev);
            link.signature = line.signed.as_ref().map(over_the_last);
            return Ok(link);
        }
        let placed = Placed::find(bytes).ok_or("its place in the chain is not where a gateway writes it")?;
        link.hash = hash_of(placed.hashed);
        link.is_altered = !placed.has_its_rest(chain.personal.as_deref());
        link.signature = chain.signature.as_ref().map(|text| Signature {
            seq: chain.seq,
            message: [SIGNED, digest(&SHA256, placed.signed).as_ref()].concat(),
            text: text.clone(),
            fits: true,
        });
        Ok(link)
    }
}

/// Consecutive lines of one chain.
#[derive(Clone, Debug)]
pub struct Segment {
    pub(super) gateway: String,
    pub(super) stream: u32,
    pub(super) first: First,
    pub(super) last: Last,
    pub(super) entries: u64,
    /// The last entry that a valid signature covers.
    pub(super) signed: Option<u64>,
    /// Signatures that were not checked, without a public key.
    pub(super) unchecked: u64,
    pub(super) breaks: Breaks,
}

/// The first line of a segment: what the line before it must be.
#[derive(Clone, Debug)]
pub(super) struct First {
    pub(super) line: u64,
    pub(super) seq: u64,
    pub(super) prev: String,
}

/// The last line of a segment: what the next line must name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Last {
    pub(super) seq: u64,
    pub(super) hash: String,
}

/// The places where a chain breaks: the first ones, and how many there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Breaks {
    pub(super) count: u64,
    pub(super) first: Vec<ChainBreak>,
}

impl Breaks {
    fn add(&mut self, line: u64, kind: BreakKind, detail: String) {
        self.count += 1;
        if self.first.len() < MOST_BREAKS {
            self.first.push(ChainBreak { line, kind, detail });
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        self.count += other.count;
        let room = MOST_BREAKS - self.first.len();
        self.first.extend(other.first.into_iter().take(room));
    }

    /// Compares a line with the one before it.
    pub(super) fn compare(&mut self, before: &Last, next: &First) {
        let (line, seq) = (next.line, next.seq);
        if seq > before.seq + 1 {
            let detail = match seq - before.seq {
                2 => format!("entry {} is missing", before.seq + 1),
                _ => format!("entries {} to {} are missing", before.seq + 1, seq - 1),
            };
            self.add(line, BreakKind::Cut, detail);
        } else if seq <= before.seq {
            self.add(line, BreakKind::Reordered, format!("entry {seq} comes after entry {}", before.seq));
        } else if next.prev != before.hash {
            self.add(
                line,
                BreakKind::Altered,
                format!("entry {} is not the one that entry {seq} follows", before.seq),
            );
        }
    }
}

impl Segment {
    pub(crate) fn is_of(&self, gateway: &str, link: &Link) -> bool {
        self.gateway == gateway && self.stream == link.stream
    }

    /// A segment of one line.
    pub(crate) fn of(gateway: &str, link: &Link, key: Option<&PublicKey>) -> Self {
        let mut segment = Self {
            gateway: gateway.to_owned(),
            stream: link.stream,
            first: link.first(),
            last: link.last(),
            entries: 1,
            signed: None,
            unchecked: 0,
            breaks: Breaks::default(),
        };
        segment.check(link, key);
        segment
    }

    /// Adds the next line.
    pub(crate) fn add(&mut self, link: &Link, key: Option<&PublicKey>) {
        self.breaks.compare(&self.last, &link.first());
        self.last = link.last();
        self.entries += 1;
        self.check(link, key);
    }

    /// Checks a line by itself.
    fn check(&mut self, link: &Link, key: Option<&PublicKey>) {
        if link.seq == 1 && link.prev != start_of(link.stream) {
            self.breaks
                .add(link.line, BreakKind::Altered, "entry 1 has something before it".to_owned());
        }
        if link.is_altered {
            let detail = format!("entry {} has another client, key or request than it was written with", link.seq);
            self.breaks.add(link.line, BreakKind::Altered, detail);
        }
        let Some(signature) = &link.signature else { return };
        let Some(key) = key else {
            self.unchecked += 1;
            return;
        };
        if signature.fits && key.verifies(&signature.message, &signature.text) {
            self.signed = Some(signature.seq);
        } else {
            let detail = format!("the signature over entry {} does not hold", signature.seq);
            self.breaks.add(link.line, BreakKind::Signature, detail);
        }
    }
}

/// What the first entry of a stream follows.
fn start_of(stream: u32) -> String {
    match stream {
        0 | 1 => "0".repeat(64),
        other => hash_of(format!("vigie.guard-log/2 stream {other}").as_bytes()),
    }
}

impl Link {
    fn first(&self) -> First {
        First {
            line: self.line,
            seq: self.seq,
            prev: self.prev.clone(),
        }
    }

    fn last(&self) -> Last {
        Last {
            seq: self.seq,
            hash: self.hash.clone(),
        }
    }
}
