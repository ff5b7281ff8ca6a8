//! The budget of requests per host and per network. The caller passes the time in.
//!
//! The promise is "at most N in any 5 minutes", for every choice of 5 minutes, not on average. Time is divided into slots of 30 s, and a
//! request is allowed if fewer than N were sent in this slot and the 11 before it. Any 330 s touch at most 12 slots, so no 330 s hold
//! more than N requests. It is 330 s and not 300 because the server counts differently: one that logs a request after answering it, as
//! Ollama does, logs it later by the time the answer took. A host takes 12 counters of 16 bits; a list of N instants would take
//! 8 N bytes.

use std::collections::HashMap;
use std::net::IpAddr;

use vigie_model::address::key_of;

use super::limits::{RateDecision, ScanLimits};
use crate::address::own::OwnAddresses;
use crate::address::special::is_loopback;

/// The length of a slot, in microseconds.
const SLOT: u64 = 30_000_000;
/// The number of slots that are counted together: as many as 330 s can touch.
const SLOTS: usize = 12;
/// The most hosts, and the most networks, that are tracked. A further one waits until another has been quiet for [`SLOTS`] slots,
/// because forgetting a busy host would break the promise. 2^18 of them take about 25 MB.
const TRACKED: usize = 1 << 18;

/// The budgets per host and per network.
#[derive(Debug)]
pub struct Budget {
    limits: ScanLimits,
    own: OwnAddresses,
    hosts: HashMap<u128, SlotCounts>,
    prefixes: HashMap<u128, SlotCounts>,
    /// The latest time seen. A clock that runs backwards counts as stopped.
    now: u64,
    /// The slot in which quiet hosts were last removed.
    swept: u64,
    tracked: usize,
}

impl Budget {
    /// A new budget. Loopback and this machine's own addresses are exempt.
    #[must_use]
    pub fn new(limits: ScanLimits, own: OwnAddresses) -> Self {
        Self {
            limits,
            own,
            hosts: HashMap::new(),
            prefixes: HashMap::new(),
            now: 0,
            swept: 0,
            tracked: TRACKED,
        }
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> &ScanLimits {
        &self.limits
    }

    /// Asks for a request to the host at `now`, in microseconds of any monotonic clock.
    pub fn take(&mut self, host: IpAddr, now: u64) -> RateDecision {
        let key = key_of(host);
        if is_loopback(host) || self.own.contains(host) {
            return RateDecision::Allowed;
        }
        self.now = self.now.max(now);
        let slot = self.now / SLOT;
        if self.swept != slot {
            self.sweep(slot);
        }
        let network = prefix(host);
        let host_wait = free_slot(&self.hosts, key, slot, self.limits.requests_per_host, self.tracked);
        let net_wait = free_slot(&self.prefixes, network, slot, self.limits.requests_per_prefix, self.tracked);
        match host_wait.max(net_wait) {
            free if free <= slot => {
                self.hosts.entry(key).or_insert_with(|| SlotCounts::new(slot)).add(slot);
                self.prefixes.entry(network).or_insert_with(|| SlotCounts::new(slot)).add(slot);
                RateDecision::Allowed
            }
            free => RateDecision::Wait((free * SLOT).saturating_sub(now).max(1)),
        }
    }

    /// The numbers of hosts and of networks that are tracked.
    #[must_use]
    pub fn tracked(&self) -> (usize, usize) {
        (self.hosts.len(), self.prefixes.len())
    }

    /// The budget of one endpoint.
    #[must_use]
    pub fn endpoint(&self) -> EndpointBudget {
        EndpointBudget {
            requests: self.limits.per_endpoint,
            models: self.limits.models,
        }
    }

    /// Removes hosts and networks that have no requests in the counted slots.
    fn sweep(&mut self, slot: u64) {
        self.swept = slot;
        for map in [&mut self.hosts, &mut self.prefixes] {
            map.retain(|_, counts| counts.slot + SLOTS as u64 > slot);
            if map.len() < map.capacity() / 4 {
                map.shrink_to_fit();
            }
        }
    }
}

/// The requests that are left for one endpoint. The probe of the endpoint holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointBudget {
    requests: u32,
    models: u32,
}

impl EndpointBudget {
    /// Takes one request. Returns `false` if none is left.
    pub fn request(&mut self) -> bool {
        take_one(&mut self.requests)
    }

    /// Takes the request for one model. Returns `false` if none is left.
    pub fn model(&mut self) -> bool {
        take_one(&mut self.models)
    }

    /// The number of requests left, besides those for single models.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.requests
    }

    /// The number of models that may still be queried.
    #[must_use]
    pub fn models_left(&self) -> u32 {
        self.models
    }
}

fn take_one(left: &mut u32) -> bool {
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}

/// The /24 or /48 network of a host, whose budget it shares.
fn prefix(host: IpAddr) -> u128 {
    let host = host.to_canonical();
    key_of(host) >> if host.is_ipv4() { 8 } else { 80 }
}

/// The first slot in which a request is allowed; the current one if it is allowed now.
fn free_slot(map: &HashMap<u128, SlotCounts>, key: u128, slot: u64, limit: u32, tracked: usize) -> u64 {
    match map.get(&key) {
        Some(counts) => counts.free_slot(slot, limit),
        None if map.len() < tracked => slot,
        None => slot + 1,
    }
}

/// The requests of the last [`SLOTS`] slots, as a ring.
#[derive(Clone, Copy, Debug)]
struct SlotCounts {
    /// The latest slot with a count.
    slot: u64,
    ring: [u16; SLOTS],
}

impl SlotCounts {
    fn new(slot: u64) -> Self {
        Self { slot, ring: [0; SLOTS] }
    }

    /// The count of a slot; 0 if the ring no longer holds it.
    fn of(&self, slot: u64) -> u32 {
        let known = slot <= self.slot && self.slot - slot < SLOTS as u64;
        if known {
            u32::from(self.ring[(slot % SLOTS as u64) as usize])
        } else {
            0
        }
    }

    fn free_slot(&self, slot: u64, limit: u32) -> u64 {
        let oldest = slot.saturating_sub(SLOTS as u64 - 1);
        let mut sum: u32 = (oldest..=slot).map(|s| self.of(s)).sum();
        if sum < limit {
            return slot;
        }
        for leaving in oldest..=slot {
            sum -= self.of(leaving);
            if sum < limit {
                return leaving + SLOTS as u64;
            }
        }
        slot + SLOTS as u64
    }

    fn add(&mut self, slot: u64) {
        let ahead = slot.saturating_sub(self.slot).min(SLOTS as u64);
        for step in 1..=ahead {
            self.ring[((slot.saturating_sub(ahead) + step) % SLOTS as u64) as usize] = 0;
        }
        self.slot = slot;
        let count = &mut self.ring[(slot % SLOTS as u64) as usize];
        // A limit is at most 60,000, so an allowed request never saturates the counter.
        *count = count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    const MINUTE: u64 = 60_000_000;

    fn limits(host: u32, prefix: u32) -> ScanLimits {
        ScanLimits {
            requests_per_host: host,
            requests_per_prefix: prefix,
            ..ScanLimits::default()
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// The largest number of instants in any window of this length.
    fn most_in_any(window: u64, times: &[u64]) -> usize {
        (0..times.len())
            .map(|i| times[i..].iter().take_while(|t| **t - times[i] < window).count())
            .max()
            .unwrap_or(0)
    }

    #[test]
    fn a_burst_and_then_a_wait() {
        let mut budget = Budget::new(limits(3, 100), OwnAddresses::default());
        let host = ip("10.0.0.1");
        for _ in 0..3 {
            assert_eq!(budget.take(host, MINUTE), RateDecision::Allowed);
        }
        let RateDecision::Wait(micros) = budget.take(host, MINUTE) else {
            panic!("a fourth was allowed")
        };
        assert_eq!(micros, 6 * MINUTE);
        assert_eq!(budget.take(ip("10.0.0.2"), MINUTE), RateDecision::Allowed);
        assert!(matches!(budget.take(host, MINUTE + micros - 1), RateDecision::Wait(1)));
        assert_eq!(budget.take(host, MINUTE + micros), RateDecision::Allowed);
    }

    #[test]
    fn a_network_has_a_budget_of_its_own() {
        let mut budget = Budget::new(limits(100, 5), OwnAddresses::default());
        for host in 1..=5 {
            assert_eq!(budget.take(IpAddr::from([10, 0, 0, host]), 0), RateDecision::Allowed);
        }
        assert!(matches!(budget.take(ip("10.0.0.6"), 0), RateDecision::Wait(_)));
        assert!(matches!(budget.take(ip("::ffff:10.0.0.6"), 0), RateDecision::Wait(_)));
        assert_eq!(budget.take(ip("10.0.1.1"), 0), RateDecision::Allowed);
        for host in 1..=5u16 {
            assert_eq!(
                budget.take(IpAddr::from([0xfd00, 0, 0, host, 0, 0, 0, 1]), 0),
                RateDecision::Allowed
            );
        }
        assert!(matches!(budget.take(ip("fd00:0:0:9::1"), 0), RateDecision::Wait(_)));
        assert_eq!(budget.take(ip("fd00:0:1::1"), 0), RateDecision::Allowed);
    }

    #[test]
    fn this_machine_is_exempt() {
        let own = OwnAddresses::new([ip("10.0.0.7")]);
        let mut budget = Budget::new(limits(1, 1), own);
        for host in ["127.0.0.1", "127.9.9.9", "::1", "10.0.0.7", "::ffff:127.0.0.1"] {
            for _ in 0..50 {
                assert_eq!(budget.take(ip(host), 0), RateDecision::Allowed, "{host}");
            }
        }
        assert_eq!(budget.tracked(), (0, 0));
    }

    #[test]
    fn a_clock_that_runs_backwards_frees_no_budget() {
        let mut budget = Budget::new(limits(1, 100), OwnAddresses::default());
        assert_eq!(budget.take(ip("10.0.0.1"), 60 * MINUTE), RateDecision::Allowed);
        assert!(matches!(budget.take(ip("10.0.0.1"), 0), RateDecision::Wait(_)));
    }

    #[test]
    fn quiet_hosts_are_removed() {
        let mut budget = Budget::new(ScanLimits::default(), OwnAddresses::default());
        let (mut most, mut now) = (0, 0);
        for host in 0..1_000_000u32 {
            now += 2_000; // 500 hosts a second, one to each /24.
            let address = IpAddr::V4(Ipv4Addr::from_bits((host << 8) | 1));
            assert_eq!(budget.take(address, now), RateDecision::Allowed);
            most = most.max(budget.tracked().0);
        }
        // 360 s at 500 hosts a second.
        assert!(most <= 180_000, "{most} hosts were tracked");
        assert_eq!(budget.take(ip("10.0.0.1"), now + 10 * MINUTE), RateDecision::Allowed);
        assert_eq!(budget.tracked(), (1, 1));
        assert!(budget.hosts.capacity() < 100, "{} places were kept", budget.hosts.capacity());
    }

    #[test]
    fn a_million_hosts_at_once_wait_rather_than_grow() {
        let mut budget = Budget::new(ScanLimits::default(), OwnAddresses::default());
        let waiting = (0..1_000_000u32)
            .filter(|host| budget.take(IpAddr::V4(Ipv4Addr::from_bits(host << 8)), 0) != RateDecision::Allowed)
            .count();
        assert_eq!(budget.tracked(), (TRACKED, TRACKED));
        assert_eq!(waiting, 1_000_000 - TRACKED);
        assert_eq!(budget.take(ip("0.0.1.0"), 0), RateDecision::Allowed, "tracked hosts continue");
        assert!(std::mem::size_of::<(u128, SlotCounts)>() <= 48);
    }

    #[test]
    fn an_endpoint_has_twelve_and_one_per_model() {
        let mut endpoint = Budget::new(ScanLimits::default(), OwnAddresses::default()).endpoint();
        assert_eq!((0..20).filter(|_| endpoint.request()).count(), 12);
        assert_eq!((0..20).filter(|_| endpoint.model()).count(), 16);
        assert_eq!((endpoint.left(), endpoint.models_left()), (0, 0));
    }

    proptest! {
        #[test]
        fn no_window_of_five_minutes_holds_more(
            host_limit in 1u32..20, prefix_limit in 1u32..40,
            steps in prop::collection::vec((0u8..6, prop_oneof![Just(0u64), 0u64..3_000_000, 0u64..400_000_000], any::<bool>()), 1..400),
        ) {
            let mut budget = Budget::new(limits(host_limit, prefix_limit), OwnAddresses::default());
            let mut now = 0;
            let mut sent: HashMap<IpAddr, Vec<u64>> = HashMap::new();
            let mut all: HashMap<u8, Vec<u64>> = HashMap::new();
            for (host, pause, patient) in steps {
                now += pause;
                let address = IpAddr::from([10, 0, host / 3, host]);
                let mut taken = budget.take(address, now);
                if let (RateDecision::Wait(micros), true) = (taken, patient) {
                    prop_assert!(micros > 0);
                    now += micros;
                    taken = budget.take(address, now);
                    // The wait was long enough, because no other request came in between.
                    prop_assert_eq!(taken, RateDecision::Allowed);
                }
                if taken == RateDecision::Allowed {
                    sent.entry(address).or_default().push(now);
                    all.entry(host / 3).or_default().push(now);
                }
            }
            for times in sent.values() {
                prop_assert!(most_in_any(330_000_000, times) <= host_limit as usize);
            }
            for times in all.values() {
                prop_assert!(most_in_any(330_000_000, times) <= prefix_limit as usize);
            }
        }

        #[test]
        fn an_eager_scan_gets_most_of_its_budget(limit in 1u32..200) {
            let mut budget = Budget::new(limits(limit, 60_000), OwnAddresses::default());
            let (mut now, mut sent) = (0, 0);
            while now < 60 * MINUTE {
                match budget.take(ip("10.0.0.1"), now) {
                    RateDecision::Allowed => sent += 1,
                    RateDecision::Wait(micros) => now += micros,
                }
            }
            // An hour holds ten windows of 360 s.
            prop_assert_eq!(sent, 10 * limit);
        }
    }
}
