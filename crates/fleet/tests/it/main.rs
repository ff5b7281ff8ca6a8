//! Tests of the fleet from outside: what it answers over a socket, and what it keeps of it.

mod client;
mod faults;
mod judge;
mod namespace;
mod plan;
mod probe;
mod recorder;
mod replay;
