//! Length and keyed hash of a prompt: the owner can tell equal prompts, and nobody can tell what they say.

use std::fmt;

use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Serialize;
use vigie_catalog::table::{Item, Json, JsonKind};

use super::chain::{hex, unhex};

/// The keys of a body that hold the prompt, in this order.
const PROMPTS: [&str; 9] = [
    "system",
    "instructions",
    "messages",
    "prompt",
    "suffix",
    "input",
    "input_prefix",
    "input_suffix",
    "images",
];
/// Texts under these keys say how a prompt is built, not what it says.
const FRAMES: [&str; 3] = ["role", "type", "id"];
/// The depth to which texts are looked for.
const DEPTH: usize = 12;

/// The key of the keyed hashes, from a file of the gateway's folder.
#[derive(Clone)]
pub struct PromptKey(hmac::Key);

impl fmt::Debug for PromptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PromptKey")
    }
}

/// Length and keyed hash of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PromptMark {
    /// Bytes of its texts.
    pub bytes: u64,
    /// HMAC-SHA-256, in hexadecimal digits.
    pub hmac: String,
}

impl PromptKey {
    /// The text of a new key's file.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub fn generate() -> Result<String, ring::error::Unspecified> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes)?;
        Ok(hex(&bytes) + "\n")
    }

    /// Reads a key's file.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let bytes: [u8; 32] = unhex(text.trim().as_bytes())?;
        Some(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The mark of the prompt in a body; `None`: it has none. Equal texts have equal marks, whichever API they are sent to.
    #[must_use]
    pub fn mark(&self, body: &Json<'_>) -> Option<PromptMark> {
        let mut hashed = Hashed {
            context: hmac::Context::with_key(&self.0),
            bytes: 0,
            texts: 0,
        };
        let place = |name: Item<'_, '_>| name.text().and_then(|name| PROMPTS.iter().position(|key| *key == name));
        let mut prompts: Vec<_> = body
            .root()
            .entries()
            .filter_map(|(name, value)| Some((place(name)?, value)))
            .collect();
        prompts.sort_by_key(|(place, _)| *place);
        prompts.into_iter().for_each(|(_, value)| hashed.texts_of(value, DEPTH));
        hashed.mark()
    }

    /// The mark of a prompt that is one text.
    #[must_use]
    pub fn mark_text(&self, text: &str) -> Option<PromptMark> {
        let mut hashed = Hashed {
            context: hmac::Context::with_key(&self.0),
            bytes: 0,
            texts: 0,
        };
        hashed.text(text);
        hashed.mark()
    }
}

struct Hashed {
    context: hmac::Context,
    bytes: u64,
    texts: u64,
}

impl Hashed {
    fn texts_of(&mut self, item: Item<'_, '_>, depth: usize) {
        if depth == 0 {
            return;
        }
        match item.kind() {
            JsonKind::Text => self.text(&item.text().unwrap_or_default()),
            // Prompts as tokens.
            JsonKind::Number => self.text(item.raw()),
            JsonKind::List => item.elements().for_each(|element| self.texts_of(element, depth - 1)),
            JsonKind::Object => {
                for (name, value) in item.entries() {
                    if !name.text().is_some_and(|name| FRAMES.contains(&&*name)) {
                        self.texts_of(value, depth - 1);
                    }
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        // The length first, so that two texts are not one.
        self.context.update(&(text.len() as u64).to_be_bytes());
        self.context.update(text.as_bytes());
        self.bytes += text.len() as u64;
        self.texts += 1;
    }

    fn mark(self) -> Option<PromptMark> {
        (self.bytes > 0).then(|| PromptMark {
            bytes: self.bytes,
            hmac: hex(self.context.sign().as_ref()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_prompts_have_equal_marks() {
        let key = PromptKey::read(&PromptKey::generate().expect("random")).expect("a key");
        let mark = |body: &str| key.mark(&Json::parse(body.as_bytes()).expect("JSON"));
        let hi = mark(r#"{"model":"m","prompt":"hi é","options":{"seed":1}}"#).expect("a prompt");
        assert_eq!(hi.bytes, 5);
        for same in [
            r#"{"prompt":"hi \u00e9","stream":true}"#,
            r#"{"messages":[{"role":"user","content":"hi é"}]}"#,
            r#"{"messages":[{"content":[{"type":"text","text":"hi é"}],"role":"user"}]}"#,
            r#"{"input":"hi é"}"#,
        ] {
            assert_eq!(mark(same), Some(hi.clone()), "{same}");
        }
        assert_eq!(key.mark_text("hi é"), Some(hi.clone()));
        assert_ne!(mark(r#"{"prompt":"hi"}"#), Some(hi.clone()));
        assert_ne!(mark(r#"{"input":["a","bc"]}"#), mark(r#"{"input":["ab","c"]}"#));
        assert_eq!(mark(r#"{"prompt":"","messages":[]}"#), None);
        assert_eq!(mark(r#"{"model":"m"}"#), None);
        let other = PromptKey::read(&PromptKey::generate().expect("random")).expect("a key");
        assert_ne!(other.mark_text("hi é"), Some(hi), "another gateway's owner cannot match it");
    }
}
