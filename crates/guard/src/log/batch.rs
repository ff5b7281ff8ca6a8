//! Entries of one thread that come at about the same time and are written at once: a write costs as much as half a request.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use tokio::sync::Notify;

use super::entry::RequestEntry;
use super::stream::Line;
use super::text::Texts;
use super::writer::Log;

/// Collects the lines of one thread until [`Batch::run`] has its turn: until every task that is ready has added its own.
pub(crate) struct Batch {
    log: Arc<Log>,
    lines: RefCell<Vec<Line>>,
    /// Who waits for the lines to be written.
    waiting: RefCell<Vec<Waker>>,
    /// How often lines were written.
    rounds: Cell<u64>,
    wake: Notify,
}

impl Batch {
    pub(crate) fn new(log: Arc<Log>) -> Self {
        Self {
            log,
            lines: RefCell::default(),
            waiting: RefCell::default(),
            rounds: Cell::new(0),
            wake: Notify::new(),
        }
    }

    /// Writes the entry of a request, together with others; when this returns, its line is in the file, unless the log is broken.
    pub(crate) async fn record(&self, request: &mut RequestEntry, texts: Option<&Texts>) {
        let Some(line) = self.log.line(request, texts) else { return };
        let round = self.rounds.get();
        let is_first = {
            let mut lines = self.lines.borrow_mut();
            lines.push(line);
            lines.len() == 1
        };
        if is_first {
            self.wake.notify_one();
        }
        poll_fn(|context| {
            if self.rounds.get() > round {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Writes lines whenever there are some. It ends only by being dropped.
    pub(crate) async fn run(&self) {
        loop {
            self.wake.notified().await;
            self.write();
        }
    }

    fn write(&self) {
        let lines = self.lines.take();
        if !lines.is_empty() {
            self.log.write(lines);
        }
        self.rounds.set(self.rounds.get() + 1);
        self.waiting.take().into_iter().for_each(Waker::wake);
    }
}

impl Drop for Batch {
    /// A thread that stops writes what it has.
    fn drop(&mut self) {
        self.write();
    }
}
