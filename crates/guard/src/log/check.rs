//! The check of lines, one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::chain::{Hash, Head, LineKey, Mac, VerifyingKey, hex};
use super::line::{Line, Placed, Rest};
use super::retain::text_of;
use super::verify::{Fault, From, MOST, Report, StreamReport};

/// Lines whose keyed hashes wait for their key, at most: a log signs far more often.
const MOST_PENDING: usize = 1 << 20;

/// A check under way.
pub(super) struct Check<'k> {
    key: &'k VerifyingKey,
    faults: Vec<Fault>,
    more: u64,
    /// Streams that are done.
    done: Vec<StreamReport>,
    is_removed: bool,
    /// Erased lines, and those that entries name, by stream, as ranges.
    erased: BTreeMap<u32, Vec<(u64, u64)>>,
    named: BTreeMap<u32, Vec<(u64, u64)>>,
    /// What signed lines say of other streams: the head, and where that is said.
    said: BTreeMap<u32, BTreeMap<u64, (String, PathBuf, u64)>>,
    seen: BTreeSet<(u32, u64)>,
    at: Place,
}

/// Where the check is.
#[derive(Default)]
struct Place {
    stream: StreamReport,
    folder: PathBuf,
    file: PathBuf,
    number: u64,
    from: Option<From>,
    heads: Vec<Head>,
    begins: Option<Begins>,
    /// Heads that entries of retention name.
    removed: Vec<Head>,
    /// What entries say that no signature covers yet.
    unsigned: Vec<Said>,
    /// Lines whose key is not known yet: the file, the line in it, the number, the digest, the keyed hash.
    pending: Vec<(usize, u64, u64, Hash, Mac)>,
    files: Vec<PathBuf>,
    /// Lines that a fault of the chain names already.
    broken: BTreeSet<u64>,
}

/// The first line of a stream.
struct Begins {
    head: Head,
    /// The hash before it.
    prev: String,
    file: PathBuf,
}

/// What an entry says of other lines.
enum Said {
    /// All up to this one were removed.
    Removed(Head),
    /// Lines of a stream were erased.
    Erased(u32, Vec<(u64, u64)>),
}

impl<'k> Check<'k> {
    pub(super) fn new(key: &'k VerifyingKey) -> Self {
        Self {
            key,
            faults: Vec::new(),
            more: 0,
            done: Vec::new(),
            is_removed: false,
            erased: BTreeMap::new(),
            named: BTreeMap::new(),
            said: BTreeMap::new(),
            seen: BTreeSet::new(),
            at: Place::default(),
        }
    }

    /// Begins a stream.
    pub(super) fn begin(&mut self, stream: u32, folder: &Path, from: Option<From>, heads: Vec<Head>) {
        self.at = Place {
            stream: StreamReport {
                stream,
                ..StreamReport::default()
            },
            folder: folder.to_owned(),
            from,
            heads,
            ..Place::default()
        };
    }

    /// Begins a file.
    pub(super) fn file(&mut self, path: &Path) {
        path.clone_into(&mut self.at.file);
        self.at.files.push(path.to_owned());
    }

    fn fault_at(&mut self, file: PathBuf, line: u64, kind: &'static str, detail: String) {
        if self.faults.len() >= MOST {
            self.more += 1;
            return;
        }
        self.faults.push(Fault { file, line, kind, detail });
    }

    fn fault(&mut self, kind: &'static str, detail: String) {
        self.fault_at(self.at.file.clone(), self.at.number, kind, detail);
    }

    /// Checks the next line of a file.
    pub(super) fn line(&mut self, number: u64, bytes: &[u8], is_whole: bool) {
        self.at.number = number;
        let line = match Line::read(bytes) {
            Ok(line) => line,
            Err(_) if !is_whole => return self.fault("cut", "the last line has no end".to_owned()),
            Err(error) => return self.fault("unreadable", error),
        };
        let head = line.head();
        if let Some(from) = &self.at.from
            && head.seq < from.seq
        {
            return;
        }
        self.at.stream.lines += 1;
        let prev = match &line {
            Line::Placed(placed) => placed.prev.to_owned(),
            Line::Old { prev, .. } => prev.clone(),
        };
        self.follows(&head, &prev);
        match line {
            Line::Placed(placed) => self.placed(&placed, bytes),
            Line::Old { signed, .. } => {
                if let Some((of, signature)) = signed {
                    let before = self.at.stream.head.as_ref().is_none_or(|head| *head == of);
                    if before && self.key.holds_1(&of, &signature) {
                        self.at.stream.signed = Some(of.seq);
                    } else {
                        self.fault("signature", format!("the signature over line {} does not hold", of.seq));
                    }
                }
            }
        }
        self.passes(&head);
        self.at.stream.head = Some(head);
    }

    /// Whether a line follows the one before it.
    fn follows(&mut self, head: &Head, prev: &str) {
        let seq = head.seq;
        let Some(last) = self.at.stream.head.clone() else {
            self.at.stream.first = Some(seq);
            self.at.begins = Some(Begins {
                head: head.clone(),
                prev: prev.to_owned(),
                file: self.at.file.clone(),
            });
            return;
        };
        let is_known = self.at.begins.as_ref().is_some_and(|begins| begins.head == *head);
        if seq == 1 && prev == Head::start(self.at.stream.stream).hash && self.at.stream.first == Some(1) && !is_known {
            self.fault("begun-anew", format!("the chain begins anew after line {}", last.seq));
        } else if seq > last.seq + 1 {
            let missing = if seq == last.seq + 2 {
                format!("line {} is missing", seq - 1)
            } else {
                format!("lines {} to {} are missing", last.seq + 1, seq - 1)
            };
            let how = if self.at.number == 1 {
                ": a file, or the end of the one before"
            } else {
                ""
            };
            self.fault("cut", format!("{missing}{how}"));
        } else if seq <= last.seq {
            self.fault("reordered", format!("line {seq} comes after line {}", last.seq));
        } else if prev != last.hash {
            self.at.broken.insert(last.seq);
            self.fault("altered", format!("line {} is not the one that this line follows", last.seq));
        }
    }

    fn placed(&mut self, placed: &Placed<'_>, bytes: &[u8]) {
        let stream = self.at.stream.stream;
        if placed.stream != stream {
            self.fault(
                "reordered",
                format!("it is a line of stream {}, in the files of stream {stream}", placed.stream),
            );
        }
        match placed.rest {
            Rest::Whole => self.text(bytes),
            Rest::Erased => add(self.erased.entry(stream).or_default(), placed.seq),
            Rest::Altered => {
                self.at.broken.insert(placed.seq);
                self.fault(
                    "altered",
                    format!("line {} has another address, key or request than it was written with", placed.seq),
                );
            }
        }
        if self.at.pending.len() < MOST_PENDING {
            let file = self.at.files.len().saturating_sub(1);
            self.at.pending.push((file, self.at.number, placed.seq, placed.digest, placed.mac));
        }
        if placed.signature.is_some() {
            return self.signed(placed, bytes);
        }
        // Only lines about the gateway say more.
        let class = bytes.get(..bytes.len().min(64)).unwrap_or_default();
        let says = |word: &str| memchr::memmem::find(bytes, format!("\"event\":\"{word}\"").as_bytes()).is_some();
        if memchr::memmem::find(class, b"\"class_uid\":6002,").is_some() && (says("removed") || says("erased")) {
            self.said(bytes);
        }
    }

    /// A line that says what was removed or erased.
    fn said(&mut self, bytes: &[u8]) {
        let Ok(event) = serde_json::from_slice::<Value>(bytes) else {
            return;
        };
        let unmapped = &event["unmapped"];
        if unmapped["event"] == "removed" {
            let up_to = &unmapped["up_to"];
            self.at.unsigned.push(Said::Removed(Head {
                seq: up_to["seq"].as_u64().unwrap_or_default(),
                hash: up_to["hash"].as_str().unwrap_or_default().to_owned(),
            }));
        } else if unmapped["event"] == "erased" {
            let of = unmapped["of_stream"]
                .as_u64()
                .and_then(|of| u32::try_from(of).ok())
                .unwrap_or_default();
            let ranges = unmapped["lines"].as_array().into_iter().flatten();
            let ranges = ranges.filter_map(|range| Some((range[0].as_u64()?, range[1].as_u64()?)));
            self.at.unsigned.push(Said::Erased(of, ranges.collect()));
        }
    }

    /// A signed line: it signs itself and all before it, and reveals the key of the lines since the last one.
    fn signed(&mut self, placed: &Placed<'_>, bytes: &[u8]) {
        let event: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let signed = &event["unmapped"]["signed"];
        if !self.key.holds(&placed.digest, placed.signature.unwrap_or_default()) {
            let (named, wanted) = (signed["key"].as_str().unwrap_or_default(), self.key.fingerprint());
            self.at.pending.clear();
            self.at.unsigned.clear();
            return if named == wanted {
                self.fault("signature", format!("the signature of line {} does not hold", placed.seq));
            } else {
                self.fault(
                    "key",
                    format!("line {} is signed with another key, {named:.16}; this is {wanted}", placed.seq),
                );
            };
        }
        self.at.stream.signed = Some(placed.seq);
        for said in std::mem::take(&mut self.at.unsigned) {
            match said {
                Said::Removed(head) => self.at.removed.push(head),
                Said::Erased(stream, ranges) => self.named.entry(stream).or_default().extend(ranges),
            }
        }
        let pending = std::mem::take(&mut self.at.pending);
        let key = signed["reveals"].as_str().and_then(LineKey::revealed);
        for (file, number, seq, digest, mac) in pending {
            let holds = key.as_ref().is_some_and(|key| key.mac(&digest) == mac);
            if !holds && !self.at.broken.contains(&seq) {
                let file = self.at.files.get(file).cloned().unwrap_or_default();
                let detail = format!("line {seq} was not written so by who has the signing key: its keyed hash does not hold");
                self.fault_at(file, number, "altered", detail);
            }
        }
        for (number, head) in signed["streams"].as_object().into_iter().flatten() {
            let head = head.as_str().and_then(Head::parse);
            if let (Ok(number), Some(head)) = (number.parse::<u32>(), head) {
                let place = (head.hash, self.at.file.clone(), self.at.number);
                self.said.entry(number).or_default().entry(head.seq).or_insert(place);
            }
        }
    }

    /// The file of the text that a line names must be the one that was written.
    fn text(&mut self, bytes: &[u8]) {
        let Some(file) = text_of(bytes) else { return };
        let event: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let wanted = event["unmapped"]["text"]["sha256"].as_str().unwrap_or_default().to_owned();
        match std::fs::read(self.at.folder.join(&file)) {
            Ok(text) if hex(&super::chain::sha256(&text)) == wanted => {}
            Ok(_) => self.fault("text", format!("{file} is not the text that was written")),
            Err(error) => self.fault("text", format!("{file} cannot be read: {error}")),
        }
    }

    /// Heads that must be there.
    fn passes(&mut self, head: &Head) {
        self.at.heads.retain(|wanted| wanted != head);
        if let Some(from) = &self.at.from
            && from.seq == head.seq
            && from.hash.as_ref().is_some_and(|hash| *hash != head.hash)
        {
            self.fault("altered", format!("line {} has not the hash that --from names", head.seq));
        }
        let stream = self.at.stream.stream;
        if let Some((hash, ..)) = self.said.get(&stream).and_then(|said| said.get(&head.seq)) {
            self.seen.insert((stream, head.seq));
            if *hash != head.hash {
                self.fault("altered", format!("line {} is not the one that another stream names", head.seq));
            }
        }
    }

    /// Ends a stream.
    pub(super) fn end(&mut self) {
        let mut at = std::mem::take(&mut self.at);
        let last = at.file.clone();
        if let Some(Begins {
            head: Head { seq, .. },
            prev,
            file,
        }) = at.begins.take()
        {
            let start = Head::start(at.stream.stream);
            let is_removed = at.removed.iter().any(|head| head.seq + 1 == seq && head.hash == prev);
            match &at.from {
                Some(from) if seq > from.seq => self.fault_at(file, 1, "cut", format!("lines {} to {} are missing", from.seq, seq - 1)),
                Some(_) => {}
                None if seq == 1 && prev != start.hash => {
                    self.fault_at(file, 1, "altered", "the first line has something before it".to_owned());
                }
                None if seq > 1 && !is_removed => {
                    let detail = format!("lines 1 to {} are missing, and no entry says that they were removed", seq - 1);
                    self.fault_at(file, 1, "cut", detail);
                }
                None => self.is_removed |= seq > 1,
            }
        }
        for wanted in std::mem::take(&mut at.heads) {
            let is_behind = at.stream.head.as_ref().is_some_and(|head| head.seq >= wanted.seq);
            let is_before = at.stream.first.is_some_and(|first| first > wanted.seq);
            let kind = if is_behind && !is_before { "altered" } else { "cut" };
            let detail = format!("line {} with the hash {} is not in the log", wanted.seq, wanted.hash);
            self.fault_at(last.clone(), 0, kind, detail);
        }
        self.done.push(at.stream);
    }

    /// Lines of a stream that were named by streams which were read after it.
    pub(super) fn unseen(&self, stream: u32) -> Vec<u64> {
        let said = self.said.get(&stream).into_iter().flat_map(BTreeMap::keys);
        said.copied().filter(|seq| !self.seen.contains(&(stream, *seq))).collect()
    }

    /// Looks whether a line is one of those.
    pub(super) fn look_for(&mut self, stream: u32, bytes: &[u8]) {
        let Ok(line) = Line::read(bytes) else { return };
        let head = line.head();
        let Some((hash, file, number)) = self.said.get(&stream).and_then(|said| said.get(&head.seq)).cloned() else {
            return;
        };
        if self.seen.insert((stream, head.seq)) && hash != head.hash {
            self.fault_at(
                file,
                number,
                "altered",
                format!("line {} of stream {stream} is not the one that this line names", head.seq),
            );
        }
    }

    /// Ends the check.
    pub(super) fn finish(mut self, report: &mut Report) {
        let numbers: Vec<u32> = self.said.keys().copied().collect();
        for stream in numbers {
            // What was removed under retention cannot be looked at.
            let first = self.done.iter().find(|done| done.stream == stream).and_then(|done| done.first);
            for seq in self.unseen(stream) {
                let place = self.said.get(&stream).and_then(|said| said.get(&seq)).cloned();
                if let Some((_, file, number)) = place.filter(|_| first.is_none_or(|first| seq >= first)) {
                    self.fault_at(
                        file,
                        number,
                        "cut",
                        format!("line {seq} of stream {stream}, which this line names, is missing"),
                    );
                }
            }
        }
        let erased = std::mem::take(&mut self.erased);
        for (stream, ranges) in erased {
            let named = merged(self.named.remove(&stream).unwrap_or_default());
            for (first, last) in ranges {
                report.erased += last - first + 1;
                if !named.iter().any(|(from, to)| *from <= first && last <= *to) {
                    let file = self.done.iter().find(|done| done.stream == stream).map_or(0, |done| done.stream);
                    let detail = format!("lines {first} to {last} of stream {file} were erased, and no entry says so");
                    self.fault_at(PathBuf::new(), 0, "erased", detail);
                }
            }
        }
        report.removed = self.is_removed;
        report.lines = self.done.iter().map(|done| done.lines).sum();
        if let Some(first) = self.done.first() {
            (report.first, report.head, report.signed) = (first.first, first.head.clone(), first.signed);
        }
        report.streams = self.done;
        report.faults = self.faults;
        report.more_faults = self.more;
    }
}

/// Adds a number to ranges that end before it.
fn add(ranges: &mut Vec<(u64, u64)>, seq: u64) {
    match ranges.last_mut() {
        Some((_, last)) if *last + 1 == seq => *last = seq,
        _ => ranges.push((seq, seq)),
    }
}

/// Ranges in order, those that touch made one.
fn merged(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (first, last) in ranges {
        match merged.last_mut() {
            Some((_, end)) if first <= *end + 1 => *end = (*end).max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}
