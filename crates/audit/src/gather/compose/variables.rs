//! `$X` and `${X:-default}` in compose files.

use std::collections::BTreeMap;

use crate::source::{Located, Span};
use crate::workload::Word;

/// Deepest nesting of defaults that is read.
const MAX_DEPTH: usize = 10;

/// The variables that a project's `.env` sets. Those of whoever runs compose are unknown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    set: BTreeMap<String, Located<String>>,
}

impl Variables {
    /// Sets a variable; a later one of the same name counts.
    pub(crate) fn set(&mut self, name: &str, value: Located<String>) {
        self.set.insert(name.to_owned(), value);
    }

    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<&Located<String>> {
        self.set.get(name)
    }

    /// Fills in the variables of a text.
    pub(crate) fn fill(&self, text: &str, span: Span) -> Word {
        let mut word = Word::known(String::with_capacity(text.len()), span);
        self.append(text, &mut word, 0);
        // A value that is one reference and nothing else stands where the variable is set.
        if let Some(name) = lone(text)
            && let Some(value) = self.get(name)
            && word.text == value.value
            && !word.unknown
        {
            word.span = value.span;
        }
        word
    }

    fn append(&self, text: &str, word: &mut Word, depth: usize) {
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            word.text.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            rest = if let Some(after) = after.strip_prefix('$') {
                word.text.push('$');
                after
            } else if let Some(inner) = after.strip_prefix('{') {
                let Some(end) = closing(inner) else {
                    word.text.push_str(&rest[at..]);
                    return;
                };
                self.reference(&inner[..end], word, depth);
                &inner[end + 1..]
            } else {
                let length = name_length(after);
                if length == 0 {
                    word.text.push('$');
                    after
                } else {
                    self.reference(&after[..length], word, depth);
                    &after[length..]
                }
            };
        }
        word.text.push_str(rest);
    }

    /// What stands between the braces: a name, an operator, a text.
    fn reference(&self, inner: &str, word: &mut Word, depth: usize) {
        let length = name_length(inner);
        let (name, operator) = inner.split_at(length);
        if name.is_empty() || depth > MAX_DEPTH {
            word.unknown = true;
            return;
        }
        let value = self.get(name).map(|value| value.value.as_str());
        let (empty_counts, operator) = match operator.strip_prefix(':') {
            Some(operator) => (false, operator),
            None => (true, operator),
        };
        let present = value.filter(|value| empty_counts || !value.is_empty());
        let mut kind = operator.chars();
        match (kind.next(), present) {
            (Some('-'), Some(value)) | (Some('?') | None, Some(value)) => word.text.push_str(value),
            (Some('-'), None) => {
                word.by_default_of.get_or_insert_with(|| name.to_owned());
                self.append(kind.as_str(), word, depth + 1);
            }
            (Some('+'), Some(_)) => self.append(kind.as_str(), word, depth + 1),
            (Some('+'), None) => {}
            // Compose stops with an error where `?` finds nothing, and takes an empty text elsewhere; who runs it sets it, or not.
            _ => word.unknown = true,
        }
    }
}

/// The name of the variable if the text is one reference without a default.
fn lone(text: &str) -> Option<&str> {
    let after = text.strip_prefix('$')?;
    let inner = after.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).unwrap_or(after);
    let length = name_length(inner);
    let operator = inner[length..].trim_start_matches(':');
    (length > 0 && (operator.is_empty() || operator.starts_with(['-', '?'])) && !operator.contains(['{', '}'])).then(|| &inner[..length])
}

fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len())
}

/// Where the brace is closed that stands before the text.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::Sources;

    fn variables() -> (Variables, Span) {
        let mut sources = Sources::default();
        let id = sources.add("x", "");
        let span = Span::new(id, 0, 0);
        let mut variables = Variables::default();
        variables.set("A", Located::new("1".to_owned(), Span::new(id, 5, 6)));
        variables.set("EMPTY", Located::new(String::new(), span));
        (variables, span)
    }

    #[test]
    fn references_are_filled_in_as_compose_does() {
        let (variables, span) = variables();
        for (text, expected) in [
            ("$A-${A}", Some("1-1")),
            ("$$A", Some("$A")),
            ("${B:-two}", Some("two")),
            ("${EMPTY:-two}", Some("two")),
            ("${EMPTY-two}", Some("")),
            ("${A:+x}${B:+y}", Some("x")),
            ("${B:-${A}}", Some("1")),
            ("${B:-${C:-z}}:80", Some("z:80")),
            ("${B}", None),
            ("${B:?must be set}", None),
            ("${A:?must be set}", Some("1")),
            ("100$", Some("100$")),
            ("${open", Some("${open")),
        ] {
            let word = variables.fill(text, span);
            assert_eq!(word.certain(), expected, "{text}");
        }
        assert_eq!(variables.fill("${B:-two}", span).by_default_of.as_deref(), Some("B"));
        assert_eq!(variables.fill("${A}", span).span.start, 5);
        assert_eq!(variables.fill("${A}:1", span).span.start, 0);
    }

    proptest! {
        #[test]
        fn any_text_is_filled(text in "[AB${}:?+\\-é]{0,60}") {
            let (variables, span) = variables();
            let _ = variables.fill(&text, span);
        }
    }
}
