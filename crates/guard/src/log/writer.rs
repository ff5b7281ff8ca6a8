//! Writes the log, on a thread of its own.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;

use super::chain::{Head, SigningKey};
use super::entry::Entry;

/// The file of a log that begins with the line of that number.
const PREFIX: &str = "audit-";
const SUFFIX: &str = ".jsonl";
/// A file of more bytes than this is followed by another.
const ROTATE: u64 = 64 << 20;
/// Entries that wait to be written.
const WAITING: usize = 4_096;
/// A signed line comes this long after the first line that none covers.
const SIGN_EVERY: Duration = Duration::from_secs(1);
/// And after so many.
const SIGN_AFTER: u64 = 1_000;

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Its folder or a file of it cannot be read or written.
    #[error("cannot write the log in {0}: {1}")]
    Io(PathBuf, io::Error),
    /// Another process writes it.
    #[error("another process writes the log in {0}")]
    Locked(PathBuf),
    /// Its end does not read: `vigie guard log verify` says more.
    #[error("the log in {0} does not end with a line of its chain")]
    Broken(PathBuf),
}

/// Follows the lines of a log on the thread that writes them.
pub(crate) trait Follow: Send {
    /// A line that is about to be written, with its place in the chain.
    fn line(&mut self, line: &[u8]);
    /// All lines so far are in the file; comes at least a second after each of them. `is_last`: the log is closed.
    fn written(&mut self, head: &Head, is_last: bool);
}

/// A log that is written to. Entries are handed over and written in order; [`Log::is_broken`] says when they cannot be.
#[derive(Debug)]
pub struct Log {
    entries: Option<SyncSender<Entry>>,
    broken: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Log {
    /// Opens the log in a folder, or begins one.
    ///
    /// # Errors
    ///
    /// See [`LogError`].
    pub fn open(dir: &Path, key: SigningKey) -> Result<Self, LogError> {
        Self::open_followed(dir, key, |_| Ok(None))
    }

    /// Opens the log in a folder, or begins one, and lets somebody follow it who is made once the log is locked and its end is known.
    pub(crate) fn open_followed(
        dir: &Path,
        key: SigningKey,
        follow: impl FnOnce(&Head) -> io::Result<Option<Box<dyn Follow>>>,
    ) -> Result<Self, LogError> {
        let io = |error| LogError::Io(dir.to_owned(), error);
        std::fs::create_dir_all(dir).map_err(io)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join("lock"))
            .map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(LogError::Locked(dir.to_owned())),
            Err(std::fs::TryLockError::Error(error)) => return Err(io(error)),
        }
        let head = match files(dir).map_err(io)?.last() {
            None => Head::start(),
            Some(last) => end_of(last).map_err(io)?.ok_or_else(|| LogError::Broken(dir.to_owned()))?,
        };
        let follower = follow(&head).map_err(io)?;
        let (entries, waiting) = sync_channel(WAITING);
        let (broken, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(head.seq)));
        let mut writer = Writer {
            dir: dir.to_owned(),
            _lock: lock,
            file: None,
            size: 0,
            signed: head.seq,
            first_unsigned: None,
            head,
            key,
            written: Arc::clone(&written),
            follower,
        };
        let failed = Arc::clone(&broken);
        let thread = std::thread::spawn(move || {
            if let Err(error) = writer.run(&waiting) {
                failed.store(true, Ordering::SeqCst);
                eprintln!("vigie: the audit log cannot be written, so nothing is passed on any more: {error}");
                // Whoever hands an entry over is not kept waiting.
                while waiting.recv().is_ok() {}
            }
        });
        Ok(Self {
            entries: Some(entries),
            broken,
            written,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Hands an entry over; waits where the disk is slower than the requests.
    pub fn record(&self, entry: Entry) {
        if let Some(entries) = &self.entries {
            // The thread lives as long as this does.
            let _ = entries.send(entry);
        }
    }

    /// Whether entries are lost because the log cannot be written. Nothing may be passed on then.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::SeqCst)
    }

    /// The number of the last line that is written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }
}

impl Drop for Log {
    /// Waits until all entries are written and signed.
    fn drop(&mut self) {
        drop(self.entries.take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A writer that panicked has said so.
            let _ = thread.join();
        }
    }
}

struct Writer {
    dir: PathBuf,
    _lock: File,
    file: Option<File>,
    size: u64,
    head: Head,
    /// The last line that a signature covers.
    signed: u64,
    first_unsigned: Option<Instant>,
    key: SigningKey,
    written: Arc<AtomicU64>,
    follower: Option<Box<dyn Follow>>,
}

impl Writer {
    fn run(&mut self, waiting: &Receiver<Entry>) -> io::Result<()> {
        let mut batch = Vec::new();
        loop {
            let wait = self
                .first_unsigned
                .map(|since| (since + SIGN_EVERY).saturating_duration_since(Instant::now()));
            let next = match wait {
                None => waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => waiting.recv_timeout(wait),
            };
            let over = match next {
                Ok(entry) => {
                    self.line(|line| entry.write(line), &mut batch)?;
                    // What waits already is written together.
                    while batch.len() < 1 << 16
                        && let Ok(entry) = waiting.try_recv()
                    {
                        self.line(|line| entry.write(line), &mut batch)?;
                    }
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            let is_due =
                self.first_unsigned.is_some_and(|since| since.elapsed() >= SIGN_EVERY) || self.head.seq - self.signed >= SIGN_AFTER;
            if self.head.seq > self.signed && (is_due || over) {
                self.sign(&mut batch)?;
                self.write(&mut batch)?;
                self.file.as_ref().map_or(Ok(()), File::sync_data)?;
            } else {
                self.write(&mut batch)?;
            }
            if let Some(follower) = &mut self.follower {
                follower.written(&self.head, over);
            }
            if over {
                return Ok(());
            }
        }
    }

    /// Puts a line into the batch, with its place in the chain. `write` writes a JSON object with at least one key.
    fn line(&mut self, write: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>, batch: &mut Vec<u8>) -> io::Result<()> {
        if self.file.is_none() || self.size > ROTATE {
            self.write(batch)?;
            self.next_file()?;
        }
        let begin = batch.len();
        write(batch).map_err(io::Error::from)?;
        // The place goes into the object, as its last key.
        batch.pop_if(|last| *last == b'}');
        write!(
            batch,
            ",\"chain\":{{\"seq\":{},\"prev\":\"{}\"}}}}",
            self.head.seq + 1,
            self.head.hash
        )?;
        let line = &batch[begin..];
        if let Some(follower) = &mut self.follower {
            follower.line(line);
        }
        self.head = self.head.after(line);
        self.size += line.len() as u64 + 1;
        batch.push(b'\n');
        self.first_unsigned.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Puts a signature over everything so far into the batch.
    fn sign(&mut self, batch: &mut Vec<u8>) -> io::Result<()> {
        let signed = json!({"seq": self.head.seq, "hash": self.head.hash, "signature": self.key.sign(&self.head)});
        let event = json!({"time": chrono::Utc::now().timestamp_millis(), "signed": signed});
        self.line(|line| serde_json::to_writer(line, &event), batch)?;
        self.signed = self.head.seq;
        self.first_unsigned = None;
        Ok(())
    }

    fn write(&mut self, batch: &mut Vec<u8>) -> io::Result<()> {
        if let Some(file) = &mut self.file
            && !batch.is_empty()
        {
            file.write_all(batch)?;
            batch.clear();
        }
        self.written.store(self.head.seq, Ordering::SeqCst);
        Ok(())
    }

    fn next_file(&mut self) -> io::Result<()> {
        if let Some(file) = self.file.take() {
            file.sync_all()?;
        }
        let path = match files(&self.dir)?.pop() {
            // The last one has room; a line that a crash cut is taken off when its end is looked for.
            Some(last) if std::fs::metadata(&last)?.len() <= ROTATE && self.size == 0 => last,
            _ => self.dir.join(format!("{PREFIX}{:012}{SUFFIX}", self.head.seq + 1)),
        };
        let mut file = File::options().create(true).append(true).open(path)?;
        self.size = file.seek(SeekFrom::End(0))?;
        self.file = Some(file);
        Ok(())
    }
}

/// The files of a log, in order.
///
/// # Errors
///
/// The folder cannot be listed.
pub fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The head of a chain whose last file this is. What a crash left of a line is taken off the file: it was acknowledged to nobody.
fn end_of(path: &Path) -> io::Result<Option<Head>> {
    let file = File::options().read(true).write(true).open(path)?;
    let mut reader = BufReader::new(&file);
    let (mut line, mut whole, mut at) = (Vec::new(), Vec::new(), 0_u64);
    loop {
        line.clear();
        let count = reader.read_until(b'\n', &mut line)?;
        if count == 0 || line.pop() != Some(b'\n') {
            break;
        }
        at += count as u64;
        std::mem::swap(&mut whole, &mut line);
    }
    file.set_len(at)?;
    let seq = serde_json::from_slice::<serde_json::Value>(&whole)
        .ok()
        .and_then(|event| event["chain"]["seq"].as_u64());
    Ok(seq.filter(|seq| *seq > 0).map(|seq| {
        Head {
            seq: seq - 1,
            ..Head::start()
        }
        .after(&whole)
    }))
}
