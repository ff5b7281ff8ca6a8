//! What a token says: its header, and its claims once its signature is known to be the issuer's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use vigie_model::Timestamp;

use super::NoToken;
use super::jwk::{Algorithm, MOST_ID};
use super::strict;
use crate::config::{IssuerConfig, Rule};
use crate::key::Hash;

/// The longest token that is read.
pub(crate) const MOST_BYTES: usize = 8 * 1024;
/// The longest subject that is read.
const MOST_SUBJECT: usize = 255;
/// The longest id of a key that a token stands for.
const MOST_ID_BYTES: usize = 96;

/// A token whose signature was not checked yet: only its issuer and its key may be looked up by what it says.
#[derive(Debug)]
pub(super) struct Unchecked<'t> {
    pub(super) algorithm: Algorithm,
    pub(super) key: Option<String>,
    pub(super) message: &'t [u8],
    pub(super) signature: Vec<u8>,
    claims: Map<String, Value>,
}

/// Whether a text is meant to be a token: three parts, of which the first is the start of a JSON object.
pub(crate) fn is_token(text: &str) -> bool {
    text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}

impl<'t> Unchecked<'t> {
    /// Takes a token apart. What a header offers as a key (`jwk`, `jku`, `x5u`, `x5c`) is never read.
    pub(super) fn read(token: &'t str) -> Result<Self, NoToken> {
        if token.len() > MOST_BYTES {
            return Err(NoToken::Malformed("it is too long"));
        }
        let (message, signature) = token.rsplit_once('.').ok_or(NoToken::Malformed("it has no three parts"))?;
        let (header, claims) = message.split_once('.').ok_or(NoToken::Malformed("it has no three parts"))?;
        let decode = |part: &str| {
            URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_| NoToken::Malformed("a part is no base64url"))
        };
        let object =
            |part: &str| strict::object(&decode(part)?).map_err(|()| NoToken::Malformed("a part is no JSON object, or has a key twice"));
        let header = object(header)?;
        // What must be understood and is not, or an encoding that changes what was signed.
        if header.contains_key("crit") || header.contains_key("b64") || header.contains_key("zip") || header.contains_key("enc") {
            return Err(NoToken::Malformed("its header asks for what is not supported"));
        }
        let is_type = |text: &str| {
            ["jwt", "at+jwt", "application/at+jwt"]
                .iter()
                .any(|kind| text.eq_ignore_ascii_case(kind))
        };
        if header.get("typ").is_some_and(|kind| !kind.as_str().is_some_and(is_type)) || header.contains_key("cty") {
            return Err(NoToken::Malformed("it is of another type"));
        }
        let algorithm = header
            .get("alg")
            .and_then(Value::as_str)
            .and_then(Algorithm::named)
            .ok_or(NoToken::Algorithm)?;
        let key = match header.get("kid") {
            None => None,
            Some(Value::String(id)) if id.len() <= MOST_ID => Some(id.clone()),
            Some(_) => return Err(NoToken::Malformed("the id of its key is no short text")),
        };
        Ok(Self {
            algorithm,
            key,
            message: message.as_bytes(),
            signature: decode(signature)?,
            claims: object(claims)?,
        })
    }

    /// Who claims to have issued it.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }

    /// Its claims, once the signature was checked.
    pub(super) fn into_claims(self) -> Claims {
        Claims(self.claims)
    }
}

/// What an issuer says of who has a token.
#[derive(Debug)]
pub(super) struct Claims(Map<String, Value>);

/// From when until when a token holds, leeway included, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Holds {
    pub(super) from: f64,
    pub(super) until: f64,
}

impl Holds {
    pub(super) fn at(self, now: Timestamp) -> Result<(), NoToken> {
        // Milliseconds since 1970 are exact.
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        let now = now.timestamp_millis() as f64 / 1_000.0;
        if now >= self.until {
            return Err(NoToken::Expired);
        }
        if now < self.from {
            return Err(NoToken::NotYet);
        }
        Ok(())
    }
}

impl Claims {
    /// For when and for whom it is.
    pub(super) fn check(&self, issuer: &IssuerConfig) -> Result<Holds, NoToken> {
        let time = |name: &str| match self.0.get(name) {
            None => Ok(None),
            Some(value) => match value.as_f64().filter(|time| value.is_number() && time.is_finite()) {
                Some(time) => Ok(Some(time)),
                None => Err(NoToken::Malformed("a time is no number")),
            },
        };
        let leeway = f64::from(issuer.leeway);
        let until = time("exp")?.ok_or(NoToken::Malformed("it has no end"))? + leeway;
        let from = time("nbf")?.unwrap_or(f64::MIN).max(time("iat")?.unwrap_or(f64::MIN)) - leeway;
        let is_for = |name: &Value| name.as_str().is_some_and(|name| issuer.audience.iter().any(|own| own == name));
        let is_for_us = match self.0.get("aud") {
            Some(Value::Array(all)) => all.iter().all(Value::is_string) && all.iter().any(is_for),
            Some(one) => is_for(one),
            None => false,
        };
        if !is_for_us {
            return Err(NoToken::Audience);
        }
        Ok(Holds { from, until })
    }

    /// Who has it: the id of the key that it stands for, with the issuer's name before it.
    pub(super) fn id(&self, issuer: &IssuerConfig) -> Result<String, NoToken> {
        let subject = self
            .at(&issuer.subject)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty() && text.len() <= MOST_SUBJECT);
        let subject = subject.ok_or(NoToken::Malformed("it does not say who has it"))?;
        let mut id = format!("{}:", issuer.name);
        for byte in subject.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@') {
                id.push(char::from(byte));
            } else {
                id.push_str(&format!("%{byte:02X}"));
            }
        }
        // A long one is cut, and told apart by its hash.
        if id.len() > MOST_ID_BYTES {
            let hash = Hash::of(subject).to_string();
            id.truncate(MOST_ID_BYTES - 17);
            id.push('~');
            id.extend(hash.trim_start_matches("sha256:").chars().take(16));
        }
        Ok(id)
    }

    /// The first rule that fits.
    pub(super) fn rule<'r>(&self, rules: &'r [Rule]) -> Option<&'r Rule> {
        rules.iter().find(|rule| match (&rule.claim, &rule.has) {
            (None, None) => true,
            (Some(claim), Some(wanted)) => self.at(claim).is_some_and(|value| has(claim, value, wanted)),
            _ => false,
        })
    }

    fn at(&self, claim: &str) -> Option<&Value> {
        // A claim may have dots in its name, as URLs do.
        if let Some(value) = self.0.get(claim) {
            return Some(value);
        }
        let (first, rest) = claim.split_once('.')?;
        rest.split('.')
            .try_fold(self.0.get(first)?, |value, key| value.as_object()?.get(key))
    }
}

fn has(claim: &str, value: &Value, wanted: &str) -> bool {
    match value {
        // Its words are separated by spaces (RFC 8693).
        Value::String(text) if claim == "scope" || claim == "scp" => text.split(' ').any(|word| word == wanted),
        Value::String(text) => text == wanted,
        Value::Array(all) => all.iter().any(|one| one.as_str() == Some(wanted)),
        _ => false,
    }
}
