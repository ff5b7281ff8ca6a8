//! The thread of the detectors.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use vigie_detect::detectors::ABOUT;
use vigie_detect::{Alert, Engine, Event};

use super::Alerts;
use super::notify::Notifier;
use super::sanctions::Sanctions;
use crate::config::{Action, Detect};
use crate::log::{Change, Entry, Log};

/// How often it is looked whether a block has ended, or the gateway.
const TICK: Duration = Duration::from_millis(100);
/// How long a key is slowed down after an alert.
const SLOW_FOR: Duration = Duration::from_secs(600);

pub(super) struct Detection {
    engine: Engine,
    actions: Vec<(&'static str, Vec<Action>)>,
    log: Arc<Log>,
    sanctions: Arc<Sanctions>,
    dropped: Arc<AtomicU64>,
    alerts: Alerts,
    notifier: Option<Notifier>,
}

impl Detection {
    pub(super) fn new(
        dir: &Path,
        config: &Detect,
        log: Arc<Log>,
        sanctions: Arc<Sanctions>,
        dropped: Arc<AtomicU64>,
        alerts: Alerts,
    ) -> Result<Self, String> {
        let actions: Vec<_> = ABOUT.iter().map(|about| (about.id, config.actions_of(about.id))).collect();
        let is_on = |id: &str| actions.iter().any(|(known, actions)| *known == id && !actions.is_empty());
        Ok(Self {
            engine: Engine::new(&config.registries, is_on),
            log,
            sanctions,
            dropped,
            alerts,
            notifier: Notifier::start(dir, config)?,
            actions,
        })
    }

    /// Sees events until the gateway ends.
    pub(super) fn run(mut self, events: &Receiver<Event>, ended: &AtomicBool) {
        let mut tidied = Instant::now();
        let mut lost = 0;
        loop {
            match events.recv_timeout(TICK) {
                Ok(event) => {
                    for alert in self.engine.see(&event) {
                        self.act(&alert);
                    }
                }
                Err(RecvTimeoutError::Timeout) if !ended.load(Ordering::Relaxed) => {}
                Err(_) => return,
            }
            if tidied.elapsed() >= TICK {
                tidied = Instant::now();
                self.sanctions.tidy();
                let dropped = self.dropped.load(Ordering::Relaxed);
                if dropped > lost && lost == 0 {
                    eprintln!("vigie: the detectors are slower than the requests; some requests are not seen by them");
                }
                lost = dropped;
            }
        }
    }

    fn act(&self, alert: &Alert) {
        if let Some((_, count)) = self.alerts.iter().find(|(id, _)| *id == alert.detector)
            && !alert.is_repeat
        {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let actions = self
            .actions
            .iter()
            .find(|(id, _)| *id == alert.detector)
            .map(|(_, actions)| actions);
        for action in actions.into_iter().flatten() {
            match action {
                Action::Record if !alert.is_repeat => {
                    // It has numbers and words only, so it is written.
                    if let Ok(alert) = serde_json::to_value(alert) {
                        self.log.record(Entry::Change(Change::Alert { alert }));
                    }
                }
                Action::Alert if !alert.is_repeat => {
                    if let Some(notifier) = &self.notifier {
                        notifier.send(alert);
                    }
                }
                Action::Record | Action::Alert => {}
                Action::Slow(wait) => {
                    let holds = self.sanctions.slow(&alert.subject, *wait, SLOW_FOR);
                    self.note(alert, "slow", SLOW_FOR, holds);
                }
                Action::Block(time) => {
                    let holds = self.sanctions.block(&alert.subject, *time);
                    self.note(alert, "block", *time, holds);
                }
            }
        }
    }

    /// Notes in the log what was done to a subject, or that it could not be.
    fn note(&self, alert: &Alert, what: &'static str, time: Duration, holds: bool) {
        if alert.is_repeat {
            return;
        }
        self.log.record(Entry::Change(Change::Sanction {
            detector: alert.detector,
            subject: alert.subject.to_string(),
            what,
            seconds: time.as_secs(),
            holds,
        }));
    }
}
