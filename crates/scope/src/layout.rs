//! Renders titles, prose, facts and lists as plain text or Markdown.

use std::fmt::Write as _;

/// A part of a document.
pub(crate) enum Block {
    Title(&'static str),
    Section(&'static str),
    Prose(String),
    Facts(Vec<(&'static str, String)>),
    Items(Vec<String>),
}

/// Renders blocks as plain text, 78 columns wide, for a mail.
pub(crate) fn text(blocks: Vec<Block>) -> String {
    let mut out = String::new();
    for block in blocks {
        match block {
            Block::Title(title) => {
                let _ = writeln!(out, "{title}\n{}", "=".repeat(title.chars().count()));
            }
            Block::Section(title) => {
                let _ = writeln!(out, "\n{title}\n{}", "-".repeat(title.chars().count()));
            }
            Block::Prose(prose) => wrap(&mut out, &prose, "", ""),
            Block::Facts(facts) => {
                let width = facts.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0) + 2;
                for (label, value) in facts {
                    let first = format!("{:<width$}", format!("{label}:"));
                    wrap(&mut out, &value, &first, &" ".repeat(width));
                }
            }
            Block::Items(items) => items.iter().for_each(|item| wrap(&mut out, item, "- ", "  ")),
        }
    }
    out
}

/// Renders blocks as Markdown.
pub(crate) fn markdown(blocks: Vec<Block>) -> String {
    let mut out = String::new();
    for block in blocks {
        let _ = match block {
            Block::Title(title) => writeln!(out, "# {title}"),
            Block::Section(title) => writeln!(out, "\n## {title}"),
            Block::Prose(prose) => writeln!(out, "\n{}", escape(&prose)),
            Block::Facts(facts) => facts.iter().enumerate().try_for_each(|(index, (label, value))| {
                let gap = if index == 0 { "\n" } else { "" };
                writeln!(out, "{gap}- **{label}**: {}", escape(value))
            }),
            Block::Items(items) => items.iter().enumerate().try_for_each(|(index, item)| {
                let gap = if index == 0 { "\n" } else { "" };
                writeln!(out, "{gap}- {}", escape(item))
            }),
        };
    }
    out
}

/// Breaks prose into lines. `first` starts the first line, `rest` every other.
fn wrap(out: &mut String, prose: &str, first: &str, rest: &str) {
    let mut line = first.to_owned();
    let mut fresh = true;
    for word in prose.split_whitespace() {
        if !fresh && line.chars().count() + 1 + word.chars().count() > 78 {
            out.push_str(line.trim_end());
            out.push('\n');
            rest.clone_into(&mut line);
            fresh = true;
        }
        if !fresh {
            line.push(' ');
        }
        line.push_str(word);
        fresh = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

/// Escapes Markdown. Values come from a scope file and from rules, and must not act as markup.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\`*_[]<>|#{}".contains(c) {
            out.push('\\');
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    out
}
