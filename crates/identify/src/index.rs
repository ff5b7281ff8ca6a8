//! Index of the evidence rules: finds the rules that could hold on a reply in one pass over body and headers for the literals of all
//! rules, so that the cost of a session hardly grows with the number of products.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError};
use vigie_catalog::{ExchangeRef, Literal};

use crate::reply::ParsedReply;

/// The part of a body that is searched for literals, in bytes.
const MAX_SEARCHED: usize = 256 * 1024;

/// An evidence rule: the number of its product, and its position there.
pub(crate) type RuleRef = (u32, u32);

/// Evidence rules by the exchange that they refer to, and by a literal that every fitting reply contains.
#[derive(Debug, Default)]
pub(crate) struct Index {
    by_exchange: HashMap<ExchangeRef, ExchangeIndex>,
}

/// The rules that refer to one exchange.
#[derive(Debug, Default)]
struct ExchangeIndex {
    body: Literals,
    head: Literals,
    /// Rules without a literal: they are always candidates.
    always: Vec<RuleRef>,
}

#[derive(Debug, Default)]
struct Literals {
    patterns: Vec<String>,
    ignore_case: bool,
    automaton: OnceLock<Option<AhoCorasick>>,
    /// The rules of each pattern.
    rules: Vec<Vec<RuleRef>>,
}

/// Collects rules for an [`Index`].
#[derive(Debug, Default)]
pub(crate) struct IndexBuilder {
    by_exchange: BTreeMap<ExchangeRef, ExchangeRules>,
}

#[derive(Debug, Default)]
struct ExchangeRules {
    body: BTreeMap<String, Vec<RuleRef>>,
    head: BTreeMap<String, Vec<RuleRef>>,
    always: Vec<RuleRef>,
}

impl IndexBuilder {
    pub(crate) fn add(&mut self, exchange: ExchangeRef, rule: RuleRef, literal: Option<&Literal>) {
        let rules = self.by_exchange.entry(exchange).or_default();
        match literal {
            Some(Literal::Body(text)) => rules.body.entry(text.clone()).or_default().push(rule),
            Some(Literal::Head(text)) => rules.head.entry(text.to_ascii_lowercase()).or_default().push(rule),
            None => rules.always.push(rule),
        }
    }

    pub(crate) fn build(self) -> Index {
        let index = |rules: ExchangeRules| ExchangeIndex {
            body: literals(rules.body, false),
            head: literals(rules.head, true),
            always: rules.always,
        };
        Index {
            by_exchange: self
                .by_exchange
                .into_iter()
                .map(|(exchange, rules)| (exchange, index(rules)))
                .collect(),
        }
    }
}

/// Most exchanges that some rule refers to never happen, so the automaton is built on first use.
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
    // A DFA is fastest while it fits into the processor's cache.
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
    /// Adds the rules whose literal occurs in a text, each pattern once.
    fn find(&self, text: &[u8], found: &mut Vec<RuleRef>) {
        if self.patterns.is_empty() {
            return;
        }
        let built = self.automaton.get_or_init(|| build(&self.patterns, self.ignore_case).ok());
        let Some(automaton) = built else {
            // Without an automaton every rule is a candidate.
            return found.extend(self.rules.iter().flatten());
        };
        // A literal may occur many times: its rules are added once.
        let mut found_patterns = vec![0_u64; self.rules.len().div_ceil(64)];
        for hit in automaton.find_overlapping_iter(text) {
            let pattern = hit.pattern().as_usize();
            let (word, bit) = (&mut found_patterns[pattern / 64], 1 << (pattern % 64));
            if *word & bit == 0 {
                *word |= bit;
                found.extend(&self.rules[pattern]);
            }
        }
    }
}

impl Index {
    /// The rules that refer to one of these exchanges and could hold there, each once.
    pub(crate) fn candidates(&self, parsed: &ParsedReply, exchanges: &[ExchangeRef]) -> Vec<RuleRef> {
        let mut found = Vec::new();
        let mut head = String::new();
        for index in exchanges.iter().filter_map(|exchange| self.by_exchange.get(exchange)) {
            found.extend(&index.always);
            let Some(reply) = parsed.reply() else { continue };
            index.body.find(&reply.body[..reply.body.len().min(MAX_SEARCHED)], &mut found);
            if !index.head.patterns.is_empty() && head.is_empty() {
                for (name, value) in &reply.headers {
                    head.extend([name, ": ", value, "\n"]);
                }
            }
            index.head.find(head.as_bytes(), &mut found);
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}
