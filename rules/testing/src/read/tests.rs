use flyball_rules::definition::{RuleSet, from_str_with_problems};

use super::*;

const RULES: &str =
    "groups: [{name: g, rules: [{rule: Hot, sql: SELECT 1, remediate: [{backend: ops, action: notify}]}]}]\n";

/// The problems of one input, a line each, with columns that count from the input's first character.
fn input(text: &str) -> String {
    problems(&format!("{RULES}tests:\n- name: t\n  expect: [{{at: 1s, alerts: []}}]\n  input:\n  - {text}\n"))
}

fn expect(text: &str) -> String {
    problems(&format!("{RULES}tests:\n- name: t\n  input: []\n  expect:\n  - {text}\n"))
}

fn problems(text: &str) -> String {
    let (file, _) = from_str_with_problems("r", text);
    let set = RuleSet { files: vec![file] };
    let (_, problems) = read(&set.files[0], &set);
    let lines = problems.iter().map(|problem| problem.to_string().trim_start_matches("r:").to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_kind_of_input_is_read() {
    for good in [
        "{series: 'up{job=\"a\"}', every: 15s, values: '1x3 stale'}",
        "{series: up, values: 5}",
        "{series: up, from: 1m, every: 1s, values: 0+1x5}",
        "{logs: {service_name: web}, severity: ERROR, body: 'no', every: 1s, values: '0x3 2x3'}",
        "{logs: {}, body: x, event_name: e, severity_number: 10, attributes: {k8s.pod: a}}",
        "{power: {host: a}, every: 1s, values: '40x3'}",
        "{power: {host: a, scope: process, pid: 41, exe: train}, values: 80}",
        "{twin: pod, id: shop/web, parents: {node: n1}, labels: {app: web}, attributes: {ready: '1x3'}, states: {phase: Running}, every: 1s}",
        "{twin: node, id: n1}",
    ] {
        assert_eq!(input(good), "", "{good}");
    }
}

#[test]
fn what_is_wrong_with_an_input_stands_at_its_place() {
    for (text, expected) in [
        (
            "{serie: up}",
            "6:5: an input says what comes in (begin it with series, logs, power or twin, like series: 'up{job=\"web\"}')",
        ),
        ("{series: up}", "6:5: a series needs 'values'"),
        ("{series: up, values: 1, evry: 1s}", "6:29: a series has no key 'evry' (did you mean 'every'?)"),
        (
            "{series: up, values: '1x3'}",
            "6:5: an input of several values needs 'every' (add every: 15s, the time between them)",
        ),
        ("{series: up, values: '1x3', every: 0s}", "6:40: 'every' is at least 1ms"),
        ("{series: up, values: '1x3', every: 200d}", "6:5: the last of these values comes after more than 366d"),
        (
            "{series: up, values: '1x3', every: 5}",
            "6:40: every: '5' has no unit; write 5s for seconds (units are ms, s, m, h, d)",
        ),
        // Inside the value: the place of the third item, and of what is wrong in it.
        ("{series: up, every: 1s, values: '1 2 3x'}", "6:43: after x stands a whole number, like x3, not ''"),
        ("{series: 'up{a=1}', values: 1}", "6:20: a label's value stands in quotes: label=\"value\""),
        ("{logs: {a.b: c}}", "6:13: 'a.b' is not a label's name in Prometheus form; write 'a_b'"),
        (
            "{logs: {}, values: 1.5}",
            "6:24: the values of a log input say how many records come at a time: whole numbers up to 1000",
        ),
        ("{logs: {}, severity_number: 30}", "6:33: OpenTelemetry's severities are 1 (TRACE) to 24 (FATAL4)"),
        (
            "{power: {scope: host}, values: 1}",
            "6:13: a power input needs a host (write power: {host: edge-1, scope: host})",
        ),
        ("{power: {host: a, scope: proces}, values: 1}", "6:13: power has no scope 'proces' (did you mean 'process'?)"),
        ("{power: {host: a, scope: process}, values: 1}", "6:13: power of the scope 'process' needs 'pid'"),
        (
            "{power: {host: a, pid: 1}, values: 1}",
            "6:13: power of the scope 'host' has no 'pid' (it has host; for all else write the exporter's own series)",
        ),
        ("{twin: nod, id: a}", "6:12: twin: 'nod' is no kind of entity; did you mean 'node'?"),
        ("{twin: node}", "6:5: a twin input needs 'id'"),
        ("{twin: pod, id: a, parents: {nodes: b}}", "6:34: a pod has no parent 'nodes' (did you mean 'node'?)"),
        (
            "{twin: node, id: a, attributes: {labels: 1}}",
            "6:5: attribute: an attribute of a node must not be called 'labels': that is a column of its own",
        ),
        (
            "{twin: node, id: a, attributes: {load1: '1x3'}}",
            "6:5: an input of several values needs 'every' (add every: 15s, the time between them)",
        ),
    ] {
        assert_eq!(input(text), expected, "{text}");
    }
}

#[test]
fn what_is_wrong_with_an_expectation_stands_at_its_place() {
    for (text, expected) in [
        ("{at: 1m, alerts: []}", ""),
        (
            "{at: 1m, alerts: [{rule: Hot, labels: {a: b}, state: pending, values: {v: 1}, summary: s, severity: x}]}",
            "",
        ),
        ("{at: 1m, actions: [{backend: ops, action: notify, state: resolved}]}", ""),
        ("{at: 1m, values: [{sql: SELECT 1, rows: [{a: 1, b: x, c: true}]}]}", ""),
        ("{alerts: []}", "6:5: an item of 'expect' needs 'at'"),
        (
            "{at: 1m}",
            "6:5: an item of 'expect' needs 'alerts', 'actions' or 'values' (write alerts: [] where nothing may be pending or fire)",
        ),
        ("{at: 400d, alerts: []}", "6:10: at: a test lasts at most 366d"),
        ("{at: 1m, alerts: [{rule: Hott}]}", "6:30: there is no rule 'Hott' here (did you mean 'Hot'?)"),
        (
            "{at: 1m, alerts: [{rule: Hot, state: fired}]}",
            "6:42: state: 'fired' is no state of an alert; there are pending, firing, no_data, resolved, error",
        ),
        ("{at: 1m, alerts: [{rule: Hot, values: {v: x}}]}", "6:47: 'v' is a number, like 1.5"),
        (
            "{at: 1m, actions: [{backend: opps, action: notify}]}",
            "6:34: no rule here names the backend 'opps' (did you mean 'ops'?)",
        ),
        (
            "{at: 1m, actions: [{backend: ops, action: scale_up}]}",
            "6:47: action: there is no action 'scale_up'; did you mean 'scale_in'?",
        ),
        ("{at: 1m, actions: [{backend: ops, action: notify, by: 2}]}", "6:59: 'notify' has no 'by'"),
        ("{at: 1m, actions: [{backend: ops, action: scale_in, state: firing}]}", "6:64: 'scale_in' has no 'state'"),
        ("{at: 1m, values: [{sql: SELECT 1}]}", "6:23: an item of 'values' needs 'rows'"),
    ] {
        assert_eq!(expect(text), expected, "{text}");
    }
}

#[test]
fn tests_have_names_of_their_own_and_know_their_rules() {
    let twice = "tests:\n- {name: t, input: [], expect: []}\n- {name: t, input: [], expect: [{at: 1s, alerts: []}], rules: Hat, start: soon}\n";
    assert_eq!(
        problems(&format!("{RULES}{twice}")),
        "3:32: a test that expects nothing can't fail (write expect: [{at: 1m, alerts: []}])\n\
         4:10: the test 't' stands in this file twice (the first is in line 3)\n\
         4:63: there is no rule 'Hat' here (did you mean 'Hot'?)\n\
         4:75: start: 'soon' is not a time; write RFC 3339 (2026-01-01T00:00:10Z) or seconds since 1970"
    );
    assert_eq!(problems("tests: []\n"), "");
    assert_eq!(
        problems("tests: [{name: t, input: [], expect: [{at: 1s, alerts: [{rule: Hot}]}]}]\n"),
        "1:64: there is no rule 'Hot' here (no rules are given; name their file too)"
    );
}

#[test]
fn a_file_without_rules_is_about_all_rules_that_are_given() {
    let tests = "tests: [{name: t, input: [], expect: [{at: 1s, alerts: [{rule: Hot}]}]}]\n";
    let files = [RULES, tests].map(|text| from_str_with_problems("f", text).0);
    let set = RuleSet { files: files.into() };
    let (tests, problems) = read(&set.files[1], &set);
    assert_eq!((tests.len(), problems.len(), in_scope(&set.files[1], &set).len()), (1, 0, 1));
}

#[test]
fn the_values_of_a_file_are_bounded() {
    let series = "  - {series: up, every: 1ms, values: '1x600000'}\n";
    let text = format!("{RULES}tests:\n- name: t\n  expect: [{{at: 1s, alerts: []}}]\n  input:\n{series}{series}");
    assert_eq!(problems(&text), "7:5: the tests of this file have more than 1000000 values up to here");
}
