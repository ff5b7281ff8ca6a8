//! Detection and false-positive rates of the detectors, on labelled traffic and labelled texts.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::content::{Content, SketchKey};
use crate::detectors::{self, ABOUT};
use crate::engine::Engine;
use crate::traffic::{Part, Stream, streams};

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// Those that were noticed.
    pub noticed: u32,
    /// All.
    pub of: u32,
}

impl Rate {
    fn count(&mut self, noticed: bool) {
        self.of += 1;
        self.noticed += u32::from(noticed);
    }

    /// The share; `None`: of nothing.
    #[must_use]
    pub fn share(self) -> Option<f64> {
        (self.of > 0).then(|| f64::from(self.noticed) / f64::from(self.of))
    }

    /// The interval in which the share of all traffic of this kind is, with 95 % confidence (Wilson's score); `None`: of nothing.
    #[must_use]
    pub fn interval(self) -> Option<(f64, f64)> {
        let share = self.share()?;
        let (n, z) = (f64::from(self.of), 1.96_f64);
        let middle = share + z * z / (2.0 * n);
        let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
        let whole = 1.0 + z * z / n;
        Some((((middle - half) / whole).max(0.0), ((middle + half) / whole).min(1.0)))
    }
}

/// What a detector notices.
#[derive(Clone, Debug, Serialize)]
pub struct Detection {
    /// The detector.
    pub detector: &'static str,
    /// Streams of its attack about which it alerted after the attack began.
    pub detected: Rate,
    /// Streams of ordinary use about which it alerted.
    pub false_alerts: Rate,
    /// The same by kind of traffic, for the kinds in which it should have alerted, or did so by mistake.
    pub by_kind: BTreeMap<&'static str, Rate>,
    /// Requests of ordinary use, of which one in so many led to an alert that is no repeat.
    pub ordinary_requests: u64,
    /// Such alerts.
    pub ordinary_alerts: u64,
}

/// Measures the detectors on generated traffic.
#[must_use]
pub fn traffic(seed: u64, part: Part, per_kind: u32) -> Vec<Detection> {
    let mut all: Vec<Detection> = ABOUT
        .iter()
        .map(|about| Detection {
            detector: about.id,
            detected: Rate::default(),
            false_alerts: Rate::default(),
            by_kind: BTreeMap::new(),
            ordinary_requests: 0,
            ordinary_alerts: 0,
        })
        .collect();
    let mut attacks = BTreeSet::new();
    for stream in streams(seed, part, per_kind) {
        if stream.attack.is_some() {
            attacks.insert(stream.kind);
        }
        // Of each detector: an alert before the attack, or about no attack; and one after it began.
        let alerts = alerts(&stream);
        for detection in &mut all {
            let of = |late: bool| {
                alerts
                    .iter()
                    .filter(|(id, is_late)| *id == detection.detector && *is_late == late)
                    .count()
            };
            let (early, late) = (of(false), of(true));
            if stream.attack == Some(detection.detector) {
                detection.detected.count(late > 0);
                detection.by_kind.entry(stream.kind).or_default().count(late > 0);
            }
            if stream.attack.is_none() {
                detection.false_alerts.count(early > 0);
                detection.by_kind.entry(stream.kind).or_default().count(early > 0);
                detection.ordinary_requests += stream.events.len() as u64;
                detection.ordinary_alerts += early as u64;
            }
        }
    }
    for detection in &mut all {
        detection.by_kind.retain(|kind, rate| attacks.contains(kind) || rate.noticed > 0);
    }
    all
}

/// The alerts about a stream that are no repeats, and whether they came after the attack began.
fn alerts(stream: &Stream) -> Vec<(&'static str, bool)> {
    let mut engine = Engine::new(&[], |_| true);
    let mut alerts = Vec::new();
    for event in &stream.events {
        let late = stream.attacked_from.is_some_and(|from| event.time >= from);
        let new = engine.see(event).into_iter().filter(|alert| !alert.is_repeat);
        alerts.extend(new.map(|alert| (alert.detector, late)));
    }
    alerts
}

/// A labelled text.
#[derive(Clone, Debug, Deserialize)]
pub struct Text {
    /// The detector that should notice it, or `ordinary`.
    pub label: String,
    /// Where it comes from.
    pub group: String,
    /// It.
    pub text: String,
}

/// What is noticed of a group of texts.
#[derive(Clone, Debug, Serialize)]
pub struct TextRate {
    /// The detector that should notice it, or `ordinary`.
    pub label: String,
    /// Where the texts come from.
    pub group: String,
    /// Those with a family of jailbreaks.
    pub jailbreak: Rate,
    /// Those that ask for the system prompt.
    pub system_prompt: Rate,
}

/// Measures on texts, each as the one message of a request.
pub fn texts(texts: impl IntoIterator<Item = Text>) -> Vec<TextRate> {
    let key = SketchKey::new([42; 16]);
    let mut groups: BTreeMap<(String, String), TextRate> = BTreeMap::new();
    for text in texts {
        let body = serde_json::json!({"messages": [{"role": "user", "content": text.text}]}).to_string();
        let families = Content::read(body.as_bytes(), &key).families;
        let rate = groups.entry((text.label.clone(), text.group.clone())).or_insert_with(|| TextRate {
            label: text.label,
            group: text.group,
            jailbreak: Rate::default(),
            system_prompt: Rate::default(),
        });
        rate.jailbreak.count(families.jailbreaks().next().is_some());
        rate.system_prompt.count(families.has(crate::content::Family::SystemPrompt));
    }
    groups.into_values().collect()
}

/// Whether a label is one that [`texts`] knows.
#[must_use]
pub fn is_label(label: &str) -> bool {
    label == "ordinary" || detectors::about(label).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_an_interval() {
        let rate = Rate { noticed: 8, of: 10 };
        let (low, high) = rate.interval().expect("of ten");
        assert!((low - 0.49).abs() < 0.01 && (high - 0.94).abs() < 0.01, "{low} {high}");
        assert_eq!(Rate::default().share(), None);
    }

    /// The figures of the documentation are measured by the command; here it is held that no detector is broken.
    #[test]
    fn every_detector_detects_and_ordinary_use_is_mostly_quiet() {
        for detection in traffic(5, Part::Tuning, 4) {
            let detected = detection.detected.share().expect("attacks");
            let wrong = detection.false_alerts.share().expect("ordinary use");
            assert!(detected >= 0.25, "{}: {detected}", detection.detector);
            assert!(wrong <= 0.3, "{}: {wrong}", detection.detector);
        }
    }
}
