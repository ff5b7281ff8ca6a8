//! A table as CSV (RFC 4180): unknown is empty.

use serde_json::Value;

use crate::AnswerRows;

pub(super) fn table(rows: &AnswerRows) -> String {
    let mut out = String::new();
    line(&mut out, rows.columns.iter().map(|name| field(name)));
    for row in &rows.rows {
        line(
            &mut out,
            row.iter().map(|value| match value {
                Value::Null => String::new(),
                Value::String(text) => field(text),
                other => other.to_string(),
            }),
        );
    }
    out
}

fn line(out: &mut String, fields: impl Iterator<Item = String>) {
    out.push_str(&fields.collect::<Vec<_>>().join(","));
    out.push_str("\r\n");
}

/// First characters that a spreadsheet may take for a formula (OWASP, CSV Injection). The last four are `=`, `+`, `-`, `@` in full width.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// Quotes a field if needed. A text that a spreadsheet would take for a formula gets a leading apostrophe.
fn field(text: &str) -> String {
    let text = if text.starts_with(FORMULA) {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrusted_text_is_no_formula() {
        let rows = AnswerRows {
            columns: vec!["name".into(), "hosts".into()],
            rows: vec![vec!["=cmd|'x'".into(), 1.into()], vec!["a,\"b\"".into(), Value::Null]],
        };
        assert_eq!(table(&rows), "name,hosts\r\n'=cmd|'x',1\r\n\"a,\"\"b\"\"\",\r\n");
        for begins in FORMULA {
            let written = field(&format!("{begins}1"));
            assert!(written.trim_start_matches('"').starts_with(&format!("'{begins}")), "{written:?}");
        }
        assert_eq!(field("\n=1"), "\"'\n=1\"");
        assert_eq!(field("1=1"), "1=1");
    }
}
