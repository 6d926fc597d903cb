//! What holds for whatever was taken of a body.

use std::collections::BTreeSet;
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{TimestampNanosecondType, UInt32Type};
use flyball_decode::DecodeError;
use flyball_model::batch::is_stale;
use flyball_model::intake::{Format, LINE_FAULTS_MAX};
use flyball_model::ledger::Reason;
use flyball_model::{Limits, RowKind, Rows, SeriesRegistry, UnixNanos};
use flyball_normalize::Normalized;

use super::account::{self, Received};
use super::bench::NOW;
use super::histograms;

/// A message to the sender is never longer: it shows at most a few pieces of the body, of a hundred characters each.
const MESSAGE_BYTES_MAX: usize = 4096;

/// A line's first 100 bytes, each of which may be no UTF-8 and shown as a character of three.
const LINE_BYTES_MAX: usize = 300;

/// Totals of late deltas are written just after the newest point, a nanosecond each.
const LATE_TOTALS: Duration = Duration::from_millis(10);

/// Checks what was taken.
pub(crate) fn check(
    format: Format,
    body: &[u8],
    limits: &Limits,
    registry: &SeriesRegistry,
    normalized: &Normalized,
    received: Option<&Received>,
) {
    let window = Window::new(limits, received.is_some_and(|received| !received.deltas));
    check_points(registry, normalized, window);
    for rows in &normalized.rows {
        check_rows(registry, rows, window);
    }
    let kinds: BTreeSet<_> = normalized.rows.iter().map(Rows::kind).collect();
    assert_eq!(kinds.len(), normalized.rows.len(), "at most one batch a kind");
    check_words(normalized);
    check_account(format, body, normalized, received);
    assert!(registry.len() <= registry.cap());
    // Those that have series, those that were described, and the reserved names.
    assert!(registry.read().metric_count() <= 2 * registry.cap() + 3);
}

/// Checks the error of a body that was refused as a whole.
pub(crate) fn check_error(body: &[u8], error: &DecodeError) {
    check_message(&error.to_string());
    let lines = body.split(|&byte| byte == b'\n').count();
    match error {
        DecodeError::Exposition { line, .. } | DecodeError::Json { line, .. } => {
            assert!((1..=lines).contains(line), "{error}: there are {lines} lines");
        }
        DecodeError::Wire { offset, .. } => assert!(*offset <= body.len(), "{error}: there are {} bytes", body.len()),
        _ => {}
    }
}

#[derive(Debug, Clone, Copy)]
struct Window {
    earliest: UnixNanos,
    latest: UnixNanos,
}

impl Window {
    fn new(limits: &Limits, exact: bool) -> Self {
        let slack = if exact { Duration::ZERO } else { LATE_TOTALS };
        Self { earliest: NOW.minus(limits.past), latest: NOW.plus(limits.future).plus(slack) }
    }

    fn check(self, times: &[i64]) {
        let outside = times.iter().find(|&&time| time < self.earliest.0 || time > self.latest.0);
        assert_eq!(outside, None, "all times lie in {self:?}");
    }
}

fn check_series(registry: &SeriesRegistry, series: &[u32]) {
    let count = registry.len();
    assert!(series.iter().all(|&series| (series as usize) < count), "{series:?} of {count} series");
}

fn check_points(registry: &SeriesRegistry, normalized: &Normalized, window: Window) {
    let points = &normalized.points;
    assert!(points.times().len() == points.len() && points.values().len() == points.len());
    check_series(registry, points.series());
    window.check(points.times());
    // A total of changes may grow beyond all floats; that is not counted.
    let not_finite = points.values().iter().filter(|value| !value.is_finite() && !is_stale(**value)).count();
    assert!(normalized.not_finite <= not_finite as u64, "{} of {not_finite}", normalized.not_finite);
}

fn check_rows(registry: &SeriesRegistry, rows: &Rows, window: Window) {
    let batch = rows.batch();
    assert!(!rows.is_empty());
    assert_eq!(batch.schema(), rows.kind().schema());
    check_columns(batch);
    check_series(registry, batch.column(0).as_primitive::<UInt32Type>().values());
    window.check(batch.column(1).as_primitive::<TimestampNanosecondType>().values());
    if rows.kind() == RowKind::Histograms {
        histograms::check(batch);
    }
}

/// Offsets, lengths, UTF-8 and nulls, down to the last child.
fn check_columns(batch: &RecordBatch) {
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let checked = column.to_data().validate_full();
        assert!(checked.is_ok(), "column {}: {checked:?}", field.name());
        assert!(field.is_nullable() || column.null_count() == 0, "column {} has nulls", field.name());
    }
}

fn check_words(normalized: &Normalized) {
    for list in [&normalized.rejections, &normalized.warnings] {
        let reasons: BTreeSet<_> = list.iter().map(|entry| entry.reason).collect();
        assert_eq!(reasons.len(), list.len(), "one line a reason: {list:?}");
        for entry in list {
            assert!(entry.points > 0 && !entry.detail.is_empty(), "{entry:?}");
            check_message(&entry.detail);
        }
    }
    assert!(normalized.lines.len() <= LINE_FAULTS_MAX);
    assert!(normalized.lines.is_sorted_by_key(|fault| fault.number), "{:?}", normalized.lines);
    for fault in &normalized.lines {
        assert!(fault.number > 0 && fault.line.len() <= LINE_BYTES_MAX, "{fault:?}");
        check_message(&fault.message);
    }
}

/// What a sender, a log and a terminal may be shown.
fn check_message(message: &str) {
    assert!(message.len() <= MESSAGE_BYTES_MAX, "{} bytes: {message}", message.len());
    assert!(!message.chars().any(char::is_control), "{message:?}");
}

/// received = taken + refused, where what was received is counted by the normaliser and by somebody else.
fn check_account(format: Format, body: &[u8], normalized: &Normalized, received: Option<&Received>) {
    let refused = |reason: Option<Reason>| -> u64 {
        let those = normalized.rejections.iter().filter(|entry| reason.is_none_or(|reason| entry.reason == reason));
        those.map(|entry| entry.points).sum()
    };
    assert!(normalized.parts <= normalized.points.len() as u64);
    let accounted = normalized.count() + refused(None);
    assert_eq!(normalized.received, accounted, "{:?}", normalized.rejections);
    if let Some(received) = received {
        assert_eq!(accounted, received.points, "{:?}", normalized.rejections);
    }
    match format {
        Format::RemoteWrite1 | Format::RemoteWrite2 => {
            let (written, rows) = (normalized.written, |kind| normalized.of(kind).map_or(0, Rows::len) as u64);
            assert_eq!(written.samples, normalized.points.len() as u64);
            assert_eq!(written.histograms, rows(RowKind::Histograms));
            assert_eq!(written.exemplars, rows(RowKind::Exemplars));
        }
        Format::Scaphandre => assert_eq!(refused(Some(Reason::BadReport)), account::bad_reports(body)),
        _ => {}
    }
}
