//! Addresses and host names as people write them: the same notation in scope files, targets, opt-out lists and baselines.

mod hosts;
mod notation;
mod range;

pub use hosts::{Hosts, parse_hosts};
pub(crate) use notation::ipv6_network;
pub use notation::{NotARange, ParsedRange, parse_name, parse_range};
pub use range::{AddressRange, address_of, key_of};
