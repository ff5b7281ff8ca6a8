//! The services, and the fields by which a query is split.

use serde::{Deserialize, Serialize};

/// A supported service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceKind {
    /// Shodan.
    Shodan,
    /// The Censys Platform.
    Censys,
    /// Censys Search v2.
    CensysLegacy,
}

impl ServiceKind {
    /// Its identifier on the command line and in files.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Shodan => "shodan",
            Self::Censys => "censys",
            Self::CensysLegacy => "censys-legacy",
        }
    }

    /// Its base URL.
    #[must_use]
    pub fn url(self) -> &'static str {
        match self {
            Self::Shodan => "https://api.shodan.io",
            Self::Censys => "https://api.platform.censys.io",
            Self::CensysLegacy => "https://search.censys.io/api",
        }
    }

    /// The most credits that a page costs, or a count that is not free.
    ///
    /// Shodan: 1 for each page after the first, and for the first if the query has a filter. Censys Platform: 1 with a Core, Search or
    /// Enterprise plan, 5 and more with a Starter plan. Search v2: one query each.
    #[must_use]
    pub fn cost(self) -> u64 {
        match self {
            Self::Shodan | Self::CensysLegacy => 1,
            Self::Censys => 8,
        }
    }

    /// The default budget of a run, in credits.
    #[must_use]
    pub fn budget(self) -> u64 {
        match self {
            Self::Shodan | Self::CensysLegacy => 10,
            Self::Censys => 40,
        }
    }

    /// The number of pages after which a query is split.
    ///
    /// On Shodan's basic plan, pages near 70 were observed to fail.
    #[must_use]
    pub fn pages(self) -> u32 {
        match self {
            Self::Shodan => 60,
            Self::Censys | Self::CensysLegacy => 100,
        }
    }
}

/// A field by which a query is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SplitField {
    /// The country, as an ISO 3166 code.
    Country,
    /// The TCP port.
    Port,
}

impl SplitField {
    /// Every field, in the order in which a query is split by them.
    pub(crate) const ALL: [Self; 2] = [Self::Country, Self::Port];

    /// Its identifier on the command line and in files.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Country => "country",
            Self::Port => "port",
        }
    }

    /// The number of values that a count requests: more than the field can have.
    pub(crate) fn most(self) -> u64 {
        match self {
            Self::Country => 300,
            Self::Port => 1_000,
        }
    }

    /// Whether a value may be put into a query. Values from a service are not used unchecked.
    pub(crate) fn sound(self, value: &str) -> bool {
        match self {
            Self::Country => value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_uppercase()),
            Self::Port => value.parse::<u16>().is_ok_and(|port| port > 0 && port.to_string() == value),
        }
    }
}
