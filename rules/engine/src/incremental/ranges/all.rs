//! All samples of a series in the window, for what needs each of them: quantiles, and means that weigh samples by their age.

use flyball_model::batch::is_stale;

use super::super::sliding::Sliding;
use super::numbers::Sample;
use crate::functions::window::{Function, Window};

/// Memory of a sample.
pub(super) const SAMPLE_BYTES: usize = size_of::<Sample>();

/// Times and values, in the order of time.
#[derive(Debug, Default)]
pub(super) struct All {
    times: Vec<i64>,
    values: Vec<f64>,
}

/// Whether a function needs them.
pub(super) fn needs(function: Function) -> bool {
    matches!(function, Function::Quantile(_) | Function::Ewma(_) | Function::HoltWinters(..) | Function::Zscore)
}

impl All {
    /// Adds a sample that is newer than all before, and says whether it begins a pane.
    #[inline]
    pub(super) fn add(&mut self, window: &Sliding, pane: i64, (time, value): Sample) -> bool {
        let is_new = self.times.last().is_none_or(|&last| window.pane_of(last) != pane);
        self.times.push(time);
        self.values.push(value);
        is_new
    }

    /// Forgets the samples of panes before `first`, and says how many there were.
    pub(super) fn expire(&mut self, window: &Sliding, first: i64) -> usize {
        let gone = self.times.partition_point(|&time| window.pane_of(time) < first);
        self.times.drain(..gone);
        self.values.drain(..gone);
        gone
    }

    /// How many samples there are.
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    /// The time of the last sample; `None` when the window has none.
    pub(super) fn last_at(&self) -> Option<i64> {
        self.times.last().copied()
    }

    /// What the function makes of the samples. Staleness markers are none, and a series that ends with one has ended.
    pub(super) fn figure(&self, function: Function, window: Window) -> Option<f64> {
        if self.values.last().copied().is_some_and(is_stale) {
            return None;
        }
        if !self.values.iter().copied().any(is_stale) {
            return function.evaluate(&self.times, &self.values, window);
        }
        let samples = self.times.iter().zip(&self.values).filter(|(_, value)| !is_stale(**value));
        let (times, values): (Vec<_>, Vec<_>) = samples.unzip();
        function.evaluate(&times, &values, window)
    }
}
