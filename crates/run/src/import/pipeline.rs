//! The threads of an import: one reads a file, others parse, and the caller's takes the results.

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use vigie_import::{Batch, ChainCheck, Parsed, Parser, Records, Unfinished};
use vigie_model::{GatewayRequest, Observation};
use vigie_network::Enricher;

use super::event::{ImportEvent, ImportListener};
use super::room::{Permit, Room};
use crate::failure::Failure;
use crate::intake::Intake;
use crate::stop::Stop;

/// The most threads that parse.
const MOST_PARSERS: usize = 8;

/// The most bytes of text that wait to be parsed, and of results that wait to be taken, however many threads there are.
const IN_BETWEEN: usize = 24 << 20;

/// The results of a text with a record of this length take much memory.
const LARGE: usize = 1 << 20;

/// Where the results of a file go.
pub(super) struct Sink<'s, 'l> {
    /// The file's name.
    pub(super) file: &'s str,
    /// Whether no other file is imported with it.
    pub(super) is_alone: bool,
    /// The bytes read of it.
    pub(super) read: &'s AtomicU64,
    pub(super) intake: &'s mut Intake,
    /// Checks the chains of gateways' logs.
    pub(super) chains: &'s mut ChainCheck,
    pub(super) listener: &'s mut ImportListener<'l>,
}

impl Sink<'_, '_> {
    fn progress(&mut self) -> Result<(), Failure> {
        (self.listener)(ImportEvent::Progress {
            read: self.read.load(Ordering::Relaxed),
            counts: self.intake.counts(),
        })
    }
}

/// How a text ended.
#[derive(Default)]
pub(super) struct TextEnd {
    /// Where it ended early.
    pub(super) unfinished: Option<Unfinished>,
    /// Why the archive around it is damaged.
    pub(super) damaged: Option<String>,
    /// A fault that costs nothing.
    pub(super) warning: Option<&'static str>,
}

/// Reads and parses the records of a text. Returns how the text ended.
pub(super) fn run<R: Read + Send>(
    records: Records<R>,
    parser: &Parser,
    enricher: &Enricher,
    stop: &Stop,
    sink: &mut Sink<'_, '_>,
) -> Result<TextEnd, Failure> {
    // More would wait for the thread that writes.
    let parsers = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .saturating_sub(1)
        .clamp(1, MOST_PARSERS);
    let (texts, parts) = (Room::new(IN_BETWEEN), Room::new(IN_BETWEEN));
    std::thread::scope(|scope| {
        let (texts, parts) = (&texts, &parts);
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
                    // The results of one large record may take much memory: they are held beside nothing else.
                    let alone = (batch.bytes() >= LARGE).then(|| parts.enter(IN_BETWEEN));
                    // Once nobody takes results any more, the file is not read to its end either.
                    let hand_on = |part: Parsed| {
                        let permit = alone.is_none().then(|| parts.enter(about(&part)));
                        let _ = parsed.send((part, permit));
                    };
                    let parse_batch = || parse(&batch, parser, enricher, hand_on);
                    // The allocator is slow to return memory that another thread frees. Where there is much of it in few parts, it is
                    // returned once the thread that allocated it has ended; where there are many parts, the same thread uses it again.
                    let last = match &alone {
                        Some(_) if !parser.gives_many() => {
                            let apart = std::thread::scope(|apart| apart.spawn(parse_batch).join());
                            apart.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                        }
                        _ => parse_batch(),
                    };
                    let permit = alone.unwrap_or_else(|| parts.enter(batch.bytes() + about(&last)));
                    // The reader may have ended.
                    let _ = empty.send(batch);
                    drop(text);
                    if parsed.send((last, Some(permit))).is_err() {
                        return;
                    }
                }
            });
        }
        // The threads own what is left of the channels: when they end, so does the loop, and the other way round.
        drop((parsed, batches, empty));
        let mut open_end = false;
        for (mut result, permit) in results {
            open_end |= result.open_end;
            if let Some(batch) = result.batch {
                sink.chains.add(batch, std::mem::take(&mut result.segments));
            }
            sink.intake.take(sink.file, result)?;
            drop(permit);
            sink.progress()?;
        }
        sink.intake.end_of_file(sink.is_alone)?;
        // Only the thread that joins another learns of its panic.
        let mut end = reader
            .join()
            .map_err(|_| Failure::scan(format!("the reading of {} ended before its time; run the same again", sink.file)))?;
        if let Some(unfinished) = &mut end.unfinished {
            unfinished.certain |= open_end;
        }
        Ok(end)
    })
}

/// Fills batches with records until the text ends or the user stops the import. Returns how the text ended.
fn fill<'r, R: Read>(
    mut records: Records<R>,
    emptied: &Receiver<Batch>,
    full: &SyncSender<(Batch, Permit<'r>)>,
    texts: &'r Room,
    stop: &Stop,
) -> TextEnd {
    let mut spare: Vec<Batch> = Vec::new();
    loop {
        // Memory that is used again costs less than new memory, which the system clears first. The memory of a large batch is freed.
        spare.extend(emptied.try_iter().map(Batch::emptied));
        let mut batch = spare.pop().unwrap_or_default();
        if stop.is_asked() {
            return TextEnd::default();
        }
        if !records.fill(&mut batch) {
            return TextEnd {
                unfinished: records.unfinished().cloned(),
                damaged: records.damaged().map(str::to_owned),
                warning: records.warning(),
            };
        }
        let permit = texts.enter(batch.bytes());
        if full.send((batch, permit)).is_err() {
            return TextEnd::default();
        }
    }
}

/// Parses the records of a batch. Hands the results on in parts, and returns the last part.
fn parse(batch: &Batch, parser: &Parser, enricher: &Enricher, mut hand_on: impl FnMut(Parsed)) -> Parsed {
    let enriched = |mut part: Parsed| {
        for observation in part.items.iter_mut().flatten() {
            enricher.enrich(observation.endpoint.address, &mut observation.network);
        }
        part
    };
    enriched(parser.parse_in_parts(batch, |part| hand_on(enriched(part))))
}

/// About how many bytes the results of a text take, without the text.
fn about(parsed: &Parsed) -> usize {
    parsed.items.len() * 2 * size_of::<Observation>() + parsed.requests.len() * 2 * size_of::<GatewayRequest>()
}
