//! Removes files that are old enough.

use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use super::chain::Head;
use super::files::{FILES_LOCK, files, lines, lock};
use super::line::Line;
use super::ocsf::{Activity, Origin};
use super::stream::Stream;
use super::writer::locked;

/// Removes the files of a stream whose last line is older than `keep`, after a signed line that says so: the chain begins behind them then.
pub(super) fn retain(stream: &Mutex<Stream>, origin: &Origin, keep: Duration) -> io::Result<()> {
    let folder = locked(stream).folder().to_owned();
    let _lock = lock(&folder.join(FILES_LOCK), true)?;
    let before = chrono::Utc::now().timestamp_millis() - i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
    let (mut old, mut end): (Vec<PathBuf>, Option<Head>) = (Vec::new(), None);
    let mut texts = Vec::new();
    let mut all = files(&folder)?;
    // The last one may be written to, later as well where the next line does not begin another.
    if locked(stream).keeps_file() {
        all.pop();
    }
    for file in all {
        let read = Old::read(&file)?;
        match (read.time, read.head) {
            (Some(time), Some(head)) if time < before => end = Some(head),
            // A crash leaves a file without a line.
            (None, None) => {}
            _ => break,
        }
        texts.extend(read.texts);
        old.push(file);
    }
    let Some(end) = end else { return Ok(()) };
    let mut writer = locked(stream);
    let detail = json!({"up_to": {"seq": end.seq, "hash": end.hash}, "files": old.len(), "before": before});
    writer.say(Activity::Other, "removed", detail, origin)?;
    writer.sign(origin)?;
    let file = writer.file()?;
    drop(writer);
    file.map_or(Ok(()), |file| file.sync_data())?;
    for text in texts {
        // It may be erased already.
        let _ = std::fs::remove_file(folder.join(text));
    }
    old.iter().try_for_each(std::fs::remove_file)
}

/// What is looked at in a file.
#[derive(Default)]
struct Old {
    /// The latest time in it, in milliseconds.
    time: Option<i64>,
    head: Option<Head>,
    /// Files of texts that its lines name.
    texts: Vec<String>,
}

impl Old {
    fn read(path: &std::path::Path) -> io::Result<Self> {
        let mut old = Self::default();
        lines(path, |_, bytes, _| {
            let Ok(line) = Line::read(bytes) else { return };
            old.head = Some(line.head());
            // Every line begins with its time.
            let digits = bytes.strip_prefix(b"{\"time\":").unwrap_or_default();
            let digits = digits.split(|byte| !byte.is_ascii_digit()).next().unwrap_or_default();
            let time = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<i64>().ok());
            // A line without a time keeps its file.
            old.time = old.time.max(Some(time.unwrap_or(i64::MAX)));
            old.texts.extend(text_of(bytes));
        })?;
        Ok(old)
    }
}

/// The file of the text that a line names.
pub(super) fn text_of(line: &[u8]) -> Option<String> {
    memchr::memmem::find(line, b"\"text\":{\"file\":\"")?;
    let event: Value = serde_json::from_slice(line).ok()?;
    let file = event["unmapped"]["text"]["file"].as_str()?;
    // A log that somebody wrote leads nowhere else.
    let is_inside = file.starts_with("text/") && file.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    is_inside.then(|| file.to_owned())
}
