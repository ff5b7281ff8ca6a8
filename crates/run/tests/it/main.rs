//! The application's calls, against simulated servers on loopback.

#[cfg(feature = "watch")]
mod diff;
mod fleet;
mod scan;
#[cfg(feature = "watch")]
mod watch;
