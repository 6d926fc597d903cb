//! The entry: which body is walked how.

use std::sync::Arc;

use flyball_decode::{DecodeError, otlp};
use flyball_model::intake::{Format, Rejection};
use flyball_model::{Limits, LogBatch, PointBatch, SeriesRegistry, UnixNanos};

use crate::delta::Accumulators;
use crate::fault::Fault;
use crate::rejections::Subject;
use crate::work::{BOUNDS, Bounds, Work};
use crate::{logs, otlp_metrics, remote_write};

/// Turns bodies into batches. One for all connections: what they share is the registry and, for delta sums, the totals.
#[derive(Debug)]
pub struct Normalizer {
    registry: Arc<SeriesRegistry>,
    limits: Limits,
    totals: Accumulators,
    bounds: Bounds,
}

/// What became of a body.
#[derive(Debug)]
pub struct Normalized {
    /// Points to store.
    pub points: PointBatch,
    /// Log records to store; mostly empty where there are points.
    pub logs: LogBatch,
    /// How many of the points are NaN or infinite, Prometheus' staleness marker not counted.
    pub not_finite: u64,
    /// What was refused, a line a reason.
    pub rejections: Vec<Rejection>,
}

impl Normalizer {
    /// A normaliser that has seen nothing yet.
    pub fn new(registry: Arc<SeriesRegistry>, limits: Limits) -> Self {
        Self { registry, limits, totals: Accumulators::default(), bounds: BOUNDS }
    }

    /// Turns a decompressed body into batches. `now` is when it was received: the measure for times that lie too far
    /// off, and the time of points that have none (OTLP's time 0).
    ///
    /// Single bad points are refused and the others kept. The series of those that came before an error stay in the
    /// registry; they have no points and do no harm.
    ///
    /// # Errors
    /// When the bytes are not what `format` says, or become more than a batch holds. Nothing of the body may be used then.
    pub fn normalize(&self, format: Format, body: &[u8], now: UnixNanos) -> Result<Normalized, DecodeError> {
        let mut work = Work::new(&self.registry, &self.limits, now, body.len(), self.bounds);
        match format {
            Format::OtlpMetrics => otlp_metrics::walk(&mut work, body)?,
            Format::OtlpLogs => logs::walk(&mut work, body)?,
            Format::OtlpTraces => {
                let spans = otlp::traces::count_spans(body)?;
                work.rejections.add(&Fault::Span, spans, Subject::Nothing);
            }
            Format::RemoteWrite1 => remote_write::walk(&mut work, body)?,
        }
        Ok(work.finish(&self.totals))
    }
}

#[cfg(test)]
mod tests;
