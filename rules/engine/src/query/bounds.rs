//! Bounds on the text of a query, so that planning it ends soon and never overflows the stack.
//!
//! The time limit can't stop planning, and a stack overflow ends the process. The parser bounds what nests in brackets; chains of operators
//! (`a + a + a …`), of UNION, of tables, and WITH tables that double each other are left to these checks.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Query, Statement, TableFactor, Visit, Visitor};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::error::QueryError;
use super::text::{NESTING_MAX, position, too_deep};

/// The longest text. A query of a person has hundreds of bytes, one of a program with a long IN list some thousands.
const TEXT_BYTES_MAX: usize = 256 << 10;
/// Operators in one expression, one above the other. Unoptimized builds overflow a stack of 2 MiB at about 300.
const DEPTH_MAX: usize = 200;
/// UNION, INTERSECT and EXCEPT in one text.
const SET_OPERATORS_MAX: usize = 32;
/// Tables in one text, a WITH table counting as often as it is read.
const TABLES_MAX: usize = 64;

fn too_large(what: &str, max: usize, fix: &str, at: Option<&TokenWithSpan>) -> QueryError {
    let message = format!("the query has more than {max} {what}: {fix}");
    QueryError::Plan { message, position: at.map(|token| position(token.span.start)) }
}

/// Checks the length of a text before anything else looks at it.
pub(super) fn check_length(sql: &str) -> Result<(), QueryError> {
    if sql.len() <= TEXT_BYTES_MAX {
        return Ok(());
    }
    Err(too_large("bytes", TEXT_BYTES_MAX, "send the data that it holds as a metric, and join", None))
}

/// Checks how deep the expressions of a text are.
///
/// The depth is counted from above: operators since the last comma, on each level of brackets; AND and OR bind loosest, so what stands
/// before one is not above what stands behind it.
pub(super) fn check_depth(tokens: &[TokenWithSpan]) -> Result<(), QueryError> {
    let mut outer = Vec::new();
    let (mut logic, mut other) = (0, 0);
    let mut outside = 0;
    let mut set_operators = 0;
    let mut cases = 0_usize;
    for token in tokens {
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                other += usize::from(token.token == Token::LBracket);
                outer.push((logic, other));
                outside += logic + other;
                (logic, other) = (0, 0);
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                (logic, other) = outer.pop().unwrap_or_default();
                outside = outside.saturating_sub(logic + other);
            }
            Token::Comma => (logic, other) = (0, 0),
            Token::Word(word) => match word.keyword {
                Keyword::AND | Keyword::OR | Keyword::XOR => (logic, other) = (logic + 1, 0),
                Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT | Keyword::MINUS => set_operators += 1,
                // The parser counts these too, and then takes CASE for a column.
                Keyword::CASE => cases += 1,
                Keyword::END => cases = cases.saturating_sub(1),
                Keyword::NoKeyword => {}
                keyword if POSTFIX.contains(&keyword) => other += 1,
                _ => {}
            },
            Token::Whitespace(_) | Token::Period | Token::SemiColon | Token::Number(..) => {}
            Token::SingleQuotedString(_) | Token::EOF => {}
            // Whatever else there is, is an operator, or as rare as one.
            _ => other += 1,
        }
        if outside + logic + other > DEPTH_MAX {
            return Err(too_large("operators in one expression", DEPTH_MAX, "use IN (…) or WITH", Some(token)));
        }
        if cases > NESTING_MAX {
            let message = too_deep();
            return Err(QueryError::Syntax { message, position: Some(position(token.span.start)) });
        }
        if set_operators > SET_OPERATORS_MAX {
            return Err(too_large(
                "UNIONs",
                SET_OPERATORS_MAX,
                "read the table `metrics` and filter by name",
                Some(token),
            ));
        }
    }
    Ok(())
}

/// Words that stand between or behind operands.
const POSTFIX: [Keyword; 17] = [
    Keyword::AT,
    Keyword::BETWEEN,
    Keyword::COLLATE,
    Keyword::DIV,
    Keyword::ESCAPE,
    Keyword::ILIKE,
    Keyword::IN,
    Keyword::IS,
    Keyword::LIKE,
    Keyword::MEMBER,
    Keyword::NOT,
    Keyword::NOTNULL,
    Keyword::OPERATOR,
    Keyword::OVERLAPS,
    Keyword::REGEXP,
    Keyword::RLIKE,
    Keyword::SIMILAR,
];

/// Checks how many tables a statement reads, once every WITH table is put in its place.
pub(super) fn check_tables(statement: &Statement) -> Result<(), QueryError> {
    let mut tables = TableCount::default();
    if statement.visit(&mut tables).is_continue() {
        return Ok(());
    }
    Err(too_large("tables", TABLES_MAX, "read the table `metrics` and filter by name", None))
}

/// How many tables the queries read that are being visited. A query is visited once, and its WITH tables before the rest of it.
#[derive(Default)]
struct TableCount {
    /// For the innermost query, the one around it, and so on outwards from the end.
    counts: Vec<usize>,
    /// The queries of WITH tables, by address, and their names.
    bodies: HashMap<*const Query, String>,
    /// What a WITH table counts.
    ctes: HashMap<String, usize>,
}

impl Visitor for TableCount {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
        self.bodies.extend(ctes.map(|cte| (&raw const *cte.query, cte.alias.name.value.to_lowercase())));
        self.counts.push(0);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, .. } = table else { return ControlFlow::Continue(()) };
        let name = name.to_string().replace('"', "").to_lowercase();
        let reads = self.ctes.get(&name).copied().unwrap_or(1);
        self.add(reads)
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let count = self.counts.pop().unwrap_or_default();
        match self.bodies.get(&(&raw const *query)) {
            // A WITH table costs where it is read.
            Some(name) => {
                let known = self.ctes.entry(name.clone()).or_default();
                *known = count.max(*known).max(1);
                ControlFlow::Continue(())
            }
            None => self.add(count),
        }
    }
}

impl TableCount {
    fn add(&mut self, tables: usize) -> ControlFlow<()> {
        let Some(count) = self.counts.last_mut() else { return ControlFlow::Continue(()) };
        *count += tables;
        if *count > TABLES_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::SqlText;

    fn check(sql: &str, expected: Option<&str>) {
        let error = SqlText::new(sql).and_then(|text| text.parse()).err();
        let message = error.map(|error| error.to_string());
        assert_eq!(message.as_deref().map(|text| text.split(':').next().unwrap_or(text)), expected, "{sql:.60}");
    }

    #[test]
    fn long_chains_are_refused_and_long_lists_are_not() {
        let deep = Some("the query has more than 200 operators in one expression");
        let times = |text: &str, times: usize| text.repeat(times);
        check(&format!("SELECT 1{}", times(" + 1", 200)), None);
        check(&format!("SELECT 1{}", times(" + 1", 201)), deep);
        check(&format!("SELECT 1{}", times(", 1 + 1", 2000)), None);
        check(&format!("SELECT 1 FROM m WHERE a = 1{}", times(" OR a = 1", 190)), None);
        check(&format!("SELECT 1 FROM m WHERE a = 1{}", times(" OR a = 1", 300)), deep);
        check(&format!("SELECT a{}", times("[1]", 201)), deep);
        check(&format!("SELECT a{}", times("::int", 201)), deep);
        check(&format!("SELECT a{}", times(" IS NULL", 201)), deep);
        check(&format!("SELECT 1{}(1{})", times(" + 1", 150), times(" + 1", 150)), deep);
        check(&format!("SELECT 1 FROM m WHERE a IN (1{})", times(", 1", 20_000)), None);
    }

    #[test]
    fn chains_of_union_and_of_tables_are_refused() {
        let union = Some("the query has more than 32 UNIONs");
        check(&format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(32)), None);
        check(&format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(33)), union);
        let tables = Some("the query has more than 64 tables");
        check(&format!("SELECT 1 FROM m{}", ", m".repeat(63)), None);
        check(&format!("SELECT 1 FROM m{}", ", m".repeat(64)), tables);
        check(&format!("SELECT 1 FROM m{}", " JOIN m USING (a)".repeat(64)), tables);
    }

    #[test]
    fn with_tables_that_double_each_other_are_refused() {
        let doubling = |times: usize| {
            let ctes: Vec<_> =
                (1..=times).map(|at| format!("t{at} AS (SELECT 1 FROM t{0} a, t{0} b)", at - 1)).collect();
            format!("WITH t0 AS (SELECT 1 FROM m), {} SELECT count(*) FROM T{times}", ctes.join(", "))
        };
        check(&doubling(3), None);
        check(&doubling(30), Some("the query has more than 64 tables"));
    }

    #[test]
    fn a_long_text_is_refused() {
        check(&format!("SELECT '{}'", "x".repeat(300_000)), Some("the query has more than 262144 bytes"));
    }
}
