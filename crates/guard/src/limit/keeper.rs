//! Counts on disk: read at the start, written while the log is.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveTime;
use vigie_model::Timestamp;

use super::beside::{Beside, Position};
use super::clock::Now;
use super::counts::{Counts, Line, Tally};
use super::estimate::Counted;
use super::shared::Limiter;
use super::window::SPAN;
use crate::init::owners_file;
use crate::log::{Follow, Head, Log, LogError, LogOptions, SigningKey, files, last_head, open as open_file, streams};

/// The file is written at most this often.
const EVERY: Duration = Duration::from_secs(1);
/// And so seldom that writing takes at most one part of the time in this many.
const SHARE: u32 = 20;

/// Opens the log, and a limiter that knows what the log and the files of counts know. `follows`: it learns what other processes log from then on,
/// too.
///
/// # Errors
///
/// See [`LogError`].
pub(crate) fn open(
    counts: &Path,
    log_dir: &Path,
    key: SigningKey,
    options: LogOptions,
    follows: bool,
) -> Result<(Log, Arc<Limiter>), LogError> {
    let limiter = Arc::<Limiter>::default();
    let mut beside = None;
    let log = Log::open_followed(log_dir, key, options, &mut |own, head| {
        let now = limiter.now();
        let mut used = Used::default();
        let mut tally = Tally::default();
        let mut positions = BTreeMap::new();
        for (number, folder) in streams(log_dir)? {
            let path = counts_of(counts, number);
            if number == own {
                let (recovered, _) = recover(&path, &folder, head, now)?;
                tally.clone_from(&recovered.tally);
                used.add(recovered);
            } else if let Some(head) = last_head(&folder)? {
                // What another process counted, or counts still.
                let (recovered, last) = recover(&path, &folder, &head, now)?;
                used.add(recovered);
                positions.insert(number, Position::behind(last.max(head.seq)));
            }
        }
        used.restore(&limiter, now);
        beside = Some(Beside::new(log_dir, own, positions));
        Ok(Some(Box::new(Keeper {
            path: counts_of(counts, own),
            tally,
            is_new: true,
            next: Instant::now(),
            failed: false,
        })))
    })?;
    if let Some(beside) = beside.filter(|_| follows) {
        beside.follow(&limiter);
    }
    Ok((log, limiter))
}

/// The file of counts of a stream: `counts.json`, `counts-2.json`.
fn counts_of(path: &Path, stream: u32) -> PathBuf {
    match (stream, path.file_stem().and_then(|stem| stem.to_str())) {
        (2.., Some(stem)) => path.with_file_name(format!("{stem}-{stream}.json")),
        _ => path.to_owned(),
    }
}

/// Adds up the lines of the log as they are written, and stores the sums.
struct Keeper {
    path: PathBuf,
    tally: Tally,
    /// Whether something was counted since the file was written.
    is_new: bool,
    next: Instant,
    failed: bool,
}

impl Follow for Keeper {
    fn counted(&mut self, key: &str, counted: Counted, at: Timestamp) {
        self.tally.count(key, counted.tokens, at);
        self.is_new = true;
    }

    fn written(&mut self, head: &Head, is_last: bool) {
        let begun = Instant::now();
        if !self.is_new || !(is_last || begun >= self.next) {
            return;
        }
        let counts = Counts::new(head, self.tally.clone());
        // It need not outlive a power failure: a start then reads the log instead.
        match owners_file(&self.path, &counts.to_text(), false) {
            Ok(()) => (self.is_new, self.failed) = (false, false),
            Err(error) => {
                if !std::mem::replace(&mut self.failed, true) {
                    eprintln!(
                        "vigie: cannot write {}: {error}; the counts are in the audit log, and the next start reads it instead",
                        self.path.display()
                    );
                }
            }
        }
        self.next = begun + EVERY.max(begun.elapsed() * SHARE);
    }
}

/// A request or tokens within the last minute, and how long ago.
struct Recent {
    key: String,
    ago: Duration,
    amount: u64,
}

/// What was used, as the log and the counts of all streams say.
#[derive(Default)]
struct Used {
    tally: Tally,
    requests: Vec<Recent>,
    tokens: Vec<Recent>,
}

impl Used {
    fn add(&mut self, other: Self) {
        self.tally.add_all(&other.tally);
        self.requests.extend(other.requests);
        self.tokens.extend(other.tokens);
    }

    fn restore(&mut self, limiter: &Limiter, now: Now) {
        self.tally.0.iter().for_each(|(key, days)| limiter.restore_days(key, days));
        for (recent, restore) in [
            (
                &mut self.requests,
                Limiter::restore_request as fn(&Limiter, &str, u64, Now, Duration),
            ),
            (&mut self.tokens, Limiter::restore_tokens),
        ] {
            recent.sort_by_key(|recent| std::cmp::Reverse(recent.ago));
            recent
                .iter()
                .for_each(|recent| restore(limiter, &recent.key, recent.amount, now, recent.ago));
        }
    }
}

/// Reads the counts of a stream, and its lines as far as they are needed; with them, the number of the last line that was read.
fn recover(path: &Path, folder: &Path, head: &Head, now: Now) -> io::Result<(Used, u64)> {
    let stored = match std::fs::read(path) {
        Ok(text) => Counts::parse(&text)
            .inspect_err(|why| eprintln!("vigie: {}: {why}; the counts are read from the audit log instead", path.display()))
            .ok(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let mut read = Read::new(stored.as_ref(), head, now);
    // From the newest file back, as far as is needed.
    for file in files(folder)?.iter().rev() {
        if !read.file(file)? {
            break;
        }
    }
    let Read {
        fits,
        after,
        all,
        requests,
        tokens,
        last,
        ..
    } = read;
    let tally = match stored {
        Some(stored) if fits => {
            let mut tally = stored.tokens_per_day;
            tally.add_all(&after);
            tally
        }
        // The log lost its end, say. Neither of the two holds more than was used.
        Some(stored) => {
            let mut tally = all;
            tally.at_least(&stored.tokens_per_day);
            tally
        }
        None => all,
    };
    Ok((Used { tally, requests, tokens }, last))
}

/// What was read of a log.
struct Read<'s> {
    stored: Option<&'s Counts>,
    now: Timestamp,
    /// Lines before this are not needed for the day.
    today: Timestamp,
    /// Whether the stored counts end at a line of this log, and all lines after it were read.
    fits: bool,
    /// The sums of the lines after the stored counts, and of all lines.
    after: Tally,
    all: Tally,
    requests: Vec<Recent>,
    tokens: Vec<Recent>,
    /// The number of the last line.
    last: u64,
}

impl<'s> Read<'s> {
    fn new(stored: Option<&'s Counts>, head: &Head, now: Now) -> Self {
        Self {
            stored,
            now: now.wall,
            today: now.wall.date_naive().and_time(NaiveTime::MIN).and_utc(),
            fits: stored.is_some_and(|stored| (stored.seq, &stored.hash) == (head.seq, &head.hash)),
            after: Tally::default(),
            all: Tally::default(),
            requests: Vec::new(),
            tokens: Vec::new(),
            last: 0,
        }
    }

    /// Reads one file of the log. Whether the one before it is needed too.
    fn file(&mut self, path: &Path) -> io::Result<bool> {
        let mut reader = open_file(path)?;
        let (mut bytes, mut first) = (Vec::new(), None);
        loop {
            bytes.clear();
            if reader.read_until(b'\n', &mut bytes)? == 0 {
                break;
            }
            // What does not read is the business of `vigie guard log verify`.
            let Ok(line) = serde_json::from_slice::<Line<'_>>(&bytes) else {
                continue;
            };
            first.get_or_insert_with(|| line.ended());
            self.line(&line);
        }
        // The lines are in the order in which the requests ended.
        Ok(first.is_none_or(|first| ago(self.now, first) < SPAN || (!self.fits && first >= self.today)))
    }

    fn line(&mut self, line: &Line<'_>) {
        let mut is_after = false;
        self.last = self.last.max(line.place().map_or(0, |place| place.seq));
        if let Some(stored) = self.stored {
            let Some(place) = line.place() else { return };
            is_after = place.seq > stored.seq;
            self.fits |= place.seq == stored.seq + 1 && place.prev == stored.hash;
        }
        let Some((key, counted)) = line.counted() else { return };
        self.all.add(line);
        if is_after {
            self.after.add(line);
        }
        for (recent, at, amount) in [
            (&mut self.requests, line.began(), counted.requests),
            (&mut self.tokens, counted.at(), counted.tokens),
        ] {
            let ago = ago(self.now, at);
            if ago < SPAN && amount > 0 {
                recent.push(Recent {
                    key: key.to_owned(),
                    ago,
                    amount,
                });
            }
        }
    }
}

/// How long ago a time was; a time to come, from a clock that went back, was just now.
fn ago(now: Timestamp, at: Timestamp) -> Duration {
    (now - at).to_std().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A file of the log with one request that ended then.
    fn file(dir: &Path, seq: u64, at: &str) -> PathBuf {
        let at = at.parse::<Timestamp>().expect("a time").timestamp_millis();
        let counted = json!({"requests": 1, "tokens": 5, "estimated": false, "at": at});
        let line = json!({"time": at - 20, "duration": 20.0, "actor": {"user": {"uid": "a"}}, "unmapped": {"counted": counted}, "chain": {"seq": seq, "prev": format!("hash {}", seq - 1)}});
        let path = dir.join(format!("{seq}.jsonl"));
        std::fs::write(&path, format!("{line}\nwhat does not read\n")).expect("written");
        path
    }

    #[test]
    fn only_files_that_are_needed_are_read() {
        let dir = tempfile::tempdir().expect("a folder");
        let now = Now {
            steady: Duration::from_secs(3_600),
            wall: "2026-03-02T00:00:30Z".parse().expect("a time"),
        };
        let head = Head {
            seq: 100,
            hash: "hash 100".to_owned(),
        };
        let stored = |seq: u64| {
            Counts::new(
                &Head {
                    seq,
                    hash: format!("hash {seq}"),
                },
                Tally::default(),
            )
        };
        for (ended, stored, needs_more, fits) in [
            // The day is needed, and the last minute, which began yesterday.
            ("2026-03-02T00:00:10Z", None, true, false),
            ("2026-03-01T23:59:45Z", None, true, false),
            ("2026-03-01T23:59:15Z", None, false, false),
            // After a clock that went back.
            ("2026-03-05T00:00:00Z", None, true, false),
            // Counts that end just before the file.
            ("2026-03-02T00:00:10Z", Some(stored(49)), true, true),
            ("2026-03-01T23:59:15Z", Some(stored(49)), false, true),
            ("2026-03-02T00:00:10Z", Some(stored(40)), true, false),
            ("2026-03-01T23:59:15Z", Some(stored(100)), false, true),
        ] {
            let mut read = Read::new(stored.as_ref(), &head, now);
            let more = read.file(&file(dir.path(), 50, ended)).expect("read");
            assert_eq!((more, read.fits), (needs_more, fits), "{ended} {stored:?}");
        }
        // Later in the day, what the counts hold is not read again.
        let later = Now {
            wall: "2026-03-02T12:00:00Z".parse().expect("a time"),
            ..now
        };
        for (stored, needs_more) in [
            (None, true),
            (Some(stored(49)), false),
            (Some(stored(100)), false),
            (Some(stored(40)), true),
        ] {
            let mut read = Read::new(stored.as_ref(), &head, later);
            let more = read.file(&file(dir.path(), 50, "2026-03-02T10:00:00Z")).expect("read");
            assert_eq!(more, needs_more, "{stored:?}");
        }
    }
}
