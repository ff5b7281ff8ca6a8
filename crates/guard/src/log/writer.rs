//! Writes the log.
//!
//! Whoever has an entry writes it: when [`Log::record`] returns, the line is in the file, and outlives the process. A thread of its own signs the
//! chain and brings the file to the disk once a second. While entries cannot be written, that thread tries again every second.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use vigie_model::Timestamp;

use super::chain::{Head, SigningKey};
use super::entry::{Change, Entry, KeyChange, RequestEntry};
use super::files::{FILES_LOCK, LOCK, lock as lock_file, streams};
use super::line::Draft;
use super::ocsf::{self, Origin};
use super::options::{LogOptions, WhenFull};
use super::prompt::PromptKey;
use super::recover::{EndError, end};
use super::retain::retain;
use super::stream::{Line, Stream};
use super::text::{TextStore, Texts};
use crate::limit::estimate::Counted;

/// While lines are written, one that signs them comes this often.
const SIGN_EVERY: Duration = Duration::from_secs(1);
/// And after so many.
const SIGN_AFTER: u64 = 1_000;
/// The most processes that write one log.
const MOST_STREAMS: u32 = 64;
/// Seconds between two looks for files that are old enough to be removed.
const RETAIN_EVERY: u32 = 3_600;

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Its folder or a file of it cannot be read or written.
    #[error("cannot write the log in {0}: {1}")]
    Io(PathBuf, io::Error),
    /// Other processes write it.
    #[error("another process writes the log in {0}")]
    Locked(PathBuf),
    /// Its end does not read.
    #[error(
        "the log in {0} does not end with a line of its chain; vigie guard log verify says more. Move the folder away to begin a new log"
    )]
    Broken(PathBuf),
    /// A line since its last signature was altered.
    #[error(
        "line {1} of the log in {0} was altered since it was written, or the signing key is another; vigie guard log verify says more. Move \
         the folder away to begin a new log"
    )]
    Altered(PathBuf, u64),
}

/// Follows the lines of a log, on the threads that write them.
pub(crate) trait Follow: Send {
    /// What a line counted that is about to be written: the key, what, and when.
    fn counted(&mut self, key: &str, counted: Counted, at: Timestamp);
    /// All lines so far are in the file; comes at least a second after each of them. `is_last`: the log is closed.
    fn written(&mut self, head: &Head, is_last: bool);
}

/// Makes who follows a log, once its stream is locked and its end known: the stream, and its last line.
pub(crate) type MakeFollow<'f> = &'f mut dyn FnMut(u32, &Head) -> io::Result<Option<Box<dyn Follow>>>;

/// Which streams of a log may be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    /// The first that nobody writes.
    Any,
    /// This one, if nobody writes it.
    Only(u32),
}

/// A log that is written to. [`Log::is_broken`] says when it cannot be.
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
    signer: Mutex<Option<JoinHandle<()>>>,
}

pub(super) struct Shared {
    writer: Mutex<Stream>,
    origin: Origin,
    prompts: Option<PromptKey>,
    settings: RwLock<Settings>,
    /// Whether texts are kept: a request looks at this alone while they are not.
    keeps_texts: AtomicBool,
    broken: AtomicBool,
    written: AtomicU64,
    /// Requests that were turned away because the log could not be written.
    turned_away: AtomicU64,
    /// Whether the log is closed, for the thread that signs.
    closed: Mutex<bool>,
    wake: Condvar,
}

/// What may change while the log is written.
#[derive(Clone, Default)]
struct Settings {
    when_full: WhenFull,
    keep: Option<Duration>,
    texts: Option<Arc<TextStore>>,
}

impl Settings {
    /// `folder`: of the stream.
    fn new(options: &LogOptions, folder: &Path) -> Self {
        let store = |recipient| Arc::new(TextStore::new(recipient, folder));
        Self {
            when_full: options.when_full,
            keep: options.keep,
            texts: options.full_text.clone().map(store),
        }
    }
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
    pub fn open(dir: &Path, key: SigningKey, options: LogOptions) -> Result<Self, LogError> {
        Self::open_stream(dir, key, options, Which::Any, &mut |_, _| Ok(None))
    }

    /// Opens the log in a folder, or begins one, if no other process writes it.
    ///
    /// # Errors
    ///
    /// See [`LogError`].
    pub fn open_alone(dir: &Path, key: SigningKey) -> Result<Self, LogError> {
        Self::open_stream(dir, key, LogOptions::default(), Which::Only(1), &mut |_, _| Ok(None))
    }

    /// Opens the log in a folder, or begins one, and lets somebody follow it.
    pub(crate) fn open_followed(dir: &Path, key: SigningKey, options: LogOptions, follow: MakeFollow<'_>) -> Result<Self, LogError> {
        Self::open_stream(dir, key, options, Which::Any, follow)
    }

    fn open_stream(dir: &Path, key: SigningKey, options: LogOptions, which: Which, follow: MakeFollow<'_>) -> Result<Self, LogError> {
        let io = |error| LogError::Io(dir.to_owned(), error);
        std::fs::create_dir_all(dir).map_err(io)?;
        let (first, last) = match which {
            Which::Any => (1, MOST_STREAMS),
            Which::Only(number) => (number, number),
        };
        for number in first..=last {
            let folder = folder(dir, number);
            std::fs::create_dir_all(&folder).map_err(io)?;
            let Some(lock) = lock_file(&folder.join(LOCK), false).map_err(io)? else {
                continue;
            };
            // Nobody replaces or removes files while their end is read.
            let files_lock = lock_file(&folder.join(FILES_LOCK), true).map_err(io)?;
            let end = end(&folder, number, &key).map_err(|error| match error {
                EndError::Io(error) => io(error),
                EndError::Broken => LogError::Broken(folder.clone()),
                EndError::Altered(seq) => LogError::Altered(folder.clone(), seq),
            })?;
            drop(files_lock);
            let follower = follow(number, &end.head).map_err(io)?;
            let origin = Origin::new(key.verifying().fingerprint()).map_err(|error| io(io::Error::other(error.to_string())))?;
            let settings = Settings::new(&options, &folder);
            let shared = Arc::new(Shared {
                broken: AtomicBool::new(false),
                written: AtomicU64::new(end.head.seq),
                turned_away: AtomicU64::new(0),
                closed: Mutex::new(false),
                wake: Condvar::new(),
                origin,
                prompts: options.prompts,
                keeps_texts: AtomicBool::new(settings.texts.is_some()),
                writer: Mutex::new(Stream::new(dir, number, folder, lock, end, key, follower, settings.keep.is_some())),
                settings: RwLock::new(settings),
            });
            let signing = Arc::clone(&shared);
            let signer = std::thread::spawn(move || signing.sign_every_second());
            return Ok(Self {
                shared,
                signer: Mutex::new(Some(signer)),
            });
        }
        Err(LogError::Locked(dir.to_owned()))
    }

    /// Goes on with other options, in the same files and the same chain. The key of the hashes of prompts stays.
    pub fn set_options(&self, options: &LogOptions) {
        let mut stream = lock(&self.shared.writer);
        let settings = Settings::new(options, stream.folder());
        stream.set_daily(settings.keep.is_some());
        drop(stream);
        self.shared.keeps_texts.store(settings.texts.is_some(), Ordering::Release);
        *self.shared.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// Writes an entry; when this returns, its line is in the file, unless the log is broken.
    pub fn record(&self, entry: Entry) {
        match entry {
            Entry::Request(mut request) => self.record_request(&mut request, None),
            Entry::Change(change) => {
                if let Some(line) = self.shared.line(change.draft(&self.shared.origin, chrono::Utc::now()), None) {
                    self.shared.write(vec![line]);
                }
            }
        }
    }

    /// Writes that the key store was read anew, with a line for each key that changed.
    pub fn record_keys(&self, count: usize, changes: Vec<KeyChange>) {
        if changes.is_empty() {
            self.record(Entry::Change(Change::Keys { count, change: None }));
        }
        for change in changes {
            self.record(Entry::Change(Change::Keys {
                count,
                change: Some(change),
            }));
        }
    }

    /// Writes the entry of a request, and before it the texts that are kept.
    pub(crate) fn record_request(&self, request: &mut RequestEntry, texts: Option<&Texts>) {
        if let Some(line) = self.line(request, texts) {
            self.write(vec![line]);
        }
    }

    /// Writes lines, at once; when this returns, they are in the file, unless the log is broken.
    pub(crate) fn write(&self, lines: Vec<Line>) {
        self.shared.write(lines);
    }

    /// The line of a request; the texts that are kept are written now. `None`: it cannot be made, and the log is broken.
    pub(crate) fn line(&self, request: &mut RequestEntry, texts: Option<&Texts>) -> Option<Line> {
        if let Some(texts) = texts
            && let Some(store) = self.shared.settings().texts
        {
            match store.store(&request.id, texts) {
                Ok(stored) => request.text = Some(stored),
                Err(error) => self.shared.break_with(&error),
            }
        }
        let counted = request.counted.zip(request.client.key.as_ref());
        let counted = counted.map(|((counted, at), (key, _))| (key.clone(), counted, at));
        self.shared.line(ocsf::request(request, &self.shared.origin), counted)
    }

    /// The key of the keyed hashes of prompts.
    pub(crate) fn prompt_key(&self) -> Option<&PromptKey> {
        self.shared.prompts.as_ref()
    }

    /// What collects the texts of a request, if they are kept.
    pub(crate) fn texts(&self) -> Option<Texts> {
        self.shared.keeps_texts.load(Ordering::Acquire).then(Texts::default)
    }

    /// Whether entries cannot be written at the moment.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.shared.broken.load(Ordering::SeqCst)
    }

    /// Whether nothing may be passed on, because it could not be logged.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.is_broken() && self.shared.settings().when_full == WhenFull::Refuse
    }

    /// Counts a request that was refused because of that.
    pub(crate) fn turn_away(&self) {
        self.shared.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of the last line that is written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.shared.written.load(Ordering::SeqCst)
    }

    /// The number of the stream, from 1.
    #[must_use]
    pub fn stream(&self) -> u32 {
        lock(&self.shared.writer).number()
    }

    /// Works with the stream and the texts of its lines; a fault breaks the log.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Stream, &Origin) -> io::Result<T>) -> io::Result<T> {
        let mut stream = lock(&self.shared.writer);
        let done = work(&mut stream, &self.shared.origin);
        self.shared.written.store(stream.head().seq, Ordering::SeqCst);
        done
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

/// The folder of a stream.
pub(super) fn folder(dir: &Path, stream: u32) -> PathBuf {
    match stream {
        1 => dir.to_owned(),
        _ => dir.join(stream.to_string()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that panicked while it wrote has left a line without an end, which is taken off before the next one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn settings(&self) -> Settings {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A line whose text is made before its turn comes: the chain is all that one line needs of another.
    fn line(&self, draft: io::Result<Draft>, counted: Option<(String, Counted, Timestamp)>) -> Option<Line> {
        match draft {
            Ok(draft) => Some(Line { draft, counted }),
            Err(error) => {
                self.break_with(&error);
                None
            }
        }
    }

    /// Writes lines, in this order.
    fn write(&self, lines: Vec<Line>) {
        let mut stream = lock(&self.writer);
        if self.broken.load(Ordering::SeqCst) {
            return lines.into_iter().for_each(|line| stream.hold(line));
        }
        let done = match stream.write(&lines) {
            Ok(()) if stream.unsigned() >= SIGN_AFTER => stream.sign(&self.origin),
            Ok(()) => Ok(()),
            Err(error) => {
                lines.into_iter().for_each(|line| stream.hold(line));
                Err(error)
            }
        };
        self.written.store(stream.head().seq, Ordering::SeqCst);
        // Before the next line is written: no line comes in front of one that waits.
        if let Err(error) = done {
            self.break_with(&error);
        }
    }

    fn break_with(&self, error: &io::Error) {
        if !self.broken.swap(true, Ordering::SeqCst) {
            let then = match self.settings().when_full {
                WhenFull::Refuse => "nothing is passed on until it can",
                WhenFull::Pass => "requests are passed on without entries until it can, as log.when_full says",
            };
            eprintln!("vigie: the audit log cannot be written, so {then}: {error}");
        }
    }

    /// Signs and syncs, until the log is closed.
    fn sign_every_second(&self) {
        let mut seconds = 0_u32;
        loop {
            let closed = lock(&self.closed);
            let waited = self.wake.wait_timeout_while(closed, SIGN_EVERY, |closed| !*closed);
            let is_closed = *waited.unwrap_or_else(PoisonError::into_inner).0;
            if let Err(error) = self.tick(is_closed) {
                self.break_with(&error);
            } else if let Some(keep) = self.settings().keep
                && seconds.is_multiple_of(RETAIN_EVERY)
                && let Err(error) = self.retain(keep)
            {
                eprintln!("vigie: files of the audit log that are older than log.keep cannot be removed: {error}");
            }
            seconds = seconds.wrapping_add(1);
            if is_closed {
                return;
            }
        }
    }

    /// Removes what is old enough, of this stream and of those that nobody writes.
    fn retain(&self, keep: Duration) -> io::Result<()> {
        retain(&self.writer, &self.origin, keep)?;
        let (number, log, key) = {
            let stream = lock(&self.writer);
            (stream.number(), stream.log().to_owned(), stream.key().again())
        };
        // One process does it.
        if number != 1 {
            return Ok(());
        }
        let key = key.map_err(|error| io::Error::other(error.to_string()))?;
        for (number, _) in streams(&log)?.into_iter().skip(1) {
            let key = key.again().map_err(|error| io::Error::other(error.to_string()))?;
            let options = LogOptions {
                keep: Some(keep),
                ..LogOptions::default()
            };
            match Log::open_stream(&log, key, options, Which::Only(number), &mut |_, _| Ok(None)) {
                // It looks for old files when it is closed.
                Ok(idle) => drop(idle),
                Err(LogError::Locked(_)) => {}
                Err(error) => return Err(io::Error::other(error.to_string())),
            }
        }
        Ok(())
    }

    fn tick(&self, is_closed: bool) -> io::Result<()> {
        let others = lock(&self.writer).others();
        let mut stream = lock(&self.writer);
        if self.broken.load(Ordering::SeqCst) {
            let refused = self.turned_away.swap(0, Ordering::Relaxed);
            if let Err(error) = stream.resume(refused, &self.origin) {
                self.turned_away.fetch_add(refused, Ordering::Relaxed);
                return Err(error);
            }
            self.broken.store(false, Ordering::SeqCst);
            eprintln!("vigie: the audit log is written again");
        }
        stream.tick(others?, is_closed, &self.origin)?;
        self.written.store(stream.head().seq, Ordering::SeqCst);
        let file = stream.file()?;
        drop(stream);
        // The disk may be slow, and nobody waits for it.
        file.map_or(Ok(()), |file| file.sync_data())
    }
}

pub(super) fn locked(stream: &Mutex<Stream>) -> MutexGuard<'_, Stream> {
    lock(stream)
}
