//! The plan of a population: every host with its attributes and its days, assigned by quota.

use std::net::Ipv4Addr;

use super::host::{CensusHost, HostState, PlantedModel, Prompt};
use super::marginals::{
    BESIDE_Q4_K_M, BUCKETS, CAPABILITY_SETS, CORE_OBSERVATIONS, DAYS, EARLY, EARLY_SETS, EARLY_VERSIONS, FAMILIES, GROWS, HOSTS, INVENTORY,
    LATEST_VERSION, LISTED_FIRST, MOVED, NETWORKS, NEW_VERSIONS, NOWHERE, OBSERVATIONS, OLD, OLD_VERSIONS, OTHER_COUNTRIES, OTHER_SHARE,
    ObservationRange, PARAMETERS, PROMPTS, Q4_K_M, REFUTED, REMOTE, SECOND, SERVING, SUSPECTS, SYSTEMS, TOP_COUNTRIES, UNCENSORED_NAMES,
    UNCENSORED_PROMPTS, UPGRADES, VISIBILITIES, Visibility, WITHOUT_Q4_K_M,
};
use super::quota::{Dice, apportion, deal, deal_shares};

/// The random streams.
mod purpose {
    pub(super) const KIND: u64 = 1;
    pub(super) const SCHEDULE: u64 = 2;
    pub(super) const PLACE: u64 = 3;
    pub(super) const INVENTORY: u64 = 4;
    pub(super) const MODELS: u64 = 5;
    pub(super) const MARKS: u64 = 6;
    pub(super) const ADDRESS: u64 = 7;
}

/// A share of `of`, rounded.
fn share(of: usize, share: f64) -> usize {
    (of as f64 * share).round() as usize
}

/// Every host of a population.
pub(super) fn hosts(seed: u64, scale: f64) -> Vec<CensusHost> {
    let count = share(HOSTS, scale).max(100);
    let visibilities = deal_shares(&mut Dice::new(seed, purpose::KIND), count, &VISIBILITIES);
    let (days, moved) = schedules(seed, count, share(OBSERVATIONS, scale));
    let places = places(seed, count, scale);
    let offset = Dice::new(seed, purpose::ADDRESS).next();
    let mut hosts: Vec<CensusHost> = visibilities
        .into_iter()
        .zip(days)
        .zip(places)
        .enumerate()
        .map(|(at, ((visibility, days), place))| CensusHost {
            address: address(offset, at),
            visibility,
            country: place.country,
            asn: place.asn,
            class: place.class,
            tier: place.tier,
            days,
            states: Vec::new(),
            posture: None,
            serving: 0,
            suspect: false,
            listed: None,
            second: false,
            moved: false,
        })
        .collect();
    assign_states(seed, scale, &mut hosts);
    assign_special_hosts(seed, &mut hosts);
    for (earlier, later) in moved {
        // The same machine under a new address: it reports the same state.
        let from = hosts[earlier].clone();
        let to = &mut hosts[later];
        let plain = |host: &CensusHost| {
            host.visibility == Visibility::Open && host.listed.is_none() && !host.second && !host.shows_uncensored_prompt()
        };
        if plain(&from) && plain(to) {
            let last = from.state_at(from.days.len().saturating_sub(1)).clone();
            to.moved = last.models.as_ref().is_some_and(|models| !models.is_empty());
            to.states = vec![HostState { from: 0, ..last }];
        }
    }
    hosts
}

/// An address in the reserved range 240.0.0.0/4. The odd factor makes it a permutation of the 28 bits.
fn address(offset: u64, at: usize) -> Ipv4Addr {
    let spread = (at as u64).wrapping_mul(0x9e3_779b).wrapping_add(offset) & 0x0fff_ffff;
    Ipv4Addr::from(0xf000_0000 | u32::try_from(spread).unwrap_or(0))
}

/// The days of each host, and pairs of hosts that may be one machine: the second is only seen after the first.
fn schedules(seed: u64, hosts: usize, observations: usize) -> (Vec<Vec<u16>>, Vec<(usize, usize)>) {
    let mut dice = Dice::new(seed, purpose::SCHEDULE);
    let buckets = deal_shares(&mut dice, hosts, &BUCKETS);
    let mut counts: Vec<u16> = buckets
        .iter()
        .map(|bucket| {
            let span = usize::from(bucket.most - bucket.least);
            // Skewed towards the upper end for the core, towards the lower end for the others.
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

/// Changes counts by one, within their ranges, until the sum of a group is `wanted`.
fn fit(dice: &mut Dice, counts: &mut [u16], buckets: &[ObservationRange], group: impl Fn(&ObservationRange) -> bool, wanted: usize) {
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

/// Different days of a period, ascending.
fn some_days(dice: &mut Dice, count: u16, from: u16, until: u16) -> Vec<u16> {
    let width = until - from;
    let count = count.min(width);
    // Each host has a period of its own within the window, so that hosts come and go.
    let span = count + dice.below(usize::from(width - count) + 1) as u16;
    let start = from + dice.below(usize::from(width - span) + 1) as u16;
    let mut days: Vec<u16> = (start..start + span).collect();
    dice.shuffle(&mut days);
    days.truncate(usize::from(count));
    days.sort_unstable();
    days
}

struct Location {
    country: Option<&'static str>,
    asn: u32,
    class: &'static str,
    tier: &'static str,
}

/// The location of each host. An autonomous system has one country, one type and one tier.
fn places(seed: u64, hosts: usize, scale: f64) -> Vec<Location> {
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
    // Every cell has one system; the others are apportioned by size, with at most one per host.
    let wanted = share(SYSTEMS, scale).max(cells.len());
    let spare: Vec<f64> = cells.values().map(|members| (members.len() - 1) as f64).collect();
    let more = apportion(wanted - cells.len(), &spare);
    let mut asns = vec![0_u32; hosts];
    // From the private range (RFC 6996).
    let mut next = 4_200_000_000_u32;
    for (members, more) in cells.values().zip(more) {
        let systems = 1 + more.min(members.len() - 1);
        for (nth, host) in members.iter().enumerate() {
            // Each system gets one host first; then earlier systems get more.
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
        .map(|at| Location {
            country: (!nowhere[at]).then_some(countries[at]),
            asn: asns[at],
            class: networks[at].0,
            tier: networks[at].1,
        })
        .collect()
}

/// Assigns versions, models and capabilities.
fn assign_states(seed: u64, scale: f64, hosts: &mut [CensusHost]) {
    let mut dice = Dice::new(seed, purpose::INVENTORY);
    let told: Vec<usize> = (0..hosts.len()).filter(|at| hosts[*at].visibility == Visibility::Open).collect();
    let count = told.len();

    // Number of models and their families; a host with one model has one family.
    let mut numbers: Vec<u16> = deal_shares(&mut dice, count, &INVENTORY)
        .into_iter()
        .map(|(least, most)| least + dice.below(usize::from(most - least) + 1) as u16)
        .collect();
    numbers.sort_unstable();
    let dormant = numbers.iter().filter(|number| **number == 0).count();
    let active = count - dormant;
    let counts = exact(count, active, &FAMILIES);
    let mut families: Vec<&'static [&'static str]> = deal(&mut dice, &counts);
    // Pair ascending numbers with ascending set sizes, then shuffle.
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

    // Dormant hosts report versions too, but have no capabilities.
    let (old, early) = (share(active, OLD), share(active, EARLY));
    let ages = deal(&mut dice, &[(Age::Old, old), (Age::Early, early), (Age::New, active - old - early)]);
    let new_sets = {
        let all = active - old - early;
        // The shares are of all hosts that report capabilities, including dormant ones.
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
            host.states = vec![HostState {
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
        let models = ModelPlan {
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
        .models(&mut models_dice, pairs[nth].0);
        host.serving = if serving[nth] {
            1 + (models.len() > 1 && nth % 5 != 0) as u8
        } else {
            0
        };
        host.states = vec![HostState {
            from: 0,
            version: Some(version),
            models: Some(models),
        }];
    }
    for host in hosts.iter_mut().filter(|host| host.visibility != Visibility::Open) {
        let (version, posture) = match host.visibility {
            // A server behind a key still reports its version; a listing by Shodan does not.
            Visibility::Locked => (
                Some(one_of(&mut models_dice, &NEW_VERSIONS)),
                Some(["key", "key", "login", "forbidden"][models_dice.below(4)]),
            ),
            _ => (None, None),
        };
        host.posture = posture;
        host.states = vec![HostState {
            from: 0,
            version,
            models: None,
        }];
    }
}

/// Counts for shares of `of` among `to` members; the last share absorbs the rounding.
fn exact<T: Copy>(of: usize, to: usize, shares: &[(T, f64)]) -> Vec<(T, usize)> {
    let mut counts: Vec<(T, usize)> = shares.iter().map(|(value, weight)| (*value, share(of, weight / 100.0))).collect();
    let sum: usize = counts.iter().map(|(_, count)| count).sum();
    // The published shares come first, so the last one absorbs the rounding.
    if let Some((_, last)) = counts.last_mut() {
        *last = (*last + to).saturating_sub(sum);
    }
    counts
}

/// Shuffles the numbers of models among hosts, as long as each host has a model per family.
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

/// The parameters for a host's models.
struct ModelPlan {
    families: &'static [&'static str],
    sizes: &'static [&'static str],
    q4: bool,
    set: Option<&'static [&'static str]>,
    untold: bool,
    prompt: Option<Prompt>,
    uncensored_by_name: bool,
    remote: bool,
}

impl ModelPlan {
    fn models(&self, dice: &mut Dice, number: u16) -> Vec<PlantedModel> {
        // From 2024-06-01, up to nine months later.
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
                // The first model has all capabilities of the host, the others only the first.
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

/// Assigns suspects, listings, second endpoints, upgrades and growth. All but suspects are on different hosts, so that they do not interfere.
fn assign_special_hosts(seed: u64, hosts: &mut [CensusHost]) {
    let mut dice = Dice::new(seed, purpose::MARKS);
    let told: Vec<usize> = (0..hosts.len()).filter(|at| hosts[*at].visibility == Visibility::Open).collect();
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
        let state = host.states[0].clone();
        let new = state
            .version
            .is_some_and(|version| NEW_VERSIONS.iter().any(|(known, _)| *known == version));
        if upgrades > 0 && new {
            upgrades -= 1;
            host.states.push(HostState {
                from: half,
                version: Some(LATEST_VERSION),
                ..state
            });
        } else if grows > 0
            && let Some(models) = &state.models
            && models.len() > 1
        {
            grows -= 1;
            // The host gets the last of its models half-way, so its final models are those assigned above.
            let fewer = models[..models.len() - 1].to_vec();
            host.states[0].models = Some(fewer);
            host.states.push(HostState { from: half, ..state });
        }
    }
}
