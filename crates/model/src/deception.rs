//! How likely an endpoint is a honeypot or an emulator, with the tells.

use serde::{Deserialize, Serialize};

use crate::Known;

/// One sign of deception.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tell {
    /// The tell's id, stable.
    pub id: String,
    /// How much it adds, from 0 to 1.
    pub weight: f64,
    /// What was seen.
    pub seen: String,
}

/// Score and tells. Counted apart, never silently dropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deception {
    /// From 0 to 1: one minus the product of (1 - weight) over the tells.
    pub score: Known<f64>,
    /// The tells, the weightiest first.
    pub tells: Vec<Tell>,
}

/// From this score on, an endpoint is a suspect: it is shown and counted apart. One tell that is as likely as not reaches it.
pub const SUSPECT_FROM: f64 = 0.5;

impl Deception {
    /// Whether the score makes the endpoint a suspect. An unknown score does not.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        self.score.known().is_some_and(|score| *score >= SUSPECT_FROM)
    }

    /// The score that these tells make together.
    #[must_use]
    pub fn from_tells(mut tells: Vec<Tell>) -> Self {
        tells.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.id.cmp(&b.id)));
        let spared = tells.iter().fold(1.0, |rest, tell| rest * (1.0 - tell.weight.clamp(0.0, 1.0)));
        // Rounded so that the record does not carry noise of the last bit.
        let score = ((1.0 - spared) * 1000.0).round() / 1000.0;
        Self {
            score: Known::Known(score),
            tells,
        }
    }

    /// Nothing that would tell was looked at.
    #[must_use]
    pub fn unknown(why: crate::Why) -> Self {
        Self {
            score: Known::unknown(why),
            tells: Vec::new(),
        }
    }
}
