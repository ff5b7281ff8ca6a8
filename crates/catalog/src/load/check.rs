//! Checks of product files that need no compiled rule.

use std::collections::{BTreeMap, BTreeSet};

use serde_saphyr::Spanned;
use vigie_model::{EvidenceWeight, Posture};

use super::{Loader, Parsed};
use crate::route_filter::RouteFilter;
use crate::rule::PRODUCT_SCHEMA;

/// Most rules (evidence, posture, lists, leaks, tells) in a file.
const MAX_RULES: usize = 400;

/// Most queries of a product for one service.
const MAX_QUERIES: usize = 20;

/// Longest query, in characters.
const MAX_QUERY: usize = 1_000;

impl Loader {
    /// Checks every file without its conditions and requests.
    pub(super) fn check_files(&mut self, parsed: &[Parsed], ids: &BTreeMap<String, u32>) {
        if ids.len() != parsed.len() {
            self.report_file("products", "two files have the same id");
        }
        for p in parsed {
            let stem = p.file.trim_start_matches("products/").trim_end_matches(".yaml");
            if p.rule.schema != PRODUCT_SCHEMA {
                self.report_file(
                    &p.file,
                    format!("schema is {:?}; this vigie reads {PRODUCT_SCHEMA:?}", p.rule.schema),
                );
            }
            if p.rule.id.value != stem {
                self.report(
                    &p.file,
                    p.rule.id.defined,
                    format!("id {:?} differs from the name of the file, {stem:?}", p.rule.id.value),
                );
            }
            for emulated in &p.rule.emulates {
                if !ids.contains_key(&emulated.value) || emulated.value == p.rule.id.value {
                    self.report(
                        &p.file,
                        emulated.defined,
                        format!("emulates: unknown product {:?} (or this one)", emulated.value),
                    );
                }
            }
            let rules = p.rule.identify.len() + p.rule.posture.len() + p.rule.models.len() + p.rule.leaks.len() + p.rule.tells.len();
            if rules > MAX_RULES {
                self.report_file(&p.file, format!("file has {rules} rules; at most {MAX_RULES} are allowed"));
            }
            if p.rule.identify.iter().all(|rule| rule.evidence == EvidenceWeight::Contradicts) {
                self.report_file(&p.file, "identify has no evidence for the product, so it can never be recognised");
            }
            let mut seen = BTreeSet::new();
            for rule in &p.rule.identify {
                if !seen.insert(&rule.id.value) {
                    self.report(&p.file, rule.id.defined, format!("duplicate id {:?} under identify", rule.id.value));
                }
            }
            for word in &p.rule.by_option {
                if let Err(message) = RouteFilter::parse([word.value.as_str()]) {
                    self.report(&p.file, word.defined, message);
                }
            }
            for rule in &p.rule.posture {
                let Some(words) = &rule.beside else { continue };
                if rule.posture != Posture::Open {
                    self.report(
                        &p.file,
                        rule.on.defined,
                        "beside is allowed only with posture: open, where it lists the routes that are open too",
                    );
                }
                for word in words {
                    if let Err(message) = RouteFilter::parse([word.value.as_str()]) {
                        self.report(&p.file, word.defined, message);
                    }
                }
            }
            for finding in p.rule.remedies.keys() {
                if !crate::FINDINGS.contains(&finding.as_str()) {
                    self.report_file(
                        &p.file,
                        format!(
                            "remedies: unknown finding id {finding:?}; known ids: {}",
                            crate::FINDINGS.join(", ")
                        ),
                    );
                }
            }
            self.check_takes(p);
            self.check_queries(&p.file, &p.rule.discover.shodan);
            self.check_queries(&p.file, &p.rule.discover.censys);
            for tell in &p.rule.tells {
                if !(0.0..=1.0).contains(&tell.weight) {
                    self.report(&p.file, tell.on.defined, format!("weight of {:?} must be between 0 and 1", tell.id));
                }
            }
        }
    }

    /// Checks that `takes` refers to routes of the file, and that all versions can be compared.
    fn check_takes(&mut self, p: &Parsed) {
        let order = p.rule.versions;
        let readable = |version: &str| crate::table::is_version(order, version);
        for route in p.rule.routes.values().flatten() {
            for version in [&route.value.since, &route.value.until].into_iter().flatten() {
                if !readable(version) {
                    let message = not_comparable(version);
                    self.report(&p.file, route.defined, message);
                }
            }
        }
        let routes: Vec<_> = p.rule.routes.values().flatten().map(|route| &route.value).collect();
        for rule in &p.rule.takes {
            for version in [&rule.since, &rule.until].into_iter().flatten() {
                if !readable(&version.value) {
                    let message = not_comparable(&version.value);
                    self.report(&p.file, version.defined, message);
                }
            }
            for (on, message) in rule.faults(&routes) {
                self.report(&p.file, on.defined, message);
            }
        }
        if let (None, Some(first)) = (&p.rule.reads, p.rule.takes.iter().find_map(|rule| rule.on.first())) {
            self.report(
                &p.file,
                first.defined,
                "takes needs reads: the values at these places depend on how the server parses JSON and paths",
            );
        }
        for message in crate::table::too_large(&routes, &p.rule.takes) {
            self.report_file(&p.file, message);
        }
    }

    /// Checks the queries for one service.
    fn check_queries(&mut self, file: &str, queries: &[Spanned<String>]) {
        if queries.len() > MAX_QUERIES {
            self.report_file(
                file,
                format!(
                    "discover has {} queries for one service; at most {MAX_QUERIES} are allowed",
                    queries.len()
                ),
            );
        }
        let mut seen = BTreeSet::new();
        for query in queries {
            let text = query.value.as_str();
            let quotes = text.matches('"').count() - text.matches("\\\"").count();
            let wrong = if text.is_empty() || text.trim() != text || text.chars().any(char::is_control) {
                "a query is one line without white space at its ends"
            } else if text.chars().count() > MAX_QUERY {
                "a query has at most 1,000 characters"
            } else if quotes % 2 == 1 {
                "unbalanced quotes"
            } else if !seen.insert(text) {
                "listed twice"
            } else {
                continue;
            };
            self.report(file, query.defined, format!("{text:?}: {wrong}"));
        }
    }
}

fn not_comparable(version: &str) -> String {
    format!("{version:?} is no version that can be compared with others of this product")
}
