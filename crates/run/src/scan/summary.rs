//! The summary and the notes of a scan.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use vigie_export::{Counts, Summary};
use vigie_model::{Known, Timestamp};

use super::inputs::Inputs;
use crate::failure::Failure;

/// Each note once, in order.
pub(crate) fn once(notes: Vec<String>) -> Vec<String> {
    let mut met = HashSet::new();
    notes.into_iter().filter(|note| met.insert(note.clone())).collect()
}

/// The summary of a scan that tried so many pairs of address and port.
pub(crate) fn summary(inputs: &Inputs, id: &str, started: Timestamp, took: Duration, tried: u64, complete: bool) -> Summary {
    let mut summary = Summary::new("vigie", env!("CARGO_PKG_VERSION"));
    let knowledge = &inputs.knowledge;
    summary.scan = Known::Known(id.to_owned());
    summary.seed = Known::Known(inputs.seed.to_string());
    summary.scope = Known::Known(inputs.scope.hash());
    summary.catalog.sha256 = Known::Known(knowledge.catalog.hash().to_owned());
    summary.catalog.date = Known::Known(knowledge.catalog.date().to_owned());
    summary.catalog.advisories_date = Known::Known(knowledge.advisories.date().to_string());
    summary.started = Known::Known(started);
    summary.duration_ms = Known::Known(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    summary.tried = Known::Known(tried);
    summary.complete = complete;
    summary.counts = Counts::default();
    summary.notes.clone_from(&inputs.notes);
    summary
}

/// The reasons why pairs of address and port were not tried, each with its count.
#[derive(Debug, Default)]
pub(crate) struct Reasons {
    /// The scope's.
    pub(crate) refused: BTreeMap<String, u64>,
    /// This machine's.
    pub(crate) failed: BTreeMap<String, u64>,
}

impl Reasons {
    /// How many there are in all.
    pub(crate) fn total(&self) -> u64 {
        self.refused.values().chain(self.failed.values()).sum()
    }

    /// The failure of a scan that tried nothing.
    pub(crate) fn failure(&self) -> Failure {
        let first = |all: &BTreeMap<String, u64>| all.keys().next().cloned().unwrap_or_default();
        let Self { refused, failed } = self;
        Failure::scan(match (refused.is_empty(), failed.is_empty()) {
            (false, true) => format!("nothing could be scanned: the scope refused everything ({})", first(refused)),
            (true, _) => format!(
                "nothing could be tried: this machine could not connect anywhere ({}); check its network, its routes and its firewall",
                first(failed)
            ),
            (false, false) => format!(
                "nothing could be scanned: the scope refused some ({}), and this machine could not connect to the others ({})",
                first(refused),
                first(failed)
            ),
        })
    }

    /// The refusals as notes.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = String> {
        self.refused.iter().map(|(why, count)| match count {
            1 => why.clone(),
            count => format!("{why} ({count} times)"),
        })
    }

    /// The failures as notes.
    pub(crate) fn failures(&self) -> impl Iterator<Item = String> {
        self.failed.iter().map(|(why, count)| match count {
            1 => why.clone(),
            count => format!("{why}, {count} times in all"),
        })
    }
}
