//! What rules find in the groups of a view that have changed.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::error::Result;
use flyball_model::UnixNanos;
use hashbrown::HashMap;

use super::super::accumulate::Layout;
use super::super::grouping::Met;
use super::super::settle::{Looked, Looking, batch_of_groups};
use super::super::slots::Slots;
use super::super::table::{BATCH_GROUPS, Table, in_words};
use super::view::View;

impl Table {
    /// Lets each rule over a join look at the groups that have changed, of which those of the table are `changed`.
    pub(in super::super) fn settle_views(&mut self, changed: &[u32], now: UnixNanos) {
        let mut views = std::mem::take(&mut self.views);
        let grouping = Arc::clone(&self.grouping);
        for view in views.values_mut() {
            if let Err(error) = self.settle_view(view, changed, &grouping.met(), now) {
                let error = in_words(error);
                view.forget();
                for place in view.members() {
                    if let Some(member) = &mut self.members[place] {
                        member.fail(error.clone());
                    }
                }
            }
        }
        self.views = views;
    }

    fn settle_view(&mut self, view: &mut View, changed: &[u32], met: &Met, now: UnixNanos) -> Result<()> {
        if view.has_garbage() {
            view.forget();
            for place in view.members() {
                self.members[place].iter_mut().for_each(|member| member.restart(true));
            }
        }
        let mut of_view = view.refresh(self.grouping.classifier(), met, &self.slots, now)?;
        of_view.extend(changed.iter().filter_map(|&part| view.group_of(part)));
        let mut of_partitions: HashMap<u32, Vec<u32>> = HashMap::new();
        for group in of_view {
            of_partitions.entry(view.groups.partition(group)).or_default().push(group);
        }
        for (partition, groups) in of_partitions {
            self.look_at_view(view, partition, &groups, None)?;
        }
        self.look_at_view_anew(view)
    }

    /// Lets rules that have to do so look at all groups.
    fn look_at_view_anew(&mut self, view: &mut View) -> Result<()> {
        let mut anew: HashMap<u32, Vec<usize>> = HashMap::new();
        for place in view.members() {
            if let Some(member) = self.members[place].as_mut().filter(|member| member.anew) {
                member.restart(false);
                anew.entry(member.partition).or_default().push(place);
            }
        }
        for (partition, places) in anew {
            if view.is_global() {
                view.global(partition);
            }
            if let Some(lookers) = view.lookers.get_mut(&partition) {
                places.iter().for_each(|&place| lookers.finds(place, false));
            }
            let all: Vec<u32> =
                (0..view.len() as u32).filter(|&group| view.groups.partition(group) == partition).collect();
            self.look_at_view(view, partition, &all, Some(&places))?;
        }
        Ok(())
    }

    /// Lets rules look at some groups of their partition: those at these places, or all that may find something or did.
    fn look_at_view(
        &mut self,
        view: &mut View,
        partition: u32,
        groups: &[u32],
        places: Option<&[usize]>,
    ) -> Result<()> {
        let Some(mut lookers) = view.lookers.remove(&partition) else { return Ok(()) };
        let layout = &self.parts.layout;
        let (mut looked, mut done) = (Looked::default(), Ok(()));
        for groups in groups.chunks(BATCH_GROUPS) {
            view.look_at(groups, layout, &mut self.slots, &mut looked);
            let mut looking = Looking { lookers: &mut lookers, members: &mut self.members, layout };
            let batch = |keys| view.batch(layout, &self.slots, &looked, keys);
            done = done.and_then(|()| match places {
                Some(places) => looking.evaluate(&looked, places, None, batch),
                None => looking.look(&looked, batch),
            });
        }
        view.lookers.insert(partition, lookers);
        done
    }

    /// Whether something that is looked up may have changed.
    pub(in super::super) fn has_outdated_view(&self) -> bool {
        self.views.values().any(View::is_outdated)
    }
}

impl View {
    /// Puts together what belongs to some groups.
    pub(in super::super) fn look_at(&self, groups: &[u32], layout: &Layout, slots: &mut Slots, looked: &mut Looked) {
        let mut of_part = vec![0.0; layout.words()];
        looked.put(groups, layout, |group, numbers| {
            let mut is_there = self.is_global();
            for &part in self.parts_of(group) {
                of_part.fill(0.0);
                if slots.total(layout, part, &mut of_part) {
                    layout.merge(numbers, &of_part);
                    is_there = true;
                }
            }
            is_there
        });
    }

    /// The columns of groups; those that are grouped by only if they are read.
    pub(in super::super) fn batch(
        &self,
        layout: &Layout,
        slots: &Slots,
        looked: &Looked,
        with_keys: bool,
    ) -> Result<RecordBatch> {
        let keys = with_keys.then(|| self.key_columns(&looked.present));
        let parts = looked.present.iter().map(|&group| self.parts_of(group));
        let aggregates = slots.columns(layout, &looked.numbers, parts)?;
        batch_of_groups(&self.group_schema, keys.transpose()?, aggregates, looked)
    }
}
