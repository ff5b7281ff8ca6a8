//! PEP 440, with the image tags of LiteLLM.

use std::str::FromStr as _;

use super::number;
use super::suffix::{Described, Suffix, built_again, described, leading_letters};

/// Parses a text in lower case; `None`: it does not follow the grammar.
pub(super) fn parse(lower: &str) -> Option<(pep440_rs::Version, Option<Suffix>)> {
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
