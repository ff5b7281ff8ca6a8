//! Commits on a thread of its own, so that reading goes on meanwhile.

use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use vigie_lake::{Committed, CommittedRequests};
use vigie_model::{GatewayRequest, Observation};

use crate::failure::Failure;
use crate::lake::{Parts, Writer};

/// What was committed of a part of an import.
pub(super) enum Done {
    Observations(Committed),
    Requests(CommittedRequests),
}

/// What was committed of each part.
type AllDone = Vec<(usize, Done)>;

/// A task of the committer.
pub(super) enum Work {
    /// Commit these observations of a part at once.
    Append(usize, Vec<Observation>),
    /// Gather these observations of a part, to commit all of a day together.
    Gather(usize, Vec<Observation>),
    /// Commit these requests of a part at once.
    Requests(usize, Vec<GatewayRequest>),
    /// Commit what was gathered.
    CommitGathered,
}

/// Commits batches one after the other on a thread of its own.
pub(super) struct Committer {
    /// `None` once no more work comes.
    work: Option<SyncSender<Work>>,
    results: Receiver<(Result<AllDone, Failure>, Vec<Observation>)>,
    thread: Option<JoinHandle<()>>,
    /// The number of tasks whose result was not received yet.
    pending: usize,
    /// Emptied batches. The thread that allocated their memory fills them again: the allocator is slow to return large memory that another
    /// thread frees.
    spare: Vec<Vec<Observation>>,
}

impl Committer {
    pub(super) fn new(mut writer: Writer) -> Self {
        // One batch is written while the next is filled: more would only take memory.
        let (work, tasks) = sync_channel::<Work>(0);
        let (report, results) = channel();
        let thread = std::thread::spawn(move || {
            for task in tasks {
                let (done, mut batch) = match task {
                    Work::Append(part, batch) => (writer.append(&batch).map(|done| vec![(part, Done::Observations(done))]), batch),
                    Work::Gather(part, batch) => (writer.gather(&batch, part).map(of_parts), batch),
                    Work::Requests(part, requests) => {
                        let done = writer.append_requests(&requests);
                        (done.map(|done| vec![(part, Done::Requests(done))]), Vec::new())
                    }
                    Work::CommitGathered => (writer.commit_gathered().map(of_parts), Vec::new()),
                };
                batch.clear();
                if report.send((done, batch)).is_err() {
                    return;
                }
            }
        });
        Self {
            work: Some(work),
            results,
            thread: Some(thread),
            pending: 0,
            spare: Vec::new(),
        }
    }

    /// Hands over a task. Waits while the one before is under way.
    pub(super) fn hand(&mut self, work: Work) -> Result<(), Failure> {
        self.work.as_ref().ok_or_else(ended_early)?.send(work).map_err(|_| ended_early())?;
        self.pending += 1;
        Ok(())
    }

    /// An empty batch, with the memory of an earlier one if there is one.
    pub(super) fn spare(&mut self) -> Vec<Observation> {
        self.spare.pop().unwrap_or_default()
    }

    /// The next result, if there is one already.
    pub(super) fn done(&mut self) -> Option<Result<AllDone, Failure>> {
        let (result, batch) = self.results.try_recv().ok()?;
        Some(self.received(result, batch))
    }

    /// Waits for the next result; `None` if nothing is under way.
    pub(super) fn wait(&mut self) -> Option<Result<AllDone, Failure>> {
        if self.pending == 0 {
            return None;
        }
        Some(match self.results.recv() {
            Ok((result, batch)) => self.received(result, batch),
            Err(_) => {
                self.pending = 0;
                Err(ended_early())
            }
        })
    }

    fn received(&mut self, result: Result<AllDone, Failure>, batch: Vec<Observation>) -> Result<AllDone, Failure> {
        self.pending -= 1;
        if batch.capacity() > 0 {
            self.spare.push(batch);
        }
        result
    }
}

fn of_parts(parts: Parts) -> AllDone {
    parts.into_iter().map(|(part, done)| (part, Done::Observations(done))).collect()
}

fn ended_early() -> Failure {
    Failure::output("the lake's writer ended before its time; run the same again")
}

impl Drop for Committer {
    fn drop(&mut self) {
        // What was handed over is still written.
        drop(self.work.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
