//! Writes the log.
//!
//! Whoever has an entry writes it: when [`Log::record`] returns, the line is in the file, and outlives the process. A thread of its own signs the
//! chain and brings the file to the disk once a second.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use super::chain::{Head, SigningKey};
use super::entry::Entry;

/// The file of a log that begins with the line of that number.
const PREFIX: &str = "audit-";
const SUFFIX: &str = ".jsonl";
/// A file of more bytes than this is followed by another.
const ROTATE: u64 = 64 << 20;
/// While lines are written, one that signs them comes this often.
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

/// Follows the lines of a log, on the threads that write them.
pub(crate) trait Follow: Send {
    /// A line that is about to be written, with its place in the chain.
    fn line(&mut self, line: &[u8]);
    /// All lines so far are in the file; comes at least a second after each of them. `is_last`: the log is closed.
    fn written(&mut self, head: &Head, is_last: bool);
}

/// A log that is written to. [`Log::is_broken`] says when it cannot be.
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
    signer: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    writer: Mutex<Writer>,
    broken: AtomicBool,
    written: AtomicU64,
    /// Whether the log is closed, for the thread that signs.
    closed: Mutex<bool>,
    wake: Condvar,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
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
        let shared = Arc::new(Shared {
            broken: AtomicBool::new(false),
            written: AtomicU64::new(head.seq),
            closed: Mutex::new(false),
            wake: Condvar::new(),
            writer: Mutex::new(Writer {
                dir: dir.to_owned(),
                _lock: lock,
                file: None,
                size: 0,
                signed: head.seq,
                head,
                key,
                follower,
            }),
        });
        let signing = Arc::clone(&shared);
        let signer = std::thread::spawn(move || signing.sign_every_second());
        Ok(Self {
            shared,
            signer: Mutex::new(Some(signer)),
        })
    }

    /// Writes an entry; when this returns, its line is in the file, unless the log is broken.
    pub fn record(&self, entry: Entry) {
        // The text is made before the turn comes: the chain is all that one line needs of another.
        let mut line = Vec::with_capacity(1_024);
        let made = entry.write(&mut line).map_err(io::Error::from);
        self.shared.with(|writer| {
            made?;
            writer.line(&mut line)?;
            if writer.head.seq - writer.signed >= SIGN_AFTER {
                writer.sign()?;
            }
            Ok(())
        });
    }

    /// Whether entries are lost because the log cannot be written. Nothing may be passed on then.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.shared.broken.load(Ordering::SeqCst)
    }

    /// The number of the last line that is written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.shared.written.load(Ordering::SeqCst)
    }
}

impl Drop for Log {
    /// Signs what is written and brings it to the disk.
    fn drop(&mut self) {
        *lock(&self.shared.closed) = true;
        self.shared.wake.notify_all();
        let signer = lock(&self.signer).take();
        if let Some(signer) = signer {
            // A thread that panicked has said so.
            let _ = signer.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that panicked while it wrote has left a line without an end, which the next start takes off.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Does something with the writer. A fault breaks the log for good: nothing may be passed on that is not logged.
    fn with<T>(&self, work: impl FnOnce(&mut Writer) -> io::Result<T>) -> Option<T> {
        if self.broken.load(Ordering::SeqCst) {
            return None;
        }
        let mut writer = lock(&self.writer);
        match work(&mut writer) {
            Ok(done) => {
                self.written.store(writer.head.seq, Ordering::SeqCst);
                Some(done)
            }
            Err(error) => {
                if !self.broken.swap(true, Ordering::SeqCst) {
                    eprintln!("vigie: the audit log cannot be written, so nothing is passed on any more: {error}");
                }
                None
            }
        }
    }

    /// Signs and syncs, until the log is closed.
    fn sign_every_second(&self) {
        loop {
            let closed = lock(&self.closed);
            let waited = self.wake.wait_timeout_while(closed, SIGN_EVERY, |closed| !*closed);
            let is_closed = *waited.unwrap_or_else(PoisonError::into_inner).0;
            let file = self.with(|writer| {
                if writer.head.seq > writer.signed {
                    writer.sign()?;
                }
                if let Some(follower) = &mut writer.follower {
                    follower.written(&writer.head, is_closed);
                }
                writer.file.as_ref().map(File::try_clone).transpose()
            });
            // The disk may be slow, and nobody waits for it.
            if let Some(Some(file)) = file
                && let Err(error) = file.sync_data()
            {
                self.with(|_| Err::<(), _>(error));
            }
            if is_closed {
                return;
            }
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
    key: SigningKey,
    follower: Option<Box<dyn Follow>>,
}

impl Writer {
    /// Writes a line: a JSON object with at least one key, which gets its place in the chain.
    fn line(&mut self, line: &mut Vec<u8>) -> io::Result<()> {
        if self.file.is_none() || self.size > ROTATE {
            self.next_file()?;
        }
        // The place goes into the object, as its last key.
        line.pop_if(|last| *last == b'}');
        write!(
            line,
            ",\"chain\":{{\"seq\":{},\"prev\":\"{}\"}}}}",
            self.head.seq + 1,
            self.head.hash
        )?;
        let head = self.head.after(line);
        if let Some(follower) = &mut self.follower {
            follower.line(line);
        }
        line.push(b'\n');
        if let Some(file) = &mut self.file {
            file.write_all(line)?;
        }
        self.size += line.len() as u64;
        self.head = head;
        Ok(())
    }

    /// Writes a signature over everything so far.
    fn sign(&mut self) -> io::Result<()> {
        let signed = json!({"seq": self.head.seq, "hash": self.head.hash, "signature": self.key.sign(&self.head)});
        let event = json!({"time": chrono::Utc::now().timestamp_millis(), "signed": signed});
        let mut line = serde_json::to_vec(&event).map_err(io::Error::from)?;
        self.line(&mut line)?;
        self.signed = self.head.seq;
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
