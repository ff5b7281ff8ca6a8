//! The class of an autonomous system, with the reason.

use std::fmt;

use crate::classes::{ClassEntry, Classes, MAX_NAME};
use crate::views::{AsType, Tier};

/// A class in one view, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributed<T> {
    /// The class.
    pub class: T,
    /// The reason, for people.
    pub reason: String,
}

/// The classes of an autonomous system in both views, which are determined independently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribution {
    /// The view by type of autonomous system.
    pub as_type: Attributed<AsType>,
    /// The view by tier of infrastructure.
    pub tier: Attributed<Tier>,
}

impl fmt::Display for Attribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { as_type, tier } = self;
        writeln!(f, "AS type: {} ({})", as_type.class.word(), as_type.reason)?;
        write!(f, "tier: {} ({})", tier.class.word(), tier.reason)
    }
}

impl Classes {
    /// The class of an autonomous system in both views.
    ///
    /// 1. An entry for the number decides alone; a view that it does not give is unattributed.
    /// 2. Otherwise the type that the database gives (`as_type` of `IPinfo`) decides, if the file maps it.
    /// 3. Otherwise the patterns that match the name of the organisation decide, for each view separately. If they contradict each
    ///    other, the view is unattributed, because a guess would be worse.
    #[must_use]
    pub fn attribute(&self, asn: u32, organisation: Option<&str>, word: Option<&str>) -> Attribution {
        if let Some(entry) = self.numbers.get(&asn) {
            let reason = format!("AS {asn}, {}: {} ({})", entry.what, entry.reason, entry.date);
            return Attribution {
                as_type: one(entry.as_type, AsType::Unattributed, &reason),
                tier: one(entry.tier, Tier::Unattributed, &reason),
            };
        }
        let word = word.map(str::to_lowercase).and_then(|word| self.words.get(&word));
        let matched = match organisation {
            Some(name) => self.matching(name),
            None => Vec::new(),
        };
        let nothing = || match organisation {
            Some(_) => format!("no entry for AS {asn}, and no pattern for its name"),
            None => format!("no entry for AS {asn}, and its name is not known"),
        };
        Attribution {
            as_type: view(word, &matched, |entry| entry.as_type, AsType::word, AsType::Unattributed, nothing),
            tier: view(word, &matched, |entry| entry.tier, Tier::word, Tier::Unattributed, nothing),
        }
    }

    fn matching(&self, name: &str) -> Vec<&ClassEntry> {
        let end = name
            .char_indices()
            .map(|(at, _)| at)
            .find(|at| *at >= MAX_NAME)
            .unwrap_or(name.len());
        let name = name.get(..end).unwrap_or_default();
        self.patterns
            .matches(name)
            .into_iter()
            .filter_map(|at| self.names.get(at))
            .collect()
    }
}

fn one<T>(class: Option<T>, unattributed: T, reason: &str) -> Attributed<T> {
    match class {
        Some(class) => Attributed {
            class,
            reason: reason.to_owned(),
        },
        None => Attributed {
            class: unattributed,
            reason: format!("not given: {reason}"),
        },
    }
}

fn view<T: Copy + PartialEq>(
    word: Option<&ClassEntry>,
    matched: &[&ClassEntry],
    pick: impl Fn(&ClassEntry) -> Option<T>,
    name: impl Fn(T) -> &'static str,
    unattributed: T,
    nothing: impl Fn() -> String,
) -> Attributed<T> {
    if let Some((entry, class)) = word.and_then(|entry| Some((entry, pick(entry)?))) {
        return Attributed {
            class,
            reason: format!("the database says {:?}: {} ({})", entry.what, entry.reason, entry.date),
        };
    }
    let mut candidates = matched.iter().filter_map(|entry| Some((entry, pick(entry)?)));
    let Some((first, class)) = candidates.next() else {
        return Attributed {
            class: unattributed,
            reason: nothing(),
        };
    };
    if let Some((other, differs)) = candidates.find(|(_, other)| *other != class) {
        let reason = format!(
            "the name contradicts itself: {} ({}), and {} ({})",
            name(class),
            first.reason,
            name(differs),
            other.reason
        );
        return Attributed {
            class: unattributed,
            reason,
        };
    }
    Attributed {
        class,
        reason: format!("the name: {} ({})", first.reason, first.date),
    }
}
