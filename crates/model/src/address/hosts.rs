//! Addresses or a host name: what targets, scope files, opt-out lists and baselines name.

use std::fmt;

use super::notation::{self, NotARange};
use super::range::AddressRange;

/// Addresses or a host name, as a target, a scope file, an opt-out list or a baseline names them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hosts {
    /// A range of addresses.
    Addresses(AddressRange),
    /// A host name in lower case. In a target, a `[[range]]` and a baseline it means that name alone, in exclusions and opt-outs every
    /// name below it too.
    Name(String),
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addresses(range) => range.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Parses an address, a network, a range or a host name. Returns also whether a network had bits set beyond its prefix.
///
/// # Errors
///
/// What is wrong with the text, and what to write.
pub fn parse_hosts(word: &str) -> Result<(Hosts, bool), String> {
    match notation::parse_range(word) {
        Ok(written) => Ok((Hosts::Addresses(written.range), written.host_bits)),
        Err(NotARange::Wrong(why)) => Err(why),
        Err(NotARange::Other) => {
            if word.contains('*') {
                return Err(format!("`{word}`: wildcards are not supported; write the name"));
            }
            notation::parse_name(word).map(|name| (Hosts::Name(name), false))
        }
    }
}
