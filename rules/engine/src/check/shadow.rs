//! Rules that say nothing of their own: whenever one fires another one does too, with the same severity, labels and remediation.
//!
//! Two rules are compared when their queries are the same but for thresholds: numbers behind `>`, `>=`, `<`, `<=` in HAVING, or in WHERE of
//! a query that aggregates nothing. Elsewhere a higher number does not mean fewer rows.

use std::collections::HashMap;

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::codes::SHADOWED;
use crate::definition::{Problem, Rule, RuleSet};

/// Rules of one query that one is compared with.
const COMPARED_MAX: usize = 16;

/// Words after which more rows may pass a lower bar and fewer come out.
const NOT_MONOTONE: [Keyword; 9] = [
    Keyword::NOT,
    Keyword::CASE,
    Keyword::EXCEPT,
    Keyword::INTERSECT,
    Keyword::LIMIT,
    Keyword::OFFSET,
    Keyword::OVER,
    Keyword::FILTER,
    Keyword::IS,
];

/// What a query is but for its thresholds, and these, the higher the stricter.
#[derive(Debug, PartialEq)]
struct Shape {
    text: String,
    thresholds: Vec<f64>,
}

pub(super) fn check(rules: &RuleSet) -> Vec<Problem> {
    let mut alike: HashMap<String, Vec<(&Rule, Vec<f64>)>> = HashMap::new();
    let mut problems = Vec::new();
    // What records says nothing, and the rules of an objective are made to fire together.
    for (_, rule) in rules.rules().filter(|(_, rule)| rule.record.is_none() && rule.slo.is_none()) {
        let Some(shape) = shape(rule.sql.as_str()) else { continue };
        let steps = rule.remediate.iter().map(|step| {
            let target: Vec<_> = step.target.iter().map(|(name, text)| (name, text.text().as_str())).collect();
            format!("{} {:?} {target:?} {:?}", step.backend.as_str(), step.action, step.params())
        });
        let says = format!(
            "{}\0{:?}\0{:?}\0{:?}\0{:?}\0{}",
            rule.severity,
            rule.labels,
            // One that is held back by another says something of its own, and so does one that tells of silence.
            rule.unless,
            rule.no_data,
            steps.collect::<Vec<_>>(),
            shape.text
        );
        let others = alike.entry(says).or_default();
        // The one that fires first is the one that stays.
        let stricter = |a: &(&Rule, Vec<f64>), b: &(&Rule, Vec<f64>)| {
            // One that goes on firing for longer, or that may flap, fires when the other does not.
            let ends_first = a.0.keep_firing_for <= b.0.keep_firing_for && a.0.flaps.is_none();
            let begins_later = a.0.for_ >= b.0.for_;
            begins_later && ends_first && a.1.len() == b.1.len() && a.1.iter().zip(&b.1).all(|(a, b)| a >= b)
        };
        let this = (rule, shape.thresholds);
        // One that stands twice is told as that.
        if others.iter().take(COMPARED_MAX).any(|other| other.0.name == rule.name) {
            continue;
        }
        if let Some(other) = others.iter().take(COMPARED_MAX).find(|other| stricter(&this, other)) {
            problems.push(finding(this.0, other.0));
        } else if let Some(other) = others.iter().take(COMPARED_MAX).find(|other| stricter(other, &this)) {
            problems.push(finding(other.0, this.0));
        }
        others.push(this);
    }
    problems
}

fn finding(rule: &Rule, other: &Rule) -> Problem {
    let message = format!("'{}' fires only when '{}' does, and says the same", rule.name, other.name);
    let hint = format!("the other one is {}; give this one another severity or remediation, or drop it", other.place);
    Problem::warning(rule.place.clone(), message).hint(hint).code(SHADOWED)
}

fn shape(sql: &str) -> Option<Shape> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().ok()?;
    let tokens: Vec<_> =
        tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_) | Token::SemiColon)).collect();
    // What says nothing is told as that.
    if tokens.is_empty() {
        return None;
    }
    let keywords = |wanted: Keyword| {
        tokens.iter().filter(|token| matches!(token, Token::Word(word) if word.keyword == wanted)).count()
    };
    let may_vary = keywords(Keyword::SELECT) == 1 && NOT_MONOTONE.iter().all(|&word| keywords(word) == 0);
    let having = tokens.iter().position(|token| matches!(token, Token::Word(word) if word.keyword == Keyword::HAVING));
    let wheres = tokens.iter().position(|token| matches!(token, Token::Word(word) if word.keyword == Keyword::WHERE));
    let from = match (having, wheres) {
        (Some(having), _) => having,
        // Without GROUP BY an aggregate may stand before FROM: a call there that is no range function.
        (None, Some(wheres)) if keywords(Keyword::GROUP) == 0 && !calls_before_from(&tokens) => wheres,
        _ => usize::MAX,
    };
    let mut text = String::new();
    let mut thresholds = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if may_vary
            && at > from
            && let Some((threshold, length)) = bar(&tokens[at - 1..])
        {
            thresholds.push(threshold);
            text.push_str("? ");
            at += length;
        } else {
            text.push_str(&token.to_string());
            text.push(' ');
            at += 1;
        }
    }
    Some(Shape { text, thresholds })
}

fn calls_before_from(tokens: &[Token]) -> bool {
    let before = tokens.iter().take_while(|token| !matches!(token, Token::Word(word) if word.keyword == Keyword::FROM));
    before.into_iter().any(|token| *token == Token::LParen)
}

/// The number behind the comparison that these begin with, the higher the stricter, and how many tokens it is.
fn bar(tokens: &[Token]) -> Option<(f64, usize)> {
    let stricter = match tokens.first()? {
        Token::Gt | Token::GtEq => 1.0,
        Token::Lt | Token::LtEq => -1.0,
        _ => return None,
    };
    let (sign, number, length) = match tokens {
        [_, Token::Number(number, _), ..] => (1.0, number, 1),
        [_, Token::Minus, Token::Number(number, _), ..] => (-1.0, number, 2),
        _ => return None,
    };
    let number = number.parse::<f64>().ok().filter(|_| ends(tokens.get(1 + length)))?;
    Some((stricter * sign * number, length))
}

/// Whether nothing is done with a number before this.
fn ends(after: Option<&Token>) -> bool {
    match after {
        None | Some(Token::RParen | Token::EOF) => true,
        Some(Token::Word(word)) => {
            matches!(word.keyword, Keyword::AND | Keyword::OR | Keyword::ORDER | Keyword::HAVING | Keyword::GROUP)
        }
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::from_str;

    /// Which of these rules say nothing of their own; each is a query and more keys.
    fn check_rules(rules: &[(&str, &str)]) -> Vec<String> {
        let rules: String = rules
            .iter()
            .enumerate()
            .map(|(at, (sql, more))| format!("  - {{rule: R{at}, sql: \"{sql}\"{more}}}\n"))
            .collect();
        let file = from_str("r.yaml", &format!("groups:\n- name: g\n  rules:\n{rules}")).expect("good rules");
        check(&RuleSet { files: vec![file] }).into_iter().map(|problem| problem.message).collect()
    }

    const BELOW: &str = "'R1' fires only when 'R0' does, and says the same";
    const ABOVE: &str = "'R0' fires only when 'R1' does, and says the same";

    #[test]
    fn a_rule_with_a_higher_bar_and_the_same_words_is_shadowed() {
        let query = |from: &str, end: &str| format!("SELECT host, value FROM {from} WHERE job = 'x' AND value {end}");
        for (one, other, expected) in [
            (query("m", "> 3"), query("m", "> 5"), Some(BELOW)),
            (query("m", "> 5"), query("m", ">  3"), Some(ABOVE)),
            (query("m", "> 3"), query("m", "> 3"), Some(BELOW)),
            (query("m", "< 3"), query("m", "< 5"), Some(ABOVE)),
            (query("m", "> -5"), query("m", "> -6"), Some(ABOVE)),
            (query("m", "> -5"), query("m", ">-4"), Some(BELOW)),
            (query("m", "> - 5"), query("m", "> 3"), Some(BELOW)),
            (query("m", "< -5"), query("m", "< -6"), Some(BELOW)),
            (query("m", "> -3 * 2"), query("m", "> -5 * 2"), None),
            (query("m", "> 9 - 3"), query("m", "> 9 - 5"), None),
            (query("m", "> 3"), query("n", "> 5"), None),
            (query("m", "= 3"), query("m", "= 5"), None),
            (query("m", "> 3 * 2"), query("m", "> 5 * 2"), None),
            (query("m", "> 3 AND NOT value > 9"), query("m", "> 5 AND NOT value > 9"), None),
            // Fewer points pass the higher bar, and so fewer of them may be too few.
            (
                "SELECT count(*) AS n FROM m WHERE value > 3".into(),
                "SELECT count(*) AS n FROM m WHERE value > 5".into(),
                None,
            ),
            (
                "SELECT host FROM m WHERE value > 3 GROUP BY host HAVING count(*) < 9".into(),
                "SELECT host FROM m WHERE value > 5 GROUP BY host HAVING count(*) < 9".into(),
                None,
            ),
            (
                "SELECT host FROM m GROUP BY host HAVING avg(value) > 3".into(),
                "SELECT host FROM m GROUP BY host HAVING avg(value) > 5".into(),
                Some(BELOW),
            ),
        ] {
            let found = check_rules(&[(&one, ""), (&other, "")]);
            assert_eq!(found.first().map(String::as_str), expected, "{one} and {other}");
        }
    }

    #[test]
    fn a_rule_that_says_something_of_its_own_is_not() {
        let (low, high) = ("SELECT host FROM m WHERE value > 3", "SELECT host FROM m WHERE value > 5");
        for more in [
            ", severity: critical",
            ", labels: {team: x}",
            ", remediate: [{backend: ops, action: notify}]",
            ", no_data: fire",
        ] {
            assert!(check_rules(&[(low, ""), (high, more)]).is_empty(), "{more}");
        }
        // A lower bar that must hold longer fires later.
        assert!(check_rules(&[(low, ", for: 5m"), (high, "")]).is_empty());
        assert_eq!(check_rules(&[(low, ""), (high, ", for: 5m")]), [BELOW]);
        // One that stays for longer fires when the other is over.
        for more in [", keep_firing_for: 1h", ", flaps: {max: 4, within: 10m}"] {
            assert!(check_rules(&[(low, ""), (high, more)]).is_empty(), "{more}");
        }
        assert_eq!(check_rules(&[(low, ", keep_firing_for: 1h"), (high, "")]), [BELOW]);
        assert_eq!(check_rules(&[(low, ", keep_firing_for: 1h"), (high, ", keep_firing_for: 1h")]), [BELOW]);
        // Nor does one that can't be read say what another one says.
        assert!(check_rules(&[(";", ""), ("-- nothing", "")]).is_empty());
    }

    #[test]
    fn a_rule_that_stands_twice_is_told_as_that_alone() {
        let text = "groups:\n- name: g\n  rules:\n  - {rule: R, sql: SELECT 1 AS n}\n";
        let files = ["a.yaml", "b.yaml"].map(|name| from_str(name, text).expect("a good file"));
        assert!(check(&RuleSet { files: files.into() }).is_empty());
    }

    #[test]
    fn thousands_of_rules_of_one_query_take_no_time_to_compare() {
        let rules: Vec<_> = (0..5000).map(|at| (format!("SELECT host FROM m WHERE value > {at}"), "")).collect();
        let rules: Vec<_> = rules.iter().map(|(sql, more)| (sql.as_str(), *more)).collect();
        assert_eq!(check_rules(&rules).len(), 4999);
    }
}
