//! Metrics in Prometheus' text format, version 0.0.4.
//!
//! The names of OpenTelemetry's GenAI conventions are still moving; they are written here only, as Prometheus translates them: dots become
//! underscores, and the unit is added.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::histogram::Counted;
use super::metrics::Metrics;
use super::series::{Labels, Series};
use crate::pool::Pool;

/// The content type of the text.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the gateway is like at this moment, apart from its requests.
#[derive(Clone, Copy, Debug)]
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
}

/// The text of all metrics.
pub(super) fn text(metrics: &Metrics, now: &Now, pool: &Pool) -> String {
    let series = metrics.series();
    let mut out = String::new();
    let provider = metrics.provider();
    let (connections, streams) = metrics.open();
    let version = env!("CARGO_PKG_VERSION");

    head(&mut out, "vigie_guard_build_info", "gauge", "The version of the gateway.");
    line(&mut out, "vigie_guard_build_info", &[("version", version)], 1);
    counter(
        &mut out,
        "vigie_guard_requests_total",
        "Requests by key, outcome and status; status 0: the client got none.",
        &series,
        |labels| {
            vec![
                ("vigie_key", labels.key.to_string()),
                ("outcome", labels.outcome.to_owned()),
                ("status", labels.status.to_string()),
            ]
        },
        Series::requests,
    );
    counter(
        &mut out,
        "vigie_guard_estimated_total",
        "Requests whose output tokens are estimated by the pieces of their answer.",
        &series,
        |labels| vec![("vigie_key", labels.key.to_string())],
        Series::estimated,
    );
    for (name, help, value) in [
        ("vigie_guard_open_connections", "Open connections of clients.", connections),
        ("vigie_guard_open_streams", "Answers that are being streamed.", streams),
        (
            "vigie_guard_keys",
            "Keys in the key store.",
            i64::try_from(now.keys).unwrap_or(i64::MAX),
        ),
        (
            "vigie_guard_key_store_current",
            "1: the key store was read as it is; 0: it does not read, and older keys hold.",
            i64::from(now.keys_current),
        ),
        (
            "vigie_guard_log_broken",
            "1: the audit log cannot be written, and nothing is passed on.",
            i64::from(now.log_broken),
        ),
        (
            "vigie_guard_upstream_up",
            "1: the server behind answered within the last interval.",
            i64::from(now.upstream_up),
        ),
        (
            "vigie_guard_config_current",
            "1: the configuration that holds is the one in the folder; 0: that one does not read, and the one before holds.",
            i64::from(now.config_current),
        ),
        (
            "vigie_guard_max_connections",
            "Connections of clients that there may be at a time.",
            i64::try_from(now.max_connections).unwrap_or(i64::MAX),
        ),
    ] {
        head(&mut out, name, "gauge", help);
        line(&mut out, name, &[], value);
    }
    if let Some(until) = now.certificate_until {
        let name = "vigie_guard_certificate_expiry_timestamp_seconds";
        head(&mut out, name, "gauge", "When the certificate ends, in seconds since 1970.");
        line(&mut out, name, &[], until.timestamp());
    }
    let name = "vigie_guard_connections_refused_total";
    head(
        &mut out,
        name,
        "counter",
        "Connections that were closed because their address had too many.",
    );
    line(&mut out, name, &[], now.refused_connections);
    ways(&mut out, now);
    head(
        &mut out,
        "vigie_guard_log_lines_total",
        "counter",
        "Lines of the audit log since it was begun.",
    );
    line(&mut out, "vigie_guard_log_lines_total", &[], now.log_lines);

    servers(&mut out, pool);
    if let Some(up) = now.redis_up {
        let name = "vigie_guard_redis_up";
        head(
            &mut out,
            name,
            "gauge",
            "1: the Redis that has the counts of keys answers; 0: nothing is passed on.",
        );
        line(&mut out, name, &[], i64::from(up));
    }

    let common = |labels: &Labels| {
        vec![
            ("gen_ai_operation_name", labels.operation.to_owned()),
            ("gen_ai_provider_name", provider.clone()),
            ("gen_ai_request_model", labels.model.to_string()),
        ]
    };
    let tokens = |labels: &Labels, kind: &str| {
        let mut all = common(labels);
        all.push(("gen_ai_token_type", kind.to_owned()));
        all.push(("vigie_key", labels.key.to_string()));
        all
    };
    let name = "gen_ai_client_token_usage";
    head(&mut out, name, "histogram", "Tokens of requests, as the server counted them.");
    histogram(
        &mut out,
        name,
        &series,
        |labels| tokens(labels, "input"),
        |series| series.prompt.read(),
    );
    histogram(
        &mut out,
        name,
        &series,
        |labels| tokens(labels, "output"),
        |series| series.output.read(),
    );
    let name = "gen_ai_server_request_duration_seconds";
    head(&mut out, name, "histogram", "Time from a request to the end of its answer.");
    histogram(
        &mut out,
        name,
        &series,
        |labels| {
            let mut all = common(labels);
            // A request that went well has none.
            let error = match (labels.outcome, labels.status) {
                ("answered", ..400) => String::new(),
                ("answered", status) => status.to_string(),
                (outcome, _) => outcome.to_owned(),
            };
            all.push(("error_type", error));
            all
        },
        |series| series.duration.read(),
    );
    let name = "gen_ai_server_time_to_first_token_seconds";
    head(
        &mut out,
        name,
        "histogram",
        "Time from a request to the first piece of its streamed answer.",
    );
    histogram(&mut out, name, &series, common, |series| series.first.read());
    let name = "gen_ai_server_time_per_output_token_seconds";
    head(&mut out, name, "histogram", "Time per token after the first of a streamed answer.");
    histogram(&mut out, name, &series, common, |series| series.per_token.read());
    out
}

/// Other ways to the servers behind. What was not looked at, or cannot be seen, has no series: it is not zero.
fn ways(out: &mut String, now: &Now) {
    let Some((word, counts)) = now.ways else { return };
    let name = "vigie_guard_other_ways";
    let help = "Addresses on which a server behind answers without the gateway, by who can reach them.";
    head(out, name, "gauge", help);
    for (reach, count) in ["loopback", "private", "public"].iter().zip(counts) {
        // Of a server that cannot be seen, only what was found is said.
        if count > 0 || word != "unknown" {
            line(out, name, &[("reach", reach)], count);
        }
    }
    let name = "vigie_guard_only_way_in";
    let help = "1: no other machine reaches a server behind without the gateway, as far as it can be seen; 0: one can. Absent: not known.";
    head(out, name, "gauge", help);
    if word != "unknown" {
        line(out, name, &[], i32::from(word != "open"));
    }
}

/// The servers behind, and the queue for them.
fn servers(out: &mut String, pool: &Pool) {
    let name = "vigie_guard_server_up";
    head(
        out,
        name,
        "gauge",
        "1: requests are sent to the server; 0: it failed, and the others get them.",
    );
    for server in pool.servers() {
        line(out, name, &[("server", &server.name)], i64::from(server.is_in()));
    }
    let name = "vigie_guard_server_in_flight";
    head(out, name, "gauge", "Requests that the server has now.");
    for server in pool.servers() {
        line(out, name, &[("server", &server.name)], server.open());
    }
    let waits = pool.queue().waits();
    let name = "vigie_guard_queue_length";
    head(out, name, "gauge", "Requests that wait for a server.");
    line(out, name, &[], waits.waiting);
    let name = "vigie_guard_queue_wait_seconds";
    head(out, name, "summary", "How long requests waited that got a server.");
    line(out, &format!("{name}_sum"), &[], waits.waited.1.as_secs_f64());
    line(out, &format!("{name}_count"), &[], waits.waited.0);
    let name = "vigie_guard_queue_sent_away_total";
    head(
        out,
        name,
        "counter",
        "Requests that got no server, because too many waited or it took too long.",
    );
    line(out, name, &[], waits.sent_away);
}

type Written = Vec<(&'static str, String)>;

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    // A string takes whatever is written.
    let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
}

fn line(out: &mut String, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
    out.push_str(name);
    let mut before = '{';
    for (label, text) in labels.iter().filter(|(_, text)| !text.is_empty()) {
        let _ = write!(out, "{before}{label}=\"{}\"", escaped(text));
        before = ',';
    }
    if before == ',' {
        out.push('}');
    }
    let _ = writeln!(out, " {value}");
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn counter(
    out: &mut String,
    name: &str,
    help: &str,
    series: &[(Labels, std::sync::Arc<Series>)],
    labels: impl Fn(&Labels) -> Written,
    value: impl Fn(&Series) -> u64,
) {
    head(out, name, "counter", help);
    let mut sums: BTreeMap<Written, u64> = BTreeMap::new();
    for (own, series) in series {
        let value = value(series);
        if value > 0 {
            *sums.entry(labels(own)).or_default() += value;
        }
    }
    for (labels, value) in sums {
        line(out, name, &borrowed(&labels), value);
    }
}

fn histogram(
    out: &mut String,
    name: &str,
    series: &[(Labels, std::sync::Arc<Series>)],
    labels: impl Fn(&Labels) -> Written,
    value: impl Fn(&Series) -> Counted,
) {
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
    for (labels, counted) in sums {
        let labels = borrowed(&labels);
        let bucket = format!("{name}_bucket");
        for (bound, count) in counted.cumulative() {
            let bound = bound.to_string();
            line(out, &bucket, &[&labels[..], &[("le", &bound)]].concat(), count);
        }
        line(out, &bucket, &[&labels[..], &[("le", "+Inf")]].concat(), counted.count());
        line(out, &format!("{name}_sum"), &labels, counted.sum());
        line(out, &format!("{name}_count"), &labels, counted.count());
    }
}

fn borrowed(labels: &Written) -> Vec<(&'static str, &str)> {
    labels.iter().map(|(label, text)| (*label, text.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::admin::metrics::tests::entry;
    use crate::config::{QueueConfig, UpstreamConfig};

    #[test]
    fn threads_are_added_up_and_labels_are_escaped() {
        let metrics = Arc::new(Metrics::new("ollama".to_owned()));
        for _ in 0..2 {
            metrics.recorder().record(&entry("k1", "a\"b\\c"), true);
        }
        let _open = metrics.recorder().streams.open();
        let now = Now {
            log_lines: 7,
            log_broken: false,
            keys: 1,
            keys_current: true,
            upstream_up: true,
            ways: Some(("open", [0, 2, 1])),
            redis_up: Some(false),
            config_current: true,
            certificate_missing: false,
            certificate_until: vigie_model::Timestamp::from_timestamp(1_900_000_000, 0),
            max_connections: 9,
            refused_connections: 2,
        };
        let server = UpstreamConfig::new("http://127.0.0.1:1".to_owned(), "ollama".to_owned(), None);
        let pool = Pool::new([&server], &QueueConfig::default()).expect("a pool");
        let text = text(&metrics, &now, &pool);
        for wanted in [
            "vigie_guard_requests_total{vigie_key=\"k1\",outcome=\"answered\",status=\"200\"} 2\n",
            "vigie_guard_open_streams 1\n",
            "vigie_guard_log_lines_total 7\n",
            "vigie_guard_other_ways{reach=\"private\"} 2\n",
            "vigie_guard_only_way_in 0\n",
            "vigie_guard_server_up{server=\"http://127.0.0.1:1\"} 1\n",
            "vigie_guard_queue_length 0\n",
            "vigie_guard_redis_up 0\n",
            "# TYPE gen_ai_client_token_usage histogram\n",
            "gen_ai_client_token_usage_bucket{gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"ollama\",\
             gen_ai_request_model=\"a\\\"b\\\\c\",gen_ai_token_type=\"output\",vigie_key=\"k1\",le=\"16\"} 2\n",
            "gen_ai_server_request_duration_seconds_sum{gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"ollama\",\
             gen_ai_request_model=\"a\\\"b\\\\c\"} 0.1\n",
            "gen_ai_server_time_to_first_token_seconds_bucket",
            "gen_ai_server_time_per_output_token_seconds_count",
        ] {
            assert!(text.contains(wanted), "{wanted} is not in\n{text}");
        }
        assert!(!text.contains("a name"), "keys are named by their ids");
        let heads = text.lines().filter(|line| line.starts_with("# TYPE")).count();
        let distinct: std::collections::BTreeSet<&str> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
        assert_eq!(heads, distinct.len(), "each family has one head");
    }
}
