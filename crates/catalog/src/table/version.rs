//! Whether a version is between two others: precise enough to know which routes a release has, not to judge advisories.

use std::cmp::Ordering;

use vigie_model::VersionOrder;

/// A release by its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Release {
    numbers: Vec<u64>,
    /// Something follows the numbers (a pre-release, a later build), so it may be before or after the plain numbers.
    vague: bool,
}

/// Whether a version has something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Yes,
    No,
    /// Unknown, because the version is not known or is too close to the bound.
    Maybe,
}

impl Release {
    /// Parses a version; `None`: it has no numbers to compare, such as `b0-unknown` of llama.cpp or a word.
    pub(crate) fn parse(order: VersionOrder, text: &str) -> Option<Self> {
        let text = text.trim();
        let text = match order {
            VersionOrder::LlamaBuild => text.strip_prefix('b').unwrap_or(text),
            VersionOrder::Author => return None,
            VersionOrder::Semver | VersionOrder::Pep440 | VersionOrder::Dotted => text.strip_prefix('v').unwrap_or(text),
        };
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (numbers, rest) = text.split_at(end);
        // The dot of `.post1` and `.dev0` belongs to the suffix.
        let numbers = numbers.strip_suffix('.').filter(|_| !rest.is_empty()).unwrap_or(numbers);
        let numbers: Vec<u64> = numbers.split('.').map(|number| number.parse().ok()).collect::<Option<_>>()?;
        if order == VersionOrder::LlamaBuild && (numbers.len() != 1 || numbers[0] == 0) {
            return None;
        }
        // A suffix after a plus describes the build.
        Some(Self {
            numbers,
            vague: !rest.is_empty() && !rest.starts_with('+'),
        })
    }

    fn against(&self, bound: &Self) -> Ordering {
        let at = |release: &Self, place: usize| release.numbers.get(place).copied().unwrap_or(0);
        let places = self.numbers.len().max(bound.numbers.len());
        (0..places)
            .map(|place| at(self, place).cmp(&at(bound, place)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

/// Whether a version is between the first and the last version that have something.
pub(crate) fn holds(version: Option<&Release>, since: Option<&Release>, until: Option<&Release>) -> Holds {
    if since.is_none() && until.is_none() {
        return Holds::Yes;
    }
    let Some(version) = version else { return Holds::Maybe };
    let side = |bound: Option<&Release>, inside: Ordering| match bound.map(|bound| version.against(bound)) {
        None => Holds::Yes,
        Some(Ordering::Equal) if version.vague => Holds::Maybe,
        Some(Ordering::Equal) => Holds::Yes,
        Some(order) if order == inside => Holds::Yes,
        Some(_) => Holds::No,
    };
    match (side(since, Ordering::Greater), side(until, Ordering::Less)) {
        (Holds::No, _) | (_, Holds::No) => Holds::No,
        (Holds::Yes, Holds::Yes) => Holds::Yes,
        _ => Holds::Maybe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_two_versions() {
        let holds = |order, version: &str, since: &str, until: &str| {
            let read = |text: &str| Release::parse(order, text);
            super::holds(read(version).as_ref(), read(since).as_ref(), read(until).as_ref())
        };
        let semver = |version, since, until| holds(VersionOrder::Semver, version, since, until);
        assert_eq!(semver("0.18.0", "0.18.0", ""), Holds::Yes);
        assert_eq!(semver("v0.17.7", "0.18.0", ""), Holds::No);
        assert_eq!(semver("0.18.0-rc1", "0.18.0", ""), Holds::Maybe);
        assert_eq!(semver("0.18.1-rc1", "0.18.0", ""), Holds::Yes);
        assert_eq!(semver("0.18.0+cu130", "0.18.0", ""), Holds::Yes);
        assert_eq!(semver("0.9.9", "0.10.0", "0.12.0"), Holds::No);
        assert_eq!(semver("0.12.1", "0.10.0", "0.12"), Holds::No);
        assert_eq!(semver("0.12.0", "0.10.0", "0.12"), Holds::Yes);
        assert_eq!(semver("unknown", "0.10.0", ""), Holds::Maybe);
        assert_eq!(semver("unknown", "", ""), Holds::Yes);
        let pep = |version, since, until| holds(VersionOrder::Pep440, version, since, until);
        assert_eq!(
            pep("0.6.6.post1", "0.6.6", ""),
            Holds::Maybe,
            "harmless: the route is included in both cases"
        );
        assert_eq!(pep("0.7.0rc2", "0.6.6", "0.6.9"), Holds::No);
        assert_eq!(pep("0.7.0.dev3", "0.7.0", ""), Holds::Maybe);
        let build = |version, since| holds(VersionOrder::LlamaBuild, version, since, "");
        assert_eq!(build("b8492", "b10000"), Holds::No);
        assert_eq!(build("b10434", "b10000"), Holds::Yes);
        assert_eq!(build("b0-unknown", "b10000"), Holds::Maybe);
    }
}
