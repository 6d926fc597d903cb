//! Prometheus remote write.

use flyball_prompb::v1::TimeSeries;
use flyball_tests::remote_write::{HEADERS, send, series, snappy};
use flyball_tests::time::now_nanos;
use serde_json::json;

use super::{check_good_point, check_ledger, start};

const YEAR_MILLIS: i64 = 365 * 24 * 3_600 * 1_000;

fn now() -> i64 {
    i64::try_from(now_nanos() / 1_000_000).expect("milliseconds fit")
}

fn good() -> TimeSeries {
    series(&[("__name__", "good")], now(), 1.0)
}

#[test]
fn a_request_that_is_no_request_is_refused_whole() {
    let protobuf = ("content-type", "application/x-protobuf");
    let encoded = |encoding| [protobuf, ("content-encoding", encoding)];
    let version_2 = ("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request");
    let version_3 = ("content-type", "application/x-protobuf;proto=io.prometheus.write.v3.Request");
    // A length of 1 GiB, and nothing behind it.
    let bomb = [0x80, 0x80, 0x80, 0x80, 0x04, 0x00];
    let noise = b"neither snappy nor protobuf";
    for (what, headers, body, status, reason) in [
        ("not snappy", HEADERS.to_vec(), &noise[..], 400, "malformed"),
        ("snappy around noise", HEADERS.to_vec(), &snappy(noise), 400, "malformed"),
        ("a length that is a lie", HEADERS.to_vec(), &bomb, 413, "body_too_large"),
        ("gzip", encoded("gzip").to_vec(), noise, 415, "content_encoding"),
        ("JSON", vec![("content-type", "application/json")], b"{}", 415, "content_type"),
        ("version 2, not snappy", vec![version_2, ("content-encoding", "snappy")], noise, 400, "malformed"),
        ("version 3", vec![version_3, ("content-encoding", "snappy")], noise, 415, "content_type"),
    ] {
        let flyball = start();
        let answer = flyball.http.post("/api/v1/write", &headers, body);
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        assert!(!answer.body.is_empty(), "{what}: the answer says why");
        check_ledger(&flyball, &[("rejected", reason, 1)]);
        send(&flyball.http, vec![good()]).expect_status(204);
        check_good_point(&flyball);
    }
}

#[test]
fn bad_samples_are_counted_with_their_reason_and_the_good_ones_are_kept() {
    let many: Vec<_> = (0..9).map(|index| format!("label_{index}")).collect();
    let many: Vec<_> = [("__name__", "bad")].into_iter().chain(many.iter().map(|name| (name.as_str(), "x"))).collect();
    let long = "x".repeat(65);
    let bad = |labels: &[(&str, &str)], at| {
        let labels: Vec<_> = [("__name__", "bad")].into_iter().chain(labels.iter().copied()).collect();
        series(&labels, at, 2.0)
    };
    for (what, series, reason) in [
        ("too many labels", series(&many, now(), 2.0), "too_many_labels"),
        ("a long label value", bad(&[("a", &long)], now()), "label_too_long"),
        ("a label without a name", bad(&[("", "x")], now()), "empty_label_name"),
        ("a label that came twice", bad(&[("a", "1"), ("a", "2")], now()), "duplicate_label"),
        ("two names", bad(&[("__name__", "worse")], now()), "duplicate_label"),
        ("no name", series(&[("a", "1")], now(), 2.0), "empty_metric_name"),
        ("a year ahead", bad(&[], now() + YEAR_MILLIS), "too_far_in_future"),
        ("a year ago", bad(&[], now() - YEAR_MILLIS), "too_old"),
    ] {
        let flyball = start();
        let answer = send(&flyball.http, vec![series, good()]).expect_status(400);
        assert!(answer.text().contains(reason), "{what}: {}", answer.text());
        check_good_point(&flyball);
        check_ledger(&flyball, &[("stored", "", 1), ("rejected", reason, 1)]);
    }
}

#[test]
fn labels_in_any_order_are_the_same_series() {
    let flyball = start();
    let at = now();
    let sorted = [("__name__", "ordered"), ("a", "1"), ("b", "2")];
    let unsorted = [("b", "2"), ("__name__", "ordered"), ("a", "1")];
    send(&flyball.http, vec![series(&sorted, at - 1, 1.0), series(&unsorted, at, 2.0)]).expect_status(204);
    assert_eq!(flyball.sql("SELECT metric FROM flyball.series WHERE metric = 'ordered'").len(), 1);
    assert_eq!(
        flyball.sql("SELECT a, b, value FROM ordered ORDER BY value").rows,
        [[json!("1"), json!("2"), json!(1.0)], [json!("1"), json!("2"), json!(2.0)]]
    );
}
