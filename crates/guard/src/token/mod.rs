//! JSON Web Tokens as credentials: checked with the keys that their issuer publishes, and given a grant by what they claim.
//!
//! No request goes to the network but one: a token with a key that is not known waits, for two seconds at most, for the issuer's keys to be
//! read anew. All such requests share one reading, and there is one in ten seconds at most.

mod claims;
mod fetch;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod issuer;
mod jwk;
mod strict;
#[cfg(test)]
mod tests;
mod url;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use vigie_model::Timestamp;

use crate::config::AuthConfig;
use crate::key::{Hash, Key};
use claims::{Holds, Unchecked};
use issuer::Issuer;

pub(crate) use claims::is_token;
pub use jwk::Algorithm;
pub use url::Url;

/// Tokens that were checked and are kept in mind.
const CHECKED: usize = 4_096;

/// Why a token opens nothing. All of them look alike to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoToken {
    /// It is none, or holds what is not supported.
    Malformed(&'static str),
    /// Its algorithm is not one of the issuer's.
    Algorithm,
    /// Its issuer is none of the configuration.
    Issuer,
    /// It is made out to others.
    Audience,
    /// The issuer has no such key, or its keys could not be read for too long.
    Key(&'static str),
    /// Its signature is not the issuer's.
    Signature,
    /// It has expired.
    Expired,
    /// It does not hold yet.
    NotYet,
    /// No rule fits it.
    Rule,
}

impl fmt::Display for NoToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(why) | Self::Key(why) => why,
            Self::Algorithm => "its algorithm is not one of the issuer's",
            Self::Issuer => "its issuer is none of the configuration",
            Self::Audience => "it is made out to others",
            Self::Signature => "its signature is not the issuer's",
            Self::Expired => "it has expired",
            Self::NotYet => "it does not hold yet",
            Self::Rule => "no rule fits it",
        })
    }
}

/// The issuers of a configuration, and the tokens of theirs that were checked.
#[derive(Debug)]
pub(crate) struct Tokens {
    issuers: Vec<Arc<Issuer>>,
    checked: Mutex<HashMap<Hash, Checked>>,
}

/// A token that was checked.
#[derive(Clone, Debug)]
struct Checked {
    key: Arc<Key>,
    holds: Holds,
    /// The issuer, and which of its sets of keys the token was checked with.
    issuer: usize,
    set: u64,
}

impl Tokens {
    /// Those of a configuration; nothing is asked for yet.
    ///
    /// # Errors
    ///
    /// A file that it names does not read.
    pub(crate) fn read(dir: &Path, config: &AuthConfig) -> Result<Self, String> {
        let issuers = config.issuer.iter().map(|issuer| Issuer::read(dir, issuer).map(Arc::new));
        Ok(Self {
            issuers: issuers.collect::<Result<_, _>>()?,
            checked: Mutex::default(),
        })
    }

    /// Reads the keys of the issuers, now and from time to time, until these tokens are dropped.
    pub(crate) fn start(&self) {
        self.issuers.iter().for_each(Issuer::start);
    }

    /// Whether there are issuers.
    pub(crate) fn are_taken(&self) -> bool {
        !self.issuers.is_empty()
    }

    /// Whether a grant depends on what the servers tell of their models.
    pub(crate) fn tell_models_apart(&self) -> bool {
        let mut rules = self.issuers.iter().flat_map(|issuer| &issuer.config.rule);
        rules.any(|rule| rule.grant.cloud || rule.grant.has_pins())
    }

    /// The key that a token stands for.
    pub(crate) async fn find(&self, token: &str, now: Timestamp) -> Result<Arc<Key>, NoToken> {
        let hash = Hash::of(token);
        if let Some(checked) = self.known(&hash) {
            checked.holds.at(now)?;
            return Ok(checked.key);
        }
        let unchecked = Unchecked::read(token)?;
        let claimed = unchecked.issuer().ok_or(NoToken::Issuer)?;
        let at = self
            .issuers
            .iter()
            .position(|issuer| issuer.config.url == claimed)
            .ok_or(NoToken::Issuer)?;
        let issuer = &self.issuers[at];
        if !issuer.config.algorithms.contains(&unchecked.algorithm) {
            return Err(NoToken::Algorithm);
        }
        let set = issuer.verify(&unchecked).await?;
        let claims = unchecked.into_claims();
        let holds = claims.check(&issuer.config)?;
        holds.at(now)?;
        let rule = claims.rule(&issuer.config.rule).ok_or(NoToken::Rule)?;
        let id = claims.id(&issuer.config)?;
        let key = Arc::new(Key {
            name: id.clone(),
            id,
            secrets: Vec::new(),
            certificates: Vec::new(),
            created: now,
            expires: None,
            revoked: None,
            grant: rule.grant.clone(),
        });
        let checked = Checked {
            key: Arc::clone(&key),
            holds,
            issuer: at,
            set,
        };
        let mut all = self.lock();
        if all.len() >= CHECKED {
            all.retain(|_, one| one.holds.at(now).is_ok());
            if all.len() >= CHECKED {
                // Who has many tokens has them checked again.
                all.clear();
            }
        }
        all.insert(hash, checked);
        Ok(key)
    }

    /// A token that was checked with the keys that its issuer has now.
    fn known(&self, hash: &Hash) -> Option<Checked> {
        let checked = self.lock().get(hash).cloned()?;
        let set = self.issuers.get(checked.issuer)?.set()?;
        (set == checked.set).then_some(checked)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Hash, Checked>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
