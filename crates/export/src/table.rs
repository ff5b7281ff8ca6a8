//! `--format table`: the report for people, and the parts of it that other commands use.
//!
//! Colours are always written: the caller wraps the writer with `anstream`, which removes them for pipes and for `NO_COLOR`.

mod apart;
mod endpoint;
mod layout;
mod summary;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use vigie_model::{EndpointKey, Observation, Reach, Severity, ToolRisk};

use self::apart::{Entry, suspect, unrecognised};
use self::endpoint::Block;
use self::layout::{BAD, BOLD, DIM, Layout, NAMES, Page, WARN, WORST};
use self::words::{listed, more};
use crate::grid::Column;
use crate::{Options, Report, Summary};

/// Maximum number of recognised endpoints that are not grouped.
const GROUP_FROM: usize = 12;
/// Maximum number of blocks, after grouping.
const BLOCKS: usize = 20;

/// The style of a severity.
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

/// A list whose columns are all [`Column::Text`]: see [`crate::grid`].
#[must_use]
pub fn grid<S: AsRef<str>>(headers: &[&str], rows: &[Vec<S>], width: usize) -> String {
    let heads: Vec<Column<'_>> = headers.iter().map(|title| Column::Text(title)).collect();
    crate::grid::grid(&heads, rows, width)
}

/// Whether only programs on the same machine can reach an endpoint; `None`: unknown.
///
/// The addresses of the listening socket decide if it was seen; otherwise the reach of the observation does.
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

/// One endpoint as a block of lines with all details, for `vigie show`.
#[must_use]
pub fn block(observation: &Observation, width: usize) -> String {
    Block::new(observation, Layout::new(true, width)).text
}

/// Writes the table's summary, for commands that write another format to standard output and the summary to standard error.
///
/// # Errors
/// When the writer fails.
pub fn summary<W: Write>(writer: &mut W, summary: &Summary, width: usize) -> io::Result<()> {
    let mut page = Page::new(Layout::new(false, width));
    page.summary(summary);
    writer.write_all(page.out.as_bytes())
}

/// The table. Endpoints are sorted and grouped, so everything is written at the end; until then the lines of each are kept in memory.
#[derive(Debug)]
pub struct Table<W> {
    writer: W,
    layout: Layout,
    keep_order: bool,
    blocks: Vec<Block>,
    suspects: Vec<Entry>,
    unrecognised: Vec<Entry>,
}

impl<W: Write> Table<W> {
    /// A table into a writer.
    pub fn new(writer: W, options: Options) -> Self {
        Self {
            writer,
            layout: Layout::new(options.verbose, options.width),
            keep_order: options.keep_order,
            blocks: Vec::new(),
            suspects: Vec::new(),
            unrecognised: Vec::new(),
        }
    }

    /// Sorts the blocks, the worst first unless the caller chose another order, and groups similar ones if there are many.
    fn groups(&mut self) -> Vec<Group> {
        let mut blocks = std::mem::take(&mut self.blocks);
        if !self.keep_order {
            blocks.sort_by(|a, b| {
                (b.worst, b.exploited, a.loopback, b.open)
                    .cmp(&(a.worst, a.exploited, b.loopback, a.open))
                    .then_with(|| a.group_key.cmp(&b.group_key))
                    .then_with(|| a.version.cmp(&b.version))
                    .then_with(|| a.key.cmp(&b.key))
            });
        }
        if self.layout.shows_all() || blocks.len() <= GROUP_FROM {
            return blocks.into_iter().map(Group::of).collect();
        }
        let mut groups: Vec<Group> = Vec::new();
        let mut by_key: BTreeMap<String, usize> = BTreeMap::new();
        for block in blocks {
            match by_key.get(&block.group_key) {
                Some(at) => {
                    let group = &mut groups[*at];
                    group.others.push(block.key);
                    group.versions.insert(block.version);
                }
                None => {
                    by_key.insert(block.group_key.clone(), groups.len());
                    groups.push(Group::of(block));
                }
            }
        }
        groups
    }
}

/// Endpoints that share a block: one is shown, the others are only named.
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
            self.suspects.push((key, suspect(observation, self.layout)));
        } else if observation.identity.product.is_known() {
            self.blocks.push(Block::new(observation, self.layout));
        } else {
            self.unrecognised.push((key, unrecognised(observation, self.layout)));
        }
        Ok(())
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let layout = self.layout;
        let mut page = Page::new(layout);
        let groups = self.groups();
        let shown = groups.len().min(layout.limit(BLOCKS));
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
                    listed(group.others.iter().map(|key| layout.place(key)), NAMES)
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
                    listed(products.iter().map(|(product, n)| format!("{product} {n}")), 2 * NAMES)
                ),
                BOLD,
            );
            page.out.push('\n');
        }
        for (title, entries) in [
            ("Suspected of deception, counted separately", &mut self.suspects),
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
