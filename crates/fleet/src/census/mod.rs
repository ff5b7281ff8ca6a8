//! A population of hosts over months, as a study would see it: who is there, what each says on each of its days, and what a study
//! must find.
//!
//! The published marginals are planted by quota ([`Census::plan`]), so they hold exactly and the seed only says where; the figures
//! that follow are counted from the plan ([`Census::truth`]), not from what was written. Addresses are of 240.0.0.0/4 and AS numbers of
//! the private range: nobody's.

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
    hosts: Vec<host::Host>,
    /// By day: which host, and its how manyth look.
    days: Vec<Vec<(u32, u16)>>,
}

impl Census {
    /// Plans a population: `scale` 1 has 175,108 hosts and 7.23 million observations over 293 days; 100 hosts are the least.
    #[must_use]
    pub fn plan(seed: u64, scale: f64) -> Self {
        let hosts = plan::hosts(seed, scale);
        let mut days: Vec<Vec<(u32, u16)>> = vec![Vec::new(); usize::from(marginals::DAYS)];
        for (at, host) in hosts.iter().enumerate() {
            for (look, day) in host.days.iter().enumerate() {
                // Fewer than 2^32 hosts and 293 looks.
                days[usize::from(*day)].push((at as u32, look as u16));
            }
        }
        Self { hosts, days }
    }

    /// How many hosts.
    #[must_use]
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// How many observations.
    #[must_use]
    pub fn observations(&self) -> usize {
        self.days.iter().map(Vec::len).sum()
    }

    /// How many days.
    #[must_use]
    pub fn days(&self) -> usize {
        self.days.len()
    }

    /// The instant at which the window begins.
    #[must_use]
    pub fn window_start() -> Timestamp {
        observe::window_start()
    }

    /// The observations of a day, one at a time.
    pub fn day(&self, day: usize) -> impl Iterator<Item = Observation> + '_ {
        self.days.get(day).into_iter().flatten().filter_map(|(at, look)| {
            let host = self.hosts.get(*at as usize)?;
            Some(observe::observe(*at as usize, host, usize::from(*look)))
        })
    }

    /// What a study of all of it must find.
    #[must_use]
    pub fn truth(&self) -> Vec<Planted> {
        truth::figures(&self.hosts)
    }
}

#[cfg(test)]
mod tests;
