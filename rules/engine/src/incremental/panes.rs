//! What is kept of points in the panes of a window. All panes of a table lie in one place, and those of a group or series form a chain: a
//! point that begins a pane asks the allocator for nothing, and neither does a pane that leaves.

use super::accumulate::Layout;

/// No pane.
const NONE: u32 = u32::MAX;

/// Panes whose memory is asked for at once.
const CHUNK_PANES: usize = 256;

/// Numbers before those of a pane: which pane it is, and where the next one of its chain lies.
const HEAD: usize = 1;

/// The panes of a group or series that have points, rising.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chain {
    oldest: u32,
    newest: u32,
}

impl Default for Chain {
    fn default() -> Self {
        Self { oldest: NONE, newest: NONE }
    }
}

impl Chain {
    pub(super) fn is_empty(self) -> bool {
        self.oldest == NONE
    }
}

/// The panes of many groups or series.
#[derive(Debug)]
pub(super) struct Panes {
    /// Numbers of a pane, with its head.
    stride: usize,
    /// What numbers of panes are told from. Those before it, and those 2^32 and more behind it, count as the nearest that is not.
    base: i64,
    chunks: Vec<Box<[f64]>>,
    /// Panes that were ever taken.
    taken: u32,
    /// The first of those that were given back.
    free: u32,
}

impl Panes {
    pub(super) fn new(layout: &Layout) -> Self {
        Self { stride: HEAD + layout.words(), base: 0, chunks: Vec::new(), taken: 0, free: NONE }
    }

    /// Forgets all panes; those to come are not before `base`.
    pub(super) fn forget(&mut self, base: i64) {
        *self = Self { stride: self.stride, base, chunks: Vec::new(), taken: 0, free: NONE };
    }

    /// Memory.
    pub(super) fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK_PANES * self.stride * size_of::<f64>()
    }

    /// The numbers of a pane of a chain, and whether it is a new one.
    #[inline]
    pub(super) fn pane(&mut self, chain: &mut Chain, number: i64) -> (&mut [f64], bool) {
        let number = self.short(number);
        let (pane, is_new) = if chain.newest != NONE && self.head(chain.newest).0 == number {
            (chain.newest, false)
        } else {
            self.find_or_insert(chain, number)
        };
        (&mut self.at_mut(pane)[HEAD..], is_new)
    }

    fn find_or_insert(&mut self, chain: &mut Chain, number: u32) -> (u32, bool) {
        let (mut before, mut next) = (NONE, chain.oldest);
        if chain.newest != NONE && self.head(chain.newest).0 < number {
            (before, next) = (chain.newest, NONE);
        }
        while next != NONE {
            let (of_next, after) = self.head(next);
            if of_next == number {
                return (next, false);
            }
            if of_next > number {
                break;
            }
            (before, next) = (next, after);
        }
        let new = self.take(number, next);
        if before == NONE {
            chain.oldest = new;
        } else {
            let (of_before, _) = self.head(before);
            self.set_head(before, of_before, new);
        }
        if next == NONE {
            chain.newest = new;
        }
        (new, true)
    }

    /// Forgets the panes of a chain before `first`, and says how many these were.
    pub(super) fn expire(&mut self, chain: &mut Chain, first: i64) -> usize {
        let first = self.short(first);
        self.give_back_while(chain, |number| number < first)
    }

    /// Forgets all panes of a chain.
    pub(super) fn clear(&mut self, chain: &mut Chain) {
        self.give_back_while(chain, |_| true);
    }

    fn give_back_while(&mut self, chain: &mut Chain, leaves: impl Fn(u32) -> bool) -> usize {
        let mut gone = 0;
        while chain.oldest != NONE {
            let (number, next) = self.head(chain.oldest);
            if !leaves(number) {
                return gone;
            }
            self.set_head(chain.oldest, 0, self.free);
            self.free = chain.oldest;
            chain.oldest = next;
            gone += 1;
        }
        chain.newest = NONE;
        gone
    }

    /// All panes of a chain as one; `false` if there are none.
    pub(super) fn total(&self, chain: Chain, layout: &Layout, into: &mut [f64]) -> bool {
        let mut pane = chain.oldest;
        while pane != NONE {
            layout.merge(into, &self.at(pane)[HEAD..]);
            (_, pane) = self.head(pane);
        }
        !chain.is_empty()
    }

    fn short(&self, number: i64) -> u32 {
        u32::try_from(number.saturating_sub(self.base).max(0)).unwrap_or(u32::MAX)
    }

    /// A pane without points.
    fn take(&mut self, number: u32, next: u32) -> u32 {
        let pane = if self.free == NONE {
            if self.taken as usize == self.chunks.len() * CHUNK_PANES {
                self.chunks.push(vec![0.0; CHUNK_PANES * self.stride].into());
            }
            self.taken += 1;
            self.taken - 1
        } else {
            let pane = self.free;
            (_, self.free) = self.head(pane);
            self.at_mut(pane).fill(0.0);
            pane
        };
        self.set_head(pane, number, next);
        pane
    }

    #[inline]
    fn at(&self, pane: u32) -> &[f64] {
        let (chunk, at) = (pane as usize / CHUNK_PANES, pane as usize % CHUNK_PANES * self.stride);
        &self.chunks[chunk][at..at + self.stride]
    }

    #[inline]
    fn at_mut(&mut self, pane: u32) -> &mut [f64] {
        let (chunk, at) = (pane as usize / CHUNK_PANES, pane as usize % CHUNK_PANES * self.stride);
        &mut self.chunks[chunk][at..at + self.stride]
    }

    /// Which pane it is, and the next one of its chain.
    #[inline]
    fn head(&self, pane: u32) -> (u32, u32) {
        let head = self.at(pane)[0].to_bits();
        ((head >> 32) as u32, head as u32)
    }

    fn set_head(&mut self, pane: u32, number: u32, next: u32) {
        self.at_mut(pane)[0] = f64::from_bits(u64::from(number) << 32 | u64::from(next));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::accumulate::Function;
    use super::*;

    proptest! {
        #[test]
        fn chains_are_maps_by_pane(steps in prop::collection::vec((0..3_usize, 0..20_i64, prop::bool::weighted(0.2)), 1..200)) {
            let layout = Layout::of_value(Function::Sum);
            let mut panes = Panes::new(&layout);
            panes.forget(-5);
            let mut chains = [Chain::default(); 3];
            let mut maps: [BTreeMap<i64, f64>; 3] = Default::default();
            for (chain, number, leaves) in steps {
                let map = &mut maps[chain];
                if leaves {
                    let before = map.len();
                    map.retain(|&pane, _| pane >= number);
                    prop_assert_eq!(panes.expire(&mut chains[chain], number), before - map.len());
                } else {
                    let known = map.contains_key(&number);
                    *map.entry(number).or_default() += 1.0;
                    let (numbers, is_new) = panes.pane(&mut chains[chain], number);
                    layout.add(numbers, &layout.plain(), 0, number, 1.0);
                    prop_assert_eq!(is_new, !known);
                }
                for (chain, map) in chains.iter().zip(&maps) {
                    let mut total = vec![0.0; layout.words()];
                    prop_assert_eq!(panes.total(*chain, &layout, &mut total), !map.is_empty());
                    let expected = (!map.is_empty()).then(|| map.values().sum());
                    prop_assert_eq!(layout.first_result(&total), expected);
                }
            }
            chains.iter_mut().for_each(|chain| panes.clear(chain));
            prop_assert!(chains.iter().all(|chain| chain.is_empty()));
        }
    }

    #[test]
    fn a_pane_that_is_far_ahead_is_the_last_one() {
        let mut panes = Panes::new(&Layout::of_value(Function::Count));
        panes.forget(1_000);
        let mut chain = Chain::default();
        for (number, is_new) in [(i64::MAX, true), (1_000, true), (i64::MAX - 1, false), (1_001, true)] {
            assert_eq!(panes.pane(&mut chain, number).1, is_new, "{number}");
        }
        assert_eq!(panes.expire(&mut chain, 1_002), 2);
        assert!(!chain.is_empty());
    }
}
