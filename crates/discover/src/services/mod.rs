//! The APIs of the services.

pub(crate) mod censys;
pub(crate) mod censys_legacy;
mod censys_shared;
mod quotes;
pub(crate) mod shodan;
