//! `[refusal]`: what those without a key get to see.

use serde::{Deserialize, Serialize};

/// What those without a key get to see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusalConfig {
    /// The answer of some ordinary server, in place of the gateway's own refusal (MITRE ATLAS AML.M0039). Absent: the gateway's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoy: Option<Decoy>,
}

/// An answer that every request without a valid key gets, whatever it asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decoy {
    /// Its status.
    pub status: u16,
    /// Its content type.
    #[serde(default = "html")]
    pub content_type: String,
    /// Its body.
    pub body: String,
    /// Its `Server` header. Absent: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

fn html() -> String {
    "text/html".to_owned()
}

impl RefusalConfig {
    pub(crate) fn is_none(&self) -> bool {
        self.decoy.is_none()
    }

    /// The key of the line that is wrong, and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let Some(decoy) = &self.decoy else { return Ok(()) };
        if !(200..=599).contains(&decoy.status) || matches!(decoy.status, 204 | 304) {
            return Err(("status", format!("{} is no status of an answer with a body", decoy.status)));
        }
        let is_line = |text: &str| !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !is_line(&decoy.content_type) {
            return Err(("content_type", "a content type is one line of ASCII".to_owned()));
        }
        if decoy.server.as_deref().is_some_and(|server| !is_line(server)) {
            return Err(("server", "a header is one line of ASCII".to_owned()));
        }
        Ok(())
    }
}
