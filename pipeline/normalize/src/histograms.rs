//! Native histograms: of OTLP, explicit and exponential, and of remote write. Summaries, too, which become numbers.
//!
//! What is cumulative is stored as it came. Deltas are added up by [`crate::totals`]. A point that says that there is no value (the flag of
//! OTLP, the staleness marker in remote write's sum) is a row without a histogram: the series has ended, for `latest` and for rules.
//!
//! | file | holds |
//! |---|---|
//! | `otlp` | points of OTLP's two kinds |
//! | `native` | points of remote write |
//! | `summary` | OTLP's summaries, as numbers of several series |

mod native;
mod otlp;
mod summary;

use std::time::Duration;

use flyball_decode::DecodeError;
use flyball_model::histogram::{HISTOGRAM_BUCKETS_MAX, HistogramError};
use flyball_model::rows::HistogramBuilder;
use flyball_model::{Histogram, Rows, SeriesRef, UnixNanos};

use crate::fault::{Fault, Found};
use crate::totals::{Added, HistogramDelta, HistogramTotals, Piece};

pub(crate) use native::read as read_native;
pub(crate) use otlp::{walk_explicit, walk_exponential};
pub(crate) use summary::walk as walk_summary;

/// Buckets of all histograms of a body; 8 bytes each. What senders send in 64 MiB has fewer; a body of tiny histograms that
/// span all floats would have more. The totals of deltas are counted too: small deltas may add up to large ones.
pub(crate) const BODY_BUCKETS_MAX: usize = 1 << 23;

const _: () = assert!(HISTOGRAM_BUCKETS_MAX < BODY_BUCKETS_MAX, "one histogram always fits");

/// The histograms of a body in the making.
#[derive(Debug, Default)]
pub(crate) struct Histograms {
    rows: Option<HistogramBuilder>,
    deltas: Vec<HistogramDelta>,
    /// When cumulative points began to count.
    starts: Vec<(SeriesRef, UnixNanos)>,
    buckets: usize,
}

impl Histograms {
    /// Takes a cumulative point. Room for the point was made.
    ///
    /// # Errors
    /// When the body has more buckets than a batch holds.
    pub(crate) fn push(
        &mut self,
        series: SeriesRef,
        time: UnixNanos,
        histogram: &Histogram,
    ) -> Result<(), DecodeError> {
        self.count(histogram)?;
        self.starts.extend(histogram.totals().start_time.map(|start| (series, start)));
        self.rows.get_or_insert_default().push(series, time, histogram);
        Ok(())
    }

    /// Takes the marker that a series has ended.
    pub(crate) fn push_stale(&mut self, series: SeriesRef, time: UnixNanos) {
        self.rows.get_or_insert_default().push_stale(series, time);
    }

    /// Takes what was observed since the point before.
    ///
    /// # Errors
    /// When the body has more buckets than a batch holds.
    pub(crate) fn push_delta(
        &mut self,
        series: SeriesRef,
        time: UnixNanos,
        histogram: Histogram,
    ) -> Result<(), DecodeError> {
        self.count(&histogram)?;
        self.deltas.push(HistogramDelta { series, time, histogram });
        Ok(())
    }

    fn count(&mut self, histogram: &Histogram) -> Result<(), DecodeError> {
        self.buckets += histogram.bucket_count();
        if self.buckets > BODY_BUCKETS_MAX {
            return Err(DecodeError::TooMany { what: "buckets in its histograms", max: BODY_BUCKETS_MAX });
        }
        Ok(())
    }

    /// Whether some are to be added to running totals.
    pub(crate) fn has_deltas(&self) -> bool {
        !self.deltas.is_empty()
    }

    /// The rows, deltas as totals, and when which series began to count.
    pub(crate) fn finish(
        mut self,
        totals: &HistogramTotals,
        late: Duration,
        piece: &mut Piece,
    ) -> (Option<Rows>, Added) {
        let mut added = match self.deltas.as_slice() {
            [] => Added::default(),
            _ => totals.accumulate(self.deltas, late, self.rows.get_or_insert_default(), piece),
        };
        added.started.extend(self.starts);
        (self.rows.map(HistogramBuilder::finish), added)
    }
}

/// Reads numbers, and not more than a histogram may have buckets: each may be one byte on the wire and is eight here.
fn read_all<'a, T>(
    numbers: impl IntoIterator<Item = Result<T, DecodeError>>,
    as_f64: fn(T) -> f64,
) -> Found<'a, Vec<f64>> {
    let mut read = Vec::new();
    for number in numbers {
        if read.len() > HISTOGRAM_BUCKETS_MAX {
            return Err(Fault::Histogram(HistogramError::TooManyBuckets {
                buckets: read.len() + 1,
                max: HISTOGRAM_BUCKETS_MAX,
            })
            .into());
        }
        read.push(as_f64(number?));
    }
    Ok(read)
}
