//! Groups that are made of groups of a table and rows that are looked up for them.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{cast, filter_record_batch, is_not_null, is_null};
use arrow::datatypes::{DataType, Field, SchemaRef, UInt32Type};
use datafusion::common::{DFSchema, TableReference};
use datafusion::error::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::PhysicalExpr;
use flyball_model::UnixNanos;
use hashbrown::{HashMap, HashSet};

use super::super::batch::batch_of;
use super::super::classify::Classifier;
use super::super::grouping::{Met, NOBODYS};
use super::super::groups::Groups;
use super::super::keys::{Keys, bytes_of};
use super::super::lookers::{Lookers, Threshold};
use super::super::obstacle::Obstacle;
use super::super::shape::{JoinKind, Shape, ViewShape, key_name};
use super::super::slots::Slots;
use super::super::table::BATCH_GROUPS;
use super::lookup::{Change, Lookup, filtered, schema_of};
use super::mirror::Mirrors;

/// What the groups of the table are called, which come before their keys.
const GROUP: &str = "group#";

/// What it takes to know that a group of the table asked for a text, near enough.
const ASKED_BYTES: usize = 96;

/// Groups that have lost all that belonged to them are forgotten when there are so many more than twice the others.
const EMPTY_MORE: usize = 4096;

/// Tables that are looked up for the groups of a table, and what is grouped by then.
#[derive(Debug)]
pub(in super::super) struct View {
    /// The columns of groups of the table.
    part_schema: SchemaRef,
    steps: Vec<Step>,
    /// Over the groups' columns and all that was looked up.
    predicates: Vec<Arc<dyn PhysicalExpr>>,
    /// With the number of the part where each is a group of its own.
    keys: Keys,
    /// Keys and aggregates.
    pub(super) group_schema: SchemaRef,
    /// The rules that look at it, by partition.
    pub(super) lookers: HashMap<u32, Lookers>,
    /// Of each group of the table: which one of these it belongs to.
    of: Vec<u32>,
    pub(super) groups: Groups,
    /// Of each: what belongs to it.
    parts: Vec<Vec<u32>>,
    /// How many have none.
    empty: usize,
}

/// A table that is looked up.
#[derive(Debug)]
struct Step {
    lookup: Lookup,
    /// By what: over the columns before.
    by: Arc<dyn PhysicalExpr>,
    /// These and those that are found.
    after: SchemaRef,
    /// The groups of the table that each text is looked up for, or was.
    asked: HashMap<String, HashSet<u32>>,
}

impl View {
    /// The view of a shape, over a table with this classifier.
    pub(in super::super) fn new(
        shape: &Shape,
        view: &ViewShape,
        classifier: &Classifier,
        mirrors: &Mirrors,
        state: &SessionState,
        group_schema: SchemaRef,
    ) -> Result<Self, Obstacle> {
        let mut names = vec![None];
        let mut fields = vec![Field::new(GROUP, DataType::UInt32, false)];
        for (place, data_type) in classifier.keys().types().iter().enumerate() {
            names.push(None);
            fields.push(Field::new(key_name(place), data_type.clone(), true));
        }
        let part_schema = schema_of(&fields);
        let mut steps = Vec::new();
        for (table, by) in view.tables.iter().zip(&view.by) {
            let lookup = Lookup::new(table, mirrors, state)?;
            let by = state.create_physical_expr(by.clone(), &named(&names, &fields)?)?;
            for (name, field) in &lookup.fields {
                names.push(Some(name.clone()));
                fields.push(field.clone());
            }
            steps.push(Step { lookup, by, after: schema_of(&fields), asked: HashMap::new() });
        }
        let (named, schema) = (named(&names, &fields)?, schema_of(&fields));
        let physical = |expr: &Expr| state.create_physical_expr(expr.clone(), &named);
        let keys = Keys::new(view.keys.iter().map(physical).collect::<Result<_>>()?, &schema, shape.per_series)?;
        Ok(Self {
            part_schema,
            steps,
            predicates: view.predicates.iter().map(physical).collect::<Result<_>>()?,
            keys,
            group_schema,
            lookers: HashMap::new(),
            of: Vec::new(),
            groups: Groups::default(),
            parts: Vec::new(),
            empty: 0,
        })
    }

    /// A rule looks at it.
    pub(in super::super) fn join(&mut self, partition: u32, place: usize, threshold: Option<Threshold>) {
        self.lookers.entry(partition).or_default().join(place, threshold);
    }

    /// A rule does so no longer; says whether it was the last.
    pub(in super::super) fn leave(&mut self, place: usize) -> bool {
        self.lookers.values_mut().for_each(|lookers| lookers.leave(place));
        self.lookers.retain(|_, lookers| !lookers.is_empty());
        self.lookers.is_empty()
    }

    /// The places of the rules that look at it.
    pub(super) fn members(&self) -> impl Iterator<Item = usize> {
        self.lookers.values().flat_map(Lookers::places)
    }

    /// Whether one of its tables may have changed.
    pub(in super::super) fn is_outdated(&self) -> bool {
        self.steps.iter().any(|step| step.lookup.is_outdated())
    }

    /// Forgets its groups; those of the table are others now.
    pub(in super::super) fn forget(&mut self) {
        (self.of, self.groups, self.parts, self.empty) = Default::default();
        self.lookers.values_mut().for_each(Lookers::find_nothing);
        self.steps.iter_mut().for_each(|step| step.asked = HashMap::new());
    }

    /// Memory, near enough.
    pub(in super::super) fn bytes(&self) -> usize {
        let parts = self.parts.capacity() * size_of::<Vec<u32>>() + 2 * self.of.capacity() * size_of::<u32>();
        let asked = self.of.len() * self.steps.len() * ASKED_BYTES;
        parts + asked + self.groups.bytes() + self.steps.iter().map(|step| step.lookup.bytes()).sum::<usize>()
    }

    /// Whether there is nothing to group by: then there is a group although nothing belongs to it.
    pub(super) fn is_global(&self) -> bool {
        self.keys.is_empty()
    }

    /// The group of a partition where there is nothing to group by.
    pub(super) fn global(&mut self, partition: u32) -> u32 {
        let group = self.groups.intern(&[], partition);
        self.know_groups();
        group
    }

    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    /// What belongs to a group.
    pub(super) fn parts_of(&self, group: u32) -> &[u32] {
        &self.parts[group as usize]
    }

    /// Which group a group of the table belongs to.
    pub(super) fn group_of(&self, part: u32) -> Option<u32> {
        self.of.get(part as usize).copied().filter(|&group| group != NOBODYS)
    }

    /// Whether it had better forget its groups, since most are empty.
    pub(super) fn has_garbage(&self) -> bool {
        self.empty > 2 * (self.groups.len() - self.empty) + EMPTY_MORE
    }

    /// Looks at what is looked up, and at the groups of the table that it has not met, or that something else is found for now. Gives the groups that
    /// have won or lost a part.
    pub(super) fn refresh(
        &mut self,
        classifier: &Classifier,
        met: &Met,
        slots: &Slots,
        now: UnixNanos,
    ) -> Result<HashSet<u32>> {
        let mut parts = self.outdated(now)?;
        parts.extend(self.of.len() as u32..slots.len() as u32);
        parts.retain(|&part| slots.is_wanted(part));
        self.of.resize(slots.len(), NOBODYS);
        let mut changed = HashSet::new();
        for parts in parts.chunks(BATCH_GROUPS) {
            let mut found = self.groups_of(classifier, met, parts)?.into_iter().peekable();
            for &part in parts {
                let group = found.next_if(|(of, _)| *of == part).map_or(NOBODYS, |(_, group)| group);
                self.put(part, group, &mut changed);
            }
        }
        Ok(changed)
    }

    /// Looks at what is looked up, and says for which parts something else is found, in order.
    fn outdated(&mut self, now: UnixNanos) -> Result<Vec<u32>> {
        let (mut outdated, mut all) = (HashSet::new(), false);
        for Step { lookup, asked, .. } in &mut self.steps {
            match lookup.refresh(now)? {
                Change::None => {}
                // Those that still ask for it will say so.
                Change::Some(texts) => outdated.extend(texts.iter().filter_map(|text| asked.remove(&**text)).flatten()),
                Change::All => all = true,
            }
        }
        if all {
            return Ok((0..self.of.len() as u32).collect());
        }
        let mut outdated = Vec::from_iter(outdated);
        outdated.sort_unstable();
        Ok(outdated)
    }

    /// Parts with the groups that they belong to, in the order of parts; those that belong to none are left out.
    fn groups_of(&mut self, classifier: &Classifier, met: &Met, parts: &[u32]) -> Result<Vec<(u32, u32)>> {
        let batch = self.looked_up(classifier, met, parts)?;
        let keys = self.keys.of(&batch, || Arc::clone(batch.column(0)))?;
        let group = |(row, &part): (usize, &u32)| {
            (part, self.groups.intern(bytes_of(keys.as_ref(), row), met.groups.partition(part)))
        };
        let found = parts_in(&batch).iter().enumerate().map(group).collect();
        self.know_groups();
        Ok(found)
    }

    /// The columns of some parts with all that is looked up for them; those that nothing is found for where something must be are left out.
    fn looked_up(&mut self, classifier: &Classifier, met: &Met, parts: &[u32]) -> Result<RecordBatch> {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(UInt32Array::from(parts.to_vec()))];
        columns.extend(classifier.keys().columns(parts.iter().map(|&part| met.groups.key(part)))?);
        let mut batch = batch_of(&self.part_schema, columns, parts.len())?;
        for Step { lookup, by, after, asked } in &mut self.steps {
            let texts = cast(&by.evaluate(&batch)?.into_array(batch.num_rows())?, &DataType::Utf8)?;
            let texts = texts.as_string::<i32>();
            for (text, &part) in texts.iter().zip(parts_in(&batch)) {
                if let Some(text) = text {
                    asked.entry_ref(text).or_default().insert(part);
                }
            }
            let rows = lookup.look_up(texts);
            let mut columns = batch.columns().to_vec();
            columns.extend(lookup.columns(&rows)?);
            batch = batch_of(after, columns, batch.num_rows())?;
            batch = match lookup.kind {
                JoinKind::Inner | JoinKind::Semi => filter_record_batch(&batch, &is_not_null(&rows)?)?,
                JoinKind::Anti => filter_record_batch(&batch, &is_null(&rows)?)?,
                JoinKind::Outer => batch,
            };
        }
        for predicate in &self.predicates {
            batch = filtered(&batch, predicate)?;
        }
        Ok(batch)
    }

    /// Makes room for groups that are new.
    fn know_groups(&mut self) {
        self.empty += self.groups.len() - self.parts.len();
        self.parts.resize(self.groups.len(), Vec::new());
    }

    /// Puts a group of the table where it belongs.
    fn put(&mut self, part: u32, group: u32, changed: &mut HashSet<u32>) {
        let before = std::mem::replace(&mut self.of[part as usize], group);
        if before == group {
            return;
        }
        if before != NOBODYS {
            let parts = &mut self.parts[before as usize];
            parts.retain(|&other| other != part);
            self.empty += usize::from(parts.is_empty());
            changed.insert(before);
        }
        if group != NOBODYS {
            let parts = &mut self.parts[group as usize];
            self.empty -= usize::from(parts.is_empty());
            parts.push(part);
            changed.insert(group);
        }
    }

    /// The columns that are grouped by, of some groups.
    pub(super) fn key_columns(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        self.keys.columns(groups.iter().map(|&group| self.groups.key(group)))
    }
}

/// The groups of the table in a batch, which are its first column.
fn parts_in(batch: &RecordBatch) -> &[u32] {
    batch.column(0).as_primitive::<UInt32Type>().values()
}

/// Columns by the names that expressions call them by.
fn named(names: &[Option<TableReference>], fields: &[Field]) -> Result<DFSchema> {
    let fields = names.iter().cloned().zip(fields.iter().cloned().map(Arc::new)).collect();
    DFSchema::new_with_metadata(fields, Default::default())
}
