//! Remote write 2.0: samples become points, metadata descriptions.
//!
//! Labels are references into a table of symbols that differs from body to body, so the references themselves name nothing. Each
//! symbol is hashed once a body; a series' key is made of the keys of its symbols, whatever their order, and is then looked up like
//! any other: known series cost a few multiplications a label.

mod request;
mod room;

use flyball_decode::DecodeError;
use flyball_decode::native_histogram::NativeHistogram;
use flyball_decode::remote_write2::{Exemplar, TimeSeries, time_series};
use flyball_model::{Shape, UnixNanos};

use crate::exemplars;
use crate::fault::{Fault, Found, part};
use crate::histograms;
use crate::rejections::Subject;
use crate::series::Once;
use crate::work::Work;
use request::{Key, Request};
use room::Room;

/// Walks a request into the work.
pub(crate) fn walk<'a>(work: &mut Work<'_, 'a>, body: &'a [u8]) -> Result<(), DecodeError> {
    Room::lend(|room| {
        let mut request = Request::new(work, body, room)?;
        for series in time_series(body) {
            walk_series(work, &mut request, &series?)?;
        }
        Ok(())
    })
}

/// What is known of a series while its points are walked.
#[derive(Debug, Default)]
struct Progress<'a> {
    /// Looked up by the first point whose time is good: others make no series.
    found: Once<'a>,
    /// The time of the newest point.
    newest: Option<UnixNanos>,
}

fn walk_series<'a>(
    work: &mut Work<'_, 'a>,
    request: &mut Request<'_, 'a>,
    series: &TimeSeries<'a>,
) -> Result<(), DecodeError> {
    let key = request.key(series.labels)?;
    let mut progress = Progress::default();
    walk_samples(work, request, series, key, &mut progress)?;
    walk_histograms(work, request, series, key, &mut progress)?;
    for exemplar in series.exemplars {
        if let Err(fault) = walk_exemplar(work, request, series, key, &exemplar?, &mut progress)? {
            work.warnings.add(&fault, 1, Subject::References(request.symbols, series.labels));
        }
    }
    if let Some(key) = key {
        request.describe(work, key, series.metadata);
    }
    Ok(())
}

fn walk_samples<'a>(
    work: &mut Work<'_, 'a>,
    request: &mut Request<'_, 'a>,
    series: &TimeSeries<'a>,
    key: Option<Key>,
    progress: &mut Progress<'a>,
) -> Result<(), DecodeError> {
    let subject = Subject::References(request.symbols, series.labels);
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
        match progress.found.find(Shape::Numbers, || request.find(work, series.labels, key, Shape::Numbers, time))? {
            Ok(number) => {
                work.push(number, time, sample.value)?;
                work.written.samples += 1;
                // Version 2.0 said it with the series until rc.3, and with the sample since.
                let starts = [sample.start_timestamp_ms, series.created_timestamp_ms];
                if let Some(&start) = starts.iter().find(|&&start| start != 0) {
                    work.note_start(number, UnixNanos::from_millis(start));
                }
                progress.newest = progress.newest.max(Some(time));
            }
            Err(fault) => work.rejections.add(fault, 1, subject),
        }
    }
    Ok(())
}

fn walk_histograms<'a>(
    work: &mut Work<'_, 'a>,
    request: &mut Request<'_, 'a>,
    series: &TimeSeries<'a>,
    key: Option<Key>,
    progress: &mut Progress<'a>,
) -> Result<(), DecodeError> {
    let subject = Subject::References(request.symbols, series.labels);
    for histogram in series.histograms {
        let histogram = histogram?;
        work.met(1);
        match part(walk_histogram(work, request, series, key, &histogram, &mut progress.found))? {
            Ok(time) => progress.newest = progress.newest.max(Some(time)),
            Err(fault) => work.rejections.add(&fault, 1, subject),
        }
    }
    Ok(())
}

/// Takes a native histogram. Time and buckets are looked at first: others make no series.
fn walk_histogram<'a>(
    work: &mut Work<'_, 'a>,
    request: &mut Request<'_, 'a>,
    series: &TimeSeries<'a>,
    key: Option<Key>,
    sent: &NativeHistogram<'a>,
    found: &mut Once<'a>,
) -> Found<'a, UnixNanos> {
    let time = work.window.millis(sent.timestamp_ms)?;
    let native = histograms::read_native(sent, time, series.created_timestamp_ms)?;
    let find = || request.find(work, series.labels, key, Shape::Histograms, time);
    let number = found.find(Shape::Histograms, find)?.map_err(Clone::clone)?;
    native.take(work, number, time, Subject::References(request.symbols, series.labels))?;
    Ok(time)
}

fn walk_exemplar<'a>(
    work: &mut Work<'_, 'a>,
    request: &mut Request<'_, 'a>,
    series: &TimeSeries<'a>,
    key: Option<Key>,
    exemplar: &Exemplar<'a>,
    progress: &mut Progress<'a>,
) -> Result<Result<(), Fault<'a>>, DecodeError> {
    let newest = progress.newest.unwrap_or(work.window.now);
    if let Err(fault) = part(request.read(exemplar.labels, work.limits))? {
        return Ok(Err(Fault::Exemplar { problem: fault.of_exemplar() }));
    }
    let labels = std::mem::take(&mut request.pairs);
    let number = progress.found.any(|shape| request.find(work, series.labels, key, shape, newest))?;
    let sent = exemplars::Sent { value: exemplar.value, timestamp_ms: exemplar.timestamp_ms, labels: &labels };
    let taken = match number {
        Some(number) => exemplars::take(work, number, &sent, newest)?,
        None => Err(Fault::Exemplar { problem: "belongs to a series that is not taken" }),
    };
    request.pairs = labels;
    Ok(taken)
}
