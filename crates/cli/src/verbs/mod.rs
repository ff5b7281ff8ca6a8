//! The verbs, one module each.

#[cfg(feature = "find")]
pub(crate) mod advisory;
#[cfg(feature = "audit")]
pub(crate) mod audit;
#[cfg(feature = "find")]
pub(crate) mod catalog;
#[cfg(feature = "guard")]
pub(crate) mod connect;
#[cfg(feature = "study")]
mod coverage;
#[cfg(feature = "demo")]
pub(crate) mod demo;
#[cfg(feature = "watch")]
pub(crate) mod diff;
#[cfg(feature = "watch")]
pub(crate) mod discover;
#[cfg(feature = "study")]
mod engine;
#[cfg(feature = "demo")]
pub(crate) mod fleet;
pub(crate) mod generate;
#[cfg(feature = "guard")]
pub(crate) mod guard;
#[cfg(feature = "find")]
pub(crate) mod hosts;
#[cfg(feature = "watch")]
pub(crate) mod import;
#[cfg(feature = "study")]
pub(crate) mod lake;
#[cfg(feature = "demo")]
pub(crate) mod population;
#[cfg(feature = "find")]
mod record;
#[cfg(feature = "find")]
pub(crate) mod scan;
#[cfg(feature = "find")]
pub(crate) mod scope;
#[cfg(feature = "find")]
pub(crate) mod show;
#[cfg(feature = "study")]
pub(crate) mod sql;
#[cfg(feature = "study")]
pub(crate) mod study;
#[cfg(feature = "watch")]
pub(crate) mod watch;
