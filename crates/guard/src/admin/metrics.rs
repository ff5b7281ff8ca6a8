//! The counters of all threads.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::gauge::Gauge;
use super::series::{Labels, Series};
use crate::log::{Outcome, RequestEntry};

/// So many keys have a label of their own; the others are `other`.
const KEYS: usize = 200;
/// So many models.
const MODELS: usize = 100;
/// So many sets of labels are counted apart; what comes after them goes without key and model.
const SERIES: usize = 5_000;
/// The label of what has none of its own.
const OTHER: &str = "other";

/// The counters of all threads. Each thread fills its own; they are added up when they are read.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// The id of the product behind.
    provider: Mutex<String>,
    /// The labels that were met so far; locked when a thread meets new ones, and by readers.
    known: Mutex<Known>,
    /// There is no room for another set of labels: threads stop asking.
    is_full: AtomicBool,
}

#[derive(Debug, Default)]
struct Known {
    keys: HashSet<Arc<str>>,
    models: HashSet<Arc<str>>,
    labels: HashSet<Labels>,
    series: Vec<(Labels, Arc<Series>)>,
    threads: Vec<(Gauge, Gauge)>,
}

/// The counters of one thread.
#[derive(Debug)]
pub(crate) struct Recorder {
    metrics: Arc<Metrics>,
    /// The thread's own series, by what requests say of themselves.
    own: RefCell<HashMap<Asked, Arc<Series>>>,
    /// The one of these that was counted last: the next request is often like it.
    last: RefCell<Option<(Asked, Arc<Series>)>>,
    /// Open connections of clients.
    pub(crate) connections: Gauge,
    /// Answers that are being streamed.
    pub(crate) streams: Gauge,
}

/// What a request says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asked<S = String> {
    key: S,
    model: S,
    operation: &'static str,
    outcome: &'static str,
    status: u16,
}

impl Asked<&str> {
    fn is(&self, other: &Asked) -> bool {
        (self.status, self.operation, self.outcome) == (other.status, other.operation, other.outcome)
            && self.key == other.key
            && self.model == other.model
    }

    fn to_owned(&self) -> Asked {
        Asked {
            key: self.key.to_owned(),
            model: self.model.to_owned(),
            operation: self.operation,
            outcome: self.outcome,
            status: self.status,
        }
    }
}

impl Metrics {
    pub(crate) fn new(provider: String) -> Self {
        Self {
            provider: Mutex::new(provider),
            known: Mutex::default(),
            is_full: AtomicBool::new(false),
        }
    }

    /// The id of the product behind.
    pub(crate) fn provider(&self) -> String {
        self.provider.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another product is behind.
    pub(crate) fn set_provider(&self, provider: &str) {
        provider.clone_into(&mut self.provider.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The counters of another thread.
    pub(crate) fn recorder(self: &Arc<Self>) -> Recorder {
        let recorder = Recorder {
            metrics: Arc::clone(self),
            own: RefCell::default(),
            last: RefCell::default(),
            connections: Gauge::default(),
            streams: Gauge::default(),
        };
        self.lock().threads.push((recorder.connections.clone(), recorder.streams.clone()));
        recorder
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every thread's series with their labels.
    pub(super) fn series(&self) -> Vec<(Labels, Arc<Series>)> {
        self.lock().series.clone()
    }

    /// Open connections and streams.
    pub(crate) fn open(&self) -> (i64, i64) {
        let known = self.lock();
        let sum = |of: fn(&(Gauge, Gauge)) -> &Gauge| known.threads.iter().map(|thread| of(thread).get()).sum();
        (sum(|thread| &thread.0), sum(|thread| &thread.1))
    }

    /// A thread's series for a request whose like it has not met.
    fn enter(&self, asked: &Asked) -> Arc<Series> {
        let mut known = self.lock();
        let known = &mut *known;
        let mut labels = Labels {
            key: label(&mut known.keys, &asked.key, KEYS),
            model: label(&mut known.models, &asked.model, MODELS),
            operation: asked.operation,
            outcome: asked.outcome,
            status: asked.status,
        };
        if known.labels.len() >= SERIES && !known.labels.contains(&labels) {
            self.is_full.store(true, Ordering::Relaxed);
            labels = Labels {
                key: OTHER.into(),
                model: OTHER.into(),
                ..labels
            };
        }
        known.labels.insert(labels.clone());
        let series = Arc::new(Series::default());
        known.series.push((labels, Arc::clone(&series)));
        series
    }
}

/// The label of a value: itself while there is room for it.
fn label(known: &mut HashSet<Arc<str>>, value: &str, most: usize) -> Arc<str> {
    if value.is_empty() {
        return Arc::default();
    }
    if let Some(label) = known.get(value) {
        return Arc::clone(label);
    }
    if known.len() >= most {
        return OTHER.into();
    }
    let label: Arc<str> = value.into();
    known.insert(Arc::clone(&label));
    label
}

impl Recorder {
    /// Counts a request. `streamed`: its answer came piece by piece.
    pub(crate) fn record(&self, entry: &RequestEntry, streamed: bool) {
        let operation = operation(entry);
        let is_good = entry.status.is_some_and(|status| (200..300).contains(&status));
        let asked = Asked {
            key: entry.client.key.as_ref().map(|(id, _)| id.as_str()).unwrap_or_default(),
            // Names that the server does not have are whatever a client sends.
            model: entry
                .models
                .first()
                .filter(|_| is_good && !operation.is_empty())
                .map(String::as_str)
                .unwrap_or_default(),
            operation,
            outcome: outcome(&entry.outcome),
            status: entry.status.unwrap_or(0),
        };
        let mut last = self.last.borrow_mut();
        let series = match &mut *last {
            Some((before, series)) if asked.is(before) => &*series,
            last => {
                let asked = asked.to_owned();
                let series = self.series(asked.clone());
                &last.insert((asked, series)).1
            }
        };
        let one = |counter: &std::sync::atomic::AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        one(&series.requests);
        // Of a request that a proxy passes on nothing more is known.
        if operation.is_empty() || matches!(entry.outcome, Outcome::Refused { .. } | Outcome::Authorized) {
            return;
        }
        series.duration.add(entry.duration_ms / 1_000.0);
        if entry.tokens.estimated {
            one(&series.estimated);
        }
        if let Some(prompt) = entry.tokens.prompt {
            series.prompt.add(prompt as f64);
        }
        if let Some(output) = entry.tokens.output {
            series.output.add(output as f64);
        }
        if let Some(first) = entry.first_byte_ms.filter(|_| streamed && is_good) {
            series.first.add(first / 1_000.0);
            if let Some(output) = entry.tokens.output.filter(|output| *output > 1) {
                series.per_token.add((entry.duration_ms - first) / 1_000.0 / (output - 1) as f64);
            }
        }
    }

    fn series(&self, mut asked: Asked) -> Arc<Series> {
        let mut own = self.own.borrow_mut();
        if let Some(series) = own.get(&asked) {
            return Arc::clone(series);
        }
        // Beyond the bound a thread keeps no more of what clients name.
        if self.metrics.is_full.load(Ordering::Relaxed) || own.len() >= SERIES {
            (asked.key, asked.model) = (OTHER.to_owned(), OTHER.to_owned());
            if let Some(series) = own.get(&asked) {
                return Arc::clone(series);
            }
        }
        let series = self.metrics.enter(&asked);
        own.insert(asked, Arc::clone(&series));
        series
    }
}

/// OpenTelemetry's name of what an inference does; empty: it is none.
pub(crate) fn operation(entry: &RequestEntry) -> &'static str {
    let Some((_, route)) = entry.route.as_ref().filter(|(effect, _)| effect == "infer") else {
        return "";
    };
    let path = route.split(' ').nth(1).unwrap_or(route);
    let ends = |words: &[&str]| words.iter().any(|word| path.ends_with(word));
    if ends(&["/chat", "/chat/completions", "/messages", "/responses"]) {
        "chat"
    } else if ends(&["/completions", "/completion", "/generate", "/infill"]) {
        "text_completion"
    } else if path.contains("embed") {
        "embeddings"
    } else {
        "other"
    }
}

/// The word of an outcome.
pub(crate) fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Answered => "answered",
        Outcome::Authorized => "authorized",
        Outcome::Aborted => "aborted",
        Outcome::Failed { .. } => "failed",
        Outcome::Refused { reason, .. } => reason,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::log::Tokens;

    pub(in crate::admin) fn entry(key: &str, model: &str) -> RequestEntry {
        let mut entry = RequestEntry::begun("1".to_owned(), std::net::SocketAddr::from(([127, 0, 0, 1], 1)));
        entry.client.key = Some((key.to_owned(), "a name".to_owned()));
        "POST".clone_into(&mut entry.method);
        "/v1/chat/completions".clone_into(&mut entry.path);
        entry.route = Some(("infer".to_owned(), "POST /v1/chat/completions since 0.1.24".to_owned()));
        entry.models = vec![model.to_owned()];
        entry.status = Some(200);
        entry.tokens = Tokens {
            prompt: Some(3),
            output: Some(5),
            estimated: false,
        };
        entry.chunks = 1;
        entry.first_byte_ms = Some(10.0);
        entry.duration_ms = 50.0;
        entry.outcome = Outcome::Answered;
        entry
    }

    #[test]
    fn labels_are_bounded() {
        let metrics = Arc::new(Metrics::new("ollama".to_owned()));
        let recorders = [metrics.recorder(), metrics.recorder()];
        for number in 0..3 * SERIES {
            let mut entry = entry(&format!("key{}", number % 1_000), &format!("model{number}"));
            entry.status = Some(200 + u16::try_from(number % 7).expect("small"));
            recorders[number % 2].record(&entry, true);
        }
        let series = metrics.series();
        let distinct: HashSet<&Labels> = series.iter().map(|(labels, _)| labels).collect();
        assert!(distinct.len() <= SERIES + 20, "{}", distinct.len());
        assert!(recorders.iter().all(|recorder| recorder.own.borrow().len() <= SERIES + 20));
        let keys: HashSet<&str> = series.iter().map(|(labels, _)| &*labels.key).collect();
        let models: HashSet<&str> = series.iter().map(|(labels, _)| &*labels.model).collect();
        assert!(keys.len() <= KEYS + 1 && keys.contains(OTHER), "{}", keys.len());
        assert!(models.len() <= MODELS + 1 && models.contains(OTHER), "{}", models.len());
        let requests: u64 = series.iter().map(|(_, series)| series.requests()).sum();
        assert_eq!(requests, 3 * SERIES as u64, "none is lost");
    }

    #[test]
    fn a_model_that_the_server_does_not_have_is_no_label() {
        let metrics = Arc::new(Metrics::new("ollama".to_owned()));
        let mut entry = entry("k", "invented");
        entry.status = Some(404);
        metrics.recorder().record(&entry, false);
        assert!(metrics.series().iter().all(|(labels, _)| labels.model.is_empty()));
    }
}
