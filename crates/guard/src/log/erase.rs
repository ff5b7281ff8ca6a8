//! Erases what lines say about a person.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde_json::{Value, json};
use vigie_detect::Subject;
use vigie_model::Timestamp;

use super::chain::SigningKey;
use super::files::{FILES_LOCK, LOCK, ROTATE, files, first_of, is_packed, lines, lock, owners_only, streams};
use super::line::{ERASED, ERASED_ENTITY, ERASED_PLAIN, Line, Placed, Rest};
use super::ocsf::Activity;
use super::options::LogOptions;
use super::retain::text_of;
use super::writer::{Log, LogError};

/// How long a running gateway may take to begin another file.
const WAIT: Duration = Duration::from_secs(20);
/// Ranges of lines in one entry.
const RANGES: usize = 2_000;

/// Whose lines are erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Person {
    /// Who has the key with this id.
    Key(String),
    /// Who came from this address.
    Address(IpAddr),
}

/// What was erased.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Lines.
    pub lines: u64,
    /// Files with texts of requests.
    pub texts: u64,
    /// Lines of version 1, which cannot be erased without breaking the chain.
    pub left: u64,
}

/// Why it cannot be erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A file cannot be read or written.
    #[error("cannot read or write {0}: {1}")]
    Io(PathBuf, io::Error),
    /// A running gateway does not answer.
    #[error("the process that writes {0} did not begin another file within 20 seconds; is its disk full?")]
    NoAnswer(PathBuf),
}

/// Erases what the lines of a log say about a person, up to a time. An entry says which lines that were; their places in the chain stay.
///
/// Lines that a running gateway writes meanwhile are not touched.
///
/// # Errors
///
/// See [`EraseError`]. What was erased until then stays so, and is named in the log.
pub fn erase(dir: &Path, key: SigningKey, person: &Person, before: Option<Timestamp>) -> Result<Erased, EraseError> {
    // This process writes a stream of its own, or goes on with one that nobody writes.
    let log = Log::open(dir, key, LogOptions::default())?;
    let own = log.stream();
    let mut erased = Erased::default();
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| EraseError::Io(path, error)
    };
    let mut found: BTreeMap<u32, Vec<(u64, u64)>> = BTreeMap::new();
    let mut work = Vec::new();
    // Nobody takes a stream up while its files are replaced.
    let mut held = Vec::new();
    for (number, folder) in streams(dir).map_err(io(dir))? {
        let (end, writer) = if number == own {
            (
                log.with(|stream, _| stream.rotate().map(|()| stream.head().seq))
                    .map_err(io(&folder))?,
                None,
            )
        } else {
            closed(&folder)?
        };
        for file in files(&folder).map_err(io(&folder))? {
            if first_of(&file).is_some_and(|first| first > end) {
                continue;
            }
            let ranges = found.entry(number).or_default();
            let is_found = look(&file, person, before, ranges, &mut erased.left).map_err(io(&file))?;
            if is_found {
                work.push((folder.clone(), file));
            }
        }
        held.extend(writer);
    }
    found.retain(|_, ranges| !ranges.is_empty());
    // The log says first what is erased then, so that a line that is erased without a word was erased by somebody else.
    log.with(|stream, origin| {
        let (what, who) = match person {
            Person::Key(id) => ("key", id.clone()),
            Person::Address(address) => ("address", address.to_string()),
        };
        // It does not name the person: the owner can make the same mark again.
        let mark = stream.key().mark("erased", &who);
        let before = before.map(|before| before.timestamp_millis());
        for (number, ranges) in &found {
            for ranges in ranges.chunks(RANGES) {
                let detail = json!({"by": what, "mark": mark, "before": before, "of_stream": number, "lines": ranges});
                stream.say(Activity::Other, "erased", detail, origin)?;
            }
        }
        stream.sign(origin)?;
        stream.file()?.map_or(Ok(()), |file| file.sync_all())
    })
    .map_err(io(dir))?;
    for (folder, file) in work {
        let _lock = lock(&folder.join(FILES_LOCK), true).map_err(io(&folder))?;
        rewrite(&folder, &file, person, before, &mut erased).map_err(io(&file))?;
    }
    Ok(erased)
}

/// Has the process that writes a stream begin another file, or holds the stream where there is none. Returns the last line of the files that
/// are closed.
fn closed(folder: &Path) -> Result<(u64, Option<File>), EraseError> {
    let io = |error| EraseError::Io(folder.to_owned(), error);
    let (wanted, done) = (folder.join(ROTATE), folder.join(ROTATE).with_extension("done"));
    if let Some(held) = lock(&folder.join(LOCK), false).map_err(io)? {
        return Ok((u64::MAX, Some(held)));
    }
    let _ = std::fs::remove_file(&done);
    std::fs::write(&wanted, "").map_err(io)?;
    let until = Instant::now() + WAIT;
    while Instant::now() < until {
        if let Ok(seq) = std::fs::read_to_string(&done)
            && !wanted.exists()
            && let Ok(seq) = seq.parse()
        {
            let _ = std::fs::remove_file(&done);
            return Ok((seq, None));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = std::fs::remove_file(&wanted);
    Err(EraseError::NoAnswer(folder.to_owned()))
}

/// Finds a person's lines in a file, as ranges of their numbers. Whether there are any.
fn look(file: &Path, person: &Person, before: Option<Timestamp>, ranges: &mut Vec<(u64, u64)>, left: &mut u64) -> io::Result<bool> {
    let mut is_found = false;
    lines(file, |_, line, _| {
        if !is_of(person, before, line) {
            return;
        }
        match Line::read(line) {
            Ok(Line::Placed(placed)) if placed.rest == Rest::Whole => {
                is_found = true;
                match ranges.last_mut() {
                    Some((_, last)) if *last + 1 == placed.seq => *last = placed.seq,
                    _ => ranges.push((placed.seq, placed.seq)),
                }
            }
            Ok(Line::Old { .. }) => *left += 1,
            _ => {}
        }
    })?;
    Ok(is_found)
}

/// Whether a line is about a person.
fn is_of(person: &Person, before: Option<Timestamp>, line: &[u8]) -> bool {
    let (needle, subject) = match person {
        Person::Key(id) => (id.clone(), Subject::Key(id.clone())),
        Person::Address(address) => (address.to_string(), Subject::of_address(*address)),
    };
    // An alert names the network of an address of IPv6, and not the address.
    let said = subject.to_string();
    let network = said.trim_end_matches("/64");
    if ![needle.as_str(), network]
        .iter()
        .any(|text| memchr::memmem::find(line, text.as_bytes()).is_some())
    {
        return false;
    }
    let Ok(event) = serde_json::from_slice::<Value>(line) else {
        return false;
    };
    let is_theirs = match person {
        Person::Key(id) => [&event["actor"]["user"]["uid"], &event["entity"]["uid"]]
            .into_iter()
            .any(|uid| uid == id.as_str()),
        Person::Address(address) => event["src_endpoint"]["ip"].as_str().and_then(|ip| ip.parse().ok()) == Some(*address),
    };
    let unmapped = &event["unmapped"];
    let alerted = serde_json::to_value(&subject).is_ok_and(|subject| unmapped["alert"]["subject"] == subject);
    let is_theirs = is_theirs || alerted || unmapped["subject"] == said.as_str();
    let is_before = before.is_none_or(|before| event["time"].as_i64().is_some_and(|time| time < before.timestamp_millis()));
    is_theirs && is_before
}

/// Writes a file anew without what its lines say about a person, and puts it in place of the old one.
fn rewrite(folder: &Path, file: &Path, person: &Person, before: Option<Timestamp>, erased: &mut Erased) -> io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".partial");
    let beside = PathBuf::from(beside);
    let mut options = File::options();
    options.create(true).truncate(true).write(true);
    owners_only(&mut options);
    let plain = io::BufWriter::with_capacity(1 << 17, options.open(&beside)?);
    let mut out = match is_packed(file) {
        true => Out::Packed(Box::new(GzEncoder::new(plain, Compression::default()))),
        false => Out::Plain(plain),
    };
    let mut texts = Vec::new();
    let mut failed = Ok(());
    let mut count = 0;
    lines(file, |_, line, is_whole| {
        let placed = is_of(person, before, line).then(|| Placed::read(line)).flatten();
        let written = match placed.filter(|placed| placed.rest == Rest::Whole) {
            None => out.write_all(line),
            Some(placed) => {
                count += 1;
                texts.extend(text_of(line));
                let class = line.get(..line.len().min(64)).unwrap_or_default();
                let is_class = |text: &[u8]| memchr::memmem::find(class, text).is_some();
                let erased = match (is_class(b"\"class_uid\":3004,"), is_class(b"\"class_uid\":6002,")) {
                    (true, _) => ERASED_ENTITY,
                    (_, true) => ERASED_PLAIN,
                    _ => ERASED,
                };
                out.write_all(line.get(..placed.rest_at).unwrap_or_default())
                    .and_then(|()| out.write_all(erased.as_bytes()))
            }
        };
        let written = written.and_then(|()| if is_whole { out.write_all(b"\n") } else { Ok(()) });
        if failed.is_ok() {
            failed = written;
        }
    })?;
    failed?;
    out.finish()?.sync_all()?;
    std::fs::rename(&beside, file)?;
    erased.lines += count;
    for text in texts {
        match std::fs::remove_file(folder.join(text)) {
            Ok(()) => erased.texts += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A file that is written, compressed or not.
enum Out {
    Plain(io::BufWriter<File>),
    Packed(Box<GzEncoder<io::BufWriter<File>>>),
}

impl Out {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.write_all(bytes),
            Self::Packed(out) => out.write_all(bytes),
        }
    }

    fn finish(self) -> io::Result<File> {
        let out = match self {
            Self::Plain(out) => out,
            Self::Packed(out) => out.finish()?,
        };
        out.into_inner().map_err(io::IntoInnerError::into_error)
    }
}
