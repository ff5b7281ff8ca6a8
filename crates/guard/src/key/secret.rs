//! The secret of a key: its form, its hash, and how it is made.

use std::fmt;

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};

/// What every secret starts with, so that scanners for leaked secrets find it.
pub const PREFIX: &str = "vigie_";
/// The digits that 256 random bits take in base 62.
const DIGITS: usize = 43;
/// The digits of the checksum.
const CHECK: usize = 6;
/// The characters of a secret in all.
pub const LENGTH: usize = PREFIX.len() + DIGITS + CHECK;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A secret: `vigie_`, 256 random bits in base 62, and a CRC-32 of both in base 62. It is shown once, when it is made.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A new one, from the system's random numbers.
    ///
    /// # Errors
    ///
    /// The system gives none.
    pub fn generate() -> Result<Self, ring::error::Unspecified> {
        let mut bits = [0; 32];
        SystemRandom::new().fill(&mut bits)?;
        Ok(Self::of(bits))
    }

    fn of(mut bits: [u8; 32]) -> Self {
        let mut digits = [0; DIGITS];
        for digit in digits.iter_mut().rev() {
            // Long division by 62.
            let mut rest = 0_u32;
            for byte in &mut bits {
                let value = rest << 8 | u32::from(*byte);
                *byte = (value / 62) as u8;
                rest = value % 62;
            }
            *digit = ALPHABET[rest as usize];
        }
        let mut text = String::with_capacity(LENGTH);
        text.push_str(PREFIX);
        text.extend(digits.iter().map(|digit| char::from(*digit)));
        let check = checksum(&text);
        text.extend(check.iter().map(|digit| char::from(*digit)));
        Self(text)
    }

    /// The secret as text, for the one time that it is shown.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Its hash.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Whether a text has the form of a secret, its checksum included. A text that has not is no key, and no hash needs to be computed.
#[must_use]
pub fn is_well_formed(text: &str) -> bool {
    text.len() == LENGTH
        && text.starts_with(PREFIX)
        && text.bytes().skip(PREFIX.len()).all(|byte| byte.is_ascii_alphanumeric())
        && text.is_char_boundary(LENGTH - CHECK)
        && checksum(&text[..LENGTH - CHECK]) == text.as_bytes()[LENGTH - CHECK..]
}

fn checksum(text: &str) -> [u8; CHECK] {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = [0; CHECK];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}

/// The SHA-256 of a secret: what is stored of it. A slow hash is for passwords; 256 random bits cannot be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Self(hash)
    }

    /// The hash of these bytes.
    pub(super) fn from_bytes(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// Whether both are the same; how long it takes does not depend on where they differ.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::str::FromStr for Hash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "a hash is sha256: and 64 hexadecimal digits";
        let digits = text
            .strip_prefix("sha256:")
            .filter(|digits| digits.len() == 64 && digits.is_ascii())
            .ok_or(WRONG)?;
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(0..) {
            *byte = u8::from_str_radix(&digits[2 * pair..2 * pair + 2], 16).map_err(|_| WRONG)?;
        }
        Ok(Self(hash))
    }
}

impl serde::Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_its_form_and_no_two_are_alike() {
        let (one, other) = (Secret::generate().expect("random"), Secret::generate().expect("random"));
        for secret in [&one, &other, &Secret::of([0; 32]), &Secret::of([0xff; 32])] {
            assert_eq!(secret.expose().len(), LENGTH);
            assert!(is_well_formed(secret.expose()), "{}", secret.expose());
        }
        assert!(one != other && !one.hash().is(&other.hash()) && one.hash().is(&Hash::of(one.expose())));
        assert_eq!(
            Secret::of([0; 32]).expose()[..LENGTH - CHECK],
            format!("{PREFIX}{}", "0".repeat(DIGITS))
        );
        assert_eq!(format!("{one:?}"), "Secret", "it is never printed by accident");
    }

    #[test]
    fn a_slip_of_one_character_is_noticed() {
        let secret = Secret::of([7; 32]);
        for at in PREFIX.len()..LENGTH {
            let mut wrong = secret.expose().to_owned().into_bytes();
            wrong[at] = if wrong[at] == b'x' { b'y' } else { b'x' };
            let wrong = String::from_utf8(wrong).expect("text");
            assert!(!is_well_formed(&wrong), "{wrong}");
        }
        for wrong in [
            "",
            "vigie_",
            &secret.expose()[1..],
            &format!("{}x", secret.expose()),
            &"é".repeat(LENGTH / 2),
        ] {
            assert!(!is_well_formed(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = Hash::of("a");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for wrong in [
            "",
            "sha256:",
            "sha256:zz",
            &hash.to_string()[1..],
            &hash.to_string().replace("sha256", "sha512"),
        ] {
            assert!(wrong.parse::<Hash>().is_err(), "{wrong}");
        }
    }
}
