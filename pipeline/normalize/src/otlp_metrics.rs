//! OTLP metrics: gauges and sums become points. Histograms and summaries are taken by [`crate::histograms`].
//!
//! What names a series lies in three places: the resource, the metric's name, the point's attributes. Each is hashed once
//! where it stands, so that a point costs the hash of its own attributes.

use std::borrow::Cow;
use std::cell::OnceCell;

use flyball_decode::DecodeError;
use flyball_decode::otlp::any_value::KeyValues;
use flyball_decode::otlp::metrics::{
    Data, Metric, NO_RECORDED_VALUE, Number, NumberPoint, NumberPoints, ResourceMetrics, resource_metrics,
};
use flyball_model::{Kind, SeriesRef, Shape, Temporality, UnixNanos, name};

use crate::aliases::AliasKey;
use crate::describe::{Description, lenient};
use crate::fault::{Fault, Found, part};
use crate::histograms;
use crate::labels::Level;
use crate::otlp_exemplars;
use crate::rejections::Subject;
use crate::series::{SeriesKey, metric_text};
use crate::work::{STALE, Work};

/// Walks a request into the work.
pub(crate) fn walk<'a>(work: &mut Work<'_, 'a>, body: &'a [u8]) -> Result<(), DecodeError> {
    for metrics in resource_metrics(body) {
        let metrics = metrics?;
        let mut resource = Resource::new(work, metrics)?;
        for metric in metrics.metrics() {
            walk_metric(work, &metric?, &mut resource)?;
        }
    }
    Ok(())
}

/// A resource, whose attributes are read only when a point asks whose series is not known yet.
#[derive(Debug)]
pub(crate) struct Resource<'a> {
    metrics: ResourceMetrics<'a>,
    /// `None` where its bytes lie in pieces: then every point is looked up by its labels.
    key: Option<AliasKey>,
    labels: Option<Result<Level<'a>, Fault<'a>>>,
}

impl<'a> Resource<'a> {
    fn new(work: &Work<'_, 'a>, metrics: ResourceMetrics<'a>) -> Result<Self, DecodeError> {
        let key = metrics.resource_raw()?.map(|raw| work.finder.key(raw));
        Ok(Self { metrics, key, labels: None })
    }

    /// Its labels. A fault of the resource is one of each of its points.
    fn labels(&mut self, work: &Work<'_, 'a>) -> Found<'a, &Level<'a>> {
        if self.labels.is_none() {
            let mut level = Level::default();
            let filled = part(level.fill_resource(self.metrics.attributes(), work.limits))?;
            self.labels = Some(filled.map(|()| level));
        }
        match &self.labels {
            Some(Ok(level)) => Ok(level),
            Some(Err(fault)) => Err(fault.clone().into()),
            None => unreachable!("filled above"),
        }
    }
}

/// A metric of a resource, as its points are looked up.
#[derive(Debug)]
pub(crate) struct Family<'a> {
    original: Result<&'a str, Fault<'a>>,
    /// What its name has more than the one that was sent.
    suffix: &'static str,
    /// Its name in Prometheus form, made when a series is asked for that is not known yet.
    name: OnceCell<Cow<'a, str>>,
    shape: Shape,
    name_key: AliasKey,
    key: Option<AliasKey>,
}

impl<'a> Family<'a> {
    pub(crate) fn new(work: &Work<'_, 'a>, metric: &Metric<'a>, shape: Shape, resource: &Resource<'a>) -> Self {
        let original = metric_text(metric.name, work.limits);
        Self::called(work, original, "", work.finder.key(metric.name), shape, resource)
    }

    /// A metric that belongs to this one: the sum of a summary. Its labels are the same.
    pub(crate) fn with_suffix(&self, work: &Work<'_, 'a>, suffix: &'static str, resource: &Resource<'a>) -> Self {
        let name_key = work.finder.key(suffix.as_bytes()).within(self.name_key);
        Self::called(work, self.original.clone(), suffix, name_key, self.shape, resource)
    }

    fn called(
        work: &Work<'_, 'a>,
        original: Result<&'a str, Fault<'a>>,
        suffix: &'static str,
        name_key: AliasKey,
        shape: Shape,
        resource: &Resource<'a>,
    ) -> Self {
        let key = resource.key.map(|resource| name_key.within(resource).within(work.finder.shape_key(shape)));
        Self { original, suffix, name: OnceCell::new(), shape, name_key, key }
    }

    /// The name in Prometheus form, if the one that was sent may be one.
    fn name(&self) -> Result<&str, Fault<'a>> {
        let original = self.original.clone()?;
        Ok(self.name.get_or_init(|| {
            let name = name::metric_name(original);
            if self.suffix.is_empty() { name } else { (name + self.suffix).into_owned().into() }
        }))
    }

    /// The series of a quantile of a summary's point.
    pub(crate) fn find_quantile(
        &self,
        work: &mut Work<'_, 'a>,
        resource: &mut Resource<'a>,
        attributes: KeyValues<'a>,
        quantile: f64,
        at: UnixNanos,
    ) -> Found<'a, SeriesRef> {
        let key = self.point_key(work, attributes);
        let key = key.map(|point| work.finder.key(&quantile.to_bits().to_le_bytes()).within(point));
        match key.and_then(|key| work.finder.known(key)) {
            Some(series) => Ok(series),
            None => self.read(work, resource, attributes, Some(quantile), key, at),
        }
    }

    /// The series of a point.
    #[inline]
    pub(crate) fn find(
        &self,
        work: &mut Work<'_, 'a>,
        resource: &mut Resource<'a>,
        attributes: KeyValues<'a>,
        at: UnixNanos,
    ) -> Found<'a, SeriesRef> {
        let key = self.point_key(work, attributes);
        match key.and_then(|key| work.finder.known(key)) {
            Some(series) => Ok(series),
            None => self.read(work, resource, attributes, None, key, at),
        }
    }

    #[inline]
    fn point_key(&self, work: &Work<'_, 'a>, attributes: KeyValues<'a>) -> Option<AliasKey> {
        Some(work.finder.key(attributes.raw()?).within(self.key?))
    }

    /// Looks the series up by what its labels say.
    #[cold]
    fn read(
        &self,
        work: &mut Work<'_, 'a>,
        resource: &mut Resource<'a>,
        attributes: KeyValues<'a>,
        quantile: Option<f64>,
        key: Option<AliasKey>,
        at: UnixNanos,
    ) -> Found<'a, SeriesRef> {
        let metric = self.name()?;
        let resource = resource.labels(work)?;
        let labels = match quantile {
            None => SeriesKey::Otlp { metric, resource, attributes },
            Some(quantile) => SeriesKey::Quantile { metric, resource, attributes, quantile },
        };
        work.finder.find(key, &labels, self.shape, at)
    }

    /// Notes what is said of the metric, unless the same was said before.
    pub(crate) fn describe(
        &self,
        work: &mut Work<'_, 'a>,
        metric: &Metric<'a>,
        kind: Kind,
        temporality: Option<Temporality>,
        monotonic: Option<bool>,
    ) {
        let means = [kind as u8, temporality.map_or(2, |t| t as u8), monotonic.map_or(2, u8::from)];
        let said = [metric.unit, metric.description, &means];
        let key = said.into_iter().fold(self.name_key, |key, part| work.finder.key(part).within(key));
        if work.finder.known(key).is_some() {
            return;
        }
        let (Ok(original), Ok(name)) = (&self.original, self.name()) else { return };
        let description = Description {
            // What is known of a part by its original name is the family's.
            original: if self.suffix.is_empty() { original } else { "" },
            kind,
            unit: lenient(metric.unit, work.limits),
            temporality,
            monotonic,
            help: lenient(metric.description, work.limits),
        };
        if work.news.note(work.registry, name, &description) {
            // No series: the entry says that this was said.
            work.finder.learn(key, SeriesRef(u32::MAX));
        }
    }
}

fn walk_metric<'a>(
    work: &mut Work<'_, 'a>,
    metric: &Metric<'a>,
    resource: &mut Resource<'a>,
) -> Result<(), DecodeError> {
    match metric.data {
        Data::None => Ok(()),
        Data::Gauge(points) => walk_points(work, metric, points, resource, GAUGE),
        Data::Sum { points, temporality, monotonic } => {
            let kind = if monotonic { Kind::Counter } else { Kind::UpDownCounter };
            walk_points(work, metric, points, resource, Sum { kind, temporality, monotonic: Some(monotonic) })
        }
        Data::Histogram { points, temporality } => {
            histograms::walk_explicit(work, metric, points, temporality, resource)
        }
        Data::ExponentialHistogram { points, temporality } => {
            histograms::walk_exponential(work, metric, points, temporality, resource)
        }
        Data::Summary { points } => histograms::walk_summary(work, metric, points, resource),
    }
}

/// What the points of a metric mean.
#[derive(Debug, Clone, Copy)]
struct Sum {
    kind: Kind,
    temporality: Option<Temporality>,
    monotonic: Option<bool>,
}

impl Sum {
    fn is_monotonic_delta(self) -> bool {
        self.temporality == Some(Temporality::Delta) && self.monotonic == Some(true)
    }
}

const GAUGE: Sum = Sum { kind: Kind::Gauge, temporality: None, monotonic: None };

fn walk_points<'a>(
    work: &mut Work<'_, 'a>,
    metric: &Metric<'a>,
    points: NumberPoints<'a>,
    resource: &mut Resource<'a>,
    sum: Sum,
) -> Result<(), DecodeError> {
    let family = Family::new(work, metric, Shape::Numbers, resource);
    let delta = sum.temporality == Some(Temporality::Delta);
    let mut taken = false;
    for point in points {
        let point = point?;
        work.met(1);
        let (series, time) = match part(find(work, &point, &family, resource, sum))? {
            Ok((series, time, value)) if delta && !is_without_value(&point) => {
                work.push_delta(series, start_of(&point), time, value)?;
                (series, time)
            }
            Ok((series, time, value)) => {
                work.push(series, time, value)?;
                if let Some(start) = start_of(&point).filter(|_| sum.monotonic.is_some() && !delta) {
                    work.note_start(series, start);
                }
                (series, time)
            }
            Err(fault) => {
                work.rejections.add(&fault, 1, Subject::Metric(metric.name));
                continue;
            }
        };
        if let Some(Number::Int(sent)) = point.value.filter(|_| !is_without_value(&point)) {
            warn_if_rounded(work, metric, i128::from(sent));
        }
        otlp_exemplars::take(work, series, point.exemplars, time, Subject::Metric(metric.name))?;
        taken = true;
    }
    if taken {
        family.describe(work, metric, sum.kind, sum.temporality, sum.monotonic);
    }
    Ok(())
}

/// When a sum began, if its sender says so.
fn start_of(point: &NumberPoint<'_>) -> Option<UnixNanos> {
    i64::try_from(point.start_time).ok().filter(|&start| start != 0).map(UnixNanos)
}

fn is_without_value(point: &NumberPoint<'_>) -> bool {
    point.flags & NO_RECORDED_VALUE != 0
}

/// Integers up to 2^53 are exact as floats. Beyond, some are; of the others the sender is told.
#[inline]
pub(crate) fn warn_if_rounded(work: &mut Work<'_, '_>, metric: &Metric<'_>, sent: i128) {
    const EXACT_MAX: u128 = 1 << f64::MANTISSA_DIGITS;
    if sent.unsigned_abs() > EXACT_MAX && sent as f64 as i128 != sent {
        let fault = Fault::Rounded { sent };
        work.warnings.add(&fault, 1, Subject::Metric(metric.name));
    }
}

/// Value and time are looked at first: a point that is refused for them makes no series.
#[inline]
fn find<'a>(
    work: &mut Work<'_, 'a>,
    point: &NumberPoint<'a>,
    family: &Family<'a>,
    resource: &mut Resource<'a>,
    sum: Sum,
) -> Found<'a, (SeriesRef, UnixNanos, f64)> {
    let value = match point.value {
        _ if is_without_value(point) => STALE,
        Some(value) => value.as_f64(),
        None => return Err(Fault::NoValue.into()),
    };
    if value < 0.0 && sum.is_monotonic_delta() {
        // In the total it would be a reset, which no function could tell from a true one.
        return Err(Fault::NegativeDelta { delta: value }.into());
    }
    let time = work.window.nanos(point.time)?;
    Ok((family.find(work, resource, point.attributes, time)?, time, value))
}
