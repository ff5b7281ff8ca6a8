//! The gateway as a whole, in front of servers that are played.

mod admin;
mod limit;
mod meter;
mod stage;
