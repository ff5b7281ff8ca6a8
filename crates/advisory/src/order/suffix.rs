//! What follows the numbers of a version: words of pre-releases, of builds, and of `git describe`.

use super::number;

/// A suffix that marks neither a pre-release nor the release itself.
#[derive(Clone, Debug)]
pub(super) struct Suffix {
    /// The character before it: `-`, or `+` for build metadata.
    pub(super) sign: char,
    pub(super) text: String,
    pub(super) meaning: Meaning,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It describes the build.
    Build,
    /// Built from commits after the release.
    Commits,
    /// Unknown: a rebuilt release, or a version before it.
    Unclear,
}

/// The meaning of a suffix after `-`.
pub(super) enum Tail {
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
    pub(super) fn of(rest: &str) -> Option<Tail> {
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

    pub(super) fn dirty() -> Self {
        Self {
            sign: '-',
            text: "dirty".to_owned(),
            meaning: Meaning::Build,
        }
    }

    /// Build metadata that marks a build of changed sources (`+dirty`, `+3.gabc1234.dirty`, `+d20240101` of setuptools-scm); `None`:
    /// other metadata.
    pub(super) fn of_metadata(text: &str) -> Option<Self> {
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
pub(super) fn leading_letters(part: &str) -> &str {
    let end = part.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(part.len());
    &part[..end]
}

/// A version without the suffix of `git describe`.
pub(super) struct Described<'t> {
    pub(super) tag: &'t str,
    /// Commits since the tag.
    pub(super) since: u64,
    pub(super) suffix: Option<Suffix>,
}

/// Removes the suffix of `git describe --long --dirty`: `-3-gabc1234-dirty`.
pub(super) fn described(text: &str) -> Described<'_> {
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

/// Splits a version from a suffix that is not a pre-release, which these orders do not allow.
pub(super) fn built_again(text: &str) -> Option<(&str, Suffix)> {
    let (base, rest) = text.split_once(['-', '_'])?;
    match Suffix::of(rest)? {
        Tail::Before(_) => None,
        Tail::Of(suffix) => Some((base, suffix)),
    }
}
