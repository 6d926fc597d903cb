//! The loads: a protocol, its batch size, and how its series come.

use std::fmt;

use clap::ValueEnum;

use crate::order::Order;

/// A row of the measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Load {
    /// Prometheus remote write 1.0, batches of 2,000, snappy.
    RemoteWrite,
    /// Prometheus remote write 2.0, batches of 2,000, snappy.
    #[value(name = "remote-write-2")]
    RemoteWrite2,
    /// OTLP metrics over gRPC, batches of 8,192, not compressed.
    OtlpGrpc,
    /// OTLP metrics over HTTP, batches of 8,192, not compressed.
    OtlpHttp,
    /// OTLP metrics over HTTP, batches of 8,192, gzip.
    OtlpHttpGzip,
    /// OTLP logs over gRPC, batches of 8,192, 6 attributes and a body of 120 bytes each, not compressed.
    OtlpGrpcLogs,
    /// Influx line protocol over HTTP, batches of 5,000 lines, not compressed.
    LineProtocol,
    /// Remote write 1.0 with ten times the series.
    #[value(name = "remote-write-10x")]
    RemoteWriteTenfold,
    /// Remote write 1.0 whose sender has another order of series in every round.
    RemoteWriteShuffled,
    /// Remote write 1.0 whose batches bring nothing but new series.
    RemoteWriteChurn,
}

/// What the bytes of a body are, before any compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `prometheus.WriteRequest`.
    RemoteWrite1,
    /// `io.prometheus.write.v2.Request`.
    RemoteWrite2,
    /// `ExportMetricsServiceRequest`.
    OtlpMetrics,
    /// `ExportLogsServiceRequest`.
    OtlpLogs,
    /// Lines.
    LineProtocol,
}

/// What is around them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapping {
    /// Nothing.
    Plain,
    /// gzip at its default level.
    Gzip,
    /// Snappy's block format.
    Snappy,
    /// gRPC's five bytes of frame: not compressed, and the length.
    GrpcFrame,
}

impl Load {
    /// What the bytes are.
    pub const fn protocol(self) -> Protocol {
        match self {
            Load::RemoteWrite | Load::RemoteWriteTenfold | Load::RemoteWriteShuffled | Load::RemoteWriteChurn => {
                Protocol::RemoteWrite1
            }
            Load::RemoteWrite2 => Protocol::RemoteWrite2,
            Load::OtlpGrpc | Load::OtlpHttp | Load::OtlpHttpGzip => Protocol::OtlpMetrics,
            Load::OtlpGrpcLogs => Protocol::OtlpLogs,
            Load::LineProtocol => Protocol::LineProtocol,
        }
    }

    /// What is around them.
    pub const fn wrapping(self) -> Wrapping {
        match self {
            Load::OtlpHttp | Load::LineProtocol => Wrapping::Plain,
            Load::OtlpHttpGzip => Wrapping::Gzip,
            Load::OtlpGrpc | Load::OtlpGrpcLogs => Wrapping::GrpcFrame,
            Load::RemoteWrite
            | Load::RemoteWrite2
            | Load::RemoteWriteTenfold
            | Load::RemoteWriteShuffled
            | Load::RemoteWriteChurn => Wrapping::Snappy,
        }
    }

    /// In which order the series come, unless asked otherwise.
    pub const fn order(self) -> Order {
        match self {
            Load::RemoteWriteShuffled => Order::Shuffled,
            Load::RemoteWriteChurn => Order::New,
            _ => Order::Steady,
        }
    }

    /// What the number of series is multiplied by.
    pub const fn series_factor(self) -> usize {
        if matches!(self, Load::RemoteWriteTenfold) { 10 } else { 1 }
    }

    /// The load that this one is a variation of.
    pub const fn base(self) -> Option<Load> {
        match self {
            Load::RemoteWriteTenfold | Load::RemoteWriteShuffled | Load::RemoteWriteChurn => Some(Load::RemoteWrite),
            _ => None,
        }
    }

    /// Rounds of warm-up, and measured ones, unless asked otherwise: ten minutes' worth of points where all bodies of
    /// 100,000 series fit into some 700 MB, fewer where they are longer.
    pub const fn rounds(self) -> (usize, usize) {
        match self {
            Load::RemoteWrite | Load::RemoteWrite2 | Load::OtlpGrpc | Load::OtlpHttp | Load::OtlpHttpGzip => (5, 60),
            Load::RemoteWriteShuffled => (5, 30),
            Load::LineProtocol => (5, 25),
            Load::OtlpGrpcLogs | Load::RemoteWriteTenfold => (2, 10),
            // A million new series altogether.
            Load::RemoteWriteChurn => (1, 9),
        }
    }
}

impl Protocol {
    /// Points of one request: what the field's senders do by default.
    pub const fn batch(self) -> usize {
        match self {
            // Prometheus.
            Protocol::RemoteWrite1 | Protocol::RemoteWrite2 => 2_000,
            // The Collector's batch processor.
            Protocol::OtlpMetrics | Protocol::OtlpLogs => 8_192,
            // The clients of InfluxDB 1.x and 2.x.
            Protocol::LineProtocol => 5_000,
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Load::RemoteWrite => "remote write 1.0",
            Load::RemoteWrite2 => "remote write 2.0",
            Load::OtlpGrpc => "OTLP/gRPC metrics",
            Load::OtlpHttp => "OTLP/HTTP metrics",
            Load::OtlpHttpGzip => "OTLP/HTTP metrics, gzip",
            Load::OtlpGrpcLogs => "OTLP/gRPC logs",
            Load::LineProtocol => "line protocol",
            Load::RemoteWriteTenfold => "remote write 1.0, ten times the series",
            Load::RemoteWriteShuffled => "remote write 1.0, shuffled",
            Load::RemoteWriteChurn => "remote write 1.0, all-new series",
        })
    }
}
