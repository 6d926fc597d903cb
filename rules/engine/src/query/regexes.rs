//! Regular expressions that are written out in a query are compiled when it is planned.
//!
//! The engine compiles them when it meets the first row, so a check of a rule would find nothing, and the rule fails with its first evaluation.

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, Operator};
use regex::Regex;

use super::diagnose::regex_fault;
use super::error::QueryError;
use super::text::SqlText;

/// The functions whose second argument is a regular expression.
const FUNCTIONS: [&str; 5] = ["regexp_like", "regexp_match", "regexp_replace", "regexp_count", "regexp_instr"];

/// Checks each one, with the engine's own bound on what it takes when it is compiled.
pub(super) fn check(plan: &LogicalPlan, text: &SqlText) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| match pattern(expr) {
                Some(pattern) => compile(pattern, text).map(|()| TreeNodeRecursion::Continue),
                None => Ok(TreeNodeRecursion::Continue),
            })
        })
    })?;
    Ok(())
}

fn pattern(expr: &Expr) -> Option<&str> {
    use Operator::{RegexIMatch, RegexMatch, RegexNotIMatch, RegexNotMatch};
    let pattern = match expr {
        Expr::BinaryExpr(binary) => match binary.op {
            RegexMatch | RegexIMatch | RegexNotMatch | RegexNotIMatch => binary.right.as_ref(),
            _ => return None,
        },
        Expr::ScalarFunction(call) if FUNCTIONS.contains(&call.name()) => call.args.get(1)?,
        _ => return None,
    };
    match pattern {
        Expr::Literal(ScalarValue::Utf8(Some(pattern)), _) => Some(pattern),
        _ => None,
    }
}

fn compile(pattern: &str, text: &SqlText) -> Result<(), DataFusionError> {
    let Err(error) = Regex::new(pattern) else { return Ok(()) };
    let fault = match error {
        regex::Error::CompiledTooBig(bytes) => format!("Regular expression did not compile: CompiledTooBig({bytes})"),
        other => other.to_string(),
    };
    let message = regex_fault(&fault).unwrap_or(fault);
    Err(QueryError::Plan { message, position: text.find_text(pattern) }.into_datafusion())
}

#[cfg(test)]
mod tests {
    use crate::query::testing::Fixture;

    async fn check(sql: &str, expected: Option<(usize, &str)>) {
        let fixture = Fixture::new().series("m", &[("host", "a")], &[(990, 2.0)]);
        let found = fixture.database.prepare(sql).await.err();
        let found = found.map(|error| (error.position().unwrap_or_default().1, error.to_string()));
        assert_eq!(found.as_ref().map(|(column, message)| (*column, message.as_str())), expected, "{sql}");
    }

    #[tokio::test]
    async fn what_is_no_regular_expression_or_too_large_a_one_is_found_where_it_stands() {
        let large =
            "a regular expression can't be used: it would take more than 10485760 bytes when compiled; repeat less";
        let open = "a regular expression can't be used: unclosed group";
        check("SELECT host FROM m WHERE host ~ '^(a+)+$'", None).await;
        check("SELECT host FROM m WHERE host = '('", None).await;
        check("SELECT host FROM m WHERE host ~ '('", Some((33, open))).await;
        check("SELECT host FROM m WHERE host !~* '('", Some((35, open))).await;
        check("SELECT host FROM m WHERE host ~ '((a{1000}){1000}){1000}'", Some((33, large))).await;
        check("SELECT host FROM m WHERE regexp_like(host, '(?:x{0,1000}){0,1000}')", Some((44, large))).await;
        check("SELECT regexp_replace(host, '(', '') FROM m", Some((29, open))).await;
        check("SELECT host FROM m WHERE value IN (SELECT value FROM m WHERE host ~ '(')", Some((69, open))).await;
    }
}
