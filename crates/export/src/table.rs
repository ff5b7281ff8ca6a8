//! `--format table`: what a person reads first; and the pieces of it that other commands use.
//!
//! Colours are written as they are: the caller wraps the writer with `anstream`, which takes them out for pipes and
//! for `NO_COLOR`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use vigie_model::{AdvisoryCoverage, EndpointKey, Finding, Known, Observation, Posture, Reach, Severity, ToolRisk, Verdict};

use crate::grid::Column;
use crate::text::{clean, columns};
use crate::wrap::{UNBOUNDED, indent, wrap};
use crate::{Counts, Options, Report, Summary};

/// Recognised endpoints up to which each has a block of its own.
const GROUP_FROM: usize = 12;
/// Blocks that are shown, after grouping.
const BLOCKS: usize = 20;
/// Lines for suspects, and for endpoints that were not recognised.
const LINES: usize = 15;
/// Models, tools or ids on one line.
const NAMES: usize = 5;
/// Columns of a name that a stranger chose. Longer than any that is used in earnest: a name is what one asks for a model by.
const NAME: usize = 100;
/// Columns of an id, a version or a host name, which are whole unless they are none.
const TOKEN: usize = 300;
/// Columns of a sentence.
const SENTENCE: usize = 400;
/// Where the text of a field begins.
const INDENT: usize = 14;
/// The same, and for what is told of a finding, where columns are few: half of them would else be blanks.
const NARROW_INDENT: usize = 4;
/// Fewer columns than this are few.
const NARROW: usize = 60;
/// The narrowest width that is laid out for.
const NARROWEST: usize = 20;

const PLAIN: Style = Style::new();
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const WARN: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const WORST: Style = AnsiColor::Red.on_default().bold();

/// The style in which a severity is written.
#[must_use]
pub fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::Critical => WORST,
        Severity::High => BAD,
        Severity::Medium => WARN,
        Severity::Low => AnsiColor::Cyan.on_default(),
        Severity::Info => DIM,
    }
}

/// A list whose columns are all words: see [`crate::grid`].
#[must_use]
pub fn grid<S: AsRef<str>>(headers: &[&str], rows: &[Vec<S>], width: usize) -> String {
    let heads: Vec<Column<'_>> = headers.iter().map(|title| Column::Text(title)).collect();
    crate::grid::grid(&heads, rows, width)
}

/// How much is told, and within how many columns.
#[derive(Clone, Copy, Debug)]
struct View {
    verbose: bool,
    width: usize,
}

impl View {
    fn new(verbose: bool, width: usize) -> Self {
        Self {
            verbose,
            width: width.max(NARROWEST),
        }
    }

    /// Whether nothing is left off: on request, or because no terminal would be flooded.
    fn is_whole(self) -> bool {
        self.verbose || self.width == UNBOUNDED
    }

    /// How many of a list are named.
    fn few(self, count: usize) -> usize {
        if self.is_whole() { usize::MAX } else { count }
    }

    /// How many columns a text may take.
    fn cap(self, columns: usize) -> usize {
        if self.width == UNBOUNDED { usize::MAX } else { columns }
    }

    fn token(self, text: &str) -> String {
        clean(text, self.cap(TOKEN))
    }

    fn name(self, text: &str) -> String {
        clean(text, self.cap(NAME))
    }

    fn sentence(self, text: &str) -> String {
        clean(text, self.cap(SENTENCE))
    }

    /// Where the text of a field begins.
    fn indent(self) -> usize {
        if self.width < NARROW { NARROW_INDENT } else { INDENT }
    }

    /// Address and port, the path under which it answers, and the name it was reached by.
    fn place(self, key: &EndpointKey) -> String {
        match &key.name {
            Some(name) => EndpointKey {
                name: Some(self.token(name)),
                ..key.clone()
            }
            .to_string(),
            None => key.to_string(),
        }
    }
}

/// Whether only programs on the same machine can reach it; `None` where nobody looked.
///
/// Where the listening socket was seen, its addresses decide; else what the observation says of its reach.
#[must_use]
pub fn is_loopback_only(observation: &Observation) -> Option<bool> {
    if let Some(listener) = &observation.listener
        && !listener.bound.is_empty()
    {
        return Some(
            listener
                .bound
                .iter()
                .chain(&listener.answers_on)
                .all(|address| vigie_scope::is_loopback(*address)),
        );
    }
    let reach = observation.exposure.reach.known()?;
    Some(*reach == Reach::Loopback)
}

/// The word of a tool's risk class.
#[must_use]
pub fn risk_word(risk: ToolRisk) -> &'static str {
    match risk {
        ToolRisk::CodeExecution => "code-execution",
        ToolRisk::FileAccess => "file-access",
        ToolRisk::Network => "network",
        ToolRisk::Database => "database",
        ToolRisk::Secrets => "secrets",
        ToolRisk::Privileged => "privileged",
        ToolRisk::Other => "other",
    }
}

/// One endpoint as a block of lines, everything told: for `vigie show`.
#[must_use]
pub fn block(observation: &Observation, width: usize) -> String {
    Block::new(observation, View::new(true, width)).text
}

/// The summary as the table ends with it, for commands that write another format and tell the rest on standard error.
///
/// # Errors
/// When the writer fails.
pub fn summary<W: Write>(writer: &mut W, summary: &Summary, width: usize) -> io::Result<()> {
    let mut page = Page::new(View::new(false, width));
    page.summary(summary);
    writer.write_all(page.out.as_bytes())
}

/// The table. Endpoints are sorted and grouped, so all is written at the end; until then each is kept as the few
/// lines that it will be.
#[derive(Debug)]
pub struct Table<W> {
    writer: W,
    view: View,
    keep_order: bool,
    blocks: Vec<Block>,
    suspects: Vec<Entry>,
    unrecognised: Vec<Entry>,
}

/// An endpoint that has one line only: where it is, and what is told of it.
type Entry = (EndpointKey, String);

impl<W: Write> Table<W> {
    /// A table into that writer.
    pub fn new(writer: W, options: Options) -> Self {
        Self {
            writer,
            view: View::new(options.verbose, options.width),
            keep_order: options.keep_order,
            blocks: Vec::new(),
            suspects: Vec::new(),
            unrecognised: Vec::new(),
        }
    }

    /// Sorts the blocks, the worst first unless the caller chose another order, and puts like with like where there are many.
    fn groups(&mut self) -> Vec<Group> {
        let mut blocks = std::mem::take(&mut self.blocks);
        if !self.keep_order {
            blocks.sort_by(|a, b| {
                (b.worst, b.exploited, a.loopback, b.open)
                    .cmp(&(a.worst, a.exploited, b.loopback, a.open))
                    .then_with(|| a.like.cmp(&b.like))
                    .then_with(|| a.version.cmp(&b.version))
                    .then_with(|| a.key.cmp(&b.key))
            });
        }
        if self.view.is_whole() || blocks.len() <= GROUP_FROM {
            return blocks.into_iter().map(Group::of).collect();
        }
        let mut groups: Vec<Group> = Vec::new();
        let mut by_like: BTreeMap<String, usize> = BTreeMap::new();
        for block in blocks {
            match by_like.get(&block.like) {
                Some(at) => {
                    let group = &mut groups[*at];
                    group.others.push(block.key);
                    group.versions.insert(block.version);
                }
                None => {
                    by_like.insert(block.like.clone(), groups.len());
                    groups.push(Group::of(block));
                }
            }
        }
        groups
    }
}

/// Endpoints that share a block: one is shown, the others are named.
struct Group {
    shown: Block,
    others: Vec<EndpointKey>,
    versions: BTreeSet<String>,
}

impl Group {
    fn of(block: Block) -> Self {
        Self {
            versions: BTreeSet::from([block.version.clone()]),
            others: Vec::new(),
            shown: block,
        }
    }
}

impl<W: Write> Report for Table<W> {
    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn observation(&mut self, observation: &Observation) -> io::Result<()> {
        let key = observation.endpoint.key();
        if observation.deception.is_suspect() {
            self.suspects.push((key, suspect(observation, self.view)));
        } else if observation.identity.product.is_known() {
            self.blocks.push(Block::new(observation, self.view));
        } else {
            self.unrecognised.push((key, unrecognised(observation, self.view)));
        }
        Ok(())
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let view = self.view;
        let mut page = Page::new(view);
        let groups = self.groups();
        let shown = groups.len().min(view.few(BLOCKS));
        for group in groups.iter().take(shown) {
            page.out.push_str(&group.shown.text);
            if !group.others.is_empty() {
                let same = match group.versions.len() {
                    1 => "product, version, posture and findings".to_owned(),
                    several => format!("product, posture and findings, in {several} versions"),
                };
                let text = format!(
                    "{} with the same {same}: {}",
                    more(group.others.len()),
                    some(group.others.iter().map(|key| view.place(key)), NAMES)
                );
                page.field("and", &text, BOLD);
            }
            page.out.push('\n');
        }
        let rest = groups.get(shown..).unwrap_or_default();
        if !rest.is_empty() {
            let mut products: BTreeMap<&str, usize> = BTreeMap::new();
            for group in rest {
                *products.entry(&group.shown.product).or_default() += 1 + group.others.len();
            }
            let count: usize = products.values().sum();
            page.line(
                &format!(
                    "{count} more endpoints{}: {}. --verbose shows all.",
                    if self.keep_order { "" } else { ", none worse than these" },
                    some(products.iter().map(|(product, n)| format!("{product} {n}")), 2 * NAMES)
                ),
                BOLD,
            );
            page.out.push('\n');
        }
        for (title, entries) in [
            ("Suspected of deception, counted apart", &mut self.suspects),
            ("Not recognised", &mut self.unrecognised),
        ] {
            if !self.keep_order {
                entries.sort();
            }
            page.apart(title, entries);
        }
        page.summary(summary);
        self.writer.write_all(page.out.as_bytes())?;
        self.writer.flush()
    }
}

/// One recognised endpoint, laid out.
#[derive(Debug)]
struct Block {
    key: EndpointKey,
    product: String,
    version: String,
    exploited: bool,
    /// What must be equal for two endpoints to share a block.
    like: String,
    worst: Option<Severity>,
    open: bool,
    loopback: bool,
    text: String,
}

impl Block {
    fn new(observation: &Observation, view: View) -> Self {
        let open = observation.findings.iter().filter(|f| f.accepted.is_none());
        let worst = open.clone().map(|finding| finding.severity).max();
        let loopback = is_loopback_only(observation);
        let product = known_or(&observation.identity.product, "not recognised");
        let posture = &observation.exposure.posture;
        let exploited = observation
            .advisories
            .iter()
            .any(|advisory| advisory.exploited && advisory.verdict == Verdict::Affected);
        let mut like = format!("{product}\0{exploited}\0{:?}\0{loopback:?}", posture.known());
        let mut ids: Vec<String> = open.map(|f| format!("\0{}{}", f.severity, f.id)).collect();
        ids.sort_unstable();
        ids.dedup();
        like.extend(ids);

        let mut page = Page::new(view);
        page.head(observation, loopback);
        page.body(observation);
        page.findings(&observation.findings);
        Self {
            key: observation.endpoint.key(),
            product: view.token(&product),
            version: known_or(&observation.identity.version, ""),
            exploited,
            like,
            worst,
            open: matches!(posture, Known::Known(Posture::Open | Posture::FirstAdmin)),
            loopback: loopback == Some(true),
            text: page.out,
        }
    }
}

/// Lines as they grow, within a width.
struct Page {
    out: String,
    view: View,
}

impl Page {
    fn new(view: View) -> Self {
        Self { out: String::new(), view }
    }

    fn styled(&mut self, text: &str, style: Style) {
        // Writing to a string cannot fail.
        let _ = write!(self.out, "{style}{text}{style:#}");
    }

    /// A text from the left edge.
    fn line(&mut self, text: &str, style: Style) {
        self.wrapped("", PLAIN, text, 0, style);
    }

    /// A label and its text, wrapped under itself.
    fn field(&mut self, label: &str, text: &str, style: Style) {
        self.wrapped(label, DIM, text, self.view.indent(), style);
    }

    /// A label, and a text that begins at column `inset` or after it, every further line with `inset` before it. No word is broken.
    fn wrapped(&mut self, label: &str, label_style: Style, text: &str, inset: usize, style: Style) {
        let width = self.view.width;
        let mut at = inset;
        if !label.is_empty() {
            self.out.push_str("  ");
            self.styled(label, label_style);
            at = inset.max(3 + columns(label));
        }
        let rest = width.saturating_sub(inset);
        let mut lines = wrap(text, width.saturating_sub(at), rest).into_iter();
        let first = lines.next().unwrap_or_default();
        // A first word that does not fit beside its label goes under it.
        let fits = label.is_empty() || columns(&first) <= width.saturating_sub(at);
        if fits && !first.is_empty() {
            let begun = if label.is_empty() { 0 } else { 2 + columns(label) };
            match begun {
                0 => self.out.push_str(&indent(inset, &first, width)),
                begun => self.out.push_str(&" ".repeat(at - begun)),
            }
            self.styled(&first, style);
        }
        self.out.push('\n');
        for line in (!fits).then_some(first).into_iter().chain(lines) {
            self.out.push_str(&indent(inset, &line, width));
            self.styled(&line, style);
            self.out.push('\n');
        }
    }

    /// The first line: who can reach it where that was seen, then place, product, version, posture and reach.
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
        let view = self.view;
        spans.push((view.place(&endpoint.key()), BOLD));
        let version = match &identity.version {
            Known::Known(version) => view.token(version),
            Known::Unknown(unknown) => format!("version unknown ({})", unknown.why),
        };
        let product = known_or(&identity.product, "not recognised");
        spans.push((format!("{} {version}", view.token(&product)), BOLD));
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
            let beside = at > 0 && wide + 2 <= view.width.saturating_sub(at);
            if beside {
                self.out.push_str("  ");
                self.styled(text, *style);
                at += 2 + wide;
                continue;
            }
            // A name and its address may stand in two lines, each whole.
            let inset = if at > 0 { 2 } else { 0 };
            for (position, line) in wrap(text, view.width - inset, view.width - 2).iter().enumerate() {
                if at > 0 || position > 0 {
                    self.out.push('\n');
                    self.out.push_str(&indent(2, line, view.width));
                }
                self.styled(line, *style);
                at = columns(line) + if at > 0 || position > 0 { 2 } else { 0 };
            }
        }
        self.out.push('\n');
    }

    /// What it shows, a field a line. What was not asked stays unsaid unless `verbose`.
    fn body(&mut self, observation: &Observation) {
        let view = self.view;
        let verbose = view.verbose;
        let exposure = &observation.exposure;
        let names = view.few(NAMES);
        if let Some(listener) = &observation.listener {
            let mut text = some(listener.bound.iter().map(ToString::to_string), names);
            if !listener.answers_on.is_empty() {
                text.push_str("; answers on ");
                text.push_str(&some(listener.answers_on.iter().map(ToString::to_string), names));
            }
            if let Some(process) = listener.process.known() {
                let _ = write!(text, "; process {}", view.name(process));
                if let Some(pid) = listener.pid.known() {
                    let _ = write!(text, " ({pid})");
                }
            }
            self.field("bound to", &text, PLAIN);
        }
        if !observation.identity.also.is_empty() {
            let also = observation.identity.also.iter().map(|id| view.token(id));
            self.field("also", &some(also, names), PLAIN);
        }
        match &exposure.models {
            Known::Known(models) if models.is_empty() => self.field("models", "none", PLAIN),
            Known::Known(models) => {
                let list = models.iter().map(|model| {
                    let mut text = view.name(&model.name);
                    match &model.capabilities {
                        Known::Known(words) if words.is_empty() => text.push_str(" (none)"),
                        Known::Known(words) => {
                            let words = words.iter().map(|word| view.name(word.as_str()));
                            let _ = write!(text, " ({})", some(words, names));
                        }
                        Known::Unknown(unknown) if verbose => {
                            let _ = write!(text, " (capabilities unknown: {})", unknown.why);
                        }
                        Known::Unknown(_) => text.push_str(" (?)"),
                    }
                    text
                });
                // Where the list goes on, there are at least as many.
                let counted = exposure.models_counted().map(|counted| counted.to_string()).unwrap_or_default();
                let text = format!("{counted}: {}", some(list, names));
                self.field("models", &text, PLAIN);
            }
            Known::Unknown(unknown) => self.unknown("models", unknown),
        }
        match &exposure.running {
            Known::Known(running) if running.is_empty() => self.field("running", "none", PLAIN),
            Known::Known(running) => {
                let list = running.iter().map(|model| view.name(&model.name));
                self.field("running", &some(list, names), PLAIN);
            }
            Known::Unknown(unknown) => self.unknown("running", unknown),
        }
        match &exposure.tools {
            Known::Known(tools) if tools.is_empty() => self.field("tools", "none", PLAIN),
            Known::Known(tools) => {
                // The riskiest tools are the ones to read.
                let mut tools: Vec<_> = tools.iter().collect();
                tools.sort_by(|a, b| a.risks.first().cmp(&b.risks.first()));
                let list = tools.iter().map(|tool| {
                    let risks = tool.risks.iter().map(|risk| risk_word(*risk).to_owned());
                    format!("{} ({})", view.name(&tool.name), some(risks, names))
                });
                let counted = exposure.tools_counted().map(|counted| counted.to_string()).unwrap_or_default();
                let text = format!("{counted}: {}", some(list, names));
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
                let mut text = format!("{}: {}", view.name(&evidence.request), view.sentence(&evidence.seen));
                // A source's own word may name no product of the catalogue.
                if !evidence.product.is_empty() {
                    let _ = write!(text, " ({})", view.token(&evidence.product));
                }
                self.field("evidence", &text, DIM);
            }
        }
    }

    fn unknown(&mut self, label: &str, unknown: &vigie_model::Unknown) {
        let untold = matches!(unknown.why, vigie_model::Why::NotAsked | vigie_model::Why::NotCarried);
        if self.view.verbose || !untold {
            let mut text = format!("unknown ({})", unknown.why);
            if let Some(detail) = &unknown.detail {
                let _ = write!(text, ": {}", self.view.sentence(detail));
            }
            self.field(label, &text, DIM);
        }
    }

    /// One line: how many apply, the exploited ones first by name, and how many cannot be told.
    fn advisories(&mut self, observation: &Observation) {
        let view = self.view;
        let of = |verdict| observation.advisories.iter().filter(move |advisory| advisory.verdict == verdict);
        let affected = of(Verdict::Affected).count();
        let unknown = of(Verdict::Unknown).count();
        if affected == 0 && unknown == 0 {
            match observation.advisories.coverage() {
                // Nothing listed reads as nothing known, which is not so.
                Some(AdvisoryCoverage::NotCovered) => {
                    let product = known_or(&observation.identity.product, "this product");
                    self.field("advisories", &format!("not covered for {}", view.token(&product)), PLAIN);
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
                let mut name = view.token(&advisory.id);
                if advisory.exploited {
                    name.push_str(" (exploited)");
                }
                if advisory.disputed {
                    name.push_str(" (disputed)");
                }
                name
            });
            let _ = write!(text, ": {}", some(names, view.few(3)));
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

    /// The worst first; what one rule found several times is told once.
    fn findings(&mut self, findings: &[Finding]) {
        let view = self.view;
        let verbose = view.verbose;
        let mut open: Vec<&Finding> = findings.iter().filter(|f| f.accepted.is_none()).collect();
        // Within a severity the order of the record stands, but for what one rule found several times.
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
            let id = view.token(&finding.id);
            match finding.accepted.as_deref().filter(|_| verbose) {
                Some(reason) => format!("{id} ({})", view.sentence(reason)),
                None => id,
            }
        });
        let text = format!("{} by the baseline: {}", accepted.len(), some(list, view.few(NAMES)));
        self.field("accepted", &text, DIM);
    }

    fn finding(&mut self, finding: &Finding, others: usize) {
        let view = self.view;
        let word = finding.severity.word().to_uppercase();
        let mut title = view.sentence(&finding.title);
        if others > 0 {
            let _ = write!(title, " (and {} like it)", more(others));
        }
        let _ = write!(title, " [{}]", view.token(&finding.id));
        self.wrapped(&word, severity_style(finding.severity), &title, view.indent(), PLAIN);
        if view.verbose {
            self.detail("about", &finding.subject);
            self.detail("seen", &finding.detail);
        }
        // The remedy's first line is the remedy in one line.
        let remedy = finding.remedy.trim().lines().next().unwrap_or_default();
        self.detail("do", if view.verbose { &finding.remedy } else { remedy });
        if view.verbose && !finding.standards.is_empty() {
            let standards = finding
                .standards
                .iter()
                .map(|standard| view.token(&format!("{} {}", standard.scheme, standard.id)));
            self.detail("standards", &some(standards, usize::MAX));
        }
    }

    fn detail(&mut self, label: &str, text: &str) {
        if !text.is_empty() {
            // Catalogue texts may have several lines; each is folded into the paragraph before it is cleaned.
            let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let cap = if label == "do" { 2 * SENTENCE } else { SENTENCE };
            let text = format!("{label}: {}", clean(&folded, self.view.cap(cap)));
            self.wrapped("", PLAIN, &text, self.view.indent(), if label == "do" { PLAIN } else { DIM });
        }
    }

    /// A section of one entry each; where there are many, what is told alike is told once.
    fn apart(&mut self, title: &str, entries: &[Entry]) {
        if entries.is_empty() {
            return;
        }
        self.line(&format!("{title}: {}", thousands(entries.len() as u64)), BOLD);
        let mut lines: Vec<(&EndpointKey, &str, usize)> = Vec::new();
        let alike = !self.view.is_whole() && entries.len() > LINES;
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
        let shown = lines.len().min(self.view.few(LINES));
        for (key, text, others) in lines.iter().take(shown) {
            let mut place = self.view.place(key);
            if *others > 0 {
                let _ = write!(place, " and {}", more(*others));
            }
            let width = self.view.width;
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

    fn summary(&mut self, summary: &Summary) {
        let counts = &summary.counts;
        self.line("Summary", BOLD);
        if let Some(failed) = &summary.failed {
            self.field("failed", &self.view.sentence(failed), WORST);
        }
        self.counts(counts);
        if let Some(tried) = summary.tried.known() {
            let mut text = format!("{} addresses and ports", thousands(*tried));
            if let Some(millis) = summary.duration_ms.known() {
                let _ = write!(text, " in {}", length(*millis));
            }
            if !summary.complete && summary.failed.is_none() {
                text.push_str("; stopped before the end");
            }
            self.field("looked at", &text, if summary.complete { PLAIN } else { WARN });
        } else if !summary.complete {
            self.field("looked at", "stopped before the end", WARN);
        }
        let catalog = &summary.catalog;
        let mut knowledge: Vec<String> = Vec::new();
        if let Some(hash) = catalog.sha256.known() {
            // Twelve digits of a hash are enough to tell two catalogues apart.
            let digits = hash.strip_prefix("sha256:").unwrap_or(hash);
            let short: String = digits.chars().take(12).collect();
            let date = catalog.date.known().map(|date| format!(" of {date}"));
            knowledge.push(format!("catalogue {short}{}", date.unwrap_or_default()));
        }
        if let Some(date) = catalog.advisories_date.known() {
            knowledge.push(format!("advisories of {date}"));
        }
        if !knowledge.is_empty() {
            self.field("with", &self.view.sentence(&knowledge.join(", ")), DIM);
        }
        let mut scan: Vec<String> = Vec::new();
        if let Some(id) = summary.scan.known() {
            scan.push(id.clone());
        }
        if let Some(seed) = summary.seed.known() {
            scan.push(format!("seed {seed}"));
        }
        if !scan.is_empty() {
            self.field("scan", &self.view.sentence(&scan.join(", ")), DIM);
        }
        for note in &summary.notes {
            self.field("note", &self.view.sentence(note), WARN);
        }
        if let Some(next) = &summary.next {
            // A command must stay one line, or it cannot be copied.
            let _ = writeln!(self.out, "\nNext: {BOLD}{}{BOLD:#}", clean(next, 2_000));
        }
    }

    fn counts(&mut self, counts: &Counts) {
        let view = self.view;
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
                .map(|(product, n)| format!("{} {}", view.token(product), thousands(*n)));
            let none = if text.is_empty() { "" } else { "; " };
            let _ = write!(text, "{none}not covered for {}", some(list, view.few(4 * NAMES)));
        }
        if !text.is_empty() {
            self.field("advisories", &text, PLAIN);
        }
        let mut products: Vec<(&String, &u64)> = counts.products.iter().collect();
        products.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
        let list = products
            .iter()
            .map(|(product, n)| format!("{} {}", view.token(product), thousands(**n)));
        if products.is_empty() {
            self.field("products", "none recognised", PLAIN);
        } else {
            self.field("products", &some(list, view.few(4 * NAMES)), PLAIN);
        }
        let listed = |postures: &BTreeMap<String, u64>| {
            let list = postures.iter().map(|(posture, n)| format!("{posture} {}", thousands(*n)));
            some(list, usize::MAX)
        };
        let mut text = listed(&counts.postures);
        if !counts.unrecognised_postures.is_empty() {
            let then = if text.is_empty() { "" } else { "; " };
            let _ = write!(text, "{then}not recognised: {}", listed(&counts.unrecognised_postures));
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
        let text = some(list, usize::MAX);
        if !text.is_empty() {
            self.field("unknown", &text, PLAIN);
        }
        let apart = [("not recognised", counts.unrecognised), ("suspected of deception", counts.suspects)];
        let list = apart
            .iter()
            .filter(|(_, n)| *n > 0)
            .map(|(what, n)| format!("{} {what}", thousands(*n)));
        let text = some(list, usize::MAX);
        if !text.is_empty() {
            self.field("apart", &text, PLAIN);
        }
    }
}

/// A suspect in one line: what it says it is, how likely it deceives, and by which tells.
fn suspect(observation: &Observation, view: View) -> String {
    let says = match observation.identity.product.known() {
        Some(product) => {
            let version = match observation.identity.version.known() {
                Some(version) => format!(" {}", view.token(version)),
                None => String::new(),
            };
            format!("says {}{version}", view.token(product))
        }
        None => "not recognised".to_owned(),
    };
    let score = match observation.deception.score.known() {
        Some(score) => format!("{score:.2}"),
        None => "unknown".to_owned(),
    };
    let tells = observation.deception.tells.iter().map(|tell| {
        if view.verbose {
            format!("{}: {}", view.token(&tell.id), view.sentence(&tell.seen))
        } else {
            view.token(&tell.id)
        }
    });
    format!("{says}, deception {score}: {}", some(tells, view.few(3)))
}

/// An endpoint that nobody recognised, in one line: what a stranger meets there where that is known, what it came nearest to, and what
/// was found all the same.
fn unrecognised(observation: &Observation, view: View) -> String {
    // The words of its source that name none say nothing of what it resembles.
    let nearest = match observation.identity.evidence.iter().find(|evidence| !evidence.product.is_empty()) {
        Some(evidence) => format!(
            "resembles {} ({}: {})",
            view.token(&evidence.product),
            view.name(&evidence.request),
            view.name(&evidence.seen)
        ),
        None => "answers as no product of the catalogue".to_owned(),
    };
    let mut text = match observation.exposure.posture.known() {
        Some(posture) => format!("{}; {nearest}", posture.word()),
        None => nearest,
    };
    let open = observation.findings.iter().filter(|f| f.accepted.is_none());
    if let Some(worst) = open.clone().map(|finding| finding.severity).max() {
        let ids = open.map(|finding| view.token(&finding.id));
        let _ = write!(text, "; {worst}: {}", some(ids, view.few(2)));
    }
    text
}

fn known_or(known: &Known<String>, otherwise: &str) -> String {
    known.known().map_or_else(|| otherwise.to_owned(), Clone::clone)
}

/// The first few, and how many more.
fn some(items: impl Iterator<Item = String>, cap: usize) -> String {
    let mut out = String::new();
    let mut rest = 0;
    for (index, item) in items.enumerate() {
        if index >= cap {
            rest += 1;
            continue;
        }
        if index > 0 {
            out.push_str(", ");
        }
        out.push_str(&item);
    }
    if rest > 0 {
        let _ = write!(out, ", +{rest} more");
    }
    out
}

fn more(count: usize) -> String {
    format!("{} more", thousands(count as u64))
}

/// `65536` as `65,536`.
fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Milliseconds for people.
fn length(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0..60 => format!("{seconds}.{} s", millis % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_move_to_the_next_line_and_stay_whole() {
        let mut page = Page::new(View::new(false, 30));
        page.field("models", "abc hf.co/someone/a-long-name-GGUF q", PLAIN);
        assert_eq!(
            page.out.replace(['\u{1b}'], "").replace("[2m", "").replace("[0m", ""),
            "  models abc\nhf.co/someone/a-long-name-GGUF\n    q\n"
        );
    }

    #[test]
    fn numbers_and_times_are_for_people() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(65_536), "65,536");
        assert_eq!(thousands(1_000_000), "1,000,000");
        assert_eq!(length(3_250), "3.2 s");
        assert_eq!(length(61_000), "1 min 1 s");
        assert_eq!(length(7_260_000), "2 h 1 min");
    }
}
