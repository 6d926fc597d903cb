//! The way of a batch into the hot store.
//!
//! Under the lock of a metric its points are compared with the newest of their series, get their ordinals, and are copied. The rare
//! ones that may be duplicates are looked up in memory under the same lock, so that two connections with the same body can't both
//! store it. If they may be in a young history file too, the metric is left for a second turn, since no file is read under a lock.

use std::ops::Range;
use std::time::Duration;

use flyball_log::{PointRun, Position};
use flyball_model::batch::is_stale;
use flyball_model::series::RegistryView;
use flyball_model::{MetricRef, PointBatch, SeriesRef};

use super::duplicates::Candidates;
use super::points::{HotPoints, MetricPoints};
use crate::appended::Appended;
use crate::options::CANDIDATES_MAX;
use crate::range::TimeRange;

/// A batch on its way.
#[derive(Debug)]
pub(crate) struct Work<'b> {
    pub(crate) batch: &'b PointBatch,
    needs: Position,
    /// Nanoseconds behind the newest of its series from which on a point is late.
    late: i64,
    /// In the order of the batch; ordinals are set when the metric's turn comes.
    runs: Vec<PointRun>,
    /// The runs by metric, and within a metric by place: the metric's number above, that of the run below. Numbers are put in order
    /// faster than structs, and senders that shuffle make as many runs as points.
    order: Vec<u64>,
    touched: Vec<MetricRef>,
    /// Places of duplicates.
    dropped: Vec<u32>,
    /// Places of what is late, duplicates too.
    behind: Vec<u32>,
}

/// The runs of a metric, as a part of the order.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) metric: MetricRef,
    runs: Range<usize>,
}

impl<'b> Work<'b> {
    pub(crate) fn new(view: &RegistryView<'_>, batch: &'b PointBatch, needs: Position, late: Duration) -> Self {
        let (mut runs, mut order): (Vec<PointRun>, Vec<u64>) = (Vec::new(), Vec::new());
        let mut last = None;
        for (place, &series) in (0..).zip(batch.series()) {
            let metric = view.metric_of(SeriesRef(series));
            match runs.last_mut() {
                Some(run) if last == Some(metric) => run.end = place + 1,
                _ => {
                    order.push(u64::from(metric.0) << 32 | runs.len() as u64);
                    runs.push(PointRun { start: place, end: place + 1, ordinal: 0 });
                    last = Some(metric);
                }
            }
        }
        if !order.is_sorted() {
            order.sort_unstable();
        }
        let late = i64::try_from(late.as_nanos()).unwrap_or(i64::MAX);
        Self { batch, needs, late, runs, order, touched: Vec::new(), dropped: Vec::new(), behind: Vec::new() }
    }

    /// The metrics of the batch, rising.
    pub(crate) fn groups(&self) -> Vec<Group> {
        let mut start = 0;
        let groups = self.order.chunk_by(|a, b| a >> 32 == b >> 32).map(|entries| {
            let runs = start..start + entries.len();
            start = runs.end;
            Group { metric: MetricRef((entries[0] >> 32) as u32), runs }
        });
        groups.collect()
    }

    /// The places of a group's runs in the batch, rising.
    fn runs(&self, group: &Group) -> impl Iterator<Item = Range<u32>> + '_ {
        self.order[group.runs.clone()].iter().map(|&entry| {
            let run = self.runs[entry as u32 as usize];
            run.start..run.end
        })
    }

    /// The places of a group's points, rising.
    pub(crate) fn places(&self, group: &Group) -> impl Iterator<Item = u32> + '_ {
        self.runs(group).flatten()
    }

    /// Notes the times of a group's points, and returns the places of those that may be duplicates, and of those that are late.
    fn note(&self, view: &RegistryView<'_>, group: &Group, points: &MetricPoints) -> (Vec<u32>, Vec<u32>) {
        let (series, times, values) = (self.batch.series(), self.batch.times(), self.batch.values());
        let (mut suspicious, mut behind) = (Vec::new(), Vec::new());
        for run in self.runs(group) {
            let at = run.start as usize..run.end as usize;
            for (place, (&series, &time)) in run.zip(series[at.clone()].iter().zip(&times[at])) {
                let newest = view.advance(SeriesRef(series), time);
                if time <= newest.max(points.floor) {
                    suspicious.push(place);
                    // What is not finite is counted as that, and markers are none of the sender's points.
                    if time < newest.saturating_sub(self.late) && values[place as usize].is_finite() {
                        behind.push(place);
                    }
                }
            }
        }
        (suspicious, behind)
    }

    /// The range of the times of some points.
    fn times(&self, places: &[u32]) -> TimeRange {
        let times = self.batch.times();
        places.iter().fold(TimeRange::EMPTY, |range, &place| {
            let time = times[place as usize];
            range.hull(TimeRange { from: time, to: time })
        })
    }

    /// Those of some points of a group that are in memory, or stand in the batch twice; rising.
    fn duplicates(&self, group: &Group, suspicious: &[u32], points: &MetricPoints) -> Vec<u32> {
        let mut found = Vec::new();
        for piece in suspicious.chunks(CANDIDATES_MAX) {
            let mut candidates = Candidates::new(self.batch, piece);
            self.runs(group).for_each(|run| candidates.look_before(run.start, run.end));
            points.look_for(&mut candidates);
            found.extend(candidates.found());
        }
        found.sort_unstable();
        found
    }

    /// Stores a group's points but for those at the places `dropped` (rising).
    fn store(&mut self, group: &Group, dropped: &[u32], points: &mut MetricPoints) {
        let (series, times, values) = (self.batch.series(), self.batch.times(), self.batch.values());
        let mut dropped = dropped;
        let mut any = false;
        for &entry in &self.order[group.runs.clone()] {
            let run = &mut self.runs[entry as u32 as usize];
            run.ordinal = points.next;
            let (mut start, of_run) = (run.start, dropped.partition_point(|&place| place < run.end));
            for &end in dropped[..of_run].iter().chain([&run.end]) {
                let kept = start as usize..end as usize;
                any |= !kept.is_empty();
                points.extend(&series[kept.clone()], &times[kept.clone()], &values[kept], self.needs);
                start = end + 1;
            }
            dropped = &dropped[of_run..];
        }
        if any {
            self.touched.push(group.metric);
        }
    }

    /// What was stored.
    pub(crate) fn finish(self) -> Finished {
        let Self { runs, mut touched, mut dropped, behind, .. } = self;
        touched.sort_unstable();
        dropped.sort_unstable();
        let late = behind.iter().filter(|place| dropped.binary_search(place).is_err()).count() as u64;
        Finished { runs, touched, dropped, late }
    }
}

/// A batch that was stored, but for its duplicates.
#[derive(Debug)]
pub(crate) struct Finished {
    runs: Vec<PointRun>,
    touched: Vec<MetricRef>,
    dropped: Vec<u32>,
    late: u64,
}

impl Finished {
    pub(crate) fn into_appended(self, batch: PointBatch) -> Appended {
        let Self { mut runs, touched, dropped, late } = self;
        if dropped.is_empty() {
            return Appended { touched, points: batch, runs, late, ..Appended::default() };
        }
        let mut points = PointBatch::with_capacity(batch.len() - dropped.len());
        let mut next_dropped = dropped.iter().peekable();
        let mut not_finite = 0;
        let mut each = batch.iter().zip(0_u32..);
        for run in &mut runs {
            let start = points.len() as u32;
            for ((series, time, value), place) in each.by_ref().take((run.end - run.start) as usize) {
                if next_dropped.next_if(|&&dropped| dropped == place).is_some() {
                    not_finite += u64::from(!value.is_finite() && !is_stale(value));
                } else {
                    points.push(series, time, value);
                }
            }
            *run = PointRun { start, end: points.len() as u32, ..*run };
        }
        runs.retain(|run| run.start < run.end);
        Appended { touched, points, runs, duplicates: dropped.len() as u64, duplicates_not_finite: not_finite, late }
    }
}

impl HotPoints {
    /// Stores the points of the metrics for which that can be done at once, and returns the others: those with points that may be
    /// in a file, by what `in_files` says of a metric and times. Hold the lock of the history, so that nothing moves into a file.
    pub(crate) fn append(
        &self,
        view: &RegistryView<'_>,
        work: &mut Work<'_>,
        in_files: impl Fn(MetricRef, TimeRange) -> bool,
    ) -> Vec<Group> {
        let groups = work.groups();
        let mut postponed = Vec::new();
        self.each(groups, |group, points| {
            let (suspicious, behind) = work.note(view, &group, points);
            work.behind.extend(behind);
            if suspicious.is_empty() {
                work.store(&group, &[], points);
            } else if in_files(group.metric, work.times(&suspicious)) {
                postponed.push(group);
            } else {
                let dropped = work.duplicates(&group, &suspicious, points);
                work.store(&group, &dropped, points);
                work.dropped.extend(dropped);
            }
        });
        postponed
    }

    /// Stores the points of postponed metrics, but for those at the places `in_files` (rising). Since the lock was let go between
    /// the two turns, every point is looked up in memory. Hold the lock of the history.
    pub(crate) fn append_postponed(&self, work: &mut Work<'_>, groups: Vec<Group>, in_files: &[u32]) {
        self.each(groups, |group, points| {
            let (mut dropped, left): (Vec<_>, Vec<_>) =
                work.places(&group).partition(|place| in_files.binary_search(place).is_ok());
            dropped.extend(work.duplicates(&group, &left, points));
            dropped.sort_unstable();
            work.store(&group, &dropped, points);
            work.dropped.extend(dropped);
        });
    }
}
