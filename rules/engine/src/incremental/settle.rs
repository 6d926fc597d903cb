//! What rules find in the groups that have changed.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use datafusion::error::Result;
use hashbrown::{HashMap, HashSet};

use super::grouping::Met;
use super::member::{Extremes, Member};
use super::table::{BATCH_GROUPS, Parts, Table, in_words};
use crate::evaluate::{INSTANCES_MAX, Row, rows};

impl Table {
    /// Lets each rule look at the groups that have changed.
    pub(super) fn settle(&mut self) -> Result<()> {
        let mut dirty = self.slots.take_dirty();
        let grouping = Arc::clone(&self.grouping);
        let met = grouping.met();
        let partition_of = |group: u32| met.groups.partition(group);
        dirty.sort_unstable_by_key(|&group| (partition_of(group), group));
        let changed: Vec<&[u32]> = dirty
            .chunk_by(|&a, &b| partition_of(a) == partition_of(b))
            .flat_map(|of_partition| of_partition.chunks(BATCH_GROUPS))
            .collect();
        for groups in changed {
            let partition = partition_of(groups[0]);
            let members = std::mem::take(&mut self.members_of[partition as usize]);
            let places = members.iter().copied().filter(|&place| !self.is_anew(place)).collect();
            let looked = self.look(&met, groups, places);
            self.members_of[partition as usize] = members;
            looked?;
        }
        let anew: Vec<_> = (0..self.members.len()).filter(|&place| self.is_anew(place)).collect();
        if !anew.is_empty() {
            self.look_anew(&met, &anew)?;
        }
        Ok(())
    }

    fn is_anew(&self, place: usize) -> bool {
        self.members[place].as_ref().is_some_and(|member| member.anew)
    }

    /// Lets rules look at all groups.
    fn look_anew(&mut self, met: &Met, places: &[usize]) -> Result<()> {
        let mut partitions: HashMap<u32, Vec<usize>> = HashMap::new();
        for &place in places {
            if let Some(member) = &mut self.members[place] {
                // What it finds touches it, and it was touched when it forgot what it had found.
                member.touched |= member.error.take().is_some();
                member.found.clear();
                member.anew = false;
                partitions.entry(member.partition).or_default().push(place);
            }
        }
        for (partition, members) in partitions {
            let all: Vec<u32> =
                (0..self.slots.len() as u32).filter(|&group| met.groups.partition(group) == partition).collect();
            for groups in all.chunks(BATCH_GROUPS) {
                self.look(met, groups, members.clone())?;
            }
        }
        Ok(())
    }

    /// Lets rules look at some groups of their partition.
    fn look(&mut self, met: &Met, groups: &[u32], places: Vec<usize>) -> Result<()> {
        if places.is_empty() {
            return Ok(());
        }
        let reads_keys =
            |&place: &usize| self.members[place].as_ref().is_some_and(|member| member.finish.having_reads_keys());
        let (present, batch) = self.batch(met, groups, places.iter().any(reads_keys))?;
        let gone: Vec<u32> = if present.len() == groups.len() {
            Vec::new()
        } else {
            let present: HashSet<u32> = present.iter().copied().collect();
            groups.iter().copied().filter(|group| !present.contains(group)).collect()
        };
        let mut extremes: HashMap<String, Extremes> = HashMap::new();
        for place in places {
            let Some(member) = &mut self.members[place] else { continue };
            for group in &gone {
                member.touched |= member.found.remove(group);
            }
            if let Err(error) = member.look(&present, &batch, &mut extremes) {
                // It has not seen what it should have seen, and looks at everything next time.
                member.error = Some(in_words(error));
                (member.anew, member.touched) = (true, true);
            }
        }
        Ok(())
    }

    /// Those of some groups that are there, and their columns; those that are grouped by only if they are read.
    fn batch(&self, met: &Met, groups: &[u32], with_keys: bool) -> Result<(Vec<u32>, RecordBatch)> {
        let Parts { layout, group_schema, .. } = &self.parts;
        let classifier = self.grouping.classifier();
        let mut present = Vec::with_capacity(groups.len());
        let mut numbers = Vec::with_capacity(groups.len() * layout.words());
        for &group in groups {
            let start = numbers.len();
            numbers.resize(start + layout.words(), 0.0);
            if self.slots.total(layout, group, &mut numbers[start..]) || classifier.is_global() {
                present.push(group);
            } else {
                numbers.truncate(start);
            }
        }
        let mut columns: Vec<ArrayRef> = if with_keys {
            classifier.key_columns(present.iter().map(|&group| met.groups.key(group)))?
        } else {
            let keys = group_schema.fields().iter().take(classifier.keys());
            keys.map(|key| new_null_array(key.data_type(), present.len())).collect()
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
        let (_, batch) = self.batch(&self.grouping.met(), &found, true).map_err(in_words)?;
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
