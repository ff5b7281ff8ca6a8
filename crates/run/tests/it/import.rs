//! Imports: their events, their report, and what they leave in the lake.

use std::path::{Path, PathBuf};

use serde_json::json;
use vigie_import::Format;
use vigie_run::import::{ImportEvent, ImportOptions, Imported, ImportedFile, SeenAt, import};
use vigie_run::{Failure, FailureKind, Stop};

/// A user with a folder for files and a lake.
struct User(tempfile::TempDir);

impl User {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.path(name);
        std::fs::write(&file, text).expect("written");
        file
    }

    fn options(&self, files: &[&Path]) -> ImportOptions {
        let files = files.iter().map(|file| (*file).to_owned()).collect();
        ImportOptions {
            lake: Some(self.path("lake")),
            ..ImportOptions::new(files, self.path("errors.jsonl"))
        }
    }

    /// Imports files to the end; returns the report and the events.
    fn import(&self, files: &[&Path]) -> (Imported, Vec<String>) {
        run(&self.options(files))
    }
}

/// Imports to the end; returns the report and the events.
fn run(options: &ImportOptions) -> (Imported, Vec<String>) {
    let mut events = Vec::new();
    let imported = import(options, &Stop::new(), &mut |event| {
        note(&mut events, &event);
        Ok(())
    });
    (imported.unwrap_or_else(|failure| panic!("{failure}")), events)
}

/// An event in short. Progress that follows progress is left out.
fn note(events: &mut Vec<String>, event: &ImportEvent<'_>) {
    let base = |file: &str| file.rsplit('/').next().unwrap_or_default().to_owned();
    let short = match event {
        ImportEvent::Begun => "begun".to_owned(),
        ImportEvent::FileBegun { name, size } => format!("file {} of {size:?}", base(name)),
        ImportEvent::Progress { .. } if events.last().is_some_and(|last| last == "progress") => return,
        ImportEvent::Progress { .. } => "progress".to_owned(),
        ImportEvent::FileEnded => "file ended".to_owned(),
        ImportEvent::MacFilesLeftOut { archive, count } => format!("{}: {count} left out", base(archive)),
        ImportEvent::Warning { file, text } => format!("warning {}: {text}", base(file)),
        ImportEvent::Failed { file, reason } => format!("failed {}: {reason}", base(file)),
        ImportEvent::Unfinished { file, end } => format!("unfinished {}: {end:?}", base(file)),
        ImportEvent::ChainBroken { file, chain } => format!("broken {}: {} times", base(file), chain.broken),
        ImportEvent::NoRecord { file } => format!("no record {}", base(file)),
        ImportEvent::OnlyBad { file, first, errors } => {
            format!(
                "only bad {}: {} at {}, {}",
                base(&file.file),
                file.bad,
                first.line,
                errors.is_some()
            )
        }
    };
    events.push(short);
}

/// A line of naabu.
fn naabu(address: &str, protocol: &str) -> String {
    format!("{{\"ip\":\"{address}\",\"timestamp\":\"2026-11-01T07:21:33Z\",\"port\":11434,\"protocol\":\"{protocol}\",\"tls\":false}}\n")
}

fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../import/tests/data").join(file)
}

/// New observations, duplicates and bad records.
fn counts(file: &ImportedFile) -> (u64, u64, u64) {
    (file.added, file.duplicates, file.bad)
}

#[test]
fn a_file_is_imported_once_and_its_events_come_in_order() {
    let user = User::new();
    let text = [naabu("192.0.2.1", "tcp"), naabu("192.0.2.2", "tcp"), naabu("192.0.2.3", "udp")].concat();
    let file = user.write("naabu.jsonl", &text);
    let (imported, events) = user.import(&[&file]);
    let begun = format!("file naabu.jsonl of Some({})", text.len());
    assert_eq!(events, ["begun", &begun, "progress", "file ended"]);
    // The report is a published format: its keys stay.
    let report = json!({
        "schema": "vigie.import/1",
        "files": [{
            "file": file.to_str().expect("text"), "format": "naabu",
            "observations": 2, "added": 2, "duplicates": 0, "bad": 0, "not_open": 0, "not_tcp": 1, "not_recognised": 0,
        }],
        "errors": null,
        "interrupted": false,
    });
    assert_eq!(serde_json::to_value(&imported).expect("JSON"), report);
    assert!(!user.path("errors.jsonl").exists(), "nothing was bad");

    let (again, _) = user.import(&[&file]);
    assert_eq!(counts(&again.files[0]), (0, 2, 0));
    let (again, _) = user.import(&[&file, &file]);
    assert_eq!(again.files.iter().map(counts).collect::<Vec<_>>(), [(0, 2, 0), (0, 2, 0)]);
}

#[test]
fn the_last_progress_of_a_file_is_its_size() {
    let user = User::new();
    let first = user.write("first.naabu.jsonl", &naabu("192.0.2.1", "tcp"));
    let mut last = None;
    let options = user.options(&[&first, &data("shodan/download.jsonl")]);
    let imported = import(&options, &Stop::new(), &mut |event| {
        if let ImportEvent::Progress { read, .. } = event {
            last = Some(read);
        }
        Ok(())
    });
    let imported = imported.unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(last, data("shodan/download.jsonl").metadata().map(|about| about.len()).ok());
    assert_eq!(
        (imported.files[0].format, imported.files[1].format),
        (Some("naabu"), Some("shodan"))
    );
    assert!(imported.files[1].added > 0);
}

#[test]
fn a_file_that_cannot_be_read_costs_no_other() {
    let user = User::new();
    let letter = user.write("letter.txt", "Dear reader,\nthis is no scan.\n");
    let empty = user.write("empty.jsonl", "");
    let nothing = user.path("nothing.jsonl");
    let good = user.write("naabu.jsonl", &naabu("192.0.2.1", "tcp"));
    let (imported, events) = user.import(&[&letter, &empty, user.0.path(), &nothing, &good]);
    let failed: Vec<bool> = imported.files.iter().map(|file| file.failed.is_some()).collect();
    assert_eq!(failed, [true, true, true, true, false], "{imported:#?}");
    assert_eq!(counts(&imported.files[4]), (1, 0, 0));
    assert_eq!(events[0], "begun");
    assert!(events[1].starts_with("failed letter.txt: "), "{events:?}");
    assert!(events[2].starts_with("failed empty.jsonl: it is empty"), "{events:?}");
    assert!(events[3].ends_with("is a folder; name the files in it"), "{events:?}");
    assert!(events[4].starts_with("failed nothing.jsonl: cannot be read"), "{events:?}");
    assert!(events[5].starts_with("file naabu.jsonl"), "{events:?}");
    assert!(!imported.interrupted);
}

#[test]
fn bad_records_are_in_the_error_file_and_stop_nothing() {
    let user = User::new();
    let text = [
        naabu("192.0.2.1", "tcp"),
        "{\"ip\":\"x\u{1b}[31m\",\"port\":80}\n".to_owned(),
        naabu("192.0.2.2", "tcp"),
        "{\"ip\":\"192.0.2.3\",\"port\":70000}\n".to_owned(),
    ];
    let file = user.write("naabu.jsonl", &text.concat());
    let (imported, events) = user.import(&[&file]);
    assert_eq!(counts(&imported.files[0]), (2, 0, 2));
    assert!(!imported.files[0].has_only_bad() && !events.iter().any(|event| event.starts_with("only bad")));
    assert_eq!(imported.errors, Some(user.path("errors.jsonl")));
    let errors = std::fs::read_to_string(user.path("errors.jsonl")).expect("the error file");
    assert!(!errors.contains('\u{1b}'), "{errors:?}");
    let lines: Vec<serde_json::Value> = errors.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2, "{errors}");
    for (line, number) in lines.iter().zip([2, 4]) {
        let keys: Vec<&String> = line.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["file", "line", "quote", "reason", "record"]);
        assert_eq!((&line["line"], &line["record"]), (&json!(number), &json!(number)));
        assert_eq!(line["file"], file.to_str().expect("text"));
    }
}

#[test]
fn a_file_of_bad_records_alone_is_reported_with_the_first() {
    let user = User::new();
    let file = user.write("naabu.txt", "192.0.2.1:80\n192.0.2.2:80\n");
    let (imported, events) = user.import(&[&file]);
    assert_eq!(counts(&imported.files[0]), (0, 0, 2));
    assert!(imported.files[0].has_only_bad());
    assert_eq!(events.last().map(String::as_str), Some("only bad naabu.txt: 2 at 1, true"));
    // They have no time, which the caller can give.
    let mut options = user.options(&[&file]);
    options.from = Some(Format::Naabu);
    for seen in [
        SeenAt::FileTime,
        SeenAt::Instant("2026-11-01T00:00:00Z".parse().expect("an instant")),
    ] {
        options.seen = Some(seen);
        let (imported, _) = run(&options);
        assert_eq!(counts(&imported.files[0]), (2, 0, 0), "{seen:?}");
    }
}

#[test]
fn a_file_without_a_record_and_one_that_ends_early_are_reported() {
    let user = User::new();
    let none = user.write("nuclei.json", "[]");
    let (imported, events) = user.import(&[&none, &data("nmap/header-only.xml")]);
    assert!(imported.files[1].is_unfinished() && !imported.files[0].is_unfinished());
    assert!(
        events.iter().any(|event| event.starts_with("unfinished header-only.xml")),
        "{events:?}"
    );
    assert_eq!(events.last().map(String::as_str), Some("no record nuclei.json"));
}

#[test]
fn a_stop_in_the_middle_of_a_file_keeps_what_was_read() {
    let user = User::new();
    // More batches than all threads and channels hold at a time, of 4,096 records each.
    let parsers = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let others = 4_096 * (5 * parsers + 8);
    let text = [naabu("192.0.2.1", "tcp"), naabu("192.0.2.2", "udp").repeat(others)].concat();
    let file = user.write("naabu.jsonl", &text);
    let stop = Stop::new();
    let mut events = Vec::new();
    let imported = import(&user.options(&[&file, &file]), &stop, &mut |event| {
        note(&mut events, &event);
        if matches!(event, ImportEvent::Progress { .. }) {
            stop.ask();
        }
        Ok(())
    });
    let imported = imported.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(imported.interrupted);
    assert_eq!(imported.files.len(), 1, "the second file is not read");
    let one = &imported.files[0];
    assert_eq!(counts(one), (1, 0, 0), "what was read is committed");
    assert!(one.not_tcp > 0 && one.not_tcp < others as u64, "{} of {others}", one.not_tcp);
    assert_eq!(events.last().map(String::as_str), Some("file ended"));
    // Importing the same file again adds the rest.
    let (again, _) = user.import(&[&file]);
    assert_eq!((counts(&again.files[0]), again.files[0].not_tcp), ((0, 1, 0), others as u64));
    assert!(!again.interrupted);
}

#[test]
fn a_stop_before_the_first_file_reads_nothing() {
    let user = User::new();
    let file = user.write("naabu.jsonl", &naabu("192.0.2.1", "tcp"));
    let stop = Stop::new();
    stop.ask();
    let imported = import(&user.options(&[&file]), &stop, &mut |_| Ok(())).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(imported.interrupted && counts(&imported.files[0]) == (0, 0, 0), "{imported:#?}");
}

#[test]
fn a_listener_that_fails_ends_the_import_and_what_was_read_is_committed() {
    let user = User::new();
    let first = user.write("first.naabu.jsonl", &naabu("192.0.2.1", "tcp"));
    let second = user.write("second.naabu.jsonl", &naabu("192.0.2.2", "tcp"));
    let failure = import(&user.options(&[&first, &second]), &Stop::new(), &mut |event| match event {
        ImportEvent::FileBegun { name, .. } if name.contains("second") => Err(Failure::output("the window is closed")),
        _ => Ok(()),
    });
    let failure = failure.expect_err("the listener failed");
    assert_eq!(
        (failure.kind(), failure.to_string().as_str()),
        (FailureKind::Output, "the window is closed")
    );
    let (imported, _) = user.import(&[&first, &second]);
    assert_eq!(imported.files.iter().map(counts).collect::<Vec<_>>(), [(0, 1, 0), (1, 0, 0)]);
}

#[test]
fn an_error_file_that_cannot_be_written_ends_the_import() {
    let user = User::new();
    let file = user.write(
        "naabu.jsonl",
        &[naabu("192.0.2.1", "tcp"), "{\"ip\":\"x\",\"port\":80}\n".to_owned()].concat(),
    );
    let mut options = user.options(&[&file]);
    options.errors = user.0.path().to_owned();
    let failure = import(&options, &Stop::new(), &mut |_| Ok(())).expect_err("it is a folder");
    assert_eq!(failure.kind(), FailureKind::Output);
    assert!(failure.to_string().ends_with("; the option is --errors"), "{failure}");
}

/// The log of a gateway in the user's folder, in files of a few lines.
fn log_files(user: &User, text: &str) -> Vec<PathBuf> {
    let lines: Vec<&str> = text.lines().collect();
    let files = lines.chunks(6).enumerate();
    files
        .map(|(at, lines)| user.write(&format!("audit-{at}.jsonl"), &(lines.join("\n") + "\n")))
        .collect()
}

fn gateway_options(user: &User, files: &[PathBuf]) -> ImportOptions {
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let key = std::fs::read_to_string(data("vigie-guard/v2.pub")).expect("read");
    ImportOptions {
        public_keys: vec![key.parse().expect("a key")],
        ..user.options(&files)
    }
}

fn gateway_log() -> String {
    std::fs::read_to_string(data("vigie-guard/v2.jsonl")).expect("read")
}

/// A log in several files: its requests are in the lake once, and its chain is checked from file to file.
#[test]
fn the_log_of_a_gateway_is_imported_once() {
    let user = User::new();
    let text = gateway_log();
    let files = log_files(&user, &text);
    let (imported, events) = run(&gateway_options(&user, &files));
    assert!(events.iter().all(|event| !event.starts_with("broken")), "{events:?}");
    let sum = |imported: &Imported, of: fn(&ImportedFile) -> u64| imported.files.iter().map(of).sum::<u64>();
    assert_eq!(sum(&imported, |file| file.requests), 7);
    assert_eq!(sum(&imported, |file| file.added), 7);
    assert_eq!(sum(&imported, |file| file.bad), 0);
    let lines = text.lines().count() as u64;
    assert_eq!(sum(&imported, |file| file.gateway_events), lines - 7);
    let last = imported.files.last().and_then(|file| file.chain.clone()).expect("a chain");
    assert_eq!((last.last, last.signed, last.broken), (Some(lines), Some(lines), 0));

    let (again, _) = run(&gateway_options(&user, &files));
    assert_eq!((sum(&again, |file| file.added), sum(&again, |file| file.duplicates)), (0, 7));
    let (runtime, lake) = vigie_run::lake::open(&user.path("lake")).expect("a lake");
    let requests = runtime.block_on(lake.requests(None)).expect("read");
    assert_eq!(requests.len(), 7);
}

/// Without its second file, the log has a gap, which is reported where it is; what there is is imported.
#[test]
fn a_log_with_a_gap_is_reported() {
    let user = User::new();
    let mut files = log_files(&user, &gateway_log());
    files.remove(1);
    let (imported, events) = run(&gateway_options(&user, &files));
    assert!(events.contains(&"broken audit-2.jsonl: 1 times".to_owned()), "{events:?}");
    assert!(imported.files[1].is_broken() && !imported.files[0].is_broken());
    assert!(imported.files.iter().all(|file| file.failed.is_none()));
}
