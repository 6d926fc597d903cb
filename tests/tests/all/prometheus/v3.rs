//! A Prometheus 3 scrapes itself, for its native histograms, and a target with classic histograms, exemplars and start times.

use std::collections::BTreeMap;
use std::time::Duration;

use flyball_tests::counterparts::{Exposition, Prometheus};
use flyball_tests::{Flyball, wait_until};
use serde_json::{Value, json};

use super::{Series, check_last_samples, labels_of, last_samples, number};

const SOON: Duration = Duration::from_secs(30);

/// What the target says it is.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[test]
fn everything_of_prometheus_3_arrives_by_remote_write_1() {
    let Some((flyball, _target, prometheus)) = start("prometheus.WriteRequest") else { return };
    // Version 1 has no custom buckets: Prometheus does not send them.
    check_numbers(&flyball, &prometheus, "job=~\"self|classic\"");
    check_histograms(&flyball, &prometheus, "job=~\"self|classic\"");
    check_exemplars(&flyball, "job = 'classic'");
    // What version 1 says of a metric it says of the family, some time later.
    let sql = "SELECT metric, kind, help FROM flyball.metric_info WHERE metric IN ('jobs_total', 'room_temperature_celsius') ORDER BY metric";
    let told = [
        [json!("jobs_total"), json!("counter"), json!("Jobs that were done.")],
        [json!("room_temperature_celsius"), json!("gauge"), json!("Air in a room.")],
    ];
    flyball.wait_for_rows(sql, |rows| rows.rows == told);
    check_nothing_is_refused(&flyball, &prometheus);
}

#[test]
fn everything_of_prometheus_3_arrives_by_remote_write_2() {
    let Some((flyball, _target, prometheus)) = start("io.prometheus.write.v2.Request") else { return };
    check_numbers(&flyball, &prometheus, "job=~\".+\"");
    check_histograms(&flyball, &prometheus, "job=~\".+\"");
    check_exemplars(&flyball, "job = 'classic'");
    check_exemplars(&flyball, "job = 'custom'");
    let starts = "SELECT DISTINCT CAST(start_at AS BIGINT) AS nanos FROM flyball.series WHERE metric = 'jobs_total'";
    assert_eq!(flyball.sql(starts).rows, [[json!(1_760_000_000_500_000_000_i64)]]);
    check_nothing_is_refused(&flyball, &prometheus);
}

fn start(message: &str) -> Option<(Flyball, Exposition, Prometheus)> {
    let target = Exposition::serve_as("requests.om", Some(OPENMETRICS));
    let flyball = Flyball::start(json!({}));
    let remote_write = format!("url: '{}/api/v1/write', protobuf_message: {message}", flyball.http.base());
    let jobs = |own: &str| {
        let job = |name: &str, target: &str, more: &str| {
            format!("- job_name: {name}\n  static_configs: [{{targets: ['{target}']}}]\n{more}")
        };
        let custom = "  convert_classic_histograms_to_nhcb: true\n";
        [job("self", own, ""), job("classic", &target.address, ""), job("custom", &target.address, custom)].concat()
    };
    let prometheus = Prometheus::start_3(jobs, &remote_write)?;
    // Several scrapes in, and requests to itself are observed.
    wait_until("scrapes of Prometheus itself", SOON, || {
        let scraped = prometheus
            .query("histogram_count(prometheus_http_request_duration_seconds{job=\"self\",handler=\"/metrics\"})");
        let count = scraped.first().map(|series| number(&series["value"][1])).unwrap_or_default();
        if count >= 3.0 { Ok(()) } else { Err(format!("{count} observations")) }
    });
    Some((flyball, target, prometheus))
}

/// Floats, by the last sample of each series.
#[track_caller]
fn check_numbers(flyball: &Flyball, prometheus: &Prometheus, jobs: &str) {
    let matrix: Vec<Value> = prometheus.query(&format!("{{{jobs}}}[30s]"));
    let floats: Vec<Value> = matrix.into_iter().filter(|series| series["values"].is_array()).collect();
    let reported = last_samples(&floats);
    assert!(reported.len() > 300, "Prometheus says hundreds of things of itself, not {}", reported.len());
    check_last_samples(flyball, &reported, "labels['job'] IS NOT NULL");
}

/// Native histograms, each bucket of the last one of each series.
#[track_caller]
fn check_histograms(flyball: &Flyball, prometheus: &Prometheus, jobs: &str) {
    let mut with_buckets = 0;
    for series in prometheus.query(&format!("{{{jobs}}}[30s]")) {
        let Some(last) = series["histograms"].as_array().and_then(|histograms| histograms.last()) else { continue };
        let (name, labels) = labels_of(&series);
        let nanos = (last[0].as_f64().expect("seconds") * 1e3).round() as i64 * 1_000_000;
        let wanted: String = labels.iter().map(|(label, value)| format!(" AND \"{label}\" = '{value}'")).collect();
        let sql = format!(
            "SELECT CAST(count AS TEXT) AS count, CAST(sum AS TEXT) AS sum, histogram FROM {name} WHERE CAST(time AS BIGINT) = {nanos}{wanted}"
        );
        let found = flyball.wait_for_rows(&sql, |rows| !rows.is_empty());
        assert_eq!(found.len(), 1, "{sql}: {found:?}");
        let sent = &last[1];
        for part in ["count", "sum"] {
            assert_eq!(number(found.get(0, part)), number(&sent[part]), "{sql}");
        }
        let expected = buckets_of(sent);
        assert_eq!(buckets(found.get(0, "histogram")).collect::<Vec<_>>(), expected, "{sql}: {sent}");
        with_buckets += usize::from(!expected.is_empty());
    }
    assert!(with_buckets >= 3, "only {with_buckets} histograms had observations");
}

/// Upper bounds and counts of the buckets that are not empty, as Prometheus tells them.
fn buckets_of(histogram: &Value) -> Vec<(Bound, f64)> {
    let buckets = histogram["buckets"].as_array().map(Vec::as_slice).unwrap_or_default();
    buckets.iter().map(|bucket| (Bound(number(&bucket[2])), number(&bucket[3]))).collect()
}

/// The same, as flyball does. Prometheus' own histograms have no negative observations.
fn buckets(histogram: &Value) -> impl Iterator<Item = (Bound, f64)> {
    let numbers = |field: &str| -> Vec<f64> {
        let list = histogram[field].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().map(|number| number.as_f64().expect("a number")).collect()
    };
    let mut buckets = Vec::new();
    if let Some(scale) = histogram["scale"].as_i64() {
        buckets.push((
            histogram["zero_threshold"].as_f64().expect("a threshold"),
            histogram["zero_count"].as_f64().expect("a count"),
        ));
        let offset = histogram["positive_offset"].as_i64().expect("an offset");
        let bound = |index: i64| ((index + 1) as f64 / (scale as f64).exp2()).exp2();
        buckets.extend((offset..).map(bound).zip(numbers("positive")));
        assert!(numbers("negative").is_empty(), "{histogram}");
    } else {
        let bounds = numbers("bounds").into_iter().chain([f64::INFINITY]);
        buckets.extend(bounds.zip(numbers("counts")));
    }
    buckets.into_iter().filter(|bucket| bucket.1 > 0.0).map(|(bound, count)| (Bound(bound), count))
}

/// A bound, which two programs compute from its index in two ways.
#[derive(Debug)]
struct Bound(f64);

impl PartialEq for Bound {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || (self.0 - other.0).abs() <= self.0 * 1e-12
    }
}

/// Those of `requests.om`.
#[track_caller]
fn check_exemplars(flyball: &Flyball, job: &str) {
    let sql = format!(
        "SELECT DISTINCT name, value, trace_id, span_id, attributes, labels['le'] AS le FROM \
         (SELECT *, labels['job'] AS job FROM exemplars) AS e WHERE {job} ORDER BY value"
    );
    let custom = job.contains("custom");
    let name = if custom { "http_request_duration_seconds" } else { "http_request_duration_seconds_bucket" };
    let le = |bound: &str| if custom { Value::Null } else { json!(bound) };
    let hex = |byte: &str, bytes: usize| json!(byte.repeat(bytes));
    let expected = [
        [json!(name), json!(0.0625), hex("a1", 16), hex("01", 8), json!({}), le("0.1")],
        [json!("jobs_total"), json!(1.0), hex("c3", 16), Value::Null, json!({}), Value::Null],
        [json!(name), json!(12.5), hex("b2", 16), Value::Null, json!({"cause": "garbage collection"}), le("+Inf")],
    ];
    let found = flyball.wait_for_rows(&sql, |rows| rows.len() >= expected.len());
    assert_eq!(found.rows, expected, "{sql}");
}

#[track_caller]
fn check_nothing_is_refused(flyball: &Flyball, prometheus: &Prometheus) {
    let refused = flyball.sql("SELECT * FROM flyball.ledger WHERE outcome <> 'stored'");
    assert!(refused.is_empty(), "{refused:?}");
    // By the headers of version 2 it knows what was written.
    let counters = "prometheus_remote_storage_(samples|histograms|exemplars|metadata)_(failed|retried)_total";
    let failed: BTreeMap<Series, _> = last_samples(&prometheus.query(&format!("{{__name__=~\"{counters}\"}}[30s]")))
        .into_iter()
        .filter(|(_, (_, value))| *value != 0.0)
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}
