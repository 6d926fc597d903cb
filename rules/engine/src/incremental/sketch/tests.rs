//! Sketches of panes, put together, give what DataFusion makes of all values in the window at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::common::cast::as_float64_array;
use datafusion::functions_aggregate::expr_fn::{approx_distinct, approx_percentile_cont, max};
use datafusion::logical_expr::{EmitTo, Expr, col, lit};
use flyball_model::SeriesRegistry;
use proptest::prelude::*;

use super::super::accumulate::{Function, Layout, PaneOf};
use super::super::by_series::OfSeries;
use super::super::panes::{Chain, Panes};
use super::super::values::{Argument, ArgumentKind};
use super::{Sketch, Sketcher};
use crate::query::session::shared_state;

/// By how much the rank of a quantile may be wrong: a digest of 100 centroids has none of more than 2 % of the values in its middle.
const RANK_OFF_MAX: f64 = 0.02;

fn schema() -> SchemaRef {
    let fields = [("value", DataType::Float64), ("whole", DataType::Int64), ("text", DataType::Utf8)];
    Arc::new(Schema::new(fields.map(|(name, data_type)| Field::new(name, data_type, true)).to_vec()))
}

fn batch(values: &[i32]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(values.iter().map(|&value| Some(f64::from(value) / 4.0)).collect::<Float64Array>()),
        Arc::new(values.iter().map(|&value| (value % 7 != 0).then_some(i64::from(value))).collect::<Int64Array>()),
        Arc::new(values.iter().map(|value| Some(value.to_string())).collect::<StringArray>()),
    ];
    RecordBatch::try_new(schema(), columns).expect("columns that fit")
}

fn sketchers() -> Vec<Arc<Sketcher>> {
    let percentile = approx_percentile_cont(col("value").sort(true, false), lit(0.9), None);
    let exprs: [Expr; 4] = [percentile, approx_distinct(col("whole")), approx_distinct(col("text")), max(col("text"))];
    let schema = DFSchema::try_from(schema()).expect("a schema");
    let state = shared_state(1);
    exprs.iter().map(|expr| Arc::new(Sketcher::new(expr, &schema, &state).expect("an aggregate"))).collect()
}

fn layout(sketchers: &[Arc<Sketcher>]) -> Layout {
    let aggregate = |(place, sketcher): (usize, &Arc<Sketcher>)| {
        let kind = ArgumentKind::Sketched(Arc::clone(sketcher));
        let argument = Argument { text: place.to_string(), kind, filter: None, of_series: None, respects_nulls: false };
        (Function::Sketch, argument, sketcher.aggregate.field().data_type().clone())
    };
    Layout::new(sketchers.iter().enumerate().map(aggregate).collect())
}

/// Nobody asks for labels here.
fn of_series(registry: &SeriesRegistry) -> OfSeries<'_> {
    OfSeries { registry, series: &[], positions: &[] }
}

fn columns(layout: &Layout, panes: &Panes, chain: Chain) -> Vec<ArrayRef> {
    let sketches = |at| {
        let mut found: Vec<(usize, &Sketch)> = Vec::new();
        panes.sketches_of(chain, at, |sketch| found.push((0, sketch)));
        found
    };
    layout.columns(1, &vec![0.0; layout.words()], sketches, |_, _| 0).expect("columns")
}

/// What DataFusion makes of all values at once.
fn at_once(sketcher: &Sketcher, values: &[i32]) -> ArrayRef {
    let mut accumulator = sketcher.accumulator().expect("an accumulator");
    let batch = batch(values);
    let arguments = sketcher.arguments.iter().map(|argument| match argument {
        super::Argument::Constant(value) => value.to_array_of_size(values.len()).expect("an array"),
        super::Argument::Column(expr, _) => {
            expr.evaluate(&batch).and_then(|values| values.into_array(batch.num_rows())).expect("an array")
        }
    });
    let arguments: Vec<_> = arguments.collect();
    accumulator.update_batch(&arguments, &vec![0; values.len()], None, 1).expect("rows");
    accumulator.evaluate(EmitTo::All).expect("a value")
}

fn check(layout: &Layout, sketchers: &[Arc<Sketcher>], panes: &Panes, chain: Chain, mut values: Vec<i32>) {
    if values.is_empty() {
        return;
    }
    let columns = columns(layout, panes, chain);
    for (sketcher, column) in sketchers.iter().zip(&columns).skip(1) {
        assert_eq!(column, &at_once(sketcher, &values), "{}", sketcher.aggregate.fun().name());
    }
    let quantile = cast(&columns[0], &DataType::Float64).expect("a number");
    let quantile = as_float64_array(&quantile).expect("numbers").value(0) * 4.0;
    values.sort_unstable();
    let rank = |below: usize| below as f64 / values.len() as f64;
    let least = rank(values.partition_point(|&value| f64::from(value) < quantile.floor()));
    let most = rank(values.partition_point(|&value| f64::from(value) <= quantile.ceil()));
    let one = 1.0 / values.len() as f64;
    let off_max = RANK_OFF_MAX + one;
    assert!(least - off_max <= 0.9 && 0.9 <= most + off_max, "{quantile} is from {least} to {most}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.min(48), ..ProptestConfig::default() })]

    #[test]
    fn sketches_of_panes_are_those_of_all_values(
        steps in prop::collection::vec((0..40_i64, 0..3_usize, 0..600_usize, 1..5_000_i32), 1..40),
    ) {
        let sketchers = sketchers();
        let layout = layout(&sketchers);
        let mut panes = Panes::new(&layout);
        panes.forget(0);
        let (mut chain, mut model): (_, BTreeMap<i64, Vec<i32>>) = (Chain::default(), BTreeMap::new());
        let mut random = 1_u32;
        for (number, what, count, among) in steps {
            if what == 0 {
                // Few leave at a time, as when time goes on.
                let first = model.keys().next().map_or(0, |first| first + number % 3);
                model.retain(|&pane, _| pane >= first);
                panes.expire(&mut chain, first);
            } else {
                let values: Vec<i32> = (0..count)
                    .map(|_| {
                        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        (random >> 8) as i32 % among
                    })
                    .collect();
                let rows = layout.evaluate(&batch(&values), of_series(&SeriesRegistry::new(1))).expect("rows");
                for row in 0..count {
                    panes.add(&mut chain, &layout, number, |numbers, sketches| {
                        layout.add(PaneOf { numbers, sketches, distinct: None }, &rows, row, number, 0.0);
                    });
                }
                panes.fold(&layout).expect("states");
                model.entry(number).or_default().extend(values);
            }
            let all: Vec<i32> = model.values().flatten().copied().collect();
            check(&layout, &sketchers, &panes, chain, all.clone());
            panes.total(&mut chain, &layout, &mut vec![0.0; layout.words()]);
            panes.close_blocks(chain, &layout).expect("blocks");
            check(&layout, &sketchers, &panes, chain, all);
        }
        panes.clear(&mut chain);
        prop_assert!(chain.is_empty());
    }
}

#[test]
fn few_values_cost_few_bytes_and_what_leaves_is_used_again() {
    let sketchers = sketchers();
    let layout = layout(&sketchers);
    let mut panes = Panes::new(&layout);
    panes.forget(0);
    let before = panes.bytes();
    let mut chains = vec![Chain::default(); 100];
    let mut bytes = Vec::new();
    let rows = layout.evaluate(&batch(&[1, 2, 3]), of_series(&SeriesRegistry::new(1))).expect("rows");
    for pane in 0..50 {
        for chain in &mut chains {
            for row in 0..3 {
                panes.add(chain, &layout, pane, |numbers, sketches| {
                    layout.add(PaneOf { numbers, sketches, distinct: None }, &rows, row, pane, 0.0);
                });
            }
            panes.expire(chain, pane - 4);
        }
        bytes.push(panes.bytes() - before);
    }
    // A pane has sketches of four aggregates here; a HyperLogLog alone would be 16 KiB.
    assert!(bytes[10] < 100 * 6 * 4 * 256, "{} bytes", bytes[10]);
    assert_eq!(bytes[10], bytes[49]);
}
