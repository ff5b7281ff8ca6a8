//! Simulated AI servers, from one host to an internet, for tests, demos and measurements.
//!
//! A server of the fleet answers what a real one was recorded to answer (`catalog/fixtures`), never what the rules expect: a rule
//! that is wrong is wrong against the fleet too. [`Fleet::plan`] is pure: the same seed and [`Population`] give the same
//! [`Personality`] at the same address. [`Fleet::serve`] raises them, on loopback only; a [`Recorder`] keeps what they were asked,
//! and a [`Judge`] says which of it no scan may send.

mod answer;
mod census;
mod decoy;
mod error;
mod fault;
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
pub use population::{Entry, FaultShare, HoneypotShare, Population};
pub use recorder::{Recorder, Seen};
pub use recording::{Recording, Recordings};
pub use serve::{Fleet, Listen, Running, ServeOptions};
