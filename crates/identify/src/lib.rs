//! Identification of one endpoint: which request comes next, and what the replies mean. No I/O.
//!
//! An [`Identifier`] holds the compiled catalogue with the indices and caches that identification needs. A [`Session`] asks one
//! endpoint: a pure state machine that returns the next request and reads each reply; its [`Conclusion`] reports product, version,
//! posture, models and signs of deception. [`fixture`] replays recorded sessions, and [`Measured`] is the confidence that they
//! measured.

mod ask;
mod cache;
mod conclusion;
mod condition;
mod extract;
pub mod fixture;
mod identifier;
mod index;
mod measured;
mod reply;
mod session;
mod transcript;
pub mod truncated_json;

pub use ask::{Ask, Limits};
pub use conclusion::Conclusion;
pub use identifier::Identifier;
pub use measured::Measured;
pub use session::Session;
