//! The last two samples of a series.

use flyball_model::batch::is_stale;

use super::super::sliding::Sliding;
use super::numbers::Sample;
use crate::functions::numbers::steps;
use crate::functions::window::Function;

/// The last sample and the one before, as far as they lie in the window.
#[derive(Debug, Default)]
pub(super) struct Ends {
    before: Option<Sample>,
    last: Option<Sample>,
}

/// Whether a function needs no other samples.
pub(super) fn suffice(function: Function) -> bool {
    matches!(function, Function::Latest | Function::Last | Function::Irate | Function::Idelta)
}

impl Ends {
    /// Adds a sample that is newer than all before, and says whether it begins a pane.
    #[inline]
    pub(super) fn add(&mut self, window: &Sliding, pane: i64, sample: Sample) -> bool {
        self.before = self.last.replace(sample);
        self.before.is_none_or(|(time, _)| window.pane_of(time) != pane)
    }

    /// Forgets the samples of panes before `first`, and says whether there were any.
    pub(super) fn expire(&mut self, window: &Sliding, first: i64) -> bool {
        let had = self.before.is_some() || self.last.is_some();
        for sample in [&mut self.before, &mut self.last] {
            *sample = sample.filter(|&(time, _)| window.pane_of(time) >= first);
        }
        had && (self.before.is_none() || self.last.is_none())
    }

    /// The time of the last sample; `None` when the window has none.
    pub(super) fn last_at(&self) -> Option<i64> {
        self.last.map(|(time, _)| time)
    }

    /// What the function makes of them.
    pub(super) fn figure(&self, function: Function) -> Option<f64> {
        let (last_at, last) = self.last?;
        match function {
            // A marker says that the series has ended.
            Function::Latest => (!is_stale(last)).then_some(last),
            Function::Last => Some(last),
            _ => {
                let (before_at, before) = self.before?;
                match function {
                    Function::Irate => steps::instant_rate(&[before_at, last_at], &[before, last]),
                    _ => steps::instant_delta(&[before, last]),
                }
            }
        }
    }
}
