//! What a query groups by, from its text: its rules are written before anything can be planned.

use datafusion::sql::sqlparser::ast::{Expr, SelectItem, SetExpr, Statement};

use crate::definition::VALUE_COLUMN;
use crate::query::text::SqlText;

/// Other names mean something else in the metrics that are made.
const TAKEN: [&str; 4] = ["slo", "event", "range", "severity"];

/// The columns of the result but `value` and `time`, sorted.
///
/// # Errors
/// A sentence on what can't be known or used. A text that is no query gives none: that is told where queries are checked.
pub(super) fn columns(sql: &str) -> Result<Vec<String>, String> {
    let Ok(statement) = SqlText::new(sql).and_then(|text| text.parse()) else { return Ok(Vec::new()) };
    let Statement::Query(query) = statement else { return Ok(Vec::new()) };
    let mut body = query.body.as_ref();
    let select = loop {
        match body {
            SetExpr::Select(select) => break select,
            SetExpr::Query(query) => body = query.body.as_ref(),
            SetExpr::SetOperation { left, .. } => body = left.as_ref(),
            _ => return Err("the query is no SELECT whose columns are named".to_owned()),
        }
    };
    let mut columns = Vec::new();
    for item in &select.projection {
        let name = match item {
            SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => name.value.clone(),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                parts.last().map(|part| part.value.clone()).unwrap_or_default()
            }
            SelectItem::UnnamedExpr(expr) => {
                return Err(format!("the column '{expr}' has no name; write AS behind it"));
            }
            _ => return Err("'*' leaves open what the query groups by; name the columns".to_owned()),
        };
        if flyball_model::name::label_name(&name) != name || TAKEN.contains(&name.as_str()) {
            return Err(format!("the column '{name}' can't be a label of what is recorded; rename it with AS"));
        }
        columns.push(name);
    }
    if !columns.iter().any(|name| name == VALUE_COLUMN) {
        return Err("the query gives no 'value'; write AS value behind the count".to_owned());
    }
    columns.retain(|name| name != VALUE_COLUMN && name != "time");
    columns.sort();
    Ok(columns)
}
