//! What rules find in the groups that have changed.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::cast::as_float64_array;
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use hashbrown::HashMap;

use super::grouping::Met;
use super::lookers::{Extremes, Of, extremes};
use super::member::Member;
use super::table::{BATCH_GROUPS, Parts, Table, in_words};
use crate::evaluate::{INSTANCES_MAX, Row, rows};

/// Some groups that were looked at.
#[derive(Debug, Default)]
struct Looked {
    /// Those that are there.
    present: Vec<u32>,
    /// What they hold, one after the other.
    numbers: Vec<f64>,
    /// Those that are not.
    gone: Vec<u32>,
}

impl Table {
    /// Lets each rule look at the groups that have changed.
    pub(super) fn settle(&mut self) -> Result<()> {
        let mut changed = self.slots.take_dirty(&self.parts.layout)?;
        let grouping = Arc::clone(&self.grouping);
        let met = grouping.met();
        let partition_of = |group: &u32| met.groups.partition(*group);
        changed.sort_unstable_by_key(|group| (partition_of(group), *group));
        let mut looked = Looked::default();
        for of_partition in changed.chunk_by(|a, b| partition_of(a) == partition_of(b)) {
            for groups in of_partition.chunks(BATCH_GROUPS) {
                self.look_at(groups, &mut looked);
                self.look(&met, partition_of(&groups[0]), &looked)?;
            }
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
                self.lookers[member.partition as usize].finds(place, false);
                partitions.entry(member.partition).or_default().push(place);
            }
        }
        let mut looked = Looked::default();
        for (partition, members) in partitions {
            let all: Vec<u32> =
                (0..self.slots.len() as u32).filter(|&group| met.groups.partition(group) == partition).collect();
            for groups in all.chunks(BATCH_GROUPS) {
                self.look_at(groups, &mut looked);
                self.evaluate(met, &looked, &members, None)?;
            }
        }
        Ok(())
    }

    /// Lets the rules of a partition look at some of its groups, those of them that may find something or did.
    fn look(&mut self, met: &Met, partition: u32, looked: &Looked) -> Result<()> {
        let Some(lookers) = self.lookers.get(partition as usize) else { return Ok(()) };
        for place in lookers.finding() {
            let Some(member) = &mut self.members[place] else { continue };
            for group in &looked.gone {
                member.touched |= member.found.remove(group);
            }
        }
        let mut batch = None;
        let looking = lookers.looking(|of| match of {
            Of::Aggregate(aggregate) => Ok(extremes(self.parts.layout.results(*aggregate, &looked.numbers))),
            Of::Expression(expression, _) => {
                let batch = match &mut batch {
                    Some(batch) => batch,
                    None => batch.insert(self.batch(met, looked, false)?),
                };
                extremes_of(expression, batch)
            }
        });
        let looking: Vec<_> = looking.into_iter().filter(|&place| !self.is_anew(place)).collect();
        self.evaluate(met, looked, &looking, batch)
    }

    /// Lets some rules of one partition look at some of its groups, of which there may be a `batch` without what is grouped by.
    fn evaluate(&mut self, met: &Met, looked: &Looked, places: &[usize], batch: Option<RecordBatch>) -> Result<()> {
        if places.is_empty() {
            return Ok(());
        }
        let reads_keys =
            |&place: &usize| self.members[place].as_ref().is_some_and(|member| member.finish.having_reads_keys());
        let batch = match batch {
            Some(batch) if !places.iter().any(reads_keys) => batch,
            _ => self.batch(met, looked, places.iter().any(reads_keys))?,
        };
        for &place in places {
            let Some(member) = &mut self.members[place] else { continue };
            if let Err(error) = member.look(&looked.present, &batch) {
                // It has not seen what it should have seen, and looks at everything next time.
                member.error = Some(in_words(error));
                (member.anew, member.touched) = (true, true);
            }
            self.lookers[member.partition as usize].finds(place, !member.found.is_empty());
        }
        Ok(())
    }

    /// Puts the panes of some groups together.
    fn look_at(&mut self, groups: &[u32], looked: &mut Looked) {
        let layout = &self.parts.layout;
        let Looked { present, numbers, gone } = looked;
        present.clear();
        numbers.clear();
        gone.clear();
        for &group in groups {
            let start = numbers.len();
            numbers.resize(start + layout.words(), 0.0);
            if self.slots.total(layout, group, &mut numbers[start..]) || self.grouping.classifier().is_global() {
                present.push(group);
            } else {
                numbers.truncate(start);
                gone.push(group);
            }
        }
    }

    /// The columns of groups; those that are grouped by only if they are read.
    fn batch(&self, met: &Met, looked: &Looked, with_keys: bool) -> Result<RecordBatch> {
        let Parts { layout, group_schema, .. } = &self.parts;
        let classifier = self.grouping.classifier();
        let rows = looked.present.len();
        let mut columns: Vec<ArrayRef> = if with_keys {
            classifier.key_columns(looked.present.iter().map(|&group| met.groups.key(group)))?
        } else {
            let keys = group_schema.fields().iter().take(classifier.keys());
            keys.map(|key| new_null_array(key.data_type(), rows)).collect()
        };
        columns.extend(self.slots.columns(layout, &looked.present, &looked.numbers)?);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(group_schema), columns, &options)?)
    }

    /// The rows that a rule's query gives.
    ///
    /// # Errors
    /// A sentence for the author of the rule.
    pub(crate) fn rows(&mut self, token: u64) -> Result<Vec<Row>, String> {
        let Some(&place) = self.places.get(&token) else { return Ok(Vec::new()) };
        let Some(member) = &self.members[place] else { return Ok(Vec::new()) };
        if let Some(error) = &member.error {
            return Err(error.clone());
        }
        // One more than may be, so that there is an error if there are more.
        let found: Vec<u32> = member.found.iter().copied().take(INSTANCES_MAX + 1).collect();
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let mut looked = Looked::default();
        self.look_at(&found, &mut looked);
        let batch = self.batch(&self.grouping.met(), &looked, true).map_err(in_words)?;
        let Some(Member { finish, .. }) = &self.members[place] else { return Ok(Vec::new()) };
        let projected = finish.project(&batch).map_err(in_words)?;
        rows(finish.output(), &[projected])
    }

    /// The rules that find others than when this was asked last, or find them with other values.
    pub(crate) fn take_touched(&mut self) -> Vec<u64> {
        let members = self.members.iter_mut().flatten();
        members.filter_map(|member| std::mem::take(&mut member.touched).then_some(member.token)).collect()
    }
}

impl Member {
    fn look(&mut self, groups: &[u32], batch: &RecordBatch) -> Result<()> {
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

/// The extremes of what an expression makes of groups.
fn extremes_of(expression: &Arc<dyn PhysicalExpr>, groups: &RecordBatch) -> Result<Extremes> {
    let values = expression.evaluate(groups)?.into_array(groups.num_rows())?;
    let values = cast(&values, &DataType::Float64)?;
    Ok(extremes(as_float64_array(&values)?.iter().flatten()))
}
