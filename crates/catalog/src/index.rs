//! Finds the evidence rules that could hold on a reply without trying each: one pass over body and headers for the
//! literals of all rules, so that the cost of a transcript hardly grows with the number of products.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError};

use crate::clause::{Literal, Place};
use crate::view::View;

/// The part of a body that is searched for literals, in bytes.
const MAX_SEARCHED: usize = 256 * 1024;

/// A rule's number: product, and place in its file.
pub(crate) type RuleRef = (u32, u32);

/// Rules by the literals that must stand in what they fit.
#[derive(Debug)]
pub(crate) struct Index {
    body: Literals,
    head: Literals,
    /// Rules without a literal, by the exchange they look at.
    always: BTreeMap<Place, Vec<RuleRef>>,
}

#[derive(Debug)]
struct Literals {
    automaton: Option<AhoCorasick>,
    /// By pattern: the rules, each with the exchange it looks at.
    rules: Vec<Vec<(Place, RuleRef)>>,
}

/// Collects rules for an [`Index`].
#[derive(Debug, Default)]
pub(crate) struct IndexBuilder {
    body: BTreeMap<String, Vec<(Place, RuleRef)>>,
    head: BTreeMap<String, Vec<(Place, RuleRef)>>,
    always: BTreeMap<Place, Vec<RuleRef>>,
}

impl IndexBuilder {
    pub(crate) fn add(&mut self, place: Place, rule: RuleRef, literal: Option<Literal>) {
        match literal {
            Some(Literal::Body(text)) => self.body.entry(text).or_default().push((place, rule)),
            Some(Literal::Head(text)) => self.head.entry(text.to_ascii_lowercase()).or_default().push((place, rule)),
            None => self.always.entry(place).or_default().push(rule),
        }
    }

    pub(crate) fn build(self) -> Result<Index, BuildError> {
        Ok(Index {
            body: literals(self.body, false)?,
            head: literals(self.head, true)?,
            always: self.always,
        })
    }
}

fn literals(map: BTreeMap<String, Vec<(Place, RuleRef)>>, ignore_case: bool) -> Result<Literals, BuildError> {
    let (patterns, rules): (Vec<_>, Vec<_>) = map.into_iter().unzip();
    let automaton = if patterns.is_empty() {
        None
    } else {
        // A DFA costs the same for each byte however many patterns it holds.
        let kind = (patterns.iter().map(String::len).sum::<usize>() < 200_000).then_some(AhoCorasickKind::DFA);
        Some(
            AhoCorasick::builder()
                .ascii_case_insensitive(ignore_case)
                .kind(kind)
                .build(&patterns)?,
        )
    };
    Ok(Literals { automaton, rules })
}

impl Literals {
    fn find(&self, text: &[u8], places: &[Place], found: &mut Vec<RuleRef>) {
        let Some(automaton) = &self.automaton else {
            return;
        };
        let mut seen = vec![false; self.rules.len()];
        for hit in automaton.find_overlapping_iter(text) {
            let pattern = hit.pattern().as_usize();
            if !std::mem::replace(&mut seen[pattern], true) {
                found.extend(
                    self.rules[pattern]
                        .iter()
                        .filter(|(place, _)| places.contains(place))
                        .map(|(_, rule)| *rule),
                );
            }
        }
    }
}

impl Index {
    /// The rules that look at one of these places and could hold there, each once.
    pub(crate) fn candidates(&self, view: &View, places: &[Place]) -> Vec<RuleRef> {
        let mut found = Vec::new();
        if let Some(reply) = view.reply() {
            self.body
                .find(&reply.body[..reply.body.len().min(MAX_SEARCHED)], places, &mut found);
            let mut head = String::with_capacity(512);
            for (name, value) in &reply.headers {
                head.push_str(name);
                head.push_str(": ");
                head.push_str(value);
                head.push('\n');
            }
            self.head.find(head.as_bytes(), places, &mut found);
        }
        for place in places {
            found.extend(self.always.get(place).into_iter().flatten());
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}
