//! `vigie guard key change`: another grant for a key whose secret stays.

use std::num::NonZeroU64;

use clap::Args;
use vigie_guard::key::{Certificate, Hours, Key, Network};
use vigie_guard::limit::Limit;
use vigie_model::{Effect, Timestamp};

use super::args::EffectArg;
use super::{caps, keys};

/// What changes. What is not named stays as it is.
#[derive(Clone, Debug, Args)]
pub(super) struct ChangeArgs {
    /// The key's name or id.
    pub(super) name: String,
    /// The effects that it may have beyond reading, instead of those before; may be given several times.
    #[arg(long, value_name = "EFFECT")]
    allow: Vec<EffectArg>,
    /// The models that it may use, instead of those before.
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    pub(super) models: Vec<String>,
    /// What its requests may contain beyond text, instead of what they might before; none: only text.
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = caps::can_or_none)]
    can: Vec<String>,
    /// A limit on an option, e.g. num_predict=128; num_predict=none removes it; may be given several times.
    #[arg(long, value_name = "OPTION=MOST", value_parser = caps::change)]
    cap: Vec<(String, Option<u32>)>,
    /// A limit on use, e.g. requests-per-minute=60; requests-per-minute=none removes it; may be given several times.
    #[arg(long, value_name = "LIMIT=MOST", value_parser = limit)]
    limit: Vec<(Limit, Option<NonZeroU64>)>,
    /// The networks from which it may be used, instead of those before; any removes them.
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = or_any::<Network>)]
    from: Vec<OrAny<Network>>,
    /// The hours at which it may be used, instead of those before; any removes them.
    #[arg(long, value_name = "HOURS", value_parser = or_any::<Hours>)]
    hours: Vec<OrAny<Hours>>,
    /// The client certificates that it belongs to, instead of those before; any removes them.
    #[arg(long, value_name = "CERTIFICATE", value_parser = or_any::<Certificate>)]
    certificate: Vec<OrAny<Certificate>>,
    /// When it expires, counted from now: 90d, 12h; never.
    #[arg(long, value_name = "TIME", value_parser = expiry)]
    expires: Option<Expiry>,
}

/// One of a list that bounds a grant, or `any`, which removes the bound.
#[derive(Clone, Debug)]
enum OrAny<T> {
    Any,
    One(T),
}

#[derive(Clone, Copy, Debug)]
enum Expiry {
    Never,
    After(chrono::TimeDelta),
}

impl ChangeArgs {
    /// Changes a key.
    pub(super) fn apply(&self, key: &mut Key, now: Timestamp) {
        let grant = &mut key.grant;
        if !self.allow.is_empty() {
            grant.effects = self.allow.iter().map(|effect| Effect::from(*effect)).collect();
        }
        if !self.models.is_empty() {
            grant.models = keys::patterns(&self.models);
        }
        if !self.can.is_empty() {
            grant.cloud = keys::is_cloud(&self.can);
            grant.can = keys::features(&self.can);
            grant.can.retain(|word| word != "none");
        }
        for (word, most) in &self.cap {
            match most {
                Some(most) => grant.caps.insert(word.clone(), *most),
                None => grant.caps.remove(word),
            };
        }
        for (limit, most) in &self.limit {
            match most {
                Some(most) => grant.limits.set(*limit, *most),
                None => grant.limits.clear(*limit),
            }
        }
        replace(&mut grant.networks, &self.from);
        replace(&mut grant.hours, &self.hours);
        replace(&mut key.certificates, &self.certificate);
        match self.expires {
            None => {}
            Some(Expiry::Never) => key.expires = None,
            Some(Expiry::After(after)) => key.expires = Some(now + after),
        }
    }
}

fn replace<T: Clone>(old: &mut Vec<T>, new: &[OrAny<T>]) {
    if !new.is_empty() {
        let named = new.iter().filter_map(|one| match one {
            OrAny::Any => None,
            OrAny::One(one) => Some(one.clone()),
        });
        *old = named.collect();
    }
}

fn or_any<T: std::str::FromStr<Err = String>>(text: &str) -> Result<OrAny<T>, String> {
    match text {
        "any" => Ok(OrAny::Any),
        _ => text.parse().map(OrAny::One),
    }
}

fn limit(text: &str) -> Result<(Limit, Option<NonZeroU64>), String> {
    match text.strip_suffix("=none") {
        Some(name) => Limit::parse(&format!("{name}=1")).map(|(limit, _)| (limit, None)),
        None => Limit::parse(text).map(|(limit, most)| (limit, Some(most))),
    }
}

fn expiry(text: &str) -> Result<Expiry, String> {
    match text {
        "never" => Ok(Expiry::Never),
        _ => crate::when::interval(text).map(Expiry::After),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use vigie_guard::key::{Grant, Pattern};

    use super::*;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        change: ChangeArgs,
    }

    fn changed(words: &[&str]) -> Key {
        let mut key = Key {
            id: "key_1".to_owned(),
            name: "ci".to_owned(),
            secrets: Vec::new(),
            certificates: Vec::new(),
            created: Timestamp::UNIX_EPOCH,
            expires: Some(Timestamp::UNIX_EPOCH),
            revoked: None,
            grant: Grant {
                models: vec![Pattern::new("tiny")],
                can: vec!["tools".to_owned()],
                caps: [("context".to_owned(), 4096)].into(),
                networks: vec!["192.0.2.0/24".parse().expect("a network")],
                ..Grant::default()
            },
        };
        let cli = Cli::parse_from(["vigie", "ci"].iter().chain(words));
        cli.change.apply(&mut key, Timestamp::UNIX_EPOCH);
        key
    }

    #[test]
    fn what_is_not_named_stays() {
        let before = changed(&[]);
        let key = changed(&["--models", "a,b", "--cap", "n=1", "--limit", "concurrent=2"]);
        assert_eq!(key.grant.models, [Pattern::new("a"), Pattern::new("b")]);
        assert_eq!(key.grant.caps, [("choices".to_owned(), 1), ("context".to_owned(), 4096)].into());
        assert_eq!(key.grant.limits.get(Limit::Concurrent), Some(2));
        assert_eq!(
            (key.grant.can, key.grant.networks, key.expires),
            (before.grant.can, before.grant.networks, before.expires)
        );
    }

    #[test]
    fn a_bound_can_be_removed() {
        let key = changed(&["--from", "any", "--cap", "num_ctx=none", "--can", "none", "--expires", "never"]);
        assert_eq!(key.grant.networks, []);
        assert!(key.grant.caps.is_empty() && key.grant.can.is_empty() && key.expires.is_none());
        let key = changed(&[
            "--can",
            "cloud,tools",
            "--hours",
            "Mon 08:00-09:00 UTC",
            "--from",
            "2001:db8::/32,192.0.2.1",
        ]);
        assert!(key.grant.cloud && key.grant.can == ["tools"] && key.grant.hours.len() == 1 && key.grant.networks.len() == 2);
        for wrong in [["--from", "x"], ["--hours", "x"], ["--limit", "x=none"], ["--expires", "x"]] {
            assert!(Cli::try_parse_from(["vigie", "ci"].iter().chain(&wrong)).is_err(), "{wrong:?}");
        }
    }
}
