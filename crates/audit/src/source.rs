//! The files that an audit reads, and places in them.

use std::fmt;
use std::sync::Arc;

/// Largest file that is read, in bytes. Configuration files of this size are not written by hand.
pub const MAX_FILE: u64 = 4 * 1024 * 1024;

/// A file that was read.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path as reported: as it was given, joined with the path below it.
    pub path: Arc<str>,
    /// The text.
    pub text: Arc<str>,
    /// The byte offset of each line's start.
    lines: Arc<[u32]>,
}

/// The number of a source within [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(u32);

/// Bytes of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The source.
    pub source: SourceId,
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes from `start` to `end`.
    #[must_use]
    pub fn new(source: SourceId, start: usize, end: usize) -> Self {
        let clip = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            source,
            start: clip(start),
            end: clip(end.max(start)),
        }
    }

    /// A part of this span, from `from` to `to` bytes after its start.
    #[must_use]
    pub fn part(self, from: usize, to: usize) -> Self {
        let start = self.start as usize;
        Self::new(self.source, start + from, start + to)
    }
}

/// A value and where it is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it is written.
    pub span: Span,
}

impl<T> Located<T> {
    /// A value at a place.
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// The same place with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Located<U> {
        Located {
            value: change(self.value),
            span: self.span,
        }
    }
}

impl Located<String> {
    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.value
    }
}

/// A line and a column of a file, as people and editors count: both from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The file's path as reported.
    pub file: Arc<str>,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// All files of an audit.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    all: Vec<Source>,
}

impl Sources {
    /// Adds a file.
    pub fn add(&mut self, path: &str, text: &str) -> SourceId {
        let mut lines = vec![0];
        lines.extend(
            text.bytes()
                .enumerate()
                .filter(|(_, byte)| *byte == b'\n')
                .map(|(at, _)| clip(at + 1)),
        );
        self.all.push(Source {
            path: Arc::from(path),
            text: Arc::from(text),
            lines: lines.into(),
        });
        SourceId(clip(self.all.len() - 1))
    }

    /// A source.
    #[must_use]
    pub fn get(&self, id: SourceId) -> &Source {
        &self.all[id.0 as usize]
    }

    /// The number of files.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The text of a span; empty if the span is none of its file.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.get(span.source)
            .text
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }

    /// The line and column of a span's start.
    #[must_use]
    pub fn position(&self, span: Span) -> Position {
        let source = self.get(span.source);
        let line = source.lines.partition_point(|start| *start <= span.start).max(1);
        let start = source.lines[line - 1] as usize;
        let before = source.text.get(start..span.start as usize).unwrap_or_default();
        Position {
            file: Arc::clone(&source.path),
            line: clip(line),
            column: clip(before.chars().count() + 1),
        }
    }

    /// A line of a file, without its end; lines count from 1.
    #[must_use]
    pub fn line(&self, id: SourceId, line: u32) -> &str {
        let source = self.get(id);
        let at = |line: u32| source.lines.get(line as usize).map(|start| *start as usize);
        let Some(start) = line.checked_sub(1).and_then(at) else {
            return "";
        };
        let end = at(line).unwrap_or(source.text.len());
        source.text.get(start..end).unwrap_or_default().trim_end_matches(['\n', '\r'])
    }
}

fn clip(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_line_and_a_column_of_characters() {
        let mut sources = Sources::default();
        let id = sources.add("a.yaml", "é: 1\r\nb: 2\n");
        let at = |start| {
            let position = sources.position(Span::new(id, start, start + 1));
            (position.line, position.column)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(2), (1, 2));
        assert_eq!(at(7), (2, 1));
        assert_eq!(sources.line(id, 1), "é: 1");
        assert_eq!(sources.line(id, 2), "b: 2");
        assert_eq!(sources.line(id, 3), "");
        assert_eq!(sources.line(id, 9), "");
        assert_eq!(sources.slice(Span::new(id, 7, 8)), "b");
        // A span that is none of the file's is empty, and has a place all the same.
        assert_eq!(sources.slice(Span::new(id, 1, 3)), "");
        assert_eq!(at(900), (3, 1));
    }
}
