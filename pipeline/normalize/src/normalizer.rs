//! The entry: which body is walked how.

use std::sync::Arc;

use flyball_decode::exposition::Dialect;
use flyball_decode::{DecodeError, otlp_json};
use flyball_model::intake::{Context, Format, LineFault, Rejection, Written};
use flyball_model::ledger::Signal;
use flyball_model::{Limits, PointBatch, RowKind, Rows, SeriesRegistry, UnixNanos};

use crate::aliases::Aliases;
use crate::delta::Accumulators;
use crate::histograms::HistogramTotals;
use crate::work::{BOUNDS, Bounds, Tools, Work};
use crate::{exposition, line_protocol, logs, otlp_metrics, remote_write, remote_write2, scaphandre, spans};

/// Aliases a series may have on average before the cache of them is emptied: its senders, and orders of its labels.
const ALIASES_PER_SERIES: usize = 2;

/// The cache of aliases is never smaller than this.
const ALIASES_MIN: usize = 4096;

/// Turns bodies into batches. One for all connections: what they share is the registry, the cache of aliases (locked once a
/// body for reading) and, for delta sums, the totals.
#[derive(Debug)]
pub struct Normalizer {
    registry: Arc<SeriesRegistry>,
    limits: Limits,
    aliases: Aliases,
    totals: Accumulators,
    histogram_totals: HistogramTotals,
    bounds: Bounds,
}

/// What became of a body.
#[derive(Debug)]
pub struct Normalized {
    /// Points to store.
    pub points: PointBatch,
    /// Other records to store, at most one batch a kind, none empty.
    pub rows: Vec<Rows>,
    /// How many of the points no sender counts: further numbers of a summary's point, and staleness markers made here.
    pub parts: u64,
    /// How many of the points are NaN or infinite, Prometheus' staleness marker not counted.
    pub not_finite: u64,
    /// What of a remote write body is kept, by kind.
    pub written: Written,
    /// What was refused, a line a reason.
    pub rejections: Vec<Rejection>,
    /// What is kept and not quite as sent, or lost beside its point, a line a reason.
    pub warnings: Vec<Rejection>,
    /// For text formats: the first lines that were not taken whole.
    pub lines: Vec<LineFault>,
}

impl Normalized {
    /// The records of a kind.
    pub fn of(&self, kind: RowKind) -> Option<&Rows> {
        self.rows.iter().find(|rows| rows.kind() == kind)
    }

    /// What is to be stored and counts, as its sender counts: points and records, but not exemplars, which belong to points.
    pub fn count(&self) -> u64 {
        let records = self.rows.iter().filter(|rows| rows.kind() != RowKind::Exemplars).map(Rows::len).sum::<usize>();
        (self.points.len() + records) as u64 - self.parts
    }
}

impl Normalizer {
    /// A normaliser that has seen nothing yet.
    pub fn new(registry: Arc<SeriesRegistry>, limits: Limits) -> Self {
        let aliases = Aliases::new((registry.cap().saturating_mul(ALIASES_PER_SERIES)).max(ALIASES_MIN));
        Self {
            registry,
            limits,
            aliases,
            totals: Accumulators::default(),
            histogram_totals: HistogramTotals::default(),
            bounds: BOUNDS,
        }
    }

    /// Turns a decompressed body into batches. `now` is when it was received: the measure for times that lie too far
    /// off, and the time of points that have none (OTLP's time 0).
    ///
    /// Single bad points are refused and the others kept. The series of those that came before an error stay in the
    /// registry; they have no points and do no harm.
    ///
    /// # Errors
    /// When the bytes are not what `format` says, or become more than a batch holds. Nothing of the body may be used then.
    pub fn normalize(
        &self,
        format: Format,
        body: &[u8],
        context: Option<&Context>,
        now: UnixNanos,
    ) -> Result<Normalized, DecodeError> {
        let protobuf;
        let body = match format {
            Format::OtlpJson(signal) => {
                protobuf = otlp_json::to_protobuf(signal, body, self.limits.body_bytes)?;
                &protobuf[..]
            }
            _ => body,
        };
        let Self { registry, limits, aliases, bounds, .. } = self;
        let tools = Tools { registry, limits, aliases, bounds: *bounds };
        let mut work = Work::new(&tools, now, body.len(), context);
        // Each format has one arm here and one file beside this one.
        match format {
            Format::Otlp(signal) | Format::OtlpJson(signal) => match signal {
                Signal::Metrics => otlp_metrics::walk(&mut work, body)?,
                Signal::Logs => logs::walk(&mut work, body)?,
                Signal::Traces => spans::walk(&mut work, body)?,
            },
            Format::LineProtocol { precision, whole } => line_protocol::walk(&mut work, body, precision, whole)?,
            Format::Scaphandre => scaphandre::walk(&mut work, body)?,
            Format::PrometheusText => exposition::walk(&mut work, body, Dialect::Text)?,
            Format::OpenMetrics => exposition::walk(&mut work, body, Dialect::OpenMetrics)?,
            Format::RemoteWrite1 => remote_write::walk(&mut work, body)?,
            Format::RemoteWrite2 => remote_write2::walk(&mut work, body)?,
        }
        Ok(work.finish(&self.totals, &self.histogram_totals))
    }
}

#[cfg(test)]
mod tests;
