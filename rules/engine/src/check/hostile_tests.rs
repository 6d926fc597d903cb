//! Rules that would take a checker or a server down: each is answered with a precise message, soon, and the others run on.

use std::time::Duration;

use super::*;
use crate::definition::{FILE_BYTES_MAX, Rule, from_str_with_problems};
use crate::evaluate::testing::{Estate, NOW};
use crate::evaluate::{EVALUATION_LIMITS, INSTANCES_MAX, Outcome, RuleEvaluator};
use crate::query::QueryLimits;

/// Generous, for unoptimised code on a machine that does much else; what has no bound takes hours.
const SOON: Duration = Duration::from_secs(30);

fn file(rules: &str) -> String {
    format!("groups:\n- name: g\n  rules:\n{rules}")
}

fn rule(name: &str, sql: &str, more: &str) -> String {
    format!("  - {{rule: {name}, sql: \"{sql}\"{more}}}\n")
}

fn estate() -> Estate {
    let estate = Estate::new();
    for host in 0..50 {
        estate.point("load", &[("host", &format!("h{host}"))], NOW, 3.0);
    }
    estate
}

/// A good rule beside the bad ones.
const GOOD: &str = "SELECT host, value FROM latest(load) WHERE value > 2";

/// Reads and checks files, and gives what was found; and whether the good rule is still there.
async fn look(texts: &[String]) -> (String, bool) {
    let estate = estate();
    let mut set = RuleSet::default();
    let mut problems = Vec::new();
    let start = tokio::time::Instant::now();
    for (at, text) in texts.iter().enumerate() {
        let (file, found) = from_str_with_problems(&format!("{at}.yaml"), text);
        set.files.push(file);
        problems.extend(found);
    }
    problems.extend(crate::definition::duplicates(&set));
    problems.extend(check_rules(&set, Some(&estate.database), None).await);
    assert!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
    let good = set.rules().any(|(_, rule)| rule.name == "Good");
    (problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), good)
}

#[tokio::test]
async fn each_hostile_file_gets_a_precise_message_and_the_others_stay_good() {
    let good = file(&rule("Good", GOOD, ""));
    let deep = |open: &str, close: &str| format!("SELECT {}1{}", open.repeat(1000), close.repeat(1000));
    let template = |text: &str| rule("R", GOOD, &format!(", summary: '{text}'"));
    let doubled = format!("{{{{ host {} }}}}", r#"| replace("h", "hh")"#.repeat(100));
    let mut wrong = Vec::new();
    for (name, rules, expected) in [
        (
            "a file of 10 MB",
            " ".repeat(FILE_BYTES_MAX as usize + 1),
            "1.yaml:1:1: the file is larger than 10 MB; split it into several",
        ),
        (
            "brackets",
            file(&rule("R", &deep("(", ")"), "")),
            "the query nests deeper than 50: split it with WITH [FB101]",
        ),
        (
            "subqueries",
            file(&rule("R", &deep("(SELECT ", ")"), "")),
            "the query nests deeper than 50: split it with WITH [FB101]",
        ),
        (
            "CASE",
            file(&rule("R", &deep("CASE WHEN true THEN ", " END"), "")),
            "the query nests deeper than 50: split it with WITH [FB101]",
        ),
        (
            "NOT",
            file(&rule("R", &deep("NOT ", ""), "")),
            "the query has more than 200 operators in one expression: use IN (…) or WITH [FB108]",
        ),
        ("minus", file(&rule("R", &deep("- ", ""), "")), "the query has more than 200 operators in one expression"),
        ("YAML", file(&format!("  - {}{}\n", "[".repeat(1000), "]".repeat(1000))), "1.yaml:4:"),
        ("aliases that double", "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n".to_owned(), "1.yaml:1:"),
        (
            "65 tables",
            file(&rule("R", &format!("SELECT 1 AS n FROM {}", vec!["load"; 65].join(", ")), "")),
            "the query has more than 64 tables",
        ),
        ("a macro", file(&template("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}")), "1.yaml:4:"),
        ("an include", file(&template("{% include \"self\" %}")), "syntax error: unknown statement include"),
        ("a long template", file(&template(&"x".repeat(5000))), "a template has at most 4096 bytes"),
        (
            "a template that multiplies",
            file(&template("{{ \"x\" * 9 * 9 * 9 * 9 * 9 }}")),
            "a template has at most 4 ''*''; compute in the query",
        ),
        ("a template that doubles", file(&template(&doubled)), ""),
        (
            "a template in brackets",
            file(&template(&format!("{{{{ {}1{} }}}}", "(".repeat(1000), ")".repeat(1000)))),
            "1.yaml:4:",
        ),
        ("names of all alphabets", file(&rule("規則", "SELECT host AS größe, value AS 値 FROM latest(load)", "")), ""),
        (
            "a template with such names",
            file(&rule("R", GOOD, ", summary: '{{ größe }}'")),
            "so rename the column with AS",
        ),
        (
            "a wrong name behind them",
            file(&rule("規則", "SELECT host AS größe, wert FROM latest(load)", "")),
            "1.yaml:4:44: unknown column 'wert': there are host, time, value [FB104]",
        ),
        (
            "a rule of another file",
            file(&rule("Good", GOOD, "")),
            "1.yaml:4:12: the rule 'Good' is defined twice (the first is 0.yaml:4:12) [FB002]",
        ),
    ] {
        let (found, good) = look(&[good.clone(), rules]).await;
        let expected = expected.replace("''", "'");
        let fine = found.lines().all(|line| line.contains("warning"));
        let blamed =
            !found.lines().all(|line| line.starts_with("1.yaml") || line.contains("FB209") || !line.contains("yaml:"));
        if !found.contains(&expected) || expected.is_empty() != fine || !good || blamed {
            wrong.push(format!("{name}: {found:.1000}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_hundred_thousand_rules_are_too_many_and_that_is_one_problem() {
    // Parsed only: planning the first twenty thousand takes its time.
    let rules: String = (0..100_000).map(|at| format!("  - {{rule: R{at}, sql: SELECT {at} AS n}}\n")).collect();
    let (file, problems) = from_str_with_problems("r.yaml", &file(&rules));
    assert_eq!(file.groups[0].rules.len(), 100_000);
    let found: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "r.yaml:20004:12: there are 100000 rules, and 20000 are the most (let one rule return many rows: each row is a violation of its own) [FB004]"
        ]
    );
}

fn read(sql: &str) -> Rule {
    let (mut read, problems) = from_str_with_problems("r.yaml", &file(&rule("R", sql, "")));
    assert!(problems.is_empty(), "{problems:?}");
    read.groups.swap_remove(0).rules.swap_remove(0)
}

#[tokio::test]
async fn queries_that_would_run_away_are_errors_of_their_rule_and_the_next_one_runs() {
    let estate = estate();
    let mut good = RuleEvaluator::new(&read(GOOD));
    let all = (0..12).map(|at| format!("metrics m{at}")).collect::<Vec<_>>().join(", ");
    let limits = QueryLimits { time: Duration::from_millis(300), ..EVALUATION_LIMITS };
    let many = format!("SELECT CAST(a.value AS TEXT) AS key FROM generate_series(1, {}) a", INSTANCES_MAX + 1);
    let mut wrong = Vec::new();
    for (name, sql, expected) in [
        (
            "cross joins over everything",
            format!("SELECT count(*) AS n FROM {all}"),
            "the query was stopped: it took longer than 300ms",
        ),
        (
            "a regex that repeats repetitions",
            "SELECT host FROM latest(load) WHERE host ~ '((a{1000}){1000}){1000}'".into(),
            "a regular expression can't be used: it would take more than 10485760 bytes when compiled; repeat less",
        ),
        (
            "a regex that others backtrack over",
            format!("SELECT host FROM latest(load) WHERE concat(host, '{}') ~ '^(a+)+$'", "a".repeat(5000)),
            "",
        ),
        (
            "a regex that is none",
            "SELECT host FROM latest(load) WHERE host ~ '('".into(),
            "a regular expression can't be used: unclosed group",
        ),
        ("keys without end", many, "10000 rows"),
    ] {
        let start = tokio::time::Instant::now();
        let outcome = RuleEvaluator::new(&read(&sql)).evaluate(&estate.database, NOW, &limits).await;
        assert!(start.elapsed() < SOON, "{name} took {:?}", start.elapsed());
        let as_expected = match &outcome {
            Outcome::Error(message) => !expected.is_empty() && message.contains(expected),
            Outcome::Rows(_) => expected.is_empty(),
            Outcome::Waiting { .. } => false,
        };
        if !as_expected {
            wrong.push(format!("{name}: {outcome:?}"));
        }
        let outcome = good.evaluate(&estate.database, NOW, &EVALUATION_LIMITS).await;
        assert!(matches!(&outcome, Outcome::Rows(rows) if rows.len() == 50), "after {name}: {outcome:?}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
