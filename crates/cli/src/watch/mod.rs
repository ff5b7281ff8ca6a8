//! What a watch needs besides its scans: what it asks, when it is due, and that it is alone.

mod lock;
mod question;
mod schedule;

pub(crate) use lock::Lock;
pub(crate) use question::Question;
pub(crate) use schedule::{Rounds, Schedule};
