//! The kinds of changes between two observations of one endpoint.

use std::fmt;

use serde::{Deserialize, Serialize};
use vigie_model::{Known, Severity};

/// The kind of a change. The words are stable. The order is that of a report, among changes of the same severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeId {
    /// A stranger has more access than before.
    LostAuthentication,
    /// More machines can reach its listening socket.
    WiderReach,
    /// Data is readable that was not readable before.
    NewlyReadable,
    /// It lists a new tool.
    NewTool,
    /// The risks of a tool changed.
    ToolChanged,
    /// A model has a capability that no model had.
    NewCapability,
    /// The product changed.
    ProductChanged,
    /// The version is lower.
    Downgraded,
    /// It no longer uses TLS.
    LostTls,
    /// It is now suspected of deception.
    BecameSuspect,
    /// It has a new model.
    NewModel,
    /// A model has the same name but another digest.
    ModelChanged,
    /// The access posture changed without more or less access.
    PostureChanged,
    /// The version changed, and the two cannot be ordered.
    VersionChanged,
    /// The certificate changed.
    CertificateChanged,
    /// A stranger has less access than before.
    GainedAuthentication,
    /// Fewer machines can reach its listening socket.
    NarrowerReach,
    /// The version is higher.
    Upgraded,
    /// It now uses TLS.
    GainedTls,
    /// A tool is no longer listed.
    RemovedTool,
    /// No model has a capability any more.
    RemovedCapability,
    /// A model is no longer listed.
    RemovedModel,
    /// It is no longer suspected of deception.
    NoLongerSuspect,
    /// Known in the later observation only; not a change.
    #[serde(rename = "now-told")]
    NowKnown,
    /// Known in the earlier observation only; not a change.
    #[serde(rename = "no-longer-told")]
    NoLongerKnown,
}

impl ChangeId {
    /// Every id, in order.
    pub const ALL: [Self; 25] = [
        Self::LostAuthentication,
        Self::WiderReach,
        Self::NewlyReadable,
        Self::NewTool,
        Self::ToolChanged,
        Self::NewCapability,
        Self::ProductChanged,
        Self::Downgraded,
        Self::LostTls,
        Self::BecameSuspect,
        Self::NewModel,
        Self::ModelChanged,
        Self::PostureChanged,
        Self::VersionChanged,
        Self::CertificateChanged,
        Self::GainedAuthentication,
        Self::NarrowerReach,
        Self::Upgraded,
        Self::GainedTls,
        Self::RemovedTool,
        Self::RemovedCapability,
        Self::RemovedModel,
        Self::NoLongerSuspect,
        Self::NowKnown,
        Self::NoLongerKnown,
    ];

    /// The word in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::LostAuthentication => "lost-authentication",
            Self::WiderReach => "wider-reach",
            Self::NewlyReadable => "newly-readable",
            Self::NewTool => "new-tool",
            Self::ToolChanged => "tool-changed",
            Self::NewCapability => "new-capability",
            Self::ProductChanged => "product-changed",
            Self::Downgraded => "downgraded",
            Self::LostTls => "lost-tls",
            Self::BecameSuspect => "became-suspect",
            Self::NewModel => "new-model",
            Self::ModelChanged => "model-changed",
            Self::PostureChanged => "posture-changed",
            Self::VersionChanged => "version-changed",
            Self::CertificateChanged => "certificate-changed",
            Self::GainedAuthentication => "gained-authentication",
            Self::NarrowerReach => "narrower-reach",
            Self::Upgraded => "upgraded",
            Self::GainedTls => "gained-tls",
            Self::RemovedTool => "removed-tool",
            Self::RemovedCapability => "removed-capability",
            Self::RemovedModel => "removed-model",
            Self::NoLongerSuspect => "no-longer-suspect",
            Self::NowKnown => "now-told",
            Self::NoLongerKnown => "no-longer-told",
        }
    }
}

impl fmt::Display for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The kind.
    pub id: ChangeId,
    /// The severity.
    pub severity: Severity,
    /// The model, tool, capability or kind of leak; for a value known in only one observation, its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The earlier value, if it is a single one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Known<String>>,
    /// The later value, if it is a single one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Known<String>>,
}

impl Change {
    /// Whether it is a change; otherwise a value is known in only one of the observations.
    #[must_use]
    pub fn is_change(&self) -> bool {
        !matches!(self.id, ChangeId::NowKnown | ChangeId::NoLongerKnown)
    }
}
