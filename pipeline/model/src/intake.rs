//! The port between receivers and the pipeline: a body as it came goes in, one outcome comes back.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::admission::{Lease, NotNow, Sender};
use crate::ledger::{Reason, Signal};
use crate::relabel::Relabel;
use crate::series::SeriesRef;
use crate::time::UnixNanos;

/// What the bytes of a body are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// An OTLP `Export…ServiceRequest` of this signal, in protobuf.
    Otlp(Signal),
    /// The same in OTLP's JSON.
    OtlpJson(Signal),
    /// `prometheus.WriteRequest`, remote write 1.0.
    RemoteWrite1,
    /// `io.prometheus.write.v2.Request`, remote write 2.0.
    RemoteWrite2,
    /// Prometheus' text format 0.0.4.
    PrometheusText,
    /// OpenMetrics 1.0 text.
    OpenMetrics,
    /// Influx line protocol.
    LineProtocol {
        /// The unit of its timestamps.
        precision: Precision,
        /// Whether one bad line refuses the whole body (InfluxDB 3's `accept_partial=false`).
        whole: bool,
    },
    /// A stream of Scaphandre's JSON reports.
    Scaphandre,
}

impl Format {
    /// What kind of telemetry the format carries.
    pub const fn signal(self) -> Signal {
        match self {
            Format::Otlp(signal) | Format::OtlpJson(signal) => signal,
            Format::RemoteWrite1
            | Format::RemoteWrite2
            | Format::PrometheusText
            | Format::OpenMetrics
            | Format::LineProtocol { .. }
            | Format::Scaphandre => Signal::Metrics,
        }
    }
}

/// The unit of line protocol's timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Precision {
    /// Nanoseconds.
    #[default]
    Nanoseconds,
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
    /// Hours.
    Hours,
    /// By the size of the number, as InfluxDB 3 guesses: below 5e9 seconds, below 5e12 milliseconds, below 5e15
    /// microseconds, else nanoseconds.
    Auto,
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

/// What a receiver knows of a body that the body does not say. One for all bodies of a sender, so that it is made once.
#[derive(Debug, Default)]
pub struct Context {
    /// Labels for every series of the body, in Prometheus form: of a scraped target, of a database. Sorted by name.
    pub labels: Vec<(String, String)>,
    /// What becomes of a series' own label that has the name of one of [`Context::labels`]: it wins (`true`), or it is kept as
    /// `exported_…` and the context's stands (`false`), as Prometheus does it.
    pub honor_labels: bool,
    /// Whether times in the body count for nothing, and all of it is of the time of receipt (Prometheus' `honor_timestamps: false`).
    pub ignore_times: bool,
    /// What is done to each series' labels, in this order; a series may be dropped.
    pub relabel: Vec<Relabel>,
    /// Whether the points of a body without a time of their own are all there is of the sender now: a series that was in the
    /// body before and is not in this one gets a staleness marker. True for scraped targets.
    pub complete: bool,
    /// Which series were in the last body; kept where [`Context::complete`].
    pub seen: Mutex<Vec<SeriesRef>>,
    /// What else is remembered of the last body, where [`Context::complete`].
    pub last: Mutex<LastBody>,
}

/// What is remembered of a sender's last body, so that what it repeats each time is not stored each time.
#[derive(Debug, Default)]
pub struct LastBody {
    /// A hash of the exemplar of each series that had one.
    pub exemplars: HashMap<SeriesRef, u64>,
    /// A hash of what was said of its metrics.
    pub descriptions: u64,
}

/// One request's body, as it came.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The receiver: `otlp_grpc`, `otlp_http`, `remote_write`, `influx`, `scrape`, `pushgateway`, `scaphandre`, `host`.
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
    /// What else is known of it.
    pub context: Option<Arc<Context>>,
    /// The memory that it takes; given back when the submission is dropped. The default for what flyball sends itself.
    pub lease: Lease,
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

/// A line of a text format that was not taken, or not whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineFault {
    /// The line's number, from 1.
    pub number: u64,
    /// The line as sent, cut to 100 bytes.
    pub line: String,
    /// What is wrong with it.
    pub message: String,
}

/// What of a remote write body was stored, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Float samples.
    pub samples: u64,
    /// Native histograms.
    pub histograms: u64,
    /// Exemplars; they belong to points and are not counted as points.
    pub exemplars: u64,
}

/// The body was read; this is what became of its points. Stored ones are as durable as configured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipt {
    /// Points or records stored.
    pub stored: u64,
    /// What of it was what.
    pub written: Written,
    /// Points or records refused, a line a reason. The sender must not send them again.
    pub rejections: Vec<Rejection>,
    /// What was stored and not quite as sent (an integer that a float can't hold exactly), or lost beside the points (a bad
    /// exemplar), a line a reason.
    pub warnings: Vec<Rejection>,
    /// For text formats: the first [`LINE_FAULTS_MAX`] lines that were not taken whole.
    pub lines: Vec<LineFault>,
}

/// Bad lines that are told one by one.
pub const LINE_FAULTS_MAX: usize = 100;

impl Receipt {
    /// Points or records refused, over all reasons.
    pub fn rejected(&self) -> u64 {
        self.rejections.iter().map(|rejection| rejection.points).sum()
    }

    /// All reasons and warnings in one line: `3 points: series_cap: …; 1 point: …`. Empty when there are none.
    pub fn message(&self) -> String {
        let mut message = String::new();
        for Rejection { reason, points, detail } in self.rejections.iter().chain(&self.warnings) {
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
    /// Not now, since this sender is over its own limit (`limits.per_source`); the same body may be taken later.
    Throttled,
}

impl RefusalKind {
    /// Whether the same body may be taken later.
    pub const fn is_retryable(self) -> bool {
        matches!(self, RefusalKind::Unavailable | RefusalKind::Throttled)
    }
}

/// The whole body was refused and nothing of it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which family of wire answers fits.
    pub kind: RefusalKind,
    /// What is wrong, where, and what to do.
    pub message: String,
    /// When to try again, for kinds that are retryable.
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

    /// Asks whether a body of `announced` bytes (0 where it did not say) may come in now, before it is read. What it takes is asked of
    /// the lease, piece by piece.
    ///
    /// # Errors
    /// When it may not: the receiver answers the refusal and reports it with [`Intake::refused`].
    fn admit(&self, sender: Sender, announced: usize) -> Result<Lease, NotNow> {
        let _ = (sender, announced);
        Ok(Lease::default())
    }

    /// The header whose value names a sender instead of its address, in lower case; see [`crate::Limits::tenant_header`].
    fn tenant_header(&self) -> Option<&str> {
        None
    }

    /// Bytes a receiver should read of one body before it gives up with [`RefusalKind::TooLarge`].
    fn body_bytes_max(&self) -> usize;

    /// A request that never became a [`Submission`] (wrong content type, unknown encoding, body over the limit, cut off).
    /// `signal` is `None` where the request did not say.
    fn refused(&self, receiver: &'static str, peer: &str, signal: Option<Signal>, reason: Reason);
}
