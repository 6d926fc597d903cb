use flyball_model::Temporality;
use flyball_model::batch::is_stale;
use flyball_model::ledger::Signal;
use opentelemetry_proto::tonic::common::v1::ArrayValue;

use super::*;

const HOUR: u64 = 3_600_000_000_000;

#[test]
fn resource_and_point_attributes_become_labels_and_the_point_wins() {
    let bench = Bench::default();
    let metric = gauge("http.server.duration", vec![point(&[("http.route", "/a"), ("zone", "p")], NOW_NANOS, 0.5)]);
    let normalized = bench.otlp(vec![resource(&[("service.name", "shop"), ("zone", "r")], vec![metric])]);
    let series = r#"http_server_duration{http_route="/a",service_name="shop",zone="p"}"#;
    assert_eq!(bench.points(&normalized), [(series.into(), 0, 0.5)]);
    assert_eq!(refused(&normalized), BTreeMap::new());
}

#[test]
fn attributes_in_another_order_are_the_same_series() {
    let bench = Bench::default();
    let points = vec![point(&[("a", "1"), ("b", "2")], 0, 1.0), point(&[("b", "2"), ("a", "1")], 0, 2.0)];
    let normalized = bench.otlp(vec![resource(&[], vec![gauge("m", points)])]);
    assert_eq!(normalized.points.series(), [0, 0]);
    // The sender does not know the time: it is that of the receipt.
    assert_eq!(normalized.points.times(), [NOW.0, NOW.0]);
}

#[test]
fn values_that_are_no_text_become_text() {
    let bench = Bench::default();
    let mut typed = point(&[], NOW_NANOS, 1.0);
    let array = ArrayValue { values: vec![AnyValue { value: Some(Value::BoolValue(true)) }] };
    for (key, value) in [
        ("int", Value::IntValue(-3)),
        ("double", Value::DoubleValue(0.5)),
        ("array", Value::ArrayValue(array)),
        ("bytes", Value::BytesValue(vec![255])),
    ] {
        let value = Some(AnyValue { value: Some(value) });
        typed.attributes.push(KeyValue { key: key.into(), value, ..Default::default() });
    }
    typed.attributes.push(KeyValue { key: "unset".into(), ..Default::default() });
    let normalized = bench.otlp(vec![resource(&[], vec![gauge("m", vec![typed])])]);
    assert_eq!(bench.points(&normalized)[0].0, r#"m{array="[true]",bytes="/w==",double="0.5",int="-3"}"#);
}

#[test]
fn kind_temporality_unit_and_help_are_described() {
    let bench = Bench::default();
    let points = || vec![point(&[], NOW_NANOS, 1.0)];
    let mut metrics = vec![
        gauge("a.gauge", points()),
        sum("cumulative", 2, true, points()),
        sum("delta", 1, true, points()),
        sum("up_down", 2, false, points()),
        sum("unspecified", 0, true, points()),
    ];
    metrics[0].unit = "By".into();
    metrics[0].description = "how much".into();
    bench.otlp(vec![resource(&[], metrics)]);
    let expected = MetricInfo {
        original: "a.gauge".into(),
        kind: Kind::Gauge,
        unit: "By".into(),
        help: "how much".into(),
        shape: Some(flyball_model::Shape::Numbers),
        ..MetricInfo::default()
    };
    assert_eq!(bench.info("a_gauge"), Some(expected));
    for (metric, kind, temporality, monotonic) in [
        ("cumulative", Kind::Counter, Some(Temporality::Cumulative), true),
        ("delta", Kind::Counter, Some(Temporality::Delta), true),
        ("up_down", Kind::UpDownCounter, Some(Temporality::Cumulative), false),
        ("unspecified", Kind::Counter, None, true),
    ] {
        let info = bench.info(metric).expect("described");
        assert_eq!((info.kind, info.temporality, info.monotonic), (kind, temporality, Some(monotonic)), "{metric}");
    }
}

#[test]
fn a_description_is_told_once_and_changes_are_told_again() {
    let bench = Bench::default();
    let version = || {
        let view = bench.registry.read();
        view.info_version(view.metric("m").expect("known"))
    };
    let send = |unit: &str, help: &str| {
        let metric = Metric { unit: unit.into(), description: help.into(), ..gauge("m", vec![point(&[], 0, 1.0)]) };
        bench.otlp(vec![resource(&[], vec![metric])]);
        version()
    };
    let first = send("s", "time");
    assert_eq!(send("s", "time"), first);
    assert_eq!(send("", ""), first, "what is empty says nothing");
    assert_eq!(send("ms", ""), first + 1);
    assert_eq!(bench.info("m").map(|info| (info.unit, info.help)), Some(("ms".into(), "time".into())));
}

#[test]
fn deltas_become_totals_and_other_sums_stay() {
    let bench = Bench::default();
    let send = |temporality, time, value| {
        let metric = sum("m", temporality, true, vec![point(&[], NOW_NANOS + time, value)]);
        bench.points(&bench.otlp(vec![resource(&[], vec![metric])]))[0].clone()
    };
    assert_eq!(send(1, 10, 2.0), ("m{}".into(), 10, 2.0));
    assert_eq!(send(1, 20, 3.0), ("m{}".into(), 20, 5.0));
    assert_eq!(send(1, 15, 1.0), ("m{}".into(), 21, 6.0), "late, and counted in");
    assert!(send(1, 30, f64::NAN).2.is_nan());
    assert_eq!(send(1, 40, 1.0), ("m{}".into(), 40, 7.0), "a NaN does not spoil the total");
    assert_eq!(send(2, 50, 3.0), ("m{}".into(), 50, 3.0));
}

#[test]
fn a_delta_below_zero_is_refused_where_the_sum_is_monotonic() {
    let bench = Bench::default();
    let send = |temporality, monotonic, value| {
        let metric = sum("m", temporality, monotonic, vec![point(&[], NOW_NANOS + 10, value)]);
        refused(&bench.otlp(vec![resource(&[], vec![metric])]))
    };
    assert_eq!(send(1, true, -3.0), BTreeMap::from([(Reason::NegativeDelta, 1)]));
    for (temporality, monotonic, value) in [(1, true, 0.0), (1, false, -3.0), (2, true, -3.0)] {
        assert_eq!(send(temporality, monotonic, value), BTreeMap::new());
    }
}

#[test]
fn a_body_that_waits_before_its_deltas_are_added_keeps_no_other_from_bringing_new_series() {
    let bench = Bench::default();
    let body = |host: &str, temporality| {
        let metric = sum("m", temporality, true, vec![point(&[("host", host)], NOW_NANOS, 2.0)]);
        ExportMetricsServiceRequest { resource_metrics: vec![resource(&[], vec![metric])] }.encode_to_vec()
    };
    let take = |body: &[u8], before_adding: &mut dyn FnMut()| {
        let format = Format::Otlp(Signal::Metrics);
        bench.normalizer.normalize_then(format, body, None, NOW, before_adding).expect("a good body").count()
    };
    let (mut waits, other) = (0, body("b", 1));
    let mut wait = || {
        waits += 1;
        // One answer.
        let (told, done) = std::sync::mpsc::sync_channel(1);
        std::thread::scope(|scope| {
            scope.spawn(|| told.send(take(&other, &mut || ())).expect("somebody waits"));
            assert_eq!(done.recv_timeout(std::time::Duration::from_secs(20)), Ok(1));
        });
    };
    assert_eq!(take(&body("a", 1), &mut wait), 1);
    assert_eq!(take(&body("c", 2), &mut || panic!("it has no delta")), 1);
    assert_eq!(waits, 1);
}

#[test]
fn a_point_without_a_recorded_value_is_stale_and_one_without_any_is_refused() {
    let bench = Bench::default();
    let stale = NumberDataPoint { flags: 1, value: None, ..point(&[], NOW_NANOS, 0.0) };
    let empty = NumberDataPoint { flags: 0, ..stale.clone() };
    let normalized =
        bench.otlp(vec![resource(&[], vec![gauge("m", vec![stale.clone(), empty]), sum("d", 1, true, vec![stale])])]);
    assert!(normalized.points.values().iter().copied().all(is_stale));
    assert_eq!((normalized.points.len(), normalized.not_finite), (2, 0));
    assert_eq!(refused(&normalized), [(Reason::NoRecordedValue, 1)].into());
}

#[test]
fn what_stands_beside_the_flag_of_no_value_counts_for_nothing() {
    let bench = Bench::default();
    let value = Some(number_data_point::Value::AsInt(i64::MAX));
    let at = |start_time_unix_nano, flags| NumberDataPoint {
        start_time_unix_nano,
        flags,
        value,
        ..point(&[], NOW_NANOS, 0.0)
    };
    let send = |point| bench.otlp(vec![resource(&[], vec![sum("d", 1, true, vec![point])])]);
    let series = SeriesRef(send(at(5, 0)).points.series()[0]);
    let stale = send(at(9, 1));
    assert_eq!(stale.warnings, [], "no integer is stored, so none is rounded");
    assert_eq!(bench.registry.read().start_at(series), Some(UnixNanos(5)), "the total goes on");
}

#[test]
fn integers_become_floats_and_nan_and_infinities_are_kept_and_counted() {
    let bench = Bench::default();
    let int = NumberDataPoint { value: Some(number_data_point::Value::AsInt(-7)), ..point(&[], NOW_NANOS, 0.0) };
    let points = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(|value| point(&[], NOW_NANOS, value));
    let normalized = bench.otlp(vec![resource(&[], vec![gauge("m", [vec![int], points.to_vec()].concat())])]);
    assert_eq!(normalized.points.values()[0], -7.0);
    assert_eq!((normalized.points.len(), normalized.not_finite), (4, 3));
}

fn check_bad(bad: ResourceMetrics, reason: Reason, words: &[&str]) {
    let bench = Bench::new(Limits { labels: 3, label_bytes: 20, ..Limits::default() });
    let good = resource(&[("host", "a")], vec![gauge("good", vec![point(&[], NOW_NANOS, 1.0)])]);
    let normalized = bench.otlp(vec![bad, good]);
    assert_eq!(bench.points(&normalized), [(r#"good{host="a"}"#.into(), 0, 1.0)], "{reason:?}");
    assert_eq!(refused(&normalized), [(reason, 1)].into());
    for words in words {
        assert!(normalized.rejections[0].detail.contains(words), "{:?}", normalized.rejections);
    }
    assert_eq!(bench.registry.len(), 1, "a refused point makes no series");
}

#[test]
fn bad_points_are_refused_each_for_its_reason_and_the_good_ones_kept() {
    let one = |pairs: &[(&str, &str)], time| resource(&[], vec![gauge("m", vec![point(pairs, time, 1.0)])]);
    let past = Limits::default().past.as_nanos() as u64;
    let named = |name: &str| resource(&[], vec![gauge(name, vec![point(&[], NOW_NANOS, 1.0)])]);
    let long = "x".repeat(21);
    check_bad(named(""), Reason::EmptyMetricName, &["metric \"\": the metric has no name"]);
    check_bad(named(&long), Reason::LabelTooLong, &["21 bytes", "the limit is 20"]);
    check_bad(one(&[("", "v")], NOW_NANOS), Reason::EmptyLabelName, &["metric \"m\": a label has no name"]);
    check_bad(one(&[("k", "1"), ("k", "2")], NOW_NANOS), Reason::DuplicateLabel, &["label \"k\" comes twice"]);
    check_bad(one(&[("k", &long)], NOW_NANOS), Reason::LabelTooLong, &["label \"k\" is 21 bytes", &long]);
    check_bad(one(&[(&long, "v")], NOW_NANOS), Reason::LabelTooLong, &["label name \"xxx", "raise limits.label_bytes"]);
    let four = [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")];
    check_bad(one(&four, NOW_NANOS), Reason::TooManyLabels, &["4 labels, the limit is 3"]);
    check_bad(
        one(&[], NOW_NANOS + HOUR),
        Reason::TooFarInFuture,
        &["2026-01-01T01:00:10Z is after 2026-01-01T00:10:10Z"],
    );
    check_bad(one(&[], u64::MAX), Reason::TooFarInFuture, &["18446744073709551615 ns"]);
    check_bad(one(&[], NOW_NANOS - past - 1), Reason::TooOld, &["is before 2025-12-02T00:00:10Z"]);
    check_bad(one(&[], 1), Reason::TooOld, &["1970-01-01"]);
}

#[test]
fn a_bad_resource_refuses_each_of_its_points() {
    let metrics = || vec![gauge("a", vec![point(&[], 0, 1.0); 2]), gauge("b", vec![point(&[], 0, 1.0)])];
    let bench = Bench::default();
    let normalized =
        bench.otlp(vec![resource(&[("k", "1"), ("k", "2")], metrics()), resource(&[("k", "1")], metrics())]);
    assert_eq!(normalized.points.len(), 3);
    assert_eq!(refused(&normalized), [(Reason::DuplicateLabel, 3)].into());
}

#[test]
fn a_resource_with_too_many_labels_refuses_each_of_its_points_and_empty_ones_do_not_count() {
    let bench = Bench::new(Limits { labels: 2, ..Limits::default() });
    let metrics = || vec![gauge("m", vec![point(&[], 0, 1.0); 2])];
    let normalized = bench.otlp(vec![
        resource(&[("a", "1"), ("b", "2"), ("c", "3")], metrics()),
        resource(&[("a", "1"), ("b", "2"), ("c", "")], metrics()),
    ]);
    assert_eq!((normalized.points.len(), refused(&normalized)), (2, [(Reason::TooManyLabels, 2)].into()));
}

#[test]
fn times_at_the_edge_of_the_window_are_taken() {
    let limits = Limits::default();
    let (past, future) = (limits.past.as_nanos() as u64, limits.future.as_nanos() as u64);
    let points = [NOW_NANOS - past, NOW_NANOS + future].map(|time| point(&[], time, 1.0)).to_vec();
    let normalized = Bench::default().otlp(vec![resource(&[], vec![gauge("m", points)])]);
    assert_eq!(normalized.points.len(), 2);
}

#[test]
fn names_that_are_not_utf8_cost_their_own_points_only() {
    let bench = Bench::default();
    let spoil = |find: &str, resources: Vec<ResourceMetrics>| {
        let mut body = ExportMetricsServiceRequest { resource_metrics: resources }.encode_to_vec();
        let at = body.windows(find.len()).position(|window| window == find.as_bytes()).expect("it is in there");
        body[at] = 0xff;
        bench.take(Format::Otlp(Signal::Metrics), &body)
    };
    let points = || vec![point(&[], 0, 1.0), point(&[("key", "value")], 0, 2.0)];
    for (find, stored) in [("key", 1), ("value", 1), ("metric", 0)] {
        let normalized = spoil(find, vec![resource(&[], vec![gauge("metric", points())])]);
        assert_eq!(normalized.points.len(), stored, "{find}");
        assert_eq!(refused(&normalized), [(Reason::NotUtf8, 2 - stored as u64)].into(), "{find}");
    }
    let normalized = spoil("host", vec![resource(&[("host", "a")], vec![gauge("m", points())])]);
    assert_eq!(refused(&normalized), [(Reason::NotUtf8, 2)].into());
}

#[test]
fn a_series_over_the_cap_is_refused_and_known_ones_go_on() {
    let bench = Bench::new(Limits { series: 1, ..Limits::default() });
    let points = vec![point(&[("a", "1")], 0, 1.0), point(&[("a", "2")], 0, 2.0), point(&[("a", "1")], 0, 3.0)];
    let normalized = bench.otlp(vec![resource(&[], vec![gauge("m", points)])]);
    assert_eq!(normalized.points.values(), [1.0, 3.0]);
    assert_eq!(refused(&normalized), [(Reason::SeriesCap, 1)].into());
    assert!(normalized.rejections[0].detail.contains("raise limits.series"), "{:?}", normalized.rejections);
}
