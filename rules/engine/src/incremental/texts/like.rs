//! What a pattern of LIKE asks of a text.

use super::condition::Test;

/// A piece of a pattern.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    /// `_`
    One,
    /// `%`
    Any,
}

/// The test that a pattern is, where `\` escapes; `None` for one that no text fails.
pub(super) fn test(pattern: &str, ignores_case: bool) -> Option<Test> {
    let pieces = pieces(pattern);
    Some(match pieces.as_slice() {
        [] => Test::Is(String::new()),
        [Piece::Any] => return None,
        others if ignores_case => Test::Regex(format!("(?i){}", regex(others))),
        [Piece::Literal(text)] => Test::Is(text.clone()),
        [Piece::Literal(text), Piece::Any] => Test::StartsWith(text.clone()),
        [Piece::Any, Piece::Literal(text)] => Test::EndsWith(text.clone()),
        [Piece::Any, Piece::Literal(text), Piece::Any] => Test::Contains(text.clone()),
        others => Test::Regex(regex(others)),
    })
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        let literal = match char {
            '%' if pieces.last() == Some(&Piece::Any) => continue,
            '%' => {
                pieces.push(Piece::Any);
                continue;
            }
            '_' => {
                pieces.push(Piece::One);
                continue;
            }
            // At the end it is itself.
            '\\' => chars.next().unwrap_or('\\'),
            other => other,
        };
        match pieces.last_mut() {
            Some(Piece::Literal(text)) => text.push(literal),
            _ => pieces.push(Piece::Literal(literal.into())),
        }
    }
    pieces
}

/// A regular expression that finds what the pieces are, line ends among it.
fn regex(pieces: &[Piece]) -> String {
    let (start, pieces) = match pieces {
        [Piece::Any, others @ ..] => ("", others),
        all => (r"\A", all),
    };
    let (pieces, end) = match pieces {
        [others @ .., Piece::Any] => (others, ""),
        all => (all, r"\z"),
    };
    let within = pieces.iter().map(|piece| match piece {
        Piece::Literal(text) => regex::escape(text),
        Piece::One => ".".into(),
        Piece::Any => ".*".into(),
    });
    format!("(?s){start}{}{end}", within.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_literals_where_they_can_be() {
        let text = |text: &str| text.to_owned();
        let cases = [
            ("a.b", Some(Test::Is(text("a.b")))),
            ("", Some(Test::Is(text("")))),
            ("a%", Some(Test::StartsWith(text("a")))),
            ("%%a", Some(Test::EndsWith(text("a")))),
            (r"%50\%%", Some(Test::Contains(text("50%")))),
            (r"%a\", Some(Test::EndsWith(text(r"a\")))),
            ("%", None),
            ("_", Some(Test::Regex(text(r"(?s)\A.\z")))),
            ("%a.%b", Some(Test::Regex(text(r"(?s)a\..*b\z")))),
        ];
        for (pattern, expected) in cases {
            assert_eq!(test(pattern, false), expected, "{pattern}");
        }
        assert_eq!(test("%é%", true), Some(Test::Regex(text("(?i)(?s)é"))));
    }
}
