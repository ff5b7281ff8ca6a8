//! The chain and its signatures.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

/// What is signed begins with this, so that a signature means nothing elsewhere.
const CONTEXT: &str = "vigie.guard-log/1 head";

/// The end of a chain: the number of its last line and that line's hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The number of the last line, from 1.
    pub seq: u64,
    /// The SHA-256 of it, in hexadecimal digits.
    pub hash: String,
}

impl Head {
    /// Before the first line.
    #[must_use]
    pub fn start() -> Self {
        Self {
            seq: 0,
            hash: "0".repeat(64),
        }
    }

    /// After one more line.
    #[must_use]
    pub fn after(&self, line: &[u8]) -> Self {
        Self {
            seq: self.seq + 1,
            hash: hex(digest(&SHA256, line).as_ref()),
        }
    }

    fn message(&self) -> String {
        format!("{CONTEXT}\n{}\n{}", self.seq, self.hash)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The key that signs a log.
pub struct SigningKey {
    pair: Ed25519KeyPair,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

impl SigningKey {
    /// A new key, in PKCS #8.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub fn generate() -> Result<Vec<u8>, ring::error::Unspecified> {
        Ok(Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())?.as_ref().to_vec())
    }

    /// Reads a key in PKCS #8.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn read(pkcs8: &[u8]) -> Result<Self, ring::error::KeyRejected> {
        Ed25519KeyPair::from_pkcs8(pkcs8).map(|pair| Self { pair })
    }

    /// The key that its signatures are checked with.
    #[must_use]
    pub fn verifying(&self) -> VerifyingKey {
        VerifyingKey(self.pair.public_key().as_ref().to_vec())
    }

    pub(crate) fn sign(&self, head: &Head) -> String {
        STANDARD.encode(self.pair.sign(head.message().as_bytes()).as_ref())
    }
}

/// The key that the signatures of a log are checked with: `ed25519:` and 32 bytes in base 64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey(Vec<u8>);

impl VerifyingKey {
    pub(crate) fn holds(&self, head: &Head, signature: &str) -> bool {
        STANDARD.decode(signature).is_ok_and(|signature| {
            let key = UnparsedPublicKey::new(&ED25519, &self.0);
            key.verify(head.message().as_bytes(), &signature).is_ok()
        })
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", STANDARD.encode(&self.0))
    }
}

impl std::str::FromStr for VerifyingKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "a public key is ed25519: and 44 characters of base 64";
        let bytes = text.trim().strip_prefix("ed25519:").and_then(|text| STANDARD.decode(text).ok());
        bytes.filter(|bytes| bytes.len() == 32).map(Self).ok_or(wrong)
    }
}
