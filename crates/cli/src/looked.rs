//! What a scan looked at, as the lake keeps it: later, what was looked for and did not answer is gone.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use vigie_model::{Known, Why};
use vigie_scope::{AddressRange, Coverage, Ports};

/// A coverage of more characters than this is not kept: some fifty thousand addresses that lie apart.
const MAX_TEXT: usize = 1 << 20;
/// Endpoints that could not be looked at are named up to this many.
const MAX_MISSED: usize = 10_000;
/// A wait that takes this much longer than it should: the process was stopped, or the machine slept. Answers that came meanwhile may
/// be lost, since deadlines went by.
const PAUSE: Duration = Duration::from_secs(3);

/// A scan of this machine looks at what listens on these ports: what does not listen any more is gone.
pub(crate) fn this_machine(own: &[IpAddr], only: Option<&Ports>, others: &[u16]) -> Coverage {
    let ports = match only {
        Some(ports) => ports.clone(),
        None => Ports::all().without(&Ports::new(others.iter().copied())),
    };
    let loopback = AddressRange::new(
        IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)),
        IpAddr::V4(Ipv4Addr::new(127, 255, 255, 255)),
    );
    let six = AddressRange::single(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST));
    let own = own.iter().map(|address| AddressRange::single(*address));
    Coverage::of(loopback.into_iter().chain([six]).chain(own), &ports)
}

/// The coverage as a text, where it says what the scan looks at and is not too long.
pub(crate) fn kept(coverage: &Coverage, resumed: bool) -> Known<String> {
    if resumed {
        return Known::unknown_because(Why::NotCarried, "it went on with what another scan had left");
    }
    let text = coverage.to_string();
    if text.len() > MAX_TEXT {
        return Known::unknown_because(Why::NotCarried, "too many addresses that lie apart");
    }
    Known::Known(text)
}

/// What could not be looked at after all.
#[derive(Default)]
pub(crate) struct Missed(Vec<SocketAddr>);

impl Missed {
    pub(crate) fn add(&mut self, address: SocketAddr) {
        if self.0.len() <= MAX_MISSED {
            self.0.push(address);
        }
    }

    /// All of it, unless it cannot be named: there is too much, or `untold` probes ended without a word.
    pub(crate) fn kept(mut self, untold: usize) -> Known<Vec<SocketAddr>> {
        // The engine names no address for what concerns every one.
        let everywhere = self.0.iter().any(|address| address.ip().is_unspecified());
        if everywhere || untold > 0 || self.0.len() > MAX_MISSED {
            return Known::unknown_because(Why::NotCarried, "some of it, and which cannot be told");
        }
        self.0.sort_unstable();
        self.0.dedup();
        Known::Known(self.0)
    }
}

/// Notices when the process was stopped or the machine slept: turns that come often come late then.
pub(crate) struct Pauses {
    begun: (Instant, SystemTime),
    last: Instant,
    longest: Duration,
}

impl Pauses {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            begun: (now, SystemTime::now()),
            last: now,
            longest: Duration::ZERO,
        }
    }

    /// A turn comes.
    pub(crate) fn turn(&mut self) {
        let now = Instant::now();
        self.longest = self.longest.max(now - self.last);
        self.last = now;
    }

    /// Does what may take long by itself: the scan goes on meanwhile.
    pub(crate) fn apart<T>(&mut self, work: impl FnOnce() -> T) -> T {
        self.turn();
        let done = work();
        self.last = Instant::now();
        done
    }

    /// The longest pause, if there was one.
    pub(crate) fn told(&self) -> Option<String> {
        // While a machine sleeps, the clock on the wall goes on and the other one may not.
        let wall = self.begun.1.elapsed().unwrap_or_default();
        let slept = wall.saturating_sub(self.begun.0.elapsed());
        let longest = self.longest.max(slept);
        (longest >= PAUSE).then(|| format!("the scan was paused for {} seconds", longest.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> SocketAddr {
        text.parse().expect("an address and a port")
    }

    #[test]
    fn this_machine_is_all_its_ports_but_those_of_other_protocols() {
        let own: IpAddr = "192.168.1.5".parse().expect("an address");
        let coverage = this_machine(&[own], None, &[22]);
        for (address, port, held) in [
            ("127.0.0.1", 11434, true),
            ("127.0.0.53", 8080, true),
            ("127.0.0.1", 22, false),
            ("::1", 11434, true),
            ("192.168.1.5", 65535, true),
            ("192.168.1.6", 11434, false),
        ] {
            assert_eq!(
                coverage.holds(address.parse().expect("an address"), port, None),
                held,
                "{address} {port}"
            );
        }
        let narrow = this_machine(&[own], Some(&Ports::new([22])), &[22]);
        assert!(narrow.holds(own, 22, None) && !narrow.holds(own, 80, None));
        let text = kept(&coverage, false);
        assert_eq!(text.known().map(|text| text.parse()), Some(Ok(coverage.clone())));
        assert!(!kept(&coverage, true).is_known());
    }

    #[test]
    fn a_pause_is_noticed_and_work_is_none() {
        let mut pauses = Pauses::new();
        pauses.turn();
        assert_eq!(pauses.told(), None);
        let long = PAUSE + Duration::from_secs(4);
        let Some(earlier) = pauses.last.checked_sub(long) else { return };
        pauses.last = earlier;
        // Work begins at once and is done at once; what was late was the turn before it.
        pauses.apart(|| ());
        assert_eq!(pauses.told().as_deref(), Some("the scan was paused for 7 seconds"));
        let mut busy = Pauses::new();
        busy.apart(|| std::thread::sleep(Duration::from_millis(30)));
        busy.turn();
        assert!(busy.longest < Duration::from_millis(30), "{:?}", busy.longest);
    }

    #[test]
    fn what_was_missed_is_named_or_unknown() {
        let mut missed = Missed::default();
        missed.add(place("10.0.0.2:80"));
        missed.add(place("10.0.0.1:80"));
        missed.add(place("10.0.0.2:80"));
        assert_eq!(missed.kept(0), Known::Known(vec![place("10.0.0.1:80"), place("10.0.0.2:80")]));
        assert!(!Missed::default().kept(1).is_known());
        let mut everywhere = Missed::default();
        everywhere.add(place("0.0.0.0:0"));
        assert!(!everywhere.kept(0).is_known());
        let mut many = Missed::default();
        (0..=MAX_MISSED).for_each(|_| many.add(place("10.0.0.2:80")));
        assert!(!many.kept(0).is_known());
    }
}
