//! The chain, its keyed hashes, and its signatures.
//!
//! A line of version 2 is `CORE,"chain":{…}` and the rest, which may be personal and can be erased:
//!
//! ```text
//! {…,"unmapped":{…,"chain":{"seq":7,"prev":"…","personal":"…","mac":"…"},"prompt":{…},"salt":"…"},"src_endpoint":{…},…}
//! └────────────── digest ─────────────────────────────────┘            └──────────────── rest ────────────────────────┘
//! └────────────── hash: the next line's "prev" ───────────────────────┘
//! ```
//!
//! - `personal` is the SHA-256 of the rest, which holds a random salt: without the rest it says nothing, and the hash stays when the rest goes.
//! - `mac` is HMAC-SHA-256 over the digest, cut to 16 bytes. Its key is derived from the signing key and the last signed line, and the next
//!   signed line reveals it. So nobody without the signing key can alter or add a line since the last signature, and everybody can check it
//!   once it is signed.
//! - `signature` is Ed25519 over the digest. It covers its own line and, through `prev`, all before it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Context, SHA256, digest};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

/// The format of a line.
pub const FORMAT: &str = "vigie.guard-log/2";

/// What is signed begins with this, so that a signature means nothing elsewhere.
const SIGNED: &[u8] = b"vigie.guard-log/2 signed line\n";
/// In version 1 it was the head that was signed.
const SIGNED_1: &str = "vigie.guard-log/1 head";

/// SHA-256.
pub(crate) type Hash = [u8; 32];
/// The keyed hash of a line.
pub(crate) type Mac = [u8; 16];

/// The end of a chain: the number of its last line and that line's hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The number of the last line, from 1.
    pub seq: u64,
    /// The SHA-256 of it, in hexadecimal digits.
    pub hash: String,
}

impl Head {
    /// Before the first line of a stream.
    #[must_use]
    pub fn start(stream: u32) -> Self {
        let hash = match stream {
            0 | 1 => "0".repeat(64),
            _ => hex(digest(&SHA256, format!("{FORMAT} stream {stream}").as_bytes()).as_ref()),
        };
        Self { seq: 0, hash }
    }

    /// Reads `SEQ:HASH`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (seq, hash) = text.split_once(':')?;
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        Some(Self {
            seq: seq.parse().ok()?,
            hash: is_hash.then(|| hash.to_owned())?,
        })
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut digits = Vec::with_capacity(bytes.len() * 2);
    super::write::hex(bytes, &mut digits);
    String::from_utf8(digits).unwrap_or_default()
}

/// Reads hexadecimal digits in lower case.
pub(crate) fn unhex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != N * 2 {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let half = |at: usize| match pair[at] {
            digit @ b'0'..=b'9' => Some(digit - b'0'),
            digit @ b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        *byte = half(0)? << 4 | half(1)?;
    }
    Some(bytes)
}

pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    finish(begin(bytes))
}

/// A hash that goes on.
pub(crate) fn begin(bytes: &[u8]) -> Context {
    let mut context = Context::new(&SHA256);
    context.update(bytes);
    context
}

pub(crate) fn finish(context: Context) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// The key of the keyed hashes between two signed lines.
#[derive(Clone)]
pub(crate) struct LineKey {
    key: hmac::Key,
    bytes: Hash,
}

impl LineKey {
    pub(crate) fn new(bytes: Hash) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &bytes),
            bytes,
        }
    }

    /// Reads what a signed line reveals.
    pub(crate) fn revealed(text: &str) -> Option<Self> {
        unhex(text.as_bytes()).map(Self::new)
    }

    /// What a signed line reveals.
    pub(crate) fn reveal(&self) -> String {
        hex(&self.bytes)
    }

    pub(crate) fn mac(&self, digest: &Hash) -> Mac {
        let tag = hmac::sign(&self.key, digest);
        let mut mac = [0; 16];
        mac.copy_from_slice(&tag.as_ref()[..16]);
        mac
    }
}

/// The key that signs a log.
pub struct SigningKey {
    pkcs8: Vec<u8>,
    pair: Ed25519KeyPair,
    /// What the keys of lines are derived with.
    secret: hmac::Key,
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
        Ok(Self {
            pkcs8: pkcs8.to_vec(),
            pair: Ed25519KeyPair::from_pkcs8(pkcs8)?,
            secret: hmac::Key::new(hmac::HMAC_SHA256, pkcs8),
        })
    }

    /// The same key, for another stream.
    pub(crate) fn again(&self) -> Result<Self, ring::error::KeyRejected> {
        Self::read(&self.pkcs8)
    }

    /// The key that its signatures are checked with.
    #[must_use]
    pub fn verifying(&self) -> VerifyingKey {
        VerifyingKey(self.pair.public_key().as_ref().to_vec())
    }

    /// The key of the lines that follow a signed line, or the first lines of a stream.
    pub(crate) fn line_key(&self, stream: u32, head: &Head) -> LineKey {
        let tag = hmac::sign(&self.secret, format!("{FORMAT} line key\n{stream}\n{head}").as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(tag.as_ref());
        LineKey::new(bytes)
    }

    /// A keyed hash of something that only the owner of the key can make again, for what must not be named.
    pub(crate) fn mark(&self, what: &str, of: &str) -> String {
        hex(hmac::sign(&self.secret, format!("{FORMAT} {what}\n{of}").as_bytes()).as_ref())
    }

    pub(crate) fn sign(&self, digest: &Hash) -> String {
        STANDARD.encode(self.pair.sign(&[SIGNED, digest].concat()).as_ref())
    }
}

/// The key that the signatures of a log are checked with: `ed25519:` and 32 bytes in base 64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey(Vec<u8>);

impl VerifyingKey {
    /// The first 16 digits of its SHA-256, by which a log names it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex(&sha256(&self.0)[..8])
    }

    pub(crate) fn holds(&self, digest: &Hash, signature: &[u8]) -> bool {
        self.verify(&[SIGNED, digest].concat(), signature)
    }

    /// Whether a signature of version 1 over a head holds.
    pub(crate) fn holds_1(&self, head: &Head, signature: &str) -> bool {
        self.verify(format!("{SIGNED_1}\n{}\n{}", head.seq, head.hash).as_bytes(), signature.as_bytes())
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let signature = STANDARD.decode(signature).unwrap_or_default();
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, &signature).is_ok()
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
