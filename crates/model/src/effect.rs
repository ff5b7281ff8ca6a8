//! What calling a route does to the server.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The effect of calling a route, from harmless to harmful. The order is the order of harm.
///
/// The effect belongs to the route and not to the HTTP method: Ollama's `POST /api/show` reads, LiteLLM's
/// `GET /health` calls the models behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Reads constant metadata: version, banner, health.
    Identify,
    /// Lists what is there: models, tools, collections.
    Enumerate,
    /// Spends compute, sends content.
    Infer,
    /// Loads or unloads a model, changes memory.
    Load,
    /// Changes what is stored.
    Write,
    /// Uses credentials that the server holds, or hands some out.
    Account,
}

impl Effect {
    /// Every effect, from harmless to harmful.
    pub const ALL: [Self; 6] = [Self::Identify, Self::Enumerate, Self::Infer, Self::Load, Self::Write, Self::Account];

    /// Whether a scanner may cause it on a host that it merely looks at.
    #[must_use]
    pub fn is_harmless(self) -> bool {
        matches!(self, Self::Identify | Self::Enumerate)
    }

    /// The word in a product file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Enumerate => "enumerate",
            Self::Infer => "infer",
            Self::Load => "load",
            Self::Write => "write",
            Self::Account => "account",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
