//! The SQL text as tokens: parsed here, and mended here when a name differs from the real one in case only.
//!
//! Names are mended in the tokens, not in the tree, because a name may stand in dozens of places of the tree (USING,
//! EXCEPT, PARTITION BY, …) but is always one token; and because tokens keep their place in the user's text.

use datafusion::sql::sqlparser::ast::{SetExpr, Statement};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::error::{Position, QueryError};
use super::{bounds, words};

/// How deep expressions and subqueries may nest.
pub(super) const NESTING_MAX: usize = 50;

static DIALECT: GenericDialect = GenericDialect {};

/// A query's text, tokenized.
#[derive(Debug)]
pub(crate) struct SqlText {
    tokens: Vec<TokenWithSpan>,
}

impl SqlText {
    pub(crate) fn new(sql: &str) -> Result<Self, QueryError> {
        bounds::check_length(sql)?;
        let mut tokens = Tokenizer::new(&DIALECT, sql)
            .tokenize_with_location()
            .map_err(|error| QueryError::Syntax { message: error.message, position: Some(position(error.location)) })?;
        words::take_for_names(&mut tokens);
        bounds::check_depth(&tokens)?;
        Ok(Self { tokens })
    }

    /// The one statement, which only reads.
    pub(crate) fn parse(&self) -> Result<Statement, QueryError> {
        let statements = Parser::new(&DIALECT)
            .with_recursion_limit(NESTING_MAX)
            .with_tokens_with_locations(self.tokens.clone())
            .parse_statements()
            .map_err(|error| self.syntax(error))?;
        let statement = match <[Statement; 1]>::try_from(statements) {
            Ok([statement]) => statement,
            Err(statements) if statements.is_empty() => {
                return Err(QueryError::Syntax { message: "the text is empty: write a SELECT".into(), position: None });
            }
            Err(statements) => {
                return Err(QueryError::NotASelect { found: format!("{} statements", statements.len()) });
            }
        };
        if !only_reads(&statement) {
            return Err(QueryError::NotASelect { found: self.first_word() });
        }
        bounds::check_statement(&statement)?;
        Ok(statement)
    }

    /// The place of the first word that is `name`.
    pub(crate) fn find(&self, name: &str) -> Option<Position> {
        self.tokens
            .iter()
            .find(|token| matches!(&token.token, Token::Word(word) if word.value == name))
            .map(|token| position(token.span.start))
    }

    /// Whether a name stands in double quotes.
    pub(crate) fn has_in_quotes(&self, name: &str) -> bool {
        let is_this = |token: &TokenWithSpan| matches!(&token.token, Token::Word(word) if word.value == name && word.quote_style == Some('"'));
        self.tokens.iter().any(is_this)
    }

    /// The place of the first text in quotes that is `value`.
    pub(crate) fn find_text(&self, value: &str) -> Option<Position> {
        self.tokens
            .iter()
            .find(|token| matches!(&token.token, Token::SingleQuotedString(text) if text == value))
            .map(|token| position(token.span.start))
    }

    /// Writes `right` in place of the words `wrong`, which end at or before `end` on the same line as `start`.
    ///
    /// `wrong` and `right` have one length: a name, or a qualifier and a name. Without a place, every word that is the one
    /// wrong name is mended. Returns whether anything changed.
    pub(crate) fn mend(&mut self, wrong: &[&str], right: &[&str], place: Option<(Position, Position)>) -> bool {
        debug_assert_eq!(wrong.len(), right.len(), "each word has its right form");
        let mut changed = false;
        for (wrong, right) in wrong.iter().zip(right).filter(|(wrong, right)| wrong != right) {
            for token in &mut self.tokens {
                let (start, end) = (position(token.span.start), position(token.span.end));
                let within = place.is_none_or(|place| place.0 <= start && end <= place.1);
                if let Token::Word(word) = &mut token.token
                    && within
                    && word.value == *wrong
                {
                    word.value = (*right).to_string();
                    word.quote_style = Some('"');
                    word.keyword = Keyword::NoKeyword;
                    changed = true;
                }
            }
        }
        changed
    }

    /// How many names could be mended.
    pub(crate) fn words(&self) -> usize {
        self.tokens.iter().filter(|token| matches!(token.token, Token::Word(_))).count()
    }

    fn first_word(&self) -> String {
        self.tokens
            .iter()
            .find_map(|token| match &token.token {
                Token::Word(word) => Some(word.value.to_uppercase()),
                _ => None,
            })
            .unwrap_or_else(|| "this statement".into())
    }

    fn syntax(&self, error: ParserError) -> QueryError {
        let message = match error {
            ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
            ParserError::RecursionLimitExceeded => too_deep(),
        };
        let end = self.tokens.last().map(|token| position(token.span.end));
        match split_place(&message) {
            Some((message, place)) => QueryError::Syntax { message: message.to_string(), position: Some(place) },
            // The parser gives no place for the end of the text.
            None => QueryError::Syntax { position: if message.ends_with("found: EOF") { end } else { None }, message },
        }
    }
}

pub(super) fn too_deep() -> String {
    format!("the query nests deeper than {NESTING_MAX}: split it with WITH")
}

/// A sqlparser location as a place; both count from 1.
pub(crate) fn position(location: Location) -> Position {
    Position { line: location.line as usize, column: location.column as usize }
}

/// Takes the place off a parser's message: `… at Line: 1, Column: 8`.
fn split_place(message: &str) -> Option<(&str, Position)> {
    let (text, place) = message.rsplit_once(" at Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    Some((text, Position { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? }))
}

fn only_reads(statement: &Statement) -> bool {
    match statement {
        Statement::Query(query) => body_reads(&query.body),
        Statement::Explain { statement, .. } => only_reads(statement),
        Statement::ExplainTable { .. } | Statement::ShowTables { .. } => true,
        _ => false,
    }
}

fn body_reads(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => select.into.is_none(),
        SetExpr::Query(query) => body_reads(&query.body),
        SetExpr::SetOperation { left, right, .. } => body_reads(left) && body_reads(right),
        SetExpr::Values(_) | SetExpr::Table(_) => true,
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => false,
    }
}

/// Whether this is a plain query, and not EXPLAIN, DESCRIBE or SHOW.
pub(crate) fn is_query(statement: &Statement) -> bool {
    matches!(statement, Statement::Query(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str) -> String {
        match SqlText::new(sql).and_then(|text| text.parse()) {
            Ok(statement) => statement.to_string(),
            Err(error) => format!("{:?} {error}", error.position()),
        }
    }

    #[test]
    fn only_one_reading_statement_is_taken() {
        assert_eq!(check("select 1;"), "SELECT 1");
        assert_eq!(check("EXPLAIN SELECT 1"), "EXPLAIN SELECT 1");
        for (sql, found) in [
            ("INSERT INTO m VALUES (1)", "INSERT"),
            ("DELETE FROM m", "DELETE"),
            ("COPY m TO 'x'", "COPY"),
            ("SET a = 1", "SET"),
            ("CREATE TABLE t AS SELECT 1", "CREATE"),
            ("EXPLAIN DROP TABLE m", "EXPLAIN"),
            ("SELECT 1; SELECT 2", "2 statements"),
            ("SELECT 1 INTO t", "SELECT"),
            ("DROP TABLE m", "DROP"),
        ] {
            let error = SqlText::new(sql).and_then(|text| text.parse()).expect_err(sql);
            assert_eq!(error, QueryError::NotASelect { found: found.into() }, "{sql}");
        }
    }

    #[test]
    fn syntax_errors_have_a_place() {
        assert_eq!(check("SELECT 1\n FROM "), "Some((2, 7)) syntax error: Expected: identifier, found: EOF");
        assert_eq!(check("SELECT )"), "Some((1, 8)) syntax error: Expected: an expression, found: )");
        assert_eq!(check("SELECT 'a"), "Some((1, 8)) syntax error: Unterminated string literal");
        assert_eq!(check(" "), "None syntax error: the text is empty: write a SELECT");
    }

    #[test]
    fn a_mended_word_keeps_its_place() {
        let mut text = SqlText::new("SELECT Value FROM m WHERE Value > 0").expect("well-formed");
        let first = (Position { line: 1, column: 8 }, Position { line: 1, column: 13 });
        assert!(text.mend(&["Value"], &["value"], Some(first)));
        assert_eq!(text.parse().expect("still well-formed").to_string(), r#"SELECT "value" FROM m WHERE Value > 0"#);
        assert_eq!(text.find("Value"), Some(Position { line: 1, column: 27 }));
        assert!(!text.mend(&["gone"], &["Gone"], None));
    }
}
