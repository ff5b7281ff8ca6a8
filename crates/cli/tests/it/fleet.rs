//! Simulated servers for these tests, each test on addresses of its own.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use vigie_fleet::{Fleet, Listen, Personality, Recorder, Recording, Recordings, Running, ServeOptions};

/// Starts these recordings at 127.91.`third`.1 and the following addresses, each on a high port.
pub(crate) fn raise(third: u8, recordings: &[Arc<Recording>]) -> (Running, Recorder) {
    let recorder = Recorder::new(1 << 16);
    let personalities = recordings
        .iter()
        .zip(1..)
        .map(|(recording, last)| {
            Personality::server(
                SocketAddrV4::new(Ipv4Addr::new(127, 91, third, last), 21_434),
                Arc::clone(recording),
            )
        })
        .collect();
    let options = ServeOptions {
        listen: Listen::Each,
        ..ServeOptions::default()
    };
    (Fleet::serve(personalities, &recorder, options).expect("the fleet starts"), recorder)
}

/// Starts recordings by name, each at 127.91.`third` with its own last octet.
#[cfg(feature = "watch")]
pub(crate) fn raise_at(third: u8, places: &[(u8, &str)]) -> Running {
    raise_on(third, 21_434, places)
}

/// The same on another port.
#[cfg(feature = "watch")]
pub(crate) fn raise_on(third: u8, port: u16, places: &[(u8, &str)]) -> Running {
    let all = Recordings::embedded().expect("the recordings read");
    let personalities = places
        .iter()
        .map(|(last, name)| {
            let recording = all.named(name).unwrap_or_else(|| panic!("{name} was not recorded"));
            Personality::server(SocketAddrV4::new(Ipv4Addr::new(127, 91, third, *last), port), Arc::clone(recording))
        })
        .collect();
    Fleet::serve(personalities, &Recorder::new(16), ServeOptions::default()).expect("the fleet starts")
}

/// Some recordings by name.
pub(crate) fn named(names: &[&str]) -> Vec<Arc<Recording>> {
    let all = Recordings::embedded().expect("the recordings read");
    names
        .iter()
        .map(|name| Arc::clone(all.named(name).unwrap_or_else(|| panic!("{name} was not recorded"))))
        .collect()
}

/// One recording of each product, in order.
pub(crate) fn one_of_each() -> Vec<Arc<Recording>> {
    let all = Recordings::embedded().expect("the recordings read");
    let mut seen = std::collections::BTreeSet::new();
    all.iter()
        .filter(|recording| {
            recording
                .fixture()
                .head
                .expect
                .product
                .as_ref()
                .is_some_and(|product| seen.insert(product.clone()))
        })
        .map(Arc::clone)
        .collect()
}
