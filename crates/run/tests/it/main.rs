//! The application's calls, against simulated servers on loopback.

#[cfg(feature = "watch")]
mod diff;
#[cfg(feature = "watch")]
mod discover;
mod fleet;
#[cfg(feature = "watch")]
mod import;
mod scan;
#[cfg(feature = "watch")]
mod watch;
