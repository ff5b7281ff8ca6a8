//! What is planted of one host.

use std::net::Ipv4Addr;

use super::marginals::Kind;

/// A model as it is planted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PlantedModel {
    pub(super) name: String,
    pub(super) family: &'static str,
    pub(super) parameters: &'static str,
    pub(super) quantisation: &'static str,
    /// `None`: the version has no word for capabilities.
    pub(super) capabilities: Option<Vec<&'static str>>,
    /// The version has no word for thinking.
    pub(super) thinking_untold: bool,
    pub(super) remote: bool,
    /// Which standard prompt it carries; `None`: none is shown.
    pub(super) prompt: Option<Prompt>,
    pub(super) uncensored_by_name: bool,
    /// Seconds since 1970: when its owner last changed it.
    pub(super) modified: i64,
}

/// A system prompt that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    /// There is none.
    Empty,
    /// One that ships with a family.
    Default,
    /// One of three that remove safeguards, the same text on many hosts.
    Uncensored(u8),
    /// The owner's own.
    Custom(u32),
}

/// What a host says from one of its looks on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said {
    /// The number of the look from which it holds.
    pub(super) from: usize,
    /// `None`: it does not say.
    pub(super) version: Option<&'static str>,
    /// `None`: it does not list them.
    pub(super) models: Option<Vec<PlantedModel>>,
}

/// One host of the population.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) address: Ipv4Addr,
    pub(super) kind: Kind,
    /// ISO 3166-1 alpha-2; `None`: no geography is known.
    pub(super) country: Option<&'static str>,
    pub(super) asn: u32,
    /// Type of autonomous system.
    pub(super) class: &'static str,
    /// Tier of infrastructure.
    pub(super) tier: &'static str,
    /// The days on which it is seen, once each, ascending.
    pub(super) days: Vec<u16>,
    /// What it says, by the look from which it holds; the first from look 0.
    pub(super) said: Vec<Said>,
    pub(super) posture: Option<&'static str>,
    /// Models are in memory when it is looked at.
    pub(super) serving: u8,
    pub(super) suspect: bool,
    /// Its first look is a listing by Shodan; `Some(true)`: the scan after it finds something else.
    pub(super) listed: Option<bool>,
    /// Every second look is at another endpoint of it.
    pub(super) second: bool,
    /// It is an earlier host under a new address, and its models say so.
    pub(super) moved: bool,
}

impl Host {
    /// What holds at a look.
    pub(super) fn said_at(&self, look: usize) -> &Said {
        // `said` is never empty and its first holds from look 0.
        let at = self.said.partition_point(|said| said.from <= look);
        &self.said[at.saturating_sub(1)]
    }

    /// What it says in the end.
    pub(super) fn last_said(&self) -> &Said {
        self.said_at(self.days.len().saturating_sub(1))
    }

    /// Whether one of its models carries a prompt that removes safeguards.
    pub(super) fn shows_uncensored_prompt(&self) -> bool {
        let models = self.last_said().models.as_deref().unwrap_or_default();
        models.iter().any(|model| matches!(model.prompt, Some(Prompt::Uncensored(_))))
    }

    /// Whether a look is Shodan's.
    pub(super) fn is_listing(&self, look: usize) -> bool {
        self.kind == Kind::Listed || (self.listed.is_some() && look == 0)
    }

    /// Whether a look is at the second endpoint.
    pub(super) fn is_second(&self, look: usize) -> bool {
        self.second && look % 2 == 1
    }

    /// The product that a look finds at the first endpoint.
    pub(super) fn product_at(&self, look: usize) -> &'static str {
        if self.listed == Some(true) && look > 0 {
            "openai-compatible"
        } else {
            "ollama"
        }
    }
}
