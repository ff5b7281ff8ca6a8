//! The lines of nmap's greppable output: what its comments say of the run is kept for the lines that follow.

use std::io::Read;
use std::sync::Arc;

use super::{Framed, Head, LineFrames, Unfinished};
use crate::input::Input;

/// One line per host.
#[derive(Default)]
pub(crate) struct GrepFrames {
    lines: LineFrames,
}

impl GrepFrames {
    /// Where the text ended too early: without nmap's last line, which marks the end of a run.
    pub(crate) fn unfinished(&self) -> Option<&Unfinished> {
        self.lines.unfinished()
    }

    pub(crate) fn next<R: Read>(&mut self, input: &mut Input<R>, out: &mut Vec<u8>, head: &mut Arc<Head>, most: usize) -> Option<Framed> {
        loop {
            let start = out.len();
            let framed = self.lines.next(input, out, most)?;
            let line = out.get(start..).unwrap_or_default();
            if framed.fault.is_some() || !line.starts_with(b"#") {
                return Some(framed);
            }
            if let Some(run) = begun(&String::from_utf8_lossy(line)) {
                *head = Arc::new(Head { columns: Vec::new(), run });
            }
            out.truncate(start);
        }
    }
}

/// What the comment at the head of a run says: `# Nmap 7.93 scan initiated Tue Nov 24 10:00:00 2026 as: nmap -oG …`.
fn begun(line: &str) -> Option<Vec<(String, String)>> {
    let (tool, rest) = line.trim_start_matches('#').trim().split_once(" scan initiated ")?;
    let (started, args) = rest.split_once(" as: ").unwrap_or((rest, ""));
    let version = tool.rsplit(' ').next().unwrap_or_default();
    let named = |name: &str, value: &str| (name.to_owned(), value.trim().to_owned());
    Some(vec![named("version", version), named("started", started), named("args", args)])
}
