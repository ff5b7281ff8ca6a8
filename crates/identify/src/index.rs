//! Finds the evidence rules that could hold on a reply without trying each: one pass over body and headers for the
//! literals of all rules, so that the cost of a transcript hardly grows with the number of products.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError};

use crate::view::View;
use vigie_catalog::{Literal, Place};

/// The part of a body that is searched for literals, in bytes.
const MAX_SEARCHED: usize = 256 * 1024;

/// A rule's number: product, and place in its file.
pub(crate) type RuleRef = (u32, u32);

/// Rules by the exchange they look at, and by the literals that must stand in what they fit.
#[derive(Debug, Default)]
pub(crate) struct Index {
    places: HashMap<Place, Shelf>,
}

/// The rules that look at one exchange.
#[derive(Debug, Default)]
struct Shelf {
    body: Literals,
    head: Literals,
    /// Rules without a literal.
    always: Vec<RuleRef>,
}

#[derive(Debug, Default)]
struct Literals {
    patterns: Vec<String>,
    ignore_case: bool,
    automaton: OnceLock<Option<AhoCorasick>>,
    /// By pattern.
    rules: Vec<Vec<RuleRef>>,
}

/// Collects rules for an [`Index`].
#[derive(Debug, Default)]
pub(crate) struct IndexBuilder {
    places: BTreeMap<Place, Gathered>,
}

#[derive(Debug, Default)]
struct Gathered {
    body: BTreeMap<String, Vec<RuleRef>>,
    head: BTreeMap<String, Vec<RuleRef>>,
    always: Vec<RuleRef>,
}

impl IndexBuilder {
    pub(crate) fn add(&mut self, place: Place, rule: RuleRef, literal: Option<&Literal>) {
        let gathered = self.places.entry(place).or_default();
        match literal {
            Some(Literal::Body(text)) => gathered.body.entry(text.clone()).or_default().push(rule),
            Some(Literal::Head(text)) => gathered.head.entry(text.to_ascii_lowercase()).or_default().push(rule),
            None => gathered.always.push(rule),
        }
    }

    pub(crate) fn build(self) -> Index {
        let shelf = |gathered: Gathered| Shelf {
            body: literals(gathered.body, false),
            head: literals(gathered.head, true),
            always: gathered.always,
        };
        Index {
            places: self.places.into_iter().map(|(place, gathered)| (place, shelf(gathered))).collect(),
        }
    }
}

/// Most exchanges that some rule looks at never happen, so an automaton is built when it is first used.
fn literals(map: BTreeMap<String, Vec<RuleRef>>, ignore_case: bool) -> Literals {
    let (patterns, rules) = map.into_iter().unzip();
    Literals {
        patterns,
        ignore_case,
        automaton: OnceLock::new(),
        rules,
    }
}

fn build(patterns: &[String], ignore_case: bool) -> Result<AhoCorasick, BuildError> {
    // A table of all transitions is fastest while it stays in the processor's cache.
    let small = patterns.iter().map(String::len).sum::<usize>() < 4_000;
    let kind = if small {
        AhoCorasickKind::DFA
    } else {
        AhoCorasickKind::ContiguousNFA
    };
    AhoCorasick::builder()
        .ascii_case_insensitive(ignore_case)
        .kind(Some(kind))
        .build(patterns)
}

impl Literals {
    fn find(&self, text: &[u8], found: &mut Vec<RuleRef>) {
        if self.patterns.is_empty() {
            return;
        }
        let made = self.automaton.get_or_init(|| build(&self.patterns, self.ignore_case).ok());
        let Some(automaton) = made else {
            // Without an automaton every rule could hold; those that do are found by trying each.
            return found.extend(self.rules.iter().flatten());
        };
        // A literal may stand in many places: its rules are taken once.
        let mut met = vec![0_u64; self.rules.len().div_ceil(64)];
        for hit in automaton.find_overlapping_iter(text) {
            let pattern = hit.pattern().as_usize();
            let (word, bit) = (&mut met[pattern / 64], 1 << (pattern % 64));
            if *word & bit == 0 {
                *word |= bit;
                found.extend(&self.rules[pattern]);
            }
        }
    }
}

impl Index {
    /// The rules that look at one of these places and could hold there, each once.
    pub(crate) fn candidates(&self, view: &View, places: &[Place]) -> Vec<RuleRef> {
        let mut found = Vec::new();
        let mut head = String::new();
        for shelf in places.iter().filter_map(|place| self.places.get(place)) {
            found.extend(&shelf.always);
            let Some(reply) = view.reply() else { continue };
            shelf.body.find(&reply.body[..reply.body.len().min(MAX_SEARCHED)], &mut found);
            if !shelf.head.patterns.is_empty() && head.is_empty() {
                for (name, value) in &reply.headers {
                    head.extend([name, ": ", value, "\n"]);
                }
            }
            shelf.head.find(head.as_bytes(), &mut found);
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}
