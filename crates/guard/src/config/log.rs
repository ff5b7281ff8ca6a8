//! `[log]`: the audit log.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::log::{LogOptions, Recipient, WhenFull};

/// The audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// Its folder, beside this file or anywhere.
    #[serde(default = "log_dir")]
    pub dir: PathBuf,
    /// What happens when an entry cannot be written, because the disk is full, say.
    #[serde(default, skip_serializing_if = "is_default")]
    pub when_full: WhenFull,
    /// How long lines are kept, in days: `90d`. Absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<String>,
    /// The recipient, `age1…`, to whom the texts of requests and answers are encrypted. Absent: they are not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_text: Option<String>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            dir: log_dir(),
            when_full: WhenFull::default(),
            keep: None,
            full_text: None,
        }
    }
}

impl LogConfig {
    /// How the log is kept.
    ///
    /// # Errors
    ///
    /// The key of the line that is wrong, and why.
    pub fn options(&self) -> Result<LogOptions, (&'static str, String)> {
        let keep = self.keep.as_deref().map(keep).transpose().map_err(|why| ("keep", why))?;
        let full_text = self.full_text.as_deref().map(str::parse::<Recipient>).transpose();
        Ok(LogOptions {
            when_full: self.when_full,
            keep,
            full_text: full_text.map_err(|why| ("full_text", why.to_owned()))?,
            prompts: None,
        })
    }
}

/// A number of days: `90d`.
fn keep(text: &str) -> Result<Duration, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
    match days.filter(|days| (1..=36_500).contains(days)) {
        Some(days) => Ok(Duration::from_secs(u64::from(days) * 86_400)),
        None => Err(format!("{text:?} is no number of days; write 90d")),
    }
}

fn is_default(when_full: &WhenFull) -> bool {
    *when_full == WhenFull::default()
}

fn log_dir() -> PathBuf {
    PathBuf::from("log")
}
