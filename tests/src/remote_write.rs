//! Prometheus remote write 1.0: `prometheus.WriteRequest` in snappy's block format.

use flyball_prompb::v1::{Sample, TimeSeries, WriteRequest, labels};
use prost::Message;

use crate::http::{Answer, Http};

/// The headers that Prometheus sends.
pub const HEADERS: &[(&str, &str)] = &[
    ("content-type", "application/x-protobuf"),
    ("content-encoding", "snappy"),
    ("x-prometheus-remote-write-version", "0.1.0"),
];

/// A series with one sample, labels in the order given.
pub fn series(pairs: &[(&str, &str)], time_millis: i64, value: f64) -> TimeSeries {
    let samples = vec![Sample { value, timestamp: time_millis }];
    TimeSeries { labels: labels(pairs.iter().copied()), samples, ..TimeSeries::default() }
}

/// A body of series, as Prometheus sends it.
///
/// # Panics
/// When it is more than snappy can hold (4 GiB).
pub fn body(timeseries: Vec<TimeSeries>) -> Vec<u8> {
    snappy(&WriteRequest { timeseries, ..WriteRequest::default() }.encode_to_vec())
}

/// Sends series as Prometheus does.
///
/// # Panics
/// When no answer comes.
#[track_caller]
pub fn send(http: &Http, timeseries: Vec<TimeSeries>) -> Answer {
    http.post("/api/v1/write", HEADERS, body(timeseries))
}

/// Bytes in snappy's block format.
///
/// # Panics
/// When they are more than snappy can hold (4 GiB).
pub fn snappy(bytes: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(bytes).expect("test bodies are small")
}
