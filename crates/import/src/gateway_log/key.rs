//! The public key of a gateway's log.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, UnparsedPublicKey};

use super::chain::hash_of;

/// The length of an Ed25519 key, in bytes.
const LENGTH: usize = 32;

/// Digits of a fingerprint.
const FINGERPRINT: usize = 16;

/// The key that the signatures of a gateway's log are checked with. As text: `ed25519:` and 32 bytes in base 64, as in the gateway's file
/// `log-signing.pub`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    bytes: Vec<u8>,
    fingerprint: String,
}

impl PublicKey {
    /// The first 16 digits of the SHA-256 of the key: the name of the gateway in its log.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Whether a signature, in base 64, is one of this key over a message.
    pub(super) fn verifies(&self, message: &[u8], signature: &str) -> bool {
        STANDARD
            .decode(signature)
            .is_ok_and(|signature| UnparsedPublicKey::new(&ED25519, &self.bytes).verify(message, &signature).is_ok())
    }
}

impl FromStr for PublicKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "not the public key of a gateway's log: that is ed25519: and 44 characters of base 64, as in log-signing.pub";
        let encoded = text.trim().strip_prefix("ed25519:").ok_or(wrong)?;
        let bytes = STANDARD.decode(encoded).ok().filter(|bytes| bytes.len() == LENGTH).ok_or(wrong)?;
        let mut fingerprint = hash_of(&bytes);
        fingerprint.truncate(FINGERPRINT);
        Ok(Self { bytes, fingerprint })
    }
}
