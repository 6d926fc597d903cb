//! The aggregate inside the range functions: what a series' histograms of a window come to.
//!
//! It takes `(time, start_time, histogram, now)` of one series in any order, and keeps the rows until the last has come.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, TimestampNanosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, TimestampNanosecondType};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{ScalarValue, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Expr, Signature, Volatility};
use flyball_model::batch::time_type;
use flyball_model::rows::{HistogramArray, HistogramArrayBuilder, histogram_type};
use flyball_model::{Histogram, UnixNanos};

use super::arguments::{bad, histograms};
use super::merge::scalar;
use crate::functions::call::RangeWindow;
use crate::functions::numbers::growth::Seen;
use crate::functions::window::{self, Window};

/// What is made of the histograms of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Function {
    /// What was observed per second.
    Rate,
    /// What was observed.
    Increase,
    /// The last one.
    Latest,
}

/// The aggregate. It has no name in SQL.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Change {
    function: Function,
    /// How far the window reaches back, nanoseconds.
    length: i64,
    signature: Signature,
}

impl Change {
    pub(super) fn new(function: Function, length: i64) -> Self {
        Self { function, length, signature: Signature::any(4, Volatility::Immutable) }
    }
}

/// What an expression computes that is this aggregate, and how far back it looks.
pub(crate) fn range_of(expr: &Expr) -> Option<RangeWindow> {
    let expr = if let Expr::Alias(alias) = expr { alias.expr.as_ref() } else { expr };
    let Expr::AggregateFunction(aggregate) = expr else { return None };
    let &Change { function, length, .. } = aggregate.func.inner().downcast_ref::<Change>()?;
    let function = match function {
        Function::Rate => window::Function::Rate,
        Function::Increase => window::Function::Increase,
        Function::Latest => window::Function::Latest,
    };
    Some(RangeWindow { function, length })
}

impl AggregateUDFImpl for Change {
    fn name(&self) -> &str {
        match self.function {
            Function::Rate => "histogram_rate",
            Function::Increase => "histogram_increase",
            Function::Latest => "histogram_latest",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(histogram_type())
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let types =
            [("time", time_type()), ("start_time", time_type()), ("histogram", histogram_type()), ("now", time_type())];
        let field = |(name, item)| {
            Arc::new(Field::new_list(format_state_name(args.name, name), Field::new_list_field(item, true), true))
        };
        Ok(types.into_iter().map(field).collect())
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Samples {
            function: self.function,
            length: self.length,
            now: None,
            samples: Vec::new(),
            heap_bytes: 0,
        }))
    }
}

/// The histograms of a series, as they came.
#[derive(Debug)]
struct Samples {
    function: Function,
    length: i64,
    now: Option<i64>,
    /// Time, and histogram with its start time; `None` is a staleness marker.
    samples: Vec<(i64, Option<Histogram>)>,
    /// Bytes of all buckets.
    heap_bytes: usize,
}

impl Samples {
    fn result(&mut self) -> Option<Histogram> {
        // Of several at one time the last one counts.
        self.samples.sort_by_key(|sample| sample.0);
        if self.function == Function::Latest {
            return self.samples.last()?.1.clone();
        }
        let to = self.now?;
        let window = Window { from: to.saturating_sub(self.length), to };
        let mut counted: Vec<(i64, &Histogram)> = Vec::with_capacity(self.samples.len());
        for (time, histogram) in &self.samples {
            let Some(histogram) = histogram else { continue };
            match counted.last_mut() {
                Some(last) if last.0 == *time => last.1 = histogram,
                _ => counted.push((*time, histogram)),
            }
        }
        let growth = increase(&counted)?;
        let times: Vec<_> = counted.iter().map(|sample| sample.0).collect();
        let (covered, sampled) = Seen::of(&times)?.coverage(counted.first()?.1.count(), growth.count(), window, true);
        Some(match self.function {
            Function::Rate => growth.times(covered / sampled * 1e9 / self.length as f64),
            Function::Increase | Function::Latest => growth.times(covered / sampled),
        })
    }
}

/// What was observed between a sample, taken at an instant, and a later one. After a restart all of the later histogram was.
pub(crate) fn observed_between((at, earlier): (i64, &Histogram), later: &Histogram) -> Histogram {
    later.since(earlier, UnixNanos(at)).unwrap_or_else(|| later.clone())
}

/// What was observed after the first sample; `None` when there are fewer than two.
fn increase(samples: &[(i64, &Histogram)]) -> Option<Histogram> {
    let changes = samples.array_windows().map(|[earlier, (_, later)]| observed_between(*earlier, later));
    changes.reduce(|mut grown, change| {
        grown.merge(&change);
        grown
    })
}

impl Accumulator for Samples {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [time, start_time, column, now] = values else {
            return internal_err!("{} arguments instead of 4", values.len());
        };
        let times = |column: &ArrayRef| -> Result<TimestampNanosecondArray> {
            Ok(cast(column, &time_type())?.as_primitive::<TimestampNanosecondType>().clone())
        };
        let (time, start_time, now) = (times(time)?, times(start_time)?, times(now)?);
        let column = histograms(column)?;
        let column = HistogramArray::try_new(&column).map_err(bad)?;
        self.now = self.now.or_else(|| now.iter().flatten().next());
        for row in 0..column.len() {
            let started = start_time.is_valid(row).then(|| UnixNanos(start_time.value(row)));
            let histogram = column.get(row).map_err(bad)?.map(|histogram| histogram.started_at(started));
            self.heap_bytes += histogram.as_ref().map_or(0, Histogram::heap_bytes);
            self.samples.push((time.value(row), histogram));
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for row in 0..states.first().map_or(0, |state| state.len()) {
            let values: Vec<_> = states.iter().map(|state| state.as_list::<i32>().value(row)).collect();
            self.update_batch(&values)?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let times = |times: &mut dyn Iterator<Item = Option<i64>>| -> ArrayRef {
            Arc::new(TimestampNanosecondArray::from_iter(times).with_timezone("UTC"))
        };
        let started = |histogram: &Option<Histogram>| histogram.as_ref()?.totals().start_time.map(|start| start.0);
        let mut column = HistogramArrayBuilder::default();
        for (_, histogram) in &self.samples {
            match histogram {
                Some(histogram) => column.append(histogram),
                None => column.append_null(),
            }
        }
        let columns: [ArrayRef; 4] = [
            times(&mut self.samples.iter().map(|sample| Some(sample.0))),
            times(&mut self.samples.iter().map(|sample| started(&sample.1))),
            Arc::new(column.finish()),
            times(&mut self.samples.iter().map(|_| self.now)),
        ];
        Ok(columns.map(|column| SingleRowListArrayBuilder::new(column).build_list_scalar()).into())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(scalar(self.result().as_ref()))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.samples.capacity() * size_of::<(i64, Option<Histogram>)>() + self.heap_bytes
    }
}
