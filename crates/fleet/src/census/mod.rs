//! A simulated population of hosts over months: the observations of each day, and the figures that a study must find.
//!
//! The published marginals are planted by quota ([`Census::plan`]), so they are exact, and the seed only decides which hosts get them. The
//! expected figures are counted from the plan ([`Census::truth`]), not from the observations. Addresses are from the reserved range
//! 240.0.0.0/4 and AS numbers from the private range, so they belong to nobody.

mod host;
mod marginals;
mod observe;
mod plan;
mod quota;
mod truth;

use vigie_model::{Observation, Timestamp};

pub use truth::Planted;

/// A planned population.
#[derive(Debug)]
pub struct Census {
    hosts: Vec<host::CensusHost>,
    /// For each day: the index of each host seen, and the number of the visit.
    days: Vec<Vec<(u32, u16)>>,
}

impl Census {
    /// Plans a population. `scale` 1 has 175,108 hosts and 7.23 million observations over 293 days; the minimum is 100 hosts.
    #[must_use]
    pub fn plan(seed: u64, scale: f64) -> Self {
        let hosts = plan::hosts(seed, scale);
        let mut days: Vec<Vec<(u32, u16)>> = vec![Vec::new(); usize::from(marginals::DAYS)];
        for (at, host) in hosts.iter().enumerate() {
            for (visit, day) in host.days.iter().enumerate() {
                // Fewer than 2^32 hosts and 293 visits.
                days[usize::from(*day)].push((at as u32, visit as u16));
            }
        }
        Self { hosts, days }
    }

    /// The number of hosts.
    #[must_use]
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// The number of observations.
    #[must_use]
    pub fn observations(&self) -> usize {
        self.days.iter().map(Vec::len).sum()
    }

    /// The number of days.
    #[must_use]
    pub fn days(&self) -> usize {
        self.days.len()
    }

    /// The start of the window.
    #[must_use]
    pub fn window_start() -> Timestamp {
        observe::window_start()
    }

    /// The observations of a day.
    pub fn day(&self, day: usize) -> impl Iterator<Item = Observation> + '_ {
        self.days.get(day).into_iter().flatten().filter_map(|(at, visit)| {
            let host = self.hosts.get(*at as usize)?;
            Some(observe::observe(*at as usize, host, usize::from(*visit)))
        })
    }

    /// The figures that a study of all observations must find.
    #[must_use]
    pub fn truth(&self) -> Vec<Planted> {
        truth::figures(&self.hosts)
    }
}

#[cfg(test)]
mod tests;
