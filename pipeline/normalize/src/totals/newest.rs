//! Where a running total stands in time: one set of rules for sums and for histograms.

use std::num::NonZeroU64;
use std::time::Duration;

use flyball_model::UnixNanos;

/// An odd number with bits all over (from the digits of the golden ratio), to mix with.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// The versions of all totals of a kind: one sequence, so that a total that was forgotten and begins anew does not begin with a version
/// that an old state of it has.
#[derive(Debug, Default)]
pub(super) struct Versions {
    last: u64,
}

impl Versions {
    /// The highest version that can be restored. It leaves room for more changes than there will ever be.
    pub(super) const MAX: u64 = 1 << 62;

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// A state of this version exists; the next ones are above it.
    pub(super) fn saw(&mut self, version: u64) {
        debug_assert!(version <= Self::MAX, "checked where it was read");
        self.last = self.last.max(version);
    }
}

/// What a delta is known by: a number made of what it says. Two deltas of a series mix to the same one once in 2^64.
///
/// Marks are written to disk: mixed otherwise, a delta that is sent once more across a restart would not be known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(NonZeroU64);

impl Mark {
    pub(super) fn mix(words: impl IntoIterator<Item = u64>) -> Self {
        let mixed = words.into_iter().fold(MIX, |state, word| {
            let product = u128::from(state ^ word) * u128::from(MIX);
            (product as u64) ^ (product >> 64) as u64
        });
        Self(NonZeroU64::new(mixed).unwrap_or(NonZeroU64::MIN))
    }

    pub(super) fn from_le_bytes(bytes: [u8; 8]) -> Option<Self> {
        NonZeroU64::new(u64::from_le_bytes(bytes)).map(Self)
    }

    pub(super) fn to_le_bytes(self) -> [u8; 8] {
        self.0.get().to_le_bytes()
    }
}

/// The newest point of a total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Newest {
    /// Its time.
    pub(super) time: UnixNanos,
    /// The newest delta, to know it again; `None` if it does not say when its interval began.
    pub(super) mark: Option<Mark>,
    /// Which state of the total this is: the greater, the newer.
    pub(super) version: u64,
}

/// How a delta comes to its total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    InTime,
    /// Further behind the newest than is usual. It is added all the same.
    Late,
    /// It is the newest once more, and is not added.
    Again,
}

impl Newest {
    /// Of a total that has no point yet.
    pub(super) const NONE: Newest = Newest { time: UnixNanos::MIN, mark: None, version: 0 };

    /// A delta comes. Unless it is the newest once more, the newest point is now that of its total.
    pub(super) fn take(
        &mut self,
        time: UnixNanos,
        mark: Option<Mark>,
        late: Duration,
        versions: &mut Versions,
    ) -> Arrival {
        if mark.is_some() && mark == self.mark {
            return Arrival::Again;
        }
        let arrival = if time < self.time.minus(late) { Arrival::Late } else { Arrival::InTime };
        if time > self.time {
            (self.time, self.mark) = (time, mark);
        } else {
            self.time = UnixNanos(self.time.0.saturating_add(1));
        }
        self.version = versions.next();
        arrival
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_point_never_goes_back_and_each_change_has_a_higher_version() {
        let (mut newest, mut versions) = (Newest::NONE, Versions::default());
        let mark = |number| Some(Mark::mix([number]));
        for (time, mark, arrival, stands_at, version) in [
            (100, mark(1), Arrival::InTime, 100, 1),
            (100, mark(1), Arrival::Again, 100, 1),
            (100, mark(2), Arrival::InTime, 101, 2),
            (91, mark(3), Arrival::InTime, 102, 3),
            (91, mark(4), Arrival::Late, 103, 4),
            // Only the newest is known again.
            (91, mark(4), Arrival::Late, 104, 5),
            (100, mark(1), Arrival::Again, 104, 5),
            (200, None, Arrival::InTime, 200, 6),
            (200, None, Arrival::InTime, 201, 7),
        ] {
            let taken = newest.take(UnixNanos(time), mark, Duration::from_nanos(10), &mut versions);
            assert_eq!((taken, newest.time.0, newest.version), (arrival, stands_at, version), "at {time}");
        }
    }

    #[test]
    fn versions_go_on_above_those_that_were_seen() {
        let mut versions = Versions::default();
        versions.saw(7);
        versions.saw(3);
        assert_eq!(versions.next(), 8);
    }

    #[test]
    fn marks_stay_what_they_are_on_disk() {
        assert_eq!(Mark::mix([1, 2, 3]).to_le_bytes(), MARK_OF_1_2_3);
        assert_eq!(Mark::from_le_bytes(MARK_OF_1_2_3), Some(Mark::mix([1, 2, 3])));
        assert_eq!(Mark::from_le_bytes([0; 8]), None);
    }

    const MARK_OF_1_2_3: [u8; 8] = [196, 46, 220, 46, 56, 242, 169, 188];
}
