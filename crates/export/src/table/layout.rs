//! Pages of labelled, wrapped and styled lines.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use vigie_model::EndpointKey;

use crate::text::{clean, columns};
use crate::wrap::{UNBOUNDED, indent, wrap};

/// Maximum number of models, tools or ids on one line.
pub(super) const NAMES: usize = 5;
/// Maximum width of a name that the server chose; real names are shorter.
const NAME: usize = 100;
/// Maximum width of an id, a version or a host name; real ones are never cut.
const TOKEN: usize = 300;
/// Maximum width of a sentence.
const SENTENCE: usize = 400;
/// Column where the text of a field begins.
const INDENT: usize = 14;
/// The same on a narrow terminal.
const NARROW_INDENT: usize = 4;
/// A terminal with fewer columns is narrow.
const NARROW: usize = 60;
/// Minimum width of the layout.
const NARROWEST: usize = 20;

pub(super) const PLAIN: Style = Style::new();
pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const WARN: Style = AnsiColor::Yellow.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default();
pub(super) const WORST: Style = AnsiColor::Red.on_default().bold();

/// The level of detail and the width of a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) verbose: bool,
    pub(super) width: usize,
}

impl Layout {
    pub(super) fn new(verbose: bool, width: usize) -> Self {
        Self {
            verbose,
            width: width.max(NARROWEST),
        }
    }

    /// Whether everything is shown: on request, or because the output is no terminal.
    pub(super) fn shows_all(self) -> bool {
        self.verbose || self.width == UNBOUNDED
    }

    /// Maximum number of items of a list that are shown.
    pub(super) fn limit(self, count: usize) -> usize {
        if self.shows_all() { usize::MAX } else { count }
    }

    /// Maximum width of a text.
    pub(super) fn cap(self, columns: usize) -> usize {
        if self.width == UNBOUNDED { usize::MAX } else { columns }
    }

    pub(super) fn token(self, text: &str) -> String {
        clean(text, self.cap(TOKEN))
    }

    pub(super) fn name(self, text: &str) -> String {
        clean(text, self.cap(NAME))
    }

    pub(super) fn sentence(self, text: &str) -> String {
        clean(text, self.cap(SENTENCE))
    }

    /// Column where the text of a field begins.
    pub(super) fn indent(self) -> usize {
        if self.width < NARROW { NARROW_INDENT } else { INDENT }
    }

    /// Address, port and path prefix, and the name by which it was reached.
    pub(super) fn place(self, key: &EndpointKey) -> String {
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

/// Text of a page, built line by line.
pub(super) struct Page {
    pub(super) out: String,
    pub(super) layout: Layout,
}

impl Page {
    pub(super) fn new(layout: Layout) -> Self {
        Self {
            out: String::new(),
            layout,
        }
    }

    pub(super) fn styled(&mut self, text: &str, style: Style) {
        // Writing to a string cannot fail.
        let _ = write!(self.out, "{style}{text}{style:#}");
    }

    /// Writes a text from the left edge.
    pub(super) fn line(&mut self, text: &str, style: Style) {
        self.wrapped("", PLAIN, text, 0, style);
    }

    /// Writes a label and its text, wrapped with a hanging indent.
    pub(super) fn field(&mut self, label: &str, text: &str, style: Style) {
        self.wrapped(label, DIM, text, self.layout.indent(), style);
    }

    /// Writes a label and a text that begins at column `inset` or after the label; its other lines are indented by `inset`. Words are not
    /// broken.
    pub(super) fn wrapped(&mut self, label: &str, label_style: Style, text: &str, inset: usize, style: Style) {
        let width = self.layout.width;
        let mut at = inset;
        if !label.is_empty() {
            self.out.push_str("  ");
            self.styled(label, label_style);
            at = inset.max(3 + columns(label));
        }
        let rest = width.saturating_sub(inset);
        let mut lines = wrap(text, width.saturating_sub(at), rest).into_iter();
        let first = lines.next().unwrap_or_default();
        // A first word that does not fit beside its label goes to the next line.
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

    pub(super) fn detail(&mut self, label: &str, text: &str) {
        if !text.is_empty() {
            // Texts of the catalogue may have several lines, which are joined.
            let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let cap = if label == "do" { 2 * SENTENCE } else { SENTENCE };
            let text = format!("{label}: {}", clean(&folded, self.layout.cap(cap)));
            self.wrapped("", PLAIN, &text, self.layout.indent(), if label == "do" { PLAIN } else { DIM });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_move_to_the_next_line_and_stay_whole() {
        let mut page = Page::new(Layout::new(false, 30));
        page.field("models", "abc hf.co/someone/a-long-name-GGUF q", PLAIN);
        assert_eq!(
            page.out.replace(['\u{1b}'], "").replace("[2m", "").replace("[0m", ""),
            "  models abc\nhf.co/someone/a-long-name-GGUF\n    q\n"
        );
    }
}
