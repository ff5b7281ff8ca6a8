//! Cache of the ends of lines in vigie's own format: a server gives the same results for months, and comparing a text is faster than parsing it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ahash::RandomState;
use serde::Deserialize;
use vigie_model::{AdvisoryCoverage, AdvisoryVerdict, Deception, Exposure, Finding, Identity, Network, Shared};

/// The most bytes in the cache: texts and what was parsed from them, which takes one and a half times as much, or more for servers with many
/// models. Of the 22,859 different texts in the million lines of the simulated population, 21,000 fit.
const REMEMBERED: usize = 160 << 20;

/// Parts with a lock each, so that threads rarely wait.
const PARTS: usize = 16;

/// The longest text that is cached.
const LONGEST: usize = REMEMBERED / PARTS / 8;

/// The end of a line in vigie's own format, from the identity on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LineEnd {
    pub(crate) identity: Shared<Identity>,
    pub(crate) exposure: Shared<Exposure>,
    pub(crate) network: Network,
    pub(crate) deception: Deception,
    pub(crate) advisories: Arc<[AdvisoryVerdict]>,
    #[serde(default)]
    pub(crate) advisory_coverage: Option<AdvisoryCoverage>,
    pub(crate) findings: Shared<Vec<Finding>>,
}

impl LineEnd {
    /// Its approximate size in bytes.
    fn weight(&self) -> usize {
        size_of::<Self>()
            + self.identity.weight()
            + self.exposure.weight()
            + self.network.texts_weight()
            + self.deception.texts_weight()
            + self.advisories.iter().map(AdvisoryVerdict::weight).sum::<usize>()
            + self.findings.iter().map(Finding::weight).sum::<usize>()
    }
}

/// Texts and what was parsed from them. Threads share it.
#[derive(Debug, Default)]
pub(crate) struct LineCache {
    // Keyed at random per process, so that no file can be made to collide.
    hasher: RandomState,
    parts: [Mutex<Part>; PARTS],
}

/// Two generations: when the young one is full, the old one is dropped, except for entries that were used since.
#[derive(Debug, Default)]
struct Part {
    young: Generation,
    old: Generation,
    bytes: usize,
}

/// By the hash of the text, with the text itself, because hashes may collide.
type Generation = HashMap<u64, (Box<[u8]>, LineEnd), RandomState>;

impl LineCache {
    /// The parsed end of a line, if the text is in the cache.
    pub(crate) fn get(&self, text: &[u8]) -> Option<LineEnd> {
        let hash = self.hasher.hash_one(text);
        let mut part = self.part(hash).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((kept, said)) = part.young.get(&hash) {
            return (**kept == *text).then(|| said.clone());
        }
        if part.old.get(&hash).is_none_or(|(kept, _)| **kept != *text) {
            return None;
        }
        let (kept, said) = part.old.remove(&hash)?;
        part.keep(hash, kept, said.clone());
        Some(said)
    }

    /// Adds a text and what was parsed from it.
    pub(crate) fn keep(&self, text: &[u8], said: LineEnd) {
        if text.len() > LONGEST {
            return;
        }
        let hash = self.hasher.hash_one(text);
        self.part(hash)
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .keep(hash, text.into(), said);
    }

    fn part(&self, hash: u64) -> &Mutex<Part> {
        // The low bits select the bucket within the part.
        &self.parts[(hash >> 56) as usize % PARTS]
    }
}

impl Part {
    fn keep(&mut self, hash: u64, text: Box<[u8]>, said: LineEnd) {
        let bytes = text.len() + said.weight();
        if self.bytes + bytes > REMEMBERED / PARTS / 2 {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.young.insert(hash, (text, said));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: usize) -> String {
        format!(
            r#"{{"identity":{{"product":{{"known":"ollama"}},"version":{{"known":"0.{number}.0"}},"confidence":0.9,"evidence":[]}},"exposure":{},"network":{{"country":{{"known":"DE"}},"asn":{{"known":1}},"class":{{"unknown":"not-asked"}}}},"deception":{{"score":{{"known":0.0}},"tells":[]}},"advisories":[],"findings":[]}}"#,
            r#"{"posture":{"known":"open"},"posture_from":null,"reach":{"unknown":"not-asked"},"activity":{"unknown":"not-asked"},"models":{"known":[]},"running":{"unknown":"not-asked"},"capabilities":{"unknown":"not-asked"},"tools":{"unknown":"not-asked"}}"#,
        )
    }

    /// The bytes in the cache.
    fn held(memory: &LineCache) -> usize {
        let of = |part: &Part| -> usize {
            let kept = part.young.values().chain(part.old.values());
            kept.map(|(text, said)| text.len() + said.weight()).sum()
        };
        memory.parts.iter().map(|part| of(&part.lock().expect("not poisoned"))).sum()
    }

    /// A short text may give a large value: the bound counts both.
    #[test]
    fn parsed_values_count_towards_the_bound() {
        let memory = LineCache::default();
        let model = vigie_model::Model::named("x", vigie_model::Why::NotAsked);
        let said = |number: usize| {
            let mut said: LineEnd = serde_json::from_str(&text(number)).expect("what a line says");
            said.exposure.models = vigie_model::Known::Known(vec![model.clone(); 200]);
            said
        };
        assert!(said(0).weight() > 200 * size_of_val(&model), "{}", said(0).weight());
        for number in 0..2_000 {
            memory.keep(text(number).as_bytes(), said(number));
        }
        let held = held(&memory);
        // 2,000 of them take 260 MB.
        assert!((REMEMBERED / 4..=REMEMBERED).contains(&held), "{held}");
    }

    #[test]
    fn the_cache_returns_what_was_stored_and_is_bounded() {
        let memory = LineCache::default();
        let long = |number| format!("{}{}", text(number), " ".repeat(100_000));
        assert!(memory.get(long(0).as_bytes()).is_none());
        let first = long(0);
        for number in 0..4_000 {
            let (short, long) = (text(number), long(number));
            memory.keep(long.as_bytes(), serde_json::from_str(&short).expect("what a line says"));
            let said = memory.get(long.as_bytes()).expect("it was just said");
            assert_eq!(said.identity.version.known().map(String::as_str), Some(&*format!("0.{number}.0")));
            // What is asked for again and again stays.
            if number > 0 {
                assert!(memory.get(first.as_bytes()).is_some(), "after {number}");
            }
        }
        let held = held(&memory);
        assert!(held <= REMEMBERED, "{held}");
        assert!(memory.get(long(1).as_bytes()).is_none(), "400 MB were said since");
    }
}
