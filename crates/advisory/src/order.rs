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

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr as _;

use vigie_model::VersionOrder;

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
            VersionOrder::Pep440 => pep440(&lower).map(|(version, suffix)| (Key::Pep440(version), suffix)),
            VersionOrder::LlamaBuild => llama_build(&lower).map(|(build, suffix)| (Key::Build(build), suffix)),
            VersionOrder::Dotted => dotted(&lower).map(|(parts, suffix)| (Key::Dotted(parts, Stage::Release), suffix)),
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

/// A semantic version. Fields and variants are in the order of comparison.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Semver {
    core: [u64; 3],
    stage: Stage,
    /// Commits since the tag.
    since: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Before(Vec<Identifier>),
    Release,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Numeric(u64),
    Named(Vec<Run>),
}

/// A run of digits or of other characters, so that `rc9` comes before `rc10`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Run {
    Digits(u64),
    Other(String),
}

/// A suffix that marks neither a pre-release nor the release itself.
#[derive(Clone, Debug)]
struct Suffix {
    /// The character before it: `-`, or `+` for build metadata.
    sign: char,
    text: String,
    meaning: Meaning,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// It describes the build.
    Build,
    /// Built from commits after the release.
    Commits,
    /// Unknown: a rebuilt release, or a version before it.
    Unclear,
}

/// The meaning of a suffix after `-`.
enum Tail {
    /// A pre-release, with the suffix of a rebuild.
    Before(Option<Suffix>),
    Of(Suffix),
}

/// Words of pre-releases.
const BEFORE: &[&str] = &[
    "alpha",
    "beta",
    "canary",
    "ci",
    "cr",
    "dev",
    "devel",
    "develop",
    "development",
    "ea",
    "eap",
    "exp",
    "experimental",
    "insider",
    "insiders",
    "milestone",
    "next",
    "nightly",
    "pre",
    "prerelease",
    "preview",
    "rc",
    "snapshot",
    "unstable",
];

/// Words that describe the build of a release: platform, accelerator, image, builder, or a later patch.
const BUILT: &[&str] = &[
    "aarch",
    "aio",
    "all",
    "alpine",
    "amazonlinux",
    "amd",
    "apple",
    "arch",
    "arm",
    "armhf",
    "armv",
    "ascend",
    "avx",
    "bookworm",
    "bsd",
    "bullseye",
    "buster",
    "cann",
    "ce",
    "centos",
    "clblast",
    "conda",
    "core",
    "cpu",
    "cu",
    "cublas",
    "cuda",
    "cudnn",
    "custom",
    "darwin",
    "debian",
    "dgx",
    "dirty",
    "distroless",
    "docker",
    "ee",
    "el",
    "enterprise",
    "fedora",
    "ffmpeg",
    "final",
    "fips",
    "fix",
    "fork",
    "full",
    "ga",
    "gaudi",
    "gfx",
    "git",
    "gpu",
    "gradio",
    "habana",
    "hip",
    "hipblas",
    "hotfix",
    "hpu",
    "igpu",
    "intel",
    "ipex",
    "ipexllm",
    "jammy",
    "jetpack",
    "jetson",
    "jp",
    "kunlun",
    "l",
    "launcher",
    "linux",
    "llm",
    "llvm",
    "lts",
    "mac",
    "macos",
    "metal",
    "minimal",
    "mkl",
    "mlu",
    "mps",
    "msvc",
    "musa",
    "musl",
    "neuron",
    "noavx",
    "noble",
    "npu",
    "nv",
    "nvidia",
    "oneapi",
    "onnx",
    "openblas",
    "opencl",
    "openvino",
    "oss",
    "osx",
    "p",
    "patch",
    "patched",
    "pl",
    "pro",
    "py",
    "python",
    "r",
    "rebuild",
    "release",
    "rev",
    "rhel",
    "riscv",
    "rockylinux",
    "rocm",
    "rpm",
    "s",
    "scratch",
    "slim",
    "sm",
    "stable",
    "static",
    "sycl",
    "tegra",
    "tensorrt",
    "torch",
    "tpu",
    "trixie",
    "ubi",
    "ubuntu",
    "update",
    "vulkan",
    "win",
    "windows",
    "wolfi",
    "x",
    "xpu",
];

/// Words of build metadata that mark a custom build, from sources that may have been changed.
const LOCAL: &[&str] = &["custom", "dirty", "local", "modified", "unofficial"];

impl Suffix {
    /// The meaning of the suffix after `-`. One word of the first list decides; for the second list, all words must be in it. A single
    /// letter with a number (`a0`, `b1`) is a pre-release as in PEP 440.
    fn of(rest: &str) -> Option<Tail> {
        let fits = rest.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
        let parts: Vec<&str> = rest.split(['.', '-', '_']).collect();
        if !fits || parts.iter().any(|part| part.is_empty()) {
            return None;
        }
        let word = |part: &str| part.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
        let staged = |part: &str| matches!(word(part).as_str(), "a" | "b" | "c" | "m") && part.len() > 1 && part.len() < 5;
        // A Go pseudo-version: a time, then a commit.
        let pseudo = parts.windows(2).any(|pair| {
            let digits = pair[0].len() == 14 && number(pair[0]).is_some();
            digits && pair[1].len() == 12 && pair[1].bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        // A commit in the form of `git describe`.
        let commit = |part: &str| {
            let hash = part.strip_prefix('g').unwrap_or_default();
            hash.len() >= 7 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let built = |part: &str| commit(part) || BUILT.contains(&leading_letters(part));
        let before = |part: &str| BEFORE.contains(&word(part).as_str());
        if pseudo || staged(parts[0]) || parts.iter().any(|part| before(part)) {
            // `rc1-rocm` is a rebuilt pre-release. A commit identifies the build and is no rebuild.
            let again: Vec<&str> = parts
                .iter()
                .copied()
                .filter(|part| BUILT.contains(&leading_letters(part)) && !before(part) && !staged(part))
                .collect();
            return Some(Tail::Before((!again.is_empty() && !pseudo).then(|| Self {
                sign: '-',
                text: again.join("-"),
                meaning: Meaning::Build,
            })));
        }
        // A number may follow a known word: `cuda-12.4`, `arm64-v8`.
        let numbers = |part: &str| number(part.strip_prefix('v').unwrap_or(part)).is_some();
        let known = parts
            .split_first()
            .is_some_and(|(first, rest)| built(first) && rest.iter().all(|part| built(part) || numbers(part)));
        Some(Tail::Of(Self {
            sign: '-',
            text: rest.to_owned(),
            meaning: if known { Meaning::Build } else { Meaning::Unclear },
        }))
    }

    fn dirty() -> Self {
        Self {
            sign: '-',
            text: "dirty".to_owned(),
            meaning: Meaning::Build,
        }
    }

    /// Build metadata that marks a build of changed sources (`+dirty`, `+3.gabc1234.dirty`, `+d20240101` of setuptools-scm); `None`:
    /// other metadata.
    fn of_metadata(text: &str) -> Option<Self> {
        let is_date = |part: &str| part.strip_prefix('d').is_some_and(|day| day.len() == 8 && number(day).is_some());
        let local = text.split(['.', '-', '_']).any(|part| LOCAL.contains(&part) || is_date(part));
        local.then(|| Self {
            sign: '+',
            text: text.to_owned(),
            meaning: Meaning::Build,
        })
    }

    fn commits(since: u64) -> Self {
        Self {
            sign: '-',
            text: since.to_string(),
            meaning: Meaning::Commits,
        }
    }
}

/// The leading letters of a word: `rocm` in `rocm6`, `arm` in `arm64v8`.
fn leading_letters(part: &str) -> &str {
    let end = part.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(part.len());
    &part[..end]
}

impl Semver {
    fn parse(lower: &str) -> Option<(Self, Option<Suffix>)> {
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

/// A version without the suffix of `git describe`.
struct Described<'t> {
    tag: &'t str,
    /// Commits since the tag.
    since: u64,
    suffix: Option<Suffix>,
}

/// Removes the suffix of `git describe --long --dirty`: `-3-gabc1234-dirty`.
fn described(text: &str) -> Described<'_> {
    let clean = text.strip_suffix("-dirty");
    let dirty = clean.map(|_| Suffix::dirty());
    let clean = clean.unwrap_or(text);
    let counted = || {
        let (rest, commit) = clean.rsplit_once("-g")?;
        let (tag, count) = rest.rsplit_once('-')?;
        let commit = commit.len() >= 7 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        let count = number(count)?;
        (commit && !tag.is_empty()).then_some((tag, count))
    };
    match counted() {
        Some((tag, since)) => Described {
            tag,
            since,
            suffix: if since > 0 { Some(Suffix::commits(since)) } else { dirty },
        },
        None => Described {
            tag: clean,
            since: 0,
            suffix: dirty,
        },
    }
}

fn pep440(lower: &str) -> Option<(pep440_rs::Version, Option<Suffix>)> {
    let Described { tag, since, suffix } = described(lower);
    let mut text = tag.to_owned();
    if since > 0 {
        text = format!("{text}.post{since}");
    } else if let Some((base, rest)) = text.split_once("-stable") {
        text = match rest.strip_prefix(".patch.") {
            Some(patch) => format!("{base}.post{}", number(patch)?),
            None if rest.is_empty() => base.to_owned(),
            None => return None,
        };
    } else if let Some(base) = text.strip_suffix("-nightly") {
        text = format!("{base}.dev0");
    }
    if let Ok(version) = pep440_rs::Version::from_str(&text) {
        let local = text.split_once('+').and_then(|(_, local)| Suffix::of_metadata(local));
        return Some((version, suffix.or(local)));
    }
    let (base, suffix) = built_again(&text)?;
    // Suffixes with a PEP 440 word that cannot be parsed here are left as they are.
    let own = ["post", "rev"].contains(&leading_letters(&suffix.text));
    let version = pep440_rs::Version::from_str(base).ok()?;
    (!own).then_some((version, Some(suffix)))
}

fn llama_build(lower: &str) -> Option<(u64, Option<Suffix>)> {
    let text = lower.strip_prefix("version:").unwrap_or(lower).trim_start();
    let text = text.strip_prefix('b').unwrap_or(text);
    let (digits, rest) = text.split_once('-').unwrap_or((text, "unknown"));
    let clean = rest.strip_suffix("-dirty");
    let dirty = clean.map(|_| Suffix::dirty());
    let rest = clean.unwrap_or(rest);
    let is_commit = |text: &str| {
        let commit = text.strip_prefix('g').unwrap_or(text);
        (4..=40).contains(&commit.len()) && commit.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    if is_commit(rest) || rest == "unknown" {
        return Some((number(digits)?, dirty));
    }
    // A commit may precede the words.
    let words = match rest.split_once('-') {
        Some((commit, words)) if is_commit(commit) => words,
        _ => rest,
    };
    match Suffix::of(words)? {
        Tail::Of(suffix) if suffix.meaning == Meaning::Build => Some((number(digits)?, Some(suffix))),
        _ => None,
    }
}

fn dotted(lower: &str) -> Option<(Vec<u64>, Option<Suffix>)> {
    let text = lower.strip_prefix('v').unwrap_or(lower);
    let (mut parts, suffix) = match numbers(text) {
        Some(parts) => (parts, None),
        None => {
            let (base, suffix) = built_again(text)?;
            (numbers(base)?, Some(suffix))
        }
    };
    while parts.last() == Some(&0) {
        parts.pop();
    }
    Some((parts, suffix))
}

/// Splits a version from a suffix that is not a pre-release, which these orders do not allow.
fn built_again(text: &str) -> Option<(&str, Suffix)> {
    let (base, rest) = text.split_once(['-', '_'])?;
    match Suffix::of(rest)? {
        Tail::Before(_) => None,
        Tail::Of(suffix) => Some((base, suffix)),
    }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(order: VersionOrder, text: &str) -> Version {
        Version::parse(order, text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// Each line is strictly ascending; versions joined by `=` are equal.
    fn ascends(order: VersionOrder, ladder: &[&str]) {
        let steps: Vec<Vec<Version>> = ladder
            .iter()
            .map(|step| step.split(" = ").map(|text| version(order, text)).collect())
            .collect();
        for (i, lower) in steps.iter().enumerate() {
            for a in lower {
                for b in lower {
                    assert_eq!(a.cmp(b), Ordering::Equal, "{a} = {b}");
                    assert_eq!(a, b);
                }
                for b in steps[i + 1..].iter().flatten() {
                    assert_eq!(a.cmp(b), Ordering::Less, "{a} < {b}");
                    assert_eq!(b.cmp(a), Ordering::Greater, "{b} > {a}");
                    assert_ne!(a, b);
                }
            }
        }
    }

    #[test]
    fn semantic_versions_ascend() {
        ascends(
            VersionOrder::Semver,
            &[
                "0.1.33 = v0.1.33 = V0.1.33 = 0.1.33+build.5",
                "v0.1.34-0.20240501010101-abcdefabcdef",
                "0.1.34-rc0",
                "0.1.34-rc1",
                "0.1.34-rc9",
                "0.1.34-rc10",
                "0.1.34 = v0.1.34 = 0.1.34 (amd64 on linux) = 0.1.34-0-gabc1234 = 0.1.34-dirty = 0.1.34-stable = 0.1.34-rocm = 0.1.34-somebody",
                "0.1.34-12-gabc1234 = 0.1.34-12-gabc1234-dirty",
                "0.3.14",
                "0.4.0-ci1",
                "0.4.0-rc0",
                "0.4.0-rc0-3-gabc1234",
                "0.4.0-rc1",
                "0.4.0 = 0.4",
                "0.5.8-rc7",
                "v0.5.8-rc7.0.20250207180437-adb8ee99e3cd",
                "0.5.8",
                "0.9.9",
                "0.10.1",
                "0.10.12",
                "1.0.0-alpha",
                "1.0.0-alpha.1",
                "1.0.0-alpha.beta",
                "1.0.0-beta",
                "1.0.0-beta.2",
                "1.0.0-beta.11",
                "1.0.0-rc.1",
                "1.0.0",
            ],
        );
    }

    #[test]
    fn python_versions_ascend() {
        ascends(
            VersionOrder::Pep440,
            &[
                "0.5.0.dev1",
                "0.5.0rc1",
                "0.5.0 = v0.5.0 = 0.5",
                "0.5.0+cpu",
                "0.5.0+cu130",
                "0.5.0.post1 = 0.5.0.post1-rocm",
                "0.5.0.post2",
                "0.5.10",
                "0.5.10.post1 = 0.5.10-1",
                "0.9.9",
                "0.10.1",
                "0.10.1.1",
                "0.10.12",
                "0.22.0.dev3+g0123abc",
                "0.22.0a1",
                "0.22.0b1",
                "0.22.0rc1 = 0.22.0-rc1 = 0.22.0.rc.1",
                "0.22.0rc2",
                "0.22.0",
                "1.40.3.dev2",
                "1.40.3.dev3",
                "1.65.4-nightly = 1.65.4.dev0",
                "1.65.4",
                "1.83.7rc1",
                "1.83.7 = 1.83.7-stable = v1.83.7-stable",
                "v1.83.7-stable.patch.1 = 1.83.7.post1",
                "1.83.7-stable.patch.2",
                "1.83.7-12-gabc1234",
                "1.83.10-stable",
                "1.83.14",
            ],
        );
    }

    #[test]
    fn builds_and_dotted_numbers_ascend() {
        ascends(
            VersionOrder::LlamaBuild,
            &[
                "b999",
                "b8491",
                "b8492 = 8492 = b8492-abc123 = version: 8492 (abc123) = 8492 (abc1234) = b8492-unknown = B8492-gabc1234-dirty",
                "b11393",
            ],
        );
        ascends(
            VersionOrder::Dotted,
            &[
                "0.9.9",
                "0.10.1",
                "0.10.12",
                "1.2 = 1.2.0 = v1.2",
                "1.2.0.1",
                "2026.6.0 = 2026.6-alpine",
                "2026.10",
            ],
        );
    }

    #[test]
    fn hidden_versions_differ_from_invalid_ones() {
        use VersionOrder::{Dotted, LlamaBuild, Pep440, Semver};
        let hidden = [
            (Semver, "0.0.0"),
            (Semver, "v0.0.0-20240506123456-abcdefabcdef"),
            (Semver, "0.0.0-dev"),
            (Semver, "dev"),
            (Semver, "unknown"),
            (Semver, "LATEST"),
            (Semver, " "),
            (Pep440, "0.0.0"),
            (Pep440, "0.0.0.dev0"),
            (Pep440, "0+unknown"),
            (Pep440, "0.1.dev1+g0123abc"),
            (LlamaBuild, "b0-unknown"),
            (LlamaBuild, "b0"),
            (LlamaBuild, "b1-0123abc"),
            (LlamaBuild, "version: 0 (unknown)"),
            (LlamaBuild, "unknown"),
            (Dotted, "0.0"),
        ];
        for (order, text) in hidden {
            assert!(
                matches!(Version::parse(order, text), Err(NotAVersion::Hidden(_))),
                "{text}: {:?}",
                Version::parse(order, text)
            );
        }
        let unreadable = [
            (Semver, "4"),
            (Semver, "1.2.3.4"),
            (Semver, "1.2.x"),
            (Semver, "0.22.0rc1"),
            (Semver, "1.2.3-"),
            (Semver, "1.2.3-a..b"),
            (Semver, "+1.2.3"),
            (Semver, "1.2.3 beta"),
            (Semver, "99999999999999999999.0.0"),
            (Semver, "ollama"),
            (Pep440, "main-v1.2.3-stable"),
            (Pep440, "1.2.3-stable.gemini"),
            (Pep440, "1.2.3-post1-stable.patch.1"),
            (Pep440, "b8492"),
            (LlamaBuild, "0.0.8492"),
            (LlamaBuild, "master-8492"),
            (LlamaBuild, "2024-11-22"),
            (LlamaBuild, "-8492"),
            (Dotted, "1.2-rc1"),
            (Dotted, "1..2"),
        ];
        for (order, text) in unreadable {
            assert!(
                matches!(Version::parse(order, text), Err(NotAVersion::Unreadable { .. })),
                "{text}: {:?}",
                Version::parse(order, text)
            );
        }
        assert!(matches!(Version::parse(VersionOrder::Author, "1.0.0"), Err(NotAVersion::Author)));
        let long = format!("1.{}", "0".repeat(200));
        let error = Version::parse(Semver, &long).expect_err("too long");
        assert!(error.to_string().len() < 100, "{error}");
        let error = Version::parse(Semver, "1\u{1b}[31m").expect_err("no version");
        assert!(!error.to_string().contains('\u{1b}'), "{error}");
    }

    #[test]
    fn ranges_do_not_see_the_local_part() {
        let told = version(VersionOrder::Pep440, "0.22.0+cu130");
        let bound = version(VersionOrder::Pep440, "0.22.0");
        assert!(told > bound);
        assert_eq!(told.clone().public(), bound);
        assert_eq!(told.public().to_string(), "0.22.0+cu130");
    }

    fn texts(order: VersionOrder) -> BoxedStrategy<String> {
        // Small numbers, so that equal and similar versions are frequent.
        match order {
            VersionOrder::Semver => "v?[0-2]\\.[0-2](\\.[0-3])?(-(rc[0-3]|rc1[0-2]|[0-2]|alpha|beta\\.[0-3]|stable|rocm6|amd|somebody|[a-c0-2-]{1,3}))?(-[0-2]-gabc1234)?(-dirty)?(\\+[a-c]{1,2})?",
            VersionOrder::Pep440 => "v?[0-2](\\.[0-2]){1,3}((a|b|rc)[0-2])?(\\.post[0-2])?(\\.dev[0-2])?(\\+[a-c0-2]{1,3})?(-stable|-stable\\.patch\\.[0-2]|-nightly|-rocm6|-somebody)?",
            VersionOrder::LlamaBuild => "b?[0-9]{1,2}(-abc1234|-unknown)?(-cuda12)?",
            _ => "v?[0-2](\\.[0-2]){0,3}(-alpine|-somebody)?",
        }
        .prop_map(|text: String| text)
        .boxed()
    }

    fn orders() -> impl Strategy<Value = VersionOrder> {
        prop_oneof![
            Just(VersionOrder::Semver),
            Just(VersionOrder::Pep440),
            Just(VersionOrder::LlamaBuild),
            Just(VersionOrder::Dotted)
        ]
    }

    fn three() -> impl Strategy<Value = [Version; 3]> {
        orders()
            .prop_flat_map(|order| {
                let text = move || texts(order).prop_filter_map("no version", move |text| Version::parse(order, &text).ok());
                (text(), text(), text())
            })
            .prop_map(|(a, b, c)| [a, b, c])
    }

    #[test]
    fn the_longest_version_may_have_a_prefix_and_white_space() {
        let longest = format!("0.1.0+{}", "a".repeat(LONGEST - 6));
        assert_eq!(longest.len(), LONGEST);
        for order in [VersionOrder::Semver, VersionOrder::Pep440] {
            let plain = version(order, &longest);
            assert_eq!(version(order, &format!("  v{longest}\n")), plain);
            assert_eq!(version(order, &plain.to_string()), plain, "it is printed whole");
            assert!(Version::parse(order, &format!("{longest}a")).is_err());
        }
    }

    proptest! {
        #[test]
        fn the_order_is_total([a, b, c] in three()) {
            prop_assert_eq!(a.cmp(&a), Ordering::Equal);
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            prop_assert_eq!(a == b, a.cmp(&b) == Ordering::Equal);
            let mut sorted = [a, b, c];
            sorted.sort();
            prop_assert!(sorted[0] <= sorted[1] && sorted[1] <= sorted[2] && sorted[0] <= sorted[2]);
            if sorted[0] == sorted[2] {
                prop_assert!(sorted[0] == sorted[1]);
            }
        }

        #[test]
        fn a_prefix_and_white_space_change_nothing([a, _, _] in three()) {
            let order = a.order();
            prop_assert_eq!(&version(order, &format!("  {a}\n")), &a);
            if order != VersionOrder::LlamaBuild {
                let bare = a.to_string().trim_start_matches('v').to_owned();
                prop_assert_eq!(version(order, &format!("v{bare}")), a);
            }
        }

        #[test]
        fn numbers_count_as_numbers(order in orders(), a in 2u64..100_000, b in 2u64..100_000) {
            let text = |n: u64| if order == VersionOrder::LlamaBuild { format!("b{n}") } else { format!("0.{n}.1") };
            prop_assert_eq!(version(order, &text(a)).cmp(&version(order, &text(b))), a.cmp(&b));
        }

        #[test]
        fn no_text_makes_it_panic(order in orders(), text in any::<String>()) {
            let _ = Version::parse(order, &text);
        }

        #[test]
        fn nothing_that_looks_like_a_version_makes_it_panic(order in orders(), text in "[vb0-9.+ ()a-g-]{0,40}") {
            let _ = Version::parse(order, &text);
        }
    }
}
