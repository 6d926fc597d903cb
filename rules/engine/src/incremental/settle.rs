//! What rules find in the groups that have changed.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::cast::as_float64_array;
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use flyball_model::UnixNanos;
use hashbrown::HashMap;

use super::accumulate::Layout;
use super::batch::batch_of;
use super::grouping::{Grouping, Met};
use super::lookers::{Extremes, Lookers, Of, extremes};
use super::member::Member;
use super::slots::Slots;
use super::table::{BATCH_GROUPS, Parts, Table, in_words};
use crate::evaluate::{INSTANCES_MAX, Row, rows};

/// Some groups that were looked at.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Those that are there.
    pub(super) present: Vec<u32>,
    /// What they hold, one after the other.
    pub(super) numbers: Vec<f64>,
    /// Those that are not.
    gone: Vec<u32>,
}

/// The rules that look at a partition.
pub(super) struct Looking<'l> {
    pub(super) lookers: &'l mut Lookers,
    /// All of the table, by place.
    pub(super) members: &'l mut [Option<Member>],
    pub(super) layout: &'l Layout,
}

impl Table {
    /// Lets each rule look at the groups that have changed.
    pub(super) fn settle(&mut self, now: UnixNanos) -> Result<()> {
        let mut changed = self.slots.take_dirty(&self.parts.layout)?;
        let grouping = Arc::clone(&self.grouping);
        let met = grouping.met();
        let partition_of = |group: &u32| met.groups.partition(*group);
        changed.sort_unstable_by_key(|group| (partition_of(group), *group));
        let mut looked = Looked::default();
        for of_partition in changed.chunk_by(|a, b| partition_of(a) == partition_of(b)) {
            let Some(lookers) = self.lookers.get_mut(partition_of(&of_partition[0]) as usize) else { continue };
            for groups in of_partition.chunks(BATCH_GROUPS) {
                looked.look_at(groups, &self.parts.layout, &mut self.slots, grouping.classifier().is_global());
                let mut looking = Looking { lookers, members: &mut self.members, layout: &self.parts.layout };
                looking.look(&looked, |keys| batch(&self.parts, &self.slots, &grouping, &met, &looked, keys))?;
            }
        }
        self.look_anew(&met)?;
        drop(met);
        self.settle_views(&changed, now);
        Ok(())
    }

    /// Lets those rules look at all groups that have to.
    fn look_anew(&mut self, met: &Met) -> Result<()> {
        let mut partitions: HashMap<u32, Vec<usize>> = HashMap::new();
        for (place, member) in self.members.iter_mut().enumerate() {
            if let Some(member) = member.as_mut().filter(|member| member.anew && member.view.is_none()) {
                member.restart(false);
                self.lookers[member.partition as usize].finds(place, false);
                partitions.entry(member.partition).or_default().push(place);
            }
        }
        let mut looked = Looked::default();
        for (partition, places) in partitions {
            let lookers = &mut self.lookers[partition as usize];
            let all: Vec<u32> =
                (0..self.slots.len() as u32).filter(|&group| met.groups.partition(group) == partition).collect();
            for groups in all.chunks(BATCH_GROUPS) {
                looked.look_at(groups, &self.parts.layout, &mut self.slots, self.grouping.classifier().is_global());
                let mut looking = Looking { lookers, members: &mut self.members, layout: &self.parts.layout };
                let batch = |keys| batch(&self.parts, &self.slots, &self.grouping, met, &looked, keys);
                looking.evaluate(&looked, &places, None, batch)?;
            }
        }
        Ok(())
    }

    /// The rows that a rule's query gives.
    ///
    /// # Errors
    /// A sentence for the author of the rule.
    pub(crate) fn rows(&mut self, token: u64) -> Result<Vec<Row>, String> {
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
        let mut looked = Looked::default();
        let batch = match member.view.as_ref().and_then(|view| self.views.get(view)) {
            Some(view) => {
                view.look_at(&found, &self.parts.layout, &mut self.slots, &mut looked);
                view.batch(&self.parts.layout, &self.slots, &looked, true)
            }
            None => {
                looked.look_at(&found, &self.parts.layout, &mut self.slots, self.grouping.classifier().is_global());
                batch(&self.parts, &self.slots, &self.grouping, &self.grouping.met(), &looked, true)
            }
        };
        let projected = member.finish.project(&batch.map_err(in_words)?).map_err(in_words)?;
        rows(member.finish.output(), &[projected])
    }

    /// The rules that find others than when this was asked last, or find them with other values.
    pub(crate) fn take_touched(&mut self) -> Vec<u64> {
        let members = self.members.iter_mut().flatten();
        members.filter_map(|member| std::mem::take(&mut member.touched).then_some(member.token)).collect()
    }
}

impl Looked {
    /// Puts the panes of some groups of a table together. Where all rows are one group, it is there without any.
    fn look_at(&mut self, groups: &[u32], layout: &Layout, slots: &mut Slots, is_global: bool) {
        self.put(groups, layout, |group, numbers| slots.total(layout, group, numbers) || is_global);
    }

    /// Looks at some groups: `total` puts what one holds to the numbers that it is given, and says whether it is there.
    pub(super) fn put(&mut self, groups: &[u32], layout: &Layout, mut total: impl FnMut(u32, &mut [f64]) -> bool) {
        let Self { present, numbers, gone } = self;
        present.clear();
        numbers.clear();
        gone.clear();
        for &group in groups {
            let start = numbers.len();
            numbers.resize(start + layout.words(), 0.0);
            if total(group, &mut numbers[start..]) {
                present.push(group);
            } else {
                numbers.truncate(start);
                gone.push(group);
            }
        }
    }
}

impl Looking<'_> {
    /// Lets those rules look at some groups of their partition that may find something or did. `batch` gives the groups' columns; those that are
    /// grouped by may hold anything unless it is told that they are read.
    pub(super) fn look(&mut self, looked: &Looked, batch: impl Fn(bool) -> Result<RecordBatch>) -> Result<()> {
        for place in self.lookers.finding() {
            let Some(member) = &mut self.members[place] else { continue };
            for group in &looked.gone {
                member.touched |= member.found.remove(group);
            }
        }
        let mut known = None;
        let looking = self.lookers.looking(|of| match of {
            Of::Aggregate(aggregate) => Ok(extremes(self.layout.results(*aggregate, &looked.numbers))),
            Of::Expression(expression, _) => {
                let groups = match &mut known {
                    Some(known) => known,
                    None => known.insert(batch(false)?),
                };
                extremes_of(expression, groups)
            }
        });
        let is_anew = |place: usize| self.members[place].as_ref().is_none_or(|member| member.anew);
        let looking: Vec<_> = looking.into_iter().filter(|&place| !is_anew(place)).collect();
        self.evaluate(looked, &looking, known, batch)
    }

    /// Lets some rules look at some groups, whose columns may be known but for those that are grouped by.
    pub(super) fn evaluate(
        &mut self,
        looked: &Looked,
        places: &[usize],
        known: Option<RecordBatch>,
        batch: impl Fn(bool) -> Result<RecordBatch>,
    ) -> Result<()> {
        if places.is_empty() {
            return Ok(());
        }
        let reads_keys =
            |&place: &usize| self.members[place].as_ref().is_some_and(|member| member.finish.having_reads_keys());
        let reads_keys = places.iter().any(reads_keys);
        let groups = match known {
            Some(known) if !reads_keys => known,
            _ => batch(reads_keys)?,
        };
        for &place in places {
            let Some(member) = &mut self.members[place] else { continue };
            if let Err(error) = member.look(&looked.present, &groups) {
                member.fail(in_words(error));
            }
            self.lookers.finds(place, !member.found.is_empty());
        }
        Ok(())
    }
}

impl Member {
    /// It looks at all groups anew, later or now.
    pub(super) fn restart(&mut self, anew: bool) {
        self.touched |= self.error.take().is_some() || !self.found.is_empty();
        self.found.clear();
        self.anew = anew;
    }

    /// It has not seen what it should have seen, and looks at everything next time.
    pub(super) fn fail(&mut self, error: String) {
        self.error = Some(error);
        (self.anew, self.touched) = (true, true);
    }

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

/// The columns of groups of a table.
fn batch(
    Parts { layout, group_schema, .. }: &Parts,
    slots: &Slots,
    grouping: &Grouping,
    met: &Met,
    looked: &Looked,
    with_keys: bool,
) -> Result<RecordBatch> {
    let classifier = grouping.classifier();
    let aggregates = slots.columns(layout, &looked.numbers, looked.present.iter().map(std::slice::from_ref))?;
    let keys = with_keys.then(|| classifier.keys().columns(looked.present.iter().map(|&group| met.groups.key(group))));
    batch_of_groups(group_schema, keys.transpose()?, aggregates, looked)
}

/// The columns of groups, of which those that are grouped by hold nothing if they are not known.
pub(super) fn batch_of_groups(
    schema: &SchemaRef,
    keys: Option<Vec<ArrayRef>>,
    aggregates: Vec<ArrayRef>,
    looked: &Looked,
) -> Result<RecordBatch> {
    let rows = looked.present.len();
    let mut columns = keys.unwrap_or_else(|| {
        let keys = schema.fields().iter().take(schema.fields().len() - aggregates.len());
        keys.map(|key| new_null_array(key.data_type(), rows)).collect()
    });
    columns.extend(aggregates);
    batch_of(schema, columns, rows)
}

/// The extremes of what an expression makes of groups.
fn extremes_of(expression: &Arc<dyn PhysicalExpr>, groups: &RecordBatch) -> Result<Extremes> {
    let values = expression.evaluate(groups)?.into_array(groups.num_rows())?;
    let values = cast(&values, &DataType::Float64)?;
    Ok(extremes(as_float64_array(&values)?.iter().flatten()))
}
