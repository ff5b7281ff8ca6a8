//! The thread that sends.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Receiver;

use super::collector::{Collector, NotTaken};
use super::otlp::Frame;
use super::span::Span;
use super::{BATCH, Telemetry};
use crate::admin;
use crate::proxy::{Gate, Running, Upstream};

/// The longest that a span waits for others.
const SPANS: Duration = Duration::from_secs(5);
/// The first wait after a failure, and the longest; each is twice the one before.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// So often spans are sent; then they are dropped.
const TRIES: u32 = 8;
/// How long a gateway that ends waits for the collector.
const LAST: Duration = Duration::from_secs(3);

/// Sends what the configuration says, until the gateway has ended.
pub(crate) fn run(running: &Arc<Running>) {
    let telemetry = Arc::clone(&running.parts.telemetry);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return eprintln!("vigie: nothing is sent to the collector, since a thread cannot start: {error}"),
    };
    let Some(spans) = telemetry.take_received() else { return };
    let mut exporter = Exporter {
        telemetry: &telemetry,
        spans,
        pending: Vec::new(),
        instance: instance(),
        begun: nanos(),
        failing: false,
    };
    runtime.block_on(async {
        while !telemetry.ended.is_set() {
            let gate = running.gate();
            match gate.plan.collector.clone() {
                None => {
                    exporter.forget();
                    tokio::select! {
                        () = gate.replaced() => {}
                        () = telemetry.ended.wait() => {}
                    }
                }
                Some(collector) => exporter.run(&gate, &collector).await,
            }
        }
    });
}

struct Exporter<'t> {
    telemetry: &'t Telemetry,
    spans: Receiver<Span>,
    /// Spans that are being sent.
    pending: Vec<Span>,
    instance: String,
    /// When the counters began, in nanoseconds since 1970.
    begun: u64,
    /// The collector did not take what was sent last, and that was said.
    failing: bool,
}

/// When something is sent next, and how often it failed since it went well.
struct Due {
    at: Instant,
    failures: u32,
}

impl Due {
    fn after(wait: Duration) -> Self {
        Self {
            at: Instant::now() + wait,
            failures: 0,
        }
    }

    /// After a failure: later each time, and not before the collector said.
    fn failed(&mut self, wait: Option<Duration>) {
        let doubled = RETRY.0 * 2_u32.pow(self.failures.min(10));
        self.failures += 1;
        self.at = Instant::now() + doubled.min(RETRY.1).max(wait.unwrap_or_default());
    }
}

/// What is sent under one configuration.
struct Target<'g> {
    gate: &'g Arc<Gate>,
    collector: &'g Collector,
    connection: Upstream,
    frame: Frame,
}

impl Exporter<'_> {
    /// Sends under one configuration, until another one follows or the gateway has ended.
    async fn run(&mut self, gate: &Arc<Gate>, collector: &Collector) {
        let Some(config) = &gate.plan.config.telemetry else { return };
        let target = Target {
            gate,
            collector,
            connection: collector.connect(),
            frame: Frame::new(&gate.plan.config, &self.instance),
        };
        let interval = Duration::from_secs(config.interval);
        let spans_wait = SPANS.min(interval);
        let (mut metrics, mut spans) = (Due::after(interval), Due::after(spans_wait));
        let telemetry = self.telemetry;
        loop {
            let next = match (config.metrics, config.traces) {
                (true, true) => metrics.at.min(spans.at),
                (true, false) => metrics.at,
                _ => spans.at,
            };
            tokio::select! {
                () = tokio::time::sleep_until(next.into()) => {}
                () = telemetry.wake.notified(), if spans.failures == 0 => spans.at = Instant::now(),
                () = gate.replaced() => return,
                () = telemetry.ended.wait() => break,
            }
            let now = Instant::now();
            let sending = async {
                if config.metrics && metrics.at <= now {
                    match self.send_metrics(&target).await {
                        Ok(()) => metrics = Due::after(interval),
                        // Later numbers hold what these did: they are counted from the start.
                        Err(NotTaken::Later(_, wait)) => metrics.failed(wait),
                        Err(NotTaken::Never(_)) => metrics = Due::after(interval.max(RETRY.1)),
                    }
                }
                if config.traces && spans.at <= now {
                    match self.send_spans(&target, spans.failures + 1 >= TRIES).await {
                        Ok(()) => spans = Due::after(spans_wait),
                        Err(NotTaken::Later(_, wait)) => spans.failed(wait),
                        Err(NotTaken::Never(_)) => spans = Due::after(spans_wait),
                    }
                }
            };
            tokio::select! {
                () = sending => {}
                () = ended_for(telemetry, LAST) => return,
            }
        }
        // Once more what is left; a collector that does not answer does not hold up the end.
        let last = async {
            if config.traces {
                let _ = self.send_spans(&target, true).await;
            }
            if config.metrics {
                let _ = self.send_metrics(&target).await;
            }
        };
        // What was not sent in time is lost, as it says in the documentation.
        let _ = tokio::time::timeout(LAST, last).await;
    }

    async fn send_metrics(&mut self, target: &Target<'_>) -> Result<(), NotTaken> {
        let messages = target.frame.metrics(admin::families(target.gate), self.begun, nanos());
        for message in messages {
            let sent = target.send("metrics", &message).await;
            self.count(0, target, sent)?;
        }
        Ok(())
    }

    /// Sends the spans that wait, batch by batch. `is_last`: what is not taken now is dropped.
    async fn send_spans(&mut self, target: &Target<'_>, is_last: bool) -> Result<(), NotTaken> {
        let telemetry = self.telemetry;
        loop {
            while self.pending.len() < BATCH
                && let Ok(span) = self.spans.try_recv()
            {
                self.pending.push(span);
            }
            if self.pending.is_empty() {
                return Ok(());
            }
            let message = target.frame.traces(&self.pending, &target.gate.metrics.provider());
            let sent = target.send("traces", &message).await;
            let count = self.pending.len() as u64;
            match self.count(1, target, sent) {
                Ok(rejected) => {
                    let rejected = rejected.min(count);
                    telemetry.rejected.fetch_add(rejected, Ordering::Relaxed);
                    telemetry.sent.fetch_add(count - rejected, Ordering::Relaxed);
                    self.pending.clear();
                }
                Err(why) => {
                    match &why {
                        NotTaken::Never(_) => {
                            telemetry.rejected.fetch_add(count, Ordering::Relaxed);
                            self.pending.clear();
                        }
                        NotTaken::Later(..) if is_last => {
                            telemetry.failed.fetch_add(count, Ordering::Relaxed);
                            self.pending.clear();
                        }
                        NotTaken::Later(..) => {}
                    }
                    return Err(why);
                }
            }
        }
    }

    /// Counts what became of a message, and says when that changes.
    fn count(&mut self, signal: usize, target: &Target<'_>, sent: Result<u64, NotTaken>) -> Result<u64, NotTaken> {
        let counts = if signal == 0 {
            &self.telemetry.metrics
        } else {
            &self.telemetry.traces
        };
        let [taken, failed] = counts;
        match &sent {
            Ok(_) => {
                taken.fetch_add(1, Ordering::Relaxed);
                if std::mem::take(&mut self.failing) {
                    eprintln!("vigie: the collector {} takes telemetry again", target.collector.name());
                }
            }
            Err(NotTaken::Later(why, _) | NotTaken::Never(why)) => {
                failed.fetch_add(1, Ordering::Relaxed);
                if !std::mem::replace(&mut self.failing, true) {
                    eprintln!(
                        "vigie: the collector {} takes no telemetry: {why}; requests go on as before",
                        target.collector.name()
                    );
                }
            }
        }
        sent
    }

    /// Drops what waits: it is sent nowhere any more.
    fn forget(&mut self) {
        let mut dropped = std::mem::take(&mut self.pending).len() as u64;
        while self.spans.try_recv().is_ok() {
            dropped += 1;
        }
        self.telemetry.failed.fetch_add(dropped, Ordering::Relaxed);
    }
}

impl Target<'_> {
    async fn send(&self, signal: &str, message: &serde_json::Value) -> Result<u64, NotTaken> {
        self.collector.send(&self.connection, signal, message.to_string().as_bytes()).await
    }
}

/// Waits until the gateway has ended, and then so long.
async fn ended_for(telemetry: &Telemetry, time: Duration) {
    telemetry.ended.wait().await;
    tokio::time::sleep(time).await;
}

fn nanos() -> u64 {
    chrono::Utc::now()
        .timestamp_nanos_opt()
        .and_then(|nanos| u64::try_from(nanos).ok())
        .unwrap_or(0)
}

/// An id of this process, so that one that takes over is told apart: a random UUID (RFC 9562).
fn instance() -> String {
    use std::hash::{BuildHasher as _, Hasher as _};
    let random = || std::hash::RandomState::new().build_hasher().finish();
    let (high, low) = (random(), random());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    )
}
