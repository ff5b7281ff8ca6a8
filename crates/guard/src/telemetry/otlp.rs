//! OTLP 1 in JSON: 64-bit numbers are texts, ids are hexadecimal.

use serde_json::{Value as Json, json};

use super::span::Span;
use crate::admin::{Family, Kind, Point, Value};
use crate::config::Config;

/// The version of OpenTelemetry's conventions that names are from: the last one with the GenAI names before these moved to a repository of
/// their own.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.41.0";
/// Points in one message. A point has at most some 600 bytes besides its labels.
const POINTS: usize = 2_000;
/// Sums and histograms count from the start of the gateway on.
const CUMULATIVE: u32 = 2;
const SERVER: u32 = 2;
const ERROR: u32 = 2;

/// What is the same in all messages.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    resource: Json,
    scope: Json,
    /// The address of the gateway, for its GenAI metrics and its spans.
    server: Vec<Json>,
}

impl Frame {
    /// `instance`: an id of this process.
    pub(super) fn new(config: &Config, instance: &str) -> Self {
        let mut resource = Vec::new();
        if let Some(telemetry) = &config.telemetry {
            let own = [
                ("service.name", telemetry.service_name.as_str()),
                ("service.version", env!("CARGO_PKG_VERSION")),
                ("service.instance.id", instance),
            ];
            // What the operator says of the service holds.
            resource.extend(
                own.iter()
                    .filter(|(name, _)| !telemetry.resource.contains_key(*name))
                    .map(|(name, value)| text(name, value)),
            );
            resource.extend(telemetry.resource.iter().map(|(name, value)| text(name, value)));
        }
        let listen = &config.listen;
        let named = listen.hosts.first().cloned().unwrap_or_else(|| listen.address.ip().to_string());
        let (host, port) = match named.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>())) {
            Some((host, Ok(port))) if !host.contains(':') => (host.to_owned(), port),
            _ => (named, listen.address.port()),
        };
        Self {
            resource: json!({ "attributes": resource }),
            scope: json!({"name": "vigie-guard", "version": env!("CARGO_PKG_VERSION")}),
            server: vec![text("server.address", &host), whole("server.port", i64::from(port))],
        }
    }

    /// Messages with metrics, each with a bounded number of points. `begun` and `now` in nanoseconds since 1970.
    pub(super) fn metrics(&self, families: Vec<Family>, begun: u64, now: u64) -> Vec<Json> {
        let mut messages = Vec::new();
        let (mut metrics, mut points) = (Vec::new(), 0);
        for family in families {
            let mut rest = family.points;
            while !rest.is_empty() {
                let more = rest.split_off(rest.len().min(POINTS - points));
                points += rest.len();
                metrics.push(self.metric(family.name, family.unit, family.kind, family.help, &rest, (begun, now)));
                rest = more;
                if points == POINTS {
                    messages.push(self.message("Metrics", &std::mem::take(&mut metrics)));
                    points = 0;
                }
            }
        }
        if !metrics.is_empty() {
            messages.push(self.message("Metrics", &metrics));
        }
        messages
    }

    fn metric(&self, name: &str, unit: &str, kind: Kind, help: &str, points: &[Point], (begun, now): (u64, u64)) -> Json {
        let point = |point: &Point| {
            let mut attributes: Vec<Json> = point
                .labels
                .iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| text(name, value))
                .collect();
            if name.starts_with("gen_ai.") {
                attributes.extend_from_slice(&self.server);
            }
            let mut written = json!({"attributes": attributes, "timeUnixNano": now.to_string()});
            if kind != Kind::Gauge {
                written["startTimeUnixNano"] = json!(begun.to_string());
            }
            match &point.value {
                Value::Whole(value) => written["asInt"] = json!(value.to_string()),
                Value::Summary(count, sum) => {
                    written["count"] = json!(count.to_string());
                    written["sum"] = json!(sum);
                }
                Value::Counted(counted) => {
                    written["count"] = json!(counted.count().to_string());
                    written["sum"] = json!(counted.sum());
                    written["explicitBounds"] = json!(counted.bounds());
                    written["bucketCounts"] = counted.buckets().iter().map(|count| json!(count.to_string())).collect();
                }
            }
            written
        };
        let points: Vec<Json> = points.iter().map(point).collect();
        let mut metric = json!({"name": name, "description": help});
        if !unit.is_empty() {
            metric["unit"] = json!(unit);
        }
        let (word, data) = match kind {
            Kind::Gauge => ("gauge", json!({ "dataPoints": points })),
            Kind::Counter => (
                "sum",
                json!({"aggregationTemporality": CUMULATIVE, "isMonotonic": true, "dataPoints": points}),
            ),
            Kind::Histogram => ("histogram", json!({"aggregationTemporality": CUMULATIVE, "dataPoints": points})),
            Kind::Summary => ("summary", json!({ "dataPoints": points })),
        };
        metric[word] = data;
        metric
    }

    /// A message with spans. `provider`: the id of the product behind.
    pub(super) fn traces(&self, spans: &[Span], provider: &str) -> Json {
        let spans: Vec<Json> = spans.iter().map(|span| self.span(span, provider)).collect();
        self.message("Spans", &spans)
    }

    fn span(&self, span: &Span, provider: &str) -> Json {
        let mut attributes = vec![text("http.request.method", span.method), text("vigie.outcome", span.outcome)];
        attributes.extend_from_slice(&self.server);
        let texts = [
            ("http.route", span.route.as_ref()),
            ("vigie.key", span.key.as_ref()),
            ("error.type", span.error.as_ref()),
        ];
        attributes.extend(texts.iter().filter_map(|(name, value)| Some(text(name, (*value)?))));
        attributes.extend(span.status.map(|status| whole("http.response.status_code", i64::from(status))));
        if !span.operation.is_empty() {
            attributes.push(text("gen_ai.operation.name", span.operation));
            attributes.push(text("gen_ai.provider.name", provider));
            attributes.extend(span.model.as_ref().map(|model| text("gen_ai.request.model", model)));
            let used = [
                ("gen_ai.usage.input_tokens", span.tokens.prompt),
                ("gen_ai.usage.output_tokens", span.tokens.output),
            ];
            let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            attributes.extend(used.iter().filter_map(|(name, count)| Some(whole(name, number((*count)?)))));
            if span.tokens.estimated {
                attributes.push(json!({"key": "vigie.tokens_estimated", "value": {"boolValue": true}}));
            }
            if span.streamed {
                attributes.push(json!({"key": "gen_ai.request.stream", "value": {"boolValue": true}}));
                attributes.extend(
                    span.first_byte_ms
                        .map(|first| json!({"key": "gen_ai.response.time_to_first_chunk", "value": {"doubleValue": first / 1_000.0}})),
                );
            }
        }
        let begun = u64::try_from(span.begun.timestamp_nanos_opt().unwrap_or(0)).unwrap_or(0);
        // A float that is negative or no number becomes zero.
        let ended = begun.saturating_add((span.duration_ms * 1e6) as u64);
        let mut written = json!({
            "traceId": format!("{:032x}", span.trace.id),
            "spanId": span.id,
            // Sampled, and whether the parent is another process's is known.
            "flags": 0x101 | if span.trace.parent.is_some() { 0x200 } else { 0 },
            "name": span.name(),
            "kind": SERVER,
            "startTimeUnixNano": begun.to_string(),
            "endTimeUnixNano": ended.to_string(),
            "attributes": attributes,
        });
        if let Some(parent) = span.trace.parent {
            written["parentSpanId"] = json!(format!("{parent:016x}"));
        }
        if span.is_fault {
            written["status"] = json!({ "code": ERROR });
        }
        written
    }

    fn message(&self, what: &str, list: &[Json]) -> Json {
        let (outer, inner, items) = match what {
            "Spans" => ("resourceSpans", "scopeSpans", "spans"),
            _ => ("resourceMetrics", "scopeMetrics", "metrics"),
        };
        json!({outer: [{
            "resource": self.resource,
            "schemaUrl": SCHEMA,
            inner: [{"scope": self.scope, "schemaUrl": SCHEMA, items: list}],
        }]})
    }
}

fn text(name: &str, value: &str) -> Json {
    json!({"key": name, "value": {"stringValue": value}})
}

fn whole(name: &str, value: i64) -> Json {
    json!({"key": name, "value": {"intValue": value.to_string()}})
}
