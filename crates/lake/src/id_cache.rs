//! Cache of the ids of contents that several observations share, so that each is hashed once.

use std::collections::HashMap;

use vigie_model::{Certificate, Deception, Exposure, Identity, Known, Mark, Observation};

use crate::prepared::ContentIds;

/// Maximum number of entries.
const MOST: usize = 1 << 16;

/// Below this many entries, unused ones are not removed.
const FEW: usize = 1 << 10;

/// Ids of contents that some observation in memory still refers to. An entry keeps only weak references to the content.
#[derive(Debug, Default)]
pub(crate) struct IdCache {
    entries: HashMap<usize, Entry>,
    /// The number of entries in use when unused ones were last removed.
    held: usize,
}

#[derive(Debug)]
struct Entry {
    exposure: Mark<Exposure>,
    identity: Mark<Identity>,
    tls: Known<bool>,
    certificate: Option<Certificate>,
    deception: Deception,
    ids: ContentIds,
}

impl Entry {
    fn is_of(&self, observation: &Observation) -> bool {
        self.exposure.is(&observation.exposure)
            && self.identity.is(&observation.identity)
            && self.tls == observation.endpoint.tls
            && self.certificate == observation.endpoint.certificate
            && self.deception == observation.deception
    }
}

impl IdCache {
    /// The ids of an observation's contents.
    pub(crate) fn ids(&mut self, observation: &Observation) -> Result<ContentIds, serde_json::Error> {
        // A content with one owner does not come again.
        if observation.exposure.is_alone() {
            return ContentIds::of(observation);
        }
        let exposure = observation.exposure.mark();
        let number = exposure.number();
        if let Some(entry) = self.entries.get(&number)
            && entry.is_of(observation)
        {
            return Ok(entry.ids);
        }
        let ids = ContentIds::of(observation)?;
        if self.entries.len() >= (2 * self.held).clamp(FEW, MOST) {
            self.entries.retain(|_, entry| !entry.exposure.is_gone());
            if self.entries.len() >= MOST {
                self.entries.clear();
            }
            self.held = self.entries.len();
        }
        let entry = Entry {
            exposure,
            identity: observation.identity.mark(),
            tls: observation.endpoint.tls.clone(),
            certificate: observation.endpoint.certificate.clone(),
            deception: observation.deception.clone(),
            ids,
        };
        self.entries.insert(number, entry);
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"schema":"vigie.observation/1","seen":"2026-11-22T08:00:00Z","recorded":"2026-11-22T08:00:01Z","source":{"kind":"scan","name":"vigie","version":"0.1.0"},"scope":{"unknown":"not-asked"},"endpoint":{"address":"192.0.2.7","port":11434,"transport":"tcp","name":null,"tls":{"known":false}},"identity":{"product":{"known":"ollama"},"version":{"known":"0.9.0"},"confidence":0.9,"evidence":[]},"exposure":{"posture":{"known":"open"},"posture_from":null,"reach":{"unknown":"not-asked"},"activity":{"unknown":"not-asked"},"models":{"known":[]},"running":{"unknown":"not-asked"},"capabilities":{"unknown":"not-asked"},"tools":{"unknown":"not-asked"}},"network":{"country":{"known":"DE"},"asn":{"known":1},"class":{"unknown":"not-asked"}},"deception":{"score":{"known":0.0},"tells":[]},"advisories":[],"findings":[]}"#;

    #[test]
    fn unused_entries_are_removed() {
        let one: Observation = serde_json::from_str(LINE).expect("an observation");
        let mut cache = IdCache::default();
        for _ in 0..10 * FEW {
            let mut observation = one.clone();
            observation.exposure = Exposure::clone(&one.exposure).into();
            let held = observation.exposure.clone();
            cache.ids(&observation).expect("an id");
            drop(held);
        }
        assert!(cache.entries.len() <= FEW, "{}", cache.entries.len());
    }
}
