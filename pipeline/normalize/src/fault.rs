//! What can be wrong with a single point, and the words for it.

use std::fmt;
use std::time::Duration;

use flyball_decode::DecodeError;
use flyball_decode::line_protocol::BadLine;
use flyball_decode::otlp::any_value::ANY_VALUE_DEPTH_MAX;
use flyball_decode::scaphandre::BadReport;
use flyball_model::UnixNanos;
use flyball_model::histogram::HistogramError;
use flyball_model::ledger::Reason;
use flyball_model::series::{ResolveError, SeriesCapReached};

/// Values in messages are cut to this many characters.
const SHOWN_CHARS_MAX: usize = 100;

/// Why a point is refused. Made for every refused point, so it borrows; it becomes words only for the first of a reason.
#[derive(Debug, Clone)]
pub(crate) enum Fault<'a> {
    EmptyMetricName,
    MetricNotUtf8,
    MetricTooLong {
        bytes: usize,
        max: usize,
    },
    EmptyLabelName,
    DuplicateLabel {
        label: &'a str,
    },
    LabelNotUtf8 {
        label: &'a [u8],
    },
    ValueNotUtf8 {
        label: &'a [u8],
    },
    TextNotUtf8 {
        field: &'static str,
        text: &'a [u8],
    },
    /// An attribute or a body.
    TooDeep {
        what: &'a [u8],
    },
    /// Attributes, events and links of one record.
    TooManyParts {
        max: usize,
    },
    TooManyLabels {
        labels: usize,
        max: usize,
    },
    LabelNameTooLong {
        label: &'a [u8],
        max: usize,
    },
    ValueTooLong {
        label: &'a [u8],
        value: Shown,
        bytes: usize,
        max: usize,
    },
    LabelSetTooLong {
        bytes: usize,
        max: usize,
    },
    /// A reference of remote write 2.0.
    Symbol {
        what: &'static str,
        reference: u32,
        symbols: usize,
    },
    /// Remote write 2.0 names and values of labels come in pairs.
    OddReferences {
        references: usize,
    },
    SeriesCap(SeriesCapReached),
    Shape(ResolveError),
    TooFarInFuture {
        time: Instant,
        latest: UnixNanos,
    },
    TooOld {
        time: UnixNanos,
        earliest: UnixNanos,
    },
    NoValue,
    /// Of a monotonic sum.
    NegativeDelta {
        delta: f64,
    },
    /// A rule of the configuration drops the series.
    Relabelled,
    /// A whole line of line protocol.
    Line(BadLine<'a>),
    /// A whole report of Scaphandre's.
    Report(BadReport),
    Histogram(HistogramError),
    /// Spans and counts of a native histogram of remote write that don't fit each other.
    Buckets {
        problem: &'static str,
    },
    /// Deltas that each become a total of many buckets.
    TooManyTotalBuckets {
        max: usize,
    },
    /// Of one point of a summary.
    TooManyQuantiles {
        max: usize,
    },
    /// Not a refusal: a warning.
    EndBeforeStart {
        start: u64,
        end: u64,
    },
    /// Not a refusal of a point.
    Exemplar {
        problem: &'static str,
    },
    /// Not a refusal: a warning.
    LateDelta {
        late: Duration,
    },
    /// Not a refusal: a warning.
    Rounded {
        sent: i128,
    },
}

/// A time as sent; OTLP's can lie beyond what can be written down.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Instant {
    Known(UnixNanos),
    Beyond(u64),
}

/// Either the body is broken, or just the point.
#[derive(Debug)]
pub(crate) enum Trouble<'a> {
    Body(DecodeError),
    Point(Fault<'a>),
}

pub(crate) type Found<'a, T> = Result<T, Trouble<'a>>;

/// Parts the two: the outer error is the body's.
pub(crate) fn part<'a, T>(found: Found<'a, T>) -> Result<Result<T, Fault<'a>>, DecodeError> {
    match found {
        Ok(value) => Ok(Ok(value)),
        Err(trouble) => trouble.of_point().map(Err),
    }
}

impl<'a> Trouble<'a> {
    /// The point's fault.
    ///
    /// # Errors
    /// When it is the body's.
    pub(crate) fn of_point(self) -> Result<Fault<'a>, DecodeError> {
        match self {
            Trouble::Point(fault) => Ok(fault),
            Trouble::Body(error) => Err(error),
        }
    }
}

impl From<DecodeError> for Trouble<'_> {
    fn from(error: DecodeError) -> Self {
        Trouble::Body(error)
    }
}

impl<'a> From<Fault<'a>> for Trouble<'a> {
    fn from(fault: Fault<'a>) -> Self {
        Trouble::Point(fault)
    }
}

impl From<ResolveError> for Fault<'_> {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::Cap(reached) => Fault::SeriesCap(reached),
            ResolveError::Shape { .. } => Fault::Shape(error),
        }
    }
}

impl Fault<'_> {
    /// The same of an exemplar's labels.
    pub(crate) const fn of_exemplar(&self) -> &'static str {
        match self {
            Fault::Symbol { .. } => "has a label that refers to a symbol beyond the table",
            Fault::OddReferences { .. } => "has a label without a value",
            Fault::TooManyLabels { .. } => "has more labels than limits.labels",
            _ => "has labels that can't be read",
        }
    }

    /// The reason in the ledger.
    pub(crate) const fn reason(&self) -> Reason {
        match self {
            Fault::EmptyMetricName => Reason::EmptyMetricName,
            Fault::MetricNotUtf8
            | Fault::LabelNotUtf8 { .. }
            | Fault::ValueNotUtf8 { .. }
            | Fault::TextNotUtf8 { .. } => Reason::NotUtf8,
            Fault::EmptyLabelName => Reason::EmptyLabelName,
            Fault::DuplicateLabel { .. } => Reason::DuplicateLabel,
            Fault::TooDeep { .. } => Reason::TooDeep,
            Fault::TooManyLabels { .. } | Fault::TooManyParts { .. } => Reason::TooManyLabels,
            Fault::MetricTooLong { .. }
            | Fault::LabelNameTooLong { .. }
            | Fault::ValueTooLong { .. }
            | Fault::LabelSetTooLong { .. } => Reason::LabelTooLong,
            Fault::SeriesCap(_) => Reason::SeriesCap,
            Fault::TooFarInFuture { .. } => Reason::TooFarInFuture,
            Fault::TooOld { .. } => Reason::TooOld,
            Fault::NoValue => Reason::NoRecordedValue,
            Fault::NegativeDelta { .. } => Reason::NegativeDelta,
            Fault::Shape(_) => Reason::ShapeConflict,
            Fault::Symbol { .. } | Fault::OddReferences { .. } => Reason::BadSymbol,
            Fault::Histogram(_) | Fault::Buckets { .. } => Reason::BadHistogram,
            Fault::TooManyTotalBuckets { .. } | Fault::TooManyQuantiles { .. } => Reason::BadHistogram,
            Fault::Exemplar { .. } => Reason::BadExemplar,
            Fault::LateDelta { .. } => Reason::Late,
            Fault::Relabelled => Reason::Relabelled,
            Fault::Line(_) => Reason::BadLine,
            Fault::Report(_) => Reason::BadReport,
            Fault::EndBeforeStart { .. } => Reason::EndBeforeStart,
            Fault::Rounded { .. } => Reason::Rounded,
        }
    }
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::EmptyMetricName => write!(f, "the metric has no name; give it one"),
            Fault::MetricNotUtf8 => write!(f, "the metric's name is not UTF-8; fix the sender"),
            Fault::MetricTooLong { bytes, max } => write!(
                f,
                "the metric's name is {bytes} bytes long, the limit is {max}; shorten it or raise limits.label_bytes"
            ),
            Fault::EmptyLabelName => write!(f, "a label has no name; name it or leave it out"),
            Fault::DuplicateLabel { label } => {
                write!(f, "label {} comes twice; send it once", Shown::text(label))
            }
            Fault::LabelNotUtf8 { label } => {
                write!(f, "the label name {} is not UTF-8; fix the sender", Shown::bytes(label))
            }
            Fault::ValueNotUtf8 { label } => {
                write!(f, "the value of label {} is not UTF-8; send it as bytes or encode it", Shown::bytes(label))
            }
            Fault::TextNotUtf8 { field, text } => {
                write!(f, "the {field} {} is not UTF-8; send it as bytes or encode it", Shown::bytes(text))
            }
            Fault::TooDeep { what } => write!(
                f,
                "the value of {} is nested more than {ANY_VALUE_DEPTH_MAX} levels deep; flatten it",
                Shown::bytes(what)
            ),
            Fault::TooManyParts { max } => {
                write!(f, "more than {max} attributes, events and links; limit them in the sender's SDK")
            }
            Fault::TooManyLabels { labels, max } => {
                write!(f, "{labels} labels, the limit is {max}; drop some or raise limits.labels")
            }
            Fault::LabelNameTooLong { label, max } => write!(
                f,
                "the label name {} is {} bytes long, the limit is {max}; shorten it or raise limits.label_bytes",
                Shown::bytes(label),
                label.len()
            ),
            Fault::ValueTooLong { label, value, bytes, max } => write!(
                f,
                "label {} is {bytes} bytes long ({value}), the limit is {max}; shorten it or raise limits.label_bytes",
                Shown::bytes(label)
            ),
            Fault::LabelSetTooLong { bytes, max } => {
                write!(f, "the labels are {bytes} bytes long together, the limit is {max}; drop or shorten some")
            }
            Fault::SeriesCap(reached) => reached.fmt(f),
            Fault::TooFarInFuture { time, latest } => {
                write!(f, "the time {time} is after {latest}, the latest that is taken now; check the sender's clock")
            }
            Fault::TooOld { time, earliest } => write!(
                f,
                "the time {time} is before {earliest}, where the history begins; check the sender's clock or raise store.embedded.retention"
            ),
            Fault::Relabelled => write!(f, "dropped by metric_relabel_configs, as configured"),
            Fault::NoValue => write!(f, "the point has neither a value nor the flag that says so; fix the sender"),
            Fault::NegativeDelta { delta } => {
                write!(f, "the delta is {delta}, and the sum is monotonic: it only grows; fix the sender")
            }
            Fault::Shape(conflict) => conflict.fmt(f),
            Fault::Symbol { what, reference, symbols } => write!(
                f,
                "{what} refers to symbol {reference}, and the request has {symbols}, counted from 0; fix the sender"
            ),
            Fault::OddReferences { references } => {
                write!(f, "labels_refs has {references} references, and names and values come in pairs; fix the sender")
            }
            Fault::Histogram(error) => write!(f, "{error}; fix the sender"),
            Fault::Buckets { problem } => write!(f, "{problem}; fix the sender"),
            Fault::TooManyTotalBuckets { max } => write!(
                f,
                "the totals of a body's delta histograms have more than {max} buckets together; send smaller batches or cumulative histograms"
            ),
            Fault::TooManyQuantiles { max } => write!(f, "more than {max} quantiles; send fewer, or a histogram"),
            Fault::Exemplar { problem } => write!(f, "an exemplar {problem}; it is left out, its point is not"),
            Fault::LateDelta { late } => write!(
                f,
                "a delta came more than {late:?} behind the newest of its series (limits.late): it is added to the total as of the newest, where no window over its own time sees it"
            ),
            Fault::Report(report) => report.fmt(f),
            Fault::Line(line) => write!(f, "unable to parse {}: {line}", Shown::bytes(line.text)),
            Fault::EndBeforeStart { start, end } => write!(
                f,
                "it ends {} ns before it starts and is stored with a duration of 0; check the sender's clock",
                start - end
            ),
            Fault::Rounded { sent } => write!(
                f,
                "the integer {sent} is beyond 2^53 and is stored as {}, the nearest float; send it in a larger unit if that matters",
                *sent as f64
            ),
        }
    }
}

/// Something from a sender, fit to be shown: quoted, without control characters, not too long.
#[derive(Debug, Clone)]
pub(crate) struct Shown(String);

impl Shown {
    pub(crate) fn text(text: &str) -> Self {
        let mut shown = String::from('"');
        let mut chars = text.chars();
        shown.extend(chars.by_ref().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug));
        shown.push_str(if chars.next().is_some() { "…\"" } else { "\"" });
        Self(shown)
    }

    pub(crate) fn bytes(bytes: &[u8]) -> Self {
        // A character has at most four bytes; one more character tells that there are more.
        let first = &bytes[..bytes.len().min(4 * (SHOWN_CHARS_MAX + 1))];
        Self::text(&String::from_utf8_lossy(first))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Instant::Known(time) => time.fmt(f),
            Instant::Beyond(nanos) => write!(f, "{nanos} ns"),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_short_and_harmless() {
        for (given, expected) in [
            (&b"plain"[..], "\"plain\"".to_owned()),
            (b"a\"b\n\xff", "\"a\\\"b\\n\u{fffd}\"".to_owned()),
            (&[b'x'; 100], format!("\"{}\"", "x".repeat(100))),
            (&[b'x'; 9999], format!("\"{}…\"", "x".repeat(100))),
        ] {
            assert_eq!(Shown::bytes(given).to_string(), expected);
        }
    }
}
