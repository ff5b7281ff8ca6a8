//! Sections with keys and values, as systemd reads them: units, drop-ins, quadlets.

use crate::source::{Located, SourceId, Span};

/// A key with its value in a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The section's name.
    pub section: String,
    /// The key.
    pub key: Located<String>,
    /// The value; lines that `\` joins are one, with a blank in place of each join.
    pub value: Located<String>,
}

/// Reads a text. Lines that are neither a section nor a key with a value are left out, as systemd does with a warning.
#[must_use]
pub fn read(source: SourceId, text: &str) -> Vec<Item> {
    let mut all = Vec::new();
    let mut section = String::new();
    let mut at = 0;
    while at < text.len() {
        let start = at;
        let mut end = line_end(text, at);
        at = end + 1;
        let line = text[start..end].trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name.clone_into(&mut section);
            continue;
        }
        // A line that ends in a backslash goes on; comments in between are left out.
        let mut goes_on = line.ends_with('\\');
        while goes_on && at < text.len() {
            let next = at;
            end = line_end(text, at);
            at = end + 1;
            let line = text[next..end].trim();
            goes_on = line.starts_with(['#', ';']) || line.ends_with('\\');
        }
        let whole = &text[start..end];
        let Some(equals) = whole.find('=') else { continue };
        let key = whole[..equals].trim();
        let key_at = start + whole.find(key).unwrap_or(0);
        let raw = &whole[equals + 1..];
        let value_at = start + equals + 1 + (raw.len() - raw.trim_start().len());
        let trimmed = raw.trim();
        all.push(Item {
            section: section.clone(),
            key: Located::new(key.to_owned(), Span::new(source, key_at, key_at + key.len())),
            value: Located::new(join(trimmed), Span::new(source, value_at, value_at + trimmed.len())),
        });
    }
    all
}

fn line_end(text: &str, from: usize) -> usize {
    text[from..].find('\n').map_or(text.len(), |length| from + length)
}

/// Puts a blank in place of each join and of each comment in between. The length stays, so that places within the value hold.
fn join(value: &str) -> String {
    if !value.contains('\n') {
        return value.to_owned();
    }
    let mut joined = String::with_capacity(value.len());
    for (number, line) in value.split_inclusive('\n').enumerate() {
        let is_comment = number > 0 && line.trim_start().starts_with(['#', ';']);
        let ends_in_join = line.trim_end().ends_with('\\');
        let backslash = if ends_in_join { line.rfind('\\') } else { None };
        for (at, c) in line.char_indices() {
            if is_comment || c == '\n' || c == '\r' || Some(at) == backslash {
                joined.extend(std::iter::repeat_n(' ', c.len_utf8()));
            } else {
                joined.push(c);
            }
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::Sources;

    #[test]
    fn a_unit_is_read() {
        let text = "[Unit]\n# ExecStart=x\nDescription = a b \n\n[Service]\nExecStart=/bin/x \\\n  --host 0.0.0.0 \\\n# no\n  --port 1\nEnvironment=\nbroken\n";
        let mut sources = Sources::default();
        let id = sources.add("x.service", text);
        let read = read(id, text);
        let found: Vec<(&str, &str, String)> = read
            .iter()
            .map(|item| {
                let words = item.value.value.split_whitespace().collect::<Vec<_>>().join(" ");
                (item.section.as_str(), item.key.text(), words)
            })
            .collect();
        assert_eq!(
            found,
            [
                ("Unit", "Description", "a b".to_owned()),
                ("Service", "ExecStart", "/bin/x --host 0.0.0.0 --port 1".to_owned()),
                ("Service", "Environment", String::new()),
            ]
        );
        let at = read[1].value.value.find("0.0.0.0").expect("the address");
        assert_eq!(sources.position(read[1].value.span.part(at, at + 7)).line, 7);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[A=#;\\[\\]\\\\ \n\r\té]{0,80}") {
            let mut sources = Sources::default();
            let id = sources.add("x.service", &text);
            for item in read(id, &text) {
                prop_assert_eq!(item.value.value.len(), sources.slice(item.value.span).len());
            }
        }
    }
}
