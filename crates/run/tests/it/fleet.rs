//! Simulated servers, each test on addresses of its own.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use vigie_fleet::{Fleet, Personality, Recorder, Recordings, Running, ServeOptions};

/// The port of every server; not a default port of any product, so that identification cannot rely on it.
pub(crate) const PORT: u16 = 21_434;

/// A running fleet and the requests that it received.
pub(crate) struct Servers {
    _running: Running,
    pub(crate) recorder: Recorder,
}

/// Starts recordings by name at 127.92.`third`.N.
pub(crate) fn start(third: u8, places: &[(u8, &str)]) -> Servers {
    let all = Recordings::embedded().expect("the recordings read");
    let recorder = Recorder::new(1_000);
    let personalities = places
        .iter()
        .map(|(last, name)| {
            let recording = all.named(name).unwrap_or_else(|| panic!("{name} was not recorded"));
            Personality::server(SocketAddrV4::new(Ipv4Addr::new(127, 92, third, *last), PORT), Arc::clone(recording))
        })
        .collect();
    let running = Fleet::serve(personalities, &recorder, ServeOptions::default()).expect("the fleet starts");
    Servers {
        _running: running,
        recorder,
    }
}

/// Whether loopback has more than one address here, as it does on Linux.
pub(crate) fn has_addresses() -> bool {
    Fleet::has_many_addresses()
}
