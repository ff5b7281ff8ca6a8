//! The audit log: one JSON line for every request, refusals and changes included, in a keyed chain that shows what was altered, cut or reordered.
//!
//! Each line holds its number, the SHA-256 of the line before it, and a keyed hash. A signed line comes at least once a second while something is
//! written: whoever has the public key can tell that everything up to the last of them is as it was written. The layout is in `chain.rs`.

mod age;
mod batch;
mod chain;
mod check;
mod entry;
mod erase;
mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod line;
mod ocsf;
mod options;
mod prompt;
mod recover;
mod retain;
mod stream;
mod text;
mod verify;
mod write;
mod writer;

#[cfg(test)]
mod tests;

pub use age::Recipient;
pub(crate) use batch::Batch;
pub(crate) use chain::hex;
pub use chain::{FORMAT, Head, SigningKey, VerifyingKey};
pub use entry::{Change, Client, Entry, KeyChange, KeyEvent, Options, Outcome, RequestEntry, Tokens, user_agent};
pub use erase::{EraseError, Erased, Person, erase};
pub use files::{files, open, streams};
pub(crate) use files::{first_of, is_packed};
pub use options::{LogOptions, WhenFull};
pub use prompt::{PromptKey, PromptMark};
pub(crate) use recover::last_head;
pub use text::StoredText;
pub(crate) use text::Texts;
pub use verify::{Fault, From, Range, Report, StreamReport, verify};
pub(crate) use writer::Follow;
pub use writer::{Log, LogError};
