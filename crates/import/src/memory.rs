//! What lines said before: the same server says the same for months, and a long text is quicker compared than read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ahash::RandomState;
use serde::Deserialize;
use vigie_model::{AdvisoryCoverage, AdvisoryVerdict, Deception, Exposure, Finding, Identity, Network, Shared};

/// Bytes that are remembered, at most: texts, and what was read from them, which takes one and a half times as much or, where a server has
/// many models, more. Of the million lines of the simulated population, which hold 22,859 different texts, 21,000 find room at a time.
const REMEMBERED: usize = 160 << 20;

/// Parts with a lock each, so that threads seldom wait.
const PARTS: usize = 16;

/// The longest text that is remembered.
const LONGEST: usize = REMEMBERED / PARTS / 8;

/// What stands at the end of a line of vigie's own, from the identity on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    pub(crate) identity: Shared<Identity>,
    pub(crate) exposure: Shared<Exposure>,
    pub(crate) network: Network,
    pub(crate) deception: Deception,
    pub(crate) advisories: Arc<[AdvisoryVerdict]>,
    #[serde(default)]
    pub(crate) advisory_coverage: Option<AdvisoryCoverage>,
    pub(crate) findings: Shared<Vec<Finding>>,
}

impl Said {
    /// About how many bytes it takes.
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

/// Texts and what was read from them. Threads share it.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    // With secrets of this process: a file cannot be made to collide.
    hasher: RandomState,
    parts: [Mutex<Part>; PARTS],
}

/// Two generations: when the young one is full the old one goes, but for what was asked for since.
#[derive(Debug, Default)]
struct Part {
    young: Generation,
    old: Generation,
    bytes: usize,
}

/// By the hash of the text, with the text itself: equal hashes are no proof.
type Generation = HashMap<u64, (Box<[u8]>, Said), RandomState>;

impl Memory {
    /// What this text says, if it was read before.
    pub(crate) fn recall(&self, text: &[u8]) -> Option<Said> {
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

    /// Remembers what a text says.
    pub(crate) fn keep(&self, text: &[u8], said: Said) {
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
        // The low bits choose the place within the part.
        &self.parts[(hash >> 56) as usize % PARTS]
    }
}

impl Part {
    fn keep(&mut self, hash: u64, text: Box<[u8]>, said: Said) {
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

    /// What is held in all.
    fn held(memory: &Memory) -> usize {
        let of = |part: &Part| -> usize {
            let kept = part.young.values().chain(part.old.values());
            kept.map(|(text, said)| text.len() + said.weight()).sum()
        };
        memory.parts.iter().map(|part| of(&part.lock().expect("not poisoned"))).sum()
    }

    /// A short text of which much was read: the bound is of both.
    #[test]
    fn what_was_read_counts_beside_the_text() {
        let memory = Memory::default();
        let model = vigie_model::Model::named("x", vigie_model::Why::NotAsked);
        let said = |number: usize| {
            let mut said: Said = serde_json::from_str(&text(number)).expect("what a line says");
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
    fn it_says_what_was_said_and_holds_no_more_than_it_may() {
        let memory = Memory::default();
        let long = |number| format!("{}{}", text(number), " ".repeat(100_000));
        assert!(memory.recall(long(0).as_bytes()).is_none());
        let first = long(0);
        for number in 0..4_000 {
            let (short, long) = (text(number), long(number));
            memory.keep(long.as_bytes(), serde_json::from_str(&short).expect("what a line says"));
            let said = memory.recall(long.as_bytes()).expect("it was just said");
            assert_eq!(said.identity.version.known().map(String::as_str), Some(&*format!("0.{number}.0")));
            // What is asked for again and again stays.
            if number > 0 {
                assert!(memory.recall(first.as_bytes()).is_some(), "after {number}");
            }
        }
        let held = held(&memory);
        assert!(held <= REMEMBERED, "{held}");
        assert!(memory.recall(long(1).as_bytes()).is_none(), "400 MB were said since");
    }
}
