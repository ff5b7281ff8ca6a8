//! What a simulated internet is made of: the population file, `vigie.population/1`.

use serde::{Deserialize, Serialize};

use crate::recording::MISSES;
use crate::{Fault, FleetError, Honeypot};

/// The schema of a population file.
const SCHEMA: &str = "vigie.population/1";

/// The most cards that the weights may come to: the plan deals them as a deck, so that shares hold even on few addresses.
const MAX_WEIGHT: u32 = 100_000;

/// Which servers there are, how often, and how many of them are broken or bait.
///
/// The shares (`empty`, of faults, of honeypots) are of all addresses and come to at most 1; what is left are servers as recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Population {
    /// `vigie.population/1`.
    pub schema: String,
    /// The seed of the plan, unless another is given.
    #[serde(default)]
    pub seed: u64,
    /// The share of addresses where nothing listens, 0 to 1.
    #[serde(default)]
    pub empty: f64,
    /// The servers.
    #[serde(default)]
    pub entries: Vec<Entry>,
    /// The broken ones.
    #[serde(default)]
    pub faults: Vec<FaultShare>,
    /// The bait.
    #[serde(default)]
    pub honeypots: Vec<HoneypotShare>,
}

/// A kind of server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// A product's id, `misses` (servers that are none of the products), or `*`: every product, each with this entry's weight.
    pub product: String,
    /// Which recordings: `<version>-<state>`, where `*` stands for anything. By default all of the product, in turn.
    #[serde(default = "anything")]
    pub fixture: String,
    /// How often, beside the other entries.
    #[serde(default = "one")]
    pub weight: u32,
    /// The port; by default the one it was recorded at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

fn anything() -> String {
    "*".to_owned()
}

fn one() -> u32 {
    1
}

/// How many servers have a fault. The server behind it, and its port, are drawn from the entries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultShare {
    /// The fault.
    pub fault: Fault,
    /// The share of all addresses.
    pub share: f64,
}

/// How many servers are bait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoneypotShare {
    /// The kind.
    pub honeypot: Honeypot,
    /// The share of all addresses.
    pub share: f64,
    /// The port; by default the one of the server that it pretends to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

impl Population {
    /// The population of `vigie demo`: every product that was recorded, a few servers that are none, faults and bait. Its numbers
    /// are chosen to show each kind on few addresses; they are no measurement of the internet.
    ///
    /// # Errors
    ///
    /// Never in a build that passed its tests.
    pub fn demo() -> Result<Self, FleetError> {
        Self::read(include_str!("population.toml"))
    }

    /// One server of that recording at every address, all well: for measurements.
    #[must_use]
    pub fn only(product: &str, fixture: &str, port: Option<u16>) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            seed: 0,
            empty: 0.0,
            entries: vec![Entry {
                product: product.to_owned(),
                fixture: fixture.to_owned(),
                weight: 1,
                port,
            }],
            faults: Vec::new(),
            honeypots: Vec::new(),
        }
    }

    /// Reads a population file. Unknown keys are refused.
    ///
    /// # Errors
    ///
    /// What is wrong, with the line.
    pub fn read(text: &str) -> Result<Self, FleetError> {
        let population: Self = toml::from_str(text).map_err(|error| FleetError::Population(error.to_string()))?;
        population.check().map_err(FleetError::Population)?;
        Ok(population)
    }

    /// Whether it makes sense.
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
        // The sum of shares that come to 1 on paper may pass it by a rounding error.
        if sum > 1.0 + 1e-9 {
            return Err(format!(
                "the shares of empty addresses, faults and honeypots come to {sum}; leave them at most 1"
            ));
        }
        if self.entries.is_empty() {
            return Err("there is no [[entries]]; name at least one product".to_owned());
        }
        let weights = self.entries.iter().try_fold(0u32, |sum, entry| sum.checked_add(entry.weight));
        if !weights.is_some_and(|sum| (1..=MAX_WEIGHT).contains(&sum)) {
            return Err(format!("the weights come to none or to more than {MAX_WEIGHT}"));
        }
        Ok(())
    }
}

impl Entry {
    /// Whether a folder of recordings is meant.
    pub(crate) fn names(&self, folder: &str) -> bool {
        self.product == folder || (self.product == "*" && folder != MISSES)
    }

    /// Whether a recording of such a folder is meant.
    pub(crate) fn fits(&self, recording: &str) -> bool {
        recording.split_once('/').is_some_and(|(_, state)| glob(&self.fixture, state))
    }
}

/// Whether a text fits a pattern in which `*` stands for any run of characters.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        // The part before this one may match as early as it can; only the last must reach the end.
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
    fn a_star_stands_for_anything() {
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
