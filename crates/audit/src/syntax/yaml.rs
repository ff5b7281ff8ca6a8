//! YAML, and JSON, which is a part of it.

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle};

use super::tree::{Entry, Kind, Node, Scalar};
use crate::source::{Located, SourceId, Span};

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 100;

/// Most entries that merge keys (`<<`) may add to the mappings of one file.
const MAX_MERGED: usize = 100_000;

/// A text that is no YAML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct YamlError {
    /// Where.
    pub span: Span,
    /// What is wrong.
    pub message: String,
}

/// The documents of a file that could be read, and what is wrong with those that could not.
#[derive(Debug, Default)]
pub struct Documents {
    /// The documents, in the order of the file. Empty documents are left out.
    pub documents: Vec<Arc<Node>>,
    /// The errors.
    pub errors: Vec<YamlError>,
}

/// Reads all documents of a text. A document with an error is left out, and the next one is read.
#[must_use]
pub fn read(source: SourceId, text: &str) -> Documents {
    let mut reader = Reader {
        source,
        text,
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        merged: 0,
    };
    let mut read = Documents::default();
    loop {
        match reader.document() {
            Ok(Some(node)) if node.is_null() => {}
            Ok(Some(node)) => read.documents.push(node),
            Ok(None) => return read,
            Err(error) => {
                read.errors.push(error);
                if !matches!(reader.parser.proceed_next_document(), Ok(true)) {
                    return read;
                }
            }
        }
    }
}

struct Reader<'t> {
    source: SourceId,
    text: &'t str,
    parser: Parser<'t, granit_parser::StrInput<'t>>,
    /// Nodes by the number of their anchor; `None` while the node is read.
    anchors: HashMap<usize, Arc<Node>>,
    merged: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, YamlError> {
        loop {
            match self.parser.next_event() {
                None => return Ok(None),
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok((event, span))) => return Ok(Some((event, self.span(span)))),
                Some(Err(error)) => {
                    let at = error.marker().byte_offset().unwrap_or(0);
                    return Err(YamlError {
                        span: Span::new(self.source, at, at),
                        message: error.info().to_string(),
                    });
                }
            }
        }
    }

    fn span(&self, span: granit_parser::Span) -> Span {
        let start = span.start.byte_offset().unwrap_or(0);
        let end = span.end.byte_offset().unwrap_or(start).min(self.text.len());
        // A block ends where the next token starts; the text in between is blank.
        let end = start + self.text.get(start..end).map_or(0, |text| text.trim_end().len());
        Span::new(self.source, start, end)
    }

    fn document(&mut self) -> Result<Option<Arc<Node>>, YamlError> {
        loop {
            match self.next()? {
                None | Some((Event::StreamEnd, _)) => return Ok(None),
                Some((Event::DocumentStart(..), _)) => self.anchors.clear(),
                Some((Event::StreamStart | Event::DocumentEnd, _)) => {}
                Some((event, span)) => return self.node(event, span, 0).map(Some),
            }
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Arc<Node>, YamlError> {
        if depth > MAX_DEPTH {
            return Err(YamlError {
                span,
                message: format!("it is nested more than {MAX_DEPTH} deep"),
            });
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let quoted = style != ScalarStyle::Plain;
                let kind = if !quoted && matches!(&*text, "" | "~" | "null" | "Null" | "NULL") {
                    Kind::Null
                } else {
                    Kind::Scalar(Scalar { text: text.into(), quoted })
                };
                Ok(self.keep(
                    anchor,
                    Node {
                        span,
                        tag: word(tag),
                        kind,
                    },
                ))
            }
            Event::SequenceStart(_, anchor, tag) => {
                let mut items = Vec::new();
                let end = loop {
                    match self.inside(span)? {
                        (Event::SequenceEnd, at) => break at,
                        (event, at) => items.push(self.node(event, at, depth + 1)?),
                    }
                };
                let span = self.until(span, end, items.last().map(|item| item.span));
                let kind = Kind::List(items);
                Ok(self.keep(
                    anchor,
                    Node {
                        span,
                        tag: word(tag),
                        kind,
                    },
                ))
            }
            Event::MappingStart(_, anchor, tag) => {
                let mut entries = Vec::new();
                let mut merges = Vec::new();
                let end = loop {
                    let (event, at) = match self.inside(span)? {
                        (Event::MappingEnd, at) => break at,
                        key => key,
                    };
                    let key = self.node(event, at, depth + 1)?;
                    let (event, at) = self.inside(span)?;
                    let value = self.node(event, at, depth + 1)?;
                    match &key.kind {
                        Kind::Scalar(scalar) if &*scalar.text == "<<" && !scalar.quoted => merges.push(value),
                        Kind::Scalar(scalar) => entries.push(Entry {
                            key: Located::new(scalar.text.clone(), key.span),
                            value,
                        }),
                        // A key that is empty, a list or a mapping names nothing that any of these formats has.
                        Kind::Null | Kind::List(_) | Kind::Map(_) => {}
                    }
                };
                let last = entries.last().map(|entry: &Entry| entry.value.span);
                self.merge(&mut entries, &merges, span)?;
                let span = self.until(span, end, last);
                let kind = Kind::Map(entries);
                Ok(self.keep(
                    anchor,
                    Node {
                        span,
                        tag: word(tag),
                        kind,
                    },
                ))
            }
            Event::Alias(id) => self.anchors.get(&id).cloned().ok_or_else(|| YamlError {
                span,
                message: "the alias stands within the node that it repeats".to_owned(),
            }),
            _ => Err(YamlError {
                span,
                message: "a value was expected here".to_owned(),
            }),
        }
    }

    /// The next event of a list or mapping that is not at its end.
    fn inside(&mut self, start: Span) -> Result<(Event<'t>, Span), YamlError> {
        self.next()?.ok_or_else(|| YamlError {
            span: start,
            message: "the file ends within this list or mapping".to_owned(),
        })
    }

    fn keep(&mut self, anchor: usize, node: Node) -> Arc<Node> {
        let node = Arc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        node
    }

    /// The span of a list or mapping: to its closing bracket, or to the end of its last value.
    fn until(&self, start: Span, end: Span, last: Option<Span>) -> Span {
        let bracket = matches!(self.text.as_bytes().get(end.start as usize), Some(b']' | b'}'));
        let end = match last {
            _ if bracket => end.start + 1,
            // An alias lies elsewhere.
            Some(last) if last.end >= start.start && last.end <= end.start => last.end,
            _ => start.end,
        };
        Span {
            end: end.max(start.start),
            ..start
        }
    }

    /// Adds what merge keys bring; keys of the mapping itself count more, and of several merged mappings the first.
    fn merge(&mut self, entries: &mut Vec<Entry>, merges: &[Arc<Node>], span: Span) -> Result<(), YamlError> {
        for merge in merges {
            let one = std::slice::from_ref(merge);
            let mappings = if merge.is_map() { one } else { merge.items() };
            for mapping in mappings {
                for entry in mapping.entries() {
                    self.merged += 1;
                    if self.merged > MAX_MERGED {
                        return Err(YamlError {
                            span,
                            message: format!("merge keys add more than {MAX_MERGED} entries"),
                        });
                    }
                    if !entries.iter().any(|own| own.key.value == entry.key.value) {
                        entries.push(entry.clone());
                    }
                }
            }
        }
        Ok(())
    }
}

fn word(tag: Option<std::borrow::Cow<'_, granit_parser::Tag>>) -> Option<Box<str>> {
    tag.filter(|tag| tag.handle() == "!").map(|tag| format!("!{}", tag.suffix()).into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::Sources;

    fn one(text: &str) -> (Sources, Arc<Node>) {
        let mut sources = Sources::default();
        let id = sources.add("a.yaml", text);
        let read = read(id, text);
        assert_eq!(read.errors, []);
        (sources, Arc::clone(&read.documents[0]))
    }

    #[test]
    fn values_have_their_places() {
        let (sources, node) =
            one("services:\n  ollama:\n    ports:\n      - \"11434:11434\"\n      - 80:80 # web\n    environment: {A: 1}\n");
        let ports = node.at(&["services", "ollama", "ports"]).expect("ports");
        let lines: Vec<u32> = ports.items().iter().map(|item| sources.position(item.span).line).collect();
        assert_eq!(lines, [4, 5]);
        assert_eq!(sources.slice(ports.items()[0].span), "\"11434:11434\"");
        assert_eq!(ports.items()[0].text(), Some("11434:11434"));
        assert_eq!(ports.items()[1].text(), Some("80:80"));
        assert_eq!(sources.slice(ports.span), "- \"11434:11434\"\n      - 80:80");
        let entry = node
            .at(&["services", "ollama"])
            .and_then(|node| node.entry("environment"))
            .expect("an entry");
        assert_eq!(sources.slice(entry.span()), "environment: {A: 1}");
    }

    #[test]
    fn own_keys_count_more_than_merged_ones_and_aliases_are_shared() {
        let (sources, node) = one("base: &b\n  x: 1\n  y: 2\nnext: &n {y: 3, z: 4}\nuse:\n  <<: [*b, *n]\n  x: 9\n");
        let used = node.get("use").expect("use");
        let values: Vec<(&str, &str)> = used
            .entries()
            .iter()
            .map(|e| (&*e.key.value, e.value.text().unwrap_or("?")))
            .collect();
        assert_eq!(values, [("x", "9"), ("y", "2"), ("z", "4")]);
        assert_eq!(sources.position(used.get("y").expect("y").span).line, 3);
    }

    #[test]
    fn tags_and_several_documents() {
        let mut sources = Sources::default();
        let text = "ports: !override\n  - 1\n---\n# nothing\n---\nb: [\n---\nc: !reset null\n";
        let id = sources.add("a.yaml", text);
        let read = read(id, text);
        assert_eq!(read.documents.len(), 2, "{read:?}");
        assert_eq!(read.documents[0].get("ports").expect("ports").tag.as_deref(), Some("!override"));
        assert_eq!(read.documents[1].get("c").expect("c").tag.as_deref(), Some("!reset"));
        assert_eq!(read.errors.len(), 1);
        assert!(sources.position(read.errors[0].span).line >= 6);
    }

    #[test]
    fn a_file_made_to_grow_stays_small() {
        let mut text = "a0: &a0 {k: v}\n".to_owned();
        for at in 1..60 {
            let before = at - 1;
            text.push_str(&format!("a{at}: &a{at} [*a{before}, *a{before}, *a{before}, *a{before}]\n"));
        }
        let (_, node) = one(&text);
        assert_eq!(node.entries().len(), 60);
        let deep = "[".repeat(5_000);
        let mut sources = Sources::default();
        let id = sources.add("a.yaml", &deep);
        assert_eq!(read(id, &deep).errors.len(), 1);
    }

    #[test]
    fn json_is_read() {
        let (sources, node) = one("{\n\t\"a\": [1, true, null],\n\t\"b\": \"x\\ny\"\n}\n");
        assert_eq!(
            node.get("b").and_then(|node| node.text().map(str::to_owned)),
            Some("x\ny".to_owned())
        );
        assert!(node.get("a").expect("a").items()[2].is_null());
        assert_eq!(sources.position(node.get("b").expect("b").span).line, 3);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-z:{}\\[\\]&*!|>\\-'\"#\n ,<é]{0,200}") {
            let mut sources = Sources::default();
            let id = sources.add("a.yaml", &text);
            for document in read(id, &text).documents {
                prop_assert!(document.span.end as usize <= text.len());
                let _ = sources.position(document.span);
            }
        }
    }
}
