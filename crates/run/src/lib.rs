//! The application without a terminal: calls with typed options, which give a stream of events.
//!
//! [`scan`] runs one scan from targets to the lake; [`watch`] repeats it on a schedule; [`import`] and [`discover`] bring in what others saw;
//! [`diff`] compares two instants of a lake. Nothing here reads arguments, prints, or listens for signals: the caller passes a listener for
//! the events and a [`Stop`] that it sets when the user interrupts.

#[cfg(feature = "watch")]
pub mod diff;
#[cfg(feature = "watch")]
pub mod discover;
mod failure;
mod files;
mod folders;
#[cfg(feature = "watch")]
pub mod import;
#[cfg(feature = "watch")]
mod intake;
#[cfg(feature = "find")]
pub mod knowledge;
#[cfg(feature = "find")]
pub mod lake;
#[cfg(feature = "watch")]
mod lock;
#[cfg(feature = "watch")]
mod network;
#[cfg(feature = "find")]
mod reach;
#[cfg(feature = "find")]
pub mod scan;
#[cfg(feature = "find")]
mod stop;
#[cfg(feature = "find")]
pub mod targets;
#[cfg(feature = "watch")]
pub mod watch;

pub use failure::{Failure, FailureKind, read};
pub use files::{Part, WholeFile, cannot_write, write_through, write_whole};
pub use folders::data_folder;
#[cfg(feature = "watch")]
pub use network::NetworkFiles;
#[cfg(feature = "find")]
pub use stop::{Asked, Stop};
