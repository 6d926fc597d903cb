//! Samples that are numbers.

use datafusion::common::internal_err;
use datafusion::error::Result;
use flyball_model::{MetricRef, SeriesRef, UnixNanos};
use flyball_store::{Points, Store};

use super::super::accumulate::{Function as Aggregate, Layout, PaneOf};
use super::super::arrived::Arrived;
use super::super::panes::{Chain, Panes};
use super::super::sliding::Sliding;
use super::super::table::Stop;
use super::super::values::Values;
use super::all::{self, All, SAMPLE_BYTES};
use super::ends::{self, Ends};
use super::keep::{Keep, Read};
use super::marks::{Marks, step_of};
use crate::functions::call::RangeWindow;
use crate::functions::window::{Function, Window};

/// A sample: its time and value.
pub(super) type Sample = (i64, f64);

/// What is kept of each series.
#[derive(Debug)]
pub(super) enum Numbers {
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

impl Numbers {
    /// No series yet; `None` for a function that can't be kept.
    pub(super) fn of(function: Function) -> Option<Self> {
        if let Some(step) = step_of(function) {
            return Some(Numbers::Marks { series: Vec::new(), step });
        }
        if ends::suffice(function) {
            return Some(Numbers::Ends { series: Vec::new() });
        }
        if all::needs(function) {
            return Some(Numbers::All { series: Vec::new(), samples: 0 });
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
        Some(Numbers::Panes {
            series: Vec::new(),
            panes: Box::new(Panes::new(&layout)),
            values: layout.plain(),
            total: vec![0.0; layout.words()],
            layout,
        })
    }
}

impl Keep for Numbers {
    type Value = f64;
    type Figure = f64;

    fn forget(&mut self, base: i64) {
        match self {
            Numbers::Marks { series, .. } => *series = Vec::new(),
            Numbers::Ends { series } => *series = Vec::new(),
            Numbers::Panes { series, panes, .. } => {
                *series = Vec::new();
                panes.forget(base);
            }
            Numbers::All { series, samples } => (*series, *samples) = (Vec::new(), 0),
        }
    }

    fn bytes(&self, series: usize, panes: usize) -> usize {
        match self {
            Numbers::Marks { .. } => series * size_of::<Marks>() + panes * Marks::PANE_BYTES,
            Numbers::Ends { .. } => series * size_of::<Ends>(),
            Numbers::Panes { panes, .. } => series * size_of::<Timed>() + panes.bytes(),
            Numbers::All { samples, .. } => series * size_of::<All>() + samples * SAMPLE_BYTES,
        }
    }

    fn push(&mut self) {
        match self {
            Numbers::Marks { series, .. } => series.push(Marks::default()),
            Numbers::Ends { series } => series.push(Ends::default()),
            Numbers::Panes { series, .. } => series.push(Timed::default()),
            Numbers::All { series, .. } => series.push(All::default()),
        }
    }

    fn reset(&mut self, place: usize) {
        match self {
            Numbers::Marks { series, .. } => series[place] = Marks::default(),
            Numbers::Ends { series } => series[place] = Ends::default(),
            Numbers::Panes { series, panes, .. } => panes.clear(&mut series[place].chain),
            Numbers::All { series, samples } => *samples -= std::mem::take(&mut series[place]).len(),
        }
    }

    #[inline]
    fn add(&mut self, place: usize, window: &Sliding, pane: i64, sample: Sample) -> bool {
        match self {
            Numbers::Marks { series, step } => series[place].add(window, *step, pane, sample),
            Numbers::Ends { series } => series[place].add(window, pane, sample),
            Numbers::Panes { series, panes, layout, values, .. } => {
                let Timed { chain, last_at } = &mut series[place];
                *last_at = sample.0;
                panes.add(chain, layout, pane, |numbers, sketches| {
                    let pane = PaneOf { numbers, sketches, distinct: None };
                    layout.add(pane, values, 0, sample.0, sample.1);
                })
            }
            Numbers::All { series, samples } => {
                *samples += 1;
                series[place].add(window, pane, sample)
            }
        }
    }

    fn expire(&mut self, place: usize, window: &Sliding, first: i64) -> bool {
        match self {
            Numbers::Marks { series, .. } => series[place].expire(window, first),
            Numbers::Ends { series } => series[place].expire(window, first),
            Numbers::Panes { series, panes, .. } => panes.expire(&mut series[place].chain, first) > 0,
            Numbers::All { series, samples } => {
                let gone = series[place].expire(window, first);
                *samples -= gone;
                gone > 0
            }
        }
    }

    fn last_at(&self, place: usize) -> Option<i64> {
        match self {
            Numbers::Marks { series, .. } => series[place].last_at(),
            Numbers::Ends { series } => series[place].last_at(),
            Numbers::Panes { series, .. } => (!series[place].chain.is_empty()).then_some(series[place].last_at),
            Numbers::All { series, .. } => series[place].last_at(),
        }
    }

    fn figure(&mut self, place: usize, range: RangeWindow, window: Window) -> Option<f64> {
        match self {
            Numbers::Marks { series, .. } => series[place].figure(range, window),
            Numbers::Ends { series } => series[place].figure(range.function),
            Numbers::All { series, .. } => series[place].figure(range.function, window),
            Numbers::Panes { series, panes, layout, total, .. } => {
                total.fill(0.0);
                panes.total(&mut series[place].chain, layout, total);
                match range.function {
                    Function::PredictLinear(ahead) => layout.first_line_at(total, window.to.saturating_add(ahead)),
                    _ => layout.first_result(total),
                }
            }
        }
    }

    fn values(arrived: &Arrived) -> Result<impl Fn(usize) -> Result<f64>> {
        let Arrived::Points(points) = arrived else { return internal_err!("records are no numbers") };
        Ok(move |row: usize| Ok(points.value[row]))
    }

    fn read(
        &self,
        store: &Store,
        metric: MetricRef,
        series: &[SeriesRef],
        from: UnixNanos,
    ) -> Result<Vec<Read<f64>>, Stop> {
        let stored = store.samples(metric, Some(series), from, UnixNanos(i64::MAX));
        let stored = stored.map_err(|error| Stop::Failed(error.to_string()))?;
        let samples = |(times, values): (Vec<i64>, Vec<f64>)| times.into_iter().zip(values).collect();
        Ok(stored.into_iter().map(|of| (of.series, samples((of.times, of.values)))).collect())
    }

    fn arrived(of: Vec<u32>, times: Vec<i64>, figures: Vec<f64>) -> Result<Arrived> {
        Ok(Arrived::Points(Points { series: of.into(), time: times.into(), value: figures.into() }))
    }
}
