//! The entry: which body is walked how.

use std::sync::Arc;

use flyball_decode::exposition::Dialect;
use flyball_decode::{DecodeError, otlp_json};
use flyball_model::intake::{Context, Format, LineFault, Rejection, Written};
use flyball_model::ledger::Signal;
use flyball_model::{Limits, PointBatch, RowKind, Rows, SeriesRef, SeriesRegistry, UnixNanos};

use crate::aliases::Aliases;
use crate::totals::{Totals, TotalsError};
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
    totals: Totals,
    bounds: Bounds,
}

/// What became of a body.
#[derive(Debug)]
pub struct Normalized {
    /// How many points and records the body held, as its sender counts, metered where they were met and whatever became of them
    /// then: it is [`Normalized::count`] and what was refused together, or something was lost here. A line that can't be read counts
    /// as one, and so does a report.
    pub received: u64,
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
    /// When the sums of series began, where that is news: to be written down with the points.
    pub starts: Vec<(SeriesRef, UnixNanos)>,
    /// What was refused, a line a reason.
    pub rejections: Vec<Rejection>,
    /// What is kept and not quite as sent, or lost beside its point, a line a reason.
    pub warnings: Vec<Rejection>,
    /// For text formats: the first lines that were not taken whole.
    pub lines: Vec<LineFault>,
    /// The running totals that the body's deltas changed, each as it is now: to be written down with its points, and read by
    /// [`Normalizer::restore_totals`] after a crash. About 20 bytes a delta of a sum; empty, and without cost, where there was none.
    pub totals: Vec<u8>,
}

impl Normalized {
    /// The records of a kind.
    pub fn of(&self, kind: RowKind) -> Option<&Rows> {
        self.rows.iter().find(|rows| rows.kind() == kind)
    }

    /// What was refused, over all reasons.
    pub fn rejected(&self) -> u64 {
        self.rejections.iter().map(|rejection| rejection.points).sum()
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
        Self { registry, limits, aliases, totals: Totals::default(), bounds: BOUNDS }
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
        self.normalize_then(format, body, context, now, || ())
    }

    /// The same; `before_adding` is called before the body's deltas, if it has any, are added to their totals. It may wait for other bodies: no
    /// lock is held meanwhile.
    ///
    /// # Errors
    /// As [`Normalizer::normalize`].
    pub fn normalize_then(
        &self,
        format: Format,
        body: &[u8],
        context: Option<&Context>,
        now: UnixNanos,
        before_adding: impl FnOnce(),
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
        Ok(work.finish(&self.totals, before_adding))
    }

    /// Takes over running totals from before a crash: a body's [`Normalized::totals`], or a piece of a checkpoint. For each total
    /// the newest state wins, so that pieces may be read in any order, and more than once. No bytes are no totals. The registry must
    /// know all series by then.
    ///
    /// # Errors
    /// When the bytes are damaged or of a newer format, or speak of series that the registry does not know. Nothing of them was taken
    /// over then.
    pub fn restore_totals(&self, bytes: &[u8]) -> Result<(), TotalsError> {
        self.totals.restore(bytes, &self.registry)
    }

    /// Hands all running totals to `into`, for a checkpoint, in pieces of at most [`crate::TOTALS_PIECE_BYTES_MAX`] that
    /// [`Normalizer::restore_totals`] reads. Bodies may be taken in meanwhile: locks are short, and none is held while `into` runs. A
    /// total that changes meanwhile is handed over as it was or as it is: these pieces and the [`Normalized::totals`] of all bodies that
    /// were not done when this call began are everything together.
    ///
    /// # Errors
    /// The first of `into`, which is not called again.
    pub fn export_totals<E>(&self, into: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.totals.export(self.registry.len(), into)
    }
}

#[cfg(test)]
mod tests;
