//! The tools whose records are read.

use std::fmt;
use std::str::FromStr;

/// A tool whose records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// Shodan: `shodan download`, replies of its search and its host view, banners.
    Shodan,
    /// Censys: search replies, single assets, lines of hosts; of the Platform and of Search v2.
    Censys,
    /// zmap: addresses, addresses with ports, CSV, JSON lines.
    Zmap,
    /// zgrab2: JSON lines.
    Zgrab2,
    /// masscan: `-oJ`, `-oD`, `-oL`, `-oX`, `-oG`.
    Masscan,
    /// nmap: `-oX`, `-oG`.
    Nmap,
    /// naabu: `host:port`, JSON lines, CSV.
    Naabu,
    /// httpx of ProjectDiscovery: JSON lines.
    Httpx,
    /// nuclei of ProjectDiscovery: JSON lines, `-json-export`.
    Nuclei,
    /// FOFA: CSV, JSON lines, replies of its search.
    Fofa,
    /// Shadowserver's reports: CSV.
    Shadowserver,
    /// vigie's own JSON lines.
    Vigie,
    /// The log of vigie's gateway, `vigie guard`: JSON lines.
    VigieGuard,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 13] = [
        Self::Shodan,
        Self::Censys,
        Self::Zmap,
        Self::Zgrab2,
        Self::Masscan,
        Self::Nmap,
        Self::Naabu,
        Self::Httpx,
        Self::Nuclei,
        Self::Fofa,
        Self::Shadowserver,
        Self::Vigie,
        Self::VigieGuard,
    ];

    /// Its word, on the command line and as the source's name in the record.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Shodan => "shodan",
            Self::Censys => "censys",
            Self::Zmap => "zmap",
            Self::Zgrab2 => "zgrab2",
            Self::Masscan => "masscan",
            Self::Nmap => "nmap",
            Self::Naabu => "naabu",
            Self::Httpx => "httpx",
            Self::Nuclei => "nuclei",
            Self::Fofa => "fofa",
            Self::Shadowserver => "shadowserver",
            Self::Vigie => "vigie",
            Self::VigieGuard => "vigie-guard",
        }
    }

    pub(crate) fn words() -> String {
        Self::ALL.map(Self::word).join(", ")
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|format| format.word() == word)
            .ok_or_else(|| format!("unknown format {word:?}; known formats: {}", Self::words()))
    }
}
