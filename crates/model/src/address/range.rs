//! Address ranges as intervals of 128-bit keys.
//!
//! An IPv4 address has the key of its IPv4-mapped IPv6 address (`::ffff:0:0/96`, RFC 4291 2.5.5.2). `::ffff:10.0.0.1` and
//! `10.0.0.1` are therefore one address, and another way of writing an address does not get around an exclusion.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The first key of the IPv4 block.
pub(super) const MAPPED: u128 = 0xffff_0000_0000;
/// The last key of the IPv4 block.
pub(super) const MAPPED_LAST: u128 = MAPPED | 0xffff_ffff;
/// The last key in use. Leaving out the last IPv6 address, which is multicast and never scanned, keeps `last + 1` in range.
const TOP: u128 = u128::MAX - 1;

/// An inclusive range of addresses of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressRange {
    first: u128,
    last: u128,
}

impl AddressRange {
    /// The range of one address.
    #[must_use]
    pub fn single(address: IpAddr) -> Self {
        let key = key_of(address);
        Self { first: key, last: key }
    }

    /// The range from one address to another, both included. Returns `None` if they are of two families, out of order, or an IPv6
    /// range that holds the whole block of IPv4-mapped addresses.
    #[must_use]
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        let (first, last) = (key_of(first), key_of(last));
        let swallows = first < MAPPED && last > MAPPED_LAST;
        (first <= last && is_ipv4(first) == is_ipv4(last) && !swallows).then_some(Self { first, last })
    }

    /// The range from one key to another, which must not be lower.
    #[must_use]
    pub const fn from_keys(first: u128, last: u128) -> Self {
        Self {
            first,
            last: if last > TOP { TOP } else { last },
        }
    }

    /// The first address.
    #[must_use]
    pub fn first(self) -> IpAddr {
        address_of(self.first)
    }

    /// The last address.
    #[must_use]
    pub fn last(self) -> IpAddr {
        address_of(self.last)
    }

    /// The number of addresses.
    #[must_use]
    pub fn size(self) -> u128 {
        self.last - self.first + 1
    }

    /// Whether the range holds the address; an IPv4 address may be written as IPv6.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        let key = key_of(address);
        self.first <= key && key <= self.last
    }

    /// Whether the range holds all of `other`.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// Whether the two ranges share an address.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// The key of the first address.
    #[must_use]
    pub const fn first_key(self) -> u128 {
        self.first
    }

    /// The key of the last address.
    #[must_use]
    pub const fn last_key(self) -> u128 {
        self.last
    }
}

/// An address, a CIDR if the range is one, `A-B` otherwise.
impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first());
        }
        let size = self.size();
        // TOP leaves out the last IPv6 address; the range is still written as the prefix it came from.
        let Some(size) = size.checked_add(u128::from(self.last == TOP)) else {
            return f.write_str("::/0");
        };
        if size.is_power_of_two() && self.first.is_multiple_of(size) {
            let width = if self.first().is_ipv4() { 32 } else { 128 };
            return write!(f, "{}/{}", self.first(), width - size.trailing_zeros());
        }
        write!(f, "{}-{}", self.first(), self.last())
    }
}

/// Whether a key is that of an IPv4 address.
const fn is_ipv4(key: u128) -> bool {
    MAPPED <= key && key <= MAPPED_LAST
}

/// The key of an address.
#[must_use]
pub fn key_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => MAPPED | u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits().min(TOP),
    }
}

/// The address of a key.
#[must_use]
pub fn address_of(key: u128) -> IpAddr {
    if is_ipv4(key) {
        // The low 32 bits are the address.
        IpAddr::V4(Ipv4Addr::from_bits((key & 0xffff_ffff) as u32))
    } else {
        IpAddr::V6(Ipv6Addr::from_bits(key))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_and_its_address_convert_both_ways(bits in any::<u128>()) {
            let address = address_of(bits.min(TOP));
            prop_assert_eq!(key_of(address), bits.min(TOP));
        }
    }
}
