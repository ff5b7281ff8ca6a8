//! Command lines as a shell splits them, with the place of each word.
//!
//! This reads the words of a line; it is no shell. What a word means that only a run can tell (`$(…)`, a variable that is set elsewhere) makes
//! the word one whose text is unknown.

use crate::source::{SourceId, Span};

/// A word of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellWord {
    /// The text without quotes. Variables stand as they are written: `$X`, `${X:-y}`.
    pub text: String,
    /// Where it is.
    pub span: Span,
    /// A part of it is the output of a command, or a pattern of file names.
    pub unknown: bool,
    /// It is, or contains, text in single quotes with `$`, which stands for itself.
    pub literal: bool,
}

/// Splits a text into commands at `;`, `&`, `|` and line ends, and each into words. Comments and redirections are left out, lines that end in
/// `\` go on. `offset` is where the text stands in its file.
#[must_use]
pub fn commands(source: SourceId, text: &str, offset: usize) -> Vec<Vec<ShellWord>> {
    let mut splitter = Splitter {
        source,
        text,
        offset,
        at: 0,
        documents: Vec::new(),
    };
    let mut all = Vec::new();
    let mut words = Vec::new();
    while let Some(token) = splitter.token() {
        match token {
            Token::Word(word) => words.push(word),
            Token::Redirection => {
                // Its target is no word of the command.
                let before = splitter.at;
                if !matches!(splitter.token(), Some(Token::Word(_))) {
                    splitter.at = before;
                }
            }
            Token::End => {
                if !words.is_empty() {
                    all.push(std::mem::take(&mut words));
                }
            }
        }
    }
    if !words.is_empty() {
        all.push(words);
    }
    all
}

/// The words of one command, for a format that has the command as one text. Operators are words like others.
#[must_use]
pub fn words(source: SourceId, text: &str, offset: usize) -> Vec<ShellWord> {
    let mut splitter = Splitter {
        source,
        text,
        offset,
        at: 0,
        documents: Vec::new(),
    };
    let mut all = Vec::new();
    loop {
        splitter.blanks();
        if splitter.at >= text.len() {
            return all;
        }
        let before = splitter.at;
        all.push(splitter.word(true));
        if splitter.at == before {
            return all;
        }
    }
}

enum Token {
    Word(ShellWord),
    Redirection,
    End,
}

struct Splitter<'t> {
    source: SourceId,
    text: &'t str,
    offset: usize,
    at: usize,
    /// The end marks of here-documents that begin after this line.
    documents: Vec<String>,
}

impl Splitter<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn blanks(&mut self) {
        loop {
            if self.rest().starts_with("\\\n") {
                self.at += 2;
            } else if self.rest().starts_with("\\\r\n") {
                self.at += 3;
            } else if let Some(c @ (' ' | '\t' | '\r')) = self.peek() {
                self.at += c.len_utf8();
            } else {
                return;
            }
        }
    }

    fn token(&mut self) -> Option<Token> {
        self.blanks();
        let c = self.peek()?;
        match c {
            '#' => {
                self.at = self.rest().find('\n').map_or(self.text.len(), |length| self.at + length);
                self.token()
            }
            '\n' | ';' | '&' | '|' | '(' | ')' => {
                if self.rest().starts_with("&>") {
                    self.at += 2;
                    return Some(Token::Redirection);
                }
                self.at += 1;
                if c == '\n' {
                    self.skip_documents();
                }
                Some(Token::End)
            }
            '<' if self.rest().starts_with("<<") && !self.rest().starts_with("<<<") => {
                self.at += 2;
                if self.peek() == Some('-') {
                    self.at += 1;
                }
                self.blanks();
                let mark = self.word(false).text;
                if !mark.is_empty() {
                    self.documents.push(mark);
                }
                self.token()
            }
            '<' | '>' => {
                while matches!(self.peek(), Some('<' | '>' | '&' | '|' | '-')) {
                    self.at += 1;
                }
                Some(Token::Redirection)
            }
            _ => {
                let word = self.word(false);
                // The number of a file in `2>&1`.
                if word.text.bytes().all(|b| b.is_ascii_digit()) && matches!(self.peek(), Some('<' | '>')) {
                    return self.token();
                }
                Some(Token::Word(word))
            }
        }
    }

    /// Goes behind the here-documents that begin on this line.
    fn skip_documents(&mut self) {
        for mark in std::mem::take(&mut self.documents) {
            while self.at < self.text.len() {
                let end = self.rest().find('\n').map_or(self.text.len(), |length| self.at + length);
                let is_mark = self.text[self.at..end].trim() == mark;
                self.at = (end + 1).min(self.text.len());
                if is_mark {
                    break;
                }
            }
        }
    }

    /// Reads a word. With `plain`, operators are letters like others, and a line end separates words.
    fn word(&mut self, plain: bool) -> ShellWord {
        let start = self.at;
        let mut word = ShellWord {
            text: String::new(),
            span: Span::new(self.source, self.offset + start, self.offset + start),
            unknown: false,
            literal: false,
        };
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\r' | '\n' => break,
                ';' | '&' | '|' | '(' | ')' | '<' | '>' if !plain => break,
                '\\' => {
                    self.at += 1;
                    match self.peek() {
                        Some('\n') => self.at += 1,
                        Some(next) => {
                            word.text.push(next);
                            self.at += next.len_utf8();
                        }
                        None => word.text.push('\\'),
                    }
                }
                '\'' => {
                    let inner = &self.text[self.at + 1..];
                    let length = inner.find('\'').unwrap_or(inner.len());
                    word.literal |= inner[..length].contains('$');
                    word.text.push_str(&inner[..length]);
                    self.at = (self.at + length + 2).min(self.text.len());
                }
                '"' => self.double_quoted(&mut word),
                '$' => self.dollar(&mut word),
                '`' => {
                    word.unknown = true;
                    let inner = &self.text[self.at + 1..];
                    let length = inner.find('`').unwrap_or(inner.len());
                    self.at = (self.at + length + 2).min(self.text.len());
                }
                _ => {
                    word.text.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
        word.span = Span::new(self.source, self.offset + start, self.offset + self.at);
        word
    }

    fn double_quoted(&mut self, word: &mut ShellWord) {
        self.at += 1;
        while let Some(c) = self.peek() {
            match c {
                '"' => {
                    self.at += 1;
                    return;
                }
                '\\' => {
                    self.at += 1;
                    match self.peek() {
                        Some('\n') => self.at += 1,
                        Some(next @ ('"' | '\\' | '$' | '`')) => {
                            word.text.push(next);
                            self.at += 1;
                        }
                        _ => word.text.push('\\'),
                    }
                }
                '$' => self.dollar(word),
                '`' => {
                    word.unknown = true;
                    let inner = &self.text[self.at + 1..];
                    let length = inner.find('`').unwrap_or(inner.len());
                    self.at = (self.at + length + 2).min(self.text.len());
                }
                _ => {
                    word.text.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
    }

    /// `$(…)` is the output of a command; `${…}` is taken as it is written, to its closing brace.
    fn dollar(&mut self, word: &mut ShellWord) {
        let rest = self.rest();
        let (open, close) = match rest.as_bytes().get(1) {
            Some(b'(') => ('(', ')'),
            Some(b'{') => ('{', '}'),
            _ => {
                word.text.push('$');
                self.at += 1;
                return;
            }
        };
        let mut depth = 0_usize;
        let mut length = rest.len();
        for (at, c) in rest.char_indices().skip(1) {
            if c == open {
                depth += 1;
            } else if c == close {
                depth -= 1;
                if depth == 0 {
                    length = at + 1;
                    break;
                }
            }
        }
        if open == '(' {
            word.unknown = true;
        } else {
            let text = &self.text[self.at..self.at + length];
            word.text.push_str(text);
        }
        self.at += length;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::Sources;

    fn split(text: &str) -> Vec<Vec<String>> {
        let mut sources = Sources::default();
        let id = sources.add("x.sh", text);
        commands(id, text, 0)
            .into_iter()
            .map(|all| all.into_iter().map(|word| word.text).collect())
            .collect()
    }

    #[test]
    fn commands_are_split_as_a_shell_does() {
        assert_eq!(
            split("#!/bin/sh\nA=1 vllm serve x \\\n  --host 0.0.0.0 # all\necho 'a b' \"c $D\" >log 2>&1 && x; y|z &\n"),
            [
                vec!["A=1", "vllm", "serve", "x", "--host", "0.0.0.0"],
                vec!["echo", "a b", "c $D"],
                vec!["x"],
                vec!["y"],
                vec!["z"],
            ]
        );
        assert_eq!(
            split("docker run -p \"${IP:-0.0.0.0}:80:80\" x"),
            [["docker", "run", "-p", "${IP:-0.0.0.0}:80:80", "x"]]
        );
    }

    #[test]
    fn what_only_a_run_tells_is_unknown() {
        let mut sources = Sources::default();
        let text = "x $(cat k) `y` '$z'";
        let id = sources.add("x.sh", text);
        let all = &commands(id, text, 0)[0];
        assert_eq!(all.iter().map(|word| word.unknown).collect::<Vec<_>>(), [false, true, true, false]);
        assert!(all[3].literal);
        assert_eq!(sources.slice(all[1].span), "$(cat k)");
    }

    proptest! {
        #[test]
        fn any_text_is_split(text in "[ab='\"\\\\$(){}`;&|<># \n\té-]{0,80}") {
            let mut sources = Sources::default();
            let id = sources.add("x.sh", &text);
            for word in commands(id, &text, 0).into_iter().flatten().chain(words(id, &text, 0)) {
                prop_assert!(word.span.end as usize <= text.len());
            }
        }
    }
}
