//! The scope: which addresses, ports and names may be scanned, and when.

pub(crate) mod clip;
mod hash;
pub(crate) mod refusal;
pub(crate) mod scope;
mod template;
