//! Metrics in Prometheus' text format, version 0.0.4.
//!
//! Names are those of OpenTelemetry as Prometheus translates them: dots become underscores, and the unit and the kind are added.

use std::fmt::Write as _;

use super::families::{Family, Kind, Value, Written};

/// The content type of the text.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The text of metrics.
pub(super) fn text(families: &[Family]) -> String {
    let mut out = String::new();
    for family in families {
        write_family(&mut out, family);
    }
    out
}

fn write_family(out: &mut String, family: &Family) {
    let mut name = family.name.replace('.', "_");
    if family.unit == "s" {
        name.push_str("_seconds");
    }
    let kind = match family.kind {
        Kind::Counter => {
            name.push_str("_total");
            "counter"
        }
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Summary => "summary",
    };
    // A string takes whatever is written.
    let _ = write!(out, "# HELP {name} {}\n# TYPE {name} {kind}\n", family.help);
    for point in &family.points {
        let labels = &point.labels;
        match &point.value {
            Value::Whole(value) => line(out, &name, labels, None, value),
            Value::Summary(count, sum) => {
                line(out, &format!("{name}_sum"), labels, None, sum);
                line(out, &format!("{name}_count"), labels, None, count);
            }
            Value::Counted(counted) => {
                let bucket = format!("{name}_bucket");
                for (bound, count) in counted.cumulative() {
                    line(out, &bucket, labels, Some(&bound.to_string()), count);
                }
                line(out, &bucket, labels, Some("+Inf"), counted.count());
                line(out, &format!("{name}_sum"), labels, None, counted.sum());
                line(out, &format!("{name}_count"), labels, None, counted.count());
            }
        }
    }
}

/// `le`: the upper bound of a bucket.
fn line(out: &mut String, name: &str, labels: &Written, le: Option<&str>, value: impl std::fmt::Display) {
    out.push_str(name);
    let mut before = '{';
    let own = labels.iter().map(|(label, text)| (*label, text.as_str()));
    for (label, text) in own.chain(le.map(|le| ("le", le))).filter(|(_, text)| !text.is_empty()) {
        let _ = write!(out, "{before}{}=\"{}\"", label.replace('.', "_"), escaped(text));
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::admin::families::{Now, all};
    use crate::admin::metrics::Metrics;
    use crate::admin::metrics::tests::entry;
    use crate::config::{QueueConfig, UpstreamConfig};
    use crate::pool::Pool;
    use crate::telemetry::Telemetry;

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
            detected: Some((vec![("cost-harvesting", 3)], 4)),
        };
        let server = UpstreamConfig::new("http://127.0.0.1:1".to_owned(), "ollama".to_owned(), None);
        let pool = Pool::new([&server], &QueueConfig::default()).expect("a pool");
        let text = text(&all(&metrics, &now, &pool, Some(&Telemetry::default())));
        for wanted in [
            "vigie_guard_requests_total{vigie_key=\"k1\",outcome=\"answered\",status=\"200\"} 2\n",
            "vigie_guard_open_streams 1\n",
            "vigie_guard_log_lines_total 7\n",
            "vigie_guard_other_ways{reach=\"private\"} 2\n",
            "vigie_guard_only_way_in 0\n",
            "vigie_guard_server_up{server=\"http://127.0.0.1:1\"} 1\n",
            "vigie_guard_queue_length 0\n",
            "vigie_guard_redis_up 0\n",
            "vigie_guard_alerts_total{detector=\"cost-harvesting\"} 3\n",
            "vigie_guard_detector_events_dropped_total 4\n",
            "vigie_guard_telemetry_exports_total{signal=\"metrics\",outcome=\"failed\"} 0\n",
            "vigie_guard_telemetry_spans_total{outcome=\"full\"} 0\n",
            "vigie_guard_certificate_expiry_timestamp_seconds 1900000000\n",
            "vigie_guard_queue_wait_seconds_count 0\n",
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
