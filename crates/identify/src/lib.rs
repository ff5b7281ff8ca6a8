//! The conversation with one endpoint: which request comes next, and what the replies mean. No I/O.
//!
//! An [`Identifier`] holds the compiled catalogue with the indices and caches that identification needs. A [`Session`] is the
//! conversation with one endpoint: a pure state machine that returns the next request and reads each reply; its
//! [`Conclusion`] says product, version, posture, models and signs of deception. [`fixture`] replays recorded conversations,
//! and [`Measured`] is the confidence that they measured.

mod conclude;
pub mod cut;
mod dialogue;
pub mod fixture;
mod holds;
mod identifier;
mod index;
mod measured;
mod memory;
mod read;
mod refusal;
mod session;
mod stack;
mod tells;
mod under;
mod view;

pub use conclude::Conclusion;
pub use identifier::Identifier;
pub use measured::Measured;
pub use session::{Ask, Limits, Prove, Session};
