//! What is read of the text of a request: numbers and marks, from which the text cannot be written again.

mod families;
mod read;
mod sketch;

use serde::{Deserialize, Serialize};

pub use families::{Families, Family};
pub use sketch::{Sketch, SketchKey};

/// Most tools of a request that are looked at.
const TOOLS: usize = 64;

/// What was read of a request's body.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Bytes of the text that users said, as far as it was read.
    pub bytes: u32,
    /// What its last message is like; absent where that has no words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sketch: Option<Sketch>,
    /// The forms of attack that it has.
    #[serde(default, skip_serializing_if = "Families::is_empty")]
    pub families: Families,
    /// Keyed hashes of the names of the tools that it offers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<u64>,
}

impl Content {
    /// Reads the JSON body of a request to a model: OpenAI's, Ollama's, Anthropic's or llama.cpp's. It takes time in proportion to the body, and of
    /// long texts it looks at the first 64 KiB. A body that is no JSON has no content.
    #[must_use]
    pub fn read(body: &[u8], key: &SketchKey) -> Self {
        let read = read::read(body);
        Self {
            bytes: u32::try_from(read.said.len()).unwrap_or(u32::MAX),
            sketch: Sketch::of(&read.last, key),
            families: families::families(&read.said, &read.last, &read.system),
            tools: read.tools.iter().take(TOOLS).map(|name| key.hash(name.as_bytes())).collect(),
        }
    }

    /// The names of models that a body gives at its top, for requests that were refused before anybody read them.
    #[must_use]
    pub fn named_models(body: &[u8]) -> Vec<String> {
        read::read(body).models
    }
}
