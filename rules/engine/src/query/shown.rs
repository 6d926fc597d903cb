//! Expressions of plans, as they are written in SQL.

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::ast::{AccessExpr, Expr as Sql, Subscript};
use datafusion::sql::unparser::Unparser;
use datafusion::sql::unparser::dialect::{Dialect, IntervalStyle};

/// The longest text that is shown of an expression, in characters.
const SHOWN_MAX: usize = 200;

/// An expression as SQL, more or less as it was written: without the names of tables before its columns.
pub(crate) fn shown(expr: &Expr) -> String {
    let plain = expr.clone().transform_up(|expr| {
        Ok(match expr {
            Expr::Column(column) => Transformed::yes(Expr::Column(Column::from_name(unqualified(&column.name)))),
            Expr::Alias(alias) => Transformed::yes(*alias.expr),
            other => Transformed::no(other),
        })
    });
    let text = plain.and_then(|plain| Unparser::new(&Words).with_pretty(true).expr_to_sql(&plain.data));
    // What can't be written again is shown as the engine shows it.
    let text = text
        .map_or_else(|_| expr.human_display().to_string(), |sql| sql.to_string().replace(".000000000 SECS", " SECS"));
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Names stand in quotes only where they have to: words of SQL need none where a column is meant.
struct Words;

impl Dialect for Words {
    fn identifier_quote_style(&self, name: &str) -> Option<char> {
        let part_of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.';
        let is_plain = name.chars().all(part_of_name) && !name.starts_with(|c: char| c.is_ascii_digit());
        // A column that is an expression is called as it is written.
        if is_plain || name.contains('(') { None } else { Some('"') }
    }

    fn interval_style(&self) -> IntervalStyle {
        IntervalStyle::PostgresVerbose
    }

    fn scalar_function_to_sql_overrides(
        &self,
        unparser: &Unparser<'_>,
        function: &str,
        args: &[Expr],
    ) -> Result<Option<Sql>> {
        Ok(match (function, args) {
            ("character_length", _) => Some(unparser.scalar_function_to_sql("length", args)?),
            // `attributes['code']`
            ("get_field", [of, name]) => {
                let index = unparser.expr_to_sql(name)?;
                let access_chain = vec![AccessExpr::Subscript(Subscript::Index { index })];
                Some(Sql::CompoundFieldAccess { root: Box::new(unparser.expr_to_sql(of)?), access_chain })
            }
            _ => None,
        })
    }
}

/// The name of a column that is an expression, `avg(load.value)`, without the tables before its columns.
fn unqualified(name: &str) -> String {
    if !name.contains('(') {
        return name.to_owned();
    }
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut text = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('.') {
        let table = before
            .rfind(|c| !part_of_name(c))
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        // `1.5` has a point too.
        let is_table = before[table..].starts_with(|c: char| c.is_alphabetic() || c == '_');
        text.push_str(if is_table { &before[..table] } else { before });
        if !is_table {
            text.push('.');
        }
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::testing::Fixture;

    #[tokio::test]
    async fn an_expression_is_shown_as_it_was_written() {
        let fixture = Fixture::new().series("m", &[("Zone", "x"), ("host", "a")], &[(990, 1.0)]);
        for (sql, from) in [
            ("m.host", "m"),
            ("\"Zone\"", "m"),
            ("upper(m.host) || '.x'", "m"),
            ("length(m.host) + 1.5", "m"),
            ("CASE WHEN (host = 'q.r') THEN 'x' ELSE 'y' END", "m"),
            ("date_bin(INTERVAL '10 SECS', time)", "m"),
            ("m.host LIKE 'a%' AND (value > 3 OR value IS NULL)", "m"),
            ("attributes['http.method']", "logs"),
            ("severity_number IN (1, 2)", "logs"),
        ] {
            let inspected = fixture.database.inspect(&format!("SELECT {sql} FROM {from}")).expect(sql);
            let shown: Vec<_> = inspected.written.expressions().iter().map(shown).collect();
            assert_eq!(shown, [sql.replace("m.", "")], "{sql}");
        }
        let long = format!("SELECT {} FROM m", vec!["value"; 100].join(" + "));
        let inspected = fixture.database.inspect(&long).expect("a sum");
        let text = shown(&inspected.written.expressions()[0]);
        assert_eq!((text.chars().count(), text.ends_with('…')), (SHOWN_MAX + 1, true), "{text}");
    }
}
