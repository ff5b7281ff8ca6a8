//! The last minute, read from the end of the log.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::log::{files, streams};

/// How far back.
const MINUTE: i64 = 60_000;
/// What ended so lately counts for the rate of tokens.
const RATE: i64 = 10_000;
/// So much of each stream of the log is read, from its end: at a busy gateway the counts are those of less than a minute.
const MOST: u64 = 8 << 20;

/// What ended in the last minute.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Minute {
    /// By the id of the key; empty: requests without a valid key.
    pub keys: BTreeMap<String, Used>,
    /// By model. A request that names several counts for the first.
    pub models: BTreeMap<String, Used>,
    /// Refusals, by the word of their reason.
    pub refusals: BTreeMap<String, u64>,
    /// Whether the log of this minute is longer than what was read of it.
    pub cut: bool,
}

/// What a key, or a model, was used for.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Used {
    /// The name of the key.
    pub name: String,
    /// Requests that were passed on.
    pub requests: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Requests whose client left before the end, and those that the server did not answer.
    pub broken: u64,
    /// Tokens of prompts.
    pub prompt: u64,
    /// Tokens of answers.
    pub output: u64,
    /// Tokens of the answers that ended in the last ten seconds, per second.
    pub rate: f64,
}

/// Reads what ended in the minute before `now`, in milliseconds since 1970.
///
/// # Errors
///
/// The folder of the log cannot be read.
pub fn minute(log: &Path, now: i64) -> io::Result<Minute> {
    let mut minute = Minute::default();
    for (_, folder) in streams(log)? {
        let mut left = MOST;
        for path in files(&folder)?
            .iter()
            .rev()
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        {
            // A file that is removed meanwhile is too old anyway.
            let Ok((text, whole)) = tail(path, left) else { continue };
            left -= text.len() as u64;
            let is_older = minute.take(&text, now);
            if is_older {
                break;
            }
            if !whole {
                minute.cut = true;
                break;
            }
        }
    }
    Ok(minute)
}

/// The end of a file, and whether that is all of it.
fn tail(path: &Path, most: u64) -> io::Result<(Vec<u8>, bool)> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let skipped = length.saturating_sub(most);
    file.seek(SeekFrom::Start(skipped))?;
    let mut text = Vec::new();
    file.take(most).read_to_end(&mut text)?;
    Ok((text, skipped == 0))
}

impl Minute {
    /// Counts the lines, the last one first, and says whether one is older than a minute. The first line may be cut off at its start.
    fn take(&mut self, text: &[u8], now: i64) -> bool {
        for line in text.split(|byte| *byte == b'\n').rev() {
            // A line that is being written, or is cut off, counts at the next look, or not at all.
            let Ok(line) = serde_json::from_slice::<Value>(line) else {
                continue;
            };
            let Some(begun) = line["time"].as_i64() else { continue };
            let about = &line["unmapped"];
            let refused = match about["event"].as_str() {
                Some("request") => false,
                Some("refused") => true,
                _ => continue,
            };
            #[expect(clippy::cast_possible_truncation, reason = "a duration in milliseconds is far below")]
            let ended = begun + about["duration_ms"].as_f64().unwrap_or_default() as i64;
            if ended < now - MINUTE {
                // Lines stand in the order in which requests ended.
                return true;
            }
            self.count(&line, refused, ended >= now - RATE);
        }
        false
    }

    fn count(&mut self, line: &Value, refused: bool, is_late: bool) {
        let about = &line["unmapped"];
        let user = &line["actor"]["user"];
        let tokens = |name: &str| about[name].as_u64().unwrap_or_default();
        let word = line["status_code"].as_str().unwrap_or_default();
        if refused {
            *self.refusals.entry(word.to_owned()).or_default() += 1;
        }
        let key = self.keys.entry(user["uid"].as_str().unwrap_or_default().to_owned()).or_default();
        key.name = user["name"].as_str().unwrap_or_default().to_owned();
        let model = match about["models"][0].as_str() {
            // A name that was refused is whatever a client sends.
            Some(model) if !refused => Some(self.models.entry(model.to_owned()).or_default()),
            _ => None,
        };
        for used in std::iter::once(key).chain(model) {
            used.refused += u64::from(refused);
            used.requests += u64::from(!refused);
            used.broken += u64::from(matches!(word, "aborted" | "failed"));
            used.prompt += tokens("prompt_tokens");
            used.output += tokens("output_tokens");
            if is_late {
                used.rate += tokens("output_tokens") as f64 / (RATE as f64 / 1_000.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(time: i64, key: &str, event: &str, word: &str, output: u64) -> String {
        let about =
            serde_json::json!({"event": event, "models": ["tiny"], "prompt_tokens": 2, "output_tokens": output, "duration_ms": 1_000.0});
        serde_json::json!({"time": time, "status_code": word, "actor": {"user": {"uid": key, "name": "a name"}}, "unmapped": about})
            .to_string()
    }

    #[test]
    fn the_last_minute_is_counted() {
        let now = 1_000_000;
        let dir = tempfile::tempdir().expect("a folder");
        let lines = [
            line(now - 90_000, "k1", "request", "answered", 1_000),
            line(now - 50_000, "k1", "request", "answered", 7),
            line(now - 9_000, "k1", "request", "aborted", 20),
            line(now - 3_000, "k2", "refused", "model-not-granted", 0),
            "{\"time\":999999,\"unmapped\":{\"event\":\"signed\"}}".to_owned(),
            "{\"time\":".to_owned(),
        ];
        std::fs::write(dir.path().join("audit-000000000001.jsonl"), lines.join("\n")).expect("written");
        let minute = minute(dir.path(), now).expect("it reads");
        let one = &minute.keys["k1"];
        assert_eq!(
            (one.requests, one.broken, one.prompt, one.output, one.name.as_str()),
            (2, 1, 4, 27, "a name")
        );
        assert!((one.rate - 2.0).abs() < 1e-9, "{}", one.rate);
        assert_eq!((minute.keys["k2"].requests, minute.keys["k2"].refused), (0, 1));
        assert_eq!(minute.models["tiny"].requests, 2);
        assert_eq!(minute.refusals["model-not-granted"], 1);
        assert!(!minute.cut);
    }
}
