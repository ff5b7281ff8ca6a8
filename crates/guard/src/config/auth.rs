//! `[[auth.issuer]]`: issuers of tokens, and what their tokens may do.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::key::Grant;
use crate::token::{Algorithm, Url};

/// How clients say who they are, beside keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    /// Issuers of JSON Web Tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issuer: Vec<IssuerConfig>,
}

/// An issuer whose tokens are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// Its name in the log and in limits, before the subject of a token.
    pub name: String,
    /// Its URL, exactly as `iss` of its tokens has it.
    pub url: String,
    /// What `aud` of a token has to name: one of these.
    pub audience: Vec<String>,
    /// The algorithms of its signatures.
    #[serde(default = "algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// A PEM file with the certificates that its own has to come from. Absent: the system's authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The claim that says who has the token.
    #[serde(default = "subject")]
    pub subject: String,
    /// By how much the clocks may differ, in seconds.
    #[serde(default = "leeway")]
    pub leeway: u32,
    /// How often its keys are read anew, in seconds.
    #[serde(default = "refresh")]
    pub refresh: u64,
    /// For how long keys that were read are taken while the issuer does not answer, in seconds.
    #[serde(default = "keep")]
    pub keep: u64,
    /// What tokens may do: the first rule that fits a token gives it its grant.
    pub rule: Vec<Rule>,
}

/// A grant for tokens with a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The claim; dots lead into objects: `realm_access.roles`. Absent: the rule fits every token of the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// What the claim is, or has in its list, or among the words of a `scope`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has: Option<String>,
    /// What such tokens may do.
    pub grant: Grant,
}

fn algorithms() -> Vec<Algorithm> {
    vec![Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]
}

fn subject() -> String {
    "sub".to_owned()
}

fn leeway() -> u32 {
    30
}

fn refresh() -> u64 {
    600
}

fn keep() -> u64 {
    86_400
}

impl AuthConfig {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The first word under `can` that no product knows.
    pub(super) fn unknown_can(&self) -> Option<&str> {
        let rules = self.issuer.iter().flat_map(|issuer| &issuer.rule);
        let mut words = rules.flat_map(|rule| &rule.grant.can);
        words
            .find(|word| !crate::key::cans().any(|known| known == *word))
            .map(String::as_str)
    }

    /// The key of the line that is wrong, and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        for (number, issuer) in self.issuer.iter().enumerate() {
            let others = self.issuer.iter().take(number);
            if others.clone().any(|other| other.name == issuer.name || other.url == issuer.url) {
                return Err(("[[auth.issuer]]", format!("two issuers are {:?} or have one url", issuer.name)));
            }
            issuer.check()?;
        }
        Ok(())
    }
}

impl IssuerConfig {
    fn check(&self) -> Result<(), (&'static str, String)> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if self.name.is_empty() || self.name.len() > 32 || !self.name.bytes().all(plain) {
            return Err((
                "name",
                format!("{:?} is no name of an issuer: letters, digits, -, _ and ., 32 at most", self.name),
            ));
        }
        Url::parse(&self.url).map_err(|why| ("url", why))?;
        if self.audience.is_empty() || self.audience.iter().any(String::is_empty) {
            return Err(("audience", "name what the tokens for this gateway are made out to".to_owned()));
        }
        if self.algorithms.is_empty() {
            return Err(("algorithms", "name at least one algorithm".to_owned()));
        }
        if self.subject.is_empty() {
            return Err(("subject", "name the claim that says who has a token".to_owned()));
        }
        if self.leeway > 300 {
            return Err(("leeway", "clocks that differ by more than five minutes are to be set".to_owned()));
        }
        if self.refresh < 10 || self.keep < self.refresh {
            return Err((
                "refresh",
                "the keys are read every ten seconds at most, and kept for at least as long".to_owned(),
            ));
        }
        if self.rule.is_empty() {
            return Err((
                "rule",
                "without a rule no token may do anything: add [[auth.issuer.rule]]".to_owned(),
            ));
        }
        for rule in &self.rule {
            if rule.claim.is_some() != rule.has.is_some() {
                return Err(("claim", "claim and has belong together".to_owned()));
            }
            if let Some(cap) = rule.grant.caps.keys().find(|cap| !crate::key::caps().any(|known| known == *cap)) {
                let known: Vec<&str> = crate::key::caps().collect();
                return Err((
                    "caps",
                    format!("a cap on {cap:?}, which is no setting; those are {}", known.join(", ")),
                ));
            }
        }
        Ok(())
    }
}
