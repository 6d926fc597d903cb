//! What is in a request of OTLP: good points, records or spans, others that are too old, and some to be warned of.

use flyball_tests::otlp::{attributes, gauge, logs, metrics, point, traces};
use flyball_tests::time::now_nanos;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{NumberDataPoint, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::{Value, json};

use super::account::Tally;
use super::case::Signal;

/// The metric of all points.
pub(super) const METRIC: &str = "book_reading";

/// Beyond what a float holds exactly.
const UNEVEN: i64 = (1 << 53) + 1;

/// How many of which kind.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Content {
    pub(super) good: u64,
    /// Refused as `too_old`.
    pub(super) old: u64,
    /// Stored with a remark: numbers that are rounded, spans that end before they start. Of logs there are none.
    pub(super) odd: u64,
}

/// One point, record or span.
struct Item {
    number: u64,
    time: u64,
    odd: bool,
}

impl Content {
    fn items(self) -> impl Iterator<Item = Item> {
        let now = now_nanos();
        let old = (0..self.old).map(move |number| Item { number, time: number + 1, odd: false });
        let new = (0..self.good + self.odd).map(move |number| Item { number, time: now, odd: number >= self.good });
        old.chain(new)
    }

    /// What becomes of it.
    pub(super) fn tally(self, signal: Signal) -> Tally {
        let reason = if signal == Signal::Metrics { "rounded" } else { "end_before_start" };
        let stored_as = (self.odd > 0).then_some((reason, self.odd)).into_iter().collect();
        Tally { stored: self.good + self.odd, stored_as, ..Tally::default() }.and_rejected("too_old", self.old)
    }

    /// The request in protobuf.
    pub(super) fn protobuf(self, signal: Signal, id: &str) -> Vec<u8> {
        let resource = [("service.name", id)];
        match signal {
            Signal::Metrics => {
                let points = self.items().map(|item| {
                    let point = point(&[("n", &item.number.to_string())], item.time, 1.0);
                    let value = if item.odd { Some(number_data_point::Value::AsInt(UNEVEN)) } else { point.value };
                    NumberDataPoint { value, ..point }
                });
                metrics(&resource, vec![gauge(METRIC, points.collect())]).encode_to_vec()
            }
            Signal::Logs => {
                let record = |item: Item| LogRecord {
                    time_unix_nano: item.time,
                    attributes: attributes(&[("n", &item.number.to_string())]),
                    ..LogRecord::default()
                };
                logs(&resource, self.items().map(record).collect()).encode_to_vec()
            }
            Signal::Traces => {
                let span = |item: Item| Span {
                    trace_id: vec![7; 16],
                    span_id: (item.number + 1).to_be_bytes().to_vec(),
                    name: "read".to_owned(),
                    start_time_unix_nano: item.time,
                    end_time_unix_nano: if item.odd { item.time - 1 } else { item.time },
                    ..Span::default()
                };
                traces(&resource, self.items().map(span).collect()).encode_to_vec()
            }
        }
    }

    /// The same in OTLP's JSON.
    pub(super) fn json(self, signal: Signal, id: &str) -> Vec<u8> {
        let attribute = |key: &str, value: &str| json!([{"key": key, "value": {"stringValue": value}}]);
        let items = self.items().map(|Item { number, time, odd }| {
            let n = attribute("n", &number.to_string());
            match signal {
                Signal::Metrics if odd => {
                    json!({"timeUnixNano": time.to_string(), "asInt": UNEVEN.to_string(), "attributes": n})
                }
                Signal::Metrics => json!({"timeUnixNano": time.to_string(), "asDouble": 1.0, "attributes": n}),
                Signal::Logs => json!({"timeUnixNano": time.to_string(), "attributes": n}),
                Signal::Traces => json!({
                    "traceId": "07".repeat(16), "spanId": format!("{:016x}", number + 1), "name": "read",
                    "startTimeUnixNano": time.to_string(),
                    "endTimeUnixNano": (if odd { time - 1 } else { time }).to_string(),
                }),
            }
        });
        let items: Value = items.collect();
        let resource = json!({"attributes": attribute("service.name", id)});
        let document = match signal {
            Signal::Metrics => {
                let metrics = json!([{"name": METRIC, "gauge": {"dataPoints": items}}]);
                json!({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]})
            }
            Signal::Logs => json!({"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": items}]}]}),
            Signal::Traces => json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": items}]}]}),
        };
        document.to_string().into_bytes()
    }
}
