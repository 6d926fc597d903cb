//! Arguments that functions refuse only when they run.

use datafusion::common::DFSchema;
use datafusion::common::tree_node::TreeNodeRecursion;
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
                let Some((function, fault)) = fault(expr, aggregate.input.schema()) else { continue };
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
