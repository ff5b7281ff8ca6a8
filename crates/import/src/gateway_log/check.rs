//! Joining the segments of batches and files.

use std::collections::BTreeMap;

use super::chain::{Breaks, ChainBreak, Last, Segment};

/// What a check of the chain of a file found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ChainReport {
    /// The entries that were read, about requests and about the gateway.
    pub entries: u64,
    /// The number of the first entry; above 1 if earlier ones are in another file, or were removed.
    pub first: Option<u64>,
    /// The number of the last entry.
    pub last: Option<u64>,
    /// The last entry that a valid signature covers; `None`: none was checked.
    pub signed: Option<u64>,
    /// Signatures that were not checked, because no public key was given.
    pub unchecked: u64,
    /// How often the chain breaks.
    pub broken: u64,
    /// The first places where it does.
    pub breaks: Vec<ChainBreak>,
}

/// Checks the chains of logs: the batches of a file in any order, one file after the other.
#[derive(Debug, Default)]
pub struct ChainCheck {
    /// The last entry of each chain, by gateway and stream.
    lasts: BTreeMap<(String, u32), Last>,
    /// Segments that wait for an earlier batch.
    waiting: BTreeMap<u64, Vec<Segment>>,
    /// The number of the next batch.
    next: u64,
    report: ChainReport,
    breaks: Breaks,
}

impl ChainCheck {
    /// Adds the segments of a batch of the current file.
    pub fn add(&mut self, batch: u64, segments: Vec<Segment>) {
        self.waiting.insert(batch, segments);
        while let Some(segments) = self.waiting.remove(&self.next) {
            self.next += 1;
            for segment in segments {
                self.join(segment);
            }
        }
    }

    fn join(&mut self, segment: Segment) {
        let chain = (segment.gateway, segment.stream);
        // A file that begins again earlier is another copy of the log; within a file that is a break.
        let in_file = self.report.entries > 0;
        match self.lasts.get(&chain) {
            Some(last) if in_file || segment.first.seq > last.seq => self.breaks.compare(last, &segment.first),
            _ => {}
        }
        self.lasts.insert(chain, segment.last.clone());
        let report = &mut self.report;
        report.entries += segment.entries;
        report.first = report.first.or(Some(segment.first.seq));
        report.last = Some(segment.last.seq);
        report.signed = segment.signed.or(report.signed);
        report.unchecked += segment.unchecked;
        self.breaks.append(segment.breaks);
    }

    /// Ends a file; `None`: it held no entry of a log.
    pub fn end_of_file(&mut self) -> Option<ChainReport> {
        // A batch is missing if the import was stopped: what comes after it cannot be joined.
        self.waiting.clear();
        self.next = 0;
        let breaks = std::mem::take(&mut self.breaks);
        let report = ChainReport {
            broken: breaks.count,
            breaks: breaks.first,
            ..std::mem::take(&mut self.report)
        };
        (report.entries > 0).then_some(report)
    }
}
