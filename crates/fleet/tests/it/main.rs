//! Tests of the fleet over sockets: its replies and its records.

mod client;
mod faults;
mod judge;
mod namespace;
mod plan;
mod probe;
mod recorder;
mod replay;
