//! Keys: what is stored of them, and which of them a secret belongs to.

mod certificate;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod grant;
mod hours;
mod network;
mod pattern;
mod secret;

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vigie_catalog::table::{Ask, Knob};
use vigie_model::Timestamp;

pub use certificate::{Certificate, Presented};
pub use grant::{CAP_BYTES, CAP_IMAGES, Grant, NotHere};
pub use hours::Hours;
pub use network::Network;
pub use pattern::Pattern;
pub use secret::{Hash, LENGTH, PREFIX, Secret, is_well_formed};

/// Serde for a type that is one text.
macro_rules! as_text {
    ($kind:ident) => {
        impl serde::Serialize for $kind {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $kind {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use as_text;

/// The schema of the key store.
pub const SCHEMA: &str = "vigie.guard-keys/1";

/// A key as it is stored: never its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Its id, which logs name.
    pub id: String,
    /// The name that its owner gave it.
    pub name: String,
    /// The hash of its secret, the newest first; an older one is taken until its time is over.
    pub secrets: Vec<StoredSecret>,
    /// The client certificates that it belongs to: one of them alone opens it, and its secret opens it only with one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Certificate>,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is no longer taken; `None`: it does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Timestamp>,
    /// What it may do.
    pub grant: Grant,
}

/// What is stored of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredSecret {
    /// Its hash.
    pub hash: Hash,
    /// Until when it is taken; `None`: as long as the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Key {
    /// Whether it may be used at a time.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|expires| now < expires)
    }
}

/// A new id of a key: it is no secret, and says nothing of its secret.
///
/// # Errors
///
/// The system gives no random numbers.
pub fn fresh_id() -> Result<String, ring::error::Unspecified> {
    use ring::rand::SecureRandom as _;
    let mut bits = [0; 8];
    ring::rand::SystemRandom::new().fill(&mut bits)?;
    Ok(format!("key_{:016x}", u64::from_be_bytes(bits)))
}

/// The key store as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// `vigie.guard-keys/1`.
    pub schema: String,
    /// The keys, revoked ones too: the log names them.
    pub keys: Vec<Key>,
}

impl Default for KeyFile {
    fn default() -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            keys: Vec::new(),
        }
    }
}

/// Why a key store does not read.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It is not the JSON of a key store.
    #[error("is no key store: {0}")]
    Json(#[from] serde_json::Error),
    /// Another schema.
    #[error("has the schema {0:?}; this vigie reads {SCHEMA:?}")]
    Schema(String),
    /// A cap on nothing that the catalogue knows; a request would have no limit.
    #[error("has a key with a cap on {0:?}, which is no setting; those are {1}")]
    Cap(String, String),
    /// Two keys with the same identifier, secret or certificate.
    #[error("has two keys with the {0}")]
    Twice(String),
}

/// Everything that a request can ask for beyond text, and a grant can allow: the words of the catalogue, and probabilities.
pub fn cans() -> impl Iterator<Item = &'static str> {
    Ask::ALL.iter().map(|ask| ask.word()).chain(["logprobs"])
}

/// Everything that a grant can cap.
pub fn caps() -> impl Iterator<Item = &'static str> {
    Knob::ALL.iter().map(|knob| knob.word()).chain([CAP_IMAGES, CAP_BYTES])
}

impl KeyFile {
    /// Reads a key store.
    ///
    /// # Errors
    ///
    /// See [`KeyFileError`].
    pub fn parse(text: &str) -> Result<Self, KeyFileError> {
        let file: Self = serde_json::from_str(text)?;
        if file.schema != SCHEMA {
            return Err(KeyFileError::Schema(file.schema));
        }
        let words = caps;
        if let Some(cap) = file
            .keys
            .iter()
            .flat_map(|key| key.grant.caps.keys())
            .find(|cap| !words().any(|word| word == *cap))
        {
            return Err(KeyFileError::Cap(cap.clone(), words().collect::<Vec<_>>().join(", ")));
        }
        let mut met = std::collections::HashSet::new();
        for key in &file.keys {
            if !met.insert(format!("id {:?}", key.id)) {
                return Err(KeyFileError::Twice(format!("id {:?}", key.id)));
            }
            let is_valid = key.revoked.is_none();
            if let Some(certificate) = key.certificates.iter().find(|one| is_valid && !met.insert(one.to_string())) {
                return Err(KeyFileError::Twice(format!("certificate {certificate}")));
            }
            if let Some(secret) = key.secrets.iter().find(|secret| !met.insert(secret.hash.to_string())) {
                return Err(KeyFileError::Twice(format!("secret {}", secret.hash)));
            }
        }
        Ok(file)
    }

    /// The text of the store.
    #[must_use]
    pub fn to_text(&self) -> String {
        // A store has nothing that JSON could not hold.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The key of that name that is not revoked.
    #[must_use]
    pub fn by_name(&mut self, name: &str) -> Option<&mut Key> {
        self.keys.iter_mut().find(|key| key.name == name && key.revoked.is_none())
    }
}

/// The keys by the hashes of their secrets, for the gateway.
#[derive(Debug, Default)]
pub struct Keys {
    keys: Vec<Arc<Key>>,
    /// The key and its secret, by the secret's hash.
    by_hash: HashMap<Hash, (usize, usize)>,
    /// The key, by a certificate of a client.
    by_certificate: HashMap<Certificate, usize>,
    tell_models_apart: bool,
}

/// Why a secret opens nothing. All of them look alike to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoKey {
    /// It is no secret of the gateway, or has a slip in it.
    Malformed,
    /// No key has it.
    Unknown,
    /// Its key was revoked.
    Revoked,
    /// It or its key has expired.
    Expired,
}

impl From<KeyFile> for Keys {
    fn from(file: KeyFile) -> Self {
        let secrets = file.keys.iter().enumerate().flat_map(|(key, stored)| {
            let secrets = stored.secrets.iter().enumerate();
            secrets.map(move |(secret, stored)| (stored.hash, (key, secret)))
        });
        let certificates = file.keys.iter().enumerate().filter(|(_, key)| key.revoked.is_none());
        let certificates = certificates.flat_map(|(number, key)| key.certificates.iter().map(move |one| (one.clone(), number)));
        Self {
            by_certificate: certificates.collect(),
            by_hash: secrets.collect(),
            tell_models_apart: file
                .keys
                .iter()
                .any(|key| key.revoked.is_none() && (key.grant.cloud || key.grant.has_pins())),
            keys: file.keys.into_iter().map(Arc::new).collect(),
        }
    }
}

impl Keys {
    /// The key that a secret opens. The cost does not depend on how many keys there are.
    ///
    /// # Errors
    ///
    /// Why it opens none; with the key, if it is one that was valid once.
    pub fn find(&self, secret: &str, now: Timestamp) -> Result<&Arc<Key>, (NoKey, Option<&Arc<Key>>)> {
        if !is_well_formed(secret) {
            return Err((NoKey::Malformed, None));
        }
        let hash = Hash::of(secret);
        let Some((key, stored)) = self.by_hash.get(&hash).and_then(|(key, stored)| {
            let key = self.keys.get(*key)?;
            Some((key, key.secrets.get(*stored)?))
        }) else {
            return Err((NoKey::Unknown, None));
        };
        // The map compares in a time that depends on where two hashes differ, which tells nobody anything of a secret.
        if !stored.hash.is(&hash) {
            return Err((NoKey::Unknown, None));
        }
        if key.revoked.is_some() {
            return Err((NoKey::Revoked, Some(key)));
        }
        if !key.is_valid_at(now) || stored.until.is_some_and(|until| now >= until) {
            return Err((NoKey::Expired, Some(key)));
        }
        Ok(key)
    }

    /// The key that a client's certificate belongs to, if one is named by it. It may have expired.
    #[must_use]
    pub fn of_certificate(&self, presented: &Presented) -> Option<&Arc<Key>> {
        if self.by_certificate.is_empty() {
            return None;
        }
        let number = presented.names().find_map(|name| self.by_certificate.get(name))?;
        self.keys.get(*number)
    }

    /// Whether a grant depends on what the server tells of its models.
    pub(crate) fn tell_models_apart(&self) -> bool {
        self.tell_models_apart
    }

    /// How many keys there are, revoked and expired ones too.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use vigie_model::EffectSet;

    use super::*;

    fn key(id: &str, secret: &Secret) -> Key {
        Key {
            id: id.to_owned(),
            name: id.to_owned(),
            secrets: vec![StoredSecret {
                hash: secret.hash(),
                until: None,
            }],
            certificates: Vec::new(),
            created: Timestamp::UNIX_EPOCH,
            expires: None,
            revoked: None,
            grant: Grant {
                effects: EffectSet::EMPTY,
                ..Grant::default()
            },
        }
    }

    #[test]
    fn only_a_valid_secret_opens_a_key() {
        let now = Timestamp::UNIX_EPOCH + TimeDelta::days(1);
        let secrets: Vec<Secret> = (0..6).map(|_| Secret::generate().expect("random")).collect();
        let mut keys: Vec<Key> = secrets
            .iter()
            .zip(["a", "revoked", "expired", "rotated", "future"])
            .map(|(secret, id)| key(id, secret))
            .collect();
        keys[1].revoked = Some(Timestamp::UNIX_EPOCH);
        keys[2].expires = Some(now);
        keys[3].secrets[0].until = Some(now);
        keys[4].expires = Some(now + TimeDelta::seconds(1));
        let text = KeyFile {
            keys,
            ..KeyFile::default()
        }
        .to_text();
        assert!(!secrets.iter().any(|secret| text.contains(secret.expose())), "no secret is stored");
        let keys = Keys::from(KeyFile::parse(&text).expect("it reads"));
        let found = |secret: &Secret| keys.find(secret.expose(), now).map(|key| key.id.as_str()).map_err(|(why, _)| why);
        assert_eq!(found(&secrets[0]), Ok("a"));
        assert_eq!(found(&secrets[1]), Err(NoKey::Revoked));
        assert_eq!(found(&secrets[2]), Err(NoKey::Expired));
        assert_eq!(found(&secrets[3]), Err(NoKey::Expired));
        assert_eq!(found(&secrets[4]), Ok("future"));
        assert_eq!(found(&secrets[5]), Err(NoKey::Unknown));
        assert_eq!(keys.find("sk-1234", now).map_err(|(why, _)| why).err(), Some(NoKey::Malformed));
    }

    #[test]
    fn a_store_with_two_keys_of_one_id_or_secret_does_not_load() {
        let (one, other) = (Secret::generate().expect("random"), Secret::generate().expect("random"));
        for keys in [vec![key("a", &one), key("a", &other)], vec![key("a", &one), key("b", &one)]] {
            let file = KeyFile {
                keys,
                ..KeyFile::default()
            };
            assert!(matches!(KeyFile::parse(&file.to_text()), Err(KeyFileError::Twice(_))));
        }
        assert!(matches!(KeyFile::parse("{}"), Err(KeyFileError::Json(_))));
    }

    #[test]
    fn a_cap_on_nothing_does_not_load() {
        let secret = Secret::generate().expect("random");
        let mut file = KeyFile {
            keys: vec![key("a", &secret)],
            ..KeyFile::default()
        };
        file.keys[0].grant.caps.insert("max-tokens".to_owned(), 5);
        assert!(KeyFile::parse(&file.to_text()).is_ok());
        file.keys[0].grant.caps.insert("num_predict".to_owned(), 5);
        assert!(matches!(KeyFile::parse(&file.to_text()), Err(KeyFileError::Cap(cap, _)) if cap == "num_predict"));
    }
}
