//! The ids of contents that observations have in common, so that each is worked out once.

use std::collections::HashMap;

use vigie_model::{Certificate, Deception, Exposure, Identity, Known, Mark, Observation};

use crate::record::ContentIds;

/// How many contents are noted, at most.
const NOTED: usize = 1 << 16;

/// Contents that were met and are still held by somebody, with their ids. It holds none of them itself.
#[derive(Debug, Default)]
pub(crate) struct Noted(HashMap<usize, Note>);

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
        if let Some(note) = self.0.get(&number)
            && note.is_of(observation)
        {
            return Ok(note.ids);
        }
        let ids = ContentIds::of(observation)?;
        if self.0.len() >= NOTED {
            self.0.retain(|_, note| !note.exposure.is_gone());
            if self.0.len() >= NOTED {
                self.0.clear();
            }
        }
        let note = Note {
            exposure,
            identity: observation.identity.mark(),
            tls: observation.endpoint.tls.clone(),
            certificate: observation.endpoint.certificate.clone(),
            deception: observation.deception.clone(),
            ids,
        };
        self.0.insert(number, note);
        Ok(ids)
    }
}
