//! `[queue]`: how requests wait for a server that is full.

use serde::{Deserialize, Serialize};

/// How requests wait for a server whose `parallel` is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueConfig {
    /// The most requests that wait, over all servers and keys. 0: none waits.
    #[serde(default = "length")]
    pub length: usize,
    /// The longest that a request waits, in seconds.
    #[serde(default = "wait")]
    pub wait: u64,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            length: length(),
            wait: wait(),
        }
    }
}

fn length() -> usize {
    512
}

fn wait() -> u64 {
    120
}

impl QueueConfig {
    /// The key of the line that is wrong, and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.wait == 0 {
            return Err((
                "wait",
                "a request that waits does so for at least a second; length = 0 lets none wait".to_owned(),
            ));
        }
        Ok(())
    }
}
