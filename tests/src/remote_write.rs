//! Prometheus remote write 1.0: `prometheus.WriteRequest` in snappy's block format.

use prost::Message;

use crate::http::{Answer, Http};

/// The headers that Prometheus sends.
pub const HEADERS: &[(&str, &str)] = &[
    ("content-type", "application/x-protobuf"),
    ("content-encoding", "snappy"),
    ("x-prometheus-remote-write-version", "0.1.0"),
];

/// `prometheus.WriteRequest`, as far as samples go.
#[derive(Clone, PartialEq, Message)]
pub struct WriteRequest {
    /// Series with their samples.
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<TimeSeries>,
}

/// A series with samples.
#[derive(Clone, PartialEq, Message)]
pub struct TimeSeries {
    /// `__name__` among them.
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    /// Samples, oldest first.
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
}

/// A label.
#[derive(Clone, PartialEq, Message)]
pub struct Label {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// A sample.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Sample {
    /// Its value.
    #[prost(double, tag = "1")]
    pub value: f64,
    /// Milliseconds since the epoch.
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
}

/// A series with one sample, labels in the order given.
pub fn series(labels: &[(&str, &str)], time_millis: i64, value: f64) -> TimeSeries {
    let label = |&(name, value): &(&str, &str)| Label { name: name.to_owned(), value: value.to_owned() };
    TimeSeries { labels: labels.iter().map(label).collect(), samples: vec![Sample { value, timestamp: time_millis }] }
}

/// Sends series as Prometheus does.
///
/// # Panics
/// When no answer comes.
#[track_caller]
pub fn send(http: &Http, timeseries: Vec<TimeSeries>) -> Answer {
    http.post("/api/v1/write", HEADERS, snappy(&WriteRequest { timeseries }.encode_to_vec()))
}

/// Bytes in snappy's block format.
///
/// # Panics
/// When they are more than snappy can hold (4 GiB).
pub fn snappy(bytes: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(bytes).expect("test bodies are small")
}
