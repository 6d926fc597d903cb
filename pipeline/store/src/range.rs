//! Which points a read wants: a time range and a set of series.

use flyball_model::SeriesRef;

/// Times from `from` to `to`, both included, in nanoseconds since the epoch. Empty when `from > to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeRange {
    pub(crate) from: i64,
    pub(crate) to: i64,
}

impl TimeRange {
    pub(crate) const ALL: TimeRange = TimeRange { from: i64::MIN, to: i64::MAX };
    pub(crate) const EMPTY: TimeRange = TimeRange { from: i64::MAX, to: i64::MIN };

    pub(crate) fn contains(self, time: i64) -> bool {
        self.from <= time && time <= self.to
    }

    pub(crate) fn covers(self, other: TimeRange) -> bool {
        self.from <= other.from && other.to <= self.to
    }

    pub(crate) fn overlaps(self, other: TimeRange) -> bool {
        self.from.max(other.from) <= self.to.min(other.to)
    }

    pub(crate) fn intersect(self, other: TimeRange) -> TimeRange {
        TimeRange { from: self.from.max(other.from), to: self.to.min(other.to) }
    }

    /// The smallest range with both in it.
    pub(crate) fn hull(self, other: TimeRange) -> TimeRange {
        TimeRange { from: self.from.min(other.from), to: self.to.max(other.to) }
    }

    /// The smallest range with all times in it.
    pub(crate) fn of(times: &[i64]) -> TimeRange {
        times
            .iter()
            .fold(TimeRange::EMPTY, |range, &time| TimeRange { from: range.from.min(time), to: range.to.max(time) })
    }
}

impl std::fmt::Display for TimeRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use flyball_model::UnixNanos;
        match (self.from, self.to) {
            (i64::MIN, i64::MAX) => f.write_str("all"),
            (from, i64::MAX) => write!(f, "{}..", UnixNanos(from)),
            (i64::MIN, to) => write!(f, "..={}", UnixNanos(to)),
            (from, to) => write!(f, "{}..={}", UnixNanos(from), UnixNanos(to)),
        }
    }
}

/// Which series are wanted; one bit a series of the registry, so that a test per point is one load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SeriesFilter {
    /// Every series.
    All,
    /// Those whose bit is set.
    Some(SeriesSet),
}

impl SeriesFilter {
    pub(crate) fn contains(&self, series: u32) -> bool {
        match self {
            SeriesFilter::All => true,
            SeriesFilter::Some(set) => set.contains(series),
        }
    }

    /// Whether no series is wanted.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, SeriesFilter::Some(set) if set.is_empty())
    }
}

/// A set of series numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SeriesSet {
    words: Vec<u64>,
}

impl SeriesSet {
    pub(crate) fn insert(&mut self, series: u32) {
        let word = series as usize / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (series % 64);
    }

    pub(crate) fn contains(&self, series: u32) -> bool {
        self.words.get(series as usize / 64).is_some_and(|word| word >> (series % 64) & 1 == 1)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }
}

impl FromIterator<SeriesRef> for SeriesSet {
    fn from_iter<I: IntoIterator<Item = SeriesRef>>(series: I) -> Self {
        let mut set = SeriesSet::default();
        series.into_iter().for_each(|series| set.insert(series.0));
        set
    }
}
