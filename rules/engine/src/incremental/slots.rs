//! What a table keeps of each group: its panes, and whether they have changed.

use arrow::array::ArrayRef;
use datafusion::error::Result;

use super::accumulate::{Layout, PaneOf};
use super::distinct::Distinct;
use super::leaving::Leaving;
use super::panes::{Chain, Panes};

/// The pane of the values of a group that is replaced as a whole.
const ONLY: i64 = 0;

/// Of one group.
#[derive(Debug, Clone, Copy)]
struct Slot {
    chain: Chain,
    /// Whether something has changed since rules looked at it.
    is_dirty: bool,
    /// Whether a rule of the table asks for it.
    is_wanted: bool,
}

/// Of all groups of a table, by number.
#[derive(Debug)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    panes: Panes,
    /// `None` where no different values are counted.
    distinct: Option<Distinct>,
    /// By their oldest panes.
    leaving: Leaving,
    dirty: Vec<u32>,
    /// Groups that a rule asks for.
    wanted: usize,
    /// Those of them that have panes.
    held: usize,
}

impl Slots {
    pub(super) fn new(layout: &Layout) -> Self {
        Self {
            slots: Vec::new(),
            panes: Panes::new(layout),
            distinct: (layout.distinct() > 0).then(|| Distinct::new(layout.distinct())),
            leaving: Leaving::default(),
            dirty: Vec::new(),
            wanted: 0,
            held: 0,
        }
    }

    /// Forgets everything; panes to come are not before `base`.
    pub(super) fn forget(&mut self, base: i64) {
        (self.slots, self.dirty) = (Vec::new(), Vec::new());
        (self.wanted, self.held) = (0, 0);
        self.leaving = Leaving::default();
        self.panes.forget(base);
        self.distinct.iter_mut().for_each(Distinct::forget);
    }

    /// Memory, near enough.
    pub(super) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
            + self.panes.bytes()
            + self.distinct.as_ref().map_or(0, Distinct::bytes)
            + self.leaving.bytes()
    }

    /// How many groups it knows of.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many of them a rule asks for.
    pub(super) fn wanted(&self) -> usize {
        self.wanted
    }

    /// How many of these have panes.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// One more group.
    pub(super) fn push(&mut self, is_wanted: bool) {
        self.wanted += usize::from(is_wanted);
        self.distinct.iter_mut().for_each(Distinct::push);
        self.slots.push(Slot { chain: Chain::default(), is_dirty: false, is_wanted });
    }

    /// Whether a rule asks for a group.
    #[inline]
    pub(super) fn is_wanted(&self, group: u32) -> bool {
        self.slots[group as usize].is_wanted
    }

    /// Adds a row to the pane of a group, if a rule asks for that; `add` puts it to whatever it is given.
    #[inline]
    pub(super) fn add(&mut self, group: u32, layout: &Layout, pane: i64, mut add: impl FnMut(PaneOf<'_>)) {
        let slot = &mut self.slots[group as usize];
        if !slot.is_wanted {
            return;
        }
        self.held += usize::from(slot.chain.is_empty());
        let distinct = &mut self.distinct;
        let is_new = self.panes.add(&mut slot.chain, layout, pane, |numbers, sketches| {
            let own = distinct.as_mut().filter(|_| sketches.is_some());
            add(PaneOf { numbers, sketches, distinct: own.map(|distinct| (distinct, group, pane)) });
        });
        if is_new && self.panes.is_oldest(slot.chain, pane) {
            self.leaving.add(pane, group);
        }
        self.mark(group);
    }

    /// The window moves on to `first`.
    pub(super) fn expire(&mut self, first: i64) {
        while let Some(groups) = self.leaving.next_before(first) {
            for group in groups {
                let chain = &mut self.slots[group as usize].chain;
                if self.panes.expire(chain, first) == 0 {
                    // It has left with an older one, which a late point had begun.
                    continue;
                }
                match self.panes.oldest(*chain) {
                    Some(oldest) => self.leaving.add(oldest, group),
                    None => self.held -= 1,
                }
                if let Some(distinct) = &mut self.distinct {
                    distinct.expire(group, first);
                }
                self.mark(group);
            }
        }
    }

    /// The different values of a group are about to be replaced, as its numbers are by [`Slots::replace`].
    pub(super) fn begin(&mut self, group: u32) {
        self.distinct.iter_mut().for_each(|distinct| distinct.clear(group));
    }

    /// What rows are added to that are to be in the place of all panes of a group; `numbers` are for [`Slots::replace`].
    pub(super) fn begun<'s>(&'s mut self, group: u32, numbers: &'s mut [f64]) -> PaneOf<'s> {
        let distinct = self.distinct.as_mut().map(|distinct| (distinct, group, ONLY));
        PaneOf { numbers, sketches: Some(self.panes.sketches()), distinct }
    }

    /// Makes a state of each sketch that has many rows; to be called when rows were added.
    ///
    /// # Errors
    /// When DataFusion can't.
    pub(super) fn fold(&mut self, layout: &Layout) -> Result<()> {
        self.panes.fold(layout)
    }

    /// Leaves the rows of all sketches as they are, in the place of [`Slots::fold`].
    pub(super) fn leave_rows(&mut self) {
        self.panes.sketches().leave_rows();
    }

    /// Puts these numbers in the place of all panes of a group, or nothing; marks it if that changes anything.
    pub(super) fn replace(&mut self, group: u32, numbers: Option<&[f64]>) {
        let chain = &mut self.slots[group as usize].chain;
        let was_empty = chain.is_empty();
        let is_changed = match numbers {
            Some(numbers) => {
                self.panes.release_sketches(*chain);
                let (kept, is_new) = self.panes.only(chain);
                // By their bits: times are among them, and what is no number is like itself. Sketches lie elsewhere now, and so are a change.
                let same = kept.iter().zip(numbers).all(|(kept, new)| kept.to_bits() == new.to_bits());
                kept.copy_from_slice(numbers);
                self.held += usize::from(was_empty);
                is_new || !same || self.distinct.is_some()
            }
            None => {
                self.panes.clear(chain);
                self.held -= usize::from(!was_empty);
                !was_empty
            }
        };
        if is_changed {
            self.mark(group);
        }
    }

    /// All panes of a group as one; `false` if there are none.
    pub(super) fn total(&mut self, layout: &Layout, group: u32, into: &mut [f64]) -> bool {
        self.panes.total(&mut self.slots[group as usize].chain, layout, into)
    }

    /// The columns of the aggregates for some groups, each of one or several that are kept; `numbers` are those of each, one after the other.
    ///
    /// # Errors
    /// When DataFusion can't compute one.
    pub(super) fn columns<'g>(
        &self,
        layout: &Layout,
        numbers: &[f64],
        groups: impl Iterator<Item = &'g [u32]>,
    ) -> Result<Vec<ArrayRef>> {
        let groups: Vec<_> = groups.collect();
        let sketches = |at: usize| {
            let mut sketches = Vec::new();
            for (place, &parts) in groups.iter().enumerate() {
                for &part in parts {
                    self.panes
                        .sketches_of(self.slots[part as usize].chain, at, |sketch| sketches.push((place, sketch)));
                }
            }
            sketches
        };
        let distinct = |place: usize, which: usize| match &self.distinct {
            Some(distinct) => groups[place].iter().map(|&part| distinct.count(part, which)).sum(),
            None => 0,
        };
        layout.columns(groups.len(), numbers, sketches, distinct)
    }

    pub(super) fn mark(&mut self, group: u32) {
        let is_dirty = &mut self.slots[group as usize].is_dirty;
        if !*is_dirty {
            *is_dirty = true;
            self.dirty.push(group);
        }
    }

    /// The groups that have changed since this was asked last, ready to be looked at.
    ///
    /// # Errors
    /// When DataFusion can't put sketches together.
    pub(super) fn take_dirty(&mut self, layout: &Layout) -> Result<Vec<u32>> {
        let dirty = std::mem::take(&mut self.dirty);
        for &group in &dirty {
            let slot = &mut self.slots[group as usize];
            slot.is_dirty = false;
            self.panes.close_blocks(slot.chain, layout)?;
        }
        Ok(dirty)
    }
}
