//! Queries that give a row whatever the data say.

use datafusion::logical_expr::LogicalPlan;

use super::super::codes::ALWAYS;
use super::Look;

pub(super) fn check(look: &mut Look<'_>) {
    if look.rule.record.is_none() && look.rule.slo.is_none() && is_one_total(&look.query.written) {
        let message = "an aggregate over all rows is one row whatever it is of, so this always fires".to_owned();
        let hint =
            "say what is broken: HAVING and a condition on the aggregate, such as HAVING count(*) > 10".to_owned();
        look.note(ALWAYS, None, None, message, hint);
    }
}

/// Whether a query's only row is an aggregate without groups, and nothing asks whether it is broken.
fn is_one_total(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => is_one_total(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_one_total(&alias.input),
        LogicalPlan::Sort(sort) => is_one_total(&sort.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        _ => false,
    }
}
