//! The memory that a batch of observations takes.

use std::collections::HashSet;

use vigie_model::{Finding, Observation};

/// The bytes that observations take. Contents that several observations share are counted once.
#[derive(Default)]
pub(super) struct BatchWeight {
    bytes: usize,
    counted: HashSet<usize>,
}

impl BatchWeight {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn add(&mut self, observation: &Observation) {
        // Its own texts: those of its source and its endpoint.
        const TEXTS: usize = 400;
        let endpoint = &observation.endpoint;
        self.bytes += size_of::<Observation>() + TEXTS + endpoint.name.as_ref().map_or(0, String::len);
        self.bytes += observation.network.texts_weight();
        self.bytes += endpoint.certificate.as_ref().map_or(0, |certificate| {
            certificate.subject.len() + certificate.issuer.len() + certificate.names.iter().map(|name| name.len() + 24).sum::<usize>()
        });
        self.bytes += observation.deception.texts_weight();
        if self.counted.insert(observation.identity.mark().number()) {
            self.bytes += as_written(observation.identity.weight());
        }
        if self.counted.insert(observation.exposure.mark().number()) {
            self.bytes += as_written(observation.exposure.weight());
        }
        if self.counted.insert(observation.findings.mark().number()) {
            self.bytes += observation.findings.iter().map(Finding::weight).sum::<usize>();
        }
    }
}

/// The bytes that contents of this size take while they are written. Large contents are copied whole: hashed, put into columns, encoded
/// and compressed. Of small contents, only some are copied at a time.
fn as_written(bytes: usize) -> usize {
    if bytes < 1 << 20 { bytes } else { 4 * bytes }
}

#[cfg(test)]
mod tests {
    use vigie_model::Known;

    use super::super::samples::observations;
    use super::*;

    #[test]
    fn shared_contents_are_counted_once() {
        let mut same = observations([1, 2, 3]);
        let weigh = |all: &[Observation]| {
            let mut weight = BatchWeight::default();
            all.iter().for_each(|one| weight.add(one));
            weight.bytes
        };
        let shared = weigh(&same);
        let mut long = same[0].exposure.clone();
        long.models = Known::Known(vec![
            vigie_model::Model::named("m".repeat(1_000_000), vigie_model::Why::NotAsked);
            2
        ]);
        for one in &mut same {
            one.exposure = long.clone();
        }
        assert!((8_000_000..8_010_000).contains(&(weigh(&same) - shared)), "{}", weigh(&same));
    }
}
