//! All metrics of the gateway, whoever they are for: [`super::text`] writes them for Prometheus, [`crate::telemetry`] for OpenTelemetry.
//!
//! Names and labels are OpenTelemetry's. Those of its GenAI conventions are still moving; they are written here only.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::histogram::Counted;
use super::metrics::Metrics;
use super::series::{Labels, Series};
use crate::pool::Pool;
use crate::proxy::Gate;
use crate::telemetry::Telemetry;

/// Metrics of one name.
#[derive(Debug)]
pub(crate) struct Family {
    /// The name, with dots.
    pub(crate) name: &'static str,
    /// The unit, in UCUM; empty: none.
    pub(crate) unit: &'static str,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
    pub(crate) points: Vec<Point>,
}

/// What can be done with the numbers of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// They only go up.
    Counter,
    Gauge,
    Histogram,
    Summary,
}

/// The labels of a point; those with an empty value are left out.
pub(crate) type Written = Vec<(&'static str, String)>;

/// A number of a family.
#[derive(Debug)]
pub(crate) struct Point {
    pub(crate) labels: Written,
    pub(crate) value: Value,
}

/// The number.
#[derive(Debug)]
pub(crate) enum Value {
    Whole(i64),
    Counted(Counted),
    /// How many, and their sum.
    Summary(u64, f64),
}

/// What the gateway is like at this moment, apart from its requests.
#[derive(Clone, Debug)]
pub(super) struct Now {
    pub(super) log_lines: u64,
    pub(super) log_broken: bool,
    pub(super) keys: usize,
    pub(super) keys_current: bool,
    pub(super) upstream_up: bool,
    /// Whether there are other ways to the servers behind, and how many for programs of this machine, private networks, and everyone.
    pub(super) ways: Option<(&'static str, [usize; 3])>,
    /// `None`: there is none.
    pub(super) redis_up: Option<bool>,
    /// Whether the configuration that holds is the one in the folder.
    pub(super) config_current: bool,
    /// There is to be TLS, and no certificate.
    pub(super) certificate_missing: bool,
    /// When the certificate ends.
    pub(super) certificate_until: Option<vigie_model::Timestamp>,
    pub(super) max_connections: usize,
    pub(super) refused_connections: u64,
    /// Alerts of each detector, and events that they did not see; `None`: there are no detectors.
    pub(super) detected: Option<(Vec<(&'static str, u64)>, u64)>,
}

impl Now {
    pub(super) fn of(gate: &Gate) -> Self {
        let (keys, keys_current) = gate.key_state();
        let certificate = gate.tls.as_ref().and_then(|_| gate.life.certificates.current());
        Self {
            log_lines: gate.log.written(),
            log_broken: gate.log.is_broken(),
            keys,
            keys_current,
            upstream_up: gate.pool.is_up(),
            redis_up: gate.remote.as_ref().map(|remote| remote.is_up()),
            config_current: gate.life.is_current(),
            certificate_missing: gate.tls.is_some() && certificate.is_none(),
            certificate_until: certificate.and_then(|certificate| certificate.until()),
            max_connections: gate.life.room.most(),
            refused_connections: gate.life.room.refused(),
            ways: gate.ways.sum(),
            detected: gate.watch.as_ref().map(|watch| watch.counts()),
        }
    }
}

/// All metrics of a gateway.
pub(crate) fn families(gate: &Gate) -> Vec<Family> {
    let telemetry = gate.plan.collector.is_some().then_some(&*gate.telemetry);
    all(&gate.metrics, &Now::of(gate), &gate.pool, telemetry)
}

pub(super) fn all(metrics: &Metrics, now: &Now, pool: &Pool, telemetry: Option<&Telemetry>) -> Vec<Family> {
    let series = metrics.series();
    let mut all = vec![labelled(
        "vigie.guard.build_info",
        Kind::Gauge,
        "The version of the gateway.",
        [(vec![("version", env!("CARGO_PKG_VERSION").to_owned())], 1)],
    )];
    requests(&mut all, &series);
    state(&mut all, metrics, now);
    ways(&mut all, now);
    servers(&mut all, pool);
    if let Some((alerts, dropped)) = &now.detected {
        let points = alerts
            .iter()
            .map(|(detector, count)| (vec![("detector", (*detector).to_owned())], whole(*count)));
        all.push(labelled(
            "vigie.guard.alerts",
            Kind::Counter,
            "Alerts of detectors, repeated ones left out.",
            points,
        ));
        all.push(one(
            "vigie.guard.detector_events_dropped",
            Kind::Counter,
            "Requests that the detectors did not see, because they are slower than the requests.",
            whole(*dropped),
        ));
    }
    if let Some(telemetry) = telemetry {
        exporter(&mut all, telemetry);
    }
    gen_ai(&mut all, &metrics.provider(), &series);
    all
}

type OfThreads<'s> = &'s [(Labels, Arc<Series>)];

fn requests(all: &mut Vec<Family>, series: OfThreads<'_>) {
    let key = |labels: &Labels| vec![("vigie.key", labels.key.to_string())];
    let words = |labels: &Labels| {
        let mut words = key(labels);
        words.push(("outcome", labels.outcome.to_owned()));
        words.push(("status", labels.status.to_string()));
        words
    };
    all.push(labelled(
        "vigie.guard.requests",
        Kind::Counter,
        "Requests by key, outcome and status; status 0: the client got none.",
        counted(series, words, Series::requests),
    ));
    all.push(labelled(
        "vigie.guard.estimated",
        Kind::Counter,
        "Requests whose output tokens are estimated by the pieces of their answer.",
        counted(series, key, Series::estimated),
    ));
}

/// The gateway itself.
fn state(all: &mut Vec<Family>, metrics: &Metrics, now: &Now) {
    let (connections, streams) = metrics.open();
    for (name, help, value) in [
        ("vigie.guard.open_connections", "Open connections of clients.", connections),
        ("vigie.guard.open_streams", "Answers that are being streamed.", streams),
        ("vigie.guard.keys", "Keys in the key store.", whole(now.keys as u64)),
        (
            "vigie.guard.key_store_current",
            "1: the key store was read as it is; 0: it does not read, and older keys hold.",
            i64::from(now.keys_current),
        ),
        (
            "vigie.guard.log_broken",
            "1: the audit log cannot be written, and nothing is passed on.",
            i64::from(now.log_broken),
        ),
        (
            "vigie.guard.upstream_up",
            "1: the server behind answered within the last interval.",
            i64::from(now.upstream_up),
        ),
        (
            "vigie.guard.config_current",
            "1: the configuration that holds is the one in the folder; 0: that one does not read, and the one before holds.",
            i64::from(now.config_current),
        ),
        (
            "vigie.guard.max_connections",
            "Connections of clients that there may be at a time.",
            whole(now.max_connections as u64),
        ),
    ] {
        all.push(one(name, Kind::Gauge, help, value));
    }
    if let Some(until) = now.certificate_until {
        let help = "When the certificate ends, in seconds since 1970.";
        let family = one("vigie.guard.certificate_expiry_timestamp", Kind::Gauge, help, until.timestamp());
        all.push(Family { unit: "s", ..family });
    }
    all.push(one(
        "vigie.guard.connections_refused",
        Kind::Counter,
        "Connections that were closed because their address had too many.",
        whole(now.refused_connections),
    ));
    all.push(one(
        "vigie.guard.log_lines",
        Kind::Counter,
        "Lines of the audit log since it was begun.",
        whole(now.log_lines),
    ));
    if let Some(up) = now.redis_up {
        let help = "1: the Redis that has the counts of keys answers; 0: nothing is passed on.";
        all.push(one("vigie.guard.redis_up", Kind::Gauge, help, i64::from(up)));
    }
}

/// Other ways to the servers behind. What was not looked at, or cannot be seen, has no series: it is not zero.
fn ways(all: &mut Vec<Family>, now: &Now) {
    let Some((word, counts)) = now.ways else { return };
    // Of a server that cannot be seen, only what was found is said.
    let points = ["loopback", "private", "public"]
        .iter()
        .zip(counts)
        .filter(|(_, count)| *count > 0 || word != "unknown")
        .map(|(reach, count)| (vec![("reach", (*reach).to_owned())], whole(count as u64)));
    all.push(labelled(
        "vigie.guard.other_ways",
        Kind::Gauge,
        "Addresses on which a server behind answers without the gateway, by who can reach them.",
        points,
    ));
    let help = "1: no other machine reaches a server behind without the gateway, as far as it can be seen; 0: one can. Absent: not known.";
    let known = (word != "unknown").then_some((Vec::new(), i64::from(word != "open")));
    all.push(labelled("vigie.guard.only_way_in", Kind::Gauge, help, known));
}

/// The servers behind, and the queue for them.
fn servers(all: &mut Vec<Family>, pool: &Pool) {
    let name = |name: &str| vec![("server", name.to_owned())];
    all.push(labelled(
        "vigie.guard.server_up",
        Kind::Gauge,
        "1: requests are sent to the server; 0: it failed, and the others get them.",
        pool.servers().iter().map(|server| (name(&server.name), i64::from(server.is_in()))),
    ));
    all.push(labelled(
        "vigie.guard.server_in_flight",
        Kind::Gauge,
        "Requests that the server has now.",
        pool.servers()
            .iter()
            .map(|server| (name(&server.name), whole(server.open() as u64))),
    ));
    let waits = pool.queue().waits();
    all.push(one(
        "vigie.guard.queue_length",
        Kind::Gauge,
        "Requests that wait for a server.",
        whole(waits.waiting as u64),
    ));
    all.push(Family {
        name: "vigie.guard.queue_wait",
        unit: "s",
        kind: Kind::Summary,
        help: "How long requests waited that got a server.",
        points: vec![Point {
            labels: Vec::new(),
            value: Value::Summary(waits.waited.0, waits.waited.1.as_secs_f64()),
        }],
    });
    all.push(one(
        "vigie.guard.queue_sent_away",
        Kind::Counter,
        "Requests that got no server, because too many waited or it took too long.",
        whole(waits.sent_away),
    ));
}

/// What is sent to the collector.
fn exporter(all: &mut Vec<Family>, telemetry: &Telemetry) {
    let counts = telemetry.counts();
    let exports = counts.exports.map(|(signal, outcome, count)| {
        let labels = vec![("signal", signal.to_owned()), ("outcome", outcome.to_owned())];
        (labels, whole(count))
    });
    all.push(labelled(
        "vigie.guard.telemetry_exports",
        Kind::Counter,
        "What was sent to the OpenTelemetry collector, and whether it was taken.",
        exports,
    ));
    let spans = counts
        .spans
        .map(|(outcome, count)| (vec![("outcome", outcome.to_owned())], whole(count)));
    all.push(labelled(
        "vigie.guard.telemetry_spans",
        Kind::Counter,
        "Spans: sent; dropped because too many waited (full), the collector did not want them (rejected), or it could not be reached (failed).",
        spans,
    ));
    all.push(one(
        "vigie.guard.telemetry_queue",
        Kind::Gauge,
        "Spans that wait to be sent.",
        whole(counts.waiting as u64),
    ));
}

/// The metrics of OpenTelemetry's GenAI conventions.
fn gen_ai(all: &mut Vec<Family>, provider: &str, series: OfThreads<'_>) {
    let common = |labels: &Labels| {
        vec![
            ("gen_ai.operation.name", labels.operation.to_owned()),
            ("gen_ai.provider.name", provider.to_owned()),
            ("gen_ai.request.model", labels.model.to_string()),
        ]
    };
    let tokens = |labels: &Labels, kind: &str| {
        let mut all = common(labels);
        all.push(("gen_ai.token.type", kind.to_owned()));
        all.push(("vigie.key", labels.key.to_string()));
        all
    };
    let with_error = |labels: &Labels| {
        let mut all = common(labels);
        all.push(("error.type", error_type(labels.outcome, labels.status).unwrap_or_default()));
        all
    };
    let histogram = |name, unit, help, points| Family {
        name,
        unit,
        kind: Kind::Histogram,
        help,
        points,
    };
    let mut used = merged(series, |labels| tokens(labels, "input"), |series| series.prompt.read());
    used.extend(merged(series, |labels| tokens(labels, "output"), |series| series.output.read()));
    all.push(histogram(
        "gen_ai.client.token.usage",
        "{token}",
        "Tokens of requests, as the server counted them.",
        used,
    ));
    all.push(histogram(
        "gen_ai.server.request.duration",
        "s",
        "Time from a request to the end of its answer.",
        merged(series, with_error, |series| series.duration.read()),
    ));
    all.push(histogram(
        "gen_ai.server.time_to_first_token",
        "s",
        "Time from a request to the first piece of its streamed answer.",
        merged(series, common, |series| series.first.read()),
    ));
    all.push(histogram(
        "gen_ai.server.time_per_output_token",
        "s",
        "Time per token after the first of a streamed answer.",
        merged(series, common, |series| series.per_token.read()),
    ));
}

/// OpenTelemetry's `error.type`; a request that went well has none.
pub(crate) fn error_type(outcome: &str, status: u16) -> Option<String> {
    match (outcome, status) {
        ("answered" | "authorized", ..400) => None,
        ("answered" | "authorized", status) => Some(status.to_string()),
        (outcome, _) => Some(outcome.to_owned()),
    }
}

/// A family with one point, without labels.
fn one(name: &'static str, kind: Kind, help: &'static str, value: i64) -> Family {
    labelled(name, kind, help, [(Vec::new(), value)])
}

fn labelled(name: &'static str, kind: Kind, help: &'static str, points: impl IntoIterator<Item = (Written, i64)>) -> Family {
    let point = |(labels, value)| Point {
        labels,
        value: Value::Whole(value),
    };
    Family {
        name,
        unit: "",
        kind,
        help,
        points: points.into_iter().map(point).collect(),
    }
}

/// The counters of all threads, added up by their labels.
fn counted(series: OfThreads<'_>, labels: impl Fn(&Labels) -> Written, value: impl Fn(&Series) -> u64) -> Vec<(Written, i64)> {
    let mut sums: BTreeMap<Written, u64> = BTreeMap::new();
    for (own, series) in series {
        let value = value(series);
        if value > 0 {
            *sums.entry(labels(own)).or_default() += value;
        }
    }
    sums.into_iter().map(|(labels, sum)| (labels, whole(sum))).collect()
}

/// The histograms of all threads, added up by their labels.
fn merged(series: OfThreads<'_>, labels: impl Fn(&Labels) -> Written, value: impl Fn(&Series) -> Counted) -> Vec<Point> {
    let mut sums: BTreeMap<Written, Counted> = BTreeMap::new();
    for (own, series) in series {
        let value = value(series);
        if value.count() == 0 {
            continue;
        }
        match sums.entry(labels(own)) {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(value);
            }
            std::collections::btree_map::Entry::Occupied(mut sum) => sum.get_mut().merge(&value),
        }
    }
    let point = |(labels, counted)| Point {
        labels,
        value: Value::Counted(counted),
    };
    sums.into_iter().map(point).collect()
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
