//! The ids of contents that observations have in common, so that each is worked out once.

use std::collections::HashMap;

use vigie_model::{Certificate, Deception, Exposure, Identity, Known, Mark, Observation};

use crate::record::ContentIds;

/// How many contents are noted, at most.
const NOTED: usize = 1 << 16;

/// How many there are at least before those go that nobody holds any more.
const FEW: usize = 1 << 10;

/// Contents that were met and are still held by somebody, with their ids. It holds none of them itself, though the room of their outermost
/// parts.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    notes: HashMap<usize, Note>,
    /// How many were held when those were last taken out that nobody held.
    held: usize,
}

#[derive(Debug)]
struct Note {
    exposure: Mark<Exposure>,
    identity: Mark<Identity>,
    tls: Known<bool>,
    certificate: Option<Certificate>,
    deception: Deception,
    ids: ContentIds,
}

impl Note {
    fn is_of(&self, observation: &Observation) -> bool {
        self.exposure.is(&observation.exposure)
            && self.identity.is(&observation.identity)
            && self.tls == observation.endpoint.tls
            && self.certificate == observation.endpoint.certificate
            && self.deception == observation.deception
    }
}

impl Noted {
    /// The ids of what an observation says.
    pub(crate) fn ids(&mut self, observation: &Observation) -> Result<ContentIds, serde_json::Error> {
        // What nobody else holds will not come again.
        if observation.exposure.is_alone() {
            return ContentIds::of(observation);
        }
        let exposure = observation.exposure.mark();
        let number = exposure.number();
        if let Some(note) = self.notes.get(&number)
            && note.is_of(observation)
        {
            return Ok(note.ids);
        }
        let ids = ContentIds::of(observation)?;
        if self.notes.len() >= (2 * self.held).clamp(FEW, NOTED) {
            self.notes.retain(|_, note| !note.exposure.is_gone());
            if self.notes.len() >= NOTED {
                self.notes.clear();
            }
            self.held = self.notes.len();
        }
        let note = Note {
            exposure,
            identity: observation.identity.mark(),
            tls: observation.endpoint.tls.clone(),
            certificate: observation.endpoint.certificate.clone(),
            deception: observation.deception.clone(),
            ids,
        };
        self.notes.insert(number, note);
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"schema":"vigie.observation/1","seen":"2026-11-22T08:00:00Z","recorded":"2026-11-22T08:00:01Z","source":{"kind":"scan","name":"vigie","version":"0.1.0"},"scope":{"unknown":"not-asked"},"endpoint":{"address":"192.0.2.7","port":11434,"transport":"tcp","name":null,"tls":{"known":false}},"identity":{"product":{"known":"ollama"},"version":{"known":"0.9.0"},"confidence":0.9,"evidence":[]},"exposure":{"posture":{"known":"open"},"posture_from":null,"reach":{"unknown":"not-asked"},"activity":{"unknown":"not-asked"},"models":{"known":[]},"running":{"unknown":"not-asked"},"capabilities":{"unknown":"not-asked"},"tools":{"unknown":"not-asked"}},"network":{"country":{"known":"DE"},"asn":{"known":1},"class":{"unknown":"not-asked"}},"deception":{"score":{"known":0.0},"tells":[]},"advisories":[],"findings":[]}"#;

    #[test]
    fn what_nobody_holds_is_not_noted_for_long() {
        let one: Observation = serde_json::from_str(LINE).expect("an observation");
        let mut noted = Noted::default();
        for _ in 0..10 * FEW {
            let mut observation = one.clone();
            observation.exposure = Exposure::clone(&one.exposure).into();
            let held = observation.exposure.clone();
            noted.ids(&observation).expect("an id");
            drop(held);
        }
        assert!(noted.notes.len() <= FEW, "{}", noted.notes.len());
    }
}
