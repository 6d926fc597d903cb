//! Range functions that are kept: of each series what its figure needs, one pane after the other.
//!
//! A series sends its samples in the order of time, and is kept so. One that is late, or has the time of another, is not put in between: the
//! series is read again from the store, which knows what counts then.
//!
//! | functions | what is kept |
//! |---|---|
//! | `rate`, `increase`, `delta`, `changes`, `resets` | the first sample of each pane, and sums over the steps between samples (`marks`) |
//! | `latest`, `last_over`, `irate`, `idelta` | the last two samples (`ends`) |
//! | `avg_over`, `sum_over`, `count_over`, `min_over`, `max_over`, `stddev_over`, `var_over`, `deriv`, `predict_linear` | numbers of each pane that can be put together (`panes`) |
//! | `quantile_over`, `zscore`, `ewma`, `holt_winters` | all samples (`all`) |
//! | `rate`, `increase` of histograms | the first sample of each pane, and what was observed between samples (`growth`) |
//! | `latest` of histograms | the last sample |
//!
//! Samples are numbers (`numbers`) or histograms (`histograms`); what differs by that is in `keep`.
//!
//! The window of an evaluation begins with a pane and ends with the newest sample, so it may be up to a pane longer than what the rule asks
//! for. What grows with the length (`increase`, `delta`) is taken down to that of the rule.

mod all;
mod ends;
mod growth;
mod histograms;
mod keep;
mod marks;
mod numbers;

use std::fmt::Debug;

use datafusion::error::Result;
use flyball_model::{MetricRef, SeriesRef, UnixNanos};
use flyball_store::Store;
use hashbrown::HashMap;

use self::histograms::Histograms;
pub(super) use self::histograms::figure_schema;
use self::keep::{Keep, Value};
use self::numbers::Numbers;
use super::arrived::Arrived;
use super::grouping::NOBODYS;
use super::incoming::Part;
use super::leaving::Leaving;
use super::sliding::Sliding;
use super::slots::Slots;
use super::table::Stop;
use crate::functions::call::RangeWindow;
use crate::functions::window::{Function, Window};

/// What an allocation costs beside what is asked for.
const ALLOCATION_BYTES: usize = 16;

/// A series that was not met before.
const UNMET: u32 = u32::MAX;

/// What is known of a series beside its samples.
#[derive(Debug)]
struct Series<V> {
    number: SeriesRef,
    group: u32,
    /// The sample with the greatest time, markers too.
    newest: (i64, V),
    /// Whether it is to be read again.
    is_late: bool,
}

/// The samples of all series that the rules of a table look at. Series have places, in the order in which they were met.
#[derive(Debug)]
struct Ranges<K: Keep> {
    range: RangeWindow,
    window: Sliding,
    series: Vec<Series<K::Value>>,
    /// By position in the metric: the place of each series.
    places: Vec<u32>,
    kept: K,
    /// The places of the series of each group.
    of_group: Vec<Vec<u32>>,
    /// Groups whose figures may have changed.
    changed: Vec<u32>,
    is_changed: Vec<bool>,
    /// Series to be read again.
    late: Vec<u32>,
    /// Series.
    leaving: Leaving,
}

/// A range function over the series of a table, whatever their samples are.
pub(super) trait RangeFunction: Debug + Send {
    /// Forgets all series; panes to come are not before `base`.
    fn forget(&mut self, base: i64);

    /// Memory, near enough.
    fn bytes(&self) -> usize;

    /// Adds what has arrived in panes from `first` on to the samples of its series, but for the first `skip` points or records. Each has its group and
    /// the position of its series in the metric.
    ///
    /// # Errors
    /// When it can't be read.
    fn take(
        &mut self,
        arrived: (&Part, usize),
        groups: &[u32],
        positions: &[u32],
        slots: &Slots,
        first: i64,
    ) -> Result<()>;

    /// The window moves on to `first`.
    fn move_to(&mut self, first: i64);

    /// Reads those series again that had a late sample. Blocks on files.
    ///
    /// # Errors
    /// When the history can't be read.
    fn read_late(&mut self, store: &Store, metric: MetricRef, first: i64) -> Result<(), Stop>;

    /// The groups whose figures may have changed since this was asked last.
    fn take_changed(&mut self) -> Vec<u32>;

    /// The figures of the series of some groups, one group after the other: as points or records that have the number of a group instead of one of a
    /// series. With them the series of each.
    ///
    /// # Errors
    /// When arrow can't make columns of them.
    fn figures(&mut self, groups: &[u32], first: i64, now: UnixNanos) -> Result<(Arrived, Vec<u32>)>;
}

/// Whether a range function over numbers can be kept.
pub(super) fn is_kept(function: Function) -> bool {
    Numbers::of(function).is_some()
}

/// A range function over series that were not met yet; `None` for one that can't be kept.
pub(super) fn range_function(
    range: RangeWindow,
    window: Sliding,
    of_histograms: bool,
) -> Option<Box<dyn RangeFunction>> {
    Some(match of_histograms {
        true => Box::new(Ranges::new(range, window, Histograms::of(range.function)?)),
        false => Box::new(Ranges::new(range, window, Numbers::of(range.function)?)),
    })
}

impl<K: Keep> Ranges<K> {
    fn new(range: RangeWindow, window: Sliding, kept: K) -> Self {
        Self {
            range,
            window,
            series: Vec::new(),
            places: Vec::new(),
            kept,
            of_group: Vec::new(),
            changed: Vec::new(),
            is_changed: Vec::new(),
            late: Vec::new(),
            leaving: Leaving::default(),
        }
    }

    /// The place of a series of a group.
    #[inline]
    fn place_of(&mut self, series: u32, position: u32, group: u32) -> u32 {
        match self.places.get(position as usize) {
            Some(&place) if place != UNMET => place,
            _ => self.meet(series, position, group),
        }
    }

    fn meet(&mut self, number: u32, position: u32, group: u32) -> u32 {
        let place = self.series.len() as u32;
        if self.places.len() <= position as usize {
            self.places.resize(position as usize + 1, UNMET);
        }
        self.places[position as usize] = place;
        let newest = (i64::MIN, K::Value::NONE);
        self.series.push(Series { number: SeriesRef(number), group, newest, is_late: false });
        self.kept.push();
        if self.of_group.len() <= group as usize {
            self.of_group.resize(group as usize + 1, Vec::new());
            self.is_changed.resize(group as usize + 1, false);
        }
        self.of_group[group as usize].push(place);
        place
    }

    /// Adds a sample of a pane in the window.
    #[inline]
    fn add(&mut self, place: u32, pane: i64, time: i64, value: K::Value) {
        let series = &mut self.series[place as usize];
        if time <= series.newest.0 {
            let is_known = time == series.newest.0 && value.is_same(&series.newest.1);
            if !is_known && !series.is_late {
                series.is_late = true;
                self.late.push(place);
            }
            return;
        }
        series.newest = (time, value.clone());
        let group = series.group;
        // A marker ends a series: that is a sample to what is about now alone.
        if value.is_marker() && !self.range.function.is_of_now() {
            return;
        }
        if self.kept.add(place as usize, &self.window, pane, (time, value)) {
            self.leaving.add(pane, place);
        }
        self.mark(group);
    }

    fn mark(&mut self, group: u32) {
        if !self.is_changed[group as usize] {
            self.is_changed[group as usize] = true;
            self.changed.push(group);
        }
    }
}

impl<K: Keep> RangeFunction for Ranges<K> {
    fn forget(&mut self, base: i64) {
        (self.series, self.places) = (Vec::new(), Vec::new());
        self.kept.forget(base);
        (self.of_group, self.changed, self.is_changed) = (Vec::new(), Vec::new(), Vec::new());
        self.late = Vec::new();
        self.leaving = Leaving::default();
    }

    fn bytes(&self) -> usize {
        let of_group = size_of::<Vec<u32>>() + size_of::<bool>() + ALLOCATION_BYTES;
        self.kept.bytes(self.series.len(), self.leaving.len())
            + self.places.capacity() * size_of::<u32>()
            + self.series.len() * (size_of::<Series<K::Value>>() + size_of::<u32>() + ALLOCATION_BYTES)
            + self.of_group.len() * of_group
            + self.leaving.bytes()
    }

    fn take(
        &mut self,
        (part, skip): (&Part, usize),
        groups: &[u32],
        positions: &[u32],
        slots: &Slots,
        first: i64,
    ) -> Result<()> {
        let (series, times, value_of) = (part.arrived.series(), part.arrived.times(), K::values(&part.arrived)?);
        let mut panes = self.window.panes();
        for row in skip..times.len() {
            let (group, time) = (groups[row], times[row]);
            if group == NOBODYS || !slots.is_wanted(group) {
                continue;
            }
            let place = self.place_of(series[row], positions[row], group);
            let pane = panes.of(time);
            if pane >= first {
                self.add(place, pane, time, value_of(row)?);
            }
        }
        Ok(())
    }

    fn move_to(&mut self, first: i64) {
        while let Some(places) = self.leaving.next_before(first) {
            for place in places {
                if self.kept.expire(place as usize, &self.window, first) {
                    self.mark(self.series[place as usize].group);
                }
            }
        }
        if self.range.function.is_of_the_end() {
            (0..self.of_group.len() as u32).for_each(|group| self.mark(group));
        }
    }

    fn read_late(&mut self, store: &Store, metric: MetricRef, first: i64) -> Result<(), Stop> {
        if self.late.is_empty() {
            return Ok(());
        }
        let mut places = HashMap::with_capacity(self.late.len());
        for place in std::mem::take(&mut self.late) {
            let series = &mut self.series[place as usize];
            (series.is_late, series.newest) = (false, (i64::MIN, K::Value::NONE));
            self.kept.reset(place as usize);
            self.mark(self.series[place as usize].group);
            places.insert(self.series[place as usize].number, place);
        }
        let numbers: Vec<_> = places.keys().copied().collect();
        // The first instant of a pane is the last one of the pane before, which does not belong to the window.
        let from = self.window.start_of(first);
        for (series, samples) in self.kept.read(store, metric, &numbers, from)? {
            let Some(&place) = places.get(&series) else { continue };
            for (time, value) in samples {
                self.add(place, self.window.pane_of(time), time, value);
            }
        }
        Ok(())
    }

    fn take_changed(&mut self) -> Vec<u32> {
        let changed = std::mem::take(&mut self.changed);
        for &group in &changed {
            self.is_changed[group as usize] = false;
        }
        changed
    }

    fn figures(&mut self, groups: &[u32], first: i64, now: UnixNanos) -> Result<(Arrived, Vec<u32>)> {
        let (mut of, mut times, mut values, mut series) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let from = self.window.start_of(first).0;
        for &group in groups {
            for &place in &self.of_group[group as usize] {
                let Some(last_at) = self.kept.last_at(place as usize) else { continue };
                // A sender's clock may be ahead.
                let window = Window { from, to: now.0.max(last_at) };
                let Some(value) = self.kept.figure(place as usize, self.range, window) else { continue };
                of.push(group);
                times.push(if self.range.function.is_of_last_sample() { last_at } else { window.to });
                values.push(value);
                series.push(self.series[place as usize].number.0);
            }
        }
        Ok((K::arrived(of, times, values)?, series))
    }
}
