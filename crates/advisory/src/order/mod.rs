//! Version orders, one per ecosystem.
//!
//! | order | beyond its specification |
//! |---|---|
//! | `semver` | a leading `v` is allowed, the patch number may be missing; the numbers at the end of `rc9` and `rc10` are compared as numbers; `-stable`, `-release`, `-final`, `-ga` and `-lts` are the release itself; `-3-gabc1234` (`git describe`) comes after its tag; Go's pseudo-versions follow the specification |
//! | `pep440` | LiteLLM's image tags: `-stable` is the release itself, `-stable.patch.2` comes after it (as `.post2`), `-nightly` before it (as `.dev0`) [docs.litellm.ai/blog/cleaner-release-versions]; `git describe` as above |
//! | `llama-build` | `b8492`, `8492`, `b8492-abc1234` and `version: 8492 (abc1234)` are build 8492 |
//! | `dotted` | a leading `v` is allowed, trailing zeros are ignored (`1.2` is `1.2.0`) |
//!
//! **Other suffixes.** In Semantic Versioning, anything after a `-` is a pre-release. In practice it is not: `0.1.47-amd` and
//! `0.17.1-ipexllm` are rebuilt releases. So in every order only the words in `BEFORE` (`alpha`, `rc`, `dev` …) mark a pre-release. Words
//! for a platform, an accelerator, an image or a patch describe the build, and the version is compared as the release. The meaning of any
//! other suffix is unknown: the version is compared as the release, and `Version::earliest` gives the other interpretation, before the
//! release. A range decides only if both interpretations agree.
//!
//! A pre-release may be rebuilt too (`0.1.47-rc1-rocm`); it is compared as the pre-release.
//!
//! **Fewer numbers.** If releases have three numbers, `0.12` may be any of `0.12.0`, `0.12.1` …: `Version::last_of` gives the last of them,
//! and a range decides only if the verdict is the same for all.
//!
//! `+…` is ignored in Semantic Versioning's order. In PEP 440 it sorts after the version without it, but ranges ignore it: in PEP 440
//! `<=1.0` includes `1.0+cu130`.

mod dotted;
mod llama_build;
mod pep440;
mod semver;
mod suffix;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;

use vigie_model::VersionOrder;

use semver::{Semver, Stage};
use suffix::{Meaning, Suffix};

/// Maximum length of a version text, which comes from the network.
const LONGEST: usize = 128;

/// Placeholders that servers report instead of a version.
const PLACEHOLDERS: &[&str] = &[
    "",
    "(devel)",
    "dev",
    "devel",
    "development",
    "edge",
    "head",
    "latest",
    "local",
    "main",
    "master",
    "n/a",
    "nightly",
    "none",
    "null",
    "snapshot",
    "undefined",
    "unknown",
    "untagged",
];

/// Why a text is not a version that can be ordered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAVersion {
    /// The build hides its version: `0.0.0`, `dev`, `latest`, `b0-unknown`.
    #[error("{0} is what a build says that hides its version")]
    Hidden(String),
    /// The text does not follow its order's grammar.
    #[error("{text} cannot be ordered as {}", order_word(*.order))]
    Unreadable {
        /// The text, shortened and printable.
        text: String,
        /// The version order.
        order: VersionOrder,
    },
    /// The author's own scheme, which has no order.
    #[error("the version is its author's own")]
    Author,
}

/// A version in one version order.
///
/// `Ord` is a total order: versions of different orders are never equal, and sort by their order first. `1.0` and `1.0.0` are equal if
/// their ecosystem says so.
#[derive(Clone, Debug)]
pub struct Version {
    text: String,
    key: Key,
    /// The suffix of a custom build, which is ignored when comparing.
    suffix: Option<Suffix>,
}

impl Version {
    /// Parses a version from a server or an advisory.
    ///
    /// # Errors
    ///
    /// [`NotAVersion`], if the version is hidden or cannot be ordered.
    pub fn parse(order: VersionOrder, text: &str) -> Result<Self, NotAVersion> {
        if order == VersionOrder::Author {
            return Err(NotAVersion::Author);
        }
        let unreadable = || NotAVersion::Unreadable {
            text: printable(text),
            order,
        };
        // Surrounding white space and the leading letter of tags are ignored.
        let said = text.trim();
        if said.strip_prefix(['v', 'V']).unwrap_or(said).len() > LONGEST {
            return Err(unreadable());
        }
        let mut lower = said.to_ascii_lowercase();
        if PLACEHOLDERS.contains(&lower.as_str()) {
            return Err(NotAVersion::Hidden(printable(said)));
        }
        // `0.1.45 (amd64 on linux)`: brackets describe the build.
        if let Some(at) = lower.find(" (") {
            lower.truncate(at);
        }
        let (key, suffix) = match order {
            VersionOrder::Semver => Semver::parse(&lower).map(|(version, suffix)| (Key::Semver(version), suffix)),
            VersionOrder::Pep440 => pep440::parse(&lower).map(|(version, suffix)| (Key::Pep440(version), suffix)),
            VersionOrder::LlamaBuild => llama_build::parse(&lower).map(|(build, suffix)| (Key::Build(build), suffix)),
            VersionOrder::Dotted => dotted::parse(&lower).map(|(parts, suffix)| (Key::Dotted(parts, Stage::Release), suffix)),
            VersionOrder::Author => None,
        }
        .ok_or_else(unreadable)?;
        if key.hides() {
            return Err(NotAVersion::Hidden(printable(said)));
        }
        Ok(Self {
            // Complete, so that the printed form parses as the same version.
            text: shown(said, LONGEST + 1),
            key,
            suffix,
        })
    }

    /// Why it may differ from the release with this number: it is a custom build, or its suffix has an unknown meaning. `None` for a release
    /// or a pre-release.
    #[must_use]
    pub fn own_build(&self) -> Option<String> {
        let suffix = self.suffix.as_ref()?;
        let (sign, text) = (suffix.sign, printable(&suffix.text));
        Some(match suffix.meaning {
            Meaning::Build => format!("{sign}{text} says that it was built again, and what that changed is not known"),
            Meaning::Commits => format!("it was built {text} commits after the release, and what they changed is not known"),
            Meaning::Unclear => format!("what {sign}{text} means is not known"),
        })
    }

    /// The earliest interpretation, if its suffix has an unknown meaning: before every pre-release of its number.
    pub(crate) fn earliest(&self) -> Option<Self> {
        if self.suffix.as_ref()?.meaning != Meaning::Unclear {
            return None;
        }
        let before = Stage::Before(Vec::new());
        let key = match &self.key {
            Key::Semver(semver) => Key::Semver(Semver {
                stage: before,
                ..semver.clone()
            }),
            Key::Pep440(version) => Key::Pep440(version.clone().with_dev(Some(0))),
            Key::Dotted(parts, _) => Key::Dotted(parts.clone(), before),
            Key::Build(build) => Key::Build(*build),
        };
        Some(Self {
            text: self.text.clone(),
            key,
            suffix: self.suffix.clone(),
        })
    }

    /// The leading number: the major version, the year of a calendar version, or the build.
    pub(crate) fn leading(&self) -> u64 {
        match &self.key {
            Key::Semver(semver) => semver.core[0],
            Key::Pep440(version) => version.release().first().copied().unwrap_or_default(),
            Key::Build(build) => *build,
            Key::Dotted(parts, _) => parts.first().copied().unwrap_or_default(),
        }
    }

    /// The version order.
    #[must_use]
    pub fn order(&self) -> VersionOrder {
        match self.key {
            Key::Semver(_) => VersionOrder::Semver,
            Key::Pep440(_) => VersionOrder::Pep440,
            Key::Build(_) => VersionOrder::LlamaBuild,
            Key::Dotted(..) => VersionOrder::Dotted,
        }
    }

    /// The version as compared with ranges: without the local part of PEP 440.
    #[must_use]
    pub fn public(mut self) -> Self {
        if let Key::Pep440(version) = self.key {
            self.key = Key::Pep440(version.without_local());
        }
        self
    }
}

impl Version {
    /// The number of numeric components in its text.
    pub(crate) fn numbers(&self) -> usize {
        let text = self.text.trim_start_matches(['v', 'V']);
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        text[..end].split('.').filter(|part| !part.is_empty()).count()
    }

    /// The last release that it may be, if releases have `numbers` numeric components and it has fewer; `None`: it has all of them, or is a
    /// pre-release or a build number.
    pub(crate) fn last_of(&self, numbers: usize) -> Option<Self> {
        let own = self.numbers();
        if own == 0 || own >= numbers {
            return None;
        }
        let key = match &self.key {
            Key::Semver(semver) if semver.stage == Stage::Release => {
                let mut core = semver.core;
                core.iter_mut().skip(own).for_each(|part| *part = u64::MAX);
                Key::Semver(Semver { core, ..semver.clone() })
            }
            Key::Pep440(version) if !version.any_prerelease() => {
                let mut release = version.release().to_vec();
                release.truncate(own);
                release.resize(numbers, u64::MAX);
                Key::Pep440(pep440_rs::Version::new(release))
            }
            Key::Dotted(parts, Stage::Release) => {
                let mut parts = parts.clone();
                parts.resize(own, 0);
                parts.resize(numbers, u64::MAX);
                Key::Dotted(parts, Stage::Release)
            }
            _ => return None,
        };
        Some(Self {
            text: self.text.clone(),
            key,
            suffix: self.suffix.clone(),
        })
    }
}

/// The original text.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

/// The name of an order in product files and advisories.
pub(crate) fn order_word(order: VersionOrder) -> &'static str {
    match order {
        VersionOrder::Semver => "semver",
        VersionOrder::Pep440 => "pep440",
        VersionOrder::LlamaBuild => "llama-build",
        VersionOrder::Dotted => "dotted",
        VersionOrder::Author => "author",
    }
}

/// The key by which versions are compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Semver(Semver),
    Pep440(pep440_rs::Version),
    Build(u64),
    Dotted(Vec<u64>, Stage),
}

impl Key {
    /// Whether this is a placeholder of builds without a known version.
    fn hides(&self) -> bool {
        match self {
            // Includes Go's pseudo-versions of a module without tags (v0.0.0-20240506…), which name a commit.
            Self::Semver(semver) => semver.core == [0, 0, 0],
            // setuptools-scm reports 0.1.dev1+gabc1234 if there is no tag.
            Self::Pep440(version) => {
                version.release().iter().all(|part| *part == 0) || (version.release() == [0, 1] && version.is_dev() && version.is_local())
            }
            // 0 means unknown; 1 is the count in a shallow clone.
            Self::Build(number) => *number <= 1,
            Self::Dotted(parts, _) => parts.is_empty(),
        }
    }
}

/// Untrusted text, shortened and without control characters.
fn printable(text: &str) -> String {
    shown(text, 40)
}

/// The same, with a maximum number of characters.
fn shown(text: &str, most: usize) -> String {
    let text = text.trim();
    if text.is_empty() {
        return "an empty text".to_owned();
    }
    let mut short: String = text.chars().take(most).flat_map(char::escape_debug).collect();
    if text.chars().nth(most).is_some() {
        short.push('…');
    }
    short
}

/// Numbers separated by dots.
fn numbers(text: &str) -> Option<Vec<u64>> {
    text.split('.').map(number).collect()
}

/// Parses digits only; `u64::from_str` would accept a sign.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}
