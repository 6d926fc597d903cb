//! Which group a series belongs to: found out when it is met, once for all tables that group the same series in the same way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use arrow::array::RecordBatch;
use datafusion::error::Result;
use flyball_model::SeriesRegistry;
use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};

use super::budget::{Budget, Share};
use super::classify::{Class, Classifier, RowBytes};
use super::groups::Groups;
use super::keys::bytes_of;
use super::obstacle::Obstacle;

/// A series that no rule looks at.
pub(super) const NOBODYS: u32 = u32::MAX;

/// A series that has not been met.
const UNMET: u32 = u32::MAX - 1;

/// Groups are never forgotten one by one. When there are so many more than twice those that tables began with, and as many more than a table
/// has points of, tables move on to a grouping where no series was met yet.
pub(super) const GROUPS_MORE: usize = 4096;

/// What tables are grouped by.
#[derive(Debug)]
pub(super) struct By {
    /// What tells it from others.
    signature: String,
    pub(super) classifier: Classifier,
    /// By what rules ask of labels. Numbers stay when tables move on.
    partitions: RwLock<HashMap<RowBytes, u32>>,
}

/// The series that were met, and their groups.
#[derive(Debug)]
pub(super) struct Grouping {
    by: Arc<By>,
    met: RwLock<Met>,
    /// The most groups that there were when a table had begun, and one more; 0 before the first has.
    began_with: AtomicUsize,
    pub(super) share: Share,
}

/// The groupings that tables have, by signature.
#[derive(Debug, Default)]
pub(super) struct Groupings {
    latest: Mutex<HashMap<String, Weak<Grouping>>>,
}

/// What is known of the series that were met.
#[derive(Debug, Default)]
pub(super) struct Met {
    /// Of each series of the metric, by its position there, its group; where what is grouped by is not of labels alone, its partition.
    places: Vec<u32>,
    /// How many series each partition has.
    series_of: Vec<usize>,
    pub(super) groups: Groups,
    /// The partitions that there were when it was found out whose a series is.
    partitions: usize,
}

impl By {
    /// The number of what a rule asks of labels.
    pub(super) fn partition(&self, bytes: RowBytes) -> u32 {
        let mut partitions = self.partitions.write();
        let next = partitions.len() as u32;
        *partitions.entry(bytes).or_insert(next)
    }
}

impl Groupings {
    /// The grouping with this signature. There is one as long as a table has it.
    pub(super) fn get(
        &self,
        signature: String,
        budget: &Arc<Budget>,
        classifier: impl FnOnce() -> Result<Classifier, Obstacle>,
    ) -> Result<Arc<Grouping>, Obstacle> {
        let mut latest = self.latest.lock();
        if let Some(known) = latest.get(&signature).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let by = By { signature: signature.clone(), classifier: classifier()?, partitions: RwLock::default() };
        let grouping = Grouping::new(Arc::new(by), budget);
        latest.retain(|_, grouping| grouping.strong_count() > 0);
        latest.insert(signature, Arc::downgrade(&grouping));
        Ok(grouping)
    }

    /// What a table with this grouping is to have: the latest with its signature, or one where no series was met yet.
    pub(super) fn latest(&self, grouping: &Arc<Grouping>, anew: bool) -> Arc<Grouping> {
        let signature = &grouping.by.signature;
        let mut latest = self.latest.lock();
        let known = latest.get(signature).and_then(Weak::upgrade);
        if let Some(known) = known.filter(|known| !anew || !Arc::ptr_eq(known, grouping)) {
            return known;
        }
        let anew = Grouping::new(Arc::clone(&grouping.by), grouping.share.budget());
        latest.insert(signature.clone(), Arc::downgrade(&anew));
        anew
    }
}

impl Grouping {
    /// No series was met yet.
    fn new(by: Arc<By>, budget: &Arc<Budget>) -> Arc<Self> {
        let share = Share::new(Arc::clone(budget));
        Arc::new(Self { by, met: RwLock::default(), began_with: AtomicUsize::new(0), share })
    }

    pub(super) fn by(&self) -> &By {
        &self.by
    }

    pub(super) fn classifier(&self) -> &Classifier {
        &self.by.classifier
    }

    /// Who holds this asks the grouping for nothing else: a writer may wait in between.
    pub(super) fn met(&self) -> RwLockReadGuard<'_, Met> {
        self.met.read()
    }

    /// A table has begun.
    pub(super) fn begun(&self) {
        self.began_with.fetch_max(self.met.read().groups.len() + 1, Ordering::Relaxed);
    }

    /// Whether there are far more groups than tables began with.
    pub(super) fn has_grown(&self) -> bool {
        let began_with = self.began_with.load(Ordering::Relaxed);
        began_with > 0 && self.met.read().groups.len() > 2 * began_with + GROUPS_MORE
    }

    /// Memory, near enough.
    pub(super) fn bytes(&self) -> usize {
        self.met.read().bytes()
    }

    /// The group that there is although no point has come.
    pub(super) fn global(&self, partition: u32) -> u32 {
        self.met.write().groups.intern(&[], partition)
    }

    /// The groups of these series, each with its position in the metric; of a grouping by row, their partitions.
    pub(super) fn places_of(&self, registry: &SeriesRegistry, series: &[u32], positions: &[u32]) -> Result<Vec<u32>> {
        let partitions = self.by.partitions.read().len();
        let met = self.met.read();
        if met.partitions == partitions
            && let Some(places) = met.places_of(positions)
        {
            return Ok(places);
        }
        drop(met);
        let mut met = self.met.write();
        self.meet(&mut met, registry, series, positions)?;
        Ok(positions.iter().map(|&position| met.places[position as usize]).collect())
    }

    fn meet(&self, met: &mut Met, registry: &SeriesRegistry, series: &[u32], positions: &[u32]) -> Result<()> {
        let partitions = self.by.partitions.read();
        if met.partitions != partitions.len() {
            // What was nobody's may be somebody's now.
            met.places.iter_mut().filter(|place| **place == NOBODYS).for_each(|place| *place = UNMET);
            met.partitions = partitions.len();
            met.series_of.resize(partitions.len(), 0);
        }
        let end = positions.iter().max().map_or(0, |&last| last as usize + 1);
        if met.places.len() < end {
            met.places.resize(end, UNMET);
        }
        let each = series.iter().zip(positions).map(|(&series, &position)| (series, position));
        let mut unmet: Vec<_> = each.filter(|&(_, position)| met.places[position as usize] == UNMET).collect();
        unmet.sort_unstable();
        unmet.dedup();
        let (series, positions): (Vec<_>, Vec<_>) = unmet.into_iter().unzip();
        let classifier = self.classifier();
        let mut at = positions.iter();
        classifier.classify(registry, &series, |class| {
            let Some(&position) = at.next() else { return };
            let place = class.and_then(|Class { partition, key }| {
                let partition = *partitions.get(partition)?;
                met.series_of[partition as usize] += 1;
                Some(if classifier.is_per_row() { partition } else { met.groups.intern(key, partition) })
            });
            met.places[position as usize] = place.unwrap_or(NOBODYS);
        })
    }

    /// The groups of records of these series and partitions, in the columns that are no labels.
    pub(super) fn groups_of_rows(
        &self,
        registry: &SeriesRegistry,
        series: &[u32],
        partitions: impl Iterator<Item = u32>,
        records: &RecordBatch,
    ) -> Result<Vec<u32>> {
        let keys = self.classifier().keys_of_rows(registry, series, records)?;
        let mut met = self.met.write();
        let group = |(row, partition)| met.groups.intern(bytes_of(keys.as_ref(), row), partition);
        Ok(partitions.enumerate().map(group).collect())
    }
}

impl Met {
    /// `None` when one was not met yet.
    fn places_of(&self, positions: &[u32]) -> Option<Vec<u32>> {
        let place = |&position: &u32| self.places.get(position as usize).copied().filter(|&place| place != UNMET);
        positions.iter().map(place).collect()
    }

    /// Memory, near enough.
    pub(super) fn bytes(&self) -> usize {
        self.groups.bytes() + self.places.capacity() * size_of::<u32>()
    }

    /// How many series a partition has.
    pub(super) fn series_of(&self, partition: u32) -> usize {
        self.series_of.get(partition as usize).copied().unwrap_or(0)
    }
}
