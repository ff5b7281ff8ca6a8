//! `vigie scan`.

mod args;
mod output;
mod preview;

use std::process::ExitCode;

use vigie_export::Format;
use vigie_model::Observation;
use vigie_run::scan::{Ended, Event, NothingToScan, Prepared, Ready, ScanOptions};
use vigie_run::write_whole;

use self::output::Reports;
use crate::failure::{Done, exit};
use crate::interrupts::Interrupts;
use crate::progress::Shown;

pub(crate) use args::ScanArgs;
pub(crate) use output::Output;

pub(crate) fn run(args: &ScanArgs) -> Done {
    let options = args.options()?;
    if args.dry_run || args.notice {
        return preview::print(options, args.notice);
    }
    scan(options, &args.output())
}

/// Scans, with progress and notes on standard error.
pub(crate) fn scan(options: ScanOptions, output: &Output) -> Done {
    match vigie_run::scan::prepare(options)? {
        Prepared::Nothing(nothing) => report_nothing(*nothing, output),
        Prepared::Ready(ready) => run_ready(*ready, output),
    }
}

/// Fails because there is nothing to scan. Formats for programs are written all the same, as valid documents that say so.
fn report_nothing(nothing: NothingToScan, output: &Output) -> Done {
    let why = nothing.failure.to_string();
    for note in nothing.summary.notes.iter().filter(|note| !why.contains(note.as_str())) {
        print_note(note);
    }
    // An empty table would read as if the scan had found nothing.
    let mut output = output.clone();
    output.files.retain(|(format, _)| *format != Format::Table);
    output.stdout = output.stdout.filter(|format| *format != Format::Table);
    let mut reports = Reports::new(&output, &nothing.knowledge)?;
    reports.begin()?;
    reports.end(&nothing.summary)?;
    Err(nothing.failure)
}

fn run_ready(ready: Ready, output: &Output) -> Done {
    let interrupts = Interrupts::of_a_scan();
    let mut printed = 0;
    let mut print_notes = |notes: &[String]| {
        if !output.shows_notes() {
            notes.iter().skip(printed).for_each(|note| print_note(note));
        }
        printed = notes.len();
    };
    print_notes(ready.notes());
    let keeps_lake = ready.keeps_lake();
    let mut reports = Reports::new(output, ready.knowledge())?;
    let mut kept: Vec<Observation> = Vec::new();
    let mut shown = Shown::nothing();
    let mut ended = ready.run(interrupts.stop(), &mut |event| match event {
        Event::Begun { total } => {
            reports.begin()?;
            shown = Shown::new(total, output.quiet);
            Ok(())
        }
        Event::Observed(observation) => {
            if output.write_baseline.is_some() {
                kept.push(observation.clone());
            }
            shown.aside(|| reports.observation(observation))
        }
        Event::Idle => shown.aside(|| reports.pause()),
        Event::Progress { counts, findings } => {
            shown.update(counts, findings);
            Ok(())
        }
        Event::Ended => {
            shown.end();
            Ok(())
        }
    })?;
    ended.summary.next = Some(next_command(&ended, keeps_lake));
    reports.end(&ended.summary)?;
    if let Some(path) = &output.write_baseline {
        let expires = chrono::Utc::now().date_naive() + chrono::Days::new(90);
        let text = vigie_export::baseline::write(&kept, "give a reason", expires, None);
        write_whole(path, text.as_bytes())?;
    }
    if let Some(path) = &ended.resume {
        let why = match &ended.cut {
            Some(why) => format!("cut off: {why}"),
            None => "interrupted".to_owned(),
        };
        anstream::eprintln!(
            "vigie: {}; resume with: vigie scan --resume {}",
            vigie_export::text::lines(&why),
            path.display()
        );
    }
    print_notes(&ended.summary.notes);
    match ended.failure {
        Some(failure) => Err(failure),
        None if ended.interrupted => Ok(ExitCode::from(exit::INTERRUPTED)),
        None => {
            let fails = output.fail_on.zip(ended.worst).is_some_and(|(limit, worst)| worst >= limit);
            Ok(if fails { ExitCode::from(exit::FINDINGS) } else { ExitCode::SUCCESS })
        }
    }
}

/// Prints a note on standard error.
fn print_note(note: &str) {
    anstream::eprintln!("vigie: note: {}", vigie_export::text::lines(note));
}

/// The command to suggest next.
fn next_command(ended: &Ended, keeps_lake: bool) -> String {
    if let Some(path) = &ended.resume {
        return format!("vigie scan --resume {}", path.display());
    }
    if ended.summary.counts.findings.total() == 0 && ended.is_local_and_empty {
        return "vigie scan 192.168.0.0/24   (your own network)".to_owned();
    }
    if keeps_lake {
        "vigie show ADDRESS   (one endpoint, with its history)".to_owned()
    } else {
        "vigie catalog explain PRODUCT   (the rules behind a result)".to_owned()
    }
}
