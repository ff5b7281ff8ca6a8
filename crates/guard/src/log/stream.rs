//! The chain that one process writes, and its files.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde_json::{Value, json};
use vigie_model::Timestamp;

use super::chain::{Head, LineKey, SigningKey};
use super::files::{HEAD, ROTATE, files, is_packed, name, owners_only, streams};
use super::line::Draft;
use super::ocsf::{self, Activity, Origin};
use super::recover::End;
use super::writer::Follow;
use crate::limit::estimate::Counted;

/// A file of more bytes than this is followed by another.
const ROTATE_AT: u64 = 64 << 20;
/// Entries that cannot be written are held in memory, up to this many bytes.
const HELD: usize = 1 << 20;
/// A signed line names the other streams of the log this often, in seconds.
const NAME_EVERY: u32 = 60;

/// A line whose place is still to be found, and what it counts: the key, what, and when.
pub(crate) struct Line {
    pub(super) draft: Draft,
    pub(super) counted: Option<(String, Counted, Timestamp)>,
}

/// The chain that this process writes.
pub(super) struct Stream {
    /// The folder of the log.
    log: PathBuf,
    number: u32,
    /// The folder of the stream.
    folder: PathBuf,
    _lock: File,
    file: Option<File>,
    size: u64,
    /// Bytes behind the last whole line may be in the file.
    is_torn: bool,
    /// The next line begins a new file, whatever the size of the last.
    rotates: bool,
    /// Files begin with a day.
    is_daily: bool,
    day: Option<NaiveDate>,
    head: Head,
    /// The number of the last signed line.
    signed: u64,
    line_key: LineKey,
    key: SigningKey,
    /// The text of the lines that were written last.
    text: Vec<u8>,
    follower: Option<Box<dyn Follow>>,
    held: VecDeque<Line>,
    held_bytes: usize,
    gap: Option<Gap>,
    /// Seconds until the other streams are named again.
    names_in: u32,
}

/// A time in which entries could not be written.
struct Gap {
    since: Timestamp,
    /// Entries that were written later.
    late: u64,
    /// Entries that are not written for want of room in memory.
    lost: u64,
}

impl Gap {
    fn now() -> Self {
        Self {
            since: chrono::Utc::now(),
            late: 0,
            lost: 0,
        }
    }
}

impl Stream {
    #[expect(clippy::too_many_arguments, reason = "the parts of one stream")]
    pub(super) fn new(
        log: &Path,
        number: u32,
        folder: PathBuf,
        lock: File,
        end: End,
        key: SigningKey,
        follower: Option<Box<dyn Follow>>,
        is_daily: bool,
    ) -> Self {
        Self {
            log: log.to_owned(),
            number,
            folder,
            _lock: lock,
            file: None,
            size: 0,
            is_torn: false,
            rotates: is_daily,
            is_daily,
            day: None,
            // What was not signed before a crash is signed a second from now.
            signed: end.signed.seq,
            line_key: key.line_key(number, &end.signed),
            head: end.head,
            key,
            text: Vec::with_capacity(4_096),
            follower,
            held: VecDeque::new(),
            held_bytes: 0,
            gap: None,
            names_in: 0,
        }
    }

    /// Whether files begin with a day, from the next line on.
    pub(super) fn set_daily(&mut self, is_daily: bool) {
        // What is in the file until now may be of several days.
        self.rotates |= is_daily && !self.is_daily;
        self.is_daily = is_daily;
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    pub(super) fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Lines since the last signed one.
    pub(super) fn unsigned(&self) -> u64 {
        self.head.seq - self.signed
    }

    /// Whether the next line goes into a file that is there.
    pub(super) fn keeps_file(&self) -> bool {
        self.file.is_some() || !self.rotates
    }

    /// The folder of the log.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// The file that is written.
    pub(super) fn file(&self) -> io::Result<Option<File>> {
        self.file.as_ref().map(File::try_clone).transpose()
    }

    /// Writes lines, all or none of them.
    pub(super) fn write(&mut self, lines: &[Line]) -> io::Result<()> {
        self.place(lines.iter().map(|line| &line.draft), false)?;
        lines.iter().for_each(|line| self.count(line));
        Ok(())
    }

    fn count(&mut self, line: &Line) {
        if let (Some(follower), Some((key, counted, at))) = (&mut self.follower, &line.counted) {
            follower.counted(key, *counted, *at);
        }
    }

    /// Keeps a line in memory until it can be written, if there is room.
    pub(super) fn hold(&mut self, line: Line) {
        let gap = self.gap.get_or_insert_with(Gap::now);
        let bytes = line.draft.len();
        if self.held_bytes + bytes > HELD {
            gap.lost += 1;
            return self.count(&line);
        }
        self.held_bytes += bytes;
        self.held.push_back(line);
    }

    /// Writes what is held, and a line that says what is missing. `refused`: requests that were refused meanwhile.
    pub(super) fn resume(&mut self, refused: u64, origin: &Origin) -> io::Result<()> {
        while let Some(line) = self.held.pop_front() {
            if let Err(error) = self.write(std::slice::from_ref(&line)) {
                self.held.push_front(line);
                return Err(error);
            }
            self.held_bytes = self.held_bytes.saturating_sub(line.draft.len());
            if let Some(gap) = &mut self.gap {
                gap.late += 1;
            }
        }
        let gap = self.gap.get_or_insert_with(Gap::now);
        let detail = json!({"since": gap.since.timestamp_millis(), "refused": refused, "late": gap.late, "lost": gap.lost});
        self.say(Activity::Failure, "gap", detail, origin)?;
        self.sign(origin)?;
        self.gap = None;
        Ok(())
    }

    /// Writes a line about the log itself.
    pub(super) fn say(&mut self, activity: Activity, word: &str, detail: Value, origin: &Origin) -> io::Result<()> {
        let draft = ocsf::lifecycle(activity, word, detail, origin, chrono::Utc::now())?;
        self.place([&draft], false)
    }

    /// Writes a signed line, which covers everything so far.
    pub(super) fn sign(&mut self, origin: &Origin) -> io::Result<()> {
        self.sign_with(&BTreeMap::new(), origin)
    }

    fn sign_with(&mut self, others: &BTreeMap<u32, String>, origin: &Origin) -> io::Result<()> {
        let mut signed = json!({"key": self.key.verifying().fingerprint(), "reveals": self.line_key.reveal()});
        if !others.is_empty() {
            signed["streams"] = others.iter().map(|(number, head)| (number.to_string(), json!(head))).collect();
        }
        let detail = json!({"signed": signed});
        let draft = ocsf::lifecycle(Activity::Other, "signed", detail, origin, chrono::Utc::now())?;
        self.place([&draft], true)?;
        self.signed = self.head.seq;
        self.line_key = self.key.line_key(self.number, &self.head);
        Ok(())
    }

    /// The last signed lines of the other streams, now and then; empty: there are none.
    pub(super) fn others(&mut self) -> io::Result<BTreeMap<u32, String>> {
        self.names_in = self.names_in.saturating_sub(1);
        let mut others = BTreeMap::new();
        if self.names_in > 0 {
            return Ok(others);
        }
        for (number, folder) in streams(&self.log)? {
            // A stream without a signed line has no such file.
            if number != self.number
                && let Ok(head) = std::fs::read_to_string(folder.join(HEAD))
                && Head::parse(&head).is_some()
            {
                others.insert(number, head);
            }
        }
        Ok(others)
    }

    /// What is done every second: signs, says so to the other streams, begins another file where that is asked for.
    pub(super) fn tick(&mut self, others: BTreeMap<u32, String>, is_closed: bool, origin: &Origin) -> io::Result<()> {
        let wanted = self.folder.join(ROTATE);
        let is_asked = wanted.exists();
        let is_new_day = self.is_daily && self.day.is_some_and(|day| day != chrono::Utc::now().date_naive());
        if self.unsigned() > 0 {
            if !others.is_empty() {
                self.names_in = NAME_EVERY;
            }
            self.sign_with(&others, origin)?;
            if self.number != 1 || self.log.join("2").exists() {
                write_small(&self.folder.join(HEAD), &self.head.to_string())?;
            }
        }
        if let Some(follower) = &mut self.follower {
            follower.written(&self.head, is_closed);
        }
        if is_asked || is_new_day {
            self.rotate()?;
        }
        if is_asked {
            write_small(&wanted.with_extension("done"), &self.head.seq.to_string())?;
            std::fs::remove_file(&wanted)?;
        }
        Ok(())
    }

    /// Closes the file; the next line begins another.
    pub(super) fn rotate(&mut self) -> io::Result<()> {
        if let Some(file) = self.file.take() {
            file.sync_all()?;
        }
        self.rotates = true;
        Ok(())
    }

    /// Puts lines behind the last one, in the file and in the chain: all or none of them.
    fn place<'d>(&mut self, drafts: impl IntoIterator<Item = &'d Draft>, signs: bool) -> io::Result<()> {
        if self.file.is_none() || self.size > ROTATE_AT {
            self.next_file()?;
        }
        let Some(file) = &mut self.file else {
            return Err(io::Error::other("no file"));
        };
        if self.is_torn {
            file.set_len(self.size)?;
            self.is_torn = false;
        }
        let signing = signs.then_some(&self.key);
        self.text.clear();
        let mut head = self.head.clone();
        for draft in drafts {
            head = draft.place(self.number, &head, &self.line_key, signing, &mut self.text);
        }
        if let Err(error) = file.write_all(&self.text) {
            self.is_torn = file.set_len(self.size).is_err();
            return Err(error);
        }
        self.size += self.text.len() as u64;
        self.head = head;
        Ok(())
    }

    fn next_file(&mut self) -> io::Result<()> {
        if let Some(file) = self.file.take() {
            file.sync_all()?;
        }
        let fresh = self.folder.join(name(self.head.seq + 1));
        let path = match files(&self.folder)?.pop() {
            Some(last) if !self.rotates && self.size <= ROTATE_AT && !is_packed(&last) && std::fs::metadata(&last)?.len() <= ROTATE_AT => {
                last
            }
            _ => fresh,
        };
        let mut options = File::options();
        options.create(true).append(true);
        owners_only(&mut options);
        let mut file = options.open(path)?;
        self.size = file.seek(SeekFrom::End(0))?;
        self.file = Some(file);
        self.rotates = false;
        self.day = Some(chrono::Utc::now().date_naive());
        Ok(())
    }
}

/// Replaces a small file, for other processes to read.
fn write_small(path: &Path, text: &str) -> io::Result<()> {
    crate::init::owners_file(path, text.as_bytes(), false)
}
