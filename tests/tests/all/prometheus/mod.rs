//! A Prometheus scrapes and writes on to flyball: both then know the same.

mod functions;
mod shapes;
mod v3;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use flyball_tests::counterparts::{NodeExporter, Prometheus};
use flyball_tests::{Flyball, wait_until};
use serde_json::{Value, json};

/// A metric's name and its labels, sorted.
type Series = (String, BTreeMap<String, String>);

#[test]
fn every_series_that_prometheus_reports_of_a_node_is_in_flyball_with_the_same_last_value() {
    let Some(exporter) = NodeExporter::start() else { return };
    let flyball = Flyball::start(json!({}));
    let remote_write = format!("{}/api/v1/write", flyball.http.base());
    let Some(prometheus) = Prometheus::start(&[("node", &exporter.address)], &remote_write) else { return };

    // Three scrapes in, so that no series is there by its first sample only.
    wait_until("three scrapes", Duration::from_secs(60), || {
        let scraped = prometheus.query("count_over_time(node_load1[1m])");
        let scrapes = scraped.first().and_then(|series| series["value"][1].as_str()?.parse::<u32>().ok()).unwrap_or(0);
        if scrapes >= 3 { Ok(()) } else { Err(format!("{scrapes} scrapes")) }
    });
    let reported = last_samples(&prometheus.query("{__name__=~\"node_.+\"}[30s]"));
    assert!(reported.len() > 200, "a node exporter has hundreds of series, not {}", reported.len());

    check_last_samples(&flyball, &reported, "name LIKE 'node_%'");
    let refused = flyball.sql("SELECT * FROM flyball.ledger WHERE outcome <> 'stored'");
    assert!(refused.is_empty(), "{refused:?}");
}

/// Waits until flyball has each of the samples, among those that a condition on the table `metrics` finds.
#[track_caller]
fn check_last_samples(flyball: &Flyball, reported: &HashMap<Series, (i64, f64)>, condition: &str) {
    // Prometheus has them at once, and sends them within its batch deadline.
    wait_until("the same samples in flyball", Duration::from_secs(30), || {
        let stored = stored_samples(flyball, condition);
        let missing: Vec<_> = reported.iter().filter(|(series, sample)| !has(&stored, series, sample)).collect();
        match missing.first() {
            None => Ok(()),
            Some(first) => Err(format!("{} of {} are missing, such as {first:?}", missing.len(), reported.len())),
        }
    });
}

/// The last sample of each series of a range query: milliseconds, value.
fn last_samples(matrix: &[Value]) -> HashMap<Series, (i64, f64)> {
    let mut samples = HashMap::new();
    for series in matrix {
        let last = series["values"].as_array().and_then(|values| values.last()).expect("a sample");
        let millis = (last[0].as_f64().expect("seconds") * 1e3).round() as i64;
        samples.insert(labels_of(series), (millis, number(&last[1])));
    }
    samples
}

/// Name and labels of a series as Prometheus answers them.
fn labels_of(series: &Value) -> Series {
    let mut labels: BTreeMap<String, String> = serde_json::from_value(series["metric"].clone()).expect("labels");
    let name = labels.remove("__name__").expect("a name");
    (name, labels)
}

fn stored_samples(flyball: &Flyball, condition: &str) -> HashMap<Series, HashMap<i64, f64>> {
    let rows = flyball.sql(&format!(
        "SELECT name, labels, CAST(time AS BIGINT) AS nanos, CAST(value AS TEXT) AS value FROM metrics WHERE {condition} AND time > now() - INTERVAL '2 minutes'",
    ));
    let mut samples: HashMap<Series, HashMap<i64, f64>> = HashMap::new();
    for row in 0..rows.len() {
        let labels = serde_json::from_value(rows.get(row, "labels").clone()).expect("a map of texts");
        let nanos = rows.get(row, "nanos").as_i64().expect("nanoseconds");
        assert_eq!(nanos % 1_000_000, 0, "Prometheus' samples are of whole milliseconds");
        let series = samples.entry((rows.text(row, "name"), labels)).or_default();
        series.insert(nanos / 1_000_000, number(rows.get(row, "value")));
    }
    samples
}

fn has(stored: &HashMap<Series, HashMap<i64, f64>>, series: &Series, (millis, value): &(i64, f64)) -> bool {
    let found = stored.get(series).and_then(|samples| samples.get(millis));
    found.is_some_and(|found| found == value || (found.is_nan() && value.is_nan()))
}

/// Prometheus writes every number as text; flyball is asked to, because a reader of JSON may round the last digit.
fn number(value: &Value) -> f64 {
    let text = value.as_str().expect("a number as text");
    text.parse().unwrap_or_else(|_| panic!("not a number: {text}"))
}
