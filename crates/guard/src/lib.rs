//! The gateway: keys and grants, a strict proxy, metering and an audit log.
//!
//! A request is taken apart strictly, compared with the catalogue's route table and the key's grant, and written anew from what was
//! compared. What is not known is refused.

pub mod credential;
pub mod key;
pub mod log;
pub mod policy;
