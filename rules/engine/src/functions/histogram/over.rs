//! `rate`, `increase` and `latest` over a native histogram: a plan in place of a table.
//!
//! ```sql
//! SELECT now() AS time, h['count'] AS count, …, h AS histogram, labels … FROM (
//!   SELECT …(time, start_time, histogram, now()) AS h, labels … FROM m WHERE time > now() - INTERVAL … AND time <= now() GROUP BY labels …
//! ) WHERE h IS NOT NULL
//! ```

use std::sync::Arc;

use arrow::datatypes::IntervalMonthDayNano;
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::Result;
use datafusion::functions::core::expr_fn::get_field;
use datafusion::functions_aggregate::expr_fn::max;
use datafusion::logical_expr::{AggregateUDF, Expr, LogicalPlanBuilder, ScalarUDF, cast, lit};
use flyball_model::batch::time_type;
use flyball_store::labels::label_type;

use super::change::{Change, Function};
use crate::catalog::relation::Relation;
use crate::functions::call::RangeWindow;
use crate::functions::window;

const TABLE: &str = "histograms";
const TIME: &str = "time";
const HISTOGRAM: &str = "histogram";
/// The parts of a histogram that have columns of their own.
const TOTALS: [&str; 4] = ["count", "sum", "min", "max"];

/// The plan over a histogram's table; `None` where the function has no meaning for histograms.
///
/// # Errors
/// When DataFusion can't plan it.
pub(in crate::functions) fn over(
    table: Relation,
    now: &Arc<ScalarUDF>,
    range: RangeWindow,
) -> Result<Option<ViewTable>> {
    let function = match range.function {
        window::Function::Rate => Function::Rate,
        window::Function::Increase => Function::Increase,
        window::Function::Latest => Function::Latest,
        _ => return Ok(None),
    };
    let schema = table.schema();
    let labels = schema.fields().iter().filter(|field| *field.data_type() == label_type());
    let labels: Vec<_> = labels.map(|field| column(field.name())).collect();
    let now = now.call(Vec::new());
    let interval = lit(ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(0, 0, range.length))));
    let within = column(TIME).gt(now.clone() - interval).and(column(TIME).lt_eq(now.clone()));
    let change = AggregateUDF::new_from_impl(Change::new(function, range.length));
    let arguments = vec![column(TIME), column("start_time"), column(HISTOGRAM), cast(now.clone(), time_type())];
    let change = change.call(arguments);
    let newest = max(column(TIME));
    let (histogram, newest_name) = (named(&change), named(&newest));
    let time = if function == Function::Latest { newest_name } else { cast(now, time_type()) };
    let totals = TOTALS.map(|name| get_field(histogram.clone(), name).alias(name));
    let columns =
        [time.alias(TIME)].into_iter().chain(totals).chain([histogram.clone().alias(HISTOGRAM)]).chain(labels.clone());
    let plan = LogicalPlanBuilder::scan(TableReference::bare(TABLE), provider_as_source(Arc::new(table)), None)?
        .filter(within)?
        .aggregate(labels, [change, newest])?
        .filter(histogram.is_not_null())?
        .project(columns)?
        .build()?;
    Ok(Some(ViewTable::new(plan, None)))
}

fn named(expr: &Expr) -> Expr {
    Expr::Column(Column::from_name(expr.schema_name().to_string()))
}

fn column(name: &str) -> Expr {
    Expr::Column(Column::new(Some(TableReference::bare(TABLE)), name))
}
