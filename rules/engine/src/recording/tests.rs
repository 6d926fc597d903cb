//! Rows in, points out; and the order of rules.

use super::*;
use crate::definition::{Rule, RuleSet, from_str};
use crate::evaluate::Row;

fn rules(text: &str) -> RuleSet {
    let text = format!("groups:\n- name: g\n  rules:\n{text}");
    RuleSet { files: vec![from_str("f", &text).unwrap_or_else(|problems| panic!("{problems:#?}"))] }
}

fn rule(lines: &str) -> Rule {
    let set = rules(&format!("  - record: watts\n    sql: SELECT 1 AS value\n{lines}"));
    set.files[0].groups[0].rules[0].clone()
}

/// `host=a 3`, `host=a 3 @5` with a time of its own, `host=a` without a value.
fn row(text: &str) -> Row {
    let mut row = Row::default();
    for part in text.split(' ') {
        if let Some((name, value)) = part.split_once('=') {
            match value.parse::<f64>() {
                Ok(number) => drop(row.values.insert(name.to_owned(), number)),
                Err(_) => drop(row.identity.insert(name.to_owned(), value.to_owned())),
            }
        } else if let Some(time) = part.strip_prefix('@') {
            row.time = Some(UnixNanos(time.parse().expect("a time")));
        } else {
            row.values.insert("value".to_owned(), part.parse().expect("a number"));
        }
    }
    row
}

/// Evaluates at each time with these rows, and shows the points: `host=a 3 @5`, `stale` for a marker.
fn check(rule: &Rule, steps: &[(i64, &[&str], &str)]) {
    let mut recorder = Recorder::default();
    let record = rule.record.as_ref().expect("a recording rule");
    for (at, rows, expected) in steps {
        let rows: Vec<_> = rows.iter().map(|text| row(text)).collect();
        let taken = recorder.take(rule, record, &rows, UnixNanos(*at), |asked| Ok(vec![None; asked.len()]));
        let found = match taken {
            Ok(taken) => {
                let points = taken.points.iter().map(show).collect::<Vec<_>>().join("; ");
                recorder.commit(taken);
                points
            }
            Err(error) => error,
        };
        assert_eq!(&found, expected, "at {at}");
    }
}

fn show(point: &RecordedPoint) -> String {
    let labels: Vec<_> = point.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let value = point.value.map_or_else(|| "stale".to_owned(), |value| value.to_string());
    format!("{} {value} @{}", labels.join(","), point.time.0)
}

#[test]
fn rows_become_points_and_a_row_that_goes_ends_its_series_once() {
    check(
        &rule("    labels: {team: shop}\n"),
        &[
            (10, &["host=a 3", "host=b 4"], "host=a,team=shop 3 @10; host=b,team=shop 4 @10"),
            (20, &["host=b 5"], "host=a,team=shop stale @20; host=b,team=shop 5 @20"),
            (30, &["host=b host.name=x 5"], "host=b,host_name=x,team=shop 5 @30; host=b,team=shop stale @30"),
            (40, &["host=b host.name=x"], "host=b,host_name=x,team=shop stale @40"),
            (50, &[], ""),
            (60, &["host=a zone= 1"], "host=a,team=shop 1 @60"),
        ],
    );
}

#[test]
fn no_time_of_a_series_stands_twice_and_none_goes_back() {
    check(
        &rule(""),
        &[
            (10, &["host=a 3 @5"], "host=a 3 @5"),
            (20, &["host=a 4 @5"], ""),
            (30, &["host=a 4 @4"], ""),
            (40, &["host=a 6 @39"], "host=a 6 @39"),
            // The clock was set back.
            (20, &["host=a 7", "host=b 1"], "host=b 1 @20"),
            (20, &["host=b 1"], "host=a stale @40"),
        ],
    );
}

#[test]
fn the_newest_point_of_what_was_recorded_before_is_asked_for() {
    let rule = rule("");
    let record = rule.record.as_ref().expect("a recording rule");
    let recorder = Recorder::resume([Labels::from([("host".to_owned(), "a".to_owned())])]);
    let rows = [row("host=a 1 @5"), row("host=b 2 @5"), row("host=c 2")];
    let taken = recorder.take(&rule, record, &rows, UnixNanos(9), |asked| {
        let asked: Vec<_> = asked.iter().map(|(labels, from)| (labels["host"].as_str(), from.0)).collect();
        assert_eq!(asked, [("a", 5), ("b", 5), ("c", 9)]);
        Ok(vec![Some(UnixNanos(5)), None, None])
    });
    let points: Vec<_> = taken.expect("good rows").points.iter().map(show).collect();
    assert_eq!(points, ["host=b 2 @5", "host=c 2 @9"]);
}

#[test]
fn rows_that_can_not_be_recorded_are_named_and_change_nothing() {
    check(
        &rule("    labels: {team: shop}\n"),
        &[
            (10, &["host=a 3"], "host=a,team=shop 3 @10"),
            (
                20,
                &["host=a 3 load=4"],
                "a recording rule gives one number, named 'value', and 'load' is a number too; name the one to record with AS value, leave \
                 the other out, or record it by a rule of its own",
            ),
            (
                30,
                &["host=a team=x 1", "host=a team=y 2"],
                "two rows become the series watts{host=\"a\",team=\"shop\"}; give one of the columns a name that the rule's 'labels' do not have",
            ),
            (40, &[], "host=a,team=shop stale @40"),
        ],
    );
}

#[test]
fn a_series_has_one_rule_until_it_ends() {
    let mut owners = Owners::default();
    let series = Labels::from([("host".to_owned(), "a".to_owned())]);
    let (one, other) = ("one".into(), "other".into());
    assert_eq!(owners.claim(&one, "watts", [&series].into_iter()), Ok(()));
    assert_eq!(owners.claim(&one, "watts", [&series].into_iter()), Ok(()));
    assert_eq!(owners.claim(&other, "volts", [&series].into_iter()), Ok(()));
    assert_eq!(
        owners.claim(&other, "watts", [&series].into_iter()),
        Err("the series watts{host=\"a\"} is recorded by 'one' already; set a label that tells the two rules apart"
            .to_owned())
    );
    owners.release("watts", [&series].into_iter());
    assert_eq!(owners.claim(&other, "watts", [&series].into_iter()), Ok(()));
}

const CHAIN: &str = "
  - {rule: High, sql: 'SELECT host, value FROM latest(Rack_Watts, INTERVAL ''1 minute'')'}
  - {record: rack_watts, sql: 'SELECT sum(value) AS value FROM (SELECT * FROM public.node_watts) AS n'}
  - {record: node_watts, sql: 'SELECT host, value FROM latest(volts)'}
  - {rule: Other, sql: 'WITH node_watts AS (SELECT 1 AS v) SELECT v FROM node_watts'}
";

#[test]
fn a_rule_comes_after_those_whose_metrics_it_reads() {
    let set = rules(CHAIN);
    let dependencies = Dependencies::of(set.rules().map(|(_, rule)| rule));
    assert_eq!((0..4).map(|place| dependencies.before(place)).collect::<Vec<_>>(), [&[1][..], &[2], &[], &[]]);
    assert_eq!(dependencies.order(), [2, 1, 0, 3]);
    assert_eq!(circles(&set), []);
}

#[test]
fn circles_are_spelled_out_with_their_places() {
    let set = rules(
        "
  - {record: a, sql: SELECT value FROM latest(c)}
  - {record: b, sql: SELECT value FROM a}
  - {record: c, sql: 'SELECT value FROM rate(''b'', INTERVAL ''1 minute'')'}
  - {record: d, sql: SELECT value FROM d JOIN b USING (host)}
",
    );
    let found: Vec<_> = circles(&set).iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "f:5:14: recording rules go in a circle: 'a' reads 'c' (f:7:14), which reads 'b' (f:6:14), which reads 'a' (a recording rule \
             reads what is received, or what others record before it) [FB502]",
            "f:8:14: 'd' reads the metric that it records (a recording rule reads what is received, or what others record before it) [FB502]",
        ]
    );
    let order = Dependencies::of(set.rules().map(|(_, rule)| rule)).order();
    assert_eq!(order.len(), 4, "they have an order all the same");
}

#[test]
fn a_rule_with_a_step_is_evaluated_at_its_multiples_each_once() {
    use std::time::Duration;
    let second = |at: i64| UnixNanos::from_secs(at);
    let mut rule = rule("");
    let every = Duration::from_secs(5);
    assert_eq!(moments(&rule, Some(second(3)), second(100)), [second(100)]);
    assert_eq!(until_next(&rule, every, second(100)), every);
    if let Some(record) = &mut rule.record {
        record.step = Some(Duration::from_secs(60));
    }
    for (last, now, expected) in [
        (None, 130, vec![120]),
        (Some(60), 130, vec![120]),
        (Some(120), 130, vec![]),
        (Some(60), 180, vec![120, 180]),
        (Some(600), 130, vec![]),
        (Some(0), 6000, (0..10).map(|step| 5460 + step * 60).collect()),
    ] {
        let expected: Vec<_> = expected.into_iter().map(second).collect();
        assert_eq!(moments(&rule, last.map(second), second(now)), expected, "{last:?} {now}");
    }
    assert_eq!(until_next(&rule, every, second(132)), Duration::from_secs(3));
    assert_eq!(until_next(&rule, every * 100, second(130)), Duration::from_secs(50));
    assert_eq!(until_next(&rule, every * 100, second(120)), Duration::from_secs(60));
}
