//! `--format table`: what a person reads first; and the pieces of it that other commands use.
//!
//! Colours are written as they are: the caller wraps the writer with `anstream`, which takes them out for pipes and
//! for `NO_COLOR`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, presets};
use vigie_model::{AdvisoryCoverage, EndpointKey, Finding, Known, Observation, Posture, Reach, Severity, ToolRisk, Verdict};

use crate::text::{clean, columns};
use crate::{Counts, Options, Report, Summary};

/// Recognised endpoints up to which each has a block of its own.
const GROUP_FROM: usize = 12;
/// Blocks that are shown, after grouping.
const BLOCKS: usize = 20;
/// Lines for suspects, and for endpoints that were not recognised.
const LINES: usize = 15;
/// Models, tools or ids on one line.
const NAMES: usize = 5;
/// Columns of a name.
const NAME: usize = 40;
/// Columns of a sentence.
const SENTENCE: usize = 400;
/// Where the text of a field begins.
const INDENT: usize = 14;
/// The narrowest width that is laid out for.
const NARROWEST: usize = 40;

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

/// A table of texts, cleaned, within that many columns: for lists such as hosts, advisories and products.
#[must_use]
pub fn grid<S: AsRef<str>>(headers: &[&str], rows: &[Vec<S>], width: usize) -> String {
    let mut table = comfy_table::Table::new();
    table
        .load_style(presets::NOTHING)
        .force_no_tty()
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(width.max(NARROWEST)).unwrap_or(u16::MAX))
        .set_header(headers.iter().map(|header| header.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| clean(cell.as_ref(), SENTENCE)));
    }
    let mut out = String::new();
    for line in table.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
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
    Block::new(observation, true, width.max(NARROWEST)).text
}

/// The summary as the table ends with it, for commands that write another format and tell the rest on standard error.
///
/// # Errors
/// When the writer fails.
pub fn summary<W: Write>(writer: &mut W, summary: &Summary, width: usize) -> io::Result<()> {
    let mut page = Page::new(width.max(NARROWEST));
    page.summary(summary);
    writer.write_all(page.out.as_bytes())
}

/// The table. Endpoints are sorted and grouped, so all is written at the end; until then each is kept as the few
/// lines that it will be.
#[derive(Debug)]
pub struct Table<W> {
    writer: W,
    verbose: bool,
    width: usize,
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
            verbose: options.verbose,
            width: options.width.max(NARROWEST),
            blocks: Vec::new(),
            suspects: Vec::new(),
            unrecognised: Vec::new(),
        }
    }

    /// Sorts the blocks, the worst first, and puts like with like where there are many.
    fn groups(&mut self) -> Vec<Group> {
        let mut blocks = std::mem::take(&mut self.blocks);
        blocks.sort_by(|a, b| {
            (b.worst, b.exploited, a.loopback, b.open)
                .cmp(&(a.worst, a.exploited, b.loopback, a.open))
                .then_with(|| a.like.cmp(&b.like))
                .then_with(|| a.version.cmp(&b.version))
                .then_with(|| a.key.cmp(&b.key))
        });
        if self.verbose || blocks.len() <= GROUP_FROM {
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
            self.suspects.push((key, suspect(observation, self.verbose)));
        } else if observation.identity.product.is_known() {
            self.blocks.push(Block::new(observation, self.verbose, self.width));
        } else {
            self.unrecognised.push((key, unrecognised(observation, self.verbose)));
        }
        Ok(())
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let mut page = Page::new(self.width);
        let groups = self.groups();
        let shown = if self.verbose { groups.len() } else { BLOCKS };
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
                    some(group.others.iter().map(place), NAMES)
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
                    "{count} more endpoints, none worse than these: {}. --verbose shows all.",
                    some(products.iter().map(|(product, n)| format!("{product} {n}")), 2 * NAMES)
                ),
                BOLD,
            );
            page.out.push('\n');
        }
        page.apart("Suspected of deception, counted apart", &mut self.suspects, self.verbose);
        page.apart("Not recognised", &mut self.unrecognised, self.verbose);
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
    fn new(observation: &Observation, verbose: bool, width: usize) -> Self {
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

        let mut page = Page::new(width);
        page.head(observation, loopback);
        page.body(observation, verbose);
        page.findings(&observation.findings, verbose);
        Self {
            key: observation.endpoint.key(),
            product: clean(&product, NAME),
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
    width: usize,
}

impl Page {
    fn new(width: usize) -> Self {
        Self { out: String::new(), width }
    }

    fn styled(&mut self, text: &str, style: Style) {
        // Writing to a string cannot fail.
        let _ = write!(self.out, "{style}{text}{style:#}");
    }

    /// A text from the left edge.
    fn line(&mut self, text: &str, style: Style) {
        self.wrapped(text, 0, 0, style);
    }

    /// A label and its text, wrapped under itself.
    fn field(&mut self, label: &str, text: &str, style: Style) {
        let _ = write!(self.out, "  {DIM}{label}{DIM:#}");
        let at = 2 + columns(label);
        let pad = INDENT.saturating_sub(at).max(1);
        self.out.push_str(&" ".repeat(pad));
        self.wrapped(text, at + pad, INDENT, style);
    }

    /// Wraps a text at blanks, where one is near, from column `at` on, with `indent` before every further line.
    fn wrapped(&mut self, text: &str, mut at: usize, indent: usize, style: Style) {
        let mut line = String::new();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let mut word = word;
            loop {
                let gap = usize::from(!line.is_empty());
                let room = self.width.saturating_sub(at + columns(&line) + gap);
                if columns(word) <= room {
                    if gap == 1 {
                        line.push(' ');
                    }
                    line.push_str(word);
                    break;
                }
                // A word that is longer than a line is cut; any other goes to the next one.
                if line.is_empty() && at == indent {
                    let cut = cut_at(word, room.max(1));
                    line.push_str(&word[..cut]);
                    word = &word[cut..];
                }
                if !line.is_empty() {
                    self.styled(&line, style);
                }
                line.clear();
                self.out.push('\n');
                self.out.push_str(&" ".repeat(indent));
                at = indent;
            }
        }
        self.styled(&line, style);
        self.out.push('\n');
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
        spans.push((place(&endpoint.key()), BOLD));
        let version = match &identity.version {
            Known::Known(version) => clean(version, NAME),
            Known::Unknown(unknown) => format!("version unknown ({})", unknown.why),
        };
        let product = known_or(&identity.product, "not recognised");
        spans.push((format!("{} {version}", clean(&product, NAME)), BOLD));
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
            if at > 0 && at + 2 + wide > self.width {
                self.out.push_str("\n  ");
                at = 2;
            } else if at > 0 {
                self.out.push_str("  ");
                at += 2;
            }
            // Only a name can be longer than a line.
            let mut rest = text.as_str();
            while columns(rest) > self.width - at {
                let cut = cut_at(rest, self.width - at);
                self.styled(&rest[..cut], *style);
                self.out.push_str("\n  ");
                rest = &rest[cut..];
                at = 2;
            }
            self.styled(rest, *style);
            at += columns(rest);
        }
        self.out.push('\n');
    }

    /// What it shows, a field a line. What was not asked stays unsaid unless `verbose`.
    fn body(&mut self, observation: &Observation, verbose: bool) {
        let exposure = &observation.exposure;
        let names = if verbose { usize::MAX } else { NAMES };
        if let Some(listener) = &observation.listener {
            let mut text = some(listener.bound.iter().map(ToString::to_string), names);
            if !listener.answers_on.is_empty() {
                text.push_str("; answers on ");
                text.push_str(&some(listener.answers_on.iter().map(ToString::to_string), names));
            }
            if let Some(process) = listener.process.known() {
                let _ = write!(text, "; process {}", clean(process, NAME));
                if let Some(pid) = listener.pid.known() {
                    let _ = write!(text, " ({pid})");
                }
            }
            self.field("bound to", &text, PLAIN);
        }
        if !observation.identity.also.is_empty() {
            let also = observation.identity.also.iter().map(|id| clean(id, NAME));
            self.field("also", &some(also, names), PLAIN);
        }
        match &exposure.models {
            Known::Known(models) if models.is_empty() => self.field("models", "none", PLAIN),
            Known::Known(models) => {
                let list = models.iter().map(|model| {
                    let mut text = clean(&model.name, NAME);
                    match &model.capabilities {
                        Known::Known(words) if words.is_empty() => text.push_str(" (none)"),
                        Known::Known(words) => {
                            let words = words.iter().map(|word| clean(word.as_str(), NAME));
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
            Known::Unknown(unknown) => self.unknown("models", unknown, verbose),
        }
        match &exposure.running {
            Known::Known(running) if running.is_empty() => self.field("running", "none", PLAIN),
            Known::Known(running) => {
                let list = running.iter().map(|model| clean(&model.name, NAME));
                self.field("running", &some(list, names), PLAIN);
            }
            Known::Unknown(unknown) => self.unknown("running", unknown, verbose),
        }
        match &exposure.tools {
            Known::Known(tools) if tools.is_empty() => self.field("tools", "none", PLAIN),
            Known::Known(tools) => {
                // The riskiest tools are the ones to read.
                let mut tools: Vec<_> = tools.iter().collect();
                tools.sort_by(|a, b| a.risks.first().cmp(&b.risks.first()));
                let list = tools.iter().map(|tool| {
                    let risks = tool.risks.iter().map(|risk| risk_word(*risk).to_owned());
                    format!("{} ({})", clean(&tool.name, NAME), some(risks, names))
                });
                let counted = exposure.tools_counted().map(|counted| counted.to_string()).unwrap_or_default();
                let text = format!("{counted}: {}", some(list, names));
                self.field("tools", &text, PLAIN);
            }
            Known::Unknown(unknown) => self.unknown("tools", unknown, verbose),
        }
        self.advisories(observation, verbose);
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
                let mut text = format!("{}: {}", clean(&evidence.request, NAME), clean(&evidence.seen, SENTENCE));
                // A source's own word may name no product of the catalogue.
                if !evidence.product.is_empty() {
                    let _ = write!(text, " ({})", clean(&evidence.product, NAME));
                }
                self.field("evidence", &text, DIM);
            }
        }
    }

    fn unknown(&mut self, label: &str, unknown: &vigie_model::Unknown, verbose: bool) {
        let untold = matches!(unknown.why, vigie_model::Why::NotAsked | vigie_model::Why::NotCarried);
        if verbose || !untold {
            let mut text = format!("unknown ({})", unknown.why);
            if let Some(detail) = &unknown.detail {
                let _ = write!(text, ": {}", clean(detail, SENTENCE));
            }
            self.field(label, &text, DIM);
        }
    }

    /// One line: how many apply, the exploited ones first by name, and how many cannot be told.
    fn advisories(&mut self, observation: &Observation, verbose: bool) {
        let of = |verdict| observation.advisories.iter().filter(move |advisory| advisory.verdict == verdict);
        let affected = of(Verdict::Affected).count();
        let unknown = of(Verdict::Unknown).count();
        if affected == 0 && unknown == 0 {
            match observation.advisories.coverage() {
                // Nothing listed reads as nothing known, which is not so.
                Some(AdvisoryCoverage::NotCovered) => {
                    let product = known_or(&observation.identity.product, "this product");
                    self.field("advisories", &format!("not covered for {}", clean(&product, NAME)), PLAIN);
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
                let mut name = clean(&advisory.id, NAME);
                if advisory.exploited {
                    name.push_str(" (exploited)");
                }
                if advisory.disputed {
                    name.push_str(" (disputed)");
                }
                name
            });
            let cap = if verbose { usize::MAX } else { 3 };
            let _ = write!(text, ": {}", some(names, cap));
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
    fn findings(&mut self, findings: &[Finding], verbose: bool) {
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
            self.finding(finding, same - 1, verbose);
            at += same;
        }
        let accepted: Vec<&Finding> = findings.iter().filter(|f| f.accepted.is_some()).collect();
        if accepted.is_empty() {
            return;
        }
        let list = accepted.iter().map(|finding| {
            let id = clean(&finding.id, NAME);
            match finding.accepted.as_deref().filter(|_| verbose) {
                Some(reason) => format!("{id} ({})", clean(reason, SENTENCE)),
                None => id,
            }
        });
        let cap = if verbose { usize::MAX } else { NAMES };
        let text = format!("{} by the baseline: {}", accepted.len(), some(list, cap));
        self.field("accepted", &text, DIM);
    }

    fn finding(&mut self, finding: &Finding, others: usize, verbose: bool) {
        let word = finding.severity.word().to_uppercase();
        let style = severity_style(finding.severity);
        let _ = write!(self.out, "  {style}{word}{style:#}");
        self.out.push_str(&" ".repeat(INDENT.saturating_sub(2 + word.len())));
        let mut title = clean(&finding.title, SENTENCE);
        if others > 0 {
            let _ = write!(title, " (and {} like it)", more(others));
        }
        let _ = write!(title, " [{}]", clean(&finding.id, NAME));
        self.wrapped(&title, INDENT, INDENT, PLAIN);
        if verbose {
            self.detail("about", &finding.subject);
            self.detail("seen", &finding.detail);
        }
        // The remedy's first line is the remedy in one line.
        let remedy = finding.remedy.trim().lines().next().unwrap_or_default();
        self.detail("do", if verbose { &finding.remedy } else { remedy });
        if verbose && !finding.standards.is_empty() {
            let standards = finding
                .standards
                .iter()
                .map(|standard| clean(&format!("{} {}", standard.scheme, standard.id), NAME));
            self.detail("standards", &some(standards, usize::MAX));
        }
    }

    fn detail(&mut self, label: &str, text: &str) {
        if !text.is_empty() {
            let pad = " ".repeat(INDENT - 2);
            // Catalogue texts may have several lines; each is folded into the paragraph before it is cleaned.
            let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let cap = if label == "do" { 2 * SENTENCE } else { SENTENCE };
            let text = format!("{label}: {}", clean(&folded, cap));
            self.out.push_str("  ");
            self.out.push_str(&pad);
            self.wrapped(&text, INDENT, INDENT, if label == "do" { PLAIN } else { DIM });
        }
    }

    /// A section of one line each; where there are many, what is told alike is told once.
    fn apart(&mut self, title: &str, entries: &mut [Entry], verbose: bool) {
        if entries.is_empty() {
            return;
        }
        entries.sort();
        self.line(&format!("{title}: {}", thousands(entries.len() as u64)), BOLD);
        let mut lines: Vec<(&EndpointKey, &str, usize)> = Vec::new();
        let alike = !verbose && entries.len() > LINES;
        let mut by_text: BTreeMap<&str, usize> = BTreeMap::new();
        for (key, text) in entries.iter() {
            match by_text.get(text.as_str()).filter(|_| alike) {
                Some(at) => lines[*at].2 += 1,
                None => {
                    by_text.insert(text, lines.len());
                    lines.push((key, text, 0));
                }
            }
        }
        let shown = if verbose { lines.len() } else { LINES };
        for (key, text, others) in lines.iter().take(shown) {
            let mut line = place(key);
            if *others > 0 {
                let _ = write!(line, " and {}", more(*others));
            }
            let _ = write!(line, "  {text}");
            self.out.push_str("  ");
            if verbose {
                self.wrapped(&line, 2, 4, PLAIN);
            } else {
                // The pieces are clean already; here they are cut to the line.
                self.out.push_str(&clean(&line, self.width.saturating_sub(2)));
                self.out.push('\n');
            }
        }
        let rest: usize = lines.iter().skip(shown).map(|line| 1 + line.2).sum();
        if rest > 0 {
            self.out.push_str("  ");
            self.wrapped(&format!("{}; --verbose shows all", more(rest)), 2, 2, DIM);
        }
        self.out.push('\n');
    }

    fn summary(&mut self, summary: &Summary) {
        let counts = &summary.counts;
        self.line("Summary", BOLD);
        self.counts(counts);
        if let Some(tried) = summary.tried.known() {
            let mut text = format!("{} addresses and ports", thousands(*tried));
            if let Some(millis) = summary.duration_ms.known() {
                let _ = write!(text, " in {}", length(*millis));
            }
            if !summary.complete {
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
            self.field("with", &clean(&knowledge.join(", "), SENTENCE), DIM);
        }
        let mut scan: Vec<String> = Vec::new();
        if let Some(id) = summary.scan.known() {
            scan.push(id.clone());
        }
        if let Some(seed) = summary.seed.known() {
            scan.push(format!("seed {seed}"));
        }
        if !scan.is_empty() {
            self.field("scan", &clean(&scan.join(", "), SENTENCE), DIM);
        }
        for note in &summary.notes {
            self.field("note", &clean(note, SENTENCE), WARN);
        }
        if let Some(next) = &summary.next {
            // A command must stay one line, or it cannot be copied.
            let _ = writeln!(self.out, "\nNext: {BOLD}{}{BOLD:#}", clean(next, 2_000));
        }
    }

    fn counts(&mut self, counts: &Counts) {
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
                .map(|(product, n)| format!("{} {}", clean(product, NAME), thousands(*n)));
            let none = if text.is_empty() { "" } else { "; " };
            let _ = write!(text, "{none}not covered for {}", some(list, 4 * NAMES));
        }
        if !text.is_empty() {
            self.field("advisories", &text, PLAIN);
        }
        let mut products: Vec<(&String, &u64)> = counts.products.iter().collect();
        products.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
        let list = products
            .iter()
            .map(|(product, n)| format!("{} {}", clean(product, NAME), thousands(**n)));
        if products.is_empty() {
            self.field("products", "none recognised", PLAIN);
        } else {
            self.field("products", &some(list, 4 * NAMES), PLAIN);
        }
        if !counts.postures.is_empty() {
            let list = counts.postures.iter().map(|(posture, n)| format!("{posture} {}", thousands(*n)));
            self.field("postures", &some(list, usize::MAX), PLAIN);
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
fn suspect(observation: &Observation, verbose: bool) -> String {
    let says = match observation.identity.product.known() {
        Some(product) => {
            let version = match observation.identity.version.known() {
                Some(version) => format!(" {}", clean(version, NAME)),
                None => String::new(),
            };
            format!("says {}{version}", clean(product, NAME))
        }
        None => "not recognised".to_owned(),
    };
    let score = match observation.deception.score.known() {
        Some(score) => format!("{score:.2}"),
        None => "unknown".to_owned(),
    };
    let tells = observation.deception.tells.iter().map(|tell| {
        if verbose {
            format!("{}: {}", clean(&tell.id, NAME), clean(&tell.seen, SENTENCE))
        } else {
            clean(&tell.id, NAME)
        }
    });
    let cap = if verbose { usize::MAX } else { 3 };
    format!("{says}  deception {score}: {}", some(tells, cap))
}

/// An endpoint that nobody recognised, in one line: what it came nearest to, and what was found all the same.
fn unrecognised(observation: &Observation, verbose: bool) -> String {
    // The words of its source that name none say nothing of what it resembles.
    let mut text = match observation.identity.evidence.iter().find(|evidence| !evidence.product.is_empty()) {
        Some(evidence) => format!(
            "resembles {} ({}: {})",
            clean(&evidence.product, NAME),
            clean(&evidence.request, NAME),
            clean(&evidence.seen, NAME)
        ),
        None => "answers as no product of the catalogue".to_owned(),
    };
    let open = observation.findings.iter().filter(|f| f.accepted.is_none());
    if let Some(worst) = open.clone().map(|finding| finding.severity).max() {
        let ids = open.map(|finding| clean(&finding.id, NAME));
        let cap = if verbose { usize::MAX } else { 2 };
        let _ = write!(text, "  {worst}: {}", some(ids, cap));
    }
    text
}

/// Address and port, the path under which it answers, and the name it was reached by.
fn place(key: &EndpointKey) -> String {
    match &key.name {
        Some(name) => EndpointKey {
            name: Some(clean(name, NAME)),
            ..key.clone()
        }
        .to_string(),
        None => key.to_string(),
    }
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

/// The byte at which a text of at most that many columns ends; at least one character.
fn cut_at(text: &str, room: usize) -> usize {
    let mut width = 0;
    for (at, c) in text.char_indices() {
        width += columns(c.encode_utf8(&mut [0; 4]));
        if width > room && at > 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_are_cut_and_short_ones_kept() {
        let mut page = Page::new(10);
        page.wrapped("abc defghijklmnop q", 0, 2, PLAIN);
        assert_eq!(page.out, "abc\n  defghijk\n  lmnop q\n");
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

    #[test]
    fn a_grid_keeps_its_width_and_its_lines() {
        let rows = vec![
            vec!["192.0.2.10:11434".to_owned(), "olla\nma \u{1b}[31m".to_owned()],
            vec!["[2001:db8::10]:8000".to_owned(), "x".repeat(200)],
        ];
        let grid = grid(&["endpoint", "product"], &rows, 60);
        assert!(grid.lines().all(|line| columns(line) <= 60), "{grid}");
        assert!(!grid.contains('\u{1b}'), "{grid}");
        assert!(grid.contains("olla\\nma \\u{1b}[31m"), "{grid}");
        assert!(grid.starts_with(" ENDPOINT"), "{grid}");
    }
}
