//! Groups of series, and what is kept of the points of each in the panes of the window.

use hashbrown::HashTable;
use std::hash::BuildHasher;

use super::accumulate::Layout;
use super::classify::RowBytes;
use super::panes::Panes;

/// Bytes that a group takes beside its panes and its key: the struct, its place in the table, what allocations cost.
const GROUP_BYTES: usize = size_of::<Group>() + 48;

/// The pane of a group whose numbers are replaced as a whole.
const ONLY: i64 = 0;

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) key: RowBytes,
    /// The number of the labels that rules ask certain values of.
    pub(super) partition: u32,
    /// Whether something has changed since rules looked at it.
    pub(super) dirty: bool,
    panes: Panes,
}

/// All groups of a table.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: Vec<Group>,
    by_key: HashTable<u32>,
    hasher: hashbrown::DefaultHashBuilder,
    pane_numbers: usize,
    key_bytes: usize,
}

impl Groups {
    /// The group with this key in a partition.
    pub(super) fn intern(&mut self, key: &[u8], partition: u32) -> u32 {
        let hash = self.hasher.hash_one((partition, key));
        let groups = &mut self.groups;
        let is_this = |group: &Group| group.partition == partition && *group.key == *key;
        if let Some(&known) = self.by_key.find(hash, |&group| is_this(&groups[group as usize])) {
            return known;
        }
        let number = groups.len() as u32;
        self.key_bytes += key.len();
        groups.push(Group { key: key.into(), partition, dirty: false, panes: Panes::default() });
        let (groups, hasher) = (&self.groups, &self.hasher);
        let hash_of = |group: &Group| hasher.hash_one((group.partition, &*group.key));
        self.by_key.insert_unique(hash, number, |&group| hash_of(&groups[group as usize]));
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

    /// Memory, near enough.
    pub(super) fn bytes(&self) -> usize {
        self.groups.len() * GROUP_BYTES + self.key_bytes + self.pane_numbers * size_of::<f64>()
    }

    /// The numbers of a group's pane, and whether it is a new one.
    #[inline]
    pub(super) fn pane(&mut self, layout: &Layout, group: u32, pane: i64) -> (&mut [f64], bool) {
        let (numbers, is_new) = self.groups[group as usize].panes.pane(layout, pane);
        if is_new {
            self.pane_numbers += Panes::stride(layout);
        }
        (numbers, is_new)
    }

    /// Forgets the panes of a group before `first`.
    pub(super) fn expire(&mut self, layout: &Layout, group: u32, first: i64) {
        self.pane_numbers -= self.groups[group as usize].panes.expire(layout, first);
    }

    /// Puts these numbers in the place of all panes of a group, or nothing. Says whether that changes anything.
    pub(super) fn replace(&mut self, layout: &Layout, group: u32, numbers: Option<&[f64]>) -> bool {
        let was_empty = self.groups[group as usize].panes.is_empty();
        match numbers {
            Some(numbers) => {
                let (kept, is_new) = self.pane(layout, group, ONLY);
                // By their bits: times are among them, and what is no number is like itself.
                let same = kept.iter().zip(numbers).all(|(kept, new)| kept.to_bits() == new.to_bits());
                kept.copy_from_slice(numbers);
                is_new || !same
            }
            None => {
                self.expire(layout, group, i64::MAX);
                !was_empty
            }
        }
    }

    /// All panes of a group as one; `false` if there are none.
    pub(super) fn total(&self, layout: &Layout, group: u32, into: &mut [f64]) -> bool {
        self.groups[group as usize].panes.total(layout, into)
    }
}
