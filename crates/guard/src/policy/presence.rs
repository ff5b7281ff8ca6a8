//! Where and when a grant holds.

use std::net::IpAddr;

use vigie_model::Timestamp;

use super::Refusal;
use crate::key::{Grant, NotHere};

/// Compares a client's address and the moment with a grant.
///
/// # Errors
///
/// The grant holds for other networks or other hours.
pub fn present(grant: &Grant, address: IpAddr, at: Timestamp) -> Result<(), Refusal> {
    grant.holds_for(address, at).map_err(|why| {
        Refusal::NotGranted(match why {
            NotHere::Network => format!("anything from the address {}", address.to_canonical()),
            NotHere::Hour => "anything at this hour".to_owned(),
        })
    })
}
