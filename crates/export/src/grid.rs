//! Lists in columns: hosts, advisories, products, changes.
//!
//! On a terminal, the columns share its width; if they do not fit, each row is a block of lines. If the output is no terminal, each row is one
//! line, nothing is left out, and rows begin at the left edge, for `grep`, `cut` and `less -S`.

use std::io::{self, Write};

use crate::text::{clean, columns};
use crate::wrap::{UNBOUNDED, indent, longest_word, wrap};

/// Maximum width of a cell on a terminal; texts from the network may have any length.
const CELL: usize = 400;
/// Spaces between two columns.
const GAP: usize = 2;
/// A wider cell does not count for the width of its column, so that one long version does not widen it for all rows.
const MEASURED: usize = 64;
/// Indent of the fields of a block, under the row's first cell.
const INSET: usize = 2;

/// A column: its title, and whether its cells may be wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column<'t> {
    /// Addresses, ports, ids, digests, versions, numbers: a cell is never wrapped. If the terminal is narrower than a cell of several words
    /// (a name with its address), it is wrapped between words.
    Token(&'t str),
    /// Text: wrapped at spaces, never within a word.
    Text(&'t str),
}

impl Column<'_> {
    fn title(self) -> String {
        let (Self::Token(title) | Self::Text(title)) = self;
        title.to_uppercase()
    }

    /// Minimum width of a text in this column.
    fn least(self, text: &str) -> usize {
        match self {
            Self::Token(_) => columns(text),
            Self::Text(_) => longest_word(text),
        }
    }
}

/// Formats rows in columns within a width; [`UNBOUNDED`]: each row is one line. Cells are made safe for a terminal.
#[must_use]
pub fn grid<S: AsRef<str>>(heads: &[Column<'_>], rows: &[Vec<S>], width: usize) -> String {
    let mut out = Vec::new();
    let all = || rows.iter().map(|row| row.iter().map(|cell| cell.as_ref().to_owned()).collect());
    // Writing to a vector cannot fail.
    let _ = write(&mut out, heads, all, width);
    String::from_utf8(out).unwrap_or_default()
}

/// The same into a writer, for lists that are too long to be held in memory: `rows` is called twice, to measure and to write.
///
/// # Errors
///
/// When the writer fails.
pub fn write<W: Write, I: Iterator<Item = Vec<String>>>(
    out: &mut W,
    heads: &[Column<'_>],
    rows: impl Fn() -> I,
    width: usize,
) -> io::Result<()> {
    let cap = if width == UNBOUNDED { usize::MAX } else { CELL };
    let titles: Vec<String> = heads.iter().map(|head| head.title()).collect();
    let cleaned = || {
        rows().map(|mut row| {
            row.iter_mut().for_each(|cell| *cell = clean(cell.trim(), cap));
            row
        })
    };
    let measured = Measured::of(heads, &titles, cleaned());
    match measured.share(width) {
        Some(widths) => {
            write_row(out, heads, &titles, &widths)?;
            for row in cleaned() {
                if width == UNBOUNDED {
                    write_line(out, &row, &widths)?;
                } else if is_too_wide(heads, &row, &widths) {
                    write_block(out, heads, &titles, &row, width)?;
                } else {
                    write_row(out, heads, &row, &widths)?;
                }
            }
            Ok(())
        }
        None => cleaned().try_for_each(|row| write_block(out, heads, &titles, &row, width)),
    }
}

/// Widths that the columns need.
struct Measured {
    /// Minimum on a terminal.
    least: Vec<usize>,
    /// Maximum on a terminal.
    most: Vec<usize>,
    /// Width without wrapping.
    line: Vec<usize>,
}

impl Measured {
    fn of(heads: &[Column<'_>], titles: &[String], rows: impl Iterator<Item = Vec<String>>) -> Self {
        let wide: Vec<usize> = titles.iter().map(|title| columns(title)).collect();
        let mut all = Self {
            least: heads.iter().zip(titles).map(|(head, title)| head.least(title)).collect(),
            most: wide.clone(),
            line: wide,
        };
        for row in rows {
            for (at, (head, cell)) in heads.iter().zip(&row).enumerate() {
                let (least, most) = (head.least(cell), columns(cell));
                if least <= MEASURED {
                    all.least[at] = all.least[at].max(least);
                    all.most[at] = all.most[at].max(most);
                }
                if most <= MEASURED {
                    all.line[at] = all.line[at].max(most);
                }
            }
        }
        all
    }

    /// Divides a width among the columns; `None`: they do not fit side by side.
    fn share(&self, width: usize) -> Option<Vec<usize>> {
        if width == UNBOUNDED {
            return Some(self.line.clone());
        }
        let gaps = GAP * self.least.len().saturating_sub(1);
        let mut left = width.checked_sub(gaps + self.least.iter().sum::<usize>())?;
        let mut widths = self.least.clone();
        loop {
            let wants: Vec<usize> = (0..widths.len()).filter(|at| widths[*at] < self.most[*at]).collect();
            if left == 0 || wants.is_empty() {
                return Some(widths);
            }
            let share = (left / wants.len()).max(1);
            for at in wants {
                let more = share.min(left).min(self.most[at] - widths[at]);
                widths[at] += more;
                left -= more;
            }
        }
    }
}

/// Whether a cell of a row is wider than its column even when wrapped.
fn is_too_wide(heads: &[Column<'_>], row: &[String], widths: &[usize]) -> bool {
    heads
        .iter()
        .zip(row)
        .zip(widths)
        .any(|((head, cell), width)| head.least(cell) > *width)
}

/// Writes a row side by side, with wrapped texts.
fn write_row<W: Write>(out: &mut W, heads: &[Column<'_>], cells: &[String], widths: &[usize]) -> io::Result<()> {
    let wrapped: Vec<Vec<String>> = heads
        .iter()
        .zip(cells)
        .zip(widths)
        .map(|((head, cell), width)| match head {
            Column::Text(_) => wrap(cell, *width, *width),
            Column::Token(_) => vec![cell.clone()],
        })
        .collect();
    let lines = wrapped.iter().map(Vec::len).max().unwrap_or(0);
    for at in 0..lines {
        let line: Vec<&str> = wrapped.iter().map(|cell| cell.get(at).map_or("", String::as_str)).collect();
        write_line(out, &line, widths)?;
    }
    Ok(())
}

/// Writes cells on one line, each at the beginning of its column, or later if a cell before it is wider than its column.
fn write_line<W: Write, S: AsRef<str>>(out: &mut W, cells: &[S], widths: &[usize]) -> io::Result<()> {
    let mut line = String::new();
    let (mut at, mut begin) = (0, 0);
    for (cell, width) in cells.iter().map(AsRef::as_ref).zip(widths) {
        if !cell.is_empty() {
            let from = if at == 0 { begin } else { begin.max(at + GAP) };
            line.push_str(&" ".repeat(from - at));
            line.push_str(cell);
            at = from + columns(cell);
        }
        begin += width + GAP;
    }
    writeln!(out, "{}", line.trim_end())
}

/// Writes a row as a block: its first cell, and under it the others with their titles.
fn write_block<W: Write>(out: &mut W, heads: &[Column<'_>], titles: &[String], cells: &[String], width: usize) -> io::Result<()> {
    let mut block = Block {
        out,
        width,
        line: String::new(),
    };
    for (at, ((head, title), cell)) in heads.iter().zip(titles).zip(cells).enumerate() {
        if at == 0 {
            block.first(*head, cell)?;
        } else if !cell.is_empty() {
            block.field(*head, &title.to_lowercase(), cell)?;
        }
    }
    block.end()
}

/// Writer of a block.
struct Block<'w, W> {
    out: &'w mut W,
    width: usize,
    /// The line that is not written yet, without its indent.
    line: String,
}

impl<W: Write> Block<'_, W> {
    fn first(&mut self, head: Column<'_>, cell: &str) -> io::Result<()> {
        let lines = match head {
            Column::Token(_) if columns(cell) <= self.width => vec![cell.to_owned()],
            // A name and its address are on two lines if they do not fit on one, so that neither is broken.
            Column::Token(_) | Column::Text(_) => wrap(cell, self.width, self.width),
        };
        lines.iter().try_for_each(|line| writeln!(self.out, "{line}"))
    }

    /// Writes a title and its cell, on the current line if they fit.
    fn field(&mut self, head: Column<'_>, title: &str, cell: &str) -> io::Result<()> {
        let field = format!("{title} {cell}");
        let field = field.trim_start();
        let room = self.width.saturating_sub(INSET);
        let gap = if self.line.is_empty() { 0 } else { GAP };
        if columns(&self.line) + gap + columns(field) <= room {
            self.line.push_str(&" ".repeat(gap));
            self.line.push_str(field);
            return Ok(());
        }
        self.end()?;
        let within = room.saturating_sub(INSET);
        let lines = match head {
            _ if columns(field) <= room => vec![field.to_owned()],
            Column::Token(_) if columns(cell) <= within => vec![title.to_owned(), cell.to_owned()],
            Column::Token(_) | Column::Text(_) => wrap(field, room, within),
        };
        let several = lines.len() > 1;
        for (at, line) in lines.into_iter().filter(|line| !line.is_empty()).enumerate() {
            if several {
                self.put(if at == 0 { INSET } else { 2 * INSET }, &line)?;
            } else {
                // The next field may fit beside it.
                self.line = line;
            }
        }
        Ok(())
    }

    fn put(&mut self, wanted: usize, line: &str) -> io::Result<()> {
        writeln!(self.out, "{}{line}", indent(wanted, line, self.width))
    }

    fn end(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        match line.is_empty() {
            true => Ok(()),
            false => self.put(INSET, &line),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADS: [Column<'_>; 5] = [
        Column::Token("endpoint"),
        Column::Token("product"),
        Column::Token("version"),
        Column::Token("last seen"),
        Column::Text("why"),
    ];

    #[test]
    fn a_grid_keeps_its_width_and_its_lines() {
        let rows = vec![
            vec!["192.0.2.10:11434".to_owned(), "olla\nma \u{1b}[31m".to_owned()],
            vec!["[2001:db8::10]:8000".to_owned(), "a word or two ".repeat(20)],
        ];
        let grid = grid(&[Column::Token("endpoint"), Column::Text("product")], &rows, 60);
        assert!(grid.lines().all(|line| columns(line) <= 60), "{grid}");
        assert!(!grid.contains('\u{1b}'), "{grid}");
        assert!(grid.contains("olla\\nma \\u{1b}[31m"), "{grid}");
        assert!(grid.starts_with("ENDPOINT"), "{grid}");
    }

    #[test]
    fn without_a_terminal_a_row_is_a_line_and_nothing_is_lost() {
        let rows = vec![
            vec!["192.0.2.10:11434".to_owned(), "x".repeat(3_000), "end".to_owned()],
            vec!["[2001:db8::10]:8000".to_owned(), "short".to_owned(), "end".to_owned()],
        ];
        let heads = [Column::Token("endpoint"), Column::Text("why"), Column::Text("last")];
        let lines = grid(&heads, &rows, UNBOUNDED);
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1], format!("192.0.2.10:11434     {}  end", "x".repeat(3_000)));
        assert_eq!(lines[2], "[2001:db8::10]:8000  short  end");
        assert!(grid(&heads, &rows, 80).contains('…'), "a terminal is not flooded");
    }

    #[test]
    fn one_long_cell_does_not_turn_the_others_into_blocks() {
        let row = |version: &str| {
            ["192.0.2.10:11434", "ollama", version, "2026-11-22 08:00", "as said"]
                .map(str::to_owned)
                .to_vec()
        };
        let long = format!("0.1.0+{}", "f".repeat(80));
        let text = grid(&HEADS, &[row("0.1.33"), row(&long), row("0.1.34")], 80);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("192.0.2.10:11434  ollama   0.1.33"), "{text}");
        assert_eq!(lines[2], "192.0.2.10:11434");
        assert!(lines.iter().any(|line| line.contains(&long)), "{text}");
        assert!(lines.last().is_some_and(|line| line.contains("0.1.34")), "{text}");
    }

    /// Endpoints, ids, digests, versions and times.
    fn token() -> impl Strategy<Value = String> {
        prop_oneof![
            (any::<u32>(), any::<u16>()).prop_map(|(address, port)| format!("{}:{port}", std::net::Ipv4Addr::from(address))),
            (any::<u128>(), any::<u16>()).prop_map(|(address, port)| format!("[{}]:{port}", std::net::Ipv6Addr::from(address))),
            ("[a-z]{3,20}(-[a-z]{2,10}){1,4}", any::<u32>(), any::<u16>())
                .prop_map(|(name, address, port)| format!("{name}.example ({}:{port})", std::net::Ipv4Addr::from(address))),
            "sha256:[0-9a-f]{64}",
            "CVE-20[0-9]{2}-[0-9]{4,7}",
            "GHSA(-[23456789cfghjmpqrvwx]{4}){3}",
            "[a-z]{2,12}(-[a-z]{2,12}){0,3}",
            "[0-9]{1,2}(\\.[0-9]{1,4}){2}(-rc[0-9]|\\+cu[0-9]{3})?",
            "2026-[01][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]",
            Just(String::new()),
        ]
    }

    proptest! {
        #[test]
        fn no_token_is_ever_split(
            rows in proptest::collection::vec((proptest::collection::vec(token(), 4), "[ a-zA-Z0-9<>.(),:-]{0,150}"), 0..12),
            width in prop_oneof![20usize..=200, Just(UNBOUNDED)],
        ) {
            let rows: Vec<Vec<String>> = rows
                .into_iter()
                .map(|(mut cells, text)| {
                    cells.push(text);
                    cells
                })
                .collect();
            let text = grid(&HEADS, &rows, width);
            let mut lines = text.lines();
            for row in &rows {
                // A cell is trimmed; a token has no blanks around it.
                for cell in row.iter().take(4).filter(|cell| !cell.is_empty()) {
                    let whole = |token: &str| text.lines().any(|line| line.contains(token));
                    let narrow = columns(cell) + 2 * INSET > width;
                    prop_assert!(whole(cell) || (narrow && cell.split(' ').all(whole)), "{cell} in {width}:\n{text}");
                }
                if width == UNBOUNDED {
                    prop_assert!(lines.any(|line| row.iter().take(4).all(|cell| line.contains(cell.as_str()))), "{text}");
                }
            }
            if width == UNBOUNDED {
                prop_assert_eq!(text.lines().count(), 1 + rows.len());
            }
            for line in text.lines() {
                let is_one = rows.iter().flatten().any(|cell| cell == line.trim());
                prop_assert!(columns(line) <= width || is_one || !line.trim().contains(' '), "{width}: {line:?}\n{text}");
                prop_assert_eq!(line, line.trim_end());
            }
        }
    }
}
