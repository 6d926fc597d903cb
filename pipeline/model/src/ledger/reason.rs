//! Why points came to their outcome: a closed list.

/// Why. A closed list: each is a label value of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Stored, nothing to say.
    None,
    /// Stored: NaN or an infinity. Both protocols allow them, so they are kept, and counted here.
    NotFinite,
    /// Stored: an integer beyond 2^53 became the nearest float.
    Rounded,
    /// Stored: it came later than `limits.late` behind the newest of its series.
    Late,
    /// The metric's points are of another shape: numbers and native histograms can't share a name.
    ShapeConflict,
    /// A histogram whose parts don't fit each other.
    BadHistogram,
    /// A delta below zero of a sum that only grows.
    NegativeDelta,
    /// An exemplar that can't be kept. Its point is.
    BadExemplar,
    /// A symbol's number is beyond the table of symbols (remote write 2.0).
    BadSymbol,
    /// A line that can't be read.
    BadLine,
    /// A relabelling rule of the configuration drops its series.
    Relabelled,
    /// A report of a stream that can't be read.
    BadReport,
    /// Stored: a span that ends before it starts got a duration of 0.
    EndBeforeStart,
    /// The point says that no value was recorded.
    NoRecordedValue,
    /// The metric has no name.
    EmptyMetricName,
    /// A label has no name.
    EmptyLabelName,
    /// One label name came twice.
    DuplicateLabel,
    /// A name or value is not UTF-8.
    NotUtf8,
    /// Arrays and maps of a value are nested more deeply than is read.
    TooDeep,
    /// More labels than `limits.labels`.
    TooManyLabels,
    /// A label's name or value is longer than `limits.label_bytes`.
    LabelTooLong,
    /// A new series beyond `limits.series`.
    SeriesCap,
    /// The time is more than `limits.future` ahead of this machine's clock.
    TooFarInFuture,
    /// The time is before what the history keeps.
    TooOld,
    /// The body could not be read: whole request, counted as one.
    Malformed,
    /// The body is longer than the limit: whole request, counted as one.
    BodyTooLarge,
    /// The content type is not one that is taken: whole request, counted as one.
    ContentType,
    /// The content encoding is not one that is taken: whole request, counted as one.
    ContentEncoding,
    /// The body ended before it was whole: whole request, counted as one.
    Interrupted,
    /// flyball could not store it now: whole request; the sender may try again.
    Unavailable,
    /// Dropped: the very same point (series, time and value), or the very same body, was stored before; a sender that missed an
    /// answer sends it again.
    Duplicate,
    /// Dropped: a frame of the log was damaged on the disk, after it was acknowledged; counted as one a frame.
    LogDamaged,
    /// The sender is over its own limit (`limits.per_source`): whole request; it may try again.
    Throttled,
    /// The sender showed no token, or one that does not let it write: whole request, counted as one.
    Unauthorized,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 34] = [
        Reason::None,
        Reason::NotFinite,
        Reason::Rounded,
        Reason::Late,
        Reason::ShapeConflict,
        Reason::BadHistogram,
        Reason::NegativeDelta,
        Reason::BadExemplar,
        Reason::BadSymbol,
        Reason::BadLine,
        Reason::Relabelled,
        Reason::BadReport,
        Reason::EndBeforeStart,
        Reason::NoRecordedValue,
        Reason::EmptyMetricName,
        Reason::EmptyLabelName,
        Reason::DuplicateLabel,
        Reason::NotUtf8,
        Reason::TooDeep,
        Reason::TooManyLabels,
        Reason::LabelTooLong,
        Reason::SeriesCap,
        Reason::TooFarInFuture,
        Reason::TooOld,
        Reason::Malformed,
        Reason::BodyTooLarge,
        Reason::ContentType,
        Reason::ContentEncoding,
        Reason::Interrupted,
        Reason::Unavailable,
        Reason::Duplicate,
        Reason::LogDamaged,
        Reason::Throttled,
        Reason::Unauthorized,
    ];

    /// The word in the ledger and in `/metrics`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::None => "",
            Reason::NotFinite => "not_finite",
            Reason::Rounded => "rounded",
            Reason::Late => "late",
            Reason::ShapeConflict => "shape_conflict",
            Reason::BadHistogram => "bad_histogram",
            Reason::NegativeDelta => "negative_delta",
            Reason::BadExemplar => "bad_exemplar",
            Reason::BadSymbol => "bad_symbol",
            Reason::BadLine => "bad_line",
            Reason::Relabelled => "relabelled",
            Reason::BadReport => "bad_report",
            Reason::EndBeforeStart => "end_before_start",
            Reason::NoRecordedValue => "no_recorded_value",
            Reason::EmptyMetricName => "empty_metric_name",
            Reason::EmptyLabelName => "empty_label_name",
            Reason::DuplicateLabel => "duplicate_label",
            Reason::NotUtf8 => "not_utf8",
            Reason::TooDeep => "too_deep",
            Reason::TooManyLabels => "too_many_labels",
            Reason::LabelTooLong => "label_too_long",
            Reason::SeriesCap => "series_cap",
            Reason::TooFarInFuture => "too_far_in_future",
            Reason::TooOld => "too_old",
            Reason::Malformed => "malformed",
            Reason::BodyTooLarge => "body_too_large",
            Reason::ContentType => "content_type",
            Reason::ContentEncoding => "content_encoding",
            Reason::Interrupted => "interrupted",
            Reason::Unavailable => "unavailable",
            Reason::Duplicate => "duplicate",
            Reason::LogDamaged => "log_damaged",
            Reason::Throttled => "throttled",
            Reason::Unauthorized => "unauthorized",
        }
    }

    /// The reason of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Reason::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_word_of_its_own() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(reason));
        }
    }
}
