//! Bounds on the text of a query, so that planning it ends soon and never overflows the stack.
//!
//! The time limit can't stop planning, and a stack overflow ends the process. The parser bounds what nests in brackets; chains of operators
//! (`a + a + a …`), of UNION, of tables, WITH tables that stand on each other or double each other, and CUBE are left to these checks; what columns
//! grow to is in [`super::growth`].

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Query, Statement, TableFactor, Visit, Visitor};
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
/// Queries one above the other, WITH tables put in their place. More are refused before they are planned, which copies the lower ones each time; what
/// they are made of is bounded by [`super::growth`].
const LEVELS_MAX: usize = 50;
/// Columns in one CUBE, which stands for as many groupings as there are sets of its columns; more than 4,096 groupings are refused anyway, but only
/// after they were made.
const CUBE_MAX: usize = 12;

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
                if outer.len() > NESTING_MAX {
                    return Err(nested(token));
                }
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
                // The parser would leave out what stands behind: a statement may be part of a procedure.
                Keyword::END => cases = cases.checked_sub(1).ok_or_else(|| stray_end(token))?,
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
            return Err(nested(token));
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

fn stray_end(token: &TokenWithSpan) -> QueryError {
    let message = "this END ends no CASE; a column of that name is written \"end\"".to_owned();
    QueryError::Syntax { message, position: Some(position(token.span.start)) }
}

/// What the parser would say, with the place, which it does not know.
fn nested(token: &TokenWithSpan) -> QueryError {
    QueryError::Syntax { message: too_deep(), position: Some(position(token.span.start)) }
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

/// Checks what a statement is made of: how many tables it reads and how many queries stand one above the other, once every WITH table is put in its
/// place; and what CUBE stands for.
pub(super) fn check_statement(statement: &Statement) -> Result<(), QueryError> {
    match statement.visit(&mut Parts::default()) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break((what, max, fix)) => Err(too_large(what, max, fix, None)),
    }
}

/// What there is too much of, the most there may be, and what to do instead.
type TooMuch = (&'static str, usize, &'static str);

const TOO_MANY_TABLES: TooMuch = ("tables", TABLES_MAX, "read the table `metrics` and filter by name");
const TOO_MANY_LEVELS: TooMuch =
    ("queries one above the other", LEVELS_MAX, "record what the lower ones give as a metric");
const TOO_LARGE_CUBE: TooMuch = ("columns in one CUBE", CUBE_MAX, "write GROUPING SETS");

/// What a query reads.
#[derive(Default, Clone, Copy)]
struct Reads {
    tables: usize,
    /// Queries one above the other, below this one.
    levels: usize,
}

/// What is read by the queries that are being visited. A query is visited once, and its WITH tables before the rest of it.
#[derive(Default)]
struct Parts {
    /// By the innermost query, the one around it, and so on outwards from the end.
    open: Vec<Reads>,
    /// The queries of WITH tables, by address, and their names.
    bodies: HashMap<*const Query, String>,
    /// What a WITH table reads.
    ctes: HashMap<String, Reads>,
}

impl Visitor for Parts {
    type Break = TooMuch;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<TooMuch> {
        let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
        self.bodies.extend(ctes.map(|cte| (&raw const *cte.query, cte.alias.name.value.to_lowercase())));
        self.open.push(Reads::default());
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<TooMuch> {
        let TableFactor::Table { name, .. } = table else { return ControlFlow::Continue(()) };
        let name = name.to_string().replace('"', "").to_lowercase();
        let reads = self.ctes.get(&name).copied().unwrap_or(Reads { tables: 1, levels: 0 });
        self.add(reads)
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<TooMuch> {
        match expr {
            Expr::Cube(columns) if columns.len() > CUBE_MAX => ControlFlow::Break(TOO_LARGE_CUBE),
            _ => ControlFlow::Continue(()),
        }
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<TooMuch> {
        let mut reads = self.open.pop().unwrap_or_default();
        reads.levels += 1;
        if reads.levels > LEVELS_MAX {
            return ControlFlow::Break(TOO_MANY_LEVELS);
        }
        match self.bodies.get(&(&raw const *query)) {
            // A WITH table costs where it is read.
            Some(name) => {
                let known = self.ctes.entry(name.clone()).or_default();
                known.tables = reads.tables.max(known.tables).max(1);
                known.levels = reads.levels.max(known.levels);
                ControlFlow::Continue(())
            }
            None => self.add(reads),
        }
    }
}

impl Parts {
    fn add(&mut self, reads: Reads) -> ControlFlow<TooMuch> {
        let Some(open) = self.open.last_mut() else { return ControlFlow::Continue(()) };
        open.tables += reads.tables;
        open.levels = open.levels.max(reads.levels);
        if open.tables > TABLES_MAX { ControlFlow::Break(TOO_MANY_TABLES) } else { ControlFlow::Continue(()) }
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
    fn with_tables_that_stand_on_each_other_are_refused() {
        let chain = |times: usize| {
            let ctes: Vec<_> = (1..=times).map(|at| format!("t{at} AS (SELECT a FROM t{})", at - 1)).collect();
            format!("WITH t0 AS (SELECT a FROM m), {} SELECT a FROM t{times}", ctes.join(", "))
        };
        check(&chain(48), None);
        check(&chain(49), Some("the query has more than 50 queries one above the other"));
        check(&chain(4000), Some("the query has more than 50 queries one above the other"));
    }

    #[test]
    fn a_cube_of_many_columns_is_refused() {
        let cube = |columns: usize| format!("SELECT 1 FROM m GROUP BY CUBE (a{})", ", a".repeat(columns - 1));
        check(&cube(12), None);
        check(&cube(30), Some("the query has more than 12 columns in one CUBE"));
    }

    #[test]
    fn a_long_text_is_refused() {
        check(&format!("SELECT '{}'", "x".repeat(300_000)), Some("the query has more than 262144 bytes"));
    }
}
