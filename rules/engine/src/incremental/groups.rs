//! Groups of series, and what is kept of the points of each in the panes of the window.

use hashbrown::HashTable;
use std::hash::BuildHasher;

use super::accumulate::Layout;
use super::classify::RowBytes;

/// Bytes that a group takes beside its panes and its key: the struct, its place in the table, what allocations cost.
const GROUP_BYTES: usize = size_of::<Group>() + 48;

/// Numbers before those of a pane: which pane it is.
const HEAD: usize = 1;

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) key: RowBytes,
    /// The number of the labels that rules ask certain values of.
    pub(super) partition: u32,
    /// Whether something has changed since rules looked at it.
    pub(super) dirty: bool,
    /// Panes with points, rising; each its number and then those of the layout.
    panes: Vec<f64>,
}

/// All groups of a table.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: Vec<Group>,
    by_key: HashTable<u32>,
    hasher: hashbrown::DefaultHashBuilder,
    /// Groups without a point in the window.
    empty: usize,
    pane_numbers: usize,
    key_bytes: usize,
}

impl Groups {
    /// The group with this key.
    pub(super) fn intern(&mut self, key: RowBytes, partition: u32) -> u32 {
        let hash = self.hasher.hash_one(&key);
        let groups = &mut self.groups;
        if let Some(&known) = self.by_key.find(hash, |&group| groups[group as usize].key == key) {
            return known;
        }
        let number = groups.len() as u32;
        self.key_bytes += key.len();
        self.empty += 1;
        groups.push(Group { key, partition, dirty: false, panes: Vec::new() });
        let (groups, hasher) = (&self.groups, &self.hasher);
        self.by_key.insert_unique(hash, number, |&group| hasher.hash_one(&groups[group as usize].key));
        number
    }

    pub(super) fn get(&self, group: u32) -> &Group {
        &self.groups[group as usize]
    }

    pub(super) fn get_mut(&mut self, group: u32) -> &mut Group {
        &mut self.groups[group as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    /// How many have no point in the window.
    pub(super) fn empty(&self) -> usize {
        self.empty
    }

    /// Memory, near enough.
    pub(super) fn bytes(&self) -> usize {
        self.groups.len() * GROUP_BYTES + self.key_bytes + self.pane_numbers * size_of::<f64>()
    }

    /// The numbers of a group's pane, and whether it is a new one.
    #[inline]
    pub(super) fn pane(&mut self, layout: &Layout, group: u32, pane: i64) -> (&mut [f64], bool) {
        let stride = HEAD + layout.words();
        let group = &mut self.groups[group as usize];
        let mut at = group.panes.len();
        while at >= stride && number_of(&group.panes[at - stride..]) > pane {
            at -= stride;
        }
        if at >= stride && number_of(&group.panes[at - stride..]) == pane {
            return (&mut group.panes[at - stride + HEAD..at], false);
        }
        if group.panes.is_empty() {
            self.empty -= 1;
        }
        // A pane or two of a series that sends seldom take as much as they need, and not the next power of two.
        if group.panes.len() == group.panes.capacity() {
            let more = if group.panes.len() < 8 * stride { stride } else { group.panes.len() / 2 };
            group.panes.reserve_exact(more);
        }
        self.pane_numbers += stride;
        let new = [f64::from_bits(pane.cast_unsigned())].into_iter().chain(std::iter::repeat_n(0.0, layout.words()));
        group.panes.splice(at..at, new);
        (&mut group.panes[at + HEAD..at + stride], true)
    }

    /// Forgets the panes of a group before `first`.
    pub(super) fn expire(&mut self, layout: &Layout, group: u32, first: i64) {
        let stride = HEAD + layout.words();
        let group = &mut self.groups[group as usize];
        let gone = group.panes.chunks_exact(stride).take_while(|pane| number_of(pane) < first).count() * stride;
        if gone == 0 {
            return;
        }
        group.panes.drain(..gone);
        self.pane_numbers -= gone;
        if group.panes.is_empty() {
            group.panes = Vec::new();
            self.empty += 1;
        }
    }

    /// All panes of a group as one; `false` if there are none.
    pub(super) fn total(&self, layout: &Layout, group: u32, into: &mut [f64]) -> bool {
        let panes = &self.groups[group as usize].panes;
        for pane in panes.chunks_exact(HEAD + layout.words()) {
            layout.merge(into, &pane[HEAD..]);
        }
        !panes.is_empty()
    }
}

fn number_of(pane: &[f64]) -> i64 {
    pane[0].to_bits().cast_signed()
}
