//! An estate that says something of every kind: what flyball makes of it must outlive a crash.

use flyball_tests::otlp::{self, attributes, gauge, metrics, point};
use flyball_tests::remote_write::{self, series};
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, Sum, exemplar, metric,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// A request, the same for whoever gets it.
pub(super) struct Request {
    pub(super) path: &'static str,
    pub(super) headers: &'static [(&'static str, &'static str)],
    pub(super) body: Vec<u8>,
}

/// Rounds of reports.
const ROUNDS: u64 = 8;

/// Remote write's marker of a series that ended.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// Eight rounds, each of one request of every kind, the last of them at `now` (nanoseconds since 1970).
pub(super) fn requests(now: u64) -> Vec<Request> {
    let round = |round: u64| {
        let at = now - (ROUNDS - 1 - round) * 2_000_000_000;
        let otlp = |path, body| Request { path, headers: otlp::PROTOBUF, body };
        [
            otlp("/v1/metrics", numbers(round, at)),
            otlp("/v1/metrics", deltas(round, at)),
            otlp("/v1/metrics", histograms(round, at)),
            otlp("/v1/logs", logs(round, at)),
            otlp("/v1/traces", spans(round, at)),
            Request { path: "/api/v1/write", headers: remote_write::HEADERS, body: scraped(round, at) },
            Request { path: "/write?db=estate", headers: &[], body: lines(round, at) },
        ]
    };
    (0..ROUNDS).flat_map(round).collect()
}

const RESOURCE: &[(&str, &str)] = &[
    ("host.name", "edge-1"),
    ("k8s.namespace.name", "shop"),
    ("k8s.pod.name", "web-0"),
    ("k8s.deployment.name", "web"),
];

fn numbers(round: u64, at: u64) -> Vec<u8> {
    let rooms = ["north", "south", "east"];
    let warm =
        |(index, room): (usize, &&str)| point(&[("room", room)], at, 20.0 + (round * 3 + index as u64) as f64 / 2.0);
    let mut rooms: Vec<_> = rooms.iter().enumerate().map(warm).collect();
    // One room is too warm from the third round on; another point comes late.
    rooms.push(point(&[("room", "attic")], at, if round > 2 { 40.0 } else { 25.0 }));
    rooms.push(point(&[("room", "cellar")], at - 3_000_000_000 * (round % 3), round as f64));
    metrics(RESOURCE, vec![gauge("room.temperature", rooms)]).encode_to_vec()
}

fn sum(name: &str, temporality: i32, data_points: Vec<NumberDataPoint>) -> Metric {
    let sum = Sum { data_points, aggregation_temporality: temporality, is_monotonic: true };
    Metric { name: name.to_owned(), unit: "By".to_owned(), data: Some(metric::Data::Sum(sum)), ..Metric::default() }
}

fn deltas(round: u64, at: u64) -> Vec<u8> {
    let exemplar = Exemplar {
        filtered_attributes: attributes(&[("tap", "7")]),
        time_unix_nano: at,
        span_id: vec![1; 8],
        trace_id: vec![0xa1; 16],
        value: Some(exemplar::Value::AsInt(3)),
    };
    let delta = |pipe: &str, value: u64| NumberDataPoint {
        start_time_unix_nano: at - 2_000_000_000,
        exemplars: vec![exemplar.clone()],
        ..point(&[("pipe", pipe)], at, value as f64)
    };
    let total = NumberDataPoint { start_time_unix_nano: 1, ..point(&[], at, (round * 1_000) as f64) };
    let deltas = vec![delta("a", round + 1), delta("b", 2 * round + 1)];
    metrics(RESOURCE, vec![sum("litres", 1, deltas), sum("network.io", 2, vec![total])]).encode_to_vec()
}

fn histograms(round: u64, at: u64) -> Vec<u8> {
    let explicit = |temporality| Histogram {
        data_points: vec![HistogramDataPoint {
            start_time_unix_nano: at - 2_000_000_000,
            time_unix_nano: at,
            count: 6 + round,
            sum: Some(1.5 * round as f64),
            bucket_counts: vec![1, 2 + round, 3],
            explicit_bounds: vec![0.1, 1.0],
            min: Some(0.01),
            max: Some(3.0),
            ..HistogramDataPoint::default()
        }],
        aggregation_temporality: temporality,
    };
    let exponential = ExponentialHistogram {
        data_points: vec![ExponentialHistogramDataPoint {
            start_time_unix_nano: at - 2_000_000_000,
            time_unix_nano: at,
            count: 4 + round,
            sum: Some(8.5),
            scale: 1,
            zero_count: 1,
            positive: Some(Buckets { offset: -1, bucket_counts: vec![1, round, 2] }),
            ..ExponentialHistogramDataPoint::default()
        }],
        aggregation_temporality: 1,
    };
    let named = |name: &str, data| Metric { name: name.to_owned(), data: Some(data), ..Metric::default() };
    let all = vec![
        named("waiting.delta", metric::Data::Histogram(explicit(1))),
        named("waiting.total", metric::Data::Histogram(explicit(2))),
        named("payload.size", metric::Data::ExponentialHistogram(exponential)),
    ];
    metrics(RESOURCE, all).encode_to_vec()
}

fn logs(round: u64, at: u64) -> Vec<u8> {
    let record = |index: u64| LogRecord {
        time_unix_nano: at + index,
        observed_time_unix_nano: at + index + 5,
        severity_number: 9 + (index as i32 % 2) * 8,
        body: Some(AnyValue { value: Some(any_value::Value::StringValue(format!("order {round}/{index}"))) }),
        attributes: attributes(&[("route", "/orders"), ("id", &format!("{round}-{index}"))]),
        trace_id: vec![0xa1; 16],
        ..LogRecord::default()
    };
    otlp::logs(RESOURCE, (0..5).map(record).collect()).encode_to_vec()
}

fn spans(round: u64, at: u64) -> Vec<u8> {
    let span = |index: u64| Span {
        trace_id: vec![0xa1; 16],
        span_id: (round * 10 + index + 1).to_be_bytes().to_vec(),
        name: "open".to_owned(),
        kind: 2,
        start_time_unix_nano: at + index,
        end_time_unix_nano: at + 1_000_000 * (index + 1),
        attributes: attributes(&[("route", "/orders")]),
        ..Span::default()
    };
    otlp::traces(RESOURCE, (0..4).map(span).collect()).encode_to_vec()
}

fn scraped(round: u64, at: u64) -> Vec<u8> {
    let millis = i64::try_from(at / 1_000_000).expect("milliseconds of this age");
    let mut timeseries = Vec::new();
    for (index, instance) in ["edge-2", "edge-3"].into_iter().enumerate() {
        let mut add = |name: &str, more: &[(&str, &str)], value: f64| {
            let mut labels = vec![("__name__", name), ("instance", instance), ("job", "node"), ("cluster", "site-a")];
            labels.extend_from_slice(more);
            labels.sort_unstable();
            timeseries.push(series(&labels, millis, value));
        };
        add("node_load1", &[], (round * (1 + index as u64)) as f64 / 2.0);
        add("node_memory_MemTotal_bytes", &[], 8e9);
        add("node_memory_MemAvailable_bytes", &[], 4e9 + round as f64);
        add("scaph_host_power_microwatts", &[], 2e7 + round as f64 * 1e5);
        add("scaph_process_power_consumption_microwatts", &[("exe", "web"), ("pid", "42")], 1e6 + round as f64);
    }
    let pod = [("__name__", "kube_pod_info"), ("namespace", "shop"), ("node", "edge-2"), ("pod", "db-0")];
    timeseries.push(series(&pod, millis, 1.0));
    let replicas = [("__name__", "kube_deployment_spec_replicas"), ("deployment", "web"), ("namespace", "shop")];
    timeseries.push(series(&replicas, millis, (2 + round / 3) as f64));
    let ended = if round == 6 { f64::from_bits(STALE) } else { 1.0 };
    if round <= 6 {
        timeseries.push(series(&[("__name__", "up"), ("instance", "edge-9"), ("job", "node")], millis, ended));
    }
    remote_write::body(timeseries)
}

fn lines(round: u64, at: u64) -> Vec<u8> {
    format!(
        "valve,site=a,valve=v1 opening={}i,state=\"open {round}\",ok=true {at}\nvalve,site=a,valve=v2 opening=0.5 {}\n",
        round * 10,
        at + 7
    )
    .into_bytes()
}
