//! Endpoints with one line each: suspects, and endpoints that were not recognised.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use vigie_model::{EndpointKey, Observation};

use super::layout::{BOLD, DIM, Layout, PLAIN, Page};
use super::words::{listed, more, thousands};
use crate::text::columns;
use crate::wrap::{indent, wrap};

/// Maximum number of lines of a section.
const LINES: usize = 15;

/// An endpoint with one line: its key and its text.
pub(super) type Entry = (EndpointKey, String);

impl Page {
    /// Writes a section with one line per entry; if there are many, entries with the same text share a line.
    pub(super) fn apart(&mut self, title: &str, entries: &[Entry]) {
        if entries.is_empty() {
            return;
        }
        self.line(&format!("{title}: {}", thousands(entries.len() as u64)), BOLD);
        let mut lines: Vec<(&EndpointKey, &str, usize)> = Vec::new();
        let alike = !self.layout.shows_all() && entries.len() > LINES;
        let mut by_text: BTreeMap<&str, usize> = BTreeMap::new();
        for (key, text) in entries {
            match by_text.get(text.as_str()).filter(|_| alike) {
                Some(at) => lines[*at].2 += 1,
                None => {
                    by_text.insert(text, lines.len());
                    lines.push((key, text, 0));
                }
            }
        }
        let shown = lines.len().min(self.layout.limit(LINES));
        for (key, text, others) in lines.iter().take(shown) {
            let mut place = self.layout.place(key);
            if *others > 0 {
                let _ = write!(place, " and {}", more(*others));
            }
            let width = self.layout.width;
            let beside = width.saturating_sub(4 + columns(&place));
            let mut lines = wrap(text, beside, width.saturating_sub(4)).into_iter();
            let first = lines.next().unwrap_or_default();
            let fits = columns(&first) <= beside;
            if fits && !first.is_empty() {
                let _ = write!(place, "  {first}");
            }
            self.out.push_str(&indent(2, &place, width));
            self.out.push_str(&place);
            self.out.push('\n');
            for line in (!fits).then_some(first).into_iter().chain(lines) {
                self.out.push_str(&indent(4, &line, width));
                self.out.push_str(&line);
                self.out.push('\n');
            }
        }
        let rest: usize = lines.iter().skip(shown).map(|line| 1 + line.2).sum();
        if rest > 0 {
            self.wrapped("", PLAIN, &format!("{}; --verbose shows all", more(rest)), 2, DIM);
        }
        self.out.push('\n');
    }
}

/// A suspect in one line: the product that it claims to be, its deception score, and the tells.
pub(super) fn suspect(observation: &Observation, layout: Layout) -> String {
    let says = match observation.identity.product.known() {
        Some(product) => {
            let version = match observation.identity.version.known() {
                Some(version) => format!(" {}", layout.token(version)),
                None => String::new(),
            };
            format!("says {}{version}", layout.token(product))
        }
        None => "not recognised".to_owned(),
    };
    let score = match observation.deception.score.known() {
        Some(score) => format!("{score:.2}"),
        None => "unknown".to_owned(),
    };
    let tells = observation.deception.tells.iter().map(|tell| {
        if layout.verbose {
            format!("{}: {}", layout.token(&tell.id), layout.sentence(&tell.seen))
        } else {
            layout.token(&tell.id)
        }
    });
    format!("{says}, deception {score}: {}", listed(tells, layout.limit(3)))
}

/// An unrecognised endpoint in one line: its posture if known, the product that it resembles most, and its findings.
pub(super) fn unrecognised(observation: &Observation, layout: Layout) -> String {
    // Evidence without a product says nothing about a resemblance.
    let nearest = match observation.identity.evidence.iter().find(|evidence| !evidence.product.is_empty()) {
        Some(evidence) => format!(
            "resembles {} ({}: {})",
            layout.token(&evidence.product),
            layout.name(&evidence.request),
            layout.name(&evidence.seen)
        ),
        None => "matches no product of the catalogue".to_owned(),
    };
    let mut text = match observation.exposure.posture.known() {
        Some(posture) => format!("{}; {nearest}", posture.word()),
        None => nearest,
    };
    let open = observation.findings.iter().filter(|f| f.accepted.is_none());
    if let Some(worst) = open.clone().map(|finding| finding.severity).max() {
        let ids = open.map(|finding| layout.token(&finding.id));
        let _ = write!(text, "; {worst}: {}", listed(ids, layout.limit(2)));
    }
    text
}
