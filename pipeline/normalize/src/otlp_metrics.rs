//! OTLP metrics: gauges and sums become points.

use flyball_decode::DecodeError;
use flyball_decode::otlp::metrics::{
    Data, Metric, NO_RECORDED_VALUE, NumberPoint, NumberPoints, ResourceMetrics, resource_metrics,
};
use flyball_model::{Kind, SeriesRef, Temporality, UnixNanos, name};

use crate::describe::{Description, lenient};
use crate::fault::{Fault, Found, part};
use crate::labels::Level;
use crate::rejections::Subject;
use crate::series::{SeriesKey, metric_text};
use crate::work::{STALE, Work};

/// Walks a request into the work.
pub(crate) fn walk<'a>(work: &mut Work<'_, 'a>, body: &'a [u8]) -> Result<(), DecodeError> {
    for resource in resource_metrics(body) {
        walk_resource(work, resource?)?;
    }
    Ok(())
}

fn walk_resource<'a>(work: &mut Work<'_, 'a>, resource: ResourceMetrics<'a>) -> Result<(), DecodeError> {
    let mut level = Level::default();
    // A fault of the resource is one of each of its points.
    let prepared = part(level.fill_resource(resource.attributes(), work.limits))?;
    let labels = prepared.as_ref().map(|()| &level).map_err(Clone::clone);
    for metric in resource.metrics() {
        walk_metric(work, &metric?, &labels)?;
    }
    Ok(())
}

fn walk_metric<'a>(
    work: &mut Work<'_, 'a>,
    metric: &Metric<'a>,
    resource: &Result<&Level<'a>, Fault<'a>>,
) -> Result<(), DecodeError> {
    let subject = Subject::Metric(metric.name);
    let explicit = Fault::Histogram { kind: "explicit-bucket" };
    let exponential = Fault::Histogram { kind: "exponential" };
    match metric.data {
        Data::None => Ok(()),
        Data::Gauge(points) => walk_points(work, metric, points, resource, GAUGE),
        Data::Sum { points, temporality, monotonic } => {
            let kind = if monotonic { Kind::Counter } else { Kind::UpDownCounter };
            walk_points(work, metric, points, resource, Shape { kind, temporality, monotonic: Some(monotonic) })
        }
        Data::Histogram { points } => {
            work.rejections.add(&explicit, points, subject);
            Ok(())
        }
        Data::ExponentialHistogram { points } => {
            work.rejections.add(&exponential, points, subject);
            Ok(())
        }
        Data::Summary { points } => {
            work.rejections.add(&Fault::Summary, points, subject);
            Ok(())
        }
    }
}

/// What the points of a metric are.
#[derive(Debug, Clone, Copy)]
struct Shape {
    kind: Kind,
    temporality: Option<Temporality>,
    monotonic: Option<bool>,
}

const GAUGE: Shape = Shape { kind: Kind::Gauge, temporality: None, monotonic: None };

fn walk_points<'a>(
    work: &mut Work<'_, 'a>,
    metric: &Metric<'a>,
    points: NumberPoints<'a>,
    resource: &Result<&Level<'a>, Fault<'a>>,
    shape: Shape,
) -> Result<(), DecodeError> {
    let original = metric_text(metric.name, work.limits);
    let ready = original.and_then(|original| Ok((original, resource.clone()?)));
    let (original, resource) = match ready {
        Ok(ready) => ready,
        Err(fault) => {
            for point in points {
                point?;
                work.rejections.add(&fault, 1, Subject::Metric(metric.name));
            }
            return Ok(());
        }
    };
    let name = name::metric_name(original);
    let delta = shape.temporality == Some(Temporality::Delta);
    let mut taken = false;
    for point in points {
        let point = point?;
        match part(find(work, &point, &name, resource))? {
            Ok((series, time, value)) if delta && !is_without_value(&point) => work.push_delta(series, time, value)?,
            Ok((series, time, value)) => work.push(series, time, value)?,
            Err(fault) => {
                work.rejections.add(&fault, 1, Subject::Metric(metric.name));
                continue;
            }
        }
        taken = true;
    }
    if taken {
        let description = Description {
            original,
            kind: shape.kind,
            unit: lenient(metric.unit, work.limits),
            temporality: shape.temporality,
            monotonic: shape.monotonic,
            help: lenient(metric.description, work.limits),
        };
        work.news.note(work.registry, &name, &description);
    }
    Ok(())
}

fn is_without_value(point: &NumberPoint<'_>) -> bool {
    point.flags & NO_RECORDED_VALUE != 0
}

/// Value and time are looked at first: a point that is refused for them makes no series.
fn find<'a>(
    work: &mut Work<'_, 'a>,
    point: &NumberPoint<'a>,
    metric: &str,
    resource: &Level<'a>,
) -> Found<'a, (SeriesRef, UnixNanos, f64)> {
    let value = match point.value {
        _ if is_without_value(point) => STALE,
        Some(value) => value.as_f64(),
        None => return Err(Fault::NoValue.into()),
    };
    let time = work.window.nanos(point.time)?;
    let key = SeriesKey::Otlp { metric, resource, attributes: point.attributes };
    Ok((work.finder.find(&key, time)?, time, value))
}
