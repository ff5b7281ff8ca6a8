//! The population file of a simulated internet, `vigie.population/1`.

use serde::{Deserialize, Serialize};

use crate::recording::MISSES;
use crate::{Fault, FleetError, Honeypot};

/// The schema of a population file.
const SCHEMA: &str = "vigie.population/1";

/// Maximum sum of the weights: the plan deals them as a deck of cards, so that shares are right even on few addresses.
const MAX_WEIGHT: u32 = 100_000;

/// The servers of a simulated internet, with the shares of faults and honeypots.
///
/// The shares (`empty`, faults, honeypots) are of all addresses, and their sum is at most 1. The rest are servers without faults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Population {
    /// `vigie.population/1`.
    pub schema: String,
    /// The default seed.
    #[serde(default)]
    pub seed: u64,
    /// The share of addresses on which nothing listens, from 0 to 1.
    #[serde(default)]
    pub empty: f64,
    /// The kinds of servers.
    #[serde(default)]
    pub entries: Vec<PopulationEntry>,
    /// The faults.
    #[serde(default)]
    pub faults: Vec<FaultShare>,
    /// The honeypots.
    #[serde(default)]
    pub honeypots: Vec<HoneypotShare>,
}

/// A kind of server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PopulationEntry {
    /// A product's id, `misses` (servers of no known product), or `*`: every product, each with this entry's weight.
    pub product: String,
    /// A pattern for the recordings, `<version>-<state>`, with `*` for any text. By default all of the product, in turn.
    #[serde(default = "anything")]
    pub fixture: String,
    /// The frequency relative to the other entries.
    #[serde(default = "one")]
    pub weight: u32,
    /// The port; by default the one of the recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

fn anything() -> String {
    "*".to_owned()
}

fn one() -> u32 {
    1
}

/// The share of servers with a fault. Their recordings and ports are drawn from the entries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultShare {
    /// The fault.
    pub fault: Fault,
    /// The share of all addresses.
    pub share: f64,
}

/// The share of honeypots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoneypotShare {
    /// The kind.
    pub honeypot: Honeypot,
    /// The share of all addresses.
    pub share: f64,
    /// The port; by default that of the imitated recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

impl Population {
    /// The population of `vigie demo`: every recorded product, a few servers of no known product, faults and honeypots. The shares are
    /// chosen to show each kind on few addresses; they are not a measurement of the internet.
    ///
    /// # Errors
    ///
    /// Never in a build that passed its tests.
    pub fn demo() -> Result<Self, FleetError> {
        Self::read(include_str!("population.toml"))
    }

    /// The same recording at every address, without faults, for measurements.
    #[must_use]
    pub fn only(product: &str, fixture: &str, port: Option<u16>) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            seed: 0,
            empty: 0.0,
            entries: vec![PopulationEntry {
                product: product.to_owned(),
                fixture: fixture.to_owned(),
                weight: 1,
                port,
            }],
            faults: Vec::new(),
            honeypots: Vec::new(),
        }
    }

    /// Parses a population file. Unknown keys are rejected.
    ///
    /// # Errors
    ///
    /// What is wrong, with the line.
    pub fn read(text: &str) -> Result<Self, FleetError> {
        let population: Self = toml::from_str(text).map_err(|error| FleetError::Population(error.to_string()))?;
        population.check().map_err(FleetError::Population)?;
        Ok(population)
    }

    /// Checks the values.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.schema != SCHEMA {
            return Err(format!("schema is {:?}; this vigie reads {SCHEMA:?}", self.schema));
        }
        let shares = self
            .faults
            .iter()
            .map(|f| f.share)
            .chain(self.honeypots.iter().map(|h| h.share))
            .chain([self.empty]);
        let mut sum = 0.0;
        for share in shares {
            if !(0.0..=1.0).contains(&share) {
                return Err(format!("a share of {share} is not between 0 and 1"));
            }
            sum += share;
        }
        // Shares with a sum of 1 may exceed it by a rounding error.
        if sum > 1.0 + 1e-9 {
            return Err(format!(
                "the sum of the shares of empty addresses, faults and honeypots is {sum}; the maximum is 1"
            ));
        }
        if self.entries.is_empty() {
            return Err("no [[entries]]; name at least one product".to_owned());
        }
        let weights = self.entries.iter().try_fold(0u32, |sum, entry| sum.checked_add(entry.weight));
        if !weights.is_some_and(|sum| (1..=MAX_WEIGHT).contains(&sum)) {
            return Err(format!("the sum of the weights is not between 1 and {MAX_WEIGHT}"));
        }
        Ok(())
    }
}

impl PopulationEntry {
    /// Whether the entry selects a folder of recordings.
    pub(crate) fn names(&self, folder: &str) -> bool {
        self.product == folder || (self.product == "*" && folder != MISSES)
    }

    /// Whether the entry selects a recording of such a folder.
    pub(crate) fn fits(&self, recording: &str) -> bool {
        recording.split_once('/').is_some_and(|(_, state)| glob(&self.fixture, state))
    }
}

/// Whether a text matches a pattern in which `*` stands for any text.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        // All parts but the last match as early as possible; the last must reach the end.
        if let Some(earlier) = last.replace(part) {
            match rest.find(earlier) {
                Some(at) => rest = &rest[at + earlier.len()..],
                None => return false,
            }
        }
    }
    match last {
        Some(end) => rest.ends_with(end),
        None => rest.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn a_star_matches_any_text() {
        for (pattern, text) in [
            ("*", ""),
            ("*", "0.17.4-open"),
            ("0.17*", "0.17.4-open"),
            ("*-open", "0.17.4-open"),
            ("0*4*n", "0.17.4-open"),
            ("a", "a"),
            ("a*a", "aa"),
        ] {
            assert!(glob(pattern, text), "{pattern} fits {text}");
        }
        for (pattern, text) in [
            ("0.17", "0.17.4"),
            ("*-key", "0.17.4-open"),
            ("a*a", "a"),
            ("", "a"),
            ("a*b*c", "ac"),
        ] {
            assert!(!glob(pattern, text), "{pattern} does not fit {text}");
        }
    }
}
