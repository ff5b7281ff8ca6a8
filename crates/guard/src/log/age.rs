//! Writes the file format `age-encryption.org/v1` for one X25519 recipient, with ring's primitives. Files are read by the program `age`.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::error::Unspecified;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::{hkdf, hmac};

/// The payload is encrypted in chunks of this many bytes.
const CHUNK: usize = 64 * 1024;

/// A recipient: `age1…`, as `age-keygen` prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recipient")
    }
}

impl FromStr for Recipient {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("AGE-SECRET-KEY-") {
            return Err("this is a secret key; a recipient begins with age1");
        }
        bech32(text, "age")
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or("a recipient is age1 and 58 letters and digits, as age-keygen prints it")
    }
}

impl Recipient {
    /// Encrypts a text to the recipient.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers, or the recipient is no point of the curve.
    pub fn encrypt(&self, text: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let random = SystemRandom::new();
        let mut file_key = [0; 16];
        random.fill(&mut file_key)?;
        let mut nonce = [0; 16];
        random.fill(&mut nonce)?;

        let ephemeral = EphemeralPrivateKey::generate(&X25519, &random)?;
        let share = ephemeral.compute_public_key()?;
        let salt = [share.as_ref(), &self.0].concat();
        let peer = UnparsedPublicKey::new(&X25519, &self.0);
        let wrap_key = agree_ephemeral(ephemeral, &peer, |shared| derive(&salt, shared, b"age-encryption.org/v1/X25519"))??;
        let wrapped = seal(&wrap_key, [0; 12], &file_key)?;

        let mut out = format!(
            "age-encryption.org/v1\n-> X25519 {}\n{}\n---",
            STANDARD_NO_PAD.encode(share.as_ref()),
            STANDARD_NO_PAD.encode(&wrapped)
        )
        .into_bytes();
        let mac_key = hmac::Key::new(hmac::HMAC_SHA256, &derive(&[], &file_key, b"header")?);
        let mac = hmac::sign(&mac_key, &out);
        out.extend_from_slice(format!(" {}\n", STANDARD_NO_PAD.encode(mac.as_ref())).as_bytes());
        out.extend_from_slice(&nonce);

        let key = derive(&nonce, &file_key, b"payload")?;
        let mut rest = text;
        for counter in 0_u64.. {
            let (chunk, more) = rest.split_at(rest.len().min(CHUNK));
            let mut nonce = [0; 12];
            nonce[3..11].copy_from_slice(&counter.to_be_bytes());
            nonce[11] = u8::from(more.is_empty());
            out.extend_from_slice(&seal(&key, nonce, chunk)?);
            rest = more;
            if rest.is_empty() {
                break;
            }
        }
        Ok(out)
    }
}

struct Length;

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        32
    }
}

fn derive(salt: &[u8], secret: &[u8], info: &[u8]) -> Result<[u8; 32], Unspecified> {
    let mut key = [0; 32];
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    extracted.expand(&[info], Length)?.fill(&mut key)?;
    Ok(key)
}

fn seal(key: &[u8; 32], nonce: [u8; 12], text: &[u8]) -> Result<Vec<u8>, Unspecified> {
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key)?);
    let mut sealed = text.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)?;
    Ok(sealed)
}

/// Decodes Bech32 (BIP 173) in lower case.
fn bech32(text: &str, prefix: &str) -> Option<Vec<u8>> {
    const LETTERS: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let data = text.strip_prefix(prefix)?.strip_prefix('1')?;
    let values: Vec<u8> = data
        .chars()
        .map(|letter| LETTERS.find(letter).and_then(|at| u8::try_from(at).ok()))
        .collect::<Option<_>>()?;
    let expanded = prefix
        .bytes()
        .map(|byte| byte >> 5)
        .chain([0])
        .chain(prefix.bytes().map(|byte| byte & 31));
    let mut check = 1_u32;
    for value in expanded.chain(values.iter().copied()) {
        let top = check >> 25;
        check = (check & 0x01ff_ffff) << 5 ^ u32::from(value);
        for (bit, word) in [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3]
            .into_iter()
            .enumerate()
        {
            if top >> bit & 1 == 1 {
                check ^= word;
            }
        }
    }
    if check != 1 {
        return None;
    }
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for value in values.get(..values.len().checked_sub(6)?)? {
        bits = bits << 5 | u32::from(*value);
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    (count < 5 && bits == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_checked() {
        // The example of the format's specification.
        let good = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
        assert!(good.parse::<Recipient>().is_ok());
        for bad in [
            "",
            "age1",
            "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwk",
            "AGE-SECRET-KEY-1GFP",
            "é",
        ] {
            assert!(bad.parse::<Recipient>().is_err(), "{bad}");
        }
    }
}
