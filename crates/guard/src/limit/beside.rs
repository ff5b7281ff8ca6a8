//! What other processes count while this one runs: the process before it, say, which still finishes its requests after `run --replace`.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::counts::Line;
use super::shared::Limiter;
use crate::log::{files, first_of, is_packed, streams};

/// How often the other streams are looked at.
const EVERY: Duration = Duration::from_millis(500);
/// The most that is read of a stream at one look; the rest follows at the next.
const MOST: u64 = 4 << 20;

/// How far a stream was read.
#[derive(Debug, Default)]
pub(super) struct Position {
    /// The last line that was counted.
    pub(super) seq: u64,
    /// The file that is read, and how many bytes of it were.
    file: Option<(PathBuf, u64)>,
}

impl Position {
    /// Behind a line.
    pub(super) fn behind(seq: u64) -> Self {
        Self { seq, file: None }
    }
}

/// The streams of the log that other processes write.
#[derive(Debug)]
pub(super) struct Beside {
    log: PathBuf,
    own: u32,
    streams: BTreeMap<u32, Position>,
}

impl Beside {
    pub(super) fn new(log: &Path, own: u32, streams: BTreeMap<u32, Position>) -> Self {
        Self {
            log: log.to_owned(),
            own,
            streams,
        }
    }

    /// Counts what comes, until the limiter is dropped.
    pub(super) fn follow(mut self, limiter: &Arc<Limiter>) {
        let limiter: Weak<Limiter> = Arc::downgrade(limiter);
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(EVERY);
                let Some(limiter) = limiter.upgrade() else { return };
                // A file that cannot be read now is read later; what is behind is not skipped.
                let _ = self.look(&limiter);
            }
        });
    }

    /// Counts what was written since the last look.
    pub(super) fn look(&mut self, limiter: &Limiter) -> io::Result<()> {
        for (number, folder) in streams(&self.log)? {
            if number != self.own {
                let position = self.streams.entry(number).or_default();
                position.read(&folder, |line| limiter.count_elsewhere(line))?;
            }
        }
        Ok(())
    }
}

impl Position {
    /// Reads on, whole lines only.
    fn read(&mut self, folder: &Path, mut each: impl FnMut(&Line<'_>)) -> io::Result<()> {
        let mut left = MOST;
        loop {
            let (path, at) = match self.file.take() {
                // It was compressed or removed; who does that has seen that nobody writes it.
                Some((path, at)) if path.exists() => (path, at),
                _ => match next(folder, self.seq)? {
                    Some(path) => (path, 0),
                    None => return Ok(()),
                },
            };
            let read = self.file(&path, at, &mut left, &mut each)?;
            self.file = Some((path.clone(), at + read));
            let is_over = left > 0;
            // The next file begins with the line that follows.
            let following = next(folder, self.seq)?;
            if !is_over || following.as_ref() == Some(&path) || following.is_none_or(|next| first_of(&next) <= first_of(&path)) {
                return Ok(());
            }
            self.file = None;
        }
    }

    /// Reads lines of one file; returns how many bytes they have.
    fn file(&mut self, path: &Path, at: u64, left: &mut u64, each: &mut impl FnMut(&Line<'_>)) -> io::Result<u64> {
        let mut file = std::fs::File::open(path)?;
        if at == file.metadata()?.len() {
            return Ok(0);
        }
        file.seek(SeekFrom::Start(at))?;
        let mut reader = BufReader::new(file.take(*left));
        let (mut bytes, mut read) = (Vec::new(), 0);
        loop {
            bytes.clear();
            let count = reader.read_until(b'\n', &mut bytes)? as u64;
            if bytes.last() != Some(&b'\n') {
                // Of a line so long that a look never ends it nothing is counted; the process that wrote it is no gateway.
                let is_endless = count == MOST;
                *left = left.saturating_sub(count + read);
                return Ok(if is_endless { read + count } else { read });
            }
            read += count;
            let Ok(line) = serde_json::from_slice::<Line<'_>>(&bytes) else {
                continue;
            };
            if let Some(seq) = line.place().map(|place| place.seq).filter(|seq| *seq > self.seq) {
                self.seq = seq;
                each(&line);
            }
        }
    }
}

/// The file that holds the line after another one, or will: the last that does not begin behind it, or else the first. Compressed files were
/// written long ago.
fn next(folder: &Path, seq: u64) -> io::Result<Option<PathBuf>> {
    let mut found = None;
    for file in files(folder)?.into_iter().filter(|file| !is_packed(file)) {
        if found.is_none() || first_of(&file).is_some_and(|begins| begins <= seq + 1) {
            found = Some(file);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use serde_json::json;

    use super::*;

    #[test]
    fn each_line_of_another_process_is_counted_once_wherever_it_is_cut() {
        let dir = tempfile::tempdir().expect("a folder");
        let limiter = Limiter::default();
        let now = limiter.now().wall.timestamp_millis();
        let line = |seq: u64, tokens: u64| {
            let counted = json!({"requests": 1, "tokens": tokens, "estimated": false, "at": now});
            let chain = json!({"seq": seq, "prev": ""});
            format!(
                "{}\n",
                json!({"time": now, "duration": 1.0, "actor": {"user": {"uid": "a"}}, "unmapped": {"counted": counted, "chain": chain}})
            )
        };
        let used = || limiter.shares().first().map(|share| (share.requests, share.tokens, share.today));
        let write = |file: &str, text: &[u8]| {
            let mut options = std::fs::File::options();
            let mut file = options.create(true).append(true).open(dir.path().join(file)).expect("opened");
            file.write_all(text).expect("written");
        };
        let first = "audit-000000000001.jsonl";
        write(first, (line(1, 100) + &line(2, 200)).as_bytes());
        // The start has counted the first line.
        let mut beside = Beside::new(dir.path(), 2, [(1, Position::behind(1))].into());
        let look = |beside: &mut Beside| beside.look(&limiter).expect("read");
        look(&mut beside);
        assert_eq!(used(), Some((1, 200, 200)));
        let third = line(3, 30);
        let (half, rest) = third.split_at(40);
        write(first, half.as_bytes());
        look(&mut beside);
        assert_eq!(used(), Some((1, 200, 200)), "a line that is not whole");
        write(first, rest.as_bytes());
        look(&mut beside);
        look(&mut beside);
        assert_eq!(used(), Some((2, 230, 230)));
        // Another file follows, and both grow before the next look.
        write(first, line(4, 4).as_bytes());
        write("audit-000000000005.jsonl", line(5, 5).as_bytes());
        look(&mut beside);
        look(&mut beside);
        assert_eq!(used(), Some((4, 239, 239)));
        // The old file is compressed; a stream that nobody had before begins.
        std::fs::remove_file(dir.path().join(first)).expect("removed");
        write("audit-000000000005.jsonl", line(6, 60).as_bytes());
        std::fs::create_dir(dir.path().join("3")).expect("made");
        write("3/audit-000000000001.jsonl", line(1, 1_000).as_bytes());
        std::fs::create_dir(dir.path().join("2")).expect("made");
        write("2/audit-000000000001.jsonl", line(1, 9_999).as_bytes());
        look(&mut beside);
        look(&mut beside);
        assert_eq!(used(), Some((6, 1_299, 1_299)), "its own stream is not among them");
    }
}
