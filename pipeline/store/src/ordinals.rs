//! Sets of ordinals.
//!
//! What is in memory or in a file is nearly always one range, growing at its end. There are holes where a batch was never logged
//! before a crash, and where records of a log are not in the order of their ordinals.

/// Ordinals from `from` up to, not including, `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OrdinalRange {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl OrdinalRange {
    /// So many from one on; `None` when there are no such ordinals.
    pub(crate) fn of(first: u64, count: usize) -> Option<Self> {
        Some(Self { from: first, to: first.checked_add(count as u64)? })
    }

    pub(crate) fn len(self) -> u64 {
        self.to - self.from
    }

    fn is_empty(self) -> bool {
        self.from >= self.to
    }
}

/// A set of ordinals, as ranges that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ordinals {
    /// The highest range, on its own so that one range needs no allocation. Empty only in an empty set.
    last: Option<OrdinalRange>,
    /// Those below it, rising.
    lower: Vec<OrdinalRange>,
}

impl Ordinals {
    pub(crate) fn add(&mut self, range: OrdinalRange) {
        if range.is_empty() {
            return;
        }
        match &mut self.last {
            None => self.last = Some(range),
            Some(last) if range.from == last.to => last.to = range.to,
            Some(last) if range.from > last.to => {
                self.lower.push(*last);
                *last = range;
            }
            Some(_) => self.merge(range),
        }
    }

    fn merge(&mut self, range: OrdinalRange) {
        let mut all: Vec<_> = self.ranges().chain([range]).collect();
        all.sort_unstable();
        self.lower.clear();
        self.last = None;
        for range in all {
            match &mut self.last {
                Some(last) if range.from <= last.to => last.to = last.to.max(range.to),
                _ => self.lower.extend(self.last.replace(range)),
            }
        }
    }

    pub(crate) fn add_all(&mut self, other: &Ordinals) {
        other.ranges().for_each(|range| self.add(range));
    }

    /// The ranges, rising.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = OrdinalRange> + '_ {
        self.lower.iter().chain(&self.last).copied()
    }

    /// The ordinal after the highest one.
    pub(crate) fn end(&self) -> u64 {
        self.last.map_or(0, |last| last.to)
    }

    /// The parts of a range that are not in the set, rising.
    pub(crate) fn missing(&self, range: OrdinalRange) -> Vec<OrdinalRange> {
        let mut missing = Vec::new();
        let mut from = range.from;
        let first = self.lower.partition_point(|known| known.to <= range.from);
        for known in self.lower[first..].iter().chain(&self.last) {
            if known.from >= range.to {
                break;
            }
            missing.push(OrdinalRange { from, to: known.from.max(from) });
            from = from.max(known.to);
        }
        missing.push(OrdinalRange { from, to: range.to });
        missing.retain(|range| !range.is_empty());
        missing
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_in_any_order_are_a_set(ranges in prop::collection::vec((0_u64..60, 0_u64..9), 0..30), ask in (0_u64..70, 0_u64..30)) {
            let (mut set, mut model) = (Ordinals::default(), BTreeSet::new());
            for (from, length) in ranges {
                set.add(OrdinalRange { from, to: from + length });
                model.extend(from..from + length);
            }
            let found: Vec<_> = set.ranges().collect();
            prop_assert!(found.windows(2).all(|pair| pair[0].to < pair[1].from), "{found:?}");
            prop_assert!(found.iter().all(|range| range.from < range.to), "{found:?}");
            let members: BTreeSet<_> = found.iter().flat_map(|range| range.from..range.to).collect();
            prop_assert_eq!(&members, &model);
            prop_assert_eq!(set.end(), model.last().map_or(0, |last| last + 1));
            let asked = OrdinalRange { from: ask.0, to: ask.0 + ask.1 };
            let missing: Vec<_> = set.missing(asked).into_iter().flat_map(|range| range.from..range.to).collect();
            let expected: Vec<_> = (asked.from..asked.to).filter(|ordinal| !model.contains(ordinal)).collect();
            prop_assert_eq!(missing, expected);
        }
    }

    #[test]
    fn there_are_no_ordinals_beyond_the_last_number() {
        assert_eq!(OrdinalRange::of(u64::MAX - 1, 2), None);
        assert_eq!(OrdinalRange::of(u64::MAX - 1, 1).map(OrdinalRange::len), Some(1));
    }
}
