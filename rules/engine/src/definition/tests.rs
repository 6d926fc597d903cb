//! Rule files as people write them, and as they should not.

use std::fs;

use flyball_model::action::ActionKind;

use super::*;

/// Each problem without the file's name, a line each; `fine` when there are none.
fn check(text: &str, expected: &str) {
    let found = match from_str("f", text) {
        Ok(_) => "fine".to_owned(),
        Err(problems) => problems
            .iter()
            .map(|problem| problem.to_string().trim_start_matches("f:").to_owned())
            .collect::<Vec<_>>()
            .join("\n"),
    };
    assert_eq!(found, expected, "in\n{text}");
}

/// A file of one group with these rules.
fn rules(rules: &str) -> String {
    format!("groups:\n- name: g\n  rules:\n{rules}")
}

/// A rule with these lines added.
fn rule_with(lines: &str) -> String {
    rules(&format!("  - rule: R\n    sql: SELECT 1\n{lines}"))
}

const EXAMPLE: &str = include_str!("tests/example.yaml");

#[test]
fn the_example_of_the_interface_is_read_whole() {
    let file = from_str("edge.yaml", EXAMPLE).expect("the example is good");
    let group = &file.groups[0];
    let rule = &group.rules[0];
    assert_eq!((group.name.as_str(), format_duration(group.every).as_str()), ("edge", "1s"));
    assert_eq!((rule.name.as_str(), rule.group.as_str(), rule.severity.as_str()), ("HighLatency", "edge", "critical"));
    assert_eq!((format_duration(rule.for_), format_duration(rule.keep_firing_for)), ("10s".into(), "30s".into()));
    assert_eq!(
        rule.no_data.map(|no_data| (no_data.policy, format_duration(no_data.after))),
        Some((NoDataPolicy::Keep, "1m".into()))
    );
    assert_eq!(rule.labels.get("team").map(String::as_str), Some("shop"));
    assert_eq!(rule.place.to_string(), "edge.yaml:6:11");
    assert!(rule.sql.as_str().starts_with("SELECT cluster") && rule.sql.as_str().ends_with("> 0.3\n"));
    let [scale, tell] = rule.remediate.as_slice() else { panic!("two steps: {:?}", rule.remediate) };
    assert_eq!((scale.action, scale.attempts, format_duration(scale.settle)), (ActionKind::ScaleOut, 2, "1m".into()));
    assert_eq!(serde_json::Value::from_iter(scale.params()), serde_json::json!({"factor": 1.5, "min": 2, "max": 25}));
    assert_eq!(scale.target.keys().collect::<Vec<_>>(), ["kind", "name", "namespace"]);
    assert_eq!((tell.action, tell.backend.as_str(), tell.params().len()), (ActionKind::Notify, "ops", 0));
    assert_eq!(rule.version.len(), 8);
}

#[test]
fn what_is_left_out_has_a_default() {
    let file = from_str("f", &rule_with("")).expect("good");
    let rule = &file.groups[0].rules[0];
    assert_eq!(format_duration(file.groups[0].every), "1s");
    assert!(rule.for_.is_zero() && rule.keep_firing_for.is_zero() && rule.no_data.is_none() && rule.summary.is_none());
    assert_eq!(rule.severity, "warning");
    for empty in ["", "# nothing yet\n", "groups: []\n", "{}"] {
        check(empty, "fine");
    }
}

#[test]
fn every_problem_of_a_file_is_told_at_once_with_its_place() {
    check(
        "groups:\n- name: a\n  evry: 1s\n  rules:\n  - rule: R\n    sql: SELECT 1\n    fro: 10s\n    for: 10\n    severity: []\n  - rule: S\n- name: a\n",
        "3:3: a group has no key 'evry' (did you mean 'every'?)\n\
         7:5: a rule has no key 'fro' (did you mean 'for'?)\n\
         8:10: for: '10' has no unit; write 10s for seconds (units are ms, s, m, h, d)\n\
         9:15: 'severity' is a single value, and here is a list\n\
         10:5: a rule needs 'sql'\n\
         11:3: a group needs 'rules'\n\
         11:9: the group 'a' stands in this file twice (the first is in line 2)",
    );
}

#[test]
fn what_is_not_yaml_says_where() {
    check("groups: [\n", "1:9: this is not YAML: unclosed bracket '['");
    check(
        "groups: []\n---\ngroups: []\n",
        "3:1: a second YAML document begins here (a file is one document; put what follows into another file)",
    );
    check("groups: []\ngroups: []\n", "2:1: the key 'groups' stands here twice");
    check("- 1\n", "1:1: a rule file is a mapping (key: value), and here is a list");
    check("rules: []\n", "1:1: a rule file has no key 'rules' (the keys are groups, tests)");
    check(
        "groups:\n  name: g\n",
        "2:3: 'groups' is a list, and here is a mapping (begin each item of 'groups' with '- ')",
    );
    check("groups:\n", "1:7: 'groups' is a list, and here is nothing (begin each item of 'groups' with '- ')");
}

#[test]
fn fields_of_a_rule_are_checked() {
    for (line, expected) in [
        ("    labels: {team: shop, y: 1, no: yes}\n", "fine"),
        (
            "    labels: {a-b: x}\n",
            "6:14: 'a-b' is not a label name (letters, digits and '_', not beginning with a digit: a_b)",
        ),
        (
            "    labels: {a: '{{ host }}'}\n",
            "6:17: the label 'a' is a template, and labels are taken as they are (what varies is a string column of the query)",
        ),
        (
            "    severity: '{{ host }}'\n",
            "6:15: 'severity' is a template, and is taken as it is (what varies is a string column 'severity' of the query)",
        ),
        ("    summary: ''\n", "6:14: 'summary' is empty"),
        ("    summary: |\n      one\n      {{ host | shout }}\n", "8:7: unknown filter: filter shout is unknown"),
        ("    summary: {{ host }}\n", "6:14: 'summary' is a single value, and here is a mapping"),
        ("    no_data: fire\n    error_for: 30s\n    flaps: {max: 4, within: 10m}\n", "fine"),
        ("    flaps: {max: 0}\n", "6:12: 'flaps' needs 'within'\n6:18: 'max' is a whole number, at least 1"),
        (
            "    flaps: {max: 1000, within: 0s}\n",
            "6:18: 'max' is at most 100: the times of so many changes are kept for each instance",
        ),
        ("    flaps: {max: 4, within: 0s}\n", "6:29: 'within' is longer than nothing (write within: 10m)"),
        ("    no_data: kep\n", "6:14: 'no_data' can't be 'kep' (did you mean 'keep'?)"),
        ("    no_data_after: 1m\n", "6:20: 'no_data_after' means nothing without 'no_data' (add no_data: keep)"),
        ("    record: x\n", "4:11: a rule fires ('rule') or records ('record'), not both (write two rules)"),
        ("  - rule: R\n    sql: SELECT 2\n", "6:11: the rule 'R' is defined twice (the first is f:4:11) [FB002]"),
    ] {
        check(&rule_with(line), expected);
    }
    check(
        &rules("  - rule: ' R'\n    sql: x\n"),
        "4:11: 'rule' is one line of at most 200 bytes without space around it",
    );
    check(
        "groups: [{name: g, every: 50ms, rules: []}]",
        "1:27: 'every' is at least 100ms; data wakes a rule without it",
    );
    check(
        "tests: [{name: t, inputs: []}]",
        "1:9: a test needs 'input'\n1:9: a test needs 'expect'\n1:19: a test has no key 'inputs' (did you mean 'input'?)",
    );
}

#[test]
fn steps_of_a_remediation_are_checked() {
    let target = "target: {kind: Deployment, name: web}";
    for (step, expected) in [
        (format!("{{backend: k8s, action: scale_in, {target}, by: 1}}"), "fine"),
        (
            format!("{{backend: k8s, action: scale_out, {target}}}"),
            "7:7: 'scale_out' needs 'factor' or 'by': by how much it scales",
        ),
        (
            format!("{{backend: b, action: scale_out, {target}, factor: 2, by: 1}}"),
            "7:93: 'scale_out' has both 'factor' and 'by'; keep one",
        ),
        (
            format!("{{backend: b, action: scale_out, {target}, factor: 0.5}}"),
            "7:86: the replicas are multiplied by 'factor': for 'scale_out' it is above 1, like 1.5",
        ),
        (
            format!("{{backend: b, action: scale_in, {target}, factor: 1.5}}"),
            "7:85: the replicas are multiplied by 'factor': for 'scale_in' it is between 0 and 1, like 0.5",
        ),
        (
            format!("{{backend: b, action: scale_in, {target}, factor: .nan}}"),
            "7:85: this is not YAML: non-finite float `.nan` rejected by the configured policy",
        ),
        (format!("{{backend: b, action: scale_in, {target}, by: 0}}"), "7:81: 'by' is a whole number, at least 1"),
        (
            format!("{{backend: b, action: scale_out, {target}, by: 1, min: 3, max: 2}}"),
            "7:90: 'min' is 3 and 'max' is 2: the least is more than the most",
        ),
        (
            "{backend: b, action: scale_out, target: {kind: Deployment}, by: 1}".into(),
            "7:47: 'scale_out' needs a target with 'name' (write target: {kind: Deployment, namespace: shop, name: web})",
        ),
        ("{backend: b, action: notify, by: 1}".into(), "7:40: 'notify' changes nothing and takes no 'by'"),
        (
            "{backend: b, action: cordon}".into(),
            "7:28: the action 'cordon' is not supported by this version (the actions are notify, scale_out, scale_in)",
        ),
        (
            "{backend: b, action: scale_outt}".into(),
            "7:28: there is no action 'scale_outt' (did you mean 'scale_out'?)",
        ),
        ("{action: notify}".into(), "7:7: a step of 'remediate' needs 'backend'"),
        ("notify".into(), "7:7: a step of 'remediate' is a mapping (key: value), and here is a single value"),
    ] {
        check(&rule_with(&format!("    remediate:\n    - {step}\n")), expected);
    }
}

#[test]
fn a_place_in_the_query_is_a_place_in_the_file_however_it_is_written() {
    for (written, expected) in [
        ("|\n      SELECT a,\n        b\n      FROM é WHERE bad\n", "8:20"),
        ("|2-\n        SELECT a,\n          b FROM é WHERE bad\n", "7:26"),
        (">\n      SELECT a,\n      b\n      FROM é WHERE bad\n", "8:20"),
        ("SELECT a, b\n      FROM é WHERE bad\n", "6:20"),
        ("'SELECT ''x'', b\n      FROM é WHERE bad'\n", "6:20"),
        ("\"SELECT \\\"x\\\",\\n b\\u00e9 \\\n      FROM é WHERE bad\"\n", "6:20"),
        ("|\n      'x' FROM é WHERE bad\n", "6:24"),
    ] {
        let text = rules(&format!("  - rule: R\n    sql: {written}"));
        let file = from_str("f", &text).unwrap_or_else(|problems| panic!("{problems:?} in\n{text}"));
        let sql = &file.groups[0].rules[0].sql;
        let before = &sql.as_str()[..sql.as_str().find("bad").expect("it is there")];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        assert_eq!(sql.place_of(line, column).to_string(), format!("f:{expected}"), "{line}:{column} in\n{text}");
        assert_eq!(sql.place_of_word("bad").to_string(), format!("f:{expected}"), "in\n{text}");
        // Beyond the end is the end, and no panic.
        sql.place_of(99, 99);
        sql.place_of(0, 0);
    }
}

#[test]
fn the_version_follows_the_meaning_and_not_the_words() {
    let version = |lines: &str| from_str("f", &rule_with(lines)).expect("good").groups[0].rules[0].version.clone();
    let plain = version("");
    for same in ["    summary: x\n", "    for: 0s\n", "    severity: warning\n"] {
        assert_eq!(version(same), plain, "{same}");
    }
    let different = [
        "    for: 1s\n",
        "    keep_firing_for: 1s\n",
        "    severity: page\n",
        "    labels: {a: b}\n",
        "    no_data: keep\n",
        "    no_data: fire\n",
        "    error_for: 1s\n",
        "    flaps: {max: 1, within: 1s}\n",
        "    flaps: {max: 2, within: 1s}\n",
        "    unless: [Other]\n",
        "    unless: [Other on host]\n",
        "    remediate: [{backend: b, action: notify}]\n",
    ];
    let mut versions: Vec<String> = different.iter().map(|lines| version(lines)).collect();
    versions.push(plain);
    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), different.len() + 1);
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_back_is_told_once_and_not_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).expect("made");
    fs::write(inner.join("a.yaml"), "groups:\n- {name: g, rules: [{rule: A, sql: SELECT 1 AS n}]}\n").expect("written");
    std::os::unix::fs::symlink(folder.path(), inner.join("back")).expect("linked");
    let (set, problems) = load_with_problems(&[folder.path().to_owned()]);
    assert_eq!(set.rules().count(), 1);
    assert_eq!(problems.len(), 1, "{problems:?}");
    let told = problems[0].to_string();
    assert!(told.contains("inner/back:1:1: this link leads back"), "{told}");
}

#[test]
fn folders_are_searched_in_order_and_rules_are_unique_among_all_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("b/c")).expect("a folder");
    fs::create_dir_all(path(".hidden")).expect("a folder");
    let one = |name: &str| rules(&format!("  - rule: {name}\n    sql: SELECT 1\n"));
    for (name, text) in [
        ("z.yml", one("Z")),
        ("a.yaml", one("A")),
        ("b/c/d.yaml", one("D")),
        (".hidden/h.yaml", one("H")),
        ("readme.md", "x".into()),
    ] {
        fs::write(path(name), text).expect("written");
    }
    let set = load(&[folder.path().to_owned(), path("a.yaml")]).expect("good, and a file named twice is read once");
    assert_eq!(set.rules().map(|(_, rule)| rule.name.as_str()).collect::<Vec<_>>(), ["A", "D", "Z"]);

    fs::write(path("b/e.yaml"), one("A")).expect("written");
    fs::write(path("b/bytes.yaml"), [0xff, 0xfe]).expect("written");
    let problems = load(&[folder.path().to_owned(), path("gone.yaml")]).expect_err("three problems");
    let found: Vec<String> = problems
        .iter()
        .map(|problem| problem.to_string().replace(&format!("{}/", folder.path().display()), ""))
        .collect();
    assert_eq!(
        found,
        [
            "b/bytes.yaml:1:1: the file is not text in UTF-8",
            "b/e.yaml:4:11: the rule 'A' is defined twice (the first is a.yaml:4:11) [FB002]",
            "gone.yaml:1:1: there is no such file or folder",
        ]
    );
}

#[test]
fn hostile_files_end_in_words() {
    let huge = format!("# {}\n", "x".repeat(FILE_BYTES_MAX as usize));
    check(&huge, "1:1: the file is larger than 10 MB; split it into several");
    let deep = format!("groups: {}{}", "[".repeat(5000), "]".repeat(5000));
    assert!(from_str("f", &deep).is_err());
    let bomb = "a: &a [x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c]\ngroups: [*d, *d, *d, *d, *d, *d, *d, *d]\n";
    assert!(from_str("f", bomb).is_err());
    let problems = from_str("f", &rules(&"  - x\n".repeat(100_000))).expect_err("each is wrong");
    assert_eq!(problems.len(), 201);
    assert_eq!(problems[0].to_string(), "f:1:1: there are 99800 more problems in this file");
}

#[test]
fn ten_thousand_rules_are_read() {
    let many: String = (0..10_000).map(|n| format!("  - {{rule: R{n}, sql: SELECT {n}}}\n")).collect();
    let file = from_str("f", &rules(&many)).expect("good");
    assert_eq!(file.groups[0].rules.len(), 10_000);
}

#[test]
fn a_recording_rule_is_read_whole_and_named_by_what_it_records() {
    let text = rules(
        "  - record: job:node_watts:sum\n    sql: SELECT 1 AS value\n  - {record: job:node_watts:sum, sql: SELECT 2 AS value, labels: {b: '1', a: x}}\n",
    );
    let file = from_str("f", &text).expect("good rules");
    let [plain, labelled] = file.groups[0].rules.as_slice() else { panic!("two rules") };
    assert_eq!(
        (plain.name.as_str(), labelled.name.as_str()),
        ("job:node_watts:sum", "job:node_watts:sum{a=\"x\",b=\"1\"}")
    );
    assert_eq!(plain.place.to_string(), "f:4:13");
    let record = plain.record.as_ref().expect("it records");
    assert_eq!((record.metric.as_str(), record.value, record.step), ("job:node_watts:sum", VALUE_COLUMN, None));
    assert_ne!(plain.version, labelled.version);
}

#[test]
fn recording_rules_that_are_wrong_are_told_where() {
    for (rule, expected) in [
        (
            "{record: node.watts, sql: SELECT 1}",
            "4:14: 'node.watts' is not a metric's name in Prometheus form (letters, digits, '_' and ':', not beginning with a digit: node_watts)",
        ),
        (
            "{record: power, sql: SELECT 1}",
            "4:14: 'power' is a table of flyball's own, and no metric can be read by that name",
        ),
        ("{record: w}", "4:5: a rule needs 'sql'"),
        (
            "{record: w, sql: SELECT 1, for: 1m}",
            "4:37: a recording rule has no 'for', for it fires nothing (write a rule of its own that reads the metric)",
        ),
        (
            "{record: w, sql: SELECT 1, labels: {a.b: x}}",
            "4:41: 'a.b' is not a label name (letters, digits and '_', not beginning with a digit: a_b)",
        ),
        (
            "{record: w, sql: SELECT 1}\n  - {record: w, sql: SELECT 2}",
            "5:14: 'w' is recorded twice; let the rules differ in 'labels', or record one of them elsewhere (the first is f:4:14) [FB002]",
        ),
    ] {
        check(&rules(&format!("  - {rule}\n")), expected);
    }
}
