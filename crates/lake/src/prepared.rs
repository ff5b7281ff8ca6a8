//! Observations ready to be written to the tables.

use std::io::BufWriter;
use std::net::IpAddr;

use chrono::NaiveDate;
use serde::Serialize;
use vigie_model::{
    Activity, Capability, Certificate, Deception, Identity, Known, Leak, Model, Observation, PathPrefix, Posture, Reach, Tool,
};

use crate::key::Key;

/// An observation with the ids of its contents, ready to be written.
pub(crate) struct Prepared<'a> {
    pub(crate) observation: &'a Observation,
    /// The address as text.
    pub(crate) address: String,
    /// The day it was seen, by which the table is partitioned.
    pub(crate) day: NaiveDate,
    pub(crate) ids: ContentIds,
}

/// The ids of an observation's contents: its state, and its list of models in memory unless that is empty or unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentIds {
    pub(crate) state: i64,
    pub(crate) running: Option<i64>,
}

impl ContentIds {
    pub(crate) fn of(observation: &Observation) -> Result<Self, serde_json::Error> {
        Ok(Self {
            state: content_id(&StateContent::of(observation))?,
            running: match observation.exposure.running.known() {
                Some(running) if !running.is_empty() => Some(content_id(running)?),
                _ => None,
            },
        })
    }
}

/// The values in the tables of a state: two observations share a state if these are equal. The state's id is their hash, so a change of
/// the fields changes the ids in every lake.
#[derive(PartialEq, Serialize)]
struct StateContent<'a>(
    &'a Known<bool>,
    &'a Option<Certificate>,
    &'a Identity,
    &'a Known<Posture>,
    &'a Option<String>,
    &'a Known<Reach>,
    &'a Known<Activity>,
    &'a Known<Vec<Model>>,
    &'a Known<Vec<Capability>>,
    &'a Known<Vec<Tool>>,
    &'a [Leak],
    &'a Option<bool>,
    &'a Deception,
    // Omitted if every list is complete, so that such a state has the same id as before this field existed.
    #[serde(skip_serializing_if = "is_whole")] (Option<u64>, Option<u64>),
);

fn is_whole((models, tools): &(Option<u64>, Option<u64>)) -> bool {
    models.is_none() && tools.is_none()
}

impl<'a> StateContent<'a> {
    fn of(observation: &'a Observation) -> Self {
        let exposure = &observation.exposure;
        Self(
            &observation.endpoint.tls,
            &observation.endpoint.certificate,
            &observation.identity,
            &exposure.posture,
            &exposure.posture_from,
            &exposure.reach,
            &exposure.activity,
            &exposure.models,
            &exposure.capabilities,
            &exposure.tools,
            &exposure.leaks,
            &exposure.inference_proved,
            &observation.deception,
            (exposure.models_at_least, exposure.tools_at_least),
        )
    }
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(observation: &'a Observation, ids: ContentIds) -> Self {
        Self {
            observation,
            address: observation.endpoint.address.to_string(),
            day: observation.seen.date_naive(),
            ids,
        }
    }

    pub(crate) fn key(&self) -> Key<'_> {
        let Observation { endpoint, source, .. } = self.observation;
        Key {
            seen: self.seen(),
            address: &self.address,
            port: i32::from(endpoint.port),
            transport: endpoint.transport.word(),
            name: endpoint.name.as_deref(),
            prefix: endpoint.prefix.as_ref().map(PathPrefix::as_str),
            source: [source.kind.word(), &source.name, &source.vantage],
        }
    }

    /// Microseconds since 1970.
    pub(crate) fn seen(&self) -> i64 {
        self.observation.seen.timestamp_micros()
    }

    /// The order of rows in a file: day, endpoint, instant. Neighbours then have similar values, which compress well.
    pub(crate) fn sort_key(&self) -> (NaiveDate, IpAddr, u16, i64) {
        let endpoint = &self.observation.endpoint;
        (self.day, endpoint.address, endpoint.port, self.seen())
    }

    /// The ids of another observation, if its contents are the same.
    pub(crate) fn ids_of(&self, observation: &Observation) -> Option<ContentIds> {
        let same = StateContent::of(self.observation) == StateContent::of(observation)
            && self.observation.exposure.running == observation.exposure.running;
        same.then_some(self.ids)
    }
}

/// The first 63 bits of the SHA-256 of a content's JSON: short, because each observation has one, and never
/// negative, because people read it.
fn content_id<T: Serialize>(content: &T) -> Result<i64, serde_json::Error> {
    // A server decides how long a content is: it is hashed while it is serialised, without a copy.
    let mut hasher = BufWriter::with_capacity(8 << 10, vigie_model::Sha256::default());
    serde_json::to_writer(&mut hasher, content)?;
    let hasher = hasher.into_inner().map_err(|error| serde_json::Error::io(error.into_error()))?;
    let hash = hasher.finish();
    let digits = hash.trim_start_matches("sha256:").get(..16).unwrap_or("0");
    let bits = u64::from_str_radix(digits, 16).unwrap_or(0) >> 1;
    Ok(i64::try_from(bits).unwrap_or(0))
}
