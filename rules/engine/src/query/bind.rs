//! Puts the instant of evaluation in place of `now()` and its kin.
//!
//! A prepared plan is optimized with `now()` standing in it, and each run binds it. That is sound because a rewrite that holds
//! for a function without arguments holds for any of its values; and it leaves only literals for the scans, which read
//! time ranges from them.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use flyball_model::UnixNanos;

use super::session::props_at;

/// The functions whose value is the instant of evaluation; aliases are resolved to these.
const CLOCKS: [&str; 3] = ["now", "current_date", "current_time"];

/// Folds expressions of a given instant.
pub(crate) struct Binder {
    simplifier: ExprSimplifier,
}

impl Binder {
    /// A binder in which `now()` is `now`; `config` says the time zone.
    pub(crate) fn new(now: UnixNanos, config: &std::sync::Arc<datafusion::config::ConfigOptions>) -> Result<Self> {
        let context = SimplifyContext::builder()
            .with_config_options(std::sync::Arc::clone(config))
            .with_query_execution_start_time(props_at(now)?.query_execution_start_time)
            .build();
        Ok(Self { simplifier: ExprSimplifier::new(context) })
    }

    /// The plan with the instant in place of every clock, in subqueries too.
    pub(crate) fn bind(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        plan.transform_down_with_subqueries(|node| {
            let preserver = NamePreserver::new(&node);
            node.map_expressions(|expr| {
                if !reads_clock(&expr)? {
                    return Ok(Transformed::no(expr));
                }
                let name = preserver.save(&expr);
                Ok(Transformed::yes(name.restore(self.bind_expr(expr)?)))
            })
        })
        .map(|transformed| transformed.data)
    }

    /// The expression with the instant in place of every clock, and what then is constant folded to a literal.
    pub(crate) fn bind_expr(&self, expr: Expr) -> Result<Expr> {
        expr.transform_down(|expr| {
            if expr.column_refs().is_empty() && !expr.contains_outer() && reads_clock(&expr)? {
                let folded = self.simplifier.simplify(expr)?;
                Ok(Transformed::new(folded, true, TreeNodeRecursion::Jump))
            } else {
                Ok(Transformed::no(expr))
            }
        })
        .map(|transformed| transformed.data)
    }
}

/// Whether an expression asks for the instant of evaluation.
pub(crate) fn reads_clock(expr: &Expr) -> Result<bool> {
    expr.exists(|expr| Ok(matches!(expr, Expr::ScalarFunction(call) if CLOCKS.contains(&call.func.name()))))
}

/// Whether a plan asks for the instant of evaluation, in subqueries too.
pub(crate) fn plan_reads_clock(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            found |= reads_clock(expr)?;
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    Ok(found)
}
