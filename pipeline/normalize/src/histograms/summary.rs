//! OTLP's summaries, as Prometheus has them: a number for each quantile, under the metric's name with the label `quantile`, and
//! `NAME_sum` and `NAME_count`.
//!
//! A point is taken as a whole or refused as one, and counts as one.

use flyball_decode::DecodeError;
use flyball_decode::otlp::metrics::{Metric, NO_RECORDED_VALUE, Points, SummaryPoint};
use flyball_model::{Kind, SeriesRef, Shape, UnixNanos};

use crate::fault::{Fault, Found, part};
use crate::otlp_metrics::{Family, Resource, warn_if_rounded};
use crate::rejections::Subject;
use crate::work::{STALE, Work};

/// Quantiles of one point. Senders have a handful.
const QUANTILES_MAX: usize = 1024;

/// A summary's metrics.
struct Families<'a> {
    quantiles: Family<'a>,
    sum: Family<'a>,
    count: Family<'a>,
}

/// Walks the points of a summary.
pub(crate) fn walk<'a>(
    work: &mut Work<'_, 'a>,
    metric: &Metric<'a>,
    points: Points<'a, SummaryPoint<'a>>,
    resource: &mut Resource<'a>,
) -> Result<(), DecodeError> {
    let quantiles = Family::new(work, metric, Shape::Numbers, resource);
    let (sum, count) = (quantiles.with_suffix(work, "_sum", resource), quantiles.with_suffix(work, "_count", resource));
    let families = Families { quantiles, sum, count };
    let mut taken = false;
    let mut numbers = Vec::new();
    for point in points {
        let point = point?;
        work.met(1);
        match part(find(work, &point, &families, resource, &mut numbers))? {
            Ok(time) => {
                work.push_parts(&numbers, time)?;
                warn_if_rounded(work, metric, i128::from(point.count));
                taken = true;
            }
            Err(fault) => work.rejections.add(&fault, 1, Subject::Metric(metric.name)),
        }
    }
    if taken {
        families.quantiles.describe(work, metric, Kind::Summary, None, None);
        families.sum.describe(work, metric, Kind::Summary, None, None);
        families.count.describe(work, &Metric { unit: b"", ..*metric }, Kind::Summary, None, None);
    }
    Ok(())
}

/// All numbers of a point with their series, or none.
fn find<'a>(
    work: &mut Work<'_, 'a>,
    point: &SummaryPoint<'a>,
    families: &Families<'a>,
    resource: &mut Resource<'a>,
    numbers: &mut Vec<(SeriesRef, f64)>,
) -> Found<'a, UnixNanos> {
    numbers.clear();
    let time = work.window.nanos(point.time)?;
    let stale = point.flags & NO_RECORDED_VALUE != 0;
    let value = |value: f64| if stale { STALE } else { value };
    for quantile in point.quantiles {
        let quantile = quantile?;
        if numbers.len() == QUANTILES_MAX {
            return Err(Fault::TooManyQuantiles { max: QUANTILES_MAX }.into());
        }
        let series = families.quantiles.find_quantile(work, resource, point.attributes, quantile.quantile, time)?;
        numbers.push((series, value(quantile.value)));
    }
    numbers.push((families.sum.find(work, resource, point.attributes, time)?, value(point.sum)));
    numbers.push((families.count.find(work, resource, point.attributes, time)?, value(point.count as f64)));
    Ok(time)
}
