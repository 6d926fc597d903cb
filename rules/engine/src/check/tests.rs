//! What `rules check` prints.

use std::fs;

use flyball_model::action::ActionKind;

use super::*;
use crate::evaluate::testing::{Estate, NOW};

fn backends() -> BackendActions {
    BackendActions::from([
        ("k8s".to_owned(), vec![ActionKind::ScaleOut, ActionKind::ScaleIn]),
        ("ops".to_owned(), vec![ActionKind::Notify]),
    ])
}

/// Checks one file with and without a database; each problem is a line.
async fn check_text(text: &str, database: Option<&Database>, backends: Option<&BackendActions>) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("r.yaml");
    fs::write(&path, text).expect("written");
    let problems = check(&[path], database, backends).await;
    let folder = format!("{}/", folder.path().display());
    problems.iter().map(|problem| problem.to_string().replace(&folder, "")).collect::<Vec<_>>().join("\n")
}

fn rule(lines: &str) -> String {
    format!("groups:\n- name: g\n  rules:\n  - rule: R\n{lines}")
}

fn estate() -> Estate {
    let estate = Estate::new();
    estate.point("load", &[("host", "a"), ("job", "x")], NOW, 3.0);
    estate
}

#[tokio::test]
async fn without_a_database_the_syntax_is_checked_and_names_are_taken() {
    let good = rule("    sql: SELECT nobody, knows FROM these_names GROUP BY 1 HAVING count(*) > 2\n");
    assert_eq!(check_text(&good, None, None).await, "");
    let cut = rule("    sql: |\n      SELECT host\n      FROM load\n      WHERE value >\n");
    assert_eq!(
        check_text(&cut, None, None).await,
        "r.yaml:8:20: syntax error: Expected: an expression, found: EOF [FB101]"
    );
    for (sql, expected) in [
        ("SELECT host FROM load WHERE )", "r.yaml:5:38: syntax error: Expected: an expression, found: ) [FB101]"),
        ("'SELECT ''a'', ) FROM load'", "r.yaml:5:25: syntax error: Expected: end of statement, found: ) [FB101]"),
        (
            "DROP TABLE load",
            "r.yaml:5:10: DROP is refused: write one SELECT (or WITH … SELECT); data is never changed through SQL [FB102]",
        ),
        (
            "SHOW TABLES",
            "r.yaml:5:10: EXPLAIN, DESCRIBE or SHOW is refused: write one SELECT (or WITH … SELECT); data is never changed through SQL [FB102]",
        ),
        (
            "SELECT 1; SELECT 2",
            "r.yaml:5:10: 2 statements is refused: write one SELECT (or WITH … SELECT); data is never changed through SQL [FB102]",
        ),
    ] {
        assert_eq!(check_text(&rule(&format!("    sql: {sql}\n")), None, None).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn with_a_database_names_are_checked_where_they_stand() {
    let estate = estate();
    let database = Some(&estate.database);
    let good = rule(
        "    sql: SELECT host, avg(value) AS load FROM load WHERE time > now() - INTERVAL '1 minute' GROUP BY host\n    summary: '{{ host }} {{ load }} {{ labels.host }} {{ rule }}'\n",
    );
    assert_eq!(check_text(&good, database, None).await, "");
    let wrong = rule("    sql: |\n      SELECT\n        hots, value\n      FROM load\n");
    let found = check_text(&wrong, database, None).await;
    assert!(
        found.starts_with("r.yaml:7:9: unknown column 'hots'") && found.ends_with("did you mean host? [FB104]"),
        "{found}"
    );
    let later = rule("    sql: SELECT host FROM laod\n    summary: '{{ anything }}'\n");
    assert_eq!(
        check_text(&later, database, None).await,
        "r.yaml:5:27: warning: there is no table 'laod' yet (did you mean load? If not, the rule waits for the first point) [FB103]"
    );
    let twice = rule("    sql: SELECT l.host, r.host FROM latest(load) l JOIN latest(load) r ON l.host = r.host\n");
    assert_eq!(
        check_text(&twice, database, None).await,
        "r.yaml:5:10: two columns are named 'host'; rename one with AS [FB109]"
    );
    let list = rule("    sql: SELECT array_agg(host) AS hosts FROM latest(load) HAVING count(*) > 9\n");
    assert_eq!(
        check_text(&list, database, None).await,
        "r.yaml:5:10: the column 'hosts' is neither text, number, truth value nor time; select a part of it, or leave it out [FB109]"
    );
}

#[tokio::test]
async fn templates_ask_for_columns_that_are_there() {
    let estate = estate();
    let text = rule(concat!(
        "    sql: SELECT host, max(time) AS time, avg(value) AS load FROM latest(load) GROUP BY host\n",
        "    labels: {team: shop}\n",
        "    summary: |\n",
        "      {{ hots }} has {{ load | round(1) }} since {{ time }},\n",
        "      {{ labels.team }} {{ labels.tema }}\n",
        "    remediate:\n",
        "    - {backend: ops, action: scale_out, target: {kind: Node, name: '{{ host }}', zone: '{{ zone }}'}, by: 1}\n",
    ));
    assert_eq!(
        check_text(&text, Some(&estate.database), None).await,
        "r.yaml:8:10: the template asks for 'hots', and the query has no such column (did you mean 'host'?) [FB301]\n\
         r.yaml:8:53: the template asks for 'time', and the query has no such column (there are host, load) [FB301]\n\
         r.yaml:9:35: the template asks for 'tema', and the query has no such label (did you mean 'team'?) [FB301]\n\
         r.yaml:11:92: the template asks for 'zone', and the query has no such column (there are host, load) [FB301]"
    );
    let map = rule(
        "    sql: SELECT labels, value FROM latest(load, INTERVAL '5 minutes', '*')\n    summary: '{{ whatever }}'\n",
    );
    assert_eq!(check_text(&map, Some(&estate.database), None).await, "");
}

#[tokio::test]
async fn labels_that_say_nothing_or_hide_the_identity_are_told() {
    let estate = estate();
    let labelled = |sql: &str, labels: &str| rule(&format!("    sql: {sql}\n    labels: {{{labels}}}\n"));
    let sql = "SELECT host, max(value) AS top FROM load WHERE time > now() - INTERVAL '1 minute' GROUP BY host";
    for (labels, expected) in [
        ("team: shop, job: x, top: y", ""),
        (
            "severity: critical",
            "r.yaml:4:11: warning: alerts say severity 'warning', whatever the label 'severity' is (write severity: critical beside 'labels', not in it) [FB211]",
        ),
        (
            "alertname: Other",
            "r.yaml:4:11: warning: alerts are called 'R', whatever the label 'alertname' is (name the rule so, or name the label otherwise) [FB211]",
        ),
        (
            "host: z",
            "r.yaml:4:11: warning: the label 'host' hides the column of that name, so that all violations have one 'host' (name the label otherwise, or drop it) [FB211]",
        ),
    ] {
        assert_eq!(check_text(&labelled(sql, labels), Some(&estate.database), None).await, expected, "{labels}");
    }
}

#[tokio::test]
async fn columns_that_alerts_overwrite_are_told() {
    let estate = estate();
    for (sql, expected) in [
        (
            "SELECT host AS alertname, value FROM latest(load)",
            "r.yaml:5:25: warning: alerts have 'alertname' of their own in place of this column, and violations that differ in it alone are one \
             alert (name the column otherwise, with AS) [FB211]",
        ),
        (
            "SELECT host, value > 3 AS severity FROM latest(load)",
            "r.yaml:5:36: warning: alerts have 'severity' of their own in place of this column, and violations that differ in it alone are one \
             alert (name the column otherwise, with AS) [FB211]",
        ),
        ("SELECT host, 'grave' AS severity, value AS alertname FROM latest(load)", ""),
    ] {
        assert_eq!(
            check_text(&rule(&format!("    sql: {sql}\n")), Some(&estate.database), None).await,
            expected,
            "{sql}"
        );
    }
    let recorded =
        "groups:\n- name: g\n  rules:\n  - {record: n, sql: 'SELECT host AS alertname, value FROM latest(load)'}\n";
    assert_eq!(check_text(recorded, Some(&estate.database), None).await, "");
}

#[tokio::test]
async fn arguments_that_a_function_refuses_when_it_begins_are_told() {
    let estate = estate();
    let of = |what: &str| {
        rule(&format!(
            "    sql: SELECT host, {what} AS v FROM load WHERE time > now() - INTERVAL '1 minute' GROUP BY host\n"
        ))
    };
    for (what, expected) in [
        (
            "approx_percentile_cont(value, 95)",
            "r.yaml:5:23: approx_percentile_cont: Percentile value must be between 0.0 and 1.0 inclusive, 95 is invalid [FB107]",
        ),
        (
            "percentile_cont(value, 1.5) FILTER (WHERE value > 3)",
            "r.yaml:5:23: percentile_cont: Percentile value must be between 0.0 and 1.0 inclusive, 1.5 is invalid [FB107]",
        ),
        (
            "histogram_quantile(99, job, value)",
            "r.yaml:5:23: histogram_quantile: the quantile is 99; it must be from 0 to 1: histogram_quantile(0.95, le, value) [FB107]",
        ),
        ("approx_percentile_cont(value, 0.95)", ""),
        ("histogram_quantile(0.99, job, value)", ""),
        ("histogram_quantile(1, job, value)", ""),
        ("max(value) FILTER (WHERE time > now() - INTERVAL '10 seconds')", ""),
        ("max(CASE WHEN host IN (SELECT host FROM latest(load)) THEN value END)", ""),
    ] {
        assert_eq!(check_text(&of(what), Some(&estate.database), None).await, expected, "{what}");
    }
}

#[tokio::test]
async fn functions_without_a_bound_on_their_result_are_told_as_refused() {
    let estate = estate();
    for (what, expected) in [
        ("repeat(host, 3)", "the function 'repeat' is refused, since its result has no bound"),
        ("list_repeat(host, 3)", "the function 'list_repeat' is refused, since its result has no bound"),
        ("range(0, 3)", "the function 'range' is refused here, since its result has no bound: it stands after FROM"),
    ] {
        let text = rule(&format!("    sql: SELECT {what} AS x FROM latest(load)\n"));
        let found = check_text(&text, Some(&estate.database), None).await;
        assert_eq!(found, format!("r.yaml:5:17: {expected} [FB105]"), "{what}");
    }
}

#[tokio::test]
async fn labels_of_unless_are_those_that_both_rules_have() {
    let estate = estate();
    for (sql, unless, labels, expected) in [
        ("SELECT host, value FROM latest(load)", "Down on host", "team: shop", ""),
        ("SELECT job, value FROM latest(load)", "Down", "team: shop", ""),
        ("SELECT job, value FROM latest(load)", "Down on host", "host: a", ""),
        // Nobody knows.
        ("SELECT labels, value FROM latest(load, INTERVAL '5 minutes', '*')", "Down on host", "team: shop", ""),
        ("SELECT job, value FROM unsent", "Down on host", "team: shop", ""),
        (
            "SELECT job, value FROM latest(load)",
            "Down on host",
            "team: shop",
            "r.yaml:8:14: warning: no violation of 'Jobs' has a label 'host', so this holds nothing back (select host in both rules, or name a \
             label that both have) [FB212]",
        ),
        (
            "SELECT host, value FROM latest(load)",
            "Down on hots",
            "team: shop",
            "r.yaml:8:14: warning: no violation of 'Jobs' or 'Down' has a label 'hots', so this holds nothing back (did you mean 'host'?) [FB212]",
        ),
    ] {
        let text = format!(
            "groups:\n- name: g\n  rules:\n  - rule: Down\n    sql: SELECT host FROM latest(load)\n  - rule: Jobs\n    sql: {sql}\n    \
             unless: [{unless}]\n    labels: {{{labels}}}\n"
        );
        let found = check_text(&text, Some(&estate.database), None).await;
        let found: Vec<_> = found.lines().filter(|line| line.contains("FB212")).collect();
        assert_eq!(found.join("\n"), expected, "{sql} {unless} {labels}");
        assert_eq!(check_text(&text, None, None).await, "", "{sql}");
    }
}

#[tokio::test]
async fn an_objective_that_is_a_fraction_is_told() {
    for (objective, expected) in [
        ("99.9", ""),
        (
            "0.9995",
            "r.yaml:4:11: warning: 'objective' is a percentage, and this one is 0.9995 % (99.95 is likely meant) [FB001]",
        ),
        ("1", "r.yaml:4:11: warning: 'objective' is a percentage, and this one is 1 % (99.9 is likely meant) [FB001]"),
    ] {
        let count = "SELECT sum(value) AS value FROM increase(load, INTERVAL '{{ window }}')";
        let text =
            rule(&format!("    slo:\n      objective: {objective}\n      good: {count}\n      total: {count}\n"));
        let found = check_text(&text, None, None).await;
        let found: Vec<_> = found.lines().filter(|line| line.contains("percentage")).collect();
        assert_eq!(found.join("\n"), expected, "{objective}");
    }
}

#[tokio::test]
async fn backends_are_those_that_are_configured_and_do_what_they_can() {
    let text = rule(concat!(
        "    sql: SELECT 1\n",
        "    remediate:\n",
        "    - {backend: k8s, action: scale_out, target: {kind: Node, name: n}, by: 1}\n",
        "    - {backend: ops, action: notify}\n",
        "    - {backend: opps, action: notify}\n",
        "    - {backend: ops, action: scale_in, target: {kind: Node, name: n}, by: 1}\n",
    ));
    assert_eq!(
        check_text(&text, None, Some(&backends())).await,
        "r.yaml:9:17: there is no backend 'opps' (did you mean 'ops'?) [FB401]\n\
         r.yaml:10:30: the backend 'ops' can't 'scale_in' (it can notify) [FB402]"
    );
    let unconfigured = check_text(&text, None, Some(&BackendActions::new())).await;
    assert!(unconfigured.starts_with(
        "r.yaml:7:17: there is no backend 'k8s' (no backends are configured; name it under 'backends') [FB401]"
    ));
    assert_eq!(check_text(&text, None, None).await, "");
}

#[tokio::test]
async fn problems_of_reading_and_of_planning_are_told_together_in_order() {
    let estate = estate();
    let text = "groups:\n- name: g\n  rules:\n  - {rule: A, sql: SELECT hots FROM load}\n  - {rule: B, sql: SELECT 1, fro: 1s}\n  - {rule: C, sql: SELECT hots FROM load WHERE true}\n";
    let problems = check_text(text, Some(&estate.database), None).await;
    let places: Vec<_> = problems.lines().map(|line| line.split(": ").next().unwrap_or_default()).collect();
    assert_eq!(places, ["r.yaml:4:27", "r.yaml:5:30", "r.yaml:6:27"], "{problems}");
}

#[tokio::test]
async fn a_query_nested_a_thousand_deep_is_refused_in_words() {
    let deep = format!("    sql: SELECT {}1{}\n", "(".repeat(1000), ")".repeat(1000));
    let found = check_text(&rule(&deep), None, None).await;
    assert!(found.contains("nests deeper than"), "{found}");
}

#[tokio::test]
async fn recording_rules_give_one_value_and_go_in_no_circle() {
    let estate = estate();
    let text = |rules: &str| format!("groups:\n- name: g\n  rules:\n{rules}");
    for (rules, expected) in [
        ("  - {record: w, sql: 'SELECT host, sum(value) AS value FROM load GROUP BY host'}\n", ""),
        (
            "  - {record: w, sql: 'SELECT host, sum(value) AS watts FROM load GROUP BY host'}\n",
            "r.yaml:4:22: a recording rule's query gives a number named 'value', and this one has none (write AS value behind what is 'watts' now) [FB501]",
        ),
        (
            "  - {record: w, sql: 'SELECT host, value, 2 AS more FROM load'}\n",
            "r.yaml:4:48: a recording rule gives one number, named 'value', and 'more' is a number too; name the one to record with AS value, \
             leave the other out, or record it by a rule of its own [FB501]",
        ),
        (
            "  - {record: w, sql: 'SELECT severity, count(*) AS value FROM logs GROUP BY severity'}\n",
            "r.yaml:4:30: a recording rule fires nothing, so its 'severity' means nothing; to record it as a label rename the column: severity \
             AS level [FB501]",
        ),
        (
            "  - {record: a, sql: SELECT value FROM b}\n  - {record: b, sql: SELECT value FROM a}\n",
            "r.yaml:4:14: recording rules go in a circle: 'a' reads 'b' (r.yaml:5:14), which reads 'a' (a recording rule reads what is received, \
             or what others record before it) [FB502]",
        ),
    ] {
        let found = check_text(&text(rules), Some(&estate.database), None).await;
        let found: Vec<_> = found.lines().filter(|line| !line.contains("warning")).collect();
        assert_eq!(found.join("\n"), expected, "{rules}");
    }
}

#[test]
fn a_metric_that_is_received_is_not_recorded() {
    use crate::recording::HELP;
    let estate = estate();
    let text = "groups:\n- name: g\n  rules:\n  - {record: load, sql: SELECT 1 AS value}\n  - {record: other, sql: SELECT 1 AS value}\n";
    let rules = RuleSet { files: vec![crate::definition::from_str("r.yaml", text).expect("good rules")] };
    let found: Vec<_> = collisions(&rules, &estate.database).iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "r.yaml:4:14: the metric 'load' is received already, and can't be recorded too (choose a name that nobody sends, like job:name:sum) [FB503]"
        ]
    );
    let info = flyball_model::MetricInfo { help: HELP.to_owned(), ..Default::default() };
    estate.database.store().registry().describe("load", &info);
    assert_eq!(collisions(&rules, &estate.database), [], "it was recorded before");
}
