//! Groups that several rules look at, kept up to date with the points of a metric.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, RecordBatch, RecordBatchOptions, TimestampNanosecondArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::SchemaRef;
use datafusion::common::cast::as_boolean_array;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::PhysicalExpr;
use flyball_model::batch::is_stale;
use flyball_model::{MetricRef, UnixNanos};
use flyball_store::{Follower, Points, Store};
use hashbrown::{HashMap, HashSet};

use super::accumulate::Layout;
use super::classify::{Class, Classifier, RowBytes};
use super::groups::Groups;
use super::member::{Extremes, Finish, Member};
use super::sliding::Sliding;
use crate::evaluate::{INSTANCES_MAX, Row, rows};

/// A series that no rule looks at.
const NOBODYS: u32 = u32::MAX;

/// Bytes that a series takes in the map from series to groups.
const SERIES_BYTES: usize = 12;

/// Groups without a point in the window are forgotten together when they are so many and most.
const EMPTY_MIN: usize = 4096;

/// Groups that are looked at together.
const BATCH_GROUPS: usize = 8192;

/// Why a table can't go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The engine or the disk says no; it may be better next time.
    Failed(String),
    /// It takes more memory than there is for it.
    TooLarge { bytes: usize },
}

impl From<DataFusionError> for Stop {
    fn from(error: DataFusionError) -> Self {
        Stop::Failed(error.find_root().to_string())
    }
}

/// What a table is made from.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) metric: MetricRef,
    pub(super) window: Sliding,
    pub(super) classifier: Classifier,
    pub(super) layout: Layout,
    /// Predicates on `time` and `value`.
    pub(super) points: Vec<Arc<dyn PhysicalExpr>>,
    /// `time` and `value`.
    pub(super) point_schema: SchemaRef,
    /// Keys and aggregates.
    pub(super) group_schema: SchemaRef,
}

/// The groups of one signature, and the rules that look at them.
#[derive(Debug)]
pub(crate) struct Table {
    parts: Parts,
    follower: Option<Follower>,
    /// The first pane in the window.
    first: i64,
    /// The group of each series that has been met.
    series: HashMap<u32, u32>,
    /// How many of these have a group.
    followed: usize,
    groups: Groups,
    /// By what rules ask of labels.
    partitions: HashMap<RowBytes, u32>,
    /// The members of each partition, by place.
    members_of: Vec<Vec<usize>>,
    members: Vec<Option<Member>>,
    /// The place of each member by its token.
    places: HashMap<u64, usize>,
    /// Groups that have changed.
    dirty: Vec<u32>,
    /// By the pane that leaves the window: groups with points in it.
    leaving: BTreeMap<i64, Vec<u32>>,
    points_seen: u64,
}

/// What a table holds, for those who explain a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSize {
    /// Rules that look at it.
    pub rules: usize,
    /// Series that have been met.
    pub series: usize,
    /// Groups with points in the window, and some whose points have left it.
    pub groups: usize,
    /// Memory, near enough.
    pub bytes: usize,
    /// Points that it was brought up to date with since it was made.
    pub points: u64,
    /// What that took, as far as it was done as they arrived.
    pub spent: Duration,
}

impl Table {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            parts,
            follower: None,
            first: i64::MIN,
            series: HashMap::new(),
            followed: 0,
            groups: Groups::default(),
            partitions: HashMap::new(),
            members_of: Vec::new(),
            members: Vec::new(),
            places: HashMap::new(),
            dirty: Vec::new(),
            leaving: BTreeMap::new(),
            points_seen: 0,
        }
    }

    /// Whether the next [`Table::advance`] reads what is stored, which blocks on files.
    pub(crate) fn starts_anew(&self, now: UnixNanos) -> bool {
        self.follower.is_none() || self.parts.window.first_pane(now) < self.first
    }

    /// Takes a rule in that asks for labels with these values.
    pub(super) fn join(
        &mut self,
        token: u64,
        partition: &[(String, datafusion::common::ScalarValue)],
        finish: Finish,
    ) -> Result<()> {
        let bytes = self.parts.classifier.partition_of(partition)?;
        let next = self.members_of.len() as u32;
        let partition = match self.partitions.get(&bytes) {
            Some(&known) => known,
            None => {
                // Series that nobody looked at may be this rule's.
                self.forget();
                self.members_of.push(Vec::new());
                self.partitions.insert(bytes, next);
                next
            }
        };
        let member =
            Member { token, partition, finish, found: Default::default(), anew: true, touched: true, error: None };
        let place = match self.members.iter().position(Option::is_none) {
            Some(free) => free,
            None => {
                self.members.push(None);
                self.members.len() - 1
            }
        };
        self.members[place] = Some(member);
        self.places.insert(token, place);
        self.members_of[partition as usize].push(place);
        Ok(())
    }

    /// A rule is gone.
    pub(super) fn leave(&mut self, token: u64) {
        if let Some(place) = self.places.remove(&token)
            && let Some(member) = self.members[place].take()
        {
            self.members_of[member.partition as usize].retain(|&other| other != place);
        }
    }

    /// Forgets everything but the rules; the next [`Table::advance`] begins with what is stored.
    fn forget(&mut self) {
        self.follower = None;
        self.series = HashMap::new();
        self.followed = 0;
        self.groups = Groups::default();
        self.dirty = Vec::new();
        self.leaving = BTreeMap::new();
        for member in self.members.iter_mut().flatten() {
            member.touched |= !member.found.is_empty();
            member.found.clear();
            member.anew = true;
        }
    }

    /// Brings the groups up to date with the points that have arrived, as of `now`, and looks for each rule whether it finds others.
    ///
    /// # Errors
    /// [`Stop`]; the table begins anew then.
    pub(crate) fn advance(&mut self, store: &Store, now: UnixNanos, bytes_max: usize) -> Result<(), Stop> {
        let advanced = self.try_advance(store, now, bytes_max);
        if advanced.is_err() {
            self.forget();
        }
        advanced
    }

    fn try_advance(&mut self, store: &Store, now: UnixNanos, bytes_max: usize) -> Result<(), Stop> {
        let first = self.parts.window.first_pane(now);
        if self.starts_anew(now) || (self.groups.empty() >= EMPTY_MIN && self.groups.empty() > self.groups.len() / 2) {
            self.begin(store, first, bytes_max)?;
        } else {
            self.expire(first);
            match self.follower.as_mut().and_then(|follower| follower.follow(store)) {
                Some(parts) => {
                    for points in &parts {
                        self.take(store, points)?;
                    }
                    self.check_size(bytes_max)?;
                }
                None => self.begin(store, first, bytes_max)?,
            }
        }
        self.settle().map_err(Stop::from)
    }

    /// Begins with what is stored.
    fn begin(&mut self, store: &Store, first: i64, bytes_max: usize) -> Result<(), Stop> {
        self.forget();
        self.first = first;
        if self.parts.classifier.is_global() {
            let partitions: Vec<_> = self.partitions.iter().map(|(bytes, &number)| (bytes.clone(), number)).collect();
            for (key, partition) in partitions {
                let group = self.groups.intern(key, partition);
                self.mark(group);
            }
        }
        let from = self.parts.window.start_of(first);
        let mut stopped = Ok(());
        let follower = Follower::start(store, self.parts.metric, from, |points| {
            if stopped.is_ok() {
                stopped = self.take(store, points).map_err(Stop::from).and_then(|()| self.check_size(bytes_max));
            }
        });
        stopped?;
        self.follower = Some(follower.map_err(|error| Stop::Failed(error.to_string()))?);
        Ok(())
    }

    fn check_size(&self, bytes_max: usize) -> Result<(), Stop> {
        let bytes = self.bytes();
        if bytes > bytes_max { Err(Stop::TooLarge { bytes }) } else { Ok(()) }
    }

    /// Memory, near enough.
    pub(crate) fn bytes(&self) -> usize {
        self.groups.bytes() + self.series.capacity() * SERIES_BYTES
    }

    pub(crate) fn size(&self) -> TableSize {
        TableSize {
            rules: self.members.iter().flatten().count(),
            series: self.followed,
            groups: self.groups.len(),
            bytes: self.bytes(),
            points: self.points_seen,
            spent: Duration::ZERO,
        }
    }

    /// The window moves on to `first`.
    fn expire(&mut self, first: i64) {
        self.first = first;
        while let Some(entry) = self.leaving.first_entry()
            && *entry.key() < first
        {
            for group in entry.remove() {
                self.groups.expire(&self.parts.layout, group, first);
                self.mark(group);
            }
        }
    }

    fn mark(&mut self, group: u32) {
        let dirty = &mut self.groups.get_mut(group).dirty;
        if !*dirty {
            *dirty = true;
            self.dirty.push(group);
        }
    }

    /// Adds points.
    fn take(&mut self, store: &Store, points: &Points) -> Result<()> {
        self.meet(store, points)?;
        self.points_seen += points.series.len() as u64;
        let batch = if self.parts.points.is_empty() && !self.parts.layout.needs_batch() {
            None
        } else {
            Some(point_batch(&self.parts.point_schema, points)?)
        };
        let mut keep: Option<BooleanArray> = None;
        for predicate in &self.parts.points {
            let batch = batch.as_ref().expect("made when there are predicates");
            let holds = predicate.evaluate(batch)?.into_array(batch.num_rows())?;
            let holds = as_boolean_array(&holds)?;
            keep = Some(match keep {
                Some(keep) => arrow::compute::and_kleene(&keep, holds)?,
                None => holds.clone(),
            });
        }
        let values = match &batch {
            Some(batch) => self.parts.layout.evaluate(batch)?,
            None => self.parts.layout.plain(),
        };
        let mut last = (NOBODYS, NOBODYS);
        for (row, (&series, (&time, &value))) in
            points.series.iter().zip(points.time.iter().zip(&points.value)).enumerate()
        {
            if keep.as_ref().is_some_and(|keep| !(keep.is_valid(row) && keep.value(row))) {
                continue;
            }
            let pane = self.parts.window.pane_of(time);
            if pane < self.first {
                continue;
            }
            if last.0 != series {
                last = (series, self.series.get(&series).copied().unwrap_or(NOBODYS));
            }
            let group = last.1;
            if group == NOBODYS {
                continue;
            }
            let (numbers, is_new) = self.groups.pane(&self.parts.layout, group, pane);
            self.parts.layout.add(numbers, &values, row, time, value);
            if is_new {
                self.leaving.entry(pane).or_default().push(group);
            }
            self.mark(group);
        }
        Ok(())
    }

    /// Finds the group of each series that was not met before.
    fn meet(&mut self, store: &Store, points: &Points) -> Result<()> {
        let mut unknown = Vec::new();
        let mut last = None;
        for &series in &points.series {
            if last != Some(series) && !self.series.contains_key(&series) {
                unknown.push(series);
            }
            last = Some(series);
        }
        if unknown.is_empty() {
            return Ok(());
        }
        unknown.sort_unstable();
        unknown.dedup();
        let classes = self.parts.classifier.classify(store.registry(), &unknown)?;
        for (series, class) in unknown.into_iter().zip(classes) {
            let group = class.and_then(|Class { partition, key }| {
                let partition = *self.partitions.get(&partition)?;
                Some(self.groups.intern(key, partition))
            });
            self.followed += usize::from(group.is_some());
            self.series.insert(series, group.unwrap_or(NOBODYS));
        }
        Ok(())
    }

    /// Lets each rule look at the groups that have changed.
    fn settle(&mut self) -> Result<()> {
        let mut dirty = std::mem::take(&mut self.dirty);
        for &group in &dirty {
            self.groups.get_mut(group).dirty = false;
        }
        dirty.sort_unstable_by_key(|&group| (self.groups.get(group).partition, group));
        let changed: Vec<&[u32]> = dirty
            .chunk_by(|&a, &b| self.groups.get(a).partition == self.groups.get(b).partition)
            .flat_map(|of_partition| of_partition.chunks(BATCH_GROUPS))
            .collect();
        for groups in changed {
            let partition = self.groups.get(groups[0]).partition;
            let members = std::mem::take(&mut self.members_of[partition as usize]);
            let looked = self.look(groups, members.iter().copied().filter(|&place| !self.is_anew(place)).collect());
            self.members_of[partition as usize] = members;
            looked?;
        }
        let anew: Vec<_> = (0..self.members.len()).filter(|&place| self.is_anew(place)).collect();
        if !anew.is_empty() {
            self.look_anew(&anew)?;
        }
        Ok(())
    }

    fn is_anew(&self, place: usize) -> bool {
        self.members[place].as_ref().is_some_and(|member| member.anew)
    }

    /// Lets rules look at all groups.
    fn look_anew(&mut self, places: &[usize]) -> Result<()> {
        let mut partitions: HashMap<u32, Vec<usize>> = HashMap::new();
        for &place in places {
            if let Some(member) = &mut self.members[place] {
                member.touched = true;
                member.error = None;
                member.found.clear();
                member.anew = false;
                partitions.entry(member.partition).or_default().push(place);
            }
        }
        for (partition, members) in partitions {
            let all: Vec<u32> =
                (0..self.groups.len() as u32).filter(|&group| self.groups.get(group).partition == partition).collect();
            for groups in all.chunks(BATCH_GROUPS) {
                self.look(groups, members.clone())?;
            }
        }
        Ok(())
    }

    /// Lets rules look at some groups of their partition.
    fn look(&mut self, groups: &[u32], places: Vec<usize>) -> Result<()> {
        if places.is_empty() {
            return Ok(());
        }
        let (present, batch) = self.batch(groups)?;
        let present_set: HashSet<u32> =
            if present.len() == groups.len() { HashSet::new() } else { present.iter().copied().collect() };
        let gone: Vec<u32> = match present.len() == groups.len() {
            true => Vec::new(),
            false => groups.iter().copied().filter(|group| !present_set.contains(group)).collect(),
        };
        let mut extremes: HashMap<String, Extremes> = HashMap::new();
        for place in places {
            let Some(member) = &mut self.members[place] else { continue };
            for group in &gone {
                member.touched |= member.found.remove(group);
            }
            if let Err(error) = member.look(&present, &batch, &mut extremes) {
                // It has not seen what it should have seen, and looks at everything next time.
                member.error = Some(error.find_root().to_string());
                (member.anew, member.touched) = (true, true);
            }
        }
        Ok(())
    }

    /// Those of some groups that are there, and their columns.
    fn batch(&self, groups: &[u32]) -> Result<(Vec<u32>, RecordBatch)> {
        let Parts { layout, classifier, group_schema, .. } = &self.parts;
        let mut present = Vec::with_capacity(groups.len());
        let mut numbers = Vec::with_capacity(groups.len() * layout.words());
        for &group in groups {
            let start = numbers.len();
            numbers.resize(start + layout.words(), 0.0);
            if self.groups.total(layout, group, &mut numbers[start..]) || classifier.is_global() {
                present.push(group);
            } else {
                numbers.truncate(start);
            }
        }
        let mut columns: Vec<ArrayRef> = match classifier.is_global() {
            true => Vec::new(),
            false => classifier.key_columns(present.iter().map(|&group| &self.groups.get(group).key))?,
        };
        columns.extend(layout.columns(&numbers)?);
        let options = RecordBatchOptions::new().with_row_count(Some(present.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(group_schema), columns, &options)?;
        Ok((present, batch))
    }

    /// The rows that a rule's query gives.
    ///
    /// # Errors
    /// A sentence for the author of the rule.
    pub(crate) fn rows(&self, token: u64) -> Result<Vec<Row>, String> {
        let member = self.places.get(&token).and_then(|&place| self.members[place].as_ref());
        let Some(member) = member else { return Ok(Vec::new()) };
        if let Some(error) = &member.error {
            return Err(error.clone());
        }
        // One more than may be, so that there is an error if there are more.
        let found: Vec<u32> = member.found.iter().copied().take(INSTANCES_MAX + 1).collect();
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let in_words = |error: DataFusionError| error.find_root().to_string();
        let (_, batch) = self.batch(&found).map_err(in_words)?;
        let projected = member.finish.project(&batch).map_err(in_words)?;
        rows(member.finish.output(), &[projected])
    }

    /// The rules that find others than when this was asked last, or find them with other values.
    pub(crate) fn take_touched(&mut self) -> Vec<u64> {
        let members = self.members.iter_mut().flatten();
        members.filter_map(|member| std::mem::take(&mut member.touched).then_some(member.token)).collect()
    }
}

impl Member {
    fn look(&mut self, groups: &[u32], batch: &RecordBatch, extremes: &mut HashMap<String, Extremes>) -> Result<()> {
        if let Some(text) = self.finish.threshold_text() {
            if !extremes.contains_key(text) {
                let found = self.finish.extremes(batch)?.flatten();
                extremes.insert(text.to_owned(), found);
            }
            if self.found.is_empty() && !self.finish.may_hold(extremes[text]) {
                return Ok(());
            }
        }
        for (&group, holds) in groups.iter().zip(self.finish.holds(batch)?) {
            self.touched |= holds;
            if holds {
                self.found.insert(group);
            } else {
                self.touched |= self.found.remove(&group);
            }
        }
        Ok(())
    }
}

fn point_batch(schema: &SchemaRef, points: &Points) -> Result<RecordBatch> {
    let stale = points.value.iter().any(|&value| is_stale(value));
    let valid = stale.then(|| points.value.iter().map(|&value| !is_stale(value)).collect::<NullBuffer>());
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampNanosecondArray::new(points.time.clone(), None).with_timezone("UTC")),
        Arc::new(Float64Array::new(points.value.clone(), valid)),
    ];
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
