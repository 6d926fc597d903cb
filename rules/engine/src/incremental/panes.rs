//! What is kept of points in the panes of a window. All panes of a table lie in one place, and those of a group or series form a chain: a
//! point that begins a pane asks the allocator for nothing, and neither does a pane that leaves.
//!
//! A chain of more than a few panes is put together without a look at each, as a queue of two stacks is. The older panes, its *front*, hold
//! what they and all panes of the front behind them hold, so that the oldest one tells the whole front and can leave without any sum to be
//! made anew. Those behind the front hold their own numbers; what all of them but the newest hold is kept in one pane more, the *middle*. A total is the
//! oldest, the middle and the newest. When a pane leaves that is not of the front, the panes that are left become the next front.

mod blocks;

use super::accumulate::Layout;
use super::sketch::Sketches;

/// No pane.
const NONE: u32 = u32::MAX;

/// Panes whose memory is asked for at once.
const CHUNK_PANES: usize = 256;

/// Numbers before those of a pane: which pane it is, and where the next one of its chain lies.
const HEAD: usize = 1;

/// Chains of no more panes are put together one by one.
const SHORT: usize = 4;

/// The panes of a group or series that have points, rising.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chain {
    oldest: u32,
    newest: u32,
    /// What the panes behind the front hold but the newest; its number is that of the first of them. None while no pane is of a front.
    middle: u32,
}

impl Default for Chain {
    fn default() -> Self {
        Self { oldest: NONE, newest: NONE, middle: NONE }
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
    /// Which of the numbers tell a sketch.
    sketched: Vec<usize>,
    sketches: Sketches,
}

impl Panes {
    pub(super) fn new(layout: &Layout) -> Self {
        Self::begin(HEAD + layout.words(), layout.sketched().map(|(at, _)| at).collect(), 0)
    }

    fn begin(stride: usize, sketched: Vec<usize>, base: i64) -> Self {
        let sketches = Sketches::default();
        Self { stride, base, chunks: Vec::new(), taken: 0, free: NONE, sketched, sketches }
    }

    /// Forgets all panes; those to come are not before `base`.
    pub(super) fn forget(&mut self, base: i64) {
        *self = Self::begin(self.stride, std::mem::take(&mut self.sketched), base);
    }

    /// Memory.
    pub(super) fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK_PANES * self.stride * size_of::<f64>() + self.sketches.bytes()
    }

    /// Adds to a pane of a chain, and says whether it is a new one. `add` is given the numbers of the pane and what some of them tell, and before or after that
    /// the numbers of each pane that has this one in its sums.
    #[inline]
    pub(super) fn add(
        &mut self,
        chain: &mut Chain,
        layout: &Layout,
        number: i64,
        mut add: impl FnMut(&mut [f64], Option<&mut Sketches>),
    ) -> bool {
        let number = self.short(number);
        if chain.newest != NONE {
            let newest = self.head(chain.newest).0;
            if newest == number {
                self.add_to(chain.newest, add);
                return false;
            }
            if number < newest {
                return self.add_late(chain, layout, number, add);
            }
        }
        let pane = self.append(chain, layout, number);
        self.add_to(pane, &mut add);
        true
    }

    #[inline]
    fn add_to(&mut self, pane: u32, mut add: impl FnMut(&mut [f64], Option<&mut Sketches>)) {
        let (chunk, at) = self.place(pane);
        add(&mut self.chunks[chunk][at + HEAD..at + self.stride], Some(&mut self.sketches));
    }

    /// The first pane of a chain.
    pub(super) fn oldest(&self, chain: Chain) -> Option<i64> {
        (!chain.is_empty()).then(|| self.base.saturating_add(i64::from(self.head(chain.oldest).0)))
    }

    /// Whether a pane is the first one of a chain that has one.
    pub(super) fn is_oldest(&self, chain: Chain, number: i64) -> bool {
        self.head(chain.oldest).0 == self.short(number)
    }

    /// One more pane at the end of a chain.
    fn append(&mut self, chain: &mut Chain, layout: &Layout, number: u32) -> u32 {
        let new = self.take(number, NONE);
        if chain.newest == NONE {
            chain.oldest = new;
        } else {
            self.link(chain.newest, new);
            if chain.middle != NONE {
                self.merge(chain.middle, layout, chain.newest);
            }
        }
        chain.newest = new;
        new
    }

    /// Adds to a pane before the newest one.
    fn add_late(
        &mut self,
        chain: &mut Chain,
        layout: &Layout,
        number: u32,
        mut add: impl FnMut(&mut [f64], Option<&mut Sketches>),
    ) -> bool {
        let (pane, is_new) = self.find_or_insert(chain, number);
        self.open_block(*chain, number);
        if chain.middle == NONE {
            self.add_to(pane, add);
            return is_new;
        }
        let behind_front = self.head(chain.middle).0;
        if number >= behind_front {
            add(self.numbers(chain.middle), None);
            self.add_to(pane, add);
            return is_new;
        }
        let next = self.head(pane).1;
        if is_new && self.head(next).0 < behind_front {
            self.merge(pane, layout, next);
        }
        let mut of_front = chain.oldest;
        while of_front != pane {
            add(self.numbers(of_front), None);
            of_front = self.head(of_front).1;
        }
        self.add_to(pane, add);
        is_new
    }

    /// A pane before the newest one, and whether it is a new one.
    fn find_or_insert(&mut self, chain: &mut Chain, number: u32) -> (u32, bool) {
        let (mut before, mut next) = (NONE, chain.oldest);
        while self.head(next).0 < number {
            (before, next) = (next, self.head(next).1);
        }
        if self.head(next).0 == number {
            return (next, false);
        }
        let new = self.take(number, next);
        if before == NONE {
            chain.oldest = new;
        } else {
            self.link(before, new);
        }
        (new, true)
    }

    /// The one pane of a chain that never has another, and whether it is a new one.
    pub(super) fn only(&mut self, chain: &mut Chain) -> (&mut [f64], bool) {
        let is_new = chain.is_empty();
        if is_new {
            let pane = self.take(0, NONE);
            *chain = Chain { oldest: pane, newest: pane, middle: NONE };
        }
        (self.numbers(chain.newest), is_new)
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
        let (mut gone, mut last) = (0, 0);
        while chain.oldest != NONE {
            let (number, next) = self.head(chain.oldest);
            if !leaves(number) {
                break;
            }
            self.give_back(chain.oldest);
            chain.oldest = next;
            (gone, last) = (gone + 1, number);
        }
        if chain.oldest == NONE {
            chain.newest = NONE;
        }
        if gone > 0 && chain.middle != NONE && last >= self.head(chain.middle).0 {
            self.give_back(chain.middle);
            chain.middle = NONE;
        }
        gone
    }

    /// All panes of a chain as one; `false` if there are none.
    pub(super) fn total(&mut self, chain: &mut Chain, layout: &Layout, into: &mut [f64]) -> bool {
        if chain.middle == NONE && !self.is_short(*chain) {
            self.make_front(chain, layout);
        }
        if chain.middle == NONE {
            let mut pane = chain.oldest;
            while pane != NONE {
                layout.merge(into, self.numbers(pane));
                pane = self.head(pane).1;
            }
            return !chain.is_empty();
        }
        if self.head(chain.oldest).0 < self.head(chain.middle).0 {
            layout.merge(into, self.numbers(chain.oldest));
        }
        layout.merge(into, self.numbers(chain.middle));
        layout.merge(into, self.numbers(chain.newest));
        true
    }

    fn is_short(&self, chain: Chain) -> bool {
        let mut pane = chain.oldest;
        for _ in 0..SHORT {
            if pane == NONE {
                return true;
            }
            pane = self.head(pane).1;
        }
        pane == NONE
    }

    /// Makes all panes but the newest one the front.
    fn make_front(&mut self, chain: &mut Chain, layout: &Layout) {
        let (mut panes, mut pane) = (Vec::new(), chain.oldest);
        while pane != chain.newest {
            panes.push(pane);
            pane = self.head(pane).1;
        }
        for pair in panes.windows(2).rev() {
            self.merge(pair[0], layout, pair[1]);
        }
        chain.middle = self.take(self.head(chain.newest).0, NONE);
    }

    fn merge(&mut self, into: u32, layout: &Layout, pane: u32) {
        let (into, pane) = self.two(into, pane);
        layout.merge(into, pane);
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
            self.numbers(pane).fill(0.0);
            pane
        };
        self.set_head(pane, number, next);
        pane
    }

    fn give_back(&mut self, pane: u32) {
        self.release(pane);
        self.set_head(pane, 0, self.free);
        self.free = pane;
    }

    /// The numbers of a pane without its head.
    #[inline]
    fn numbers(&mut self, pane: u32) -> &mut [f64] {
        let (chunk, at) = self.place(pane);
        &mut self.chunks[chunk][at + HEAD..at + self.stride]
    }

    /// The numbers of two panes.
    fn two(&mut self, one: u32, other: u32) -> (&mut [f64], &mut [f64]) {
        let [(chunk_of_one, one), (chunk_of_other, other)] = [one, other].map(|pane| self.place(pane));
        let [one, other] = [one, other].map(|at| at + HEAD..at + self.stride);
        if chunk_of_one == chunk_of_other {
            let [one, other] = self.chunks[chunk_of_one].get_disjoint_mut([one, other]).expect("two panes");
            return (one, other);
        }
        let [of_one, of_other] = self.chunks.get_disjoint_mut([chunk_of_one, chunk_of_other]).expect("two chunks");
        (&mut of_one[one], &mut of_other[other])
    }

    #[inline]
    fn place(&self, pane: u32) -> (usize, usize) {
        (pane as usize / CHUNK_PANES, pane as usize % CHUNK_PANES * self.stride)
    }

    /// Which pane it is, and the next one of its chain.
    #[inline]
    fn head(&self, pane: u32) -> (u32, u32) {
        let (chunk, at) = self.place(pane);
        let head = self.chunks[chunk][at].to_bits();
        ((head >> 32) as u32, head as u32)
    }

    fn set_head(&mut self, pane: u32, number: u32, next: u32) {
        let (chunk, at) = self.place(pane);
        self.chunks[chunk][at] = f64::from_bits(u64::from(number) << 32 | u64::from(next));
    }

    /// Has `next` behind a pane.
    fn link(&mut self, pane: u32, next: u32) {
        let (number, _) = self.head(pane);
        self.set_head(pane, number, next);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::accumulate::{Function, PaneOf};
    use super::*;

    /// What is kept of points, looked at each for itself.
    fn each(layout: &Layout, map: &BTreeMap<i64, Vec<f64>>) -> Vec<f64> {
        let mut total = vec![0.0; layout.words()];
        for (&pane, values) in map {
            for &value in values {
                let total = PaneOf { numbers: &mut total, sketches: None, distinct: None };
                layout.add(total, &layout.plain(), 0, pane, value);
            }
        }
        total
    }

    proptest! {
        #[test]
        fn chains_are_maps_by_pane(
            function in prop::sample::select(vec![Function::Sum, Function::Min, Function::First, Function::Last]),
            steps in prop::collection::vec((0..3_usize, 0..6_i64, 0..3_i64, 0..10_u8), 1..300),
        ) {
            let layout = Layout::of_value(function);
            let mut panes = Panes::new(&layout);
            panes.forget(-5);
            let mut chains = [Chain::default(); 3];
            let mut maps: [BTreeMap<i64, Vec<f64>>; 3] = Default::default();
            let mut newest = 0;
            for (step, (place, back, on, what)) in steps.into_iter().enumerate() {
                let (chain, map) = (&mut chains[place], &mut maps[place]);
                newest += on;
                let number = newest - back * back;
                match what {
                    0 => {
                        let before = map.len();
                        map.retain(|&pane, _| pane >= number);
                        prop_assert_eq!(panes.expire(chain, number), before - map.len());
                    }
                    1..=2 => {
                        let mut total = vec![0.0; layout.words()];
                        prop_assert_eq!(panes.total(chain, &layout, &mut total), !map.is_empty());
                        prop_assert_eq!(layout.first_result(&total), layout.first_result(&each(&layout, map)));
                    }
                    _ if number < -5 => {}
                    _ => {
                        let is_known = map.contains_key(&number);
                        map.entry(number).or_default().push(step as f64);
                        let is_new = panes.add(chain, &layout, number, |numbers, sketches| {
                            let pane = PaneOf { numbers, sketches, distinct: None };
                            layout.add(pane, &layout.plain(), 0, number, step as f64);
                        });
                        prop_assert_eq!(is_new, !is_known);
                    }
                }
            }
            chains.iter_mut().for_each(|chain| panes.clear(chain));
            prop_assert!(chains.iter().all(|chain| chain.is_empty()));
            let mut given_back = 0;
            while panes.free != NONE {
                (given_back, panes.free) = (given_back + 1, panes.head(panes.free).1);
            }
            prop_assert_eq!(given_back, panes.taken);
        }
    }

    #[test]
    fn a_pane_that_is_far_ahead_is_the_last_one() {
        let layout = Layout::of_value(Function::Count);
        let mut panes = Panes::new(&layout);
        panes.forget(1_000);
        let mut chain = Chain::default();
        for (number, is_new) in [(i64::MAX, true), (1_000, true), (i64::MAX - 1, false), (1_001, true)] {
            assert_eq!(panes.add(&mut chain, &layout, number, |_, _| ()), is_new, "{number}");
        }
        assert_eq!(panes.expire(&mut chain, 1_002), 2);
        assert!(!chain.is_empty());
    }
}
