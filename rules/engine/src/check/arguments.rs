//! Arguments that functions refuse only when they run.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_expr::aggregate::LoweredAggregateBuilder;

use super::codes::ARGUMENTS;
use super::sql::place;
use crate::definition::{Problem, Rule};
use crate::query::inspect::Inspected;

/// Notes aggregates that can't begin: what is wrong with a constant, such as a quantile of 95, planning does not see.
pub(super) fn check(rule: &Rule, query: &Inspected, problems: &mut Vec<Problem>) {
    let mut walk = |node: &LogicalPlan| {
        if let LogicalPlan::Aggregate(aggregate) = node {
            for expr in &aggregate.aggr_expr {
                let found = fault(expr, aggregate.input.schema()).or_else(|| quantile_fault(expr));
                let Some((function, fault)) = found else { continue };
                let position = query.find(&function).map(|at| (at.line, at.column));
                problems.push(Problem::error(place(rule, position), format!("{function}: {fault}")).code(ARGUMENTS));
            }
        }
        Ok(TreeNodeRecursion::Continue)
    };
    // It can only fail where the closure does.
    let _ = query.optimized.apply_with_subqueries(&mut walk);
}

/// The function of an aggregate, and why it does not begin.
fn fault(expr: &Expr, over: &DFSchema) -> Option<(String, String)> {
    let (props, context) = (ExecutionProps::new(), PhysicalPlanningContext::default());
    let lowered = LoweredAggregateBuilder::new(expr, over, over.as_arrow(), &props, &context).build();
    // What can't be made from an expression alone, such as a subquery, is left to the run.
    let aggregate = lowered.ok()?.aggregate;
    match aggregate.create_accumulator().err()?.find_root() {
        DataFusionError::Plan(fault) => Some((aggregate.fun().name().to_owned(), fault.clone())),
        _ => None,
    }
}

/// The same of `histogram_quantile`, which hears of its quantile with the first row.
fn quantile_fault(expr: &Expr) -> Option<(String, String)> {
    const NAME: &str = "histogram_quantile";
    let expr = if let Expr::Alias(alias) = expr { alias.expr.as_ref() } else { expr };
    let Expr::AggregateFunction(call) = expr else { return None };
    let Expr::Literal(q, _) = call.params.args.first().filter(|_| call.func.name() == NAME)? else { return None };
    let ScalarValue::Float64(Some(q)) = q.cast_to(&DataType::Float64).ok()? else { return None };
    if (0.0..=1.0).contains(&q) {
        return None;
    }
    Some((NAME.to_owned(), format!("the quantile is {q}; it must be from 0 to 1: {NAME}(0.95, le, value)")))
}
