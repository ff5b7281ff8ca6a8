//! Who is there: every host with its attributes and its days, drawn by quota.

use std::net::Ipv4Addr;

use super::host::{Host, PlantedModel, Prompt, Said};
use super::marginals::{
    BESIDE_Q4_K_M, BUCKETS, Bucket, CAPABILITY_SETS, CORE_OBSERVATIONS, DAYS, EARLY, EARLY_SETS, EARLY_VERSIONS, FAMILIES, GROWS, HOSTS,
    INVENTORY, KINDS, Kind, LATEST_VERSION, LISTED_FIRST, MOVED, NETWORKS, NEW_VERSIONS, NOWHERE, OBSERVATIONS, OLD, OLD_VERSIONS,
    OTHER_COUNTRIES, OTHER_SHARE, PARAMETERS, PROMPTS, Q4_K_M, REFUTED, REMOTE, SECOND, SERVING, SUSPECTS, SYSTEMS, TOP_COUNTRIES,
    UNCENSORED_NAMES, UNCENSORED_PROMPTS, UPGRADES, WITHOUT_Q4_K_M,
};
use super::quota::{Dice, apportion, deal, deal_shares};

/// The streams of the dice.
mod purpose {
    pub(super) const KIND: u64 = 1;
    pub(super) const SCHEDULE: u64 = 2;
    pub(super) const PLACE: u64 = 3;
    pub(super) const INVENTORY: u64 = 4;
    pub(super) const MODELS: u64 = 5;
    pub(super) const MARKS: u64 = 6;
    pub(super) const ADDRESS: u64 = 7;
}

/// How many of `of` a share is, rounded.
fn share(of: usize, share: f64) -> usize {
    (of as f64 * share).round() as usize
}

/// Every host of a population of that scale.
pub(super) fn hosts(seed: u64, scale: f64) -> Vec<Host> {
    let count = share(HOSTS, scale).max(100);
    let kinds = deal_shares(&mut Dice::new(seed, purpose::KIND), count, &KINDS);
    let (days, moved) = schedules(seed, count, share(OBSERVATIONS, scale));
    let places = places(seed, count, scale);
    let offset = Dice::new(seed, purpose::ADDRESS).next();
    let mut hosts: Vec<Host> = kinds
        .into_iter()
        .zip(days)
        .zip(places)
        .enumerate()
        .map(|(at, ((kind, days), place))| Host {
            address: address(offset, at),
            kind,
            country: place.country,
            asn: place.asn,
            class: place.class,
            tier: place.tier,
            days,
            said: Vec::new(),
            posture: None,
            serving: 0,
            suspect: false,
            listed: None,
            second: false,
            moved: false,
        })
        .collect();
    say(seed, scale, &mut hosts);
    mark(seed, &mut hosts);
    for (earlier, later) in moved {
        // The same machine under a new address: it says the same, and stands in the same network.
        let from = hosts[earlier].clone();
        let to = &mut hosts[later];
        let plain = |host: &Host| host.kind == Kind::Told && host.listed.is_none() && !host.second && !host.shows_uncensored_prompt();
        if plain(&from) && plain(to) {
            let last = from.said_at(from.days.len().saturating_sub(1)).clone();
            to.moved = last.models.as_ref().is_some_and(|models| !models.is_empty());
            to.said = vec![Said { from: 0, ..last }];
        }
    }
    hosts
}

/// An address of 240.0.0.0/4, which is reserved and nobody's: an odd factor makes it a permutation of the 28 bits.
fn address(offset: u64, at: usize) -> Ipv4Addr {
    let spread = (at as u64).wrapping_mul(0x9e3_779b).wrapping_add(offset) & 0x0fff_ffff;
    Ipv4Addr::from(0xf000_0000 | u32::try_from(spread).unwrap_or(0))
}

/// The days of each host, and pairs of hosts of which the second may be the first under a new address: it is seen after the first only.
fn schedules(seed: u64, hosts: usize, observations: usize) -> (Vec<Vec<u16>>, Vec<(usize, usize)>) {
    let mut dice = Dice::new(seed, purpose::SCHEDULE);
    let buckets = deal_shares(&mut dice, hosts, &BUCKETS);
    let mut counts: Vec<u16> = buckets
        .iter()
        .map(|bucket| {
            let span = usize::from(bucket.most - bucket.least);
            // Towards the end of the core's range, towards the beginning of the others'.
            let drawn = (dice.share().powf(if bucket.least > 100 { 0.45 } else { 2.0 }) * (span + 1) as f64) as u16;
            bucket.least + drawn.min(bucket.most - bucket.least)
        })
        .collect();
    let core = share(observations, CORE_OBSERVATIONS);
    let once = buckets.iter().filter(|bucket| bucket.most == 1).count();
    fit(&mut dice, &mut counts, &buckets, |bucket| bucket.least > 100, core);
    fit(
        &mut dice,
        &mut counts,
        &buckets,
        |bucket| bucket.least <= 100 && bucket.most > 1,
        observations.saturating_sub(core + once),
    );

    let short: Vec<usize> = (0..hosts).filter(|at| buckets[*at].most <= 100 && counts[*at] <= 60).collect();
    let pairs = share(short.len(), MOVED) / 2;
    let mut drawn = short;
    dice.shuffle(&mut drawn);
    let moved: Vec<(usize, usize)> = drawn.chunks_exact(2).take(pairs).map(|pair| (pair[0], pair[1])).collect();
    let mut within: Vec<(u16, u16)> = vec![(0, DAYS); hosts];
    for (earlier, later) in &moved {
        within[*earlier] = (0, DAYS / 2);
        within[*later] = (DAYS / 2, DAYS);
    }
    let days = counts
        .iter()
        .zip(within)
        .map(|(count, (from, until))| some_days(&mut dice, *count, from, until))
        .collect();
    (days, moved)
}

/// Moves counts up or down by one, within their buckets, until those of a group come to `wanted`.
fn fit(dice: &mut Dice, counts: &mut [u16], buckets: &[Bucket], group: impl Fn(&Bucket) -> bool, wanted: usize) {
    let members: Vec<usize> = (0..counts.len()).filter(|at| group(&buckets[*at])).collect();
    let sum = |counts: &[u16]| members.iter().map(|at| usize::from(counts[*at])).sum::<usize>();
    let least: usize = members.iter().map(|at| usize::from(buckets[*at].least)).sum();
    let most: usize = members.iter().map(|at| usize::from(buckets[*at].most)).sum();
    let wanted = wanted.clamp(least, most);
    let mut have = sum(counts);
    while have != wanted {
        let at = members[dice.below(members.len())];
        if have < wanted && counts[at] < buckets[at].most {
            counts[at] += 1;
            have += 1;
        } else if have > wanted && counts[at] > buckets[at].least {
            counts[at] -= 1;
            have -= 1;
        }
    }
}

/// Different days of a stretch, ascending.
fn some_days(dice: &mut Dice, count: u16, from: u16, until: u16) -> Vec<u16> {
    let width = until - from;
    let count = count.min(width);
    // A stretch of its own length within the window, so that hosts come and go.
    let span = count + dice.below(usize::from(width - count) + 1) as u16;
    let start = from + dice.below(usize::from(width - span) + 1) as u16;
    let mut days: Vec<u16> = (start..start + span).collect();
    dice.shuffle(&mut days);
    days.truncate(usize::from(count));
    days.sort_unstable();
    days
}

struct Place {
    country: Option<&'static str>,
    asn: u32,
    class: &'static str,
    tier: &'static str,
}

/// Where each host stands. An autonomous system lies in one country and has one type and one tier.
fn places(seed: u64, hosts: usize, scale: f64) -> Vec<Place> {
    let mut dice = Dice::new(seed, purpose::PLACE);
    let others: Vec<&'static str> = OTHER_COUNTRIES.split_whitespace().collect();
    let curve: f64 = (0..others.len()).map(|at| 1.0 / (at as f64 + 10.0)).sum();
    let mut weights: Vec<(&'static str, f64)> = TOP_COUNTRIES.to_vec();
    weights.extend(
        others
            .iter()
            .enumerate()
            .map(|(at, country)| (*country, OTHER_SHARE / curve / (at as f64 + 10.0))),
    );
    let countries = deal_shares(&mut dice, hosts, &weights);
    let networks = deal_shares(&mut dice, hosts, &NETWORKS);
    let nowhere = deal(&mut dice, &[(true, share(hosts, NOWHERE)), (false, hosts - share(hosts, NOWHERE))]);

    let mut cells: std::collections::BTreeMap<(&str, (&'static str, &'static str)), Vec<usize>> = std::collections::BTreeMap::new();
    for at in 0..hosts {
        cells.entry((countries[at], networks[at])).or_default().push(at);
    }
    // Every cell has a system; what is left goes by size, never more than one per host.
    let wanted = share(SYSTEMS, scale).max(cells.len());
    let spare: Vec<f64> = cells.values().map(|members| (members.len() - 1) as f64).collect();
    let more = apportion(wanted - cells.len(), &spare);
    let mut asns = vec![0_u32; hosts];
    // From the range for private use, RFC 6996.
    let mut next = 4_200_000_000_u32;
    for (members, more) in cells.values().zip(more) {
        let systems = 1 + more.min(members.len() - 1);
        for (nth, host) in members.iter().enumerate() {
            // One host each first; then the earlier systems get more.
            let system = if nth < systems {
                nth
            } else {
                (dice.share() * dice.share() * systems as f64) as usize
            };
            asns[*host] = next + system as u32;
        }
        next += systems as u32;
    }
    (0..hosts)
        .map(|at| Place {
            country: (!nowhere[at]).then_some(countries[at]),
            asn: asns[at],
            class: networks[at].0,
            tier: networks[at].1,
        })
        .collect()
}

/// What the hosts say: versions, models, capabilities.
fn say(seed: u64, scale: f64, hosts: &mut [Host]) {
    let mut dice = Dice::new(seed, purpose::INVENTORY);
    let told: Vec<usize> = (0..hosts.len()).filter(|at| hosts[*at].kind == Kind::Told).collect();
    let count = told.len();

    // How many models, and of which families: a host with one model has one family.
    let mut numbers: Vec<u16> = deal_shares(&mut dice, count, &INVENTORY)
        .into_iter()
        .map(|(least, most)| least + dice.below(usize::from(most - least) + 1) as u16)
        .collect();
    numbers.sort_unstable();
    let dormant = numbers.iter().filter(|number| **number == 0).count();
    let active = count - dormant;
    let counts = exact(count, active, &FAMILIES);
    let mut families: Vec<&'static [&'static str]> = deal(&mut dice, &counts);
    // Ascending numbers meet ascending set sizes, then both are moved about together.
    families.sort_by_key(|set| set.len());
    let mut pairs: Vec<(u16, &'static [&'static str])> = numbers[dormant..].iter().copied().zip(families).collect();
    loosen(&mut dice, &mut pairs);
    dice.shuffle(&mut pairs);

    let sizes: Vec<&'static [&'static str]> = {
        let counts = exact(count, active, &PARAMETERS);
        deal(&mut dice, &counts)
    };
    let with_q4 = share(count, Q4_K_M);
    let q4 = deal(&mut dice, &[(true, with_q4), (false, active - with_q4)]);

    // Versions: dormant hosts say theirs too, and have no capability whatever they can say.
    let (old, early) = (share(active, OLD), share(active, EARLY));
    let ages = deal(&mut dice, &[(Age::Old, old), (Age::Early, early), (Age::New, active - old - early)]);
    let new_sets = {
        let all = active - old - early;
        // Shares are of the hosts that can tell, the dormant ones among them.
        let counts = exact(all + dormant, all, &CAPABILITY_SETS);
        deal(&mut dice, &counts)
    };
    let early_sets = deal_shares(&mut dice, early, &EARLY_SETS);
    let (mut new_sets, mut early_sets) = (new_sets.into_iter(), early_sets.into_iter());

    let prompts = {
        let uncensored = share(UNCENSORED_PROMPTS, scale).max(2);
        let shown = share(active, PROMPTS);
        deal(
            &mut dice,
            &[
                (Some(Prompt::Uncensored(0)), uncensored),
                (Some(Prompt::Empty), shown / 2),
                (Some(Prompt::Default), shown / 4),
                (Some(Prompt::Custom(0)), shown - shown / 2 - shown / 4 - uncensored),
                (None, active - shown),
            ],
        )
    };
    let named = share(active, UNCENSORED_NAMES);
    let named = deal(&mut dice, &[(true, named), (false, active - named)]);
    let remote = share(active, REMOTE);
    let remote = deal(&mut dice, &[(true, remote), (false, active - remote)]);
    let serving = share(active, SERVING);
    let serving = deal(&mut dice, &[(true, serving), (false, active - serving)]);

    let mut order = told;
    dice.shuffle(&mut order);
    let mut models_dice = Dice::new(seed, purpose::MODELS);
    for (nth, at) in order.into_iter().enumerate() {
        let host = &mut hosts[at];
        host.posture = Some("open");
        let Some(nth) = nth.checked_sub(dormant) else {
            host.said = vec![Said {
                from: 0,
                version: Some(one_of(&mut models_dice, &NEW_VERSIONS)),
                models: Some(Vec::new()),
            }];
            continue;
        };
        let age = ages[nth];
        let (version, set) = match age {
            Age::Old => (one_of(&mut models_dice, &OLD_VERSIONS), None),
            Age::Early => (one_of(&mut models_dice, &EARLY_VERSIONS), early_sets.next()),
            Age::New => (one_of(&mut models_dice, &NEW_VERSIONS), new_sets.next()),
        };
        let models = Shelf {
            families: pairs[nth].1,
            sizes: sizes[nth],
            q4: q4[nth],
            set,
            untold: age == Age::Early,
            prompt: prompts[nth].map(|prompt| match prompt {
                Prompt::Uncensored(_) => Prompt::Uncensored((nth % 3) as u8),
                Prompt::Custom(_) => Prompt::Custom(at as u32),
                other => other,
            }),
            uncensored_by_name: named[nth],
            remote: remote[nth],
        }
        .filled(&mut models_dice, pairs[nth].0);
        host.serving = if serving[nth] {
            1 + (models.len() > 1 && nth % 5 != 0) as u8
        } else {
            0
        };
        host.said = vec![Said {
            from: 0,
            version: Some(version),
            models: Some(models),
        }];
    }
    for host in hosts.iter_mut().filter(|host| host.kind != Kind::Told) {
        let (version, posture) = match host.kind {
            // A key leaves the health page and the version to anyone; Shodan's line carries neither.
            Kind::Locked => (
                Some(one_of(&mut models_dice, &NEW_VERSIONS)),
                Some(["key", "key", "login", "forbidden"][models_dice.below(4)]),
            ),
            _ => (None, None),
        };
        host.posture = posture;
        host.said = vec![Said {
            from: 0,
            version,
            models: None,
        }];
    }
}

/// Shares of `of` dealt to `to` members: the largest takes what rounding leaves.
fn exact<T: Copy>(of: usize, to: usize, shares: &[(T, f64)]) -> Vec<(T, usize)> {
    let mut counts: Vec<(T, usize)> = shares.iter().map(|(value, weight)| (*value, share(of, weight / 100.0))).collect();
    let sum: usize = counts.iter().map(|(_, count)| count).sum();
    // The last absorbs it: the shares that are published stand before it.
    if let Some((_, last)) = counts.last_mut() {
        *last = (*last + to).saturating_sub(sum);
    }
    counts
}

/// Mixes numbers among the hosts as far as each keeps a model per family.
fn loosen(dice: &mut Dice, pairs: &mut [(u16, &'static [&'static str])]) {
    for at in 0..pairs.len() {
        let other = dice.below(pairs.len());
        let (a, b) = (pairs[at], pairs[other]);
        if usize::from(a.0) >= b.1.len() && usize::from(b.0) >= a.1.len() {
            pairs[at].0 = b.0;
            pairs[other].0 = a.0;
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    Old,
    Early,
    New,
}

fn one_of(dice: &mut Dice, weighted: &[(&'static str, f64)]) -> &'static str {
    let total: f64 = weighted.iter().map(|(_, weight)| weight).sum();
    let mut left = dice.share() * total;
    for (value, weight) in weighted {
        left -= weight;
        if left < 0.0 {
            return value;
        }
    }
    weighted.last().map_or("", |(value, _)| value)
}

/// What a host's models have in common.
struct Shelf {
    families: &'static [&'static str],
    sizes: &'static [&'static str],
    q4: bool,
    set: Option<&'static [&'static str]>,
    untold: bool,
    prompt: Option<Prompt>,
    uncensored_by_name: bool,
    remote: bool,
}

impl Shelf {
    fn filled(&self, dice: &mut Dice, number: u16) -> Vec<PlantedModel> {
        // 2024-06-01, and up to nine months later.
        let first = 1_717_200_000 + dice.below(270 * 86_400) as i64;
        (0..usize::from(number))
            .map(|position| {
                let family = self.families[position % self.families.len()];
                let parameters = self.sizes[dice.below(self.sizes.len())];
                let quantisation = match (self.q4, position) {
                    (true, 0) => "Q4_K_M",
                    (true, _) => one_of(dice, &BESIDE_Q4_K_M),
                    (false, _) => one_of(dice, &WITHOUT_Q4_K_M),
                };
                // The first model has all of the host's capabilities, the others its first.
                let capabilities = self.set.map(|set| if position == 0 { set.to_vec() } else { vec![set[0]] });
                let remote = self.remote && position == 0;
                let tag = if remote { "cloud" } else { quantisation };
                let uncensored = self.uncensored_by_name && position == 0;
                let mark = if uncensored { "-abliterated" } else { "" };
                PlantedModel {
                    name: format!("{family}{mark}:{}-{}", parameters.to_lowercase(), tag.to_lowercase()),
                    family,
                    parameters,
                    quantisation,
                    capabilities,
                    thinking_untold: self.untold,
                    remote,
                    prompt: if position == 0 { self.prompt } else { None },
                    uncensored_by_name: uncensored,
                    modified: first + position as i64 * 86_400 + dice.below(80_000) as i64,
                }
            })
            .collect()
    }
}

/// Upgrades, growth, suspects, listings, second endpoints: each on hosts of its own, so that one does not blur another.
fn mark(seed: u64, hosts: &mut [Host]) {
    let mut dice = Dice::new(seed, purpose::MARKS);
    let told: Vec<usize> = (0..hosts.len()).filter(|at| hosts[*at].kind == Kind::Told).collect();
    let suspects = share(told.len(), SUSPECTS);
    let mut order = told.clone();
    dice.shuffle(&mut order);
    for at in order.iter().take(suspects) {
        hosts[*at].suspect = true;
    }
    let mut twice: Vec<usize> = told.into_iter().filter(|at| hosts[*at].days.len() >= 2).collect();
    dice.shuffle(&mut twice);
    let count = twice.len();
    let mut drawn = twice.into_iter();

    let listed = share(count, LISTED_FIRST);
    let refuted = share(listed, REFUTED);
    for nth in 0..listed {
        if let Some(at) = drawn.next() {
            hosts[at].listed = Some(nth < refuted);
        }
    }
    for at in drawn.by_ref().take(share(count, SECOND)) {
        hosts[at].second = true;
    }
    let mut upgrades = share(count, UPGRADES);
    let mut grows = share(count, GROWS);
    for at in drawn {
        let host = &mut hosts[at];
        let half = host.days.len() / 2;
        let said = host.said[0].clone();
        let new = said
            .version
            .is_some_and(|version| NEW_VERSIONS.iter().any(|(known, _)| *known == version));
        if upgrades > 0 && new {
            upgrades -= 1;
            host.said.push(Said {
                from: half,
                version: Some(LATEST_VERSION),
                ..said
            });
        } else if grows > 0
            && let Some(models) = &said.models
            && models.len() > 1
        {
            grows -= 1;
            // Half-way it gets the last of its models: what it has in the end is what was dealt.
            let fewer = models[..models.len() - 1].to_vec();
            host.said[0].models = Some(fewer);
            host.said.push(Said { from: half, ..said });
        }
    }
}
