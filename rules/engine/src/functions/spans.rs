//! `quantile_over(spans, INTERVAL '5 minutes', 0.95)` and its kin: durations of spans, by label set and name.
//!
//! Spans are events, not samples of series, so this is a plain aggregate over the table: the planner gets the plan of
//!
//! ```sql
//! SELECT now() AS time, percentile_cont(duration, 0.95) AS value, service_name, …, name FROM spans
//! WHERE time > now() - INTERVAL '5 minutes' AND time <= now() GROUP BY service_name, …, name
//! ```
//!
//! in place of a table, and predicates on labels and times are pushed down through it as through any other.

use std::sync::Arc;

use arrow::datatypes::{DataType, IntervalMonthDayNano};
use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::{avg, count, max, min, percentile_cont, stddev_pop, sum, var_pop};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, ScalarUDF, cast, lit};
use flyball_model::batch::time_type;
use flyball_model::series::SPANS;
use flyball_store::labels::label_type;

use super::call::RangeWindow;
use super::window::Function;
use crate::catalog::relation::Relation;

const DURATION: &str = "duration";
const NAME: &str = "name";
const TIME: &str = "time";
const VALUE: &str = "value";
/// What `spans` puts before a label that is called like a column.
const PREFIX: &str = "resource_";

/// What a range function makes of durations; `None` for those that need samples of one thing over time.
fn aggregate(function: Function) -> Option<Expr> {
    let duration = column(DURATION);
    Some(match function {
        Function::Avg => avg(duration),
        Function::Max => max(duration),
        Function::Min => min(duration),
        // Interpolated between the two nearest, as over the samples of a series.
        Function::Quantile(q) => percentile_cont(duration.sort(true, false), lit(q)),
        Function::Sum => sum(duration),
        Function::Count => count(duration),
        Function::Stddev => stddev_pop(duration),
        Function::Var => var_pop(duration),
        _ => return None,
    })
}

/// The plan over the table `spans`; `None` where the function has no meaning for spans.
///
/// # Errors
/// When DataFusion can't plan it.
pub(super) fn over(spans: Relation, now: &Arc<ScalarUDF>, range: RangeWindow) -> Result<Option<ViewTable>> {
    use datafusion::catalog::TableProvider;
    let Some(value) = aggregate(range.function) else { return Ok(None) };
    let schema = spans.schema();
    let is_group = |name: &str, label: bool| label || name == NAME;
    let groups = schema.fields().iter().filter(|field| is_group(field.name(), *field.data_type() == label_type()));
    let names: Vec<&String> = groups.map(|field| field.name()).collect();
    let groups: Vec<_> = names.iter().map(|name| column(name)).collect();
    // A label may be called like the figure; `spans` itself has no such column.
    let labels = names.iter().map(|&name| match name.as_str() {
        VALUE => column(name).alias(beside(&names)),
        _ => column(name),
    });
    let labels: Vec<_> = labels.collect();
    let now = now.call(Vec::new());
    let interval = IntervalMonthDayNano::new(0, 0, range.length);
    let interval = lit(ScalarValue::IntervalMonthDayNano(Some(interval)));
    let within = column(TIME).gt(now.clone() - interval).and(column(TIME).lt_eq(now.clone()));
    let figure = Expr::Column(Column::from_name(value.schema_name().to_string()));
    let figure = if range.function == Function::Count { cast(figure, DataType::Float64) } else { figure };
    let columns = [cast(now, time_type()).alias(TIME), figure.alias(VALUE)];
    let plan = LogicalPlanBuilder::scan(TableReference::bare(SPANS), provider_as_source(Arc::new(spans)), None)?
        .filter(within)?
        .aggregate(groups, [value])?
        .project(columns.into_iter().chain(labels))?
        .build()?;
    Ok(Some(ViewTable::new(plan, None)))
}

/// What the label `value` is called where no other label has that name.
fn beside(names: &[&String]) -> String {
    let mut name = format!("{PREFIX}{VALUE}");
    while names.contains(&&name) {
        name.insert_str(0, PREFIX);
    }
    name
}

fn column(name: &str) -> Expr {
    Expr::Column(Column::new(Some(TableReference::bare(SPANS)), name))
}
