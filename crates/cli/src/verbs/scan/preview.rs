//! `vigie scan --dry-run` and `--notice`: what a scan would do.

use std::io::Write;
use std::process::ExitCode;

use vigie_run::scan::{Preview, PreviewedVisit, ScanOptions};

use super::print_note;
use crate::failure::{Done, written};

/// Prints the notice for the operations team, or every visit and request.
pub(super) fn print(options: ScanOptions, notice: bool) -> Done {
    let preview = vigie_run::scan::preview(options)?;
    preview.notes().iter().for_each(|note| print_note(note));
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    written(match notice {
        true => out.write_all(preview.notice().as_bytes()).and_then(|()| out.flush()),
        false => dry_run(&mut out, &preview),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn dry_run(out: &mut impl Write, preview: &Preview) -> std::io::Result<()> {
    for PreviewedVisit { socket, name, prefix } in preview.visits() {
        match (name, prefix) {
            (_, None) => writeln!(out, "{socket}")?,
            (None, Some(prefix)) => writeln!(out, "{socket}{prefix}")?,
            (Some(name), Some(prefix)) => writeln!(out, "{name}{prefix} ({socket})")?,
        }
    }
    for name in preview.names() {
        writeln!(out, "{name} (would be resolved first; its addresses must be in the scope)")?;
    }
    writeln!(out)?;
    let most = preview.most_requests();
    let requests = preview.requests();
    let paths = preview.prefixes();
    let first = paths.iter().flatten().find(|path| preview.asks_root_first(path));
    if paths.contains(&None) {
        writeln!(
            out,
            "To each open port, until it is recognised and never more than {most} requests:"
        )?;
    } else if let Some(path) = first {
        writeln!(
            out,
            "To the root first, because {path} may be a gateway's route to another server, until it is recognised and never more than \
             {most} requests, those under the path included:"
        )?;
    }
    if paths.contains(&None) || first.is_some() {
        for request in &requests {
            writeln!(out, "  {}\n      {}", request.line, request.when)?;
        }
    }
    for path in paths.iter().flatten() {
        let unless = match preview.asks_root_first(path) {
            true => " only if no server that passes it on answers at the root,",
            false => "",
        };
        writeln!(
            out,
            "Under {path},{unless} until it is recognised and never more than {most} requests:"
        )?;
        for request in &requests {
            writeln!(out, "  {}\n      {}", request.line_under(path), request.when)?;
        }
    }
    writeln!(out, "\nNothing was sent, no name was resolved, no socket was opened.")?;
    out.flush()
}
