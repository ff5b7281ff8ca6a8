//! Suspicion that an endpoint is a honeypot or an emulator.

use serde::{Deserialize, Serialize};

use crate::Known;

/// One sign of deception.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tell {
    /// The stable id.
    pub id: String,
    /// Its weight, from 0 to 1.
    pub weight: f64,
    /// What was seen.
    pub seen: String,
}

/// The score and its signs. Suspects are counted separately, never dropped silently.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deception {
    /// From 0 to 1: one minus the product of (1 - weight) over the tells.
    pub score: Known<f64>,
    /// The signs, the heaviest first.
    pub tells: Vec<Tell>,
}

/// The score from which on an endpoint is a suspect, which is shown and counted separately. A single sign with a probability of one half
/// reaches it.
pub const SUSPECT_FROM: f64 = 0.5;

impl Deception {
    /// Whether the score makes the endpoint a suspect. An unknown score does not.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        self.score.known().is_some_and(|score| *score >= SUSPECT_FROM)
    }

    /// The combined score of some signs.
    #[must_use]
    pub fn from_tells(mut tells: Vec<Tell>) -> Self {
        tells.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.id.cmp(&b.id)));
        let spared = tells.iter().fold(1.0, |rest, tell| rest * (1.0 - tell.weight.clamp(0.0, 1.0)));
        // Rounded, to keep floating-point noise out of the record.
        let score = ((1.0 - spared) * 1000.0).round() / 1000.0;
        Self {
            score: Known::Known(score),
            tells,
        }
    }

    /// An unknown score, with a reason.
    #[must_use]
    pub fn unknown(why: crate::Why) -> Self {
        Self {
            score: Known::unknown(why),
            tells: Vec::new(),
        }
    }
}
