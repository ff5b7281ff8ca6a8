//! The cursor of a scan: how far it got, as saved in a resume file.

use serde::{Deserialize, Serialize};

use super::plan::Plan;
use super::shard::Shard;

/// The schema of a [`Cursor`].
pub const CURSOR_SCHEMA: &str = "vigie.cursor/1";

/// How far a scan got, as saved in a resume file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// Always [`CURSOR_SCHEMA`].
    pub schema: String,
    /// The [`Plan::hash`] of the plan.
    pub plan_hash: String,
    /// The seed of the plan.
    pub seed: u64,
    /// The shard of the plan.
    pub shard: Shard,
    /// The first index that was not started.
    pub next_index: u64,
    /// The indices that were started and not finished, in order.
    pub in_flight: Vec<u64>,
}

/// Why a scan cannot be resumed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// A cursor of another schema.
    #[error("the resume file has the schema `{found}`, this vigie reads `{CURSOR_SCHEMA}`: start the scan again")]
    Schema {
        /// The schema of the file.
        found: String,
    },
    /// A cursor of another scan.
    #[error(
        "the resume file belongs to another scan: its {what} is {saved}, this one's is {now}; resume with the same \
         targets, ports, scope, seed and shard, or start the scan again"
    )]
    Differs {
        /// What differs: the seed, the shard or the plan.
        what: &'static str,
        /// The value in the file.
        saved: String,
        /// The value of this scan.
        now: String,
    },
    /// Indices that this scan cannot have started.
    #[error("the resume file holds indices that this scan cannot have started: it is damaged; start the scan again")]
    Index,
}

impl Plan {
    /// The cursor of this plan. `next` is the first index that was not started, `in_flight` holds those started and not finished.
    #[must_use]
    pub fn cursor(&self, next: u64, in_flight: impl IntoIterator<Item = u64>) -> Cursor {
        let mut in_flight: Vec<u64> = in_flight.into_iter().collect();
        in_flight.sort_unstable();
        in_flight.dedup();
        Cursor {
            schema: CURSOR_SCHEMA.to_owned(),
            plan_hash: self.hash(),
            seed: self.seed(),
            shard: self.shard(),
            next_index: next,
            in_flight,
        }
    }

    /// The indices left after an interrupt: those in flight, then the rest of the shard.
    ///
    /// # Errors
    ///
    /// If the cursor belongs to another plan, seed or shard, or holds indices that this plan cannot have started.
    pub fn resume(&self, cursor: &Cursor) -> Result<impl Iterator<Item = u64> + use<>, CursorError> {
        let differs = |what, saved: String, now: String| CursorError::Differs { what, saved, now };
        if cursor.schema != CURSOR_SCHEMA {
            return Err(CursorError::Schema {
                found: cursor.schema.clone(),
            });
        }
        if cursor.seed != self.seed() {
            return Err(differs("seed", cursor.seed.to_string(), self.seed().to_string()));
        }
        if cursor.shard != self.shard() {
            return Err(differs("shard", cursor.shard.to_string(), self.shard().to_string()));
        }
        let hash = self.hash();
        if cursor.plan_hash != hash {
            return Err(differs("plan", cursor.plan_hash.clone(), hash));
        }
        let started = |index: &u64| *index < self.len() && *index < cursor.next_index && self.shard().holds(*index);
        let ordered = cursor.in_flight.windows(2).all(|two| two[0] < two[1]);
        if !ordered || !cursor.in_flight.iter().all(started) {
            return Err(CursorError::Index);
        }
        Ok(cursor.in_flight.clone().into_iter().chain(self.indices_from(cursor.next_index)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::order::plan::PlanError;

    use crate::ports::Ports;
    use crate::targets::list::Targets;

    fn plan(seed: u64, words: &[&str], ports: &str, shard: &str) -> Result<Plan, PlanError> {
        let targets = Targets::parse_words(words.iter().copied()).expect("targets");
        Plan::new(seed, &targets, &ports.parse().expect("ports"), shard.parse().expect("a shard"))
    }

    #[test]
    fn another_scan_cannot_be_resumed() {
        let this = plan(1, &["10.0.0.0/28"], "80", "1/2").expect("a plan");
        let cursor = this.cursor(8, [6, 2]);
        let rest: Vec<u64> = this.resume(&cursor).expect("resumes").collect();
        assert_eq!(rest, [2, 6, 8, 10, 12, 14]);
        let text = serde_json::to_string(&cursor).expect("json");
        assert_eq!(serde_json::from_str::<Cursor>(&text).expect("json"), cursor);

        let mut errors = Vec::new();
        let mut refused = |plan: &Plan, cursor: &Cursor| {
            errors.push(plan.resume(cursor).err().map_or_else(|| "resumed".to_owned(), |e| e.to_string()));
        };
        refused(&plan(1, &["10.0.0.0/27"], "80", "1/2").expect("a plan"), &cursor);
        refused(&plan(1, &["10.0.0.0/28"], "81", "1/2").expect("a plan"), &cursor);
        refused(&plan(2, &["10.0.0.0/28"], "80", "1/2").expect("a plan"), &cursor);
        refused(&plan(1, &["10.0.0.0/28"], "80", "2/2").expect("a plan"), &cursor);
        refused(
            &this,
            &Cursor {
                schema: "vigie.cursor/9".into(),
                ..cursor.clone()
            },
        );
        refused(
            &this,
            &Cursor {
                in_flight: vec![3],
                ..cursor.clone()
            },
        );
        refused(
            &this,
            &Cursor {
                in_flight: vec![10],
                ..cursor.clone()
            },
        );
        insta::assert_snapshot!("resume_refused", errors.join("\n"));
    }

    proptest! {
        #[test]
        fn every_pair_comes_exactly_once(
            seed in any::<u64>(),
            ranges in prop::collection::vec((0u8..200, 0u8..30, prop::option::of(1u16..5)), 1..8),
            v6 in prop::collection::vec(0u16..300, 0..4),
            ports in prop::collection::vec(1u16..6, 1..5),
            count in 1u32..7, stop in 0usize..100,
        ) {
            let mut words: Vec<String> = ranges.iter().map(|(first, length, port)| match port {
                Some(port) => format!("10.0.0.{first}:{port}"),
                None => format!("10.0.0.{first}-{}", first + length),
            }).collect();
            words.extend(v6.iter().map(|last| format!("fd00::{last:x}")));
            let targets = Targets::parse_words(words.iter().map(String::as_str)).expect("targets");
            let ports = Ports::new(ports);
            let pairs = targets.pairs(&ports);
            let mut seen = HashSet::new();
            let mut total = 0;
            for index in 1..=count {
                let plan = Plan::new(seed, &targets, &ports, Shard::new(index, count).expect("a shard")).expect("a plan");
                let all: Vec<u64> = plan.shard_indices().collect();
                prop_assert_eq!(all.len() as u64, plan.shard_len());
                // A shard that was stopped and resumed has the same indices.
                let stop = stop.min(all.len());
                let next = all.get(stop).copied().unwrap_or(plan.len());
                let cursor = plan.cursor(next, all[..stop].last().copied());
                let redone: Vec<u64> = plan.resume(&cursor).expect("resumes").collect();
                prop_assert_eq!(&redone[..], &all[stop.saturating_sub(1)..]);
                for at in all {
                    let (address, port) = plan.at(at);
                    prop_assert!(pairs.contains(address, port));
                    prop_assert!(seen.insert((address, port)), "{} {} came twice", address, port);
                    total += 1;
                }
            }
            prop_assert_eq!(total, pairs.len());
        }
    }
}
