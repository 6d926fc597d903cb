//! Points of OTLP's histograms, explicit and exponential.

use flyball_decode::DecodeError;
use flyball_decode::otlp::any_value::KeyValues;
use flyball_decode::otlp::metrics::{
    BucketRun as SentRun, Exemplars, ExponentialPoint, HistogramPoint, Metric, NO_RECORDED_VALUE, Points,
};
use flyball_decode::wire::View;
use flyball_model::histogram::{BucketRun, ExponentialBuckets, HistogramError, Totals};
use flyball_model::{Histogram, Kind, SeriesRef, Shape, Temporality, UnixNanos};

use super::read_all;
use crate::fault::{Fault, Found, part};
use crate::otlp_exemplars;
use crate::otlp_metrics::{Family, Resource, warn_if_rounded};
use crate::rejections::Subject;
use crate::work::Work;

/// What the walk needs to know of a point of either kind.
struct Point<'a> {
    attributes: KeyValues<'a>,
    time: u64,
    count: u64,
    flags: u32,
    exemplars: Exemplars<'a>,
}

/// Walks the points of a histogram with explicit buckets.
pub(crate) fn walk_explicit<'a>(
    work: &mut Work<'_, 'a>,
    metric: &Metric<'a>,
    points: Points<'a, HistogramPoint<'a>>,
    temporality: Option<Temporality>,
    resource: &mut Resource<'a>,
) -> Result<(), DecodeError> {
    walk(work, metric, points, temporality, resource, |point: HistogramPoint<'a>| {
        let HistogramPoint { attributes, time, count, flags, exemplars, .. } = point;
        (Point { attributes, time, count, flags, exemplars }, move || explicit(&point))
    })
}

/// Walks the points of a histogram with exponential buckets.
pub(crate) fn walk_exponential<'a>(
    work: &mut Work<'_, 'a>,
    metric: &Metric<'a>,
    points: Points<'a, ExponentialPoint<'a>>,
    temporality: Option<Temporality>,
    resource: &mut Resource<'a>,
) -> Result<(), DecodeError> {
    walk(work, metric, points, temporality, resource, |point: ExponentialPoint<'a>| {
        let ExponentialPoint { attributes, time, count, flags, exemplars, .. } = point;
        (Point { attributes, time, count, flags, exemplars }, move || exponential(&point))
    })
}

/// `open` gives what is known of a point at a glance, and how to read its buckets.
fn walk<'a, T: View<'a>, Read: FnOnce() -> Found<'a, Histogram>>(
    work: &mut Work<'_, 'a>,
    metric: &Metric<'a>,
    points: Points<'a, T>,
    temporality: Option<Temporality>,
    resource: &mut Resource<'a>,
    open: impl Fn(T) -> (Point<'a>, Read),
) -> Result<(), DecodeError> {
    let family = Family::new(work, metric, Shape::Histograms, resource);
    let mut taken = false;
    for point in points {
        let (point, read) = open(point?);
        work.met(1);
        let (series, time, histogram) = match part(find(work, &point, read, &family, resource))? {
            Ok(found) => found,
            Err(fault) => {
                work.rejections.add(&fault, 1, Subject::Metric(metric.name));
                continue;
            }
        };
        work.make_room(1, 0)?;
        match histogram {
            None => work.histograms.push_stale(series, time),
            Some(histogram) if temporality == Some(Temporality::Delta) => {
                work.histograms.push_delta(series, time, histogram)?;
            }
            Some(histogram) => work.histograms.push(series, time, &histogram)?,
        }
        warn_if_rounded(work, metric, i128::from(point.count));
        otlp_exemplars::take(work, series, point.exemplars, time, Subject::Metric(metric.name))?;
        taken = true;
    }
    if taken {
        family.describe(work, metric, Kind::Histogram, temporality, None);
    }
    Ok(())
}

/// Time and buckets are looked at first: a point that is refused for them makes no series. No histogram means that the sender says
/// that there is none.
fn find<'a>(
    work: &mut Work<'_, 'a>,
    point: &Point<'a>,
    read: impl FnOnce() -> Found<'a, Histogram>,
    family: &Family<'a>,
    resource: &mut Resource<'a>,
) -> Found<'a, (SeriesRef, UnixNanos, Option<Histogram>)> {
    let time = work.window.nanos(point.time)?;
    let histogram = if point.flags & NO_RECORDED_VALUE != 0 { None } else { Some(read()?) };
    Ok((family.find(work, resource, point.attributes, time)?, time, histogram))
}

fn explicit<'a>(point: &HistogramPoint<'a>) -> Found<'a, Histogram> {
    let counts = read_all(point.bucket_counts, |count| count as f64)?;
    let bounds = read_all(point.explicit_bounds, |bound| bound)?;
    let totals = Totals {
        count: point.count as f64,
        sum: point.sum,
        min: point.min,
        max: point.max,
        start_time: start(point.start_time),
    };
    Ok(Histogram::explicit(totals, bounds, counts).map_err(Fault::Histogram)?)
}

fn exponential<'a>(point: &ExponentialPoint<'a>) -> Found<'a, Histogram> {
    let totals = Totals {
        count: point.count as f64,
        sum: point.sum,
        min: point.min,
        max: point.max,
        start_time: start(point.start_time),
    };
    let buckets = ExponentialBuckets {
        scale: i8::try_from(point.scale).map_err(|_| Fault::Histogram(HistogramError::Scale { scale: point.scale }))?,
        zero_threshold: point.zero_threshold,
        zero_count: point.zero_count as f64,
        positive: run(point.positive)?,
        negative: run(point.negative)?,
    };
    Ok(Histogram::exponential(totals, buckets).map_err(Fault::Histogram)?)
}

fn run<'a>(sent: SentRun<'a>) -> Found<'a, BucketRun> {
    Ok(BucketRun { offset: sent.offset, counts: read_all(sent.counts, |count| count as f64)? })
}

/// When counting began, where the sender says so.
fn start(nanos: u64) -> Option<UnixNanos> {
    i64::try_from(nanos).ok().filter(|&nanos| nanos != 0).map(UnixNanos)
}
