//! Words of SQL that are names where they stand.
//!
//! The parser takes a trailing comma in a SELECT list, and so takes a column behind a comma whose name is a word of SQL, such as `cluster` or
//! `end`, for what follows the list.

use datafusion::sql::sqlparser::keywords::{Keyword, RESERVED_FOR_COLUMN_ALIAS};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// Takes words that stand where only a name can for names.
pub(super) fn take_for_names(tokens: &mut [TokenWithSpan]) {
    let places: Vec<usize> =
        (0..tokens.len()).filter(|&at| !matches!(tokens[at].token, Token::Whitespace(_))).collect();
    for (place, &at) in places.iter().enumerate() {
        let before = place.checked_sub(1).map(|place| &tokens[places[place]].token);
        let behind = places.get(place + 1).map(|&at| &tokens[at].token);
        let is_name = match keyword(&tokens[at].token) {
            Some(Keyword::CASE | Keyword::END) if is_named(before) => true,
            Some(word) => is_reserved(word) && begins_column(before) && ends_column(behind),
            None => false,
        };
        if is_name && let Token::Word(word) = &mut tokens[at].token {
            word.keyword = Keyword::NoKeyword;
        }
    }
}

/// Whether the parser takes a word behind a comma for the end of a list, or for the beginning of a literal.
fn is_reserved(word: Keyword) -> bool {
    match word {
        Keyword::FROM | Keyword::SELECT => false,
        Keyword::INTERVAL => true,
        word => RESERVED_FOR_COLUMN_ALIAS.contains(&word),
    }
}

/// Whether a name has to stand behind it.
fn is_named(token: Option<&Token>) -> bool {
    token.is_some_and(|token| *token == Token::Period || keyword(token) == Some(Keyword::AS))
}

/// Whether a column may stand behind it.
fn begins_column(token: Option<&Token>) -> bool {
    match token {
        Some(Token::Comma) => true,
        Some(token) => matches!(keyword(token), Some(Keyword::SELECT | Keyword::DISTINCT | Keyword::BY)),
        None => false,
    }
}

/// Whether nothing but a column may stand before it.
fn ends_column(token: Option<&Token>) -> bool {
    match token {
        Some(Token::LParen | Token::Number(..) | Token::SingleQuotedString(_)) => false,
        Some(Token::Word(_)) => token.and_then(keyword).is_some_and(|word| matches!(word, Keyword::FROM | Keyword::AS)),
        _ => true,
    }
}

/// The word of SQL that a token is.
fn keyword(token: &Token) -> Option<Keyword> {
    match token {
        Token::Word(word) if word.quote_style.is_none() && word.keyword != Keyword::NoKeyword => Some(word.keyword),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::SqlText;

    #[test]
    fn a_word_of_sql_between_commas_is_a_column() {
        for word in [
            "cluster",
            "group",
            "order",
            "view",
            "end",
            "offset",
            "sort",
            "limit",
            "top",
            "interval",
            "fetch",
            "minus",
            "except",
            "returning",
            "distribute",
            "values",
        ] {
            for sql in [
                format!("SELECT {word} FROM m"),
                format!("SELECT host, {word}, value FROM m"),
                format!("SELECT host, {word} AS x FROM m"),
                format!("SELECT m.host, x FROM m JOIN (SELECT id, {word} FROM twin.node) n ON n.id = m.host"),
                format!("SELECT host FROM m GROUP BY host, {word}"),
                format!("SELECT host, {word} || 'x' FROM m"),
            ] {
                let parsed = SqlText::new(&sql).and_then(|text| text.parse());
                let parsed = parsed.unwrap_or_else(|error| panic!("{sql}: {error}"));
                assert!(parsed.to_string().contains(word), "{sql}: {parsed}");
            }
        }
        for sql in [
            "SELECT host, INTERVAL '5 minutes' FROM m GROUP BY host ORDER BY host LIMIT 5 OFFSET 2",
            "SELECT host, FROM m",
            "SELECT CASE WHEN a THEN 1 ELSE CASE b WHEN 1 THEN 2 END END, n.end AS end FROM n",
            "SELECT a FROM m UNION SELECT b FROM n EXCEPT SELECT c FROM o",
            "SELECT NULL, TRUE, current_date FROM m",
        ] {
            let parsed = SqlText::new(sql).and_then(|text| text.parse());
            assert!(parsed.is_ok(), "{sql}: {parsed:?}");
        }
    }

    #[test]
    fn nothing_behind_a_stray_end_is_left_out() {
        for sql in [
            "SELECT host FROM m END WHERE value > 5",
            "SELECT host FROM m WHERE value > 0 END AND value > 5",
            "SELECT 1 END garbage here",
            "SELECT host FROM m END; DROP TABLE m",
        ] {
            let error = SqlText::new(sql).expect_err(sql).to_string();
            assert!(error.contains("this END ends no CASE"), "{sql}: {error}");
        }
    }
}
