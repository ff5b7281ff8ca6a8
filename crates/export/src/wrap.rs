//! Wrapping of text. Words are never broken, because a broken address, id or digest can be neither read nor copied.
//!
//! Written by hand: `textwrap` wraps words that were cut and measured before, and cutting and measuring escaped text is most of the work here.

use crate::text::columns;

/// The width if the output is no terminal: every row and every field is one line, and nothing is left out.
pub const UNBOUNDED: usize = usize::MAX;

/// Wraps a text at spaces: the first line has `first` columns, the others have `rest`.
///
/// A word that is longer than a line has a line of its own, unbroken. If the first word does not fit into `first` and `rest` is larger, the
/// first line is empty. Runs of spaces are collapsed.
pub(crate) fn wrap(text: &str, first: usize, rest: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut wide = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let own = columns(word);
        let room = if lines.is_empty() { first } else { rest };
        let gap = usize::from(!line.is_empty());
        if wide + gap + own > room {
            let may_move = !line.is_empty() || (lines.is_empty() && rest > first);
            if may_move {
                lines.push(std::mem::take(&mut line));
                wide = 0;
            }
        }
        if !line.is_empty() {
            line.push(' ');
            wide += 1;
        }
        line.push_str(word);
        wide += own;
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// The indent of a line: `wanted` spaces, or fewer if the line would not fit otherwise. A line that never fits keeps the full indent.
pub(crate) fn indent(wanted: usize, line: &str, width: usize) -> String {
    match width.checked_sub(columns(line)) {
        Some(room) => " ".repeat(wanted.min(room)),
        None => " ".repeat(wanted),
    }
}

/// The width of the longest word of a text.
pub(crate) fn longest_word(text: &str) -> usize {
    text.split(' ').map(columns).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_move_to_the_next_line_whole() {
        assert_eq!(wrap("abc defghijklmnop q", 10, 8), ["abc", "defghijklmnop", "q"]);
        assert_eq!(wrap("a b c", 3, 3), ["a b", "c"]);
        assert_eq!(wrap("longer", 3, 8), ["", "longer"]);
        assert_eq!(wrap("longer", 3, 3), ["longer"]);
        assert_eq!(wrap("", 3, 3), [""]);
        assert_eq!(wrap("a  b", UNBOUNDED, UNBOUNDED), ["a b"]);
        assert_eq!(indent(4, "abc", 5), "  ");
        assert_eq!(indent(4, "abcdef", 5), "    ");
        assert_eq!(indent(4, "abc", UNBOUNDED), "    ");
    }

    proptest! {
        #[test]
        fn no_word_is_broken_lost_or_misplaced(text in "[a-z0-9:.\\[\\] -]{0,120}", first in 1usize..60, rest in 1usize..60) {
            let lines = wrap(&text, first, rest);
            let words: Vec<&str> = text.split_whitespace().collect();
            let wrapped: Vec<&str> = lines.iter().flat_map(|line| line.split_whitespace()).collect();
            prop_assert_eq!(words, wrapped);
            for (at, line) in lines.iter().enumerate() {
                let room = if at == 0 { first } else { rest };
                prop_assert!(columns(line) <= room || !line.contains(' '), "{line:?} in {room}");
            }
        }
    }
}
