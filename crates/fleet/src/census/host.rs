//! The planted attributes of a host.

use std::net::Ipv4Addr;

use super::marginals::Visibility;

/// A planted model.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PlantedModel {
    pub(super) name: String,
    pub(super) family: &'static str,
    pub(super) parameters: &'static str,
    pub(super) quantisation: &'static str,
    /// `None`: the version does not report capabilities.
    pub(super) capabilities: Option<Vec<&'static str>>,
    /// The version does not report thinking.
    pub(super) thinking_untold: bool,
    pub(super) remote: bool,
    /// The system prompt; `None`: none is shown.
    pub(super) prompt: Option<Prompt>,
    pub(super) uncensored_by_name: bool,
    /// When it was last modified, in seconds since 1970.
    pub(super) modified: i64,
}

/// A system prompt that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    /// An empty prompt.
    Empty,
    /// The default prompt of a family.
    Default,
    /// One of three prompts that remove safeguards, with the same text on many hosts.
    Uncensored(u8),
    /// A prompt of the owner.
    Custom(u32),
}

/// What a host reports from one of its visits on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct HostState {
    /// The number of the first visit with this state.
    pub(super) from: usize,
    /// `None`: not reported.
    pub(super) version: Option<&'static str>,
    /// `None`: not listed.
    pub(super) models: Option<Vec<PlantedModel>>,
}

/// One host of the population.
#[derive(Clone, Debug)]
pub(super) struct CensusHost {
    pub(super) address: Ipv4Addr,
    pub(super) visibility: Visibility,
    /// ISO 3166-1 alpha-2; `None`: the location is unknown.
    pub(super) country: Option<&'static str>,
    pub(super) asn: u32,
    /// Type of autonomous system.
    pub(super) class: &'static str,
    /// Tier of infrastructure.
    pub(super) tier: &'static str,
    /// The days on which the host is seen, one visit each, ascending.
    pub(super) days: Vec<u16>,
    /// The states, ordered by their first visit; the first starts at visit 0.
    pub(super) states: Vec<HostState>,
    pub(super) posture: Option<&'static str>,
    /// Number of models in memory at each visit.
    pub(super) serving: u8,
    pub(super) suspect: bool,
    /// The first visit is a listing by Shodan; `Some(true)`: the scan after it finds another product.
    pub(super) listed: Option<bool>,
    /// Every second visit is to a second endpoint.
    pub(super) second: bool,
    /// It is an earlier host under a new address, recognisable by its models.
    pub(super) moved: bool,
}

impl CensusHost {
    /// The state at a visit.
    pub(super) fn state_at(&self, visit: usize) -> &HostState {
        // `states` is never empty, and its first starts at visit 0.
        let at = self.states.partition_point(|state| state.from <= visit);
        &self.states[at.saturating_sub(1)]
    }

    /// The last state.
    pub(super) fn last_state(&self) -> &HostState {
        self.state_at(self.days.len().saturating_sub(1))
    }

    /// Whether a model has a prompt that removes safeguards.
    pub(super) fn shows_uncensored_prompt(&self) -> bool {
        let models = self.last_state().models.as_deref().unwrap_or_default();
        models.iter().any(|model| matches!(model.prompt, Some(Prompt::Uncensored(_))))
    }

    /// Whether a visit is a listing by Shodan.
    pub(super) fn is_listing(&self, visit: usize) -> bool {
        self.visibility == Visibility::ListedOnly || (self.listed.is_some() && visit == 0)
    }

    /// Whether a visit is to the second endpoint.
    pub(super) fn is_second(&self, visit: usize) -> bool {
        self.second && visit % 2 == 1
    }

    /// The product that a visit finds at the first endpoint.
    pub(super) fn product_at(&self, visit: usize) -> &'static str {
        if self.listed == Some(true) && visit > 0 {
            "openai-compatible"
        } else {
            "ollama"
        }
    }
}
