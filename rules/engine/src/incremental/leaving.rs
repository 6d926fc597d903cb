//! Who has points in which pane, so that whoever loses some is known when the window moves on.

use std::collections::BTreeMap;

/// By the pane that leaves the window: who has points in it.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    by_pane: BTreeMap<i64, Vec<u32>>,
    len: usize,
}

impl Leaving {
    /// Somebody has the first point in a pane.
    #[inline]
    pub(super) fn add(&mut self, pane: i64, who: u32) {
        self.by_pane.entry(pane).or_default().push(who);
        self.len += 1;
    }

    /// How many panes of how many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Memory, near enough.
    pub(super) fn bytes(&self) -> usize {
        self.len * size_of::<u32>()
    }

    /// Takes out who has points in the oldest pane, if that is before `first`.
    pub(super) fn next_before(&mut self, first: i64) -> Option<Vec<u32>> {
        let entry = self.by_pane.first_entry().filter(|entry| *entry.key() < first)?;
        let who = entry.remove();
        self.len -= who.len();
        Some(who)
    }
}
