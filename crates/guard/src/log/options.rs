//! How a log is kept.

use std::time::Duration;

use super::age::Recipient;
use super::prompt::PromptKey;

/// How a log is kept.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// What happens when an entry cannot be written.
    pub when_full: WhenFull,
    /// Files whose last line is older are removed; `None`: none is.
    pub keep: Option<Duration>,
    /// To whom the texts of requests and answers are encrypted; `None`: they are not kept.
    pub full_text: Option<Recipient>,
    /// The key of the keyed hashes of prompts; `None`: lines have none.
    pub prompts: Option<PromptKey>,
}

/// What happens when an entry cannot be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenFull {
    /// No request is passed on until entries can be written again.
    #[default]
    Refuse,
    /// Requests are passed on; how many have no entry is logged afterwards.
    Pass,
}
