//! Counters that are aggregated as they are, and functions of counters over gauges; by the kinds that senders name, and where none did, by `_total` at
//! the end of the metric's name.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{Expr, LogicalPlan};
use flyball_model::Kind;

use super::super::codes::{COUNTER, NOT_A_COUNTER};
use super::origin::{of_expr, relation_of};
use super::{Look, first_column};
use crate::catalog::TableRead;
use crate::functions::range_of;

/// Range functions whose value is a sample's as it came.
const OF_ONE_SAMPLE: [&str; 2] = ["latest", "last_over"];
/// Aggregates that mean nothing over the raw values of counters. `max` and `last_value` tell how much was counted, `count` how many there are.
const AGGREGATES: [&str; 12] = [
    "avg",
    "mean",
    "sum",
    "median",
    "approx_median",
    "stddev",
    "stddev_pop",
    "var",
    "var_pop",
    "var_samp",
    "approx_percentile_cont",
    "percentile_cont",
];
/// Range functions over gauges, and what to take of a counter.
const OF_GAUGES: [&str; 11] = [
    "avg_over",
    "sum_over",
    "stddev_over",
    "var_over",
    "quantile_over",
    "delta",
    "idelta",
    "deriv",
    "zscore",
    "ewma",
    "holt_winters",
];
/// Range functions over counters, and what to take of a gauge.
const OF_COUNTERS: [(&str, &str); 3] = [("rate", "deriv"), ("increase", "delta"), ("irate", "idelta")];

pub(super) fn check(look: &mut Look<'_>) {
    let query = look.query;
    let _ = query.written.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::Aggregate(aggregate) => {
                for expr in &aggregate.aggr_expr {
                    aggregated(look, expr, &aggregate.input);
                }
            }
            LogicalPlan::TableScan(scan) => {
                if let Some(relation) = relation_of(scan)
                    && let TableRead::Metric(metric) = relation.read
                    && let Some(function) = range_of(relation.table.as_ref())
                {
                    let registry = look.database.store().registry().read();
                    let name = registry.metric_name(metric).to_string();
                    let kind = kind(registry.info(metric).kind, &name);
                    drop(registry);
                    ranged(look, function, kind, &name);
                }
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
}

/// What a metric is, by its sender's word or by its name.
fn kind(told: Kind, name: &str) -> Kind {
    if told == Kind::Unknown && name.ends_with("_total") { Kind::Counter } else { told }
}

fn aggregated(look: &mut Look<'_>, expr: &Expr, input: &LogicalPlan) {
    let call = match expr {
        Expr::AggregateFunction(call) => call,
        Expr::Alias(alias) => match alias.expr.as_ref() {
            Expr::AggregateFunction(call) => call,
            _ => return,
        },
        _ => return,
    };
    let function = call.func.name();
    if !AGGREGATES.contains(&function) {
        return;
    }
    let Some(argument) = call.params.args.first() else { return };
    let Some(origin) = of_expr(argument, input) else { return };
    let TableRead::Metric(metric) = origin.relation.read else { return };
    let made = range_of(origin.relation.table.as_ref()).is_some_and(|function| !OF_ONE_SAMPLE.contains(&function));
    if origin.column != "value" || made {
        return;
    }
    let registry = look.database.store().registry().read();
    let name = registry.metric_name(metric).to_string();
    if kind(registry.info(metric).kind, &name) != Kind::Counter {
        return;
    }
    drop(registry);
    let message = format!("'{name}' is a counter, and {function} of its value says how long it has been counting");
    let hint = format!("FROM rate({name}, INTERVAL '5 minutes') has its growth per second");
    look.note(COUNTER, first_column(argument).as_ref(), Some(&name), message, hint);
}

fn ranged(look: &mut Look<'_>, function: &str, kind: Kind, name: &str) {
    if kind == Kind::Counter && OF_GAUGES.contains(&function) {
        let message = format!("'{name}' is a counter, and {function} takes its resets for values");
        let hint = "take rate or increase; aggregates of rates are avg(value) FROM rate(…)".to_owned();
        look.note(COUNTER, None, Some(name), message, hint);
    }
    if matches!(kind, Kind::Gauge | Kind::UpDownCounter)
        && let Some((_, better)) = OF_COUNTERS.iter().find(|pair| pair.0 == function)
    {
        let message = format!("'{name}' is a gauge, and {function} takes each of its falls for a reset");
        look.note(NOT_A_COUNTER, None, Some(name), message, format!("take {better}({name}, …)"));
    }
}
