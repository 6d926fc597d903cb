//! A cache from raw label bytes to series, so that labels are looked at once a series and not once a point.
//!
//! A sender repeats itself: the bytes that name a series are the same in every body, and series follow each other in the
//! same order. So a series is found by a keyed 128-bit hash of those bytes as they lie in the body, and the first guess
//! is the entry that followed the last one the time before: one comparison in memory that is already in the processor's
//! cache, where a look-up in a hash map of 100,000 entries is two cache misses.
//!
//! It is a cache: without an entry the labels are read, sorted and looked up in the registry, and the answer is the same.
//! The key is drawn at start, so nobody outside can make two label sets look alike.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};

use flyball_model::{SeriesRef, Shape};
use hashbrown::HashTable;
use parking_lot::{RwLock, RwLockReadGuard};
use twox_hash::XxHash3_128;

/// Bytes of the secret: what XXH3 calls its default length.
const SECRET_BYTES: usize = 192;

/// Odd 128-bit constants (from the digits of the golden ratio and of pi) for combining keys.
const MIX_FIRST: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
const MIX_LAST: u128 = 0x243f_6a88_85a3_08d3_1319_8a2e_0370_7345;

/// What raw bytes are known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AliasKey(u128);

impl AliasKey {
    /// The key of one thing inside another: an attribute slice inside a metric. The order counts.
    #[inline]
    pub(crate) fn within(self, outer: AliasKey) -> AliasKey {
        let mixed = (outer.0 ^ (outer.0 >> 71)).wrapping_mul(MIX_FIRST).wrapping_add(self.0);
        let mixed = (mixed ^ (mixed >> 67)).wrapping_mul(MIX_LAST);
        AliasKey(mixed ^ (mixed >> 64))
    }

    /// The key of a label, made of the keys of its name and its value: what universal hashing calls NH, one multiplication.
    /// The constants keep a name apart from the same text as a value.
    #[inline]
    pub(crate) fn label(name: AliasKey, value: AliasKey) -> AliasKey {
        let ([name_low, name_high], [value_low, value_high]) = (name.halves(), value.halves());
        let low = (name_low ^ MIX_FIRST as u64).wrapping_add(value_low);
        let high = (name_high ^ MIX_LAST as u64).wrapping_add(value_high);
        AliasKey(u128::from(low).wrapping_mul(u128::from(high)))
    }

    /// The key of two things whose order does not count, such as labels.
    #[inline]
    pub(crate) fn beside(self, other: AliasKey) -> AliasKey {
        AliasKey(self.0.wrapping_add(other.0))
    }

    const fn halves(self) -> [u64; 2] {
        [self.0 as u64, (self.0 >> 64) as u64]
    }
}

/// The cache, shared by all connections.
#[derive(Debug)]
pub(crate) struct Aliases {
    secret: [u8; SECRET_BYTES],
    numbers: AliasKey,
    histograms: AliasKey,
    streams: AliasKey,
    table: RwLock<Table>,
    max: usize,
}

#[derive(Debug, Default)]
struct Table {
    entries: Vec<Entry>,
    /// Places in `entries` by the key's first half.
    index: HashTable<u32>,
}

#[derive(Debug)]
struct Entry {
    key: [u64; 2],
    series: SeriesRef,
    /// The entry that came after this one the last time.
    next: AtomicU32,
}

const _: () = assert!(size_of::<Entry>() == 24, "an entry is small: there may be millions");

impl Aliases {
    /// A cache of at most `max` entries of about 30 bytes each.
    pub(crate) fn new(max: usize) -> Self {
        let random = RandomState::new();
        let mut secret = [0; SECRET_BYTES];
        for (number, word) in secret.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&random.hash_one(number).to_le_bytes());
        }
        let of = |shape: Shape| key(&secret, shape.as_str().as_bytes());
        let (numbers, histograms, streams) = (of(Shape::Numbers), of(Shape::Histograms), of(Shape::Streams));
        Self { secret, numbers, histograms, streams, table: RwLock::default(), max }
    }

    /// The key of a shape.
    #[inline]
    pub(crate) fn shape_key(&self, shape: Shape) -> AliasKey {
        match shape {
            Shape::Numbers => self.numbers,
            Shape::Histograms => self.histograms,
            Shape::Streams => self.streams,
        }
    }

    /// The key of raw bytes.
    #[inline]
    pub(crate) fn key(&self, bytes: &[u8]) -> AliasKey {
        key(&self.secret, bytes)
    }

    /// Takes a look for the time of one body; entries are learned when it has ended.
    pub(crate) fn look(&self) -> Look<'_> {
        Look { table: self.table.read(), last: u32::MAX }
    }

    /// Takes new entries over. A full cache is emptied: that costs time, never an answer.
    pub(crate) fn learn(&self, learned: &[(AliasKey, SeriesRef)]) {
        if learned.is_empty() {
            return;
        }
        let mut table = self.table.write();
        if table.entries.len() + learned.len() > self.max {
            *table = Table::default();
        }
        for &(key, series) in learned.iter().take(self.max) {
            table.insert(key, series);
        }
    }
}

#[inline]
fn key(secret: &[u8; SECRET_BYTES], bytes: &[u8]) -> AliasKey {
    AliasKey(XxHash3_128::oneshot_with_secret(secret, bytes).expect("the secret is long enough"))
}

impl Table {
    fn insert(&mut self, key: AliasKey, series: SeriesRef) {
        let key = key.halves();
        let Self { entries, index } = self;
        if index.find(key[0], |&place| entries[place as usize].key == key).is_none() {
            let place = u32::try_from(entries.len()).expect("the cache is bounded far below 2^32");
            // What is learned together came in this order: the entry after this one is the best guess.
            entries.push(Entry { key, series, next: AtomicU32::new(place + 1) });
            index.insert_unique(key[0], place, |&place| entries[place as usize].key[0]);
        }
    }
}

/// A look at the cache that remembers where it was.
#[derive(Debug)]
pub(crate) struct Look<'n> {
    table: RwLockReadGuard<'n, Table>,
    last: u32,
}

impl Look<'_> {
    /// Lets those in who wait to learn something, of which there mostly is nobody. They keep all new looks waiting meanwhile.
    pub(crate) fn give_way(&mut self) {
        RwLockReadGuard::bump(&mut self.table);
    }

    /// The series of a key.
    #[inline]
    pub(crate) fn find(&mut self, key: AliasKey) -> Option<SeriesRef> {
        let key = key.halves();
        let entries = &self.table.entries;
        let guess = entries.get(self.last as usize).map_or(0, |last| last.next.load(Ordering::Relaxed));
        match entries.get(guess as usize) {
            Some(entry) if entry.key == key => {
                self.last = guess;
                Some(entry.series)
            }
            _ => self.search(key),
        }
    }

    fn search(&mut self, key: [u64; 2]) -> Option<SeriesRef> {
        let Table { entries, index } = &*self.table;
        let place = *index.find(key[0], |&place| entries[place as usize].key == key)?;
        if let Some(last) = entries.get(self.last as usize) {
            last.next.store(place, Ordering::Relaxed);
        }
        self.last = place;
        Some(entries[place as usize].series)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(aliases: &Aliases, count: u32) -> Vec<(AliasKey, SeriesRef)> {
        (0..count).map(|number| (aliases.key(&number.to_le_bytes()), SeriesRef(number))).collect()
    }

    #[test]
    fn what_was_learned_is_found_in_any_order() {
        let aliases = Aliases::new(1000);
        let keys = keys(&aliases, 100);
        aliases.learn(&keys);
        aliases.learn(&keys[..50]);
        let mut look = aliases.look();
        for &(key, series) in keys.iter().chain(keys.iter().rev()).chain(&keys) {
            assert_eq!(look.find(key), Some(series));
        }
        assert_eq!(look.find(aliases.key(b"never seen")), None);
    }

    #[test]
    fn a_full_cache_is_emptied_and_never_larger_than_its_bound() {
        let aliases = Aliases::new(10);
        let keys = keys(&aliases, 25);
        for some in keys.chunks(4) {
            aliases.learn(some);
            assert_eq!(aliases.look().find(some[0].0), Some(some[0].1));
            assert!(aliases.table.read().entries.len() <= 10);
        }
        aliases.learn(&keys);
        assert_eq!(aliases.table.read().entries.len(), 10);
    }

    #[test]
    fn a_look_that_takes_long_lets_others_learn() {
        let aliases = Aliases::new(10);
        let keys = keys(&aliases, 1);
        let mut look = aliases.look();
        std::thread::scope(|scope| {
            scope.spawn(|| aliases.learn(&keys));
            while look.find(keys[0].0).is_none() {
                look.give_way();
            }
        });
    }

    #[test]
    fn keys_are_combined_in_order_or_without() {
        let aliases = Aliases::new(1);
        let (a, b, c) = (aliases.key(b"a"), aliases.key(b"b"), aliases.key(b"c"));
        assert_ne!(a.within(b), b.within(a));
        assert_ne!(a.within(b).within(c), a.within(b.within(c)));
        assert_eq!(a.beside(b).beside(c), c.beside(a).beside(b));
        assert_ne!(a.beside(a), b.beside(b));
        assert_ne!(AliasKey::label(a, b), AliasKey::label(b, a));
        let swapped = AliasKey::label(a, c).beside(AliasKey::label(b, a));
        assert_ne!(AliasKey::label(a, a).beside(AliasKey::label(b, c)), swapped);
    }
}
