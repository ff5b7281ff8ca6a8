//! The summary at the end of the table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use vigie_model::Severity;

use super::layout::{BOLD, DIM, GOOD, NAMES, PLAIN, Page, WARN, WORST};
use super::severity_style;
use super::words::{duration, listed, thousands};
use crate::text::clean;
use crate::{Counts, Summary};

impl Page {
    pub(super) fn summary(&mut self, summary: &Summary) {
        let counts = &summary.counts;
        self.line("Summary", BOLD);
        if let Some(failed) = &summary.failed {
            self.field("failed", &self.layout.sentence(failed), WORST);
        }
        self.counts(counts);
        if let Some(tried) = summary.tried.known() {
            let mut text = format!("{} addresses and ports", thousands(*tried));
            if let Some(millis) = summary.duration_ms.known() {
                let _ = write!(text, " in {}", duration(*millis));
            }
            if !summary.complete && summary.failed.is_none() {
                text.push_str("; stopped before the end");
            }
            self.field("tried", &text, if summary.complete { PLAIN } else { WARN });
        } else if !summary.complete {
            self.field("tried", "stopped before the end", WARN);
        }
        let catalog = &summary.catalog;
        let mut knowledge: Vec<String> = Vec::new();
        if let Some(hash) = catalog.sha256.known() {
            // Twelve digits of a hash identify a catalogue.
            let digits = hash.strip_prefix("sha256:").unwrap_or(hash);
            let short: String = digits.chars().take(12).collect();
            let date = catalog.date.known().map(|date| format!(" of {date}"));
            knowledge.push(format!("catalogue {short}{}", date.unwrap_or_default()));
        }
        if let Some(date) = catalog.advisories_date.known() {
            knowledge.push(format!("advisories of {date}"));
        }
        if !knowledge.is_empty() {
            self.field("with", &self.layout.sentence(&knowledge.join(", ")), DIM);
        }
        let mut scan: Vec<String> = Vec::new();
        if let Some(id) = summary.scan.known() {
            scan.push(id.clone());
        }
        if let Some(seed) = summary.seed.known() {
            scan.push(format!("seed {seed}"));
        }
        if !scan.is_empty() {
            self.field("scan", &self.layout.sentence(&scan.join(", ")), DIM);
        }
        for note in &summary.notes {
            self.field("note", &self.layout.sentence(note), WARN);
        }
        if let Some(next) = &summary.next {
            // A command must stay on one line to be copied.
            let _ = writeln!(self.out, "\nNext: {BOLD}{}{BOLD:#}", clean(next, 2_000));
        }
    }

    fn counts(&mut self, counts: &Counts) {
        let layout = self.layout;
        let mut text = String::new();
        let mut style = GOOD;
        for severity in Severity::ALL.into_iter().rev() {
            let count = counts.findings.of(severity);
            let _ = write!(text, "{}{} {severity}", if text.is_empty() { "" } else { ", " }, thousands(count));
            if count > 0 && style == GOOD && severity != Severity::Info {
                style = severity_style(severity);
            }
        }
        if counts.accepted > 0 {
            let _ = write!(text, "; {} accepted", thousands(counts.accepted));
        }
        self.field("findings", &text, style);
        let mut text = String::new();
        if counts.affected > 0 {
            let _ = write!(text, "{} affected, by endpoint", thousands(counts.affected));
            if counts.exploited > 0 {
                let _ = write!(text, "; {} of them exploited", thousands(counts.exploited));
            }
        }
        if !counts.not_covered.is_empty() {
            let list = counts
                .not_covered
                .iter()
                .map(|(product, n)| format!("{} {}", layout.token(product), thousands(*n)));
            let none = if text.is_empty() { "" } else { "; " };
            let _ = write!(text, "{none}not covered for {}", listed(list, layout.limit(4 * NAMES)));
        }
        if !text.is_empty() {
            self.field("advisories", &text, PLAIN);
        }
        let mut products: Vec<(&String, &u64)> = counts.products.iter().collect();
        products.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
        let list = products
            .iter()
            .map(|(product, n)| format!("{} {}", layout.token(product), thousands(**n)));
        if products.is_empty() {
            self.field("products", "none recognised", PLAIN);
        } else {
            self.field("products", &listed(list, layout.limit(4 * NAMES)), PLAIN);
        }
        let by_posture = |postures: &BTreeMap<String, u64>| {
            let list = postures.iter().map(|(posture, n)| format!("{posture} {}", thousands(*n)));
            listed(list, usize::MAX)
        };
        let mut text = by_posture(&counts.postures);
        if !counts.unrecognised_postures.is_empty() {
            let then = if text.is_empty() { "" } else { "; " };
            let _ = write!(text, "{then}not recognised: {}", by_posture(&counts.unrecognised_postures));
        }
        if !text.is_empty() {
            self.field("postures", &text, PLAIN);
        }
        if counts.loopback_only > 0 {
            let text = format!("{} on loopback only", thousands(counts.loopback_only));
            self.field("reach", &text, PLAIN);
        }
        let unknown = &counts.unknown;
        let unknowns = [
            ("version", unknown.version),
            ("posture", unknown.posture),
            ("reach", unknown.reach),
            ("models", unknown.models),
            ("advisories", unknown.advisories),
        ];
        let list = unknowns
            .iter()
            .filter(|(_, n)| *n > 0)
            .map(|(what, n)| format!("{what} {}", thousands(*n)));
        let text = listed(list, usize::MAX);
        if !text.is_empty() {
            self.field("unknown", &text, PLAIN);
        }
        let apart = [("not recognised", counts.unrecognised), ("suspected of deception", counts.suspects)];
        let list = apart
            .iter()
            .filter(|(_, n)| *n > 0)
            .map(|(what, n)| format!("{} {what}", thousands(*n)));
        let text = listed(list, usize::MAX);
        if !text.is_empty() {
            self.field("apart", &text, PLAIN);
        }
    }
}
