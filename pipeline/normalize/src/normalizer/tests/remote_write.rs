use flyball_model::batch::{STALE_NAN_BITS, is_stale};

use super::prompb::{Label, MetricMetadata, Sample, TimeSeries, WriteRequest};
use super::*;

const NOW_MS: i64 = NOW.as_millis();

fn series(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> TimeSeries {
    let label = |&(name, value): &(&str, &str)| Label { name: name.into(), value: value.into() };
    let sample = |&(timestamp, value): &(i64, f64)| Sample { value, timestamp };
    TimeSeries {
        labels: labels.iter().map(label).collect(),
        samples: samples.iter().map(sample).collect(),
        ..TimeSeries::default()
    }
}

fn request(timeseries: Vec<TimeSeries>) -> WriteRequest {
    WriteRequest { timeseries, metadata: Vec::new() }
}

#[test]
fn samples_become_points_and_labels_are_sorted() {
    let bench = Bench::default();
    let up =
        series(&[("zone", "z"), ("__name__", "up"), ("job", "j"), ("empty", "")], &[(NOW_MS - 1, 0.0), (NOW_MS, 1.0)]);
    let normalized = bench.remote_write(&request(vec![up]));
    let name = r#"up{job="j",zone="z"}"#;
    assert_eq!(bench.points(&normalized), [(name.into(), -1_000_000, 0.0), (name.into(), 0, 1.0)]);
    assert_eq!(bench.info("up").map(|info| info.kind), Some(Kind::Unknown), "a kind is never guessed from a name");
}

#[test]
fn names_are_put_in_prometheus_form() {
    let bench = Bench::default();
    let dotted = series(&[("__name__", "http.requests"), ("a.b", "2"), ("a_b", "3"), ("a-b", "1")], &[(NOW_MS, 1.0)]);
    let normalized = bench.remote_write(&request(vec![dotted]));
    assert_eq!(bench.points(&normalized)[0].0, r#"http_requests{a_b="1;2;3"}"#);
}

#[test]
fn staleness_markers_keep_their_bits_and_are_not_counted_as_not_finite() {
    let stale = f64::from_bits(STALE_NAN_BITS);
    let samples = [(NOW_MS, stale), (NOW_MS, f64::NAN), (NOW_MS, f64::INFINITY)];
    let normalized = Bench::default().remote_write(&request(vec![series(&[("__name__", "m")], &samples)]));
    assert!(is_stale(normalized.points.values()[0]));
    assert_eq!((normalized.points.len(), normalized.not_finite), (3, 2));
}

#[test]
fn bad_series_are_refused_each_for_its_reason_and_the_good_ones_kept() {
    let limits = Limits { labels: 3, label_bytes: 20, ..Limits::default() };
    let (now, long) = (NOW_MS, "x".repeat(21));
    for (labels, samples, reason, words) in [
        (
            &[("job", "j")][..],
            &[(now, 1.0); 2][..],
            Reason::EmptyMetricName,
            "series \"job=j\": the metric has no name",
        ),
        (&[("__name__", "")], &[(now, 1.0)], Reason::EmptyMetricName, "the metric has no name"),
        (&[], &[(now, 1.0)], Reason::EmptyMetricName, "series \"\""),
        (&[("__name__", "m"), ("__name__", "n")], &[(now, 1.0)], Reason::DuplicateLabel, "\"__name__\" comes twice"),
        (
            &[("__name__", "m"), ("a", "1"), ("a", "1")],
            &[(now, 1.0)],
            Reason::DuplicateLabel,
            "metric \"m\": label \"a\"",
        ),
        (&[("__name__", "m"), ("", "1")], &[(now, 1.0)], Reason::EmptyLabelName, "a label has no name"),
        (&[("__name__", "m"), ("a", &long)], &[(now, 1.0)], Reason::LabelTooLong, "label \"a\" is 21 bytes"),
        (&[("__name__", &long)], &[(now, 1.0)], Reason::LabelTooLong, "21 bytes"),
        (
            &[("__name__", "m"), ("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")],
            &[(now, 1.0)],
            Reason::TooManyLabels,
            "4 labels",
        ),
        (&[("__name__", "m")], &[(now + 3_600_000, 1.0)], Reason::TooFarInFuture, "2026-01-01T01:00:10Z"),
        (&[("__name__", "m")], &[(i64::MAX, 1.0)], Reason::TooFarInFuture, "after"),
        (&[("__name__", "m")], &[(0, 1.0)], Reason::TooOld, "1970"),
        (&[("__name__", "m")], &[(i64::MIN, 1.0)], Reason::TooOld, "before"),
    ] {
        let bench = Bench::new(limits.clone());
        let good = series(&[("__name__", "good")], &[(now, 1.0)]);
        let normalized = bench.remote_write(&request(vec![series(labels, samples), good]));
        assert_eq!(bench.points(&normalized), [("good{}".into(), 0, 1.0)], "{words}");
        assert_eq!(refused(&normalized), [(reason, samples.len() as u64)].into(), "{words}");
        assert!(normalized.rejections[0].detail.contains(words), "{words}: {:?}", normalized.rejections);
        assert_eq!(bench.registry.len(), 1, "{words}: a refused point makes no series");
    }
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let mut bad_name = series(&[("__name__", "m"), ("a", "1")], &[(NOW_MS, 1.0)]);
    bad_name.labels[1].name = vec![0xff];
    let mut bad_value = series(&[("__name__", "m"), ("a", "1")], &[(NOW_MS, 1.0)]);
    bad_value.labels[1].value = vec![0xff];
    let mut bad_metric = series(&[("__name__", "m")], &[(NOW_MS, 1.0)]);
    bad_metric.labels[0].value = vec![0xff];
    let normalized = Bench::default().remote_write(&request(vec![bad_name, bad_value, bad_metric]));
    assert_eq!((normalized.points.len(), refused(&normalized)), (0, [(Reason::NotUtf8, 3)].into()));
}

#[test]
fn good_samples_of_a_series_with_bad_ones_are_kept() {
    let mixed = series(&[("__name__", "m")], &[(0, 1.0), (NOW_MS, 2.0), (i64::MAX, 3.0), (NOW_MS + 1, 4.0)]);
    let normalized = Bench::default().remote_write(&request(vec![mixed]));
    assert_eq!(normalized.points.values(), [2.0, 4.0]);
    assert_eq!(refused(&normalized), [(Reason::TooOld, 1), (Reason::TooFarInFuture, 1)].into());
}

#[test]
fn metadata_describes_metrics() {
    let bench = Bench::default();
    let metadata = |metric_type, family: &str, unit: &str| MetricMetadata {
        metric_type,
        metric_family_name: family.into(),
        help: format!("help of {family}").into_bytes(),
        unit: unit.into(),
    };
    let timeseries = ["requests_total", "temperature", "summary"]
        .map(|name| series(&[("__name__", name)], &[(NOW_MS, 1.0)]))
        .to_vec();
    bench.remote_write(&WriteRequest {
        timeseries,
        // The first one as from OpenMetrics, without `_total`.
        metadata: vec![
            metadata(1, "requests", ""),
            metadata(2, "temperature", "celsius"),
            metadata(5, "summary", ""),
            metadata(3, "histogram", ""),
            metadata(2, "later", ""),
            metadata(2, "", ""),
        ],
    });
    let info = |metric| bench.info(metric).map(|info| (info.original, info.kind, info.unit, info.help));
    let expected =
        |original: &str, kind, unit: &str, help: &str| Some((original.into(), kind, unit.into(), help.into()));
    assert_eq!(info("requests_total"), expected("requests_total", Kind::Counter, "", "help of requests"));
    assert_eq!(info("temperature"), expected("temperature", Kind::Gauge, "celsius", "help of temperature"));
    assert_eq!(info("summary"), expected("summary", Kind::Summary, "", "help of summary"));
    assert_eq!(info("later"), expected("later", Kind::Gauge, "", "help of later"), "before its first sample");
    assert_eq!((info("requests"), info("histogram")), (None, None));
}

#[test]
fn metadata_of_metrics_without_series_is_bounded_by_the_cap() {
    let bench = Bench::new(Limits { series: 10, ..Limits::default() });
    let metadata = (0..100).map(|number| MetricMetadata {
        metric_type: 1,
        metric_family_name: format!("m{number}").into_bytes(),
        ..Default::default()
    });
    bench.remote_write(&WriteRequest { metadata: metadata.collect(), ..Default::default() });
    assert_eq!(bench.registry.read().metric_count(), 10);
}
