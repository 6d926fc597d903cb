//! OTLP over HTTP.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use flyball_tests::otlp::{attributes, gauge, metrics, partial_success, point, send};
use flyball_tests::time::now_nanos;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Histogram, HistogramDataPoint, Metric, NumberDataPoint, metric,
};
use prost::Message;

use super::{check_good_point, check_ledger, start};

const YEAR_NANOS: u64 = 365 * 24 * 3_600 * 1_000_000_000;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

fn good() -> Metric {
    gauge("good", vec![point(&[], now_nanos(), 1.0)])
}

#[test]
fn a_request_that_is_no_request_is_refused_whole() {
    let good = metrics(&[], vec![good()]).encode_to_vec();
    let truncated = &good[..good.len() - 3];
    let noise: Vec<u8> = (0..999_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8 | 0x07).collect();
    let gzipped = gzip(&good);
    let cut_gzip = &gzipped[..gzipped.len() - 4];
    let large =
        metrics(&[], vec![gauge("large", (0..4_000).map(|_| point(&[], now_nanos(), 1.0)).collect())]).encode_to_vec();
    let bomb = gzip(&vec![0; 50_000_000]);
    assert!(bomb.len() < 64 * 1024, "the bomb itself is small");
    let protobuf = ("content-type", "application/x-protobuf");
    let zipped = ("content-encoding", "gzip");

    for (what, headers, body, status, reason) in [
        ("truncated", &[protobuf][..], truncated, 400, "malformed"),
        ("random bytes", &[protobuf], &noise, 400, "malformed"),
        ("gzip that is none", &[protobuf, zipped], &good, 400, "malformed"),
        ("gzip cut off", &[protobuf, zipped], cut_gzip, 400, "malformed"),
        ("a gzip bomb", &[protobuf, zipped], &bomb, 413, "body_too_large"),
        ("a body over the limit", &[protobuf], &large, 413, "body_too_large"),
        ("text", &[("content-type", "text/plain")], b"good 1", 415, "content_type"),
        ("no content type", &[], &good, 415, "content_type"),
        ("an unknown encoding", &[protobuf, ("content-encoding", "br")], &good, 415, "content_encoding"),
    ] {
        let flyball = start();
        let answer = flyball.http.post("/v1/metrics", headers, body);
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        assert!(!answer.body.is_empty(), "{what}: the answer says why");
        check_ledger(&flyball, &[("rejected", reason, 1)]);
        // The next good one is taken.
        assert_eq!(partial_success(&send(&flyball.http, &metrics(&[], vec![self::good()])).expect_status(200)).0, 0);
        check_good_point(&flyball);
    }
}

#[test]
fn bad_points_are_counted_with_their_reason_and_the_good_ones_are_kept() {
    let now = now_nanos();
    let many: Vec<_> = (0..9).map(|index| (format!("label_{index}"), "x")).collect();
    let many: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let long = "x".repeat(65);
    let nameless =
        |name: &str, value: &str| NumberDataPoint { attributes: attributes(&[(name, value)]), ..point(&[], now, 2.0) };
    let without_value = NumberDataPoint { value: None, ..point(&[], now, 0.0) };
    let bad = |point| gauge("bad", vec![point]);

    for (what, metric, reason) in [
        ("too many labels", bad(point(&many, now, 2.0)), "too_many_labels"),
        ("a long label value", bad(point(&[("a", &long)], now, 2.0)), "label_too_long"),
        ("a long label name", bad(point(&[(&long, "a")], now, 2.0)), "label_too_long"),
        ("a label without a name", bad(nameless("", "x")), "empty_label_name"),
        ("a label that came twice", bad(point(&[("a", "1"), ("a", "2")], now, 2.0)), "duplicate_label"),
        ("a metric without a name", gauge("", vec![point(&[], now, 2.0)]), "empty_metric_name"),
        ("a year ahead", bad(point(&[], now + YEAR_NANOS, 2.0)), "too_far_in_future"),
        ("a year ago", bad(point(&[], now - YEAR_NANOS, 2.0)), "too_old"),
        ("no value", bad(without_value), "no_recorded_value"),
        ("a histogram with a count too few", histogram(now), "bad_histogram"),
        ("an exponential histogram whose buckets hold too little", exponential_histogram(now), "bad_histogram"),
    ] {
        let flyball = start();
        let answer = send(&flyball.http, &metrics(&[], vec![metric, good()])).expect_status(200);
        let (rejected, message) = partial_success(&answer);
        assert_eq!(rejected, 1, "{what}: {message}");
        assert!(message.contains(reason), "{what}: {message}");
        check_good_point(&flyball);
        check_ledger(&flyball, &[("stored", "", 1), ("rejected", reason, 1)]);
        let bad = flyball.sql("SELECT count(*) AS points FROM metrics WHERE name <> 'good'");
        assert_eq!(bad.number(0, "points"), 0.0, "{what}: nothing of the bad point is stored");
    }
}

#[test]
fn nan_and_infinities_are_values_and_are_counted() {
    let flyball = start();
    let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    let points =
        (0..).zip(values).map(|(index, value)| point(&[("i", &index.to_string())], now_nanos(), value)).collect();
    let answer = send(&flyball.http, &metrics(&[], vec![gauge("odd", points), good()])).expect_status(200);
    assert_eq!(partial_success(&answer).0, 0);
    check_good_point(&flyball);
    check_ledger(&flyball, &[("stored", "", 1), ("stored", "not_finite", 3)]);
    assert_eq!(flyball.sql("SELECT value FROM odd ORDER BY i").rows, [["NaN"], ["+Inf"], ["-Inf"]]);
}

#[test]
fn a_point_that_says_that_it_has_no_value_ends_its_series_and_is_stored() {
    let flyball = start();
    let ends = NumberDataPoint { flags: 1, value: None, ..point(&[], now_nanos(), 0.0) };
    let answer = send(&flyball.http, &metrics(&[], vec![gauge("ended", vec![ends]), good()])).expect_status(200);
    assert_eq!(partial_success(&answer), (0, String::new()));
    check_ledger(&flyball, &[("stored", "", 2)]);
    let values = flyball.sql("SELECT value FROM latest(ended, INTERVAL '1 minute')");
    assert!(values.is_empty(), "a series that ended has no latest value: {values:?}");
}

#[test]
fn new_series_over_the_cap_are_refused_and_known_ones_go_on() {
    let flyball = start();
    send(&flyball.http, &metrics(&[], vec![good()])).expect_status(200);
    let points = (0..100).map(|index| point(&[("i", &format!("{index:03}"))], now_nanos(), 1.0)).collect();
    let answer = send(&flyball.http, &metrics(&[], vec![gauge("many", points)])).expect_status(200);
    let (rejected, message) = partial_success(&answer);
    assert_eq!(rejected, 51, "one series is `good`, 49 fit beside it: {message}");
    assert!(message.contains("series_cap"), "{message}");
    check_ledger(&flyball, &[("stored", "", 50), ("rejected", "series_cap", 51)]);

    let known = metrics(&[], vec![gauge("many", vec![point(&[("i", "007")], now_nanos(), 2.0)])]);
    assert_eq!(partial_success(&send(&flyball.http, &known).expect_status(200)).0, 0);
}

fn histogram(now: u64) -> Metric {
    let point = HistogramDataPoint {
        time_unix_nano: now,
        count: 1,
        explicit_bounds: vec![0.5],
        bucket_counts: vec![1],
        ..HistogramDataPoint::default()
    };
    let data = metric::Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality: 2 });
    Metric { name: "bad".to_owned(), data: Some(data), ..Metric::default() }
}

fn exponential_histogram(now: u64) -> Metric {
    let point = ExponentialHistogramDataPoint { time_unix_nano: now, count: 2, zero_count: 1, ..Default::default() };
    let data = metric::Data::ExponentialHistogram(ExponentialHistogram {
        data_points: vec![point],
        aggregation_temporality: 2,
    });
    Metric { name: "bad".to_owned(), data: Some(data), ..Metric::default() }
}
