//! Aggregates whose state is more than a few numbers: quantiles, counts of what is distinct. DataFusion's accumulators compute them, and what
//! is kept of a pane is what they are given: the rows of its arguments while these are few, then the state that the accumulator makes of them. So a
//! group with few values costs few bytes, and its result is that of the plan to the bit, since both are computed from the same rows at once.
//!
//! States can be put together in any order, which is what tells these aggregates from others (`array_agg`), and are of a bounded size.
//!
//! | file | holds |
//! |---|---|
//! | `slab` | the sketches of all panes |

mod slab;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt64Array};
use arrow::compute::{cast, concat, take};
use arrow::datatypes::DataType;
use arrow::row::{Row, RowConverter, Rows, SortField};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{EmitTo, Expr, GroupsAccumulator};
use datafusion::physical_expr::aggregate::{AggregateFunctionExpr, LoweredAggregateBuilder};
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::{GroupsAccumulatorAdapter, PhysicalExpr};

pub(super) use self::slab::{Sketch, Sketches};

/// The one group that there is while a state is made.
const ONLY: usize = 0;

/// How an aggregate is computed.
#[derive(Debug)]
pub(super) struct Sketcher {
    aggregate: Arc<AggregateFunctionExpr>,
    arguments: Vec<Argument>,
    /// Of the arguments that differ from row to row.
    converter: RowConverter,
}

#[derive(Debug)]
enum Argument {
    Constant(ScalarValue),
    Column(Arc<dyn PhysicalExpr>, DataType),
}

/// What an accumulator makes of many rows: a row of each of its columns.
#[derive(Debug)]
pub(super) struct State {
    columns: Vec<ArrayRef>,
    bytes: usize,
}

impl Sketcher {
    /// Of an aggregate over columns of `schema`, without its FILTER.
    ///
    /// # Errors
    /// When DataFusion can't plan it.
    pub(super) fn new(aggregate: &Expr, schema: &DFSchema, state: &SessionState) -> Result<Self> {
        let (props, context) = (state.execution_props(), PhysicalPlanningContext::default());
        let builder = LoweredAggregateBuilder::new(aggregate, schema, schema.as_arrow(), props, &context);
        let aggregate = builder.with_name("sketch").build()?.aggregate;
        let argument = |expr: Arc<dyn PhysicalExpr>| -> Result<Argument> {
            if let Some(literal) = expr.downcast_ref::<Literal>() {
                return Ok(Argument::Constant(literal.value().clone()));
            }
            let data_type = expr.data_type(schema.as_arrow())?;
            Ok(Argument::Column(expr, data_type))
        };
        let arguments = aggregate.expressions().into_iter().map(argument).collect::<Result<Vec<_>>>()?;
        let fields = arguments.iter().filter_map(|argument| match argument {
            Argument::Constant(_) => None,
            Argument::Column(_, data_type) => Some(SortField::new(data_type.clone())),
        });
        let converter = RowConverter::new(fields.collect())?;
        // Whether it has one is found out now, not when the first point is there.
        let sketcher = Self { aggregate, arguments, converter };
        sketcher.accumulate(&[], 0)?;
        Ok(sketcher)
    }

    /// The arguments for points or records.
    pub(super) fn rows(&self, batch: &RecordBatch) -> Result<Rows> {
        let mut columns = Vec::with_capacity(self.arguments.len());
        for argument in &self.arguments {
            if let Argument::Column(expr, data_type) = argument {
                columns.push(cast(&expr.evaluate(batch)?.into_array(batch.num_rows())?, data_type)?);
            }
        }
        Ok(self.converter.convert_columns(&columns)?)
    }

    /// What the accumulator makes of some sketches.
    pub(super) fn state(&self, sketches: &[(usize, &Sketch)]) -> Result<State> {
        let of_one: Vec<_> = sketches.iter().map(|&(_, sketch)| (ONLY, sketch)).collect();
        let columns = self.accumulate(&of_one, 1)?.state(EmitTo::All)?;
        Ok(State { bytes: columns.iter().map(|column| column.get_array_memory_size()).sum(), columns })
    }

    /// The aggregate of so many groups, of sketches each with the number of its group, rising.
    pub(super) fn evaluate(&self, sketches: &[(usize, &Sketch)], groups: usize) -> Result<ArrayRef> {
        // An accumulator of groups is not made for those that have no row.
        let (mut of_rows, mut with_rows) = (Vec::with_capacity(sketches.len()), Vec::new());
        for &(group, sketch) in sketches {
            if with_rows.last() != Some(&group) {
                with_rows.push(group);
            }
            of_rows.push((with_rows.len() - 1, sketch));
        }
        let without = self.aggregate.create_accumulator()?.evaluate()?.to_array()?;
        if with_rows.is_empty() {
            return Ok(take(&without, &UInt64Array::from_value(0, groups), None)?);
        }
        let with = self.accumulate(&of_rows, with_rows.len())?.evaluate(EmitTo::All)?;
        if with_rows.len() == groups {
            return Ok(with);
        }
        let mut places = vec![with.len() as u64; groups];
        with_rows.iter().enumerate().for_each(|(place, &group)| places[group] = place as u64);
        Ok(take(&concat(&[&with, &without])?, &UInt64Array::from(places), None)?)
    }

    fn accumulate(&self, sketches: &[(usize, &Sketch)], groups: usize) -> Result<Box<dyn GroupsAccumulator>> {
        let mut accumulator = self.accumulator()?;
        let (parser, mut rows, mut of): (_, Vec<Row<'_>>, Vec<usize>) =
            (self.converter.parser(), Vec::new(), Vec::new());
        for &(group, sketch) in sketches {
            rows.extend(sketch.rows().map(|row| parser.parse(row)));
            of.resize(rows.len(), group);
        }
        let count = rows.len();
        let mut columns = self.converter.convert_rows(rows)?.into_iter();
        let mut arguments = Vec::with_capacity(self.arguments.len());
        for argument in &self.arguments {
            arguments.extend(match argument {
                Argument::Constant(value) => Some(value.to_array_of_size(count)?),
                // What is encoded as a row loses its dictionary.
                Argument::Column(_, data_type) => columns.next().map(|column| cast(&column, data_type)).transpose()?,
            });
        }
        accumulator.update_batch(&arguments, &of, None, groups)?;
        let states: Vec<_> = sketches.iter().filter_map(|(group, sketch)| Some((*group, sketch.state()?))).collect();
        let Some((_, first)) = states.first() else { return Ok(accumulator) };
        let column = |at: usize| {
            let parts: Vec<&dyn Array> = states.iter().map(|(_, state)| state.columns[at].as_ref()).collect();
            concat(&parts)
        };
        let columns = (0..first.columns.len()).map(column).collect::<std::result::Result<Vec<_>, _>>()?;
        let of: Vec<_> = states.iter().map(|&(group, _)| group).collect();
        accumulator.merge_batch(&columns, &of, groups)?;
        Ok(accumulator)
    }

    fn accumulator(&self) -> Result<Box<dyn GroupsAccumulator>> {
        if self.aggregate.groups_accumulator_supported() {
            return self.aggregate.create_groups_accumulator();
        }
        // Fails here instead of at the first group.
        self.aggregate.create_accumulator()?;
        let aggregate = Arc::clone(&self.aggregate);
        Ok(Box::new(GroupsAccumulatorAdapter::new(move || aggregate.create_accumulator())))
    }
}
