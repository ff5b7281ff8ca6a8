//! The addresses of this machine.

use std::net::IpAddr;

use vigie_model::address::{AddressRange, key_of};

use super::range_map::RangeMap;

/// This machine's own addresses.
#[derive(Clone, Debug, Default)]
pub struct OwnAddresses(pub(crate) RangeMap<()>);

impl OwnAddresses {
    /// The addresses that the system lists, without those that cannot belong to one host.
    #[must_use]
    pub fn new(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let one_host = |a: &IpAddr| !a.is_unspecified() && !a.is_multicast() && *a != IpAddr::from([255; 4]);
        let addresses = addresses.into_iter().map(|a| a.to_canonical()).filter(one_host);
        Self(RangeMap::build(addresses.map(|a| (AddressRange::single(a), ())).collect()))
    }

    /// Whether the address is one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.get(key_of(address)).is_some()
    }
}
