//! What is wrong in the configuration of a host, or in a tree of files.

pub mod source;
pub mod syntax;
pub mod workload;
