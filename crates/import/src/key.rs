//! What makes two records the same.

use std::net::IpAddr;

use sha2::{Digest as _, Sha256};
use vigie_model::{Observation, SourceKind, Transport};

/// The key of a duplicate: the same (source, seen, address, port, transport, name), within and across files.
///
/// The first 16 bytes, the highest first, of the SHA-256 over: the source's kind (one byte: 0 scan, 1 import, 2 fleet), its name
/// and vantage, the instant in microseconds since 1970 (eight bytes), the address (4 or 16 bytes), the port, the transport (one
/// byte: 0 TCP) and the name. Texts and addresses have their length before them in eight bytes, numbers stand with the highest
/// byte first, and a missing name is the length 2^64 - 1. It is the same on every machine and in every later version.
#[must_use]
pub fn key(observation: &Observation) -> u128 {
    let mut hash = Sha256::new();
    let source = &observation.source;
    hash.update([match source.kind {
        SourceKind::Scan => 0_u8,
        SourceKind::Import => 1,
        SourceKind::Fleet => 2,
    }]);
    text(&mut hash, source.name.as_bytes());
    text(&mut hash, source.vantage.as_bytes());
    hash.update(observation.seen.timestamp_micros().to_be_bytes());
    let endpoint = &observation.endpoint;
    match endpoint.address {
        IpAddr::V4(address) => text(&mut hash, &address.octets()),
        IpAddr::V6(address) => text(&mut hash, &address.octets()),
    }
    hash.update(endpoint.port.to_be_bytes());
    hash.update([match endpoint.transport {
        Transport::Tcp => 0_u8,
    }]);
    match &endpoint.name {
        Some(name) => text(&mut hash, name.as_bytes()),
        None => hash.update(u64::MAX.to_be_bytes()),
    }
    hash.finalize().iter().take(16).fold(0, |key, byte| (key << 8) | u128::from(*byte))
}

fn text(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}
