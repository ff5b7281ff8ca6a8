//! Labelled traffic: ordinary use of several kinds, and each attack, the same for the same seed.
//!
//! Two parts of one seed have nothing in common but the kinds: thresholds may be chosen with one of them, and are measured with the other.

mod attacks;
mod ordinary;
mod random;
mod words;

use std::net::IpAddr;

use serde::Serialize;
use vigie_model::{Effect, Timestamp};

use self::random::Random;
use crate::content::{Content, SketchKey};
use crate::event::{Event, Outcome};

/// The half of the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Thresholds and patterns may be chosen with it.
    Tuning,
    /// They are measured with it.
    HeldBack,
}

impl Part {
    /// The part with a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "tuning" => Some(Self::Tuning),
            "held-back" => Some(Self::HeldBack),
            _ => None,
        }
    }
}

/// The requests of one key, or of one stranger, in their order, and what they are.
#[derive(Clone, Debug, Serialize)]
pub struct Stream {
    /// What it is: an ordinary use, or an attack.
    pub kind: &'static str,
    /// The detector that should alert; `None`: ordinary use, about which none should.
    pub attack: Option<&'static str>,
    /// From when on it is an attack: before that the key is used in an ordinary way.
    pub attacked_from: Option<Timestamp>,
    /// The requests.
    pub events: Vec<Event>,
}

/// A kind of traffic: its name, the detector that should alert, and what writes it.
struct KindOf {
    name: &'static str,
    attack: Option<&'static str>,
    write: fn(&mut Writer),
}

/// How many kinds of ordinary use and of attacks there are.
#[must_use]
pub fn kinds() -> (usize, usize) {
    (ordinary::KINDS.len(), attacks::KINDS.len())
}

/// Streams: `per_kind` of each kind.
pub fn streams(seed: u64, part: Part, per_kind: u32) -> impl Iterator<Item = Stream> {
    let kinds = ordinary::KINDS.iter().chain(&attacks::KINDS).enumerate();
    kinds.flat_map(move |(at, kind)| {
        (0..per_kind).map(move |number| {
            let half = u64::from(part == Part::HeldBack);
            let seed = [seed, half, at as u64, u64::from(number)].into_iter().fold(0, random::stir);
            let mut writer = Writer::new(seed, format!("{}-{number}", kind.name));
            (kind.write)(&mut writer);
            writer.events.sort_by_key(|event| event.time);
            Stream {
                kind: kind.name,
                attack: kind.attack,
                attacked_from: writer.attacked_from,
                events: writer.events,
            }
        })
    })
}

/// A Monday at midnight, from which all traffic begins.
const MONDAY: i64 = 1_767_571_200;
const HOUR: f64 = 3_600.0;
const DAY: f64 = 86_400.0;

/// Writes the requests of one stream.
struct Writer {
    random: Random,
    events: Vec<Event>,
    key: Option<String>,
    address: IpAddr,
    model: &'static str,
    sketch_key: SketchKey,
    attacked_from: Option<Timestamp>,
}

impl Writer {
    fn new(seed: u64, key: String) -> Self {
        let mut random = Random::new(seed);
        let model = random.choose(&["llama3.2:3b", "qwen2.5:7b", "gemma3:4b", "mistral:7b", "phi4:latest"]);
        Self {
            address: random.address(),
            model,
            random,
            events: Vec::new(),
            key: Some(key),
            sketch_key: SketchKey::new([42; 16]),
            attacked_from: None,
        }
    }

    /// A request, so many seconds after Monday.
    fn request(&mut self, at: f64, method: &str, path: &str, effect: Option<Effect>) -> &mut Event {
        let time = Timestamp::from_timestamp_millis(MONDAY * 1_000 + (at.max(0.0) * 1_000.0) as i64).unwrap_or_default();
        self.events.push(Event {
            key: self.key.clone(),
            address: Some(self.address),
            method: Some(method.to_owned()),
            path: Some(path.to_owned()),
            effect,
            outcome: Some(Outcome::Answered),
            status: Some(200),
            ..Event::at(time)
        });
        let last = self.events.len() - 1;
        &mut self.events[last]
    }

    /// A request that was refused.
    fn refused(&mut self, at: f64, method: &str, path: &str, effect: Option<Effect>) -> &mut Event {
        let has_key = self.key.is_some();
        let event = self.request(at, method, path, effect);
        event.outcome = Some(if has_key { Outcome::NotGranted } else { Outcome::NoKey });
        event.status = Some(if has_key { 403 } else { 401 });
        event
    }

    /// A chat with that text, and tools.
    fn chat(&mut self, at: f64, text: &str, output: f64, tools: &[&str]) {
        let tools: Vec<_> = tools.iter().map(|name| serde_json::json!({"function": {"name": name}})).collect();
        let body = serde_json::json!({"model": self.model, "messages": [{"role": "user", "content": text}], "tools": tools}).to_string();
        let content = Content::read(body.as_bytes(), &self.sketch_key);
        let (model, output) = (self.model, self.random.about(output));
        let event = self.request(at, "POST", "/api/chat", Some(Effect::Infer));
        event.models = vec![model.to_owned()];
        event.prompt_tokens = Some(text.len() as u64 / 4 + 20);
        event.output_tokens = Some(output as u64);
        event.request_bytes = Some(body.len() as u64);
        event.duration_ms = Some(output * 20.0);
        event.content = Some(content);
    }

    /// A text that is embedded.
    fn embed(&mut self, at: f64, text: &str) {
        let body = serde_json::json!({"model": "nomic-embed-text:latest", "input": text}).to_string();
        let content = Content::read(body.as_bytes(), &self.sketch_key);
        let event = self.request(at, "POST", "/api/embed", Some(Effect::Infer));
        event.models = vec!["nomic-embed-text:latest".to_owned()];
        event.prompt_tokens = Some(text.len() as u64 / 4 + 1);
        event.request_bytes = Some(body.len() as u64);
        event.content = Some(content);
    }

    /// The attack begins.
    fn attack(&mut self, at: f64) {
        self.attacked_from = Timestamp::from_timestamp(MONDAY + at as i64, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors;

    #[test]
    fn the_same_seed_writes_the_same_and_the_parts_differ() {
        let write = |seed, part| {
            streams(seed, part, 1)
                .map(|stream| serde_json::to_string(&stream).expect("JSON"))
                .collect::<Vec<_>>()
        };
        let one = write(1, Part::Tuning);
        assert_eq!(one, write(1, Part::Tuning));
        assert!(one.iter().zip(write(1, Part::HeldBack)).all(|(one, other)| *one != other));
        assert!(one.iter().zip(write(2, Part::Tuning)).all(|(one, other)| *one != other));
    }

    #[test]
    fn every_detector_has_an_attack_and_streams_are_in_order() {
        let mut attacked = std::collections::BTreeSet::new();
        for stream in streams(3, Part::Tuning, 1) {
            assert!(!stream.events.is_empty(), "{}", stream.kind);
            assert!(stream.events.is_sorted_by_key(|event| event.time), "{}", stream.kind);
            assert_eq!(stream.attack.is_some(), stream.attacked_from.is_some(), "{}", stream.kind);
            attacked.extend(stream.attack);
        }
        assert_eq!(attacked, detectors::ABOUT.iter().map(|about| about.id).collect());
    }
}
