//! Samples that are histograms.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, TimestampNanosecondArray, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimestampNanosecondType};
use datafusion::common::{exec_datafusion_err, internal_err};
use datafusion::error::Result;
use flyball_model::batch::time_type;
use flyball_model::rows::{HistogramArray, HistogramArrayBuilder, histogram_rows, histogram_type};
use flyball_model::{Histogram, MetricRef, SeriesRef, UnixNanos};
use flyball_store::Store;
use hashbrown::HashMap;

use super::super::arrived::Arrived;
use super::super::shape::{HISTOGRAM, TIME};
use super::super::sliding::Sliding;
use super::super::table::Stop;
use super::growth::Growth;
use super::keep::{Keep, Read, Value};
use crate::functions::call::RangeWindow;
use crate::functions::window::{Function, Window};

/// The columns of figures. Behind the first, in which stands whose each is, are those that the function's rows have.
static FIGURES: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("of", DataType::UInt32, false),
        Field::new(TIME, time_type(), false),
        Field::new(HISTOGRAM, histogram_type(), true),
    ]))
});

/// The columns of a function's rows that are no labels: when it was, and what was made of the series.
pub(in super::super) fn figure_schema() -> Result<Schema> {
    Ok(FIGURES.project(&[1, 2])?)
}

/// A histogram, or a staleness marker.
type Point = Option<Arc<Histogram>>;

/// What is kept of each series.
#[derive(Debug)]
pub(super) enum Histograms {
    /// With the bytes of all buckets.
    Growth { series: Vec<Growth>, heap_bytes: usize },
    /// The last sample in the window.
    Last { series: Vec<Option<(i64, Point)>>, heap_bytes: usize },
}

impl Histograms {
    /// No series yet; `None` for a function that has no meaning for histograms.
    pub(super) fn of(function: Function) -> Option<Self> {
        match function {
            Function::Rate | Function::Increase => Some(Histograms::Growth { series: Vec::new(), heap_bytes: 0 }),
            Function::Latest => Some(Histograms::Last { series: Vec::new(), heap_bytes: 0 }),
            _ => None,
        }
    }
}

impl Value for Point {
    const NONE: Self = None;

    fn is_marker(&self) -> bool {
        self.is_none()
    }

    fn is_same(&self, other: &Self) -> bool {
        self == other
    }
}

impl Keep for Histograms {
    type Value = Point;
    type Figure = Arc<Histogram>;

    fn forget(&mut self, _: i64) {
        match self {
            Histograms::Growth { series, heap_bytes } => (*series, *heap_bytes) = (Vec::new(), 0),
            Histograms::Last { series, heap_bytes } => (*series, *heap_bytes) = (Vec::new(), 0),
        }
    }

    fn bytes(&self, series: usize, panes: usize) -> usize {
        match self {
            Histograms::Growth { heap_bytes, .. } => {
                series * (size_of::<Growth>() + size_of::<Histogram>()) + panes * Growth::PANE_BYTES + heap_bytes
            }
            Histograms::Last { heap_bytes, .. } => {
                series * (size_of::<(i64, Point)>() + size_of::<Histogram>()) + heap_bytes
            }
        }
    }

    fn push(&mut self) {
        match self {
            Histograms::Growth { series, .. } => series.push(Growth::default()),
            Histograms::Last { series, .. } => series.push(None),
        }
    }

    fn reset(&mut self, place: usize) {
        match self {
            Histograms::Growth { series, heap_bytes } => {
                *heap_bytes -= std::mem::take(&mut series[place]).heap_bytes();
            }
            Histograms::Last { series, heap_bytes } => *heap_bytes -= bytes_of(series[place].take().as_ref()),
        }
    }

    fn add(&mut self, place: usize, window: &Sliding, pane: i64, (at, point): (i64, Point)) -> bool {
        match self {
            Histograms::Growth { series, heap_bytes } => {
                let Some(histogram) = point else { return false };
                let growth = &mut series[place];
                *heap_bytes -= growth.heap_bytes();
                let is_new = growth.add(window, pane, at, histogram);
                *heap_bytes += growth.heap_bytes();
                is_new
            }
            Histograms::Last { series, heap_bytes } => {
                let before = series[place].replace((at, point));
                *heap_bytes += bytes_of(series[place].as_ref());
                *heap_bytes -= bytes_of(before.as_ref());
                before.is_none_or(|(before_at, _)| window.pane_of(before_at) != pane)
            }
        }
    }

    fn expire(&mut self, place: usize, window: &Sliding, first: i64) -> bool {
        match self {
            Histograms::Growth { series, heap_bytes } => {
                let growth = &mut series[place];
                *heap_bytes -= growth.heap_bytes();
                let has_lost = growth.expire(window, first);
                *heap_bytes += growth.heap_bytes();
                has_lost
            }
            Histograms::Last { series, heap_bytes } => {
                let gone = series[place].take_if(|(at, _)| window.pane_of(*at) < first);
                *heap_bytes -= bytes_of(gone.as_ref());
                gone.is_some()
            }
        }
    }

    fn last_at(&self, place: usize) -> Option<i64> {
        match self {
            Histograms::Growth { series, .. } => series[place].last_at(),
            Histograms::Last { series, .. } => series[place].as_ref().map(|(at, _)| *at),
        }
    }

    fn figure(&mut self, place: usize, range: RangeWindow, window: Window) -> Option<Arc<Histogram>> {
        match self {
            Histograms::Growth { series, heap_bytes } => {
                let growth = &mut series[place];
                *heap_bytes -= growth.heap_bytes();
                let figure = growth.figure(range, window);
                *heap_bytes += growth.heap_bytes();
                figure.map(Arc::new)
            }
            // A marker says that the series has ended.
            Histograms::Last { series, .. } => series[place].as_ref().and_then(|(_, point)| point.clone()),
        }
    }

    fn values(arrived: &Arrived) -> Result<impl Fn(usize) -> Result<Point>> {
        let Arrived::Records(records) = arrived else { return internal_err!("numbers are no histograms") };
        let columns = (records.column_by_name("start_time"), records.column_by_name(HISTOGRAM));
        let (Some(start_time), Some(histograms)) = columns else {
            return internal_err!("histograms are in other columns");
        };
        let start_time = start_time.as_primitive::<TimestampNanosecondType>();
        let histograms =
            HistogramArray::try_new(histograms.as_struct()).map_err(|error| exec_datafusion_err!("{error}"))?;
        Ok(move |row: usize| {
            let started = start_time.is_valid(row).then(|| UnixNanos(start_time.value(row)));
            let histogram = histograms.get(row).map_err(|error| exec_datafusion_err!("{error}"))?;
            Ok(histogram.map(|histogram| Arc::new(histogram.started_at(started))))
        })
    }

    fn read(
        &self,
        store: &Store,
        metric: MetricRef,
        series: &[SeriesRef],
        from: UnixNanos,
    ) -> Result<Vec<Read<Point>>, Stop> {
        let stored = store.histograms(metric, series, from, UnixNanos(i64::MAX));
        let mut of_series: HashMap<SeriesRef, Vec<(i64, Point)>> = HashMap::new();
        for records in stored.map_err(|error| Stop::Failed(error.to_string()))? {
            for row in histogram_rows(&records).map_err(|error| Stop::Failed(error.to_string()))? {
                let sample = (row.time.0, row.histogram.map(Arc::new));
                // What counts where a marker does not is found without it.
                if sample.1.is_some() || matches!(self, Histograms::Last { .. }) {
                    of_series.entry(row.series).or_default().push(sample);
                }
            }
        }
        for samples in of_series.values_mut() {
            // Of several at one time the one that arrived last counts.
            samples.reverse();
            samples.sort_by_key(|(at, _)| *at);
            samples.dedup_by_key(|(at, _)| *at);
        }
        Ok(of_series.into_iter().collect())
    }

    fn arrived(of: Vec<u32>, times: Vec<i64>, figures: Vec<Arc<Histogram>>) -> Result<Arrived> {
        let mut histograms = HistogramArrayBuilder::default();
        figures.iter().for_each(|figure| histograms.append(figure));
        let times = TimestampNanosecondArray::from(times).with_timezone("UTC");
        let columns: Vec<ArrayRef> =
            vec![Arc::new(UInt32Array::from(of)), Arc::new(times), Arc::new(histograms.finish())];
        Ok(Arrived::Records(RecordBatch::try_new(Arc::clone(&FIGURES), columns)?))
    }
}

fn bytes_of(sample: Option<&(i64, Point)>) -> usize {
    sample.and_then(|(_, point)| point.as_ref()).map_or(0, |histogram| histogram.heap_bytes())
}
