//! Readers of the formats in which configuration is written. Each keeps where a value stands.

pub mod dotenv;
pub mod ini;
pub mod shell;
pub mod tree;
pub mod yaml;
