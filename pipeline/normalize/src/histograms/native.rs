//! Native histograms of remote write, both versions.

use flyball_decode::DecodeError;
use flyball_decode::native_histogram::{CUSTOM_BUCKETS_SCHEMA, Count, NativeHistogram, ResetHint, Side};
use flyball_model::batch::is_stale;
use flyball_model::histogram::{ExponentialBuckets, HISTOGRAM_BUCKETS_MAX, HistogramError, SparseBucket, Totals};
use flyball_model::{Histogram, SeriesRef, UnixNanos};

use super::read_all;
use crate::fault::{Fault, Found};
use crate::rejections::Subject;
use crate::work::Work;

/// What a point says.
#[derive(Debug)]
pub(crate) struct Native {
    /// `None` where the series has ended.
    histogram: Option<Histogram>,
    count: Count,
}

impl Native {
    /// Takes the point into the work, as one of a series.
    ///
    /// # Errors
    /// When the body has more than a batch holds.
    pub(crate) fn take(
        self,
        work: &mut Work<'_, '_>,
        series: SeriesRef,
        time: UnixNanos,
        subject: Subject<'_>,
    ) -> Result<(), DecodeError> {
        work.make_room(1, 0)?;
        match self.histogram {
            Some(histogram) => work.histograms.push(series, time, &histogram)?,
            None => work.histograms.push_stale(series, time),
        }
        work.written.histograms += 1;
        if let Count::Int(sent) = self.count
            && sent as f64 as u128 != u128::from(sent)
        {
            work.warnings.add(&Fault::Rounded { sent: i128::from(sent) }, 1, subject);
        }
        Ok(())
    }
}

/// Reads a point at `time`. `created_ms` is when the series began to count, in milliseconds since the epoch, as far as something else than
/// the point says it; 0 if nothing does.
pub(crate) fn read<'a>(sent: &NativeHistogram<'a>, time: UnixNanos, created_ms: i64) -> Found<'a, Native> {
    if is_stale(sent.sum) {
        return Ok(Native { histogram: None, count: Count::Float(0.0) });
    }
    let totals = Totals {
        count: sent.count.as_f64(),
        sum: Some(sent.sum),
        min: None,
        max: None,
        start_time: start(sent, time, created_ms),
    };
    let integers = matches!(sent.count, Count::Int(_));
    let positive = buckets(&sent.positive, integers)?;
    let negative = buckets(&sent.negative, integers)?;
    let histogram = if sent.schema == CUSTOM_BUCKETS_SCHEMA {
        let bounds = read_all(sent.custom_values, |bound| bound)?;
        let mut counts = vec![0.0; bounds.len() + 1];
        if !negative.is_empty() || sent.zero_count.as_f64() != 0.0 {
            return Err(Fault::Buckets { problem: "custom buckets have no negative and no zero buckets" }.into());
        }
        for (index, count) in positive {
            let slot = usize::try_from(index).ok().and_then(|index| counts.get_mut(index));
            *slot.ok_or(Fault::Buckets { problem: "a span reaches beyond the custom bounds" })? += count;
        }
        Histogram::explicit(totals, bounds, counts)
    } else {
        exponential(sent, totals, &positive, &negative)
    };
    Ok(Native { histogram: Some(histogram.map_err(Fault::Histogram)?), count: sent.count })
}

fn exponential(
    sent: &NativeHistogram<'_>,
    totals: Totals,
    positive: &[SparseBucket],
    negative: &[SparseBucket],
) -> Result<Histogram, HistogramError> {
    let scale = i8::try_from(sent.schema).map_err(|_| HistogramError::Scale { scale: sent.schema })?;
    // Prometheus counts a bucket by its upper bound, OTLP by its lower one.
    let by_lower = |buckets: &[SparseBucket]| -> Vec<SparseBucket> {
        buckets.iter().map(|&(index, count)| (index - 1, count)).collect()
    };
    let buckets = ExponentialBuckets::from_sparse(scale, &by_lower(positive), &by_lower(negative))?;
    let zero_count = sent.zero_count.as_f64();
    Histogram::exponential(totals, ExponentialBuckets { zero_threshold: sent.zero_threshold, zero_count, ..buckets })
}

/// When counting began. Where only that is said that it began after the point before, the point's own time stands for it.
fn start(sent: &NativeHistogram<'_>, time: UnixNanos, created_ms: i64) -> Option<UnixNanos> {
    let said = [sent.start_timestamp_ms, created_ms].into_iter().find(|&millis| millis != 0);
    said.map(UnixNanos::from_millis).or((sent.reset_hint == ResetHint::Yes).then_some(time))
}

/// The buckets that are not empty, ascending, by Prometheus' index.
fn buckets<'a>(side: &Side<'a>, integers: bool) -> Found<'a, Vec<SparseBucket>> {
    let mut found = Vec::new();
    let mut counts = Counts { deltas: side.deltas.iter(), floats: side.counts.iter(), integers, last: 0 };
    let (mut index, mut first) = (0_i64, true);
    for span in side.spans {
        let span = span?;
        if span.offset < 0 && !first {
            return Err(Fault::Buckets { problem: "a span begins before the one before it ends" }.into());
        }
        first = false;
        index += i64::from(span.offset);
        for _ in 0..span.length {
            let Some(count) = counts.next()? else {
                return Err(Fault::Buckets { problem: "the spans have more buckets than there are counts" }.into());
            };
            if !count.is_finite() || count < 0.0 {
                return Err(Fault::Histogram(HistogramError::Count { what: "a bucket", count }).into());
            }
            if count > 0.0 {
                found.push((index, count));
            }
            if found.len() > HISTOGRAM_BUCKETS_MAX {
                let (buckets, max) = (found.len(), HISTOGRAM_BUCKETS_MAX);
                return Err(Fault::Histogram(HistogramError::TooManyBuckets { buckets, max }).into());
            }
            index += 1;
        }
    }
    if counts.next()?.is_some() {
        return Err(Fault::Buckets { problem: "there are more counts than the spans have buckets" }.into());
    }
    Ok(found)
}

/// What the buckets of a side hold: in integer histograms each says how much more than the one before.
struct Counts<D, F> {
    deltas: D,
    floats: F,
    integers: bool,
    last: i64,
}

impl<D, F> Counts<D, F>
where
    D: Iterator<Item = Result<i64, DecodeError>>,
    F: Iterator<Item = Result<f64, DecodeError>>,
{
    fn next(&mut self) -> Result<Option<f64>, DecodeError> {
        if !self.integers {
            return self.floats.next().transpose();
        }
        let delta = self.deltas.next().transpose()?;
        Ok(delta.map(|delta| {
            self.last = self.last.saturating_add(delta);
            self.last as f64
        }))
    }
}
