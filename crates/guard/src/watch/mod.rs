//! Detection while the gateway runs.
//!
//! A request that has ended is an event in a channel; one thread gives the events to the detectors and does what is configured for their
//! alerts. On the path of a request there is only a look whether anybody is blocked or slowed down, and, where it is configured, the reading of
//! the text. When the channel is full, events are dropped and counted: no request waits for a detector.

mod notify;
mod sanctions;
mod thread;

use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use ring::rand::{SecureRandom as _, SystemRandom};
use vigie_catalog::table::{Body, Request};
use vigie_detect::detectors::ABOUT;
use vigie_detect::{Content, Event, SketchKey, Subject, log};
use vigie_model::Effect;

pub(crate) use self::notify::Hook;
pub(crate) use self::sanctions::Sanction;
use self::sanctions::Sanctions;
use crate::config::Detect;
use crate::log::{Log, Outcome, RequestEntry};
use crate::pool::Pool;

/// Events that wait for the detectors.
const WAITING: usize = 8_192;
/// A refused body up to this many bytes is looked at for the models that it names.
const SMALL: usize = 64 * 1024;

/// The detection of a gateway.
pub(crate) struct Watch {
    events: SyncSender<Event>,
    sanctions: Arc<Sanctions>,
    /// The key of sketches, if texts are read.
    texts: Option<SketchKey>,
    dropped: Arc<AtomicU64>,
    /// How often each detector that is switched on alerted.
    alerts: Alerts,
    end: Arc<End>,
}

/// Detectors and how often they alerted, repeated alerts left out.
type Alerts = Arc<[(&'static str, AtomicU64)]>;

/// Ends the thread of detectors.
#[derive(Debug, Default)]
pub(crate) struct End {
    ended: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl End {
    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the thread has ended by itself, because no request can come to it any more.
    pub(crate) fn is_over(&self) -> bool {
        self.thread().as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ends the detectors, once they have seen the events that wait.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        let thread = self.thread().take();
        if let Some(thread) = thread {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

/// What is noted of a request under way for the detectors.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    content: Option<Content>,
    /// Models that a refused body names.
    models: Vec<String>,
}

impl Watch {
    /// Starts the detectors. `before`: those in whose place they come; whom these block or slow down stays so.
    pub(crate) fn start(dir: &Path, config: &Detect, log: &Arc<Log>, before: Option<&Self>) -> Result<Self, String> {
        let texts = match config.reads_content() {
            false => None,
            true => {
                // Sketches are compared within one run only, so their key need not outlive it.
                let mut key = [0; 16];
                SystemRandom::new()
                    .fill(&mut key)
                    .map_err(|_| "the system gives no random numbers".to_owned())?;
                Some(SketchKey::new(key))
            }
        };
        let (events, received) = sync_channel(WAITING);
        let sanctions = before.map(|before| Arc::clone(&before.sanctions)).unwrap_or_default();
        let end = Arc::<End>::default();
        // What was counted before goes on.
        let dropped = before.map(|before| Arc::clone(&before.dropped)).unwrap_or_default();
        let counted = |id: &str| before.and_then(|before| before.alerts.iter().find(|(known, _)| *known == id));
        let switched_on = ABOUT.iter().filter(|about| !config.actions_of(about.id).is_empty());
        let alerts: Alerts = switched_on
            .map(|about| {
                (
                    about.id,
                    AtomicU64::new(counted(about.id).map_or(0, |(_, count)| count.load(Ordering::Relaxed))),
                )
            })
            .collect();
        let run = thread::Detection::new(
            dir,
            config,
            Arc::clone(log),
            Arc::clone(&sanctions),
            Arc::clone(&dropped),
            Arc::clone(&alerts),
        )?;
        let until = Arc::clone(&end);
        *end.thread() = Some(std::thread::spawn(move || run.run(&received, &until.ended)));
        Ok(Self {
            events,
            sanctions,
            texts,
            dropped,
            alerts,
            end,
        })
    }

    /// What ends them.
    pub(crate) fn end(&self) -> Arc<End> {
        Arc::clone(&self.end)
    }

    /// How often each detector alerted, and how many requests they did not see.
    pub(crate) fn counts(&self) -> (Vec<(&'static str, u64)>, u64) {
        let alerts = self
            .alerts
            .iter()
            .map(|(detector, count)| (*detector, count.load(Ordering::Relaxed)));
        (alerts.collect(), self.dropped.load(Ordering::Relaxed))
    }

    /// What holds for an address, whatever key comes from there.
    pub(crate) fn for_address(&self, address: IpAddr) -> Sanction {
        self.sanctions.of(|| Subject::Address(vigie_detect::alert::place(address)))
    }

    /// What holds for a key.
    pub(crate) fn for_key(&self, id: &str) -> Sanction {
        self.sanctions.of(|| Subject::Key(id.to_owned()))
    }

    /// Reads the text of a request, if a detector wants it.
    pub(crate) fn read(&self, body: &[u8], seen: &mut Seen) {
        if let Some(key) = self.texts.as_ref().filter(|_| !body.is_empty()) {
            seen.content = Some(Content::read(body, key));
        }
    }

    /// Reads which models a refused request names.
    pub(crate) fn read_refused(&self, body: &[u8], seen: &mut Seen) {
        if body.len() <= SMALL {
            seen.models = Content::named_models(body);
        }
    }

    /// Gives a request that has ended to the detectors.
    pub(crate) fn feed(&self, entry: &RequestEntry, seen: Seen, pool: &Pool) {
        let Some(event) = event(entry, seen, pool) else { return };
        match self.events.try_send(event) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// The event of a request; `None`: it was refused because its sender is blocked, which the detectors know.
fn event(entry: &RequestEntry, seen: Seen, pool: &Pool) -> Option<Event> {
    let outcome = match &entry.outcome {
        Outcome::Answered => Some(vigie_detect::Outcome::Answered),
        // What became of it is known to the proxy alone.
        Outcome::Authorized => None,
        Outcome::Aborted => Some(vigie_detect::Outcome::Aborted),
        Outcome::Failed { .. } => Some(vigie_detect::Outcome::Failed),
        Outcome::Refused { reason, .. } if log::is_blocked(reason) => return None,
        Outcome::Refused { reason, .. } => log::outcome(reason, Some("refused")),
    };
    let effect = match &entry.route {
        Some((effect, _)) => Effect::from_word(effect),
        None => effect_of_path(entry, pool),
    };
    Some(Event {
        key: entry.client.key.as_ref().map(|(id, _)| id.clone()),
        address: Some(entry.client.address.ip()),
        method: Some(entry.method.clone()),
        path: Some(entry.path.clone()),
        effect,
        models: if entry.models.is_empty() {
            seen.models
        } else {
            entry.models.clone()
        },
        outcome,
        status: entry.status.filter(|_| entry.outcome != Outcome::Authorized),
        prompt_tokens: entry.tokens.prompt,
        output_tokens: entry.tokens.output,
        request_bytes: Some(entry.request_bytes as u64).filter(|bytes| entry.asked_by.is_none() || *bytes > 0),
        duration_ms: Some(entry.duration_ms).filter(|_| entry.asked_by.is_none()),
        content: seen.content,
        ..Event::at(entry.begun)
    })
}

/// The effect that a refused request would have had, as far as its path says.
fn effect_of_path(entry: &RequestEntry, pool: &Pool) -> Option<Effect> {
    let request = Request {
        method: &entry.method,
        target: &entry.path,
        content_type: None,
        body: Body::Unseen,
    };
    let mut tables = (0..pool.servers().len()).filter_map(|server| pool.table(server));
    tables.find_map(|table| {
        let decision = table.decide(&request).ok()?;
        // Loading is part of a route that infers, and no management.
        let infers = decision.may_have(Effect::Infer) && decision.effect == Effect::Load;
        Some(if infers { Effect::Infer } else { decision.effect })
    })
}
