//! Lines, and the rows of a CSV.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::Arc;

use super::{Framed, Head, Keep, Unfinished};
use crate::input::Input;

/// The first and the last line that a tool writes: masscan's list and greppable output, nmap's.
const MARKS: [(&[u8], &[u8]); 3] = [
    (b"#masscan", b"# end"),
    (b"# Masscan ", b"# Masscan done"),
    (b"# Nmap ", b"# Nmap done"),
];

/// One record per line; blank lines are skipped.
#[derive(Default)]
pub(crate) struct LineFrames {
    /// Which tool's text began, where its last line did not come yet.
    open: Option<usize>,
    /// Where a text began before the one before it had its last line.
    early: Option<Unfinished>,
    unfinished: Option<Unfinished>,
}

impl LineFrames {
    pub(crate) fn next<R: Read>(&mut self, input: &mut Input<R>, out: &mut Vec<u8>, most: usize) -> Option<Framed> {
        loop {
            let mut keep = Keep::new(out, most);
            let (line, more, fault) = read_line(input, &mut keep);
            if let Some(fault) = fault {
                return Some(Framed::bad(line, fault));
            }
            if keep.bytes().trim_ascii().is_empty() && !keep.over {
                keep.clear();
                if more {
                    continue;
                }
                if let Some(early) = self.early.take() {
                    self.unfinished = Some(early);
                }
                if self.open.is_some() {
                    self.unfinished
                        .get_or_insert_with(|| Unfinished::sure(line, "its tool's last line is missing"));
                }
                return None;
            }
            if keep.bytes().first() == Some(&b'#') {
                self.mark(line, keep.bytes());
            }
            if !more {
                self.unfinished = self.early.take().or_else(|| self.last(line, keep.bytes()));
            }
            return Some(Framed {
                line,
                fault: keep.too_long(),
                open: !more,
            });
        }
    }

    /// Where the text ended too early.
    pub(crate) fn unfinished(&self) -> Option<&Unfinished> {
        self.unfinished.as_ref()
    }

    fn mark(&mut self, number: u64, line: &[u8]) {
        // nmap says so of each run; other comments of its own begin alike.
        let begins = memchr::memmem::find(line, b" scan initiated ").is_some() || line.starts_with(b"#masscan");
        if MARKS.iter().any(|(_, last)| line.starts_with(last)) {
            self.open = None;
        } else if let Some(tool) = MARKS.iter().position(|(first, _)| line.starts_with(first)) {
            if begins && self.open.is_some() {
                let why = "a run ends before its tool's last line, and another one begins";
                self.early.get_or_insert_with(|| Unfinished::sure(number, why));
            }
            self.open = Some(tool);
        }
    }

    /// What a last line without a line's end says: an object that is whole is nothing less, any other text may go on.
    fn last(&self, line: u64, text: &[u8]) -> Option<Unfinished> {
        let text = text.trim_ascii();
        if self.open.is_some() {
            return Some(Unfinished::sure(line, "its tool's last line is missing"));
        }
        match text.first() {
            Some(b'{' | b'[') if super::json::is_whole(text) => None,
            Some(b'{' | b'[') => Some(Unfinished::sure(line, "it ends inside a line")),
            _ => Some(Unfinished {
                line,
                reason: "its last line has no end and may be a part of one".to_owned(),
                certain: false,
            }),
        }
    }
}

/// Reads a line without its end; says where it stands, whether more may follow, and why it broke off.
fn read_line<R: Read>(input: &mut Input<R>, keep: &mut Keep<'_>) -> (u64, bool, Option<String>) {
    let line = input.line();
    loop {
        let chunk = input.fill();
        if chunk.is_empty() {
            return (line, false, input.take_fault());
        }
        match memchr::memchr(b'\n', chunk) {
            Some(at) => {
                let text = &chunk[..at];
                keep.push(text.strip_suffix(b"\r").unwrap_or(text));
                input.consume(at + 1);
                return (line, true, None);
            }
            None => {
                keep.push(chunk);
                let bytes = chunk.len();
                input.consume(bytes);
            }
        }
    }
}

/// The most lines that one row may run over, for pages and certificates stand in cells. A quote that nothing closes must not swallow the rest of
/// the file.
const MAX_ROW_LINES: usize = 512;

/// Rows after a header; a quoted cell may run over several lines.
#[derive(Default)]
pub(crate) struct CsvFrames {
    headed: bool,
    /// Where the text ended inside a cell.
    cut: Option<Unfinished>,
    waiting: VecDeque<(Framed, Vec<u8>)>,
    lines: LineFrames,
}

impl CsvFrames {
    pub(crate) fn next<R: Read>(&mut self, input: &mut Input<R>, out: &mut Vec<u8>, head: &mut Arc<Head>, most: usize) -> Option<Framed> {
        loop {
            let start = out.len();
            let framed = self.row(input, out, head, most)?;
            if framed.fault.is_some() {
                return Some(framed);
            }
            let row = out.get(start..).unwrap_or_default();
            // A file that was put together of several has a header for each.
            let named: Vec<String> = if self.headed && !begins_with(row, first_column(head)) {
                return Some(framed);
            } else {
                split_row(row).iter().map(|cell| cell.trim().to_ascii_lowercase()).collect()
            };
            // That of another report may have more columns, and names those that a record cannot do without.
            let has = |name: &str| named.iter().any(|have| have == name);
            if self.headed && named.len() != head.columns.len() && !(has("ip") && has("port")) && !has("saddr") {
                return Some(framed);
            }
            if self.headed && named.iter().any(|name| name.parse::<std::net::IpAddr>().is_ok()) {
                return Some(framed);
            }
            *head = Arc::new(Head {
                columns: named,
                run: Vec::new(),
            });
            self.headed = true;
            out.truncate(start);
        }
    }

    fn row<R: Read>(&mut self, input: &mut Input<R>, out: &mut Vec<u8>, head: &Head, most: usize) -> Option<Framed> {
        let start = out.len();
        let framed = self.line(input, out, most)?;
        if framed.fault.is_some() || !open_quote(out.get(start..).unwrap_or_default()) {
            return Some(framed);
        }
        let first = out.len();
        let columns = head.columns.len();
        let mut over = false;
        // The lines that follow are kept until the quote is closed; if it never is, they are rows of their own.
        let mut taken: Vec<(Framed, Vec<u8>)> = Vec::new();
        let mut open = true;
        while taken.len() < MAX_ROW_LINES && out.len() - start < most {
            let mut next = Vec::new();
            let Some(more) = self.line(input, &mut next, most) else {
                over = true;
                break;
            };
            let (broken, ended) = (more.fault.is_some(), more.open);
            open ^= open_quote(&next);
            out.push(b'\n');
            out.extend_from_slice(&next);
            taken.push((more, next));
            if broken {
                break;
            }
            if !open {
                return Some(Framed { open: ended, ..framed });
            }
        }
        out.truncate(first);
        over |= taken.last().map_or(framed.open, |(last, _)| last.open);
        // A quote too many in the middle of a file is followed by rows.
        let row = |(_, bytes): &(Framed, Vec<u8>)| columns > 1 && split_row(bytes).len() == columns;
        if over && !taken.iter().any(row) {
            self.cut = Some(Unfinished::sure(framed.line, "it ends inside a quoted cell"));
        }
        for line in taken.into_iter().rev() {
            self.waiting.push_front(line);
        }
        Some(Framed {
            fault: Some("a quote in this row is never closed".to_owned()),
            ..framed
        })
    }

    fn line<R: Read>(&mut self, input: &mut Input<R>, out: &mut Vec<u8>, most: usize) -> Option<Framed> {
        if let Some((framed, bytes)) = self.waiting.pop_front() {
            out.extend_from_slice(&bytes);
            return Some(framed);
        }
        self.lines.next(input, out, most)
    }

    /// Where the text ended too early.
    pub(crate) fn unfinished(&self) -> Option<&Unfinished> {
        self.cut.as_ref().or_else(|| self.lines.unfinished())
    }
}

fn first_column(head: &Head) -> &str {
    head.columns.first().map_or("\u{0}", String::as_str)
}

/// Whether a row's first cell begins with a column's name, which it may quote.
fn begins_with(row: &[u8], column: &str) -> bool {
    let row = row.strip_prefix(b"\"").unwrap_or(row);
    row.get(..column.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(column.as_bytes()))
}

fn open_quote(row: &[u8]) -> bool {
    memchr::memchr_iter(b'"', row).count() % 2 == 1
}

/// The names in the first row of a text that is no comment, in lower case.
pub(crate) fn head_columns(head: &[u8]) -> Vec<String> {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(b"#")).unwrap_or_default();
    split_row(first).iter().map(|cell| cell.trim().to_ascii_lowercase()).collect()
}

/// The cells of a row: RFC 4180, a doubled quote inside quotes is one.
pub(crate) fn split_row(row: &[u8]) -> Vec<String> {
    let mut cells = Vec::new();
    let mut cell: Vec<u8> = Vec::new();
    let mut quoted = false;
    let mut bytes = row.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if quoted && bytes.peek() == Some(&b'"') => {
                bytes.next();
                cell.push(b'"');
            }
            b'"' if quoted || cell.is_empty() => quoted = !quoted,
            b',' if !quoted => cells.push(String::from_utf8_lossy(&std::mem::take(&mut cell)).into_owned()),
            other => cell.push(other),
        }
    }
    cells.push(String::from_utf8_lossy(&cell).into_owned());
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unclosed_quote_affects_only_its_row() {
        let text = "ip,port\n1,\"a\n2,b\n3,\"c\nd\"\n";
        let mut input = Input::new(text.as_bytes()).expect("a slice reads");
        let (mut frames, mut head) = (CsvFrames::default(), Arc::default());
        let (mut all, mut out) = (Vec::new(), Vec::new());
        while let Some(framed) = frames.next(&mut input, &mut out, &mut head, 1_000) {
            let text = String::from_utf8_lossy(&out).into_owned();
            all.push((framed.line, framed.fault.is_none(), text));
            out.clear();
        }
        // The first quote is closed by the one of row 3, whose own then opens.
        assert_eq!(head.columns, ["ip", "port"]);
        assert_eq!(all.last(), Some(&(5, false, "d\"".to_owned())));
        assert_eq!(all.len(), 2, "{all:?}");
        let one = "ip,port\n1,\"a\n2,b\n";
        let mut input = Input::new(one.as_bytes()).expect("a slice reads");
        let mut frames = CsvFrames::default();
        out.clear();
        assert!(
            frames
                .next(&mut input, &mut out, &mut head, 1_000)
                .is_some_and(|framed| framed.fault.is_some())
        );
        out.clear();
        assert!(
            frames
                .next(&mut input, &mut out, &mut head, 1_000)
                .is_some_and(|framed| framed.fault.is_none())
        );
        assert_eq!(out, b"2,b");
    }

    #[test]
    fn rows_are_split() {
        assert_eq!(split_row(br#"a,"b,""c""",,d"#), ["a", "b,\"c\"", "", "d"]);
        assert_eq!(split_row(b""), [""]);
        assert_eq!(split_row(br#"a"b,c"#), ["a\"b", "c"]);
    }
}
