//! Semantic Versioning, as servers and tags write it.

use super::numbers;
use super::suffix::{Described, Suffix, Tail, described};

/// A semantic version. Fields and variants are in the order of comparison.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Semver {
    pub(super) core: [u64; 3],
    pub(super) stage: Stage,
    /// Commits since the tag.
    pub(super) since: u64,
}

/// Whether it is the release or comes before it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Before(Vec<Identifier>),
    Release,
}

/// A part of a pre-release, between dots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Identifier {
    Numeric(u64),
    Named(Vec<Run>),
}

/// A run of digits or of other characters, so that `rc9` comes before `rc10`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Run {
    Digits(u64),
    Other(String),
}

impl Semver {
    /// Parses a text in lower case; `None`: it does not follow the grammar.
    pub(super) fn parse(lower: &str) -> Option<(Self, Option<Suffix>)> {
        let text = lower.strip_prefix('v').unwrap_or(lower);
        let (text, build) = text.split_once('+').unwrap_or((text, "0"));
        if !build.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)) {
            return None;
        }
        let Described { tag: text, since, suffix } = described(text);
        let (core, rest) = match text.split_once('-') {
            Some((core, rest)) => (core, Some(rest)),
            None => (text, None),
        };
        let parts = numbers(core)?;
        let core = match parts[..] {
            [major, minor] => [major, minor, 0],
            [major, minor, patch] => [major, minor, patch],
            _ => return None,
        };
        let (stage, suffix) = match rest {
            None | Some("stable" | "release" | "final" | "ga" | "lts") => (Stage::Release, suffix),
            Some(rest) => match Suffix::of(rest)? {
                Tail::Before(again) => (
                    Stage::Before(rest.split('.').map(Identifier::parse).collect::<Option<_>>()?),
                    again.or(suffix),
                ),
                Tail::Of(of) => (Stage::Release, Some(of)),
            },
        };
        Some((Self { core, stage, since }, suffix.or_else(|| Suffix::of_metadata(build))))
    }
}

impl Identifier {
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return None;
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok().map(Self::Numeric);
        }
        let mut runs = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let digits = first.is_ascii_digit();
            let end = rest.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(rest.len());
            let (run, after) = rest.split_at(end);
            runs.push(if digits {
                Run::Digits(run.parse().ok()?)
            } else {
                Run::Other(run.to_owned())
            });
            rest = after;
        }
        Some(Self::Named(runs))
    }
}
