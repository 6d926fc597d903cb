//! The same samples sent to a Prometheus 3 and to flyball: a range function gives the same numbers in both.

use std::collections::BTreeMap;

use flyball_prompb::v1::{Sample, TimeSeries, labels};
use flyball_tests::counterparts::Prometheus;
use flyball_tests::{Flyball, remote_write, time};
use serde_json::json;

use super::number;

/// The bits of Prometheus' staleness marker.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// Each with what it is in PromQL. `m` stands for the metric.
const FUNCTIONS: [(&str, &str); 24] = [
    ("rate(m, INTERVAL '5 minutes')", "rate(m[5m])"),
    ("increase(m, INTERVAL '5 minutes')", "increase(m[5m])"),
    ("delta(m, INTERVAL '5 minutes')", "delta(m[5m])"),
    ("latest(m)", "m"),
    ("last_over(m, INTERVAL '5 minutes')", "last_over_time(m[5m])"),
    ("avg_over(m, INTERVAL '5 minutes')", "avg_over_time(m[5m])"),
    ("max_over(m, INTERVAL '5 minutes')", "max_over_time(m[5m])"),
    ("min_over(m, INTERVAL '5 minutes')", "min_over_time(m[5m])"),
    ("sum_over(m, INTERVAL '5 minutes')", "sum_over_time(m[5m])"),
    ("count_over(m, INTERVAL '5 minutes')", "count_over_time(m[5m])"),
    ("stddev_over(m, INTERVAL '5 minutes')", "stddev_over_time(m[5m])"),
    ("var_over(m, INTERVAL '5 minutes')", "stdvar_over_time(m[5m])"),
    ("quantile_over(m, INTERVAL '5 minutes', 0.9)", "quantile_over_time(0.9, m[5m])"),
    ("irate(m, INTERVAL '5 minutes')", "irate(m[5m])"),
    ("idelta(m, INTERVAL '5 minutes')", "idelta(m[5m])"),
    ("changes(m, INTERVAL '5 minutes')", "changes(m[5m])"),
    ("resets(m, INTERVAL '5 minutes')", "resets(m[5m])"),
    ("deriv(m, INTERVAL '5 minutes')", "deriv(m[5m])"),
    ("predict_linear(m, INTERVAL '5 minutes', INTERVAL '1 hour')", "predict_linear(m[5m], 3600)"),
    ("holt_winters(m, INTERVAL '5 minutes', 0.3, 0.1)", "double_exponential_smoothing(m[5m], 0.3, 0.1)"),
    (
        "double_exponential_smoothing(m, INTERVAL '15 minutes', 0.8, 0.6)",
        "double_exponential_smoothing(m[15m], 0.8, 0.6)",
    ),
    // Of what has not ended.
    (
        "zscore(m, INTERVAL '15 minutes')",
        "(m - avg_over_time(m[15m])) / stddev_over_time(m[15m]) and count_over_time(m[15m]) > 1",
    ),
    ("absent(m, INTERVAL '1 second')", "absent_over_time(m[1s])"),
    ("absent(m, INTERVAL '5 minutes') WHERE shape = 'silent'", "absent_over_time(m{shape=\"silent\"}[5m])"),
];

#[test]
fn range_functions_give_the_numbers_of_prometheus_3() {
    let flyball = Flyball::start(json!({}));
    let Some(prometheus) = Prometheus::start_3(|_| String::new(), "url: 'http://127.0.0.1:9/'") else { return };
    let sent = series(time::now_nanos() as i64 / 1_000_000);
    for http in [&flyball.http, &prometheus.http] {
        let answer = remote_write::send(http, sent.clone());
        assert!(answer.status < 300, "{answer:?}");
    }
    let mut compared = 0;
    for (ours, theirs) in FUNCTIONS {
        let rows = flyball
            .sql(&format!("SELECT shape, CAST(now() AS BIGINT) AS nanos, CAST(value AS TEXT) AS value FROM {ours}"));
        let found: BTreeMap<String, f64> =
            (0..rows.len()).map(|row| (text(rows.get(row, "shape")), number(rows.get(row, "value")))).collect();
        assert!(!found.is_empty(), "{ours} gives nothing");
        let millis = rows.get(0, "nanos").as_i64().expect("nanoseconds") / 1_000_000;
        let answer = prometheus.query_at(theirs, millis);
        let expected: BTreeMap<String, f64> =
            answer.iter().map(|series| (text(&series["metric"]["shape"]), number(&series["value"][1]))).collect();
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            expected.keys().collect::<Vec<_>>(),
            "{ours}: {found:?}, {expected:?}"
        );
        for (shape, expected) in expected {
            let found = found[&shape];
            // Of samples that are all alike Prometheus divides zero by zero.
            let expected = if ours.starts_with("zscore") && shape == "level" { 0.0 } else { expected };
            assert!(alike(found, expected), "{ours} of {shape} is {found} and not {expected}");
            compared += 1;
        }
    }
    assert!(compared > 150, "only {compared} numbers");
}

/// Equal but for rounding, and for the parts of a millisecond that Prometheus' times do not have.
fn alike(found: f64, expected: f64) -> bool {
    found == expected
        || (found.is_nan() && expected.is_nan())
        || (found - expected).abs() <= expected.abs() * 1e-6 + 1e-9
}

fn text(label: &serde_json::Value) -> String {
    label.as_str().unwrap_or_default().to_owned()
}

/// Series of several shapes: samples some seconds apart within the last four minutes, and some of ten minutes ago.
fn series(now: i64) -> Vec<TimeSeries> {
    let mut chance = 0x2545_f491_4f6c_dd1d_u64;
    // Xorshift, so that each run has the same numbers.
    let mut random = move |below: u64| {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        chance % below
    };
    let shapes = ["walk", "counter", "level", "far", "ended", "holes", "steps", "single", "silent"];
    let mut all = Vec::new();
    for shape in shapes {
        let mut samples = Vec::new();
        let (mut at, mut value) = (now - 700_000, 1000.0);
        for step in 0..60_u64 {
            at += 2_000 + random(6_000) as i64;
            let within = (now - 240_000..now - 10_000).contains(&at) || at < now - 500_000;
            value = match shape {
                "counter" if random(10) == 0 => random(20) as f64,
                "counter" => value + random(1000) as f64 / 7.0,
                "level" | "single" => 0.1,
                "far" => 1e6 + random(1000) as f64 / 1000.0,
                "holes" if random(8) == 0 => f64::NAN,
                "steps" => (step / 9) as f64,
                _ => 1000.0 + random(2000) as f64 - 1000.0,
            };
            if within || step >= 58 {
                samples.push(Sample { value, timestamp: at });
            }
            // From the older samples to the newer ones.
            if at >= now - 500_000 && at < now - 240_000 {
                at = now - 240_000 + random(5_000) as i64;
            }
        }
        samples.retain(|sample| sample.timestamp < now - 10_000);
        match shape {
            "ended" => samples.push(Sample { value: f64::from_bits(STALE), timestamp: now - 9_000 }),
            "single" => samples.drain(..samples.len() - 1).for_each(drop),
            "silent" => samples.retain(|sample| sample.timestamp < now - 500_000),
            _ => {}
        }
        all.push(TimeSeries {
            labels: labels([("__name__", "m"), ("shape", shape)]),
            samples,
            ..TimeSeries::default()
        });
    }
    all
}
