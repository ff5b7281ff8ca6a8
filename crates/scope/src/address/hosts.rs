//! Addresses or a host name: what targets, scope files and opt-out lists name.

use std::fmt;

use super::notation::{self, NotARange};
use super::range::AddressRange;

/// Addresses or a host name, as a target, a scope file or an opt-out list names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// A range of addresses.
    Addresses(AddressRange),
    /// A host name in lower case. In a target and a `[[range]]` it means that name alone, in exclusions and opt-outs every name
    /// below it too. The caller resolves the names of targets and passes the addresses to [`Targets::resolve`](crate::Targets::resolve).
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
pub(crate) fn parse_hosts(word: &str) -> Result<(Hosts, bool), String> {
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
