//! What an import prints: faults on standard error, the report on standard output.

use std::io::Write as _;

use vigie_export::grid::Column;
use vigie_export::text::lines;
use vigie_import::{Bad, BadKind, ChainReport};
use vigie_run::Failure;
use vigie_run::import::{EarlyEnd, ImportCounts, ImportEvent, Imported, ImportedFile};

use crate::args::TableOrJson;
use crate::failure::{print_json, written};

/// Prints an event that is a fault of a file.
pub(super) fn fault(event: &ImportEvent<'_>) {
    let text = match event {
        ImportEvent::MacFilesLeftOut { archive, count } => format!("{archive}: {count} files of macOS's own are left out"),
        ImportEvent::Warning { file, text } => format!("warning: {file}: {text}"),
        ImportEvent::Failed { file, reason } => format!("{file}: {reason}"),
        ImportEvent::Unfinished { file, end } => unfinished(file, end),
        ImportEvent::ChainBroken { file, chain } => broken(file, chain),
        ImportEvent::NoRecord { file } => {
            format!("note: {file}: there is no record in it; if the tool found something, look whether it ended well")
        }
        ImportEvent::OnlyBad { file, first, errors } => {
            let each = errors
                .map(|errors| format!("; {} lists each", errors.display()))
                .unwrap_or_default();
            format!("{}{each}", only_bad(file, first))
        }
        ImportEvent::Begun | ImportEvent::FileBegun { .. } | ImportEvent::Progress { .. } | ImportEvent::FileEnded => return,
    };
    anstream::eprintln!("vigie: {}", lines(&text));
}

fn unfinished(file: &str, end: &EarlyEnd) -> String {
    let EarlyEnd { line, reason, certain } = end;
    let what = if *certain {
        "the file is unfinished: what stands before is imported"
    } else {
        "the file may be unfinished"
    };
    format!("{file}: {reason} (line {line}); {what}")
}

/// The most breaks of a chain that are printed; the report in JSON has up to a hundred.
const MOST_BREAKS: usize = 5;

fn broken(file: &str, chain: &ChainReport) -> String {
    let mut text = format!(
        "{file}: the chain of the log breaks {} times; its entries are imported all the same",
        chain.broken
    );
    for one in chain.breaks.iter().take(MOST_BREAKS) {
        text.push_str(&format!("\n  line {}: {}", one.line, one.detail));
    }
    if chain.broken > MOST_BREAKS as u64 {
        text.push_str("\n  …");
    }
    text
}

/// What is wrong with a file of which no record could be imported, and what to do.
fn only_bad(file: &ImportedFile, first: &Bad) -> String {
    let reason = &first.reason;
    let next = match first.kind {
        BadKind::MissingTime => "give it with --seen TIME, or --seen file for the file's own",
        BadKind::MissingGateway => "name it with --gateway NAME, or give its public key with --public-key FILE",
        BadKind::MissingPort => "give it with --port PORT",
        _ => "if another tool wrote it, name that one with --from",
    };
    let (line, format) = (first.line, file.format.unwrap_or("?"));
    match file.bad {
        1 => format!(
            "{}: nothing was taken: 1 record, read as {format}, is bad (line {line}): {reason}; {next}",
            file.file
        ),
        bad => format!(
            "{}: nothing was taken: {bad} records, read as {format}, are bad; the first (line {line}): {reason}; {next}",
            file.file
        ),
    }
}

/// Prints the report.
pub(super) fn report(imported: &Imported, format: TableOrJson) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    if format == TableOrJson::Json {
        return print_json(&mut out, imported);
    }
    let rows: Vec<Vec<String>> = imported.files.iter().map(row).collect();
    let head = [
        Column::Token("file"),
        Column::Token("format"),
        Column::Token("new"),
        Column::Token("duplicates"),
        Column::Token("bad"),
        Column::Text("passed over"),
    ];
    written(writeln!(
        out,
        "{}",
        vigie_export::grid::grid(&head, &rows, crate::terminal::width())
    ))?;
    if let Some(errors) = &imported.errors {
        written(writeln!(
            out,
            "Bad records, each with its line and the reason: {}",
            errors.display()
        ))?;
    }
    Ok(())
}

fn row(file: &ImportedFile) -> Vec<String> {
    vec![
        file.file.clone(),
        if file.failed.is_some() {
            "failed".to_owned()
        } else {
            let format = file.format.unwrap_or("?");
            if file.is_unfinished() {
                format!("{format}, unfinished")
            } else {
                format.to_owned()
            }
        },
        file.added.to_string(),
        file.duplicates.to_string(),
        file.bad.to_string(),
        passed_over(file.counts()),
    ]
}

/// The counts of what was passed over; empty if nothing was.
fn passed_over(counts: ImportCounts) -> String {
    let passed: Vec<String> = [
        (counts.not_open, "not open"),
        (counts.not_tcp, "not TCP"),
        (counts.host_discovery, "without a port (host discovery)"),
        (counts.not_recognised, "not recognised"),
        (counts.gateway_events, "about the gateway"),
        (counts.erased, "erased since"),
        (counts.differing, "differing from the lake"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    passed.join(", ")
}
