//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::Listen;

/// Descriptors that are not for connections: the log, metrics, what the runtime needs.
const RESERVED: u64 = 64;
/// A connection of a client, and one to the server behind.
const DESCRIPTORS: u64 = 2;
/// Without a limit in the configuration one address may have all places but one in this many.
const LEFT_TO_OTHERS: usize = 8;

/// The places of connections, for all threads.
#[derive(Debug, Default)]
pub(crate) struct Room {
    most: AtomicUsize,
    most_of_one: AtomicUsize,
    taken: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    refused: AtomicU64,
}

/// A place; dropped, it is free again.
#[derive(Debug)]
pub(crate) struct Place {
    room: Arc<Room>,
    address: IpAddr,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// All are taken: one will be free.
    Full,
    /// The address has as many as it may have.
    OfAddress,
}

impl Room {
    /// Takes the limits of a configuration; connections that are there stay.
    pub(crate) fn set(&self, listen: &Listen) {
        let most = listen.max_connections.map_or_else(default_most, |most| most.get() as usize);
        let most_of_one = listen
            .max_connections_per_address
            .map_or(most - most / LEFT_TO_OTHERS, |most| most.get() as usize);
        self.most.store(most, Ordering::Relaxed);
        self.most_of_one.store(most_of_one.max(1), Ordering::Relaxed);
    }

    /// Whether all places are taken.
    pub(crate) fn is_full(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.most.load(Ordering::Relaxed)
    }

    /// Takes a place for a connection.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, NoPlace> {
        let address = network(address);
        let mut by_address = self.lock();
        let of_one = by_address.get(&address).copied().unwrap_or(0);
        if of_one >= self.most_of_one.load(Ordering::Relaxed) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(NoPlace::OfAddress);
        }
        if self.is_full() {
            return Err(NoPlace::Full);
        }
        by_address.insert(address, of_one + 1);
        self.taken.fetch_add(1, Ordering::Relaxed);
        Ok(Place {
            room: Arc::clone(self),
            address,
        })
    }

    /// Connections that were closed because their address had too many.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// How many connections there may be.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(1, Ordering::Relaxed);
        let mut by_address = self.room.lock();
        if let Some(of_one) = by_address.get_mut(&self.address) {
            *of_one -= 1;
            if *of_one == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

/// What counts as one address: whoever has one of IPv6 has 2⁶⁴ of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

/// As many connections as the system lets this process have.
fn default_most() -> usize {
    let connections = descriptors().saturating_sub(RESERVED) / DESCRIPTORS;
    usize::try_from(connections).unwrap_or(usize::MAX).max(1)
}

/// How many descriptors this process may have; it takes all that it is allowed.
#[cfg(unix)]
fn descriptors() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
    .unwrap_or(1 << 20)
}

#[cfg(not(unix))]
fn descriptors() -> u64 {
    1 << 14
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(most: usize, most_of_one: usize) -> Arc<Room> {
        let room = Arc::<Room>::default();
        room.most.store(most, Ordering::Relaxed);
        room.most_of_one.store(most_of_one, Ordering::Relaxed);
        room
    }

    #[test]
    fn one_address_leaves_room_to_others() {
        let room = room(4, 3);
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse::<IpAddr>().expect("an address"));
        let mut places: Vec<_> = (0..3).map(|_| room.take(one).expect("a place")).collect();
        assert_eq!(room.take(one).err(), Some(NoPlace::OfAddress));
        assert!(!room.is_full());
        assert_eq!(room.refused(), 1);
        let of_other = room.take(other).expect("a place");
        assert_eq!(room.take(other).err(), Some(NoPlace::Full));
        places.pop();
        assert!(!room.is_full() && room.take(one).is_ok());
        drop((places, of_other));
        assert!(room.lock().is_empty() && room.taken.load(Ordering::Relaxed) == 0);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let room = room(9, 1);
        let _one = room.take("2001:db8::1".parse().expect("an address")).expect("a place");
        assert!(room.take("2001:db8::2".parse().expect("an address")).is_err());
        assert!(room.take("2001:db8:0:1::1".parse().expect("an address")).is_ok());
        let _mapped = room.take("::ffff:192.0.2.1".parse().expect("an address")).expect("a place");
        assert!(room.take("192.0.2.1".parse().expect("an address")).is_err());
    }
}
