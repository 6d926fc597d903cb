//! The port between receivers and the pipeline: a body as it came goes in, one outcome comes back.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::ledger::{Reason, Signal};
use crate::time::UnixNanos;

/// What the bytes of a body are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest`.
    OtlpMetrics,
    /// `opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest`.
    OtlpLogs,
    /// `opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest`: counted, and refused in the protocol's words.
    OtlpTraces,
    /// `prometheus.WriteRequest`, remote write 1.0.
    RemoteWrite1,
}

impl Format {
    /// What kind of telemetry the format carries.
    pub const fn signal(self) -> Signal {
        match self {
            Format::OtlpMetrics | Format::RemoteWrite1 => Signal::Metrics,
            Format::OtlpLogs => Signal::Logs,
            Format::OtlpTraces => Signal::Traces,
        }
    }
}

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Encoding {
    /// Not at all.
    #[default]
    Identity,
    /// RFC 1952.
    Gzip,
    /// Snappy's block format (not the framed one), as remote write uses it.
    Snappy,
}

/// One request's body, as it came.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The receiver: `otlp_grpc`, `otlp_http`, `remote_write`, `host`.
    pub receiver: &'static str,
    /// Who sent it: the peer's address without its port, or `local`.
    pub peer: String,
    /// What the bytes are.
    pub format: Format,
    /// How they are compressed.
    pub encoding: Encoding,
    /// The bytes.
    pub body: Bytes,
    /// When the request's first byte was there; latencies count from here.
    pub received_at: UnixNanos,
}

/// A number of points refused for one reason, with the first of them as an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Why.
    pub reason: Reason,
    /// How many points or records.
    pub points: u64,
    /// What the first of them looked like, and what to do about it.
    pub detail: String,
}

/// The body was read; this is what became of its points. Stored ones are as durable as configured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipt {
    /// Points or records stored.
    pub stored: u64,
    /// Points or records refused, a line a reason. The sender must not send them again.
    pub rejections: Vec<Rejection>,
}

impl Receipt {
    /// Points or records refused, over all reasons.
    pub fn rejected(&self) -> u64 {
        self.rejections.iter().map(|rejection| rejection.points).sum()
    }

    /// All reasons in one line: `3 points: histogram: …; 1 point: …`. Empty when nothing was refused.
    pub fn message(&self) -> String {
        let mut message = String::new();
        for Rejection { reason, points, detail } in &self.rejections {
            if !message.is_empty() {
                message.push_str("; ");
            }
            let noun = if *points == 1 { "point" } else { "points" };
            message.push_str(&format!("{points} {noun}: {}: {detail}", reason.as_str()));
        }
        message
    }
}

/// Why a whole body was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// The bytes are not what they claim to be. The client's fault; a retry can't help.
    Malformed,
    /// Longer than the limit, before or after decompression. The client's fault.
    TooLarge,
    /// The signal or the encoding is not taken. The client's fault.
    Unsupported,
    /// Not now; the same body may be taken later.
    Unavailable,
}

/// The whole body was refused and nothing of it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which family of wire answers fits.
    pub kind: RefusalKind,
    /// What is wrong, where, and what to do.
    pub message: String,
    /// When to try again, for [`RefusalKind::Unavailable`].
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal that is the client's fault.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None }
    }
}

/// The pipeline, as a receiver sees it.
#[async_trait]
pub trait Intake: Send + Sync + 'static {
    /// Decodes, normalises and stores a body; answers when what was stored is durable at the configured level.
    ///
    /// # Cancel safety
    /// Dropping the future may lose the answer, never half a body: points are stored all or not at all.
    ///
    /// # Errors
    /// When nothing of the body was taken. The ledger has a line for it all the same.
    async fn take(&self, submission: Submission) -> Result<Receipt, Refusal>;

    /// Bytes a receiver should read of one body before it gives up with [`RefusalKind::TooLarge`].
    fn body_bytes_max(&self) -> usize;

    /// A request that never became a [`Submission`] (wrong content type, unknown encoding, body over the limit, cut off).
    /// `signal` is `None` where the request did not say.
    fn refused(&self, receiver: &'static str, peer: &str, signal: Option<Signal>, reason: Reason);
}
