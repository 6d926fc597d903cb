use flyball_yaml::Problem;

use super::*;

fn done(system: System, name: &str, text: &str) -> Imported {
    import(system, name, text).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn told(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// The reason for which an expression is refused.
fn reason(expr: &str) -> String {
    promql::translate(expr).map_or_else(|refused| refused.0, |query| query.sql)
}

#[test]
fn a_file_of_prometheus_becomes_one_of_flyball() {
    let imported = done(
        System::Prometheus,
        "node.yaml",
        r#"groups:
- name: node
  interval: 30s
  limit: 5
  rules:
  - alert: Busy
    expr: 100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))) > 90
    for: 1w
    labels: {severity: critical, team: infra}
    annotations:
      summary: Busy.
      description: '{{ $labels.instance }} is {{ printf "%.1f" $value }}% busy.'
      runbook_url: https://runbooks.example/busy
  - alert: Busy
    expr: up offset 5m == 0
  - record: instance:up
    expr: up
"#,
    );
    assert_eq!(
        imported.yaml,
        r#"# From node.yaml: Prometheus.
groups:
- name: node
  every: 30s
  rules:
  - rule: Busy
    sql: |
      SELECT instance, finite(100 * (1 - avg(value))) AS value
      FROM rate(node_cpu_seconds_total, INTERVAL '5 minutes', 'instance', 'mode')
      WHERE mode = 'idle'
      GROUP BY instance
      HAVING 100 * (1 - avg(value)) > 90 AND NOT isnan(100 * (1 - avg(value)))
    for: 7d
    severity: critical
    labels: {team: infra}
    summary: "{{ instance }} is {{ value | round(1) }}% busy."
    runbook: "https://runbooks.example/busy"
  - record: "instance:up"
    sql: |
      SELECT labels, finite(value) AS value
      FROM latest(up, '*')
"#
    );
    assert_eq!((imported.total, imported.translated), (3, 2));
    assert_eq!(told(&imported.refused), ["node.yaml:14:5: Busy: 'offset': a range function of flyball ends now"]);
    assert_eq!(told(&imported.notes).len(), 1, "{:?}", imported.notes);
}

#[test]
fn what_several_rules_record_with_the_same_labels_one_does() {
    let text = "groups:
- name: g
  rules:
  - {record: r, expr: sum by (job) (up)}
  - {record: r, expr: sum by (job) (up == 0)}
  - {record: r, expr: sum by (job) (up), labels: {a: b}}
  - {record: r, expr: sum by (host) (up)}
- name: h
  rules:
  - {record: r, expr: sum by (job) (up)}
";
    let imported = done(System::Prometheus, "f", text);
    let sum =
        |filter: &str| format!("      {filter}SELECT job, finite(sum(value)) AS value\n      FROM latest(up, 'job')\n");
    assert!(
        imported.yaml.contains(&format!("{}      GROUP BY job)\n      UNION ALL\n{}", sum("("), sum("("))),
        "{}",
        imported.yaml
    );
    assert_eq!((imported.total, imported.translated, imported.yaml.matches("record: r").count()), (5, 3, 2));
    let reason = "r: a rule of another group, or with other columns, records the same metric with the same labels";
    assert_eq!(told(&imported.refused), [format!("f:7:5: {reason}"), format!("f:10:5: {reason}")]);
}

#[test]
fn labels_that_flyball_has_no_name_for_are_refused() {
    let rule = |label: &str| {
        let text = format!(
            "groups:\n- name: g\n  rules:\n  - {{alert: A, expr: up, labels: {{\"{label}\": x, severity: page}}}}\n"
        );
        told(&done(System::Prometheus, "f", &text).refused)
    };
    assert!(rule("team_1").is_empty());
    for odd in ["a.b", "1a", "gr\u{f6}\u{df}e"] {
        let reason = format!("f:4:5: A: the label '{odd}': labels of flyball are of letters, digits and '_'");
        assert_eq!(rule(odd), [reason], "{odd}");
    }
}

#[test]
fn what_has_no_exact_form_is_refused_with_the_reason() {
    for (expr, expected) in [
        ("rate(m[5m] offset 1h)", "'offset': a range function of flyball ends now"),
        ("m @ 100", "'@': a range function of flyball ends now"),
        ("max_over_time(rate(m[1m])[1h:])", "max_over_time() of a subquery ([5m:1m])"),
        ("{job=\"x\"}", "a selector without one metric's name: a range function of flyball reads one metric"),
        ("sum by (__name__) (m)", "the name of a metric as a label (__name__)"),
        ("m{value=\"1\"}", "a matcher of the label 'value', which is a column of flyball's own"),
        ("count_values(\"v\", m)", "count_values(): rows are not told apart by it in SQL"),
        ("m > scalar(n)", "scalar(): a vector as a scalar"),
        ("histogram_count(m)", "the function histogram_count()"),
        ("m[5m]", "not a vector: a rule needs an instant vector"),
        ("predict_linear(m[1h], time())", "predict_linear() with a parameter that varies"),
    ] {
        assert_eq!(reason(expr), expected, "{expr}");
    }
    assert!(reason("sum(").starts_with("not PromQL: "), "{}", reason("sum("));
    // Each `or` reads its left twice.
    let many = ["m"; 12].join(" or ");
    assert_eq!(reason(&many), "more than 64 tables read; record parts of it first");
}

#[test]
fn hostile_files_are_refused_in_time() {
    let wrong = |text: &str| told(&import(System::Prometheus, "f", text).expect_err("refused"));
    let list = wrong("groups: 3");
    assert!(list.first().is_some_and(|problem| problem.starts_with("f:1:9: 'groups' is a list")), "{list:?}");
    assert!(wrong("[").first().is_some_and(|problem| problem.contains("this is not YAML")));
    assert!(
        wrong(&"x".repeat(FILE_BYTES_MAX + 1)).first().is_some_and(|problem| problem.contains("larger than 10 MB"))
    );
    for expr in [
        "(".repeat(40_000),
        "-".repeat(60_000),
        "sum(".repeat(64),
        format!("m{{a=~\"{}\"}}", "(a+)+".repeat(50)),
        "a+".repeat(300),
    ] {
        let file = serde_json::json!({"groups": [{"name": "g", "rules": [{"alert": "A", "expr": expr}]}]});
        let imported = done(System::Prometheus, "f", &file.to_string());
        assert_eq!(imported.total, 1);
        assert!(imported.yaml.len() < 100_000);
    }
}

#[test]
fn policies_of_icos_state_the_bad_condition() {
    let imported = done(System::Icos, "p", include_str!("../tests/data/icos-policies.yaml"));
    assert_eq!((imported.total, imported.translated), (2, 2), "{:?}", imported.refused);
    assert!(imported.yaml.contains("WHERE value < 300 AND NOT isnan(value)\n    for: 10m"), "{}", imported.yaml);
    assert!(
        imported
            .yaml
            .contains("{backend: icos, action: scale_out, target: {kind: Deployment, name: inference}, by: 1}")
    );
    assert!(imported.yaml.contains("WHERE value > 85 AND NOT isnan(value)"), "{}", imported.yaml);
    let imported = done(System::Icos, "p", include_str!("../tests/data/icos-policy.json"));
    assert_eq!(imported.translated, 1, "{:?}", imported.refused);
    let expected = "WHERE icos_app_name = 'shop' AND icos_app_instance = 'shop-1' AND icos_app_component IS NOT NULL";
    assert!(imported.yaml.contains(expected) && imported.yaml.contains("HAVING avg(value) > 1"), "{}", imported.yaml);
    assert!(imported.yaml.contains("every: 30s") && imported.yaml.contains("for: 1m\n"), "{}", imported.yaml);
    let template = done(
        System::Icos,
        "p",
        "[{name: t, fromTemplate: x}, {name: s, security: high}, {name: l, spec: {expr: '{% for a in b %}', violatedIf: x}}]",
    );
    assert_eq!((template.total, template.translated), (3, 0));
}

#[test]
fn promises_of_class_are_turned_round() {
    let imported = done(System::Class, "q", include_str!("../tests/data/class-qos.json"));
    assert_eq!((imported.total, imported.translated), (2, 2), "{:?}", imported.refused);
    assert!(imported.yaml.contains("WHERE value >= 50 AND NOT isnan(value)\n    for: 2m"), "{}", imported.yaml);
    let imported = done(System::Class, "t", include_str!("../tests/data/class-task.json"));
    let step = "{backend: rotterdam, action: scale_out, target: {kind: Deployment, name: redis-app}, factor: 1.5, min: 2, max: 25}";
    assert!(imported.yaml.contains(step), "{}", imported.yaml);
    let imported = done(System::Class, "a", include_str!("../tests/data/class-agreement.json"));
    assert_eq!((imported.total, imported.translated), (3, 2));
    assert!(
        imported.yaml.contains("FROM avg_over(resp_time, INTERVAL '1 minute', '*')\n      WHERE value >= 100"),
        "{}",
        imported.yaml
    );
    assert!(imported.yaml.contains("WHERE value >= 0.05"), "{}", imported.yaml);
    assert_eq!(imported.refused.len(), 1);
}
