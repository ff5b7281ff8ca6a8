//! Weighs the evidence: which rules hold, the score of each product, and the products that the evidence names.

use std::sync::Arc;

use vigie_catalog::{BodyType, ExchangeRef};
use vigie_model::EvidenceWeight;

use super::Session;
use crate::cache::replies::{CachedReply, Lookup};
use crate::condition::{EvaluateCondition as _, EvaluateGuards as _, fits};
use crate::extract;
use crate::reply::refusal;

/// A score that strong evidence reaches, and weak evidence alone does not.
pub(super) const STRONG: u32 = 10;

/// The evidence for a product, counted by weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Score {
    pub(super) unique: u32,
    pub(super) strong: u32,
    pub(super) weak: u32,
    pub(super) contradicted: bool,
}

impl Score {
    /// Whether the evidence is enough to name the product.
    pub(super) fn names(self) -> bool {
        !self.contradicted && (self.unique > 0 || self.strong > 1)
    }

    /// A number by which scores are compared.
    pub(super) fn points(self) -> u32 {
        self.unique * 100 + self.strong * STRONG + self.weak
    }
}

impl Session {
    /// Finds the evidence rules that hold on an exchange and updates the scores; returns the reply's entry in the cache.
    pub(super) fn weigh(&mut self, index: usize, exchanges: &[ExchangeRef]) -> Option<Arc<CachedReply>> {
        let catalog = Arc::clone(&self.identifier.catalog);
        let parsed = &self.here.transcript.replies[index];
        let cached = parsed
            .reply()
            .map_or(Lookup::Miss, |reply| self.identifier.reply_cache.lookup(reply, exchanges));
        let mut entry = None;
        let fitting = match cached {
            Lookup::Hit(hit) => {
                parsed.share_json(hit.json.as_ref());
                let fitting = hit.fitting.clone();
                entry = Some(hit);
                fitting
            }
            other => {
                let mut fitting = self.identifier.index.candidates(parsed, exchanges);
                fitting.retain(|(product, rule)| {
                    let evidence = &catalog.nth(*product).evidence[*rule as usize];
                    fits(&evidence.condition.rule, parsed)
                });
                if let (Lookup::SecondTime(key), Some(reply)) = (other, parsed.reply()) {
                    entry = Some(
                        self.identifier
                            .reply_cache
                            .insert(key, reply, exchanges, &fitting, parsed.shared_json().cloned()),
                    );
                }
                fitting
            }
        };
        for (product, rule) in fitting {
            self.here.hits.insert((product, rule, index));
            self.here.scores.entry(product).or_default();
        }
        // Guards refer to other exchanges, so a product with guards is always scored again; others only if their hits changed.
        let moved = exchanges.contains(&ExchangeRef::Landing);
        let due: Vec<u32> = self
            .here
            .scores
            .keys()
            .copied()
            .filter(|number| moved || catalog.nth(*number).guarded || self.hits_of(*number).any(|(_, _, at)| *at == index))
            .collect();
        for number in due {
            if self.hits_of(number).next().is_none() {
                self.here.scores.remove(&number);
            } else {
                let score = self.score(number);
                self.here.scores.insert(number, score);
            }
        }
        entry
    }

    /// The hits of a product.
    pub(super) fn hits_of(&self, number: u32) -> impl Iterator<Item = &(u32, u32, usize)> {
        self.here.hits.range((number, 0, 0)..(number + 1, 0, 0))
    }

    /// Counts the evidence for a product whose guards hold.
    fn score(&self, number: u32) -> Score {
        let product = self.identifier.catalog.nth(number);
        let mut score = Score::default();
        let mut last = None;
        for (_, rule, _) in self.hits_of(number) {
            if last.replace(*rule) == Some(*rule) {
                continue;
            }
            let evidence = &product.evidence[*rule as usize];
            if evidence.guards.pass(&self.here.transcript) {
                match evidence.weight {
                    EvidenceWeight::Unique => score.unique += 1,
                    EvidenceWeight::Strong => score.strong += 1,
                    EvidenceWeight::Weak => score.weak += 1,
                    EvidenceWeight::Contradicts => {}
                }
            }
        }
        score.contradicted = product.contradicts.iter().any(|at| {
            let evidence = &product.evidence[*at];
            evidence.condition.holds(&self.here.transcript) && evidence.guards.pass(&self.here.transcript)
        });
        score
    }

    /// The products that the evidence names, the most likely first; emulated ones are left out.
    pub(super) fn named(&self) -> Vec<u32> {
        let named: Vec<u32> = self
            .here
            .scores
            .iter()
            .filter(|(_, score)| score.names())
            .map(|(number, _)| *number)
            .collect();
        let mut remaining: Vec<u32> = named
            .iter()
            .copied()
            .filter(|number| {
                !named
                    .iter()
                    .any(|other| other != number && self.identifier.catalog.nth(*other).emulates.contains(number))
            })
            .collect();
        remaining.sort_by_key(|number| {
            let product = self.identifier.catalog.nth(*number);
            (
                // Tools come second: they are offered beside a main product.
                product.is_side(),
                product.last_resort,
                std::cmp::Reverse(self.here.scores.get(number).copied().unwrap_or_default().points()),
                *number,
            )
        });
        remaining
    }

    /// The products that the whole session names, the most likely first, and whether the first is only named despite refusals
    /// ([`Session::named_despite_refusals`]).
    pub(super) fn concluded(&self) -> (Vec<u32>, bool) {
        let named = self.named();
        if named.iter().any(|number| !self.identifier.catalog.nth(*number).last_resort) {
            return (named, false);
        }
        match self.named_despite_refusals() {
            Some(number) => (vec![number], true),
            None => (named, false),
        }
    }

    /// The product that one strong piece of evidence names while all its other routes are refused, for example behind a proxy that
    /// serves only the front page. `None`: there is no such product, or several.
    pub(super) fn named_despite_refusals(&self) -> Option<u32> {
        let strong = |score: &Score| !score.contradicted && score.unique == 0 && score.strong == 1;
        let likely: Vec<u32> = self
            .here
            .scores
            .iter()
            .filter(|(number, score)| strong(score) && self.refuses_all_else(**number))
            .map(|(number, _)| *number)
            .collect();
        // A product that emulates it serves the same page: evidence for the emulator decides.
        let emulated = |number: u32| {
            let mut others = self.here.scores.iter().filter(|(other, score)| {
                **other != number && strong(score) && self.identifier.catalog.nth(**other).emulates.contains(&number)
            });
            others.next().is_some()
        };
        let mut only = likely.into_iter().filter(|number| !emulated(*number));
        only.next().filter(|_| only.next().is_none())
    }

    /// Whether evidence for a product was served, and every other route of its own that was requested was refused; at least one was.
    fn refuses_all_else(&self, number: u32) -> bool {
        let product = self.identifier.catalog.nth(number);
        let status = |at: usize| self.here.transcript.replies[at].reply().map_or(0, |reply| reply.status);
        // Other products may word a refusal alike, unless the rule says that no other does (`alone`).
        let served = self.hits_of(number).any(|(_, rule, at)| {
            let evidence = &product.evidence[*rule as usize];
            evidence.weight == EvidenceWeight::Strong
                && evidence.guards.pass(&self.here.transcript)
                && (evidence.alone || (200..300).contains(&status(*at)))
        });
        if !served {
            return false;
        }
        let mut refused = 0;
        for (at, parsed) in self.here.transcript.replies.iter().enumerate() {
            let path = parsed.exchange.request.path.as_str();
            let front = path == "/" || path == vigie_catalog::ABSENT_PATH || self.here.transcript.landing == Some(at);
            if front || extract::own_effect(&self.identifier.catalog, product, parsed).is_none() {
                continue;
            }
            if refusal::posture(parsed).is_some() {
                refused += 1;
            } else if (200..300).contains(&status(at))
                && parsed.body_type() != BodyType::Html
                && !self.hits_of(number).any(|(_, _, hit)| *hit == at)
            {
                // The route is served, but not as by this product.
                return false;
            }
        }
        refused > 0
    }
}
