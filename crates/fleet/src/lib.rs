//! Simulated AI servers, from one host to an internet, for tests, demos and measurements.
//!
//! A server of the fleet replays a recording of a real one (`catalog/fixtures`), never what the rules expect, so a wrong rule fails
//! against the fleet too. [`Fleet::plan`] is pure: the same seed and [`Population`] give the same [`Personality`] at the same address.
//! [`Fleet::serve`] starts the servers, on loopback only. A [`Recorder`] keeps the requests, and a [`Judge`] decides which of them no scan
//! may send.

mod census;
mod decoy;
mod error;
mod fault;
mod http_server;
mod judge;
mod misbehave;
mod namespace;
mod plan;
mod population;
mod recorder;
mod recording;
mod serve;

pub use census::{Census, Planted};
pub use decoy::Honeypot;
pub use error::FleetError;
pub use fault::Fault;
pub use judge::{Harm, Judge, Route, Ruling};
pub use namespace::OwnNamespace;
pub use plan::{Layout, Personality};
pub use population::{FaultShare, HoneypotShare, Population, PopulationEntry};
pub use recorder::{ReceivedRequest, Recorder};
pub use recording::{Recording, Recordings};
pub use serve::{Fleet, Listen, Running, ServeOptions};
