//! The samples of many series, by place.

use super::super::accumulate::{Function as Aggregate, Layout, PaneOf};
use super::super::panes::{Chain, Panes};
use super::super::sliding::Sliding;
use super::super::values::Values;
use super::all::{self, All, SAMPLE_BYTES};
use super::ends::{self, Ends};
use super::marks::{Marks, step_of};
use crate::functions::call::RangeWindow;
use crate::functions::window::{Function, Window};

/// A sample: its time and value.
pub(super) type Sample = (i64, f64);

/// What is kept of each series.
#[derive(Debug)]
pub(super) enum Kept {
    Marks {
        series: Vec<Marks>,
        step: fn(f64, f64) -> f64,
    },
    Ends {
        series: Vec<Ends>,
    },
    Panes {
        series: Vec<Timed>,
        panes: Box<Panes>,
        layout: Layout,
        values: Vec<Values>,
        /// All panes of a series, while its figure is made.
        total: Vec<f64>,
    },
    /// With the number of all samples.
    All {
        series: Vec<All>,
        samples: usize,
    },
}

/// Panes, and the time of the last sample.
#[derive(Debug, Default)]
pub(super) struct Timed {
    chain: Chain,
    last_at: i64,
}

impl Kept {
    /// No series yet; `None` for a function that can't be kept.
    pub(super) fn of(function: Function) -> Option<Self> {
        if let Some(step) = step_of(function) {
            return Some(Kept::Marks { series: Vec::new(), step });
        }
        if ends::suffice(function) {
            return Some(Kept::Ends { series: Vec::new() });
        }
        if all::needs(function) {
            return Some(Kept::All { series: Vec::new(), samples: 0 });
        }
        let aggregate = match function {
            Function::Avg => Aggregate::Avg,
            Function::Sum => Aggregate::Sum,
            Function::Count => Aggregate::Count,
            Function::Min => Aggregate::Min,
            Function::Max => Aggregate::Max,
            Function::Stddev => Aggregate::Variance { sample: false, root: true },
            Function::Var => Aggregate::Variance { sample: false, root: false },
            Function::Deriv | Function::PredictLinear(_) => Aggregate::Line,
            _ => return None,
        };
        let layout = Layout::of_value(aggregate);
        Some(Kept::Panes {
            series: Vec::new(),
            panes: Box::new(Panes::new(&layout)),
            values: layout.plain(),
            total: vec![0.0; layout.words()],
            layout,
        })
    }

    /// Forgets all series; panes to come are not before `base`.
    pub(super) fn forget(&mut self, base: i64) {
        match self {
            Kept::Marks { series, .. } => *series = Vec::new(),
            Kept::Ends { series } => *series = Vec::new(),
            Kept::Panes { series, panes, .. } => {
                *series = Vec::new();
                panes.forget(base);
            }
            Kept::All { series, samples } => (*series, *samples) = (Vec::new(), 0),
        }
    }

    /// Memory of so many series with so many panes, near enough.
    pub(super) fn bytes(&self, series: usize, panes: usize) -> usize {
        match self {
            Kept::Marks { .. } => series * size_of::<Marks>() + panes * Marks::PANE_BYTES,
            Kept::Ends { .. } => series * size_of::<Ends>(),
            Kept::Panes { panes, .. } => series * size_of::<Timed>() + panes.bytes(),
            Kept::All { samples, .. } => series * size_of::<All>() + samples * SAMPLE_BYTES,
        }
    }

    /// One more series, without samples.
    pub(super) fn push(&mut self) {
        match self {
            Kept::Marks { series, .. } => series.push(Marks::default()),
            Kept::Ends { series } => series.push(Ends::default()),
            Kept::Panes { series, .. } => series.push(Timed::default()),
            Kept::All { series, .. } => series.push(All::default()),
        }
    }

    /// Forgets the samples of a series.
    pub(super) fn reset(&mut self, place: usize) {
        match self {
            Kept::Marks { series, .. } => series[place] = Marks::default(),
            Kept::Ends { series } => series[place] = Ends::default(),
            Kept::Panes { series, panes, .. } => panes.clear(&mut series[place].chain),
            Kept::All { series, samples } => *samples -= std::mem::take(&mut series[place]).len(),
        }
    }

    /// Adds a sample that is newer than all before, and says whether it begins a pane.
    #[inline]
    pub(super) fn add(&mut self, place: usize, window: &Sliding, pane: i64, sample: Sample) -> bool {
        match self {
            Kept::Marks { series, step } => series[place].add(window, *step, pane, sample),
            Kept::Ends { series } => series[place].add(window, pane, sample),
            Kept::Panes { series, panes, layout, values, .. } => {
                let Timed { chain, last_at } = &mut series[place];
                *last_at = sample.0;
                panes.add(chain, layout, pane, |numbers, sketches| {
                    let pane = PaneOf { numbers, sketches, distinct: None };
                    layout.add(pane, values, 0, sample.0, sample.1);
                })
            }
            Kept::All { series, samples } => {
                *samples += 1;
                series[place].add(window, pane, sample)
            }
        }
    }

    /// Forgets the samples of panes before `first`, and says whether there were any.
    pub(super) fn expire(&mut self, place: usize, window: &Sliding, first: i64) -> bool {
        match self {
            Kept::Marks { series, .. } => series[place].expire(window, first),
            Kept::Ends { series } => series[place].expire(window, first),
            Kept::Panes { series, panes, .. } => panes.expire(&mut series[place].chain, first) > 0,
            Kept::All { series, samples } => {
                let gone = series[place].expire(window, first);
                *samples -= gone;
                gone > 0
            }
        }
    }

    /// The time of the last sample in the window; `None` when there is none.
    pub(super) fn last_at(&self, place: usize) -> Option<i64> {
        match self {
            Kept::Marks { series, .. } => series[place].last_at(),
            Kept::Ends { series } => series[place].last_at(),
            Kept::Panes { series, .. } => (!series[place].chain.is_empty()).then_some(series[place].last_at),
            Kept::All { series, .. } => series[place].last_at(),
        }
    }

    /// What the function makes of the samples of a series in `window`; `None` when there are too few.
    pub(super) fn figure(&mut self, place: usize, range: RangeWindow, window: Window) -> Option<f64> {
        match self {
            Kept::Marks { series, .. } => series[place].figure(range, window),
            Kept::Ends { series } => series[place].figure(range.function),
            Kept::All { series, .. } => series[place].figure(range.function, window),
            Kept::Panes { series, panes, layout, total, .. } => {
                total.fill(0.0);
                panes.total(&mut series[place].chain, layout, total);
                match range.function {
                    Function::PredictLinear(ahead) => layout.first_line_at(total, window.to.saturating_add(ahead)),
                    _ => layout.first_result(total),
                }
            }
        }
    }
}
