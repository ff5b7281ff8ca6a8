//! An issuer's public keys (RFC 7517), and signatures checked with them (RFC 7518, RFC 8037). The arithmetic is ring's, as in TLS.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The most keys of an issuer that are read.
pub(super) const MOST_KEYS: usize = 64;
/// The longest id of a key.
pub(super) const MOST_ID: usize = 256;

/// An algorithm of signatures with a public key. There is none without a signature, and none with a shared secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSA PKCS #1 with SHA-256.
    RS256,
    /// RSA PKCS #1 with SHA-384.
    RS384,
    /// RSA PKCS #1 with SHA-512.
    RS512,
    /// RSA PSS with SHA-256.
    PS256,
    /// RSA PSS with SHA-384.
    PS384,
    /// RSA PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// Ed25519.
    EdDSA,
}

impl Algorithm {
    const ALL: [(Self, &'static str); 9] = [
        (Self::RS256, "RS256"),
        (Self::RS384, "RS384"),
        (Self::RS512, "RS512"),
        (Self::PS256, "PS256"),
        (Self::PS384, "PS384"),
        (Self::PS512, "PS512"),
        (Self::ES256, "ES256"),
        (Self::ES384, "ES384"),
        (Self::EdDSA, "EdDSA"),
    ];

    /// The algorithm of a name, in exactly this spelling.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find_map(|(algorithm, own)| (own == name).then_some(algorithm))
    }

    fn rsa(self) -> Option<&'static RsaParameters> {
        match self {
            Self::RS256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
            Self::RS384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
            Self::RS512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
            Self::PS256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
            Self::PS384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
            Self::PS512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
            Self::ES256 | Self::ES384 | Self::EdDSA => None,
        }
    }
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Jwk {
    pub(super) id: Option<String>,
    /// The one algorithm that it is for, if the issuer says so.
    algorithm: Option<Algorithm>,
    key: PublicKey,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PublicKey {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// The public keys of a set that can check signatures; the others are passed over.
pub(super) fn keys(set: &Map<String, Value>) -> Result<Vec<Jwk>, &'static str> {
    let list = set.get("keys").and_then(Value::as_array).ok_or("its key set has no list of keys")?;
    if list.len() > MOST_KEYS {
        return Err("its key set has too many keys");
    }
    let keys: Vec<Jwk> = list.iter().filter_map(Value::as_object).filter_map(Jwk::read).collect();
    if keys.is_empty() {
        return Err("its key set has no key that checks signatures");
    }
    Ok(keys)
}

impl Jwk {
    /// Reads a key. `None`: it is for something else, or does not read.
    fn read(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let bytes = |name: &str, length: Option<usize>| {
            let bytes = URL_SAFE_NO_PAD.decode(text(name)?).ok()?;
            (length.is_none_or(|length| bytes.len() == length)).then_some(bytes)
        };
        if text("use").is_some_and(|what| what != "sig") {
            return None;
        }
        let operations = jwk.get("key_ops").and_then(Value::as_array);
        if operations.is_some_and(|all| !all.iter().any(|one| one == "verify")) {
            return None;
        }
        let point = |length: usize| {
            let (x, y) = (bytes("x", Some(length))?, bytes("y", Some(length))?);
            Some([&[4][..], &x, &y].concat())
        };
        let key = match (text("kty")?, text("crv")) {
            ("RSA", _) => {
                // ring takes numbers without leading zeros.
                let number = |name: &str| Some(bytes(name, None)?.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<u8>>());
                PublicKey::Rsa {
                    n: number("n")?,
                    e: number("e")?,
                }
            }
            ("EC", Some("P-256")) => PublicKey::P256(point(32)?),
            ("EC", Some("P-384")) => PublicKey::P384(point(48)?),
            ("OKP", Some("Ed25519")) => PublicKey::Ed25519(bytes("x", Some(32))?),
            _ => return None,
        };
        let algorithm = match text("alg") {
            None => None,
            // A key for an algorithm that is not known is for none that is.
            Some(name) => Some(Algorithm::named(name)?),
        };
        let id = text("kid").map(str::to_owned);
        id.as_ref()
            .is_none_or(|id| id.len() <= MOST_ID)
            .then_some(Self { id, algorithm, key })
    }

    /// Whether it may be a key of an algorithm.
    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        let fits = match self.key {
            PublicKey::Rsa { .. } => algorithm.rsa().is_some(),
            PublicKey::P256(_) => algorithm == Algorithm::ES256,
            PublicKey::P384(_) => algorithm == Algorithm::ES384,
            PublicKey::Ed25519(_) => algorithm == Algorithm::EdDSA,
        };
        fits && self.algorithm.is_none_or(|own| own == algorithm)
    }

    /// Whether a signature over a message is this key's.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let check =
            |how: &'static dyn VerificationAlgorithm, key: &[u8]| UnparsedPublicKey::new(how, key).verify(message, signature).is_ok();
        match (&self.key, algorithm) {
            _ if !self.is_for(algorithm) => false,
            (PublicKey::Rsa { n, e }, _) => {
                let key = RsaPublicKeyComponents { n, e };
                algorithm.rsa().is_some_and(|how| key.verify(how, message, signature).is_ok())
            }
            (PublicKey::P256(point), _) => check(&signature::ECDSA_P256_SHA256_FIXED, point),
            (PublicKey::P384(point), _) => check(&signature::ECDSA_P384_SHA384_FIXED, point),
            (PublicKey::Ed25519(key), _) => check(&signature::ED25519, key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::strict;

    fn one(jwk: &str) -> Option<Jwk> {
        Jwk::read(&strict::object(jwk.as_bytes()).expect("an object"))
    }

    #[test]
    fn the_examples_of_the_standards_verify() {
        // RFC 7515, appendix A.2 (RS256) and A.3 (ES256); RFC 8037, appendix A.4 (EdDSA).
        let rsa = r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#;
        let ec = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
        let ed = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        for (jwk, algorithm, message, signature) in [
            (
                rsa,
                Algorithm::RS256,
                format!("eyJhbGciOiJSUzI1NiJ9.{claims}"),
                "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
            ),
            (
                ec,
                Algorithm::ES256,
                format!("eyJhbGciOiJFUzI1NiJ9.{claims}"),
                "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
            ),
            (
                ed,
                Algorithm::EdDSA,
                "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".to_owned(),
                "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
            ),
        ] {
            let key = one(jwk).expect("a key");
            let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
            assert!(key.verifies(algorithm, message.as_bytes(), &signature), "{algorithm:?}");
            assert!(!key.verifies(algorithm, &message.as_bytes()[1..], &signature), "{algorithm:?}");
            assert!(!key.verifies(algorithm, message.as_bytes(), &[0; 64]), "{algorithm:?}");
            for (other, _) in Algorithm::ALL {
                assert!(
                    other == algorithm || !key.verifies(other, message.as_bytes(), &signature),
                    "{algorithm:?} as {other:?}"
                );
            }
        }
    }

    #[test]
    fn a_key_for_something_else_is_passed_over() {
        let ed = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"#;
        for more in [
            r#"","use":"enc"}"#,
            r#"","key_ops":["sign"]}"#,
            r#"","alg":"HS256"}"#,
            r#"","alg":"none"}"#,
            r#"AA"}"#,
        ] {
            assert_eq!(one(&format!("{ed}{more}")), None, "{more}");
        }
        assert_eq!(one(r#"{"kty":"oct","k":"c2VjcmV0"}"#), None, "a shared secret is none");
        assert_eq!(one(r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#), None);
        let es = one(&format!("{ed}\",\"alg\":\"EdDSA\"}}")).expect("a key");
        assert!(es.is_for(Algorithm::EdDSA) && !es.is_for(Algorithm::ES256));
        assert!(keys(&strict::object(b"{\"keys\": []}").expect("an object")).is_err());
    }
}
