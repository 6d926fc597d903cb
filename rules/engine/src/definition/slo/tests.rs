//! Objectives as they are written, and what their rules make of known events.

use flyball_model::UnixNanos;
use flyball_yaml::format_duration;

use super::*;
use crate::definition::{Rule, RuleFile, from_str};
use crate::evaluate::testing::{Estate, NOW};
use crate::evaluate::{EVALUATION_LIMITS, Outcome, Row, RuleEvaluator};
use crate::recording::{Dependencies, circles};

const OBJECTIVE: &str = "
groups:
- name: g
  rules:
  - rule: Web
    slo:
      objective: 99.9
      good: SELECT service, sum(value) AS value FROM increase(requests, INTERVAL '{{ window }}') WHERE code < '500' GROUP BY service
      total: SELECT service, sum(value) AS value FROM increase(requests, INTERVAL '{{window}}') GROUP BY service
    labels: {team: shop}
";

fn file(text: &str) -> RuleFile {
    from_str("f", text).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn check(slo: &str, expected: &str) {
    let text = format!("groups:\n- name: g\n  rules:\n  - rule: R\n    slo: {{{slo}}}\n");
    let found = match from_str("f", &text) {
        Ok(_) => "fine".to_owned(),
        Err(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    };
    assert_eq!(found, expected, "{slo}");
}

#[test]
fn an_objective_becomes_a_group_of_rules_in_their_order() {
    let file = file(OBJECTIVE);
    let [own, made] = file.groups.as_slice() else { panic!("two groups") };
    assert_eq!((own.rules.len(), made.name.as_str(), format_duration(made.every).as_str()), (0, "g", "1m"));
    let names: Vec<_> = made.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "slo_events{slo=\"Web\"}",
            "slo_events_1h{slo=\"Web\"}",
            "slo_burn_rate{slo=\"Web\"}",
            "slo_error_budget_remaining{slo=\"Web\"}",
            "Web_1h",
            "Web_6h",
            "Web_1d",
            "Web_3d"
        ]
    );
    let fast = &made.rules[4];
    assert_eq!(
        (fast.severity.as_str(), fast.labels["team"].as_str(), fast.labels["slo"].as_str()),
        ("critical", "shop", "Web")
    );
    assert_eq!(fast.place.to_string(), "f:5:11");
    let dependencies = Dependencies::of(made.rules.iter());
    let before: Vec<_> = (0..8).map(|place| dependencies.before(place)).collect();
    assert_eq!(before, [&[][..], &[0], &[0, 1], &[2], &[2], &[2], &[2], &[2]]);
    assert_eq!(circles(&crate::definition::RuleSet { files: vec![file] }), []);
}

#[test]
fn objectives_that_are_wrong_are_told_where() {
    const GOOD: &str = "good: 'SELECT sum(value) AS value FROM increase(g, INTERVAL ''{{ window }}'')'";
    const TOTAL: &str = "total: 'SELECT sum(value) AS value FROM increase(t, INTERVAL ''{{ window }}'')'";
    check(&format!("objective: 99.9, {GOOD}, {TOTAL}"), "fine");
    check(&format!("{GOOD}, {TOTAL}"), "f:5:10: an objective needs 'objective'");
    check(
        &format!("objective: 100, {GOOD}, {TOTAL}"),
        "f:5:22: 'objective' is a percentage between 0 and 100 (write 99.9)",
    );
    check(
        &format!("objective: 90, {GOOD}, {TOTAL}"),
        "f:5:22: warning: with an objective of 90 % the budget burns at most 10.0 times as fast as it may, so the rule of 5m and 1h (above 14.4) \
         never fires",
    );
    check(&format!("objective: 99, window: 1d, {GOOD}, {TOTAL}"), "f:5:34: window: it is 3d to 366d");
    check(
        &format!("objective: 99, step: 7s, {GOOD}, {TOTAL}"),
        "f:5:32: step: it is 10s to 5m, and a part of 5 minutes: 10s, 30s, 1m, 5m",
    );
    check(
        &format!("objective: 99, {GOOD}, total: SELECT 1 AS value"),
        "f:5:113: 'total' does not say over which window it counts (write increase(metric, INTERVAL '{{ window }}'); flyball fills it in)",
    );
    check(
        &format!("objective: 99, {GOOD}, total: 'SELECT * FROM increase(t, INTERVAL ''{{{{ window }}}}'')'"),
        "f:5:113: '*' leaves open what the query groups by; name the columns",
    );
    check(
        &format!("objective: 99, {GOOD}, total: 'SELECT a, b, value FROM increase(t, INTERVAL ''{{{{ window }}}}'')'"),
        "f:5:32: 'good' counts by nothing, and 'total' by a, b (let both give the same columns beside 'value')",
    );
    let text = OBJECTIVE.replace("    labels:", "    for: 5m\n    labels:");
    let problems = from_str("f", &text).expect_err("it has a 'for'");
    assert_eq!(
        problems[0].to_string(),
        "f:10:10: a rule with an objective ('slo') has no 'for' (what is counted stands in 'good' and 'total', and when it fires is given by the \
         burn rates)"
    );
}

/// The rules of the example, over points.
struct Bench {
    estate: Estate,
    rules: Vec<Rule>,
}

impl Bench {
    fn new(objective: &str) -> Self {
        let rules = file(&OBJECTIVE.replace("99.9", objective)).groups.swap_remove(1).rules;
        Self { estate: Estate::new(), rules }
    }

    /// Events of one service: 1,000 a minute, of which `bad` go wrong from `from` ago until `to` ago; else none.
    fn events(&self, bad: f64, from: Duration, to: Duration) {
        let put = |metric: &str, step: Duration, span: Duration| {
            let events = 1000.0 * step.as_secs_f64() / 60.0;
            for ago in (0..).map(|count| step * count).take_while(|ago| *ago < span) {
                let lost = if ago < from && ago >= to { bad } else { 0.0 };
                for (event, value) in [("good", events * (1.0 - lost)), ("total", events)] {
                    let labels = [("event", event), ("service", "web"), ("slo", "Web")];
                    self.estate.point(metric, &labels, UnixNanos(NOW.0 - ago.as_nanos() as i64), value);
                }
            }
        };
        put("slo_events", Duration::from_secs(60), 6 * HOUR);
        put("slo_events_1h", HOUR, 30 * 24 * HOUR);
    }

    async fn rows(&self, rule: &str) -> Vec<Row> {
        let rule = self.rules.iter().find(|of| of.name == rule).expect("a rule of the example");
        match RuleEvaluator::new(rule).evaluate(&self.estate.database, NOW, &EVALUATION_LIMITS).await {
            Outcome::Rows(rows) => rows,
            other => panic!("{}: {other:?}\n{}", rule.name, rule.sql.as_str()),
        }
    }

    /// Records the burn rates, and says which rules fire.
    async fn fires(&self) -> Vec<&'static str> {
        for row in self.rows("slo_burn_rate{slo=\"Web\"}").await {
            let labels = [("range", row.identity["range"].as_str()), ("service", "web"), ("slo", "Web")];
            self.estate.point("slo_burn_rate", &labels, NOW, row.values["burn"]);
        }
        let mut fires = Vec::new();
        for burn in BURNS {
            if !self.rows(&format!("Web_{}", burn.long)).await.is_empty() {
                fires.push(burn.long);
            }
        }
        fires
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn rules_fire_above_the_documented_burn_rates_and_not_below() {
    let always = 30 * 24 * HOUR;
    for (burn, expected) in [
        (0.0, &[][..]),
        (0.99, &[]),
        (1.01, &["3d"]),
        (2.99, &["3d"]),
        (3.01, &["1d", "3d"]),
        (5.99, &["1d", "3d"]),
        (6.01, &["6h", "1d", "3d"]),
        (14.39, &["6h", "1d", "3d"]),
        (14.41, &["1h", "6h", "1d", "3d"]),
    ] {
        let bench = Bench::new("99.9");
        bench.events(burn * 0.001, always, Duration::ZERO);
        assert_eq!(bench.fires().await, expected, "at a burn rate of {burn}");
    }
}

#[tokio::test]
async fn both_windows_of_a_pair_must_burn() {
    let minute = Duration::from_secs(60);
    for (bad, from, to, expected) in [
        // All is lost for two minutes: 33 times the rate of an hour, and 400 of five minutes.
        (1.0, 2 * minute, Duration::ZERO, &["1h"][..]),
        // The same, but it is over for six minutes.
        (1.0, 8 * minute, 6 * minute, &[]),
        // 20 times as fast for the last half hour: 10 times over the hour.
        (0.02, 30 * minute, Duration::ZERO, &[]),
        (0.02, HOUR, Duration::ZERO, &["1h"]),
        (0.02, 2 * HOUR, Duration::ZERO, &["1h", "6h"]),
    ] {
        let bench = Bench::new("99.9");
        bench.events(bad, from, to);
        let found = bench.fires().await;
        let found: Vec<_> = found.into_iter().filter(|long| ["1h", "6h"].contains(long)).collect();
        assert_eq!(found, expected, "{bad} from {from:?} to {to:?} ago");
    }
}

#[tokio::test]
async fn the_budget_is_what_the_objective_leaves_of_the_window() {
    for (objective, bad, days, expected) in [
        ("99.9", 0.0, 30, 1.0),
        ("99.9", 0.001, 30, 0.0),
        ("99.9", 0.001, 15, 0.5),
        ("99.9", 0.01, 6, -1.0),
        ("99", 0.01, 3, 0.9),
    ] {
        let bench = Bench::new(objective);
        bench.events(bad, days * 24 * HOUR, Duration::ZERO);
        bench.fires().await;
        let rows = bench.rows("slo_error_budget_remaining{slo=\"Web\"}").await;
        let [row] = rows.as_slice() else { panic!("one group: {rows:?}") };
        assert_eq!(row.identity["service"], "web");
        assert!((row.values["value"] - expected).abs() < 1e-9, "{objective} {bad} {days}: {row:?}");
    }
}

#[tokio::test]
async fn without_events_nothing_burns() {
    let bench = Bench::new("99.9");
    bench.estate.point("slo_events", &[("event", "total"), ("service", "web"), ("slo", "Web")], NOW, 0.0);
    bench.estate.point("slo_events_1h", &[("event", "total"), ("service", "web"), ("slo", "Web")], NOW, 0.0);
    assert_eq!(bench.rows("slo_burn_rate{slo=\"Web\"}").await, []);
}
