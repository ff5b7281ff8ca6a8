//! The audit log: one JSON line for every request, refusals and changes included, in a chain that shows what was altered, cut or reordered.
//!
//! Each line holds its number and the SHA-256 of the line before it. A signed line comes at least once a second while something is
//! written: whoever has the public key can tell that everything up to the last of them is as it was written.

mod chain;
mod entry;
mod ocsf;
mod verify;
mod writer;

pub use chain::{Head, SigningKey, VerifyingKey};
pub use entry::{Change, Client, Entry, Outcome, RequestEntry, Tokens};
pub use verify::{Fault, Report, verify};
pub(crate) use writer::Follow;
pub use writer::{Log, LogError, files};
