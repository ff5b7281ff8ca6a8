//! Checks a log, offline, with nothing but the public key.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::chain::{Head, VerifyingKey};
use super::writer::files;

/// What a check found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The lines that were read.
    pub lines: u64,
    /// The number of the first line.
    pub first: Option<u64>,
    /// The last line and its hash.
    pub head: Option<Head>,
    /// The last line that a signature covers.
    pub signed: Option<u64>,
    /// What is wrong, in the order of the lines.
    pub faults: Vec<Fault>,
}

/// What is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file.
    pub file: PathBuf,
    /// The line in it, from 1.
    pub line: u64,
    /// What is wrong: `altered`, `cut`, `reordered`, `unreadable`, `signature`.
    pub kind: &'static str,
    /// More about it.
    pub detail: String,
}

/// Checks the log in a folder. `head`: an earlier or later end of the chain that was kept elsewhere; the log must have it.
///
/// # Errors
///
/// A file cannot be read.
pub fn verify(dir: &Path, key: &VerifyingKey, head: Option<&Head>) -> io::Result<Report> {
    let mut report = Report {
        lines: 0,
        first: None,
        head: None,
        signed: None,
        faults: Vec::new(),
    };
    let mut kept = head.is_none();
    let mut last_file = PathBuf::new();
    for path in files(dir)? {
        let mut reader = BufReader::new(File::open(&path)?);
        let (mut bytes, mut number) = (Vec::new(), 0);
        loop {
            bytes.clear();
            if reader.read_until(b'\n', &mut bytes)? == 0 {
                break;
            }
            number += 1;
            let whole = bytes.pop_if(|last| *last == b'\n').is_some();
            report.line(&path, number, &bytes, whole, key);
            kept |= report.head.as_ref() == head;
        }
        last_file = path;
    }
    if let Some(wanted) = head.filter(|_| !kept) {
        let kind = match &report.head {
            Some(head) if head.seq >= wanted.seq => "altered",
            _ => "cut",
        };
        let detail = format!("line {} with the hash {} is not in the log", wanted.seq, wanted.hash);
        report.faults.push(Fault {
            file: last_file,
            line: 0,
            kind,
            detail,
        });
    }
    Ok(report)
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    fn line(&mut self, path: &Path, number: u64, bytes: &[u8], whole: bool, key: &VerifyingKey) {
        let mut fault = |kind, detail: String| {
            self.faults.push(Fault {
                file: path.to_owned(),
                line: number,
                kind,
                detail,
            });
        };
        let event: Value = match serde_json::from_slice(bytes) {
            Ok(event) => event,
            Err(_) if !whole => return fault("cut", "the last line has no end".to_owned()),
            Err(error) => return fault("unreadable", error.to_string()),
        };
        let (Some(seq), Some(prev)) = (event["chain"]["seq"].as_u64(), event["chain"]["prev"].as_str()) else {
            return fault("unreadable", "it has no place in the chain".to_owned());
        };
        self.lines += 1;
        match &self.head {
            None if seq == 1 && prev != Head::start().hash => fault("altered", "the first line has something before it".to_owned()),
            // An older part may have been taken away under retention: what is there is checked.
            None => self.first = Some(seq),
            Some(head) if seq > head.seq + 1 => fault("cut", format!("lines {} to {} are missing", head.seq + 1, seq - 1)),
            Some(head) if seq <= head.seq => fault("reordered", format!("line {seq} comes after line {}", head.seq)),
            Some(head) if prev != head.hash => fault("altered", format!("line {} is not the one that this line follows", head.seq)),
            Some(_) => {}
        }
        if self.first.is_none() {
            self.first = Some(seq);
        }
        if let Some(signed) = event.get("signed") {
            let of = Head {
                seq: signed["seq"].as_u64().unwrap_or_default(),
                hash: signed["hash"].as_str().unwrap_or_default().to_owned(),
            };
            let before = self.head.as_ref().is_none_or(|head| *head == of);
            if !before || !key.holds(&of, signed["signature"].as_str().unwrap_or_default()) {
                fault("signature", format!("the signature over line {} does not hold", of.seq));
            } else {
                self.signed = Some(of.seq);
            }
        }
        self.head = Some(
            Head {
                seq: seq.saturating_sub(1),
                ..Head::start()
            }
            .after(bytes),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Change, Entry, Log, SigningKey};
    use super::*;

    fn key() -> (SigningKey, VerifyingKey) {
        let key = SigningKey::read(&SigningKey::generate().expect("random")).expect("a key");
        let verifying = key.verifying();
        (key, verifying)
    }

    /// A log of three changes, closed.
    fn written(dir: &Path) -> (VerifyingKey, PathBuf, Vec<String>) {
        let pkcs8 = SigningKey::generate().expect("random");
        let open = || Log::open(dir, SigningKey::read(&pkcs8).expect("a key")).unwrap_or_else(|error| panic!("{error}"));
        let log = open();
        log.record(Entry::Change(Change::Stopped));
        log.record(Entry::Change(Change::Keys {
            count: 2,
            changes: Vec::new(),
        }));
        drop(log);
        // It goes on where it was.
        open().record(Entry::Change(Change::Stopped));
        let file = files(dir).expect("listed").pop().expect("a file");
        let lines = std::fs::read_to_string(&file).expect("read").lines().map(str::to_owned).collect();
        (SigningKey::read(&pkcs8).expect("a key").verifying(), file, lines)
    }

    fn kinds(dir: &Path, key: &VerifyingKey, head: Option<&Head>) -> Vec<&'static str> {
        verify(dir, key, head)
            .expect("read")
            .faults
            .iter()
            .map(|fault| fault.kind)
            .collect()
    }

    #[test]
    fn a_log_that_nobody_touched_is_sound_and_one_that_somebody_did_is_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let (key, file, lines) = written(dir.path());
        let report = verify(dir.path(), &key, None).expect("read");
        assert!(report.is_sound(), "{report:?}");
        assert_eq!((report.lines, report.first, report.signed), (5, Some(1), Some(4)));
        let head = report.head.expect("a head");
        let write =
            |lines: &[&str]| std::fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).expect("written");
        let all: Vec<&str> = lines.iter().map(String::as_str).collect();

        let altered = all[1].replace("\"count\":2", "\"count\":3");
        assert_ne!(altered, all[1]);
        write(&[all[0], &altered, all[2], all[3], all[4]]);
        assert_eq!(kinds(dir.path(), &key, None).first(), Some(&"altered"));
        write(&[all[0], all[2], all[3], all[4]]);
        assert_eq!(kinds(dir.path(), &key, None).first(), Some(&"cut"));
        write(&[all[1], all[0], all[2], all[3], all[4]]);
        assert_eq!(kinds(dir.path(), &key, None).first(), Some(&"reordered"));
        write(&[all[0], "{}", all[2]]);
        assert_eq!(kinds(dir.path(), &key, None).first(), Some(&"unreadable"));
        // An end that is cut off between signatures shows only against a head that was kept elsewhere.
        write(&all[..3]);
        assert!(kinds(dir.path(), &key, None).is_empty());
        assert_eq!(kinds(dir.path(), &key, Some(&head)), ["cut"]);
        write(&all);
        assert!(kinds(dir.path(), &key, Some(&head)).is_empty());
        assert_eq!(kinds(dir.path(), &self::key().1, None).first(), Some(&"signature"), "another key");
        // Written anew from the start, with a chain of its own, by somebody without the key.
        let mut head = Head::start();
        let forged: Vec<String> = lines
            .iter()
            .map(|line| {
                let mut event: Value = serde_json::from_str(line).expect("JSON");
                event["chain"]["prev"] = head.hash.clone().into();
                if event.get("signed").is_none() {
                    event["time"] = 1.into();
                }
                let line = event.to_string();
                head = head.after(line.as_bytes());
                line
            })
            .collect();
        write(&forged.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(kinds(dir.path(), &key, None).first(), Some(&"signature"));
    }

    #[test]
    fn what_a_crash_left_of_a_line_is_taken_off() {
        let dir = tempfile::tempdir().expect("a folder");
        let (_, file, lines) = written(dir.path());
        let mut torn = std::fs::read(&file).expect("read");
        torn.extend_from_slice(b"{\"time\": 17");
        std::fs::write(&file, torn).expect("written");
        let (key, verifying) = key();
        Log::open(dir.path(), key).expect("opens").record(Entry::Change(Change::Stopped));
        let report = verify(dir.path(), &verifying, None).expect("read");
        assert_eq!(report.lines, lines.len() as u64 + 2);
        assert!(
            report.faults.iter().all(|fault| fault.kind == "signature"),
            "only the key is another: {report:?}"
        );
    }

    #[test]
    fn one_process_writes_a_log() {
        let dir = tempfile::tempdir().expect("a folder");
        let _first = Log::open(dir.path(), key().0).expect("opens");
        assert!(matches!(Log::open(dir.path(), key().0), Err(super::super::LogError::Locked(_))));
    }
}
