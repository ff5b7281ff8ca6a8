//! The endpoints that a scan could not try.

use std::net::SocketAddr;

use vigie_model::{Known, Why};

/// Endpoints that could not be tried are listed up to this many.
const MAX_MISSED: usize = 10_000;

/// Planned endpoints that could not be tried.
#[derive(Debug, Default)]
pub(crate) struct Missed(Vec<SocketAddr>);

impl Missed {
    pub(crate) fn add(&mut self, address: SocketAddr) {
        if self.0.len() <= MAX_MISSED {
            self.0.push(address);
        }
    }

    /// All of them. Unknown if there are too many, if some have no address, or if `lost` probes ended without a result.
    pub(crate) fn kept(mut self, lost: usize) -> Known<Vec<SocketAddr>> {
        // An error that concerns every address has the unspecified one.
        let everywhere = self.0.iter().any(|address| address.ip().is_unspecified());
        if everywhere || lost > 0 || self.0.len() > MAX_MISSED {
            return Known::unknown_because(Why::NotCarried, "some endpoints, and it is not known which");
        }
        self.0.sort_unstable();
        self.0.dedup();
        Known::Known(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> SocketAddr {
        text.parse().expect("an address and a port")
    }

    #[test]
    fn missed_endpoints_are_listed_or_unknown() {
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
