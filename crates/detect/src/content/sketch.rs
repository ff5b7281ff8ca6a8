//! Sketches of texts: equal in as many places as the texts have words and pairs of words in common.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Places of a sketch.
const PLACES: usize = 16;
/// Words of a text that are looked at.
const WORDS: usize = 512;

/// The secret with which sketches are made. Without it nobody can try whether a sketch is that of a text.
#[derive(Clone)]
pub struct SketchKey([u8; 16]);

impl SketchKey {
    /// A key of random bytes.
    #[must_use]
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(super) fn hash(&self, bytes: &[u8]) -> u64 {
        use std::hash::Hasher as _;
        let mut hasher = siphasher::sip::SipHasher13::new_with_key(&self.0);
        hasher.write(bytes);
        hasher.finish()
    }
}

impl std::fmt::Debug for SketchKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SketchKey")
    }
}

/// A sketch of a text, by minima of keyed hashes of its words and pairs of words, each in one of 16 places.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sketch([u16; PLACES]);

/// A place in which no hash is.
const EMPTY: u16 = u16::MAX;

impl Sketch {
    /// The sketch of a text; `None`: it has no words.
    #[must_use]
    pub fn of(text: &str, key: &SketchKey) -> Option<Self> {
        let mut places = [EMPTY; PLACES];
        let mut put = |hash: u64| {
            let place = &mut places[(hash >> 60) as usize];
            *place = (*place).min(((hash & 0xffff) as u16).min(EMPTY - 1));
        };
        let mut last = None;
        let mut word_lower = String::new();
        for word in text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .take(WORDS)
        {
            word_lower.clear();
            word_lower.extend(word.chars().flat_map(char::to_lowercase));
            let hash = key.hash(word_lower.as_bytes());
            put(hash);
            if let Some(last) = last {
                put(mix(last, hash));
            }
            last = Some(hash);
        }
        last.map(|_| Self(places))
    }

    /// About how much of what either text has, both have: from 0 to 1.
    #[must_use]
    pub fn likeness(&self, other: &Self) -> f64 {
        let (mut filled, mut equal) = (0_u32, 0_u32);
        for (one, other) in self.0.iter().zip(other.0) {
            if *one != EMPTY || other != EMPTY {
                filled += 1;
                equal += u32::from(*one == other);
            }
        }
        if filled == 0 { 1.0 } else { f64::from(equal) / f64::from(filled) }
    }
}

/// One hash of two in their order. Both are keyed, so nobody can aim at its values.
fn mix(first: u64, second: u64) -> u64 {
    let mixed = u128::from(first ^ 0x9e37_79b9_7f4a_7c15) * u128::from(second.rotate_left(32) | 1);
    (mixed >> 64) as u64 ^ mixed as u64
}

impl std::fmt::Debug for Sketch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sketch({})", self.hex())
    }
}

impl Sketch {
    fn hex(&self) -> String {
        use std::fmt::Write as _;
        self.0.iter().fold(String::with_capacity(4 * PLACES), |mut text, place| {
            let _ = write!(text, "{place:04x}");
            text
        })
    }
}

impl Serialize for Sketch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.hex())
    }
}

impl<'de> Deserialize<'de> for Sketch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let mut places = [EMPTY; PLACES];
        let bad = || de::Error::custom("a sketch has 64 hexadecimal digits");
        if text.len() != 4 * PLACES || !text.is_ascii() {
            return Err(bad());
        }
        for (number, place) in places.iter_mut().enumerate() {
            *place = text
                .get(4 * number..4 * number + 4)
                .and_then(|digits| u16::from_str_radix(digits, 16).ok())
                .ok_or_else(bad)?;
        }
        Ok(Self(places))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likeness(one: &str, other: &str) -> f64 {
        let key = SketchKey::new([3; 16]);
        let of = |text| Sketch::of(text, &key).expect("words");
        of(one).likeness(&of(other))
    }

    #[test]
    fn near_texts_are_alike_and_others_are_not() {
        let text = "Which illness did the patient with the number 17 have in the last year?";
        assert!((likeness(text, text) - 1.0).abs() < 1e-9);
        assert!((likeness(text, "which ILLNESS did the patient with the number 17, have in the last year") - 1.0).abs() < 1e-9);
        assert!(likeness(text, "Which illness did the patient with the number 4711 have in the last year?") > 0.55);
        assert!(likeness(text, "Write a short poem about a lighthouse in winter.") < 0.3);
        assert_eq!(Sketch::of(" ... ", &SketchKey::new([3; 16])), None);
    }

    #[test]
    fn sketches_of_another_key_say_nothing_and_the_json_form_reads_back() {
        let (one, other) = (SketchKey::new([1; 16]), SketchKey::new([2; 16]));
        let text = "the same words in both of these long enough texts, whatever they are";
        let (a, b) = (Sketch::of(text, &one).expect("words"), Sketch::of(text, &other).expect("words"));
        assert!(a.likeness(&b) < 0.3);
        let json = serde_json::to_string(&a).expect("JSON");
        assert_eq!(serde_json::from_str::<Sketch>(&json).expect("it reads"), a);
        assert!(serde_json::from_str::<Sketch>("\"zz\"").is_err());
    }
}
