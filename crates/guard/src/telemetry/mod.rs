//! Metrics and traces for an OpenTelemetry collector, as OTLP over HTTP in JSON.
//!
//! A request that has ended is a span in a queue; one thread sends spans and metrics. On the path of a request there is only the making of a
//! span, where traces are configured, and no request waits for the collector: when the queue is full, spans are dropped and counted.

mod collector;
mod export;
mod otlp;
mod span;
mod trace;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Notify, mpsc};

pub(crate) use self::collector::Collector;
pub(crate) use self::export::run;
use self::span::Span;
pub(crate) use self::trace::Trace;
use crate::config::Ratio;
use crate::log::RequestEntry;
use crate::proxy::Flag;

/// Spans that wait to be sent.
const WAITING: usize = 4_096;
/// So many are sent at once; the thread is woken when so many wait.
const BATCH: usize = 512;

/// What waits to be sent, and what became of the rest.
#[derive(Debug)]
pub(crate) struct Telemetry {
    spans: mpsc::Sender<Span>,
    /// The other end, until the thread takes it.
    received: Mutex<Option<mpsc::Receiver<Span>>>,
    /// A batch waits.
    wake: Notify,
    /// The gateway has ended: what waits is sent once more.
    ended: Flag,
    /// What was sent of metrics and traces: taken, and not.
    metrics: [AtomicU64; 2],
    traces: [AtomicU64; 2],
    sent: AtomicU64,
    full: AtomicU64,
    rejected: AtomicU64,
    failed: AtomicU64,
}

/// Numbers for the metrics.
#[derive(Debug)]
pub(crate) struct Counts {
    /// Signal, outcome, number.
    pub(crate) exports: [(&'static str, &'static str, u64); 4],
    /// Outcome, number.
    pub(crate) spans: [(&'static str, u64); 4],
    pub(crate) waiting: usize,
}

impl Default for Telemetry {
    fn default() -> Self {
        let (spans, received) = mpsc::channel(WAITING);
        Self {
            spans,
            received: Mutex::new(Some(received)),
            wake: Notify::new(),
            ended: Flag::default(),
            metrics: Default::default(),
            traces: Default::default(),
            sent: AtomicU64::default(),
            full: AtomicU64::default(),
            rejected: AtomicU64::default(),
            failed: AtomicU64::default(),
        }
    }
}

impl Telemetry {
    /// Gives a request that has ended to the thread, if its trace is sampled.
    pub(crate) fn push(&self, entry: &RequestEntry, trace: Trace) {
        if !trace.is_sampled {
            return;
        }
        if self.spans.try_send(Span::of(entry, trace)).is_err() {
            self.full.fetch_add(1, Ordering::Relaxed);
        } else if self.waiting().is_multiple_of(BATCH) {
            self.wake.notify_one();
        }
    }

    /// Ends the thread, once it has sent what waits.
    pub(crate) fn end(&self) {
        self.ended.set();
    }

    pub(crate) fn counts(&self) -> Counts {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let [metrics_taken, metrics_failed] = &self.metrics;
        let [traces_taken, traces_failed] = &self.traces;
        Counts {
            exports: [
                ("metrics", "taken", get(metrics_taken)),
                ("metrics", "failed", get(metrics_failed)),
                ("traces", "taken", get(traces_taken)),
                ("traces", "failed", get(traces_failed)),
            ],
            spans: [
                ("sent", get(&self.sent)),
                ("full", get(&self.full)),
                ("rejected", get(&self.rejected)),
                ("failed", get(&self.failed)),
            ],
            waiting: self.waiting(),
        }
    }

    fn waiting(&self) -> usize {
        self.spans.max_capacity() - self.spans.capacity()
    }

    fn take_received(&self) -> Option<mpsc::Receiver<Span>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The traces of requests under one configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traces(pub(crate) Ratio);
