//! A body in the making: what its walk has found so far.

use flyball_decode::DecodeError;
use flyball_model::batch::{LogRecord, STALE_NAN_BITS, is_stale};
use flyball_model::{Limits, LogBatchBuilder, PointBatch, SeriesRef, SeriesRegistry, UnixNanos};

use crate::delta::{Accumulators, Delta};
use crate::describe::News;
use crate::normalizer::Normalized;
use crate::rejections::Rejections;
use crate::series::SeriesFinder;
use crate::window::Window;

/// A point takes at least about this many bytes on the wire; a first guess at the room for a batch.
const POINT_BYTES_GUESS: usize = 100;

/// What one body may become. Real points and records take 30 bytes and more on the wire, so that the limit on the body is
/// met first; these stop bodies made of millions of empty ones, which would grow twentyfold and more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Points of a batch; 20 bytes each.
    pub(crate) points: usize,
    /// Log records of a batch; about 60 bytes each without their text.
    pub(crate) records: usize,
    /// Bytes of text of a batch of log records, over all columns. One column's offsets are 32-bit.
    pub(crate) text_bytes: usize,
}

/// The bounds in force.
pub(crate) const BOUNDS: Bounds = Bounds { points: 1 << 22, records: 1 << 20, text_bytes: 1 << 28 };

const _: () = assert!(BOUNDS.text_bytes <= i32::MAX as usize, "an Arrow text column ends at 2 GiB");

/// The staleness marker, for points that say that there is no value.
pub(crate) const STALE: f64 = f64::from_bits(STALE_NAN_BITS);

#[derive(Debug)]
pub(crate) struct Work<'n, 'a> {
    pub(crate) registry: &'n SeriesRegistry,
    pub(crate) limits: &'n Limits,
    pub(crate) window: Window,
    pub(crate) finder: SeriesFinder<'n, 'a>,
    pub(crate) rejections: Rejections,
    pub(crate) news: News,
    logs: LogBatchBuilder,
    text_bytes: usize,
    bounds: Bounds,
    points: PointBatch,
    deltas: Vec<Delta>,
    not_finite: u64,
}

impl<'n, 'a> Work<'n, 'a> {
    pub(crate) fn new(
        registry: &'n SeriesRegistry,
        limits: &'n Limits,
        now: UnixNanos,
        body_bytes: usize,
        bounds: Bounds,
    ) -> Self {
        Self {
            registry,
            limits,
            window: Window::new(now, limits),
            finder: SeriesFinder::new(registry, limits),
            rejections: Rejections::default(),
            news: News::default(),
            logs: LogBatchBuilder::default(),
            text_bytes: 0,
            bounds,
            points: PointBatch::with_capacity(body_bytes / POINT_BYTES_GUESS),
            deltas: Vec::new(),
            not_finite: 0,
        }
    }

    /// Takes a point as it is.
    #[inline]
    pub(crate) fn push(&mut self, series: SeriesRef, time: UnixNanos, value: f64) -> Result<(), DecodeError> {
        self.check_points()?;
        self.not_finite += u64::from(!value.is_finite() && !is_stale(value));
        self.points.push(series, time, value);
        Ok(())
    }

    /// Takes the change of a sum. What is not finite stands for itself: it would spoil the total for ever.
    pub(crate) fn push_delta(&mut self, series: SeriesRef, time: UnixNanos, change: f64) -> Result<(), DecodeError> {
        if !change.is_finite() {
            return self.push(series, time, change);
        }
        self.check_points()?;
        self.deltas.push(Delta { series, time, change });
        Ok(())
    }

    fn check_points(&self) -> Result<(), DecodeError> {
        let max = self.bounds.points;
        if self.points.len() + self.deltas.len() < max {
            Ok(())
        } else {
            Err(DecodeError::TooMany { what: "points", max })
        }
    }

    /// Takes a log record.
    pub(crate) fn push_log(&mut self, record: LogRecord<'_>) -> Result<(), DecodeError> {
        let Bounds { records, text_bytes, .. } = self.bounds;
        if self.logs.len() == records {
            return Err(DecodeError::TooMany { what: "log records", max: records });
        }
        let attributes = record.attributes.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        let texts =
            [record.severity, record.body.unwrap_or_default(), record.event_name, record.trace_id, record.span_id];
        self.text_bytes += attributes + texts.iter().map(|text| text.len()).sum::<usize>();
        if self.text_bytes > text_bytes {
            return Err(DecodeError::TooMany { what: "bytes of text in its log records", max: text_bytes });
        }
        self.logs.push(record);
        Ok(())
    }

    /// The body was read to its end: what it leaves behind is written down.
    pub(crate) fn finish(mut self, totals: &Accumulators) -> Normalized {
        self.news.tell(self.registry);
        totals.accumulate(self.deltas, &mut self.points);
        Normalized {
            points: self.points,
            logs: self.logs.finish(),
            not_finite: self.not_finite,
            rejections: self.rejections.into_vec(),
        }
    }
}
