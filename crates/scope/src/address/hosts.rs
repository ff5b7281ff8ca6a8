//! What targets, scope files and opt-out lists name: addresses or a host name.

use std::fmt;

use super::notation::{self, NotARange};
use super::range::AddressRange;

/// What an entry is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// Addresses.
    Addresses(AddressRange),
    /// A host name, in lower case. In a `[[range]]` that name alone; in exclusions and opt-outs every name below it too.
    Name(String),
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addresses(span) => span.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// An address, a network, a range or a name, and whether a network had bits set beyond its prefix.
pub(crate) fn parse_hosts(word: &str) -> Result<(Hosts, bool), String> {
    match notation::parse_range(word) {
        Ok(written) => Ok((Hosts::Addresses(written.range), written.host_bits)),
        Err(NotARange::Wrong(why)) => Err(why),
        Err(NotARange::Other) => {
            if word.contains('*') {
                return Err(format!("`{word}`: names have no wildcards here; write the name"));
            }
            notation::parse_name(word).map(|name| (Hosts::Name(name), false))
        }
    }
}
