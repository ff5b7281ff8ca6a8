//! The gateway as a whole, in front of servers that are played.

mod admin;
mod meter;
mod stage;
