//! Remote write 1.0: samples become points, native histograms rows, metadata descriptions.

use flyball_decode::DecodeError;
use flyball_decode::native_histogram::NativeHistogram;
use flyball_decode::remote_write::{Exemplar, Labels, Metadata, MetricType, TimeSeries, metadata, time_series};
use flyball_model::{Kind, SeriesRef, Shape, UnixNanos, name};

use crate::describe::{Description, lenient};
use crate::exemplars;
use crate::fault::{Fault, Found, part};
use crate::histograms;
use crate::rejections::Subject;
use crate::series::{Once, SeriesKey, metric_text};
use crate::work::Work;

/// Walks a request into the work. Metadata comes last, when the metrics of the same request are known.
pub(crate) fn walk<'a>(work: &mut Work<'_, 'a>, body: &'a [u8]) -> Result<(), DecodeError> {
    for series in time_series(body) {
        walk_series(work, &series?)?;
    }
    for metadata in metadata(body) {
        describe(work, &metadata?);
    }
    Ok(())
}

fn walk_series<'a>(work: &mut Work<'_, 'a>, series: &TimeSeries<'a>) -> Result<(), DecodeError> {
    let subject = Subject::Series(series.labels);
    // Looked up by the first point whose time is good: others make no series.
    let (mut found, mut newest) = (Once::default(), None);
    for sample in series.samples {
        let sample = sample?;
        work.met(1);
        let time = match work.window.millis(sample.timestamp_ms) {
            Ok(time) => time,
            Err(fault) => {
                work.rejections.add(&fault, 1, subject);
                continue;
            }
        };
        match found.find(Shape::Numbers, || find(work, series.labels, Shape::Numbers, time))? {
            Ok(number) => {
                work.push(number, time, sample.value)?;
                work.written.samples += 1;
                newest = newest.max(Some(time));
            }
            Err(fault) => work.rejections.add(fault, 1, subject),
        }
    }
    for histogram in series.histograms {
        let histogram = histogram?;
        work.met(1);
        match part(walk_histogram(work, series, &histogram, &mut found))? {
            Ok(time) => newest = newest.max(Some(time)),
            Err(fault) => work.rejections.add(&fault, 1, subject),
        }
    }
    for exemplar in series.exemplars {
        if let Err(fault) = walk_exemplar(work, series, &exemplar?, &mut found, newest)? {
            work.warnings.add(&fault, 1, subject);
        }
    }
    Ok(())
}

/// Takes a native histogram. Time and buckets are looked at first: others make no series.
fn walk_histogram<'a>(
    work: &mut Work<'_, 'a>,
    series: &TimeSeries<'a>,
    sent: &NativeHistogram<'a>,
    found: &mut Once<'a>,
) -> Found<'a, UnixNanos> {
    let time = work.window.millis(sent.timestamp_ms)?;
    let native = histograms::read_native(sent, time, 0)?;
    let number =
        found.find(Shape::Histograms, || find(work, series.labels, Shape::Histograms, time))?.map_err(Clone::clone)?;
    native.take(work, number, time, Subject::Series(series.labels))?;
    Ok(time)
}

fn walk_exemplar<'a>(
    work: &mut Work<'_, 'a>,
    series: &TimeSeries<'a>,
    exemplar: &Exemplar<'a>,
    found: &mut Once<'a>,
    newest: Option<UnixNanos>,
) -> Result<Result<(), Fault<'a>>, DecodeError> {
    let newest = newest.unwrap_or(work.window.now);
    let Some(number) = found.any(|shape| find(work, series.labels, shape, newest))? else {
        return Ok(Err(Fault::Exemplar { problem: "belongs to a series that is not taken" }));
    };
    // One more than is taken, so that it is seen that there are too many.
    let labels = exemplar.labels.iter().take(work.limits.labels.saturating_add(1));
    let labels: Vec<_> = labels.map(|label| label.map(|label| (label.name, label.value))).collect::<Result<_, _>>()?;
    let sent = exemplars::Sent { value: exemplar.value, timestamp_ms: exemplar.timestamp_ms, labels: &labels };
    exemplars::take(work, number, &sent, newest)
}

/// The series of these labels: by their bytes as they lie there, or else by what they say.
#[inline]
pub(crate) fn find<'a>(
    work: &mut Work<'_, 'a>,
    labels: Labels<'a>,
    shape: Shape,
    at: UnixNanos,
) -> Found<'a, SeriesRef> {
    let key = labels.raw().map(|raw| work.finder.key(raw).within(work.finder.shape_key(shape)));
    match key.and_then(|key| work.finder.known(key)) {
        Some(series) => Ok(series),
        None => work.finder.find(key, &SeriesKey::RemoteWrite { labels }, shape, at),
    }
}

/// Notes what is said of a family. Its metrics may be called otherwise: a counter's may have a `_total` more (OpenMetrics), a
/// histogram's and a summary's have suffixes. So those that have series are looked for; a gauge or counter without any is noted
/// under the family's name, since its series may come later.
pub(crate) fn describe(work: &mut Work<'_, '_>, metadata: &Metadata<'_>) {
    let Ok(original) = metric_text(metadata.family, work.limits) else { return };
    let kind = kind_of(metadata.metric_type);
    let family = name::metric_name(original);
    let mut note = |metric: &str, original: &str| {
        let description = Description {
            original,
            kind,
            unit: lenient(metadata.unit, work.limits),
            temporality: None,
            monotonic: None,
            help: lenient(metadata.help, work.limits),
        };
        work.news.note(work.registry, metric, &description);
    };
    let mut found = false;
    for suffix in suffixes(metadata.metric_type) {
        let metric = format!("{family}{suffix}");
        let has_series = {
            let view = work.registry.read();
            view.metric(&metric).is_some_and(|metric| !view.series_of(metric).is_empty())
        };
        if has_series {
            note(&metric, if suffix.is_empty() { original } else { "" });
            found = true;
        }
        // A counter's metric is one of the two, the first that there is.
        if found && kind == Kind::Counter {
            break;
        }
    }
    if !found && matches!(kind, Kind::Counter | Kind::Gauge) {
        note(&family, original);
    }
}

/// What the names of a family's metrics may have more than the family's.
const fn suffixes(metric_type: MetricType) -> &'static [&'static str] {
    match metric_type {
        MetricType::Counter => &["", "_total"],
        MetricType::Histogram | MetricType::Summary => &["", "_bucket", "_count", "_sum"],
        MetricType::GaugeHistogram => &["", "_bucket", "_gcount", "_gsum"],
        MetricType::Info => &["", "_info"],
        MetricType::Unknown | MetricType::Gauge | MetricType::StateSet => &[""],
    }
}

/// The kind that a type of Prometheus is.
pub(crate) const fn kind_of(metric_type: MetricType) -> Kind {
    match metric_type {
        MetricType::Unknown => Kind::Unknown,
        MetricType::Counter => Kind::Counter,
        MetricType::Gauge => Kind::Gauge,
        MetricType::Histogram | MetricType::GaugeHistogram => Kind::Histogram,
        MetricType::Summary => Kind::Summary,
        MetricType::Info => Kind::Info,
        MetricType::StateSet => Kind::StateSet,
    }
}
