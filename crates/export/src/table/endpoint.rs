//! The block of one recognised endpoint.

use std::fmt::Write as _;

use anstyle::Style;
use vigie_model::{AdvisoryCoverage, EndpointKey, Finding, Known, Observation, Posture, Reach, Severity, Verdict};

use super::layout::{BAD, BOLD, DIM, GOOD, Layout, NAMES, PLAIN, Page, WARN, WORST};
use super::words::{known_or, listed, more};
use super::{is_loopback_only, risk_word, severity_style};
use crate::text::columns;
use crate::wrap::{indent, wrap};

/// The block of a recognised endpoint.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) key: EndpointKey,
    pub(super) product: String,
    pub(super) version: String,
    pub(super) exploited: bool,
    /// Endpoints with the same key share a block.
    pub(super) group_key: String,
    pub(super) worst: Option<Severity>,
    pub(super) open: bool,
    pub(super) loopback: bool,
    pub(super) text: String,
}

impl Block {
    pub(super) fn new(observation: &Observation, layout: Layout) -> Self {
        let open = observation.findings.iter().filter(|f| f.accepted.is_none());
        let worst = open.clone().map(|finding| finding.severity).max();
        let loopback = is_loopback_only(observation);
        let product = known_or(&observation.identity.product, "not recognised");
        let posture = &observation.exposure.posture;
        let exploited = observation
            .advisories
            .iter()
            .any(|advisory| advisory.exploited && advisory.verdict == Verdict::Affected);
        let mut group_key = format!("{product}\0{exploited}\0{:?}\0{loopback:?}", posture.known());
        let mut ids: Vec<String> = open.map(|f| format!("\0{}{}", f.severity, f.id)).collect();
        ids.sort_unstable();
        ids.dedup();
        group_key.extend(ids);

        let mut page = Page::new(layout);
        page.head(observation, loopback);
        page.body(observation);
        page.findings(&observation.findings);
        Self {
            key: observation.endpoint.key(),
            product: layout.token(&product),
            version: known_or(&observation.identity.version, ""),
            exploited,
            group_key,
            worst,
            open: matches!(posture, Known::Known(Posture::Open | Posture::FirstAdmin)),
            loopback: loopback == Some(true),
            text: page.out,
        }
    }
}

impl Page {
    /// Writes the first line: who can reach it if its socket was seen, then address, product, version, posture and reach.
    fn head(&mut self, observation: &Observation, loopback: Option<bool>) {
        let endpoint = &observation.endpoint;
        let identity = &observation.identity;
        let exposure = &observation.exposure;
        let mut spans: Vec<(String, Style)> = Vec::new();
        if observation.listener.is_some() {
            spans.push(match loopback {
                Some(true) => ("loopback only".to_owned(), GOOD),
                Some(false) => ("reachable by others".to_owned(), BAD.bold()),
                None => ("reach unknown".to_owned(), WARN),
            });
        }
        let layout = self.layout;
        spans.push((layout.place(&endpoint.key()), BOLD));
        let version = match &identity.version {
            Known::Known(version) => layout.token(version),
            Known::Unknown(unknown) => format!("version unknown ({})", unknown.why),
        };
        let product = known_or(&identity.product, "not recognised");
        spans.push((format!("{} {version}", layout.token(&product)), BOLD));
        if identity.product.is_known() && identity.confidence < 0.9 {
            spans.push((format!("confidence {:.2}", identity.confidence), DIM));
        }
        spans.push(match &exposure.posture {
            Known::Known(posture) => {
                let alarming = loopback != Some(true);
                let style = match posture {
                    Posture::Open | Posture::FirstAdmin if alarming => BAD,
                    Posture::Signup if alarming => WARN,
                    Posture::Key | Posture::Login | Posture::Forbidden => GOOD,
                    _ => PLAIN,
                };
                (posture.word().to_owned(), style)
            }
            Known::Unknown(unknown) => (format!("posture unknown ({})", unknown.why), WARN),
        });
        spans.push(match &exposure.reach {
            Known::Known(Reach::Loopback) => ("loopback".to_owned(), DIM),
            Known::Known(Reach::Private) => ("private network".to_owned(), DIM),
            Known::Known(Reach::Public) => ("public network".to_owned(), BAD),
            Known::Unknown(_) if observation.listener.is_some() => (String::new(), PLAIN),
            Known::Unknown(_) => ("reach unknown".to_owned(), DIM),
        });
        let mut at = 0;
        for (text, style) in spans.iter().filter(|(text, _)| !text.is_empty()) {
            let wide = columns(text);
            let beside = at > 0 && wide + 2 <= layout.width.saturating_sub(at);
            if beside {
                self.out.push_str("  ");
                self.styled(text, *style);
                at += 2 + wide;
                continue;
            }
            // A name and its address may be on two lines, each unbroken.
            let inset = if at > 0 { 2 } else { 0 };
            for (position, line) in wrap(text, layout.width - inset, layout.width - 2).iter().enumerate() {
                if at > 0 || position > 0 {
                    self.out.push('\n');
                    self.out.push_str(&indent(2, line, layout.width));
                }
                self.styled(line, *style);
                at = columns(line) + if at > 0 || position > 0 { 2 } else { 0 };
            }
        }
        self.out.push('\n');
    }

    /// Writes the exposure, one line per field. Values that were not asked for are left out unless `verbose`.
    fn body(&mut self, observation: &Observation) {
        let layout = self.layout;
        let verbose = layout.verbose;
        let exposure = &observation.exposure;
        let names = layout.limit(NAMES);
        if let Some(listener) = &observation.listener {
            let mut text = listed(listener.bound.iter().map(ToString::to_string), names);
            if !listener.answers_on.is_empty() {
                text.push_str("; answers on ");
                text.push_str(&listed(listener.answers_on.iter().map(ToString::to_string), names));
            }
            if let Some(process) = listener.process.known() {
                let _ = write!(text, "; process {}", layout.name(process));
                if let Some(pid) = listener.pid.known() {
                    let _ = write!(text, " ({pid})");
                }
            }
            self.field("bound to", &text, PLAIN);
        }
        if !observation.identity.also.is_empty() {
            let also = observation.identity.also.iter().map(|id| layout.token(id));
            self.field("also", &listed(also, names), PLAIN);
        }
        match &exposure.models {
            Known::Known(models) if models.is_empty() => self.field("models", "none", PLAIN),
            Known::Known(models) => {
                let list = models.iter().map(|model| {
                    let mut text = layout.name(&model.name);
                    match &model.capabilities {
                        Known::Known(words) if words.is_empty() => text.push_str(" (none)"),
                        Known::Known(words) => {
                            let words = words.iter().map(|word| layout.name(word.as_str()));
                            let _ = write!(text, " ({})", listed(words, names));
                        }
                        Known::Unknown(unknown) if verbose => {
                            let _ = write!(text, " (capabilities unknown: {})", unknown.why);
                        }
                        Known::Unknown(_) => text.push_str(" (?)"),
                    }
                    text
                });
                // The count of an incomplete list is a lower bound.
                let counted = exposure.models_counted().map(|counted| counted.to_string()).unwrap_or_default();
                let text = format!("{counted}: {}", listed(list, names));
                self.field("models", &text, PLAIN);
            }
            Known::Unknown(unknown) => self.unknown("models", unknown),
        }
        match &exposure.running {
            Known::Known(running) if running.is_empty() => self.field("running", "none", PLAIN),
            Known::Known(running) => {
                let list = running.iter().map(|model| layout.name(&model.name));
                self.field("running", &listed(list, names), PLAIN);
            }
            Known::Unknown(unknown) => self.unknown("running", unknown),
        }
        match &exposure.tools {
            Known::Known(tools) if tools.is_empty() => self.field("tools", "none", PLAIN),
            Known::Known(tools) => {
                // The riskiest tools come first.
                let mut tools: Vec<_> = tools.iter().collect();
                tools.sort_by(|a, b| a.risks.first().cmp(&b.risks.first()));
                let list = tools.iter().map(|tool| {
                    let risks = tool.risks.iter().map(|risk| risk_word(*risk).to_owned());
                    format!("{} ({})", layout.name(&tool.name), listed(risks, names))
                });
                let counted = exposure.tools_counted().map(|counted| counted.to_string()).unwrap_or_default();
                let text = format!("{counted}: {}", listed(list, names));
                self.field("tools", &text, PLAIN);
            }
            Known::Unknown(unknown) => self.unknown("tools", unknown),
        }
        self.advisories(observation);
        if let Some(proved) = exposure.inference_proved {
            let text = if proved {
                "a model answered without credentials"
            } else {
                "no model answered"
            };
            self.field("proof", text, PLAIN);
        }
        if verbose {
            for evidence in observation.identity.evidence.iter() {
                let mut text = format!("{}: {}", layout.name(&evidence.request), layout.sentence(&evidence.seen));
                // The claim of an import may name no product of the catalogue.
                if !evidence.product.is_empty() {
                    let _ = write!(text, " ({})", layout.token(&evidence.product));
                }
                self.field("evidence", &text, DIM);
            }
        }
    }

    fn unknown(&mut self, label: &str, unknown: &vigie_model::Unknown) {
        let not_asked = matches!(unknown.why, vigie_model::Why::NotAsked | vigie_model::Why::NotCarried);
        if self.layout.verbose || !not_asked {
            let mut text = format!("unknown ({})", unknown.why);
            if let Some(detail) = &unknown.detail {
                let _ = write!(text, ": {}", self.layout.sentence(detail));
            }
            self.field(label, &text, DIM);
        }
    }

    /// Writes a line with the number of advisories that apply, their ids (exploited ones first), and the number of unknown verdicts.
    fn advisories(&mut self, observation: &Observation) {
        let layout = self.layout;
        let of = |verdict| observation.advisories.iter().filter(move |advisory| advisory.verdict == verdict);
        let affected = of(Verdict::Affected).count();
        let unknown = of(Verdict::Unknown).count();
        if affected == 0 && unknown == 0 {
            match observation.advisories.coverage() {
                // Without this, an empty list would look as if none applied.
                Some(AdvisoryCoverage::NotCovered) => {
                    let product = known_or(&observation.identity.product, "this product");
                    self.field("advisories", &format!("not covered for {}", layout.token(&product)), PLAIN);
                }
                Some(AdvisoryCoverage::NoneFound) => self.field("advisories", "none found", PLAIN),
                _ => {}
            }
            return;
        }
        let mut ranked: Vec<_> = of(Verdict::Affected).collect();
        ranked.sort_by_key(|advisory| {
            (
                std::cmp::Reverse((advisory.exploited, !advisory.disputed, advisory.severity)),
                &advisory.id,
            )
        });
        let mut text = format!("{affected} affected");
        let exploited = ranked.iter().filter(|advisory| advisory.exploited).count();
        if exploited > 0 {
            let _ = write!(text, ", {exploited} of them exploited");
        }
        if affected > 0 {
            let names = ranked.iter().map(|advisory| {
                let mut name = layout.token(&advisory.id);
                if advisory.exploited {
                    name.push_str(" (exploited)");
                }
                if advisory.disputed {
                    name.push_str(" (disputed)");
                }
                name
            });
            let _ = write!(text, ": {}", listed(names, layout.limit(3)));
        }
        if unknown > 0 {
            let _ = write!(text, "; {unknown} unknown");
        }
        let style = if exploited > 0 {
            WORST
        } else if affected > 0 {
            BAD
        } else {
            PLAIN
        };
        self.field("advisories", &text, style);
    }

    /// Writes the findings, the worst first; several findings of one rule share a line unless `verbose`.
    fn findings(&mut self, findings: &[Finding]) {
        let layout = self.layout;
        let verbose = layout.verbose;
        let mut open: Vec<&Finding> = findings.iter().filter(|f| f.accepted.is_none()).collect();
        // Within a severity, keep the order of the record, but put findings of one rule together.
        let first = |id: &str| findings.iter().position(|finding| finding.id == id);
        open.sort_by_cached_key(|f| (std::cmp::Reverse(f.severity), first(&f.id)));
        let mut at = 0;
        while let Some(finding) = open.get(at) {
            let same = if verbose {
                1
            } else {
                open[at..]
                    .iter()
                    .take_while(|other| other.id == finding.id && other.severity == finding.severity)
                    .count()
            };
            self.finding(finding, same - 1);
            at += same;
        }
        let accepted: Vec<&Finding> = findings.iter().filter(|f| f.accepted.is_some()).collect();
        if accepted.is_empty() {
            return;
        }
        let list = accepted.iter().map(|finding| {
            let id = layout.token(&finding.id);
            match finding.accepted.as_deref().filter(|_| verbose) {
                Some(reason) => format!("{id} ({})", layout.sentence(reason)),
                None => id,
            }
        });
        let text = format!("{} by the baseline: {}", accepted.len(), listed(list, layout.limit(NAMES)));
        self.field("accepted", &text, DIM);
    }

    fn finding(&mut self, finding: &Finding, others: usize) {
        let layout = self.layout;
        let word = finding.severity.word().to_uppercase();
        let mut title = layout.sentence(&finding.title);
        if others > 0 {
            let _ = write!(title, " (and {} like it)", more(others));
        }
        let _ = write!(title, " [{}]", layout.token(&finding.id));
        self.wrapped(&word, severity_style(finding.severity), &title, layout.indent(), PLAIN);
        if layout.verbose {
            self.detail("about", &finding.subject.to_string());
            self.detail("seen", &finding.detail);
        }
        // The first line of a remedy is its short form.
        let remedy = finding.remedy.trim().lines().next().unwrap_or_default();
        self.detail("do", if layout.verbose { &finding.remedy } else { remedy });
        if layout.verbose && !finding.standards.is_empty() {
            let standards = finding
                .standards
                .iter()
                .map(|standard| layout.token(&format!("{} {}", standard.scheme, standard.id)));
            self.detail("standards", &listed(standards, usize::MAX));
        }
    }
}
