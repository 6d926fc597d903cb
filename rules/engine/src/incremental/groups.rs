//! Groups of series by their keys.

use std::hash::BuildHasher;

use hashbrown::HashTable;

/// One group.
#[derive(Debug)]
struct Group {
    /// Where its key ends among the bytes of all; it begins where that of the group before ends.
    key_end: usize,
    /// The number of the labels that rules ask certain values of.
    partition: u32,
}

/// Groups have numbers, in the order in which they were met.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: Vec<Group>,
    keys: Vec<u8>,
    by_key: HashTable<u32>,
    hasher: hashbrown::DefaultHashBuilder,
}

impl Groups {
    /// The group with this key in a partition.
    pub(super) fn intern(&mut self, key: &[u8], partition: u32) -> u32 {
        let hash = self.hasher.hash_one((partition, key));
        let is_this = |&group: &u32| self.partition(group) == partition && self.key(group) == key;
        if let Some(&known) = self.by_key.find(hash, is_this) {
            return known;
        }
        let number = self.groups.len() as u32;
        self.keys.extend_from_slice(key);
        self.groups.push(Group { key_end: self.keys.len(), partition });
        let (groups, keys, hasher) = (&self.groups, &self.keys, &self.hasher);
        let hash_of = |&group: &u32| hasher.hash_one((groups[group as usize].partition, key_of(groups, keys, group)));
        self.by_key.insert_unique(hash, number, hash_of);
        number
    }

    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    pub(super) fn partition(&self, group: u32) -> u32 {
        self.groups[group as usize].partition
    }

    pub(super) fn key(&self, group: u32) -> &[u8] {
        key_of(&self.groups, &self.keys, group)
    }

    /// Memory, near enough.
    pub(super) fn bytes(&self) -> usize {
        self.groups.capacity() * size_of::<Group>()
            + self.keys.capacity()
            + self.by_key.capacity() * (size_of::<u32>() + 1)
    }
}

fn key_of<'k>(groups: &[Group], keys: &'k [u8], group: u32) -> &'k [u8] {
    let start = group.checked_sub(1).map_or(0, |before| groups[before as usize].key_end);
    &keys[start..groups[group as usize].key_end]
}
