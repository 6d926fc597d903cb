//! Remote write 1.0: samples become points, metadata descriptions.

use flyball_decode::DecodeError;
use flyball_decode::remote_write::{Metadata, MetricType, TimeSeries, metadata, time_series};
use flyball_model::{Kind, name};

use crate::describe::{Description, lenient};
use crate::fault::{Fault, part};
use crate::rejections::Subject;
use crate::series::{SeriesKey, metric_text};
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
    work.rejections.add(&Fault::Histogram { kind: "native" }, series.histograms, subject);
    // Looked up by the first sample whose time is good: others make no series.
    let mut found = None;
    for sample in series.samples {
        let sample = sample?;
        let time = match work.window.millis(sample.timestamp_ms) {
            Ok(time) => time,
            Err(fault) => {
                work.rejections.add(&fault, 1, subject);
                continue;
            }
        };
        let number = match found.take() {
            Some(found) => found,
            None => part(work.finder.find(&SeriesKey::RemoteWrite { labels: series.labels }, time))?,
        };
        match &number {
            Ok(number) => work.push(*number, time, sample.value)?,
            Err(fault) => work.rejections.add(fault, 1, subject),
        }
        found = Some(number);
    }
    Ok(())
}

/// Notes what is said of a family. The family of a counter may lack the `_total` of its metric (OpenMetrics), so the
/// metric that has series is looked for under both names. Families of several metrics (histograms, summaries) have no
/// metric of their own name: they are noted only where there is one.
fn describe(work: &mut Work<'_, '_>, metadata: &Metadata<'_>) {
    let Ok(original) = metric_text(metadata.family, work.limits) else { return };
    let kind = match metadata.metric_type {
        MetricType::Counter => Kind::Counter,
        MetricType::Gauge => Kind::Gauge,
        _ => Kind::Unknown,
    };
    let family = name::metric_name(original);
    let total = format!("{family}_total");
    let has_series = |metric: &str| {
        let view = work.registry.read();
        view.metric(metric).is_some_and(|metric| !view.series_of(metric).is_empty())
    };
    let (metric, original) = if has_series(&family) {
        (&*family, original)
    } else if kind == Kind::Counter && has_series(&total) {
        (&*total, "")
    } else if kind != Kind::Unknown {
        (&*family, original)
    } else {
        return;
    };
    let description = Description {
        original,
        kind,
        unit: lenient(metadata.unit, work.limits),
        temporality: None,
        monotonic: None,
        help: lenient(metadata.help, work.limits),
    };
    work.news.note(work.registry, metric, &description);
}
