//! Readers of the formats in which configuration is written. Each keeps where a value stands.

pub mod tree;
pub mod yaml;
