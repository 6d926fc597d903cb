//! Bodies whose every point checks itself.
//!
//! A sender numbers its points a lane: point `k` has the time `epoch + k · every` and a value that follows from `k`. So a row that is
//! missing, doubled, moved or changed is seen in the table alone, and the request that it came with is `k / samples`.

use flyball_prompb::v1::{Sample, TimeSeries, labels};
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, NumberDataPoint, Sum, metric};
use prost::Message;

use super::Chance;
use crate::{otlp, remote_write, time::now_nanos};

/// The samples of a request have a bit each in a number of SQL, where the sign stays out.
pub const SAMPLES_MAX: u64 = 62;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Remote write 1.0: the value of point `k` is `k`.
    RemoteWrite,
    /// OTLP gauges: the value of point `k` is `k`. The twin takes them for the load of a node named after the sender.
    Gauges,
    /// OTLP delta sums: point `k` adds `k + 1`, so the sum after it is `(k + 1) (k + 2) / 2`.
    Deltas,
    /// OTLP log records: the body of record `k` begins with `k`.
    Logs,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [Kind::RemoteWrite, Kind::Gauges, Kind::Deltas, Kind::Logs];

    /// The table that its points go to.
    pub fn table(self) -> &'static str {
        match self {
            Kind::RemoteWrite => "meter_remote_write",
            Kind::Gauges => "system_cpu_load_average_1m",
            Kind::Deltas => "meter_delta",
            Kind::Logs => "logs",
        }
    }

    /// The word of its senders.
    pub fn word(self) -> &'static str {
        match self {
            Kind::RemoteWrite => "remote-write",
            Kind::Gauges => "gauges",
            Kind::Deltas => "deltas",
            Kind::Logs => "logs",
        }
    }

    /// Where it is posted to.
    pub fn path(self) -> &'static str {
        match self {
            Kind::RemoteWrite => "/api/v1/write",
            Kind::Gauges | Kind::Deltas => "/v1/metrics",
            Kind::Logs => "/v1/logs",
        }
    }

    /// With which headers.
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        if self == Kind::RemoteWrite { remote_write::HEADERS } else { otlp::PROTOBUF }
    }

    /// Under which signal of the ledger.
    pub fn signal(self) -> &'static str {
        if self == Kind::Logs { "logs" } else { "metrics" }
    }

    /// The receiver's word in the ledger.
    pub fn receiver(self) -> &'static str {
        if self == Kind::RemoteWrite { "remote_write" } else { "otlp_http" }
    }

    /// What must be true of a stored row, in SQL over its columns and its number `k`.
    pub(super) fn truth(self) -> &'static str {
        match self {
            Kind::RemoteWrite | Kind::Gauges => "value = CAST(k AS DOUBLE)",
            Kind::Deltas => "value = CAST((k + 1) * (k + 2) / 2 AS DOUBLE)",
            Kind::Logs => "split_part(body, ' ', 1) = CAST(k AS VARCHAR)",
        }
    }
}

/// Writes the requests of one sender. The same request is the same bytes each time.
#[derive(Debug, Clone)]
pub struct Author {
    /// What it sends.
    pub kind: Kind,
    /// Its name, a label of all that it sends.
    pub sender: String,
    /// Series of a request, all of them in each; 1 for logs.
    pub lanes: u64,
    /// Points of each series in a request, at most [`SAMPLES_MAX`].
    pub samples: u64,
    /// Random bytes in each log record's body, as text twice as long.
    pub ballast: usize,
    /// The time of point 0 in milliseconds since 1970.
    pub epoch_millis: u64,
    /// Milliseconds between two points of a series.
    pub every_millis: u64,
}

impl Author {
    /// A sender whose first point is of now.
    ///
    /// # Panics
    /// When a request would have more samples than can be checked.
    #[track_caller]
    pub fn new(kind: Kind, number: usize, lanes: u64, samples: u64) -> Self {
        assert!((1..=SAMPLES_MAX).contains(&samples), "{samples} samples of a series can't be checked at once");
        let lanes = if kind == Kind::Logs { 1 } else { lanes };
        let sender = format!("{}-{number}", kind.word());
        Self { kind, sender, lanes, samples, ballast: 0, epoch_millis: now_nanos() / 1_000_000, every_millis: 1 }
    }

    /// Points of a request.
    pub fn points(&self) -> u64 {
        self.lanes * self.samples
    }

    /// The time of a request's first point, in milliseconds since 1970.
    pub fn millis(&self, request: u64) -> u64 {
        self.time(request * self.samples)
    }

    /// The body of a request.
    pub fn body(&self, request: u64) -> Vec<u8> {
        let numbers = request * self.samples..(request + 1) * self.samples;
        match self.kind {
            Kind::RemoteWrite => {
                let timeseries = (0..self.lanes).map(|lane| self.series(lane, numbers.clone())).collect();
                remote_write::body(timeseries)
            }
            Kind::Gauges => {
                let points = self.each(numbers, |lane, number| self.point(lane, number, number as f64));
                let gauge = otlp::gauge("system.cpu.load_average.1m", points);
                otlp::metrics(&[("host.name", &self.sender)], vec![gauge]).encode_to_vec()
            }
            Kind::Deltas => {
                let data_points = self.each(numbers, |lane, number| NumberDataPoint {
                    start_time_unix_nano: self.nanos(number) - 1_000_000,
                    ..self.point(lane, number, (number + 1) as f64)
                });
                let temporality = AggregationTemporality::Delta as i32;
                let sum = Sum { data_points, aggregation_temporality: temporality, is_monotonic: true };
                let name = "meter.delta".to_owned();
                let delta = Metric { name, data: Some(metric::Data::Sum(sum)), ..Metric::default() };
                otlp::metrics(&[], vec![delta]).encode_to_vec()
            }
            Kind::Logs => {
                let records = numbers.map(|number| self.record(number)).collect();
                otlp::logs(&[("sender", &self.sender)], records).encode_to_vec()
            }
        }
    }

    /// The time of a point, in milliseconds since 1970.
    fn time(&self, number: u64) -> u64 {
        self.epoch_millis + number * self.every_millis
    }

    fn nanos(&self, number: u64) -> u64 {
        self.time(number) * 1_000_000
    }

    fn each<T>(&self, numbers: std::ops::Range<u64>, make: impl Fn(u64, u64) -> T) -> Vec<T> {
        (0..self.lanes)
            .flat_map(|lane| numbers.clone().map(move |number| (lane, number)))
            .map(|(l, n)| make(l, n))
            .collect()
    }

    fn series(&self, lane: u64, numbers: std::ops::Range<u64>) -> TimeSeries {
        let labels = labels([("__name__", self.kind.table()), ("lane", &lane.to_string()), ("sender", &self.sender)]);
        let sample = |number| Sample {
            value: number as f64,
            timestamp: i64::try_from(self.time(number)).expect("milliseconds of this age"),
        };
        TimeSeries { labels, samples: numbers.map(sample).collect(), ..TimeSeries::default() }
    }

    fn point(&self, lane: u64, number: u64, value: f64) -> NumberDataPoint {
        otlp::point(&[("lane", &lane.to_string()), ("sender", &self.sender)], self.nanos(number), value)
    }

    fn record(&self, number: u64) -> LogRecord {
        let mut chance = Chance::new(number ^ self.epoch_millis);
        let ballast: String = (0..self.ballast.div_ceil(8)).map(|_| format!("{:016x}", chance.draw())).collect();
        let body = any_value::Value::StringValue(format!("{number} {ballast}"));
        LogRecord {
            time_unix_nano: self.nanos(number),
            severity_number: 9,
            body: Some(AnyValue { value: Some(body) }),
            attributes: otlp::attributes(&[("number", &number.to_string())]),
            ..LogRecord::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_the_same_bytes_each_time_and_no_two_requests_are_alike() {
        for kind in Kind::ALL {
            let author = Author::new(kind, 0, 3, 5);
            assert_eq!(author.body(4), author.body(4), "{kind:?}");
            assert_ne!(author.body(4), author.body(5), "{kind:?}");
        }
    }
}
