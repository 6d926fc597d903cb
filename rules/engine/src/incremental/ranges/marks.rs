//! A counter or a gauge, by what lies between its samples.

use super::super::sliding::Sliding;
use super::numbers::Sample;
use crate::functions::call::RangeWindow;
use crate::functions::numbers::growth::{Seen, lost_by_reset};
use crate::functions::numbers::seconds;
use crate::functions::numbers::steps::{is_change, is_reset};
use crate::functions::window::{Function, Window};

/// The first sample of a pane, and what lies between it and the first sample of the next pane.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: i64,
    value: f64,
    /// Sum over the steps from a sample to the next one; what a step counts for depends on the function.
    steps: f64,
    /// Samples of the pane.
    count: u32,
}

/// The samples of a series in the window: the first of each pane, and the last of all.
#[derive(Debug, Default)]
pub(super) struct Marks {
    marks: Vec<Mark>,
    last: Sample,
}

/// What a step from a sample to the next one counts for; `None` for functions of which no marks are kept.
pub(super) fn step_of(function: Function) -> Option<fn(f64, f64) -> f64> {
    Some(match function {
        Function::Rate | Function::Increase => lost_by_reset,
        Function::Delta => |_, _| 0.0,
        Function::Changes => |before, after| f64::from(u8::from(is_change(before, after))),
        Function::Resets => |before, after| f64::from(u8::from(is_reset(before, after))),
        _ => return None,
    })
}

impl Marks {
    /// Memory of a pane.
    pub(super) const PANE_BYTES: usize = size_of::<Mark>();

    /// Adds a sample that is newer than all before, and says whether it begins a pane.
    #[inline]
    pub(super) fn add(&mut self, window: &Sliding, step: fn(f64, f64) -> f64, pane: i64, sample: Sample) -> bool {
        let (_, before) = std::mem::replace(&mut self.last, sample);
        let (at, value) = sample;
        if let Some(mark) = self.marks.last_mut() {
            mark.steps += step(before, value);
            if window.pane_of(mark.at) == pane {
                mark.count += 1;
                return false;
            }
        }
        // A series that sends seldom takes as much as it needs, and not the next power of two.
        if self.marks.len() == self.marks.capacity() {
            self.marks.reserve_exact((self.marks.len() / 2).max(2));
        }
        self.marks.push(Mark { at, value, steps: 0.0, count: 1 });
        true
    }

    /// Forgets the samples of panes before `first`, and says whether there were any.
    pub(super) fn expire(&mut self, window: &Sliding, first: i64) -> bool {
        let gone = self.marks.iter().take_while(|mark| window.pane_of(mark.at) < first).count();
        self.marks.drain(..gone);
        gone > 0
    }

    /// The time of the last sample; `None` when the window has none.
    pub(super) fn last_at(&self) -> Option<i64> {
        (!self.marks.is_empty()).then_some(self.last.0)
    }

    /// What the function makes of the samples in `window`, which may be longer than the rule asks for.
    pub(super) fn figure(&self, RangeWindow { function, length }: RangeWindow, window: Window) -> Option<f64> {
        let first = self.marks.first()?;
        let (steps, count) =
            self.marks.iter().fold((0.0, 0), |(steps, count), mark| (steps + mark.steps, count + mark.count as usize));
        let counter = match function {
            Function::Changes | Function::Resets => return Some(steps),
            function => function != Function::Delta,
        };
        if count < 2 {
            return None;
        }
        let (last_at, last) = self.last;
        let growth = last - first.value + steps;
        let seen = Seen { first_at: first.at, last_at, count };
        let (covered, sampled) = seen.coverage(first.value, growth, window, counter);
        let rate = growth * covered / sampled / seconds(window.to - window.from);
        Some(if function == Function::Rate { rate } else { rate * seconds(length) })
    }
}
