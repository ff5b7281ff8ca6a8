//! Takes the texts out of a request's body.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The most bytes of each kind of text.
const MOST: usize = 64 * 1024;
/// Names of tools and of models.
const NAMES: usize = 64;
const NAME_BYTES: usize = 256;

/// The texts of a body.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// What users said, in all messages.
    pub(super) said: String,
    /// The last of their messages.
    pub(super) last: String,
    /// What the system, the developer or the model is made to have said.
    pub(super) system: String,
    pub(super) tools: Vec<String>,
    pub(super) models: Vec<String>,
    /// Of the message that is read, whose role may come after its text.
    role: String,
    message: String,
}

pub(super) fn read(body: &[u8]) -> Texts {
    let mut texts = Texts::default();
    let mut json = serde_json::Deserializer::from_slice(body);
    // What is no JSON was refused by others; what was read of it until then counts.
    let _ = Seed {
        at: At::Root,
        texts: &mut texts,
    }
    .deserialize(&mut json);
    texts
}

/// Where in a body a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Root,
    /// A text of the user, or a list of them, or of messages.
    Said,
    Message,
    Role,
    /// The text of a message, or the list of its parts.
    MessageText,
    System,
    Tools,
    ToolName,
    Model,
}

impl At {
    /// Where a value stands that is under a key; `None`: nobody looks at it.
    fn under(self, key: &str) -> Option<Self> {
        Some(match (self, key) {
            (Self::Root, "messages" | "input" | "prompt" | "inputs") => Self::Said,
            (Self::Root, "system" | "instructions") => Self::System,
            (Self::Root, "tools" | "functions") => Self::Tools,
            (Self::Root, "model" | "name" | "from" | "source") => Self::Model,
            (Self::Message, "role") => Self::Role,
            (Self::Message, "content") | (Self::MessageText, "text" | "content") => Self::MessageText,
            (Self::System, "text") => Self::System,
            (Self::Tools, "name") => Self::ToolName,
            (Self::Tools, "function") => Self::Tools,
            _ => return None,
        })
    }
}

struct Seed<'t> {
    at: At,
    texts: &'t mut Texts,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a body")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        let texts = self.texts;
        match self.at {
            At::Said => {
                append(&mut texts.said, text);
                texts.last.clear();
                append(&mut texts.last, text);
            }
            At::Role => text.clone_into(&mut texts.role),
            At::MessageText => append(&mut texts.message, text),
            At::System => append(&mut texts.system, text),
            At::ToolName => name(&mut texts.tools, text),
            At::Model => name(&mut texts.models, text),
            At::Root | At::Message | At::Tools => {}
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq
            .next_element_seed(Seed {
                at: self.at,
                texts: self.texts,
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        // An object among messages is one.
        let at = if self.at == At::Said { At::Message } else { self.at };
        if at == At::Message {
            self.texts.role.clear();
            self.texts.message.clear();
        }
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match at.under(&key) {
                Some(at) => map.next_value_seed(Seed { at, texts: self.texts })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if at == At::Message {
            self.texts.end_message();
        }
        Ok(())
    }
}

impl Texts {
    fn end_message(&mut self) {
        match self.role.as_str() {
            "user" | "" => {
                append(&mut self.said, &self.message);
                if !self.message.is_empty() {
                    std::mem::swap(&mut self.last, &mut self.message);
                }
            }
            // What a tool returned is neither the user's nor the system's.
            "tool" | "function" => {}
            _ => append(&mut self.system, &self.message),
        }
    }
}

/// Appends a text behind a line break, up to the bound.
fn append(to: &mut String, text: &str) {
    let room = MOST.saturating_sub(to.len() + 1);
    if room == 0 || text.is_empty() {
        return;
    }
    if !to.is_empty() {
        to.push('\n');
    }
    to.push_str(&text[..text.floor_char_boundary(room)]);
}

fn name(to: &mut Vec<String>, name: &str) {
    if to.len() < NAMES && !name.is_empty() {
        to.push(name[..name.floor_char_boundary(NAME_BYTES)].to_owned());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(body: &serde_json::Value) -> Texts {
        read(body.to_string().as_bytes())
    }

    #[test]
    fn texts_of_every_format_are_found() {
        let openai = of(&json!({"model": "m", "messages": [
            {"role": "system", "content": "be kind"}, {"content": "first", "role": "user"}, {"role": "assistant", "content": "yes"},
            {"role": "user", "content": [{"type": "text", "text": "second"}, {"type": "image_url", "image_url": {"url": "data:"}}]}],
            "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"name": "no"}}}]}));
        assert_eq!(
            (openai.said.as_str(), openai.last.as_str(), openai.system.as_str()),
            ("first\nsecond", "second", "be kind\nyes")
        );
        assert_eq!((openai.tools, openai.models), (vec!["weather".to_owned()], vec!["m".to_owned()]));
        let anthropic = of(
            &json!({"system": [{"type": "text", "text": "be kind"}], "tools": [{"name": "weather"}],
            "messages": [{"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text", "text": "12 degrees"}]}]}]}),
        );
        assert_eq!((anthropic.system.as_str(), anthropic.last.as_str()), ("be kind", "12 degrees"));
        let embed = of(&json!({"model": "m", "input": ["one", "two"]}));
        assert_eq!((embed.said.as_str(), embed.last.as_str()), ("one\ntwo", "two"));
        assert_eq!(of(&json!({"prompt": "hi", "system": "be kind"})).said, "hi");
    }

    #[test]
    fn hostile_bodies_end() {
        let deep = format!("{}{}", "{\"messages\":[".repeat(5_000), "]}".repeat(5_000));
        read(deep.as_bytes());
        assert!(read(b"{\"prompt\":\"cut").said.is_empty());
        let long = "ä".repeat(200_000);
        assert!(
            of(&json!({"messages": [{"role": "user", "content": long}], "prompt": long}))
                .said
                .len()
                <= MOST
        );
        let tools: Vec<_> = (0..10_000).map(|number| json!({"name": number.to_string()})).collect();
        assert_eq!(of(&json!({ "tools": tools })).tools.len(), NAMES);
    }
}
