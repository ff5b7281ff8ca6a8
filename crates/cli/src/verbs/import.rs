//! `vigie import`: other tools' records into the lake.

use std::fs::File;
use std::io::{IsTerminal as _, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use vigie_export::grid::Column;
use vigie_identify::Identifier;
use vigie_import::{Archive, Batch, Format, Importer, Options, Parsed, Parser, Records, Unfinished};
use vigie_model::{Observation, Timestamp};
use vigie_network::Enricher;
use vigie_run::Failure;
use vigie_run::lake::Writer;

use crate::args::{ImportArgs, TableOrJson};
use crate::failure::{Done, exit, print_json, written};
use crate::intake::{Counts, Intake};

/// Why a file of no bytes is not imported.
const EMPTY: &str = "it is empty: there is nothing to import; look whether the tool that wrote it ended well, or name another file";

/// What a file gave.
#[derive(Debug, Default, Serialize)]
struct Told {
    /// The number under which it is counted; `None`: nothing was read.
    #[serde(skip)]
    part: Option<usize>,
    /// Whether no other file is imported with it.
    #[serde(skip)]
    is_alone: bool,
    file: String,
    format: Option<&'static str>,
    /// Why it was not read to its end, or not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
    /// Where it ends before its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    unfinished: Option<Early>,
    observations: u64,
    added: u64,
    duplicates: u64,
    bad: u64,
    not_open: u64,
    not_tcp: u64,
    /// Hosts without a port.
    #[serde(skip_serializing_if = "is_zero")]
    host_discovery: u64,
    not_recognised: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// That a file ends early, as the report says it.
#[derive(Debug, Serialize)]
struct Early {
    line: u64,
    reason: String,
    /// Whether something is missing for sure.
    certain: bool,
}

impl Early {
    fn of(unfinished: Unfinished) -> Self {
        Self {
            line: unfinished.line,
            reason: unfinished.reason,
            certain: unfinished.certain,
        }
    }

    /// What its user is told of a file.
    fn said(&self, file: &str) -> String {
        let Self { line, reason, certain } = self;
        let what = if *certain {
            "the file is unfinished: what stands before is imported"
        } else {
            "the file may be unfinished"
        };
        vigie_export::text::lines(&format!("{file}: {reason} (line {line}); {what}"))
    }
}

#[derive(Serialize)]
struct Report<'t> {
    schema: &'static str,
    files: &'t [Told],
    errors: Option<&'t Path>,
    interrupted: bool,
}

pub(crate) fn run(args: &ImportArgs) -> Done {
    let knowledge = vigie_run::knowledge::knowledge(args.catalog.as_deref())?;
    let identifier = vigie_run::knowledge::identifier(args.catalog.as_deref(), &knowledge.catalog)?;
    let enricher = args.network.files().open()?;
    let mut intake = Intake::new(Writer::open(&args.lake.folder()?)?, &args.errors);
    let stop = Arc::new(AtomicBool::new(false));
    crate::verbs::on_interrupt(&stop)?;
    let files: Vec<PathBuf> = if args.files.is_empty() {
        vec![PathBuf::from("-")]
    } else {
        args.files.clone()
    };
    let mut told: Vec<Told> = Vec::new();
    for file in &files {
        let reading = Reading {
            args,
            identifier: &identifier,
            enricher: &enricher,
            stop: &stop,
        };
        if let Err(failure) = reading.file(file, &mut intake, &mut told) {
            // What the files before it gave is still written, if it can be.
            let _ = intake.commit();
            return Err(failure);
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    intake.commit()?;
    for one in &mut told {
        if let Some(counts) = one.part.and_then(|part| intake.all_counts().get(part)) {
            one.count(*counts);
        }
    }
    if !stop.load(Ordering::Relaxed) {
        let nothing = |one: &&Told| one.failed.is_none() && one.unfinished.is_none() && one.gave_nothing();
        for one in told.iter().filter(nothing) {
            let said = vigie_export::text::lines(&one.file);
            anstream::eprintln!("vigie: note: {said}: there is no record in it; if the tool found something, look whether it ended well");
        }
    }
    let only_bad: Vec<String> = told.iter().filter_map(|one| one.only_bad(&intake)).collect();
    let kept = intake.close()?;
    let interrupted = stop.load(Ordering::Relaxed);
    for said in &only_bad {
        let each = kept
            .as_ref()
            .map(|kept| format!("; {} lists each", kept.display()))
            .unwrap_or_default();
        anstream::eprintln!("vigie: {}", vigie_export::text::lines(&format!("{said}{each}")));
    }
    let mut out = anstream::stdout().lock();
    match args.format {
        TableOrJson::Json => {
            let report = Report {
                schema: "vigie.import/1",
                files: &told,
                errors: kept.as_deref(),
                interrupted,
            };
            print_json(&mut out, &report)?;
        }
        TableOrJson::Table => {
            let rows: Vec<Vec<String>> = told.iter().map(Told::row).collect();
            let head = [
                Column::Token("file"),
                Column::Token("format"),
                Column::Token("new"),
                Column::Token("duplicates"),
                Column::Token("bad"),
                Column::Text("passed over"),
            ];
            written(writeln!(out, "{}", vigie_export::grid::grid(&head, &rows, super::width())))?;
            if let Some(kept) = &kept {
                written(writeln!(out, "Bad records, each with its line and the reason: {}", kept.display()))?;
            }
        }
    }
    if interrupted {
        anstream::eprintln!("vigie: interrupted; what was committed stays, and importing the same files again adds the rest");
        return Ok(ExitCode::from(exit::INTERRUPTED));
    }
    // Bad records end nothing; a file that could not be read, or gave nothing but faults, is not as it should be.
    let useless = told.iter().any(|one| one.failed.is_some() || one.has_only_bad());
    Ok(if useless {
        ExitCode::from(exit::USAGE)
    } else if told.iter().any(Told::is_unfinished) {
        ExitCode::from(exit::UNFINISHED)
    } else {
        ExitCode::SUCCESS
    })
}

/// Whose fault it is.
enum Trouble {
    /// The file's: the others are still read.
    File(String),
    /// Ours.
    Own(Failure),
}

/// What each file is read with.
struct Reading<'r> {
    args: &'r ImportArgs,
    identifier: &'r Arc<Identifier>,
    enricher: &'r Enricher,
    stop: &'r AtomicBool,
}

/// Where a file's bytes come from.
struct Source {
    /// How it is told.
    name: String,
    /// What helps to recognise its format.
    file_name: Option<String>,
    /// When it was last written.
    modified: Option<Timestamp>,
    /// Its size as it lies there.
    size: Option<u64>,
    /// Whether it lies in an archive, with others perhaps.
    is_packed: bool,
}

impl Reading<'_> {
    /// Reads a file; of an archive, each file in it.
    fn file(&self, file: &Path, intake: &mut Intake, told: &mut Vec<Told>) -> Result<(), Failure> {
        let name = file.display().to_string();
        match self.open(file, &name, intake, told) {
            Err(Trouble::File(reason)) => {
                told.push(Told::failed(name, reason));
                Ok(())
            }
            Err(Trouble::Own(failure)) => Err(failure),
            Ok(()) => Ok(()),
        }
    }

    fn open(&self, file: &Path, name: &str, intake: &mut Intake, told: &mut Vec<Told>) -> Result<(), Trouble> {
        let refused = |error: std::io::Error| Trouble::File(format!("cannot be read: {error}"));
        let mut source = Source {
            name: name.to_owned(),
            file_name: None,
            modified: None,
            size: None,
            is_packed: false,
        };
        if file.as_os_str() == "-" {
            let (start, input) = begin(std::io::stdin()).map_err(refused)?;
            if Archive::is_one(&start) {
                // Its table of contents stands at its end.
                let mut kept = tempfile::tempfile().map_err(refused)?;
                let most = std::io::copy(&mut input.take(MAX_PIPED), &mut kept).map_err(refused)?;
                if most == MAX_PIPED {
                    return Err(Trouble::File(format!(
                        "a zip archive of more than {} GiB; name the file",
                        MAX_PIPED >> 30
                    )));
                }
                return self.archive(kept, &source, intake, told);
            }
            let one = self.one(&source, input, intake)?;
            told.push(one);
            return Ok(());
        }
        let open = File::open(file).map_err(refused)?;
        let about = open.metadata().map_err(refused)?;
        if about.is_dir() {
            return Err(Trouble::File("is a folder; name the files in it".to_owned()));
        }
        source.size = about.is_file().then_some(about.len());
        source.modified = about.modified().ok().map(Timestamp::from);
        source.file_name = file.file_name().map(|name| name.to_string_lossy().into_owned());
        let (start, input) = begin(open).map_err(refused)?;
        if about.is_file() && Archive::is_one(&start) {
            return self.archive(File::open(file).map_err(refused)?, &source, intake, told);
        }
        let one = self.one(&source, input, intake)?;
        told.push(one);
        Ok(())
    }

    /// Reads each file in a zip archive, one that is not read is told as a file by itself.
    fn archive(&self, file: File, source: &Source, intake: &mut Intake, told: &mut Vec<Told>) -> Result<(), Trouble> {
        let mut archive = Archive::open(file).map_err(|error| Trouble::File(error.to_string()))?;
        let entries = archive.entries().to_vec();
        // What macOS puts beside each file is no file of the user's.
        let (own, other): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .partition(|entry| !entry.name.starts_with("__MACOSX/") && !entry.name.ends_with(".DS_Store"));
        if !other.is_empty() {
            let said = vigie_export::text::lines(&format!("{}: {} files of macOS's own are left out", source.name, other.len()));
            anstream::eprintln!("vigie: {said}");
        }
        if own.is_empty() {
            return Err(Trouble::File("a zip archive without a file in it".to_owned()));
        }
        for entry in own {
            let inner = Source {
                name: format!("{}: {}", source.name, entry.name),
                file_name: Some(entry.name.clone()),
                modified: source.modified,
                size: None,
                is_packed: true,
            };
            let done = match archive.unpack(&entry) {
                Ok(unpacked) => self.one(&inner, unpacked, intake),
                Err(reason) => Err(Trouble::File(reason)),
            };
            match done {
                Ok(one) => told.push(one),
                Err(Trouble::File(reason)) => told.push(Told::failed(inner.name, reason)),
                Err(own) => return Err(own),
            }
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(())
    }

    /// Reads the records of one text.
    fn one<R: Read + Send>(&self, source: &Source, reader: R, intake: &mut Intake) -> Result<Told, Trouble> {
        let mut one = Told {
            is_alone: self.args.files.len() < 2 && !source.is_packed,
            file: source.name.clone(),
            ..Told::default()
        };
        let mut options = Options::new(Arc::clone(self.identifier), chrono::Utc::now());
        options.vantage.clone_from(&self.args.vantage);
        options.default_port = self.args.port;
        options.recognised_only = self.args.recognised_only;
        options.file_name.clone_from(&source.file_name);
        options.seen = match self.args.seen {
            Some(SeenAt::File) => source.modified,
            Some(SeenAt::Instant(instant)) => Some(instant),
            None => None,
        };
        let read = Arc::new(AtomicU64::new(0));
        let counting = Counting {
            inner: reader,
            read: Arc::clone(&read),
        };
        let is_empty = || read.load(Ordering::Relaxed) == 0;
        let importer = Importer::new(counting, self.args.from, options).map_err(|error| match is_empty() {
            true => Trouble::File(EMPTY.to_owned()),
            false => Trouble::File(error.to_string()),
        })?;
        one.format = Some(importer.format().word());
        let (records, parser) = importer.split();
        let progress = Shown::new(source.size, self.args.quiet, &one.file);
        one.part = Some(intake.start_anew());
        let end = one
            .pour(records, (&parser, self.enricher), intake, self.stop, &progress, &read)
            .map_err(Trouble::Own)?;
        one.unfinished = end.unfinished.map(Early::of);
        progress.done();
        if let Some(warning) = end.warning {
            let said = vigie_export::text::lines(&format!("{}: {warning}", one.file));
            anstream::eprintln!("vigie: warning: {said}");
        }
        if let Some(damaged) = end.damaged {
            let reason = format!("{damaged}; what could be read is imported, and may not be what was written");
            let said = vigie_export::text::lines(&format!("{}: {reason}", one.file));
            anstream::eprintln!("vigie: {said}");
            one.failed = Some(reason);
        }
        if is_empty() && !self.stop.load(Ordering::Relaxed) {
            // That it has no end either is no news.
            return Err(Trouble::File(EMPTY.to_owned()));
        }
        if let Some(early) = &one.unfinished {
            anstream::eprintln!("vigie: {}", early.said(&one.file));
        }
        Ok(one)
    }
}

/// The most of a zip archive that is taken from a pipe.
const MAX_PIPED: u64 = 4 << 30;

/// A reader whose first bytes were looked at.
type Begun<R> = std::io::Chain<std::io::Cursor<Vec<u8>>, R>;

/// The first bytes of a reader, and the reader with them.
fn begin<R: Read>(mut reader: R) -> std::io::Result<(Vec<u8>, Begun<R>)> {
    let mut start = Vec::with_capacity(4);
    reader.by_ref().take(4).read_to_end(&mut start)?;
    Ok((start.clone(), std::io::Cursor::new(start).chain(reader)))
}

impl Told {
    /// Whether it ends early for sure.
    fn is_unfinished(&self) -> bool {
        self.unfinished.as_ref().is_some_and(|early| early.certain)
    }

    /// Whether there was something in it, and nothing of it could be taken.
    fn has_only_bad(&self) -> bool {
        self.failed.is_none() && self.bad > 0 && self.observations == 0 && !self.is_unfinished()
    }

    /// What is wrong with a file of which nothing could be taken, and what to do.
    fn only_bad(&self, intake: &Intake) -> Option<String> {
        let first = self.has_only_bad().then(|| intake.first_bad(self.part?)).flatten()?;
        let reason = &first.reason;
        let next = if reason.contains("says no time") {
            "give it with --seen TIME, or --seen file for the file's own"
        } else if reason.contains("without a port") {
            "give it with --port PORT"
        } else {
            "if another tool wrote it, name that one with --from"
        };
        let (line, format) = (first.line, self.format.unwrap_or("?"));
        Some(match self.bad {
            1 => format!(
                "{}: nothing was taken: 1 record, read as {format}, is bad (line {line}): {reason}; {next}",
                self.file
            ),
            bad => format!(
                "{}: nothing was taken: {bad} records, read as {format}, are bad; the first (line {line}): {reason}; {next}",
                self.file
            ),
        })
    }

    /// Of a file that was not read; said on standard error too.
    fn failed(file: String, reason: String) -> Self {
        let said = vigie_export::text::lines(&format!("{file}: {reason}"));
        anstream::eprintln!("vigie: {said}");
        Self {
            file,
            failed: Some(reason),
            ..Self::default()
        }
    }

    /// One thread reads, others parse, this one writes. Says how the text ended.
    fn pour<R: Read + Send>(
        &self,
        records: Records<R>,
        (parser, enricher): (&Parser, &Enricher),
        intake: &mut Intake,
        stop: &AtomicBool,
        progress: &Shown,
        read: &AtomicU64,
    ) -> Result<End, Failure> {
        // More would wait for the one that writes.
        let parsers = std::thread::available_parallelism()
            .map_or(1, usize::from)
            .saturating_sub(1)
            .clamp(1, MOST_PARSERS);
        let (texts, said) = (Room::new(IN_BETWEEN), Room::new(IN_BETWEEN));
        std::thread::scope(|scope| {
            let (texts, said) = (&texts, &said);
            let (full, batches) = sync_channel::<(Batch, Permit<'_>)>(2 * parsers);
            let (parsed, results) = sync_channel::<(Parsed, Option<Permit<'_>>)>(2 * parsers);
            let (empty, emptied) = channel::<Batch>();
            let reader = scope.spawn(move || fill(records, &emptied, &full, texts, stop));
            let batches = Arc::new(Mutex::new(batches));
            for _ in 0..parsers {
                let (batches, parsed, empty) = (Arc::clone(&batches), parsed.clone(), empty.clone());
                scope.spawn(move || {
                    let next = || batches.lock().unwrap_or_else(PoisonError::into_inner).recv().ok();
                    while let Some((batch, text)) = next() {
                        // What one large record gives may take much, and is held beside nothing else.
                        let alone = (batch.bytes() >= LARGE).then(|| said.enter(IN_BETWEEN));
                        // Once nobody takes it any more the file is not read to its end either.
                        let hand_on = |part: Parsed| {
                            let permit = alone.is_none().then(|| said.enter(about(&part)));
                            let _ = parsed.send((part, permit));
                        };
                        let understood = || understand(&batch, parser, enricher, hand_on);
                        // The allocator gives memory back late that another thread frees than the one that took it. Where there is much of it
                        // and few parts it does so once that thread has ended; where there are many parts the same thread takes it again.
                        let last = match &alone {
                            Some(_) if !parser.gives_many() => {
                                let apart = std::thread::scope(|apart| apart.spawn(understood).join());
                                apart.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                            }
                            _ => understood(),
                        };
                        let permit = alone.unwrap_or_else(|| said.enter(batch.bytes() + about(&last)));
                        // The reader may have come to its end.
                        let _ = empty.send(batch);
                        drop(text);
                        if parsed.send((last, Some(permit))).is_err() {
                            return;
                        }
                    }
                });
            }
            // What is left of the channels belongs to the threads: when they end, so does the loop, and the other way round.
            drop((parsed, batches, empty));
            let mut open_end = false;
            for (result, permit) in results {
                open_end |= result.open_end;
                intake.take(&self.file, result)?;
                drop(permit);
                progress.update(read.load(Ordering::Relaxed), intake.counts());
            }
            intake.end_of_file(self.is_alone)?;
            // Who joins a thread hears of its panic, and nobody else does.
            let mut end = reader
                .join()
                .map_err(|_| Failure::scan(format!("the reading of {} ended before its time; run the same again", self.file)))?;
            if let Some(unfinished) = &mut end.unfinished {
                unfinished.certain |= open_end;
            }
            Ok(end)
        })
    }

    /// Whether there was nothing in it: no record, good or bad, and none that was passed over.
    fn gave_nothing(&self) -> bool {
        let passed_over = self.not_open + self.not_tcp + self.host_discovery + self.not_recognised;
        self.observations + self.duplicates + self.bad + passed_over == 0
    }

    fn count(&mut self, counts: Counts) {
        self.observations = counts.observations;
        self.added = counts.added;
        self.duplicates = counts.duplicates;
        self.bad = counts.bad;
        self.not_open = counts.not_open;
        self.not_tcp = counts.not_tcp;
        self.host_discovery = counts.host_discovery;
        self.not_recognised = counts.not_recognised;
    }

    fn counts(&self) -> Counts {
        Counts {
            observations: self.observations,
            added: self.added,
            duplicates: self.duplicates,
            bad: self.bad,
            not_open: self.not_open,
            not_tcp: self.not_tcp,
            host_discovery: self.host_discovery,
            not_recognised: self.not_recognised,
        }
    }

    fn row(&self) -> Vec<String> {
        vec![
            self.file.clone(),
            match (&self.format, &self.failed) {
                (_, Some(_)) => "failed".to_owned(),
                (format, None) => {
                    let format = format.unwrap_or("?");
                    if self.is_unfinished() {
                        format!("{format}, unfinished")
                    } else {
                        format.to_owned()
                    }
                }
            },
            self.added.to_string(),
            self.duplicates.to_string(),
            self.bad.to_string(),
            self.counts().passed_over(),
        ]
    }
}

/// How a text ended.
#[derive(Default)]
struct End {
    /// Where it ended before its end.
    unfinished: Option<Unfinished>,
    /// Why what was read is not what was packed.
    damaged: Option<String>,
    /// What is to be said besides.
    warning: Option<&'static str>,
}

/// Says how the text ended.
fn fill<'r, R: Read>(
    mut records: Records<R>,
    emptied: &Receiver<Batch>,
    full: &SyncSender<(Batch, Permit<'r>)>,
    texts: &'r Room,
    stop: &AtomicBool,
) -> End {
    let mut spare: Vec<Batch> = Vec::new();
    loop {
        // Memory that was used before costs less than fresh memory, which the system hands out cleared. What a large one had goes.
        spare.extend(emptied.try_iter().map(Batch::emptied));
        let mut batch = spare.pop().unwrap_or_default();
        if stop.load(Ordering::Relaxed) {
            return End::default();
        }
        if !records.fill(&mut batch) {
            return End {
                unfinished: records.unfinished().cloned(),
                damaged: records.damaged().map(str::to_owned),
                warning: records.warning(),
            };
        }
        let permit = texts.enter(batch.bytes());
        if full.send((batch, permit)).is_err() {
            return End::default();
        }
    }
}

/// Reads what a batch's records say; hands it on in parts, and gives the last.
fn understand(batch: &Batch, parser: &Parser, enricher: &Enricher, mut hand_on: impl FnMut(Parsed)) -> Parsed {
    let enriched = |mut part: Parsed| {
        for observation in part.items.iter_mut().flatten() {
            enricher.enrich(observation.endpoint.address, &mut observation.network);
        }
        part
    };
    enriched(parser.parse_in_parts(batch, |part| hand_on(enriched(part))))
}

/// About how many bytes a part of what a text gave takes, beside the text.
fn about(parsed: &Parsed) -> usize {
    parsed.items.len() * 2 * size_of::<Observation>()
}

/// The most threads that parse.
const MOST_PARSERS: usize = 8;

/// Bytes of text, and of what was read from it, that wait to be parsed and to be taken, however many threads there are.
const IN_BETWEEN: usize = 24 << 20;

/// A text with a record of this length gives what takes much memory.
const LARGE: usize = 1 << 20;

/// Room for so many bytes. What is larger than all of it has it alone.
struct Room {
    most: usize,
    taken: Mutex<usize>,
    freed: Condvar,
}

/// Bytes of a room, as long as it lives.
struct Permit<'r> {
    room: &'r Room,
    bytes: usize,
}

impl Room {
    fn new(most: usize) -> Self {
        Self {
            most,
            taken: Mutex::new(0),
            freed: Condvar::new(),
        }
    }

    /// Waits until there is room.
    fn enter(&self, bytes: usize) -> Permit<'_> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = |taken: &mut usize| *taken > 0 && *taken + bytes > self.most;
        let mut taken = self.freed.wait_while(taken, is_full).unwrap_or_else(PoisonError::into_inner);
        *taken += bytes;
        Permit { room: self, bytes }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.room.taken.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.room.freed.notify_all();
    }
}

/// When records without a time of their own were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeenAt {
    /// When their file was last written.
    File,
    /// Then.
    Instant(Timestamp),
}

impl std::str::FromStr for SeenAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "file" {
            return Ok(Self::File);
        }
        let day = || {
            text.parse::<chrono::NaiveDate>()
                .ok()
                .map(|day| day.and_time(chrono::NaiveTime::MIN).and_utc())
        };
        text.parse::<Timestamp>()
            .ok()
            .or_else(day)
            .map(Self::Instant)
            .ok_or_else(|| format!("{text:?} is no time: write 2026-11-22T08:00:00Z, 2026-11-22, or \"file\" for the file's own time"))
    }
}

/// Counts what was read of a file, packed as it lies there.
struct Counting<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Progress: a bar on a terminal, a line each ten seconds elsewhere.
enum Shown {
    Bar(ProgressBar),
    Lines(Mutex<Instant>, String),
    Nothing,
}

impl Shown {
    fn new(total: Option<u64>, quiet: bool, file: &str) -> Self {
        if quiet {
            return Self::Nothing;
        }
        let file = vigie_export::text::clean(file, 40);
        if !std::io::stderr().is_terminal() {
            return Self::Lines(Mutex::new(Instant::now()), file);
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(8));
        let template = match total {
            Some(_) => "{prefix} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}, {eta} left · {msg}",
            None => "{prefix} {bytes} {bytes_per_sec} · {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(file);
        Self::Bar(bar)
    }

    fn update(&self, read: u64, so_far: Counts) {
        let counts = || format!("{} new, {} duplicates, {} bad", so_far.added, so_far.duplicates, so_far.bad);
        match self {
            Self::Bar(bar) => {
                bar.set_position(read);
                bar.set_message(counts());
            }
            Self::Lines(last, file) => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if last.elapsed() >= Duration::from_secs(10) {
                    *last = Instant::now();
                    eprintln!("vigie: {file}: {read} bytes read, {}", counts());
                }
            }
            Self::Nothing => {}
        }
    }

    fn done(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// The words of `--from`.
pub(crate) fn format() -> impl clap::builder::TypedValueParser<Value = Format> {
    use clap::builder::TypedValueParser as _;
    clap::builder::PossibleValuesParser::new(Format::ALL.map(Format::word)).try_map(|word| word.parse::<Format>())
}
