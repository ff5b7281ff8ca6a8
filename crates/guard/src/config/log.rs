//! `[log]`: the audit log.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// Its folder, beside this file or anywhere.
    #[serde(default = "log_dir")]
    pub dir: PathBuf,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { dir: log_dir() }
    }
}

fn log_dir() -> PathBuf {
    PathBuf::from("log")
}
