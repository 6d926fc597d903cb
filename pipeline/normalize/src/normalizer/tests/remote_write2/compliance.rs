//! The cases of github.com/prometheus/compliance, remotewrite/receiver, as far as the message's contents go, and the rules of
//! the specification's chapter "Protobuf Message".

use flyball_model::batch::STALE_NAN_BITS;
use flyball_prompb::histogram::{BucketSpan, Count, Histogram, ZeroCount};

use super::*;

fn sample(labels: &[(&str, &str)]) -> Sent {
    Sent::new(labels).sample(0, 1.0)
}

/// A series that is not taken refuses its samples; all others are written.
fn check(rule: &str, series: &[Sent], expected: [u64; 3], refusals: &[(Reason, u64)]) -> (Bench, Normalized) {
    let bench = Bench::default();
    let normalized = bench.remote_write2(series);
    assert_eq!(written(&normalized), expected, "{rule}");
    assert_eq!(refused(&normalized), refusals.iter().copied().collect(), "{rule}");
    assert!(normalized.warnings.is_empty(), "{rule}: {:?}", normalized.warnings);
    (bench, normalized)
}

#[test]
fn samples_of_any_value_and_label_are_written_and_those_without_a_name_refused() {
    let values = [1.0, f64::from_bits(STALE_NAN_BITS), f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    for value in values {
        let up = |instance: &str| Sent::new(&[("__name__", "up"), ("instance", instance)]).sample(0, value);
        let unnamed = |instance: &str| Sent::new(&[("job", "j"), ("instance", instance)]).sample(0, value);
        let one = |labels: &[(&str, &str)]| vec![Sent::new(labels).sample(0, value)];
        let no_name = |points| vec![(Reason::EmptyMetricName, points)];
        for (rule, series, samples, refusals) in [
            ("SingleMetric/simple metric", one(&[("__name__", "up")]), 1, vec![]),
            ("SingleMetric/newlines", one(&[("__name__", "up"), ("job", "test\njob\n")]), 1, vec![]),
            ("SingleMetric/dots", one(&[("__name__", "resource.cpu.usage"), ("job.name", "j")]), 1, vec![]),
            ("SingleMetric/spaces", one(&[("__name__", "resource cpu usage"), ("job name", "j")]), 1, vec![]),
            ("SingleMetric/without name label", one(&[("job", "j")]), 0, no_name(1)),
            ("SingleMetric/empty metric", one(&[]), 0, no_name(1)),
            ("MultipleMetrics", vec![up("1"), up("2"), up("3"), up("4")], 4, vec![]),
            ("MultipleMetrics/without name label", vec![unnamed("1"), unnamed("2")], 0, no_name(2)),
            ("MultipleMetrics/1 without name label", vec![unnamed("1"), up("2"), up("3"), up("4")], 3, no_name(1)),
        ] {
            check(rule, &series, [samples, 0, 0], &refusals);
        }
    }
}

#[test]
fn the_rules_of_the_message_are_kept() {
    let name = ("__name__", "m");
    for (rule, series, expected, refusals) in [
        (
            "Series Labels: MUST NOT repeat names",
            sample(&[name, ("a", "1"), ("a", "2")]),
            [0, 0, 0],
            vec![(Reason::DuplicateLabel, 1)],
        ),
        (
            "Series Labels: MUST NOT contain empty names",
            sample(&[name, ("", "1")]),
            [0, 0, 0],
            vec![(Reason::EmptyLabelName, 1)],
        ),
        (
            "Series Labels: senders that break the order are read (compliance sends any)",
            sample(&[("z", "1"), name, ("a", "1")]),
            [1, 0, 0],
            vec![],
        ),
        ("Series Labels: an empty value is no label", sample(&[name, ("a", "")]), [1, 0, 0], vec![]),
        ("Series Labels: values are any UTF-8", sample(&[name, ("environment", "test🚀")]), [1, 0, 0], vec![]),
        (
            "Samples: milliseconds since the epoch; one of 1970 is too old",
            Sent::new(&[name]).sample(-NOW_MS, 1.0),
            [0, 0, 0],
            vec![(Reason::TooOld, 1)],
        ),
        ("Samples: several of a series", Sent::new(&[name]).sample(-2, 1.0).sample(-1, 2.0), [2, 0, 0], vec![]),
        (
            "EdgeCaseCombinations/mixed_timestamp_data",
            Sent::new(&[name]).sample(-3_600_000, 1.0).exemplar(&[], Some(-1_800_000), 1.0),
            [1, 0, 1],
            vec![],
        ),
        (
            "EdgeCaseCombinations/metadata_without_data",
            Sent::new(&[name]).metadata(1, "help", "count"),
            [0, 0, 0],
            vec![],
        ),
        (
            "EdgeCaseCombinations/exemplars_without_data",
            Sent::new(&[name]).exemplar(&[("trace_id", "t")], Some(0), 42.0),
            [0, 0, 1],
            vec![],
        ),
        (
            "Exemplars/exemplar_with_unicode",
            sample(&[name, ("region", "🌍")]).exemplar(&[("trace_id", "测试")], Some(0), 1.0),
            [1, 0, 1],
            vec![],
        ),
        ("Exemplars/exemplar_no_labels", sample(&[name]).exemplar(&[], Some(0), 1.0), [1, 0, 1], vec![]),
    ] {
        check(rule, &[series], expected, &refusals);
    }
    let many: Vec<_> = (0..50)
        .map(|number| {
            let trace = format!("trace_{number}");
            Sent::new(&[("__name__", &format!("counter_metric_{number}")), ("series", &trace)])
                .sample(0, 1.0)
                .metadata(1, &format!("Counter metric number {number}"), "count")
                .exemplar(&[("trace_id", &trace)], Some(0), 1.0)
        })
        .collect();
    check("ManySamples", &many, [50, 0, 50], &[]);
}

/// The suite's histogram: five positive buckets, two negative ones, one observation of zero, as wanted.
fn buckets(positive: bool, negative: bool, zero: bool) -> Histogram {
    let span = |offset, length| BucketSpan { offset, length };
    let mut histogram = Histogram { sum: 1.0, ..Histogram::default() };
    let mut count = 0;
    if positive {
        histogram.positive_spans = vec![span(0, 3), span(2, 2)];
        histogram.positive_deltas = vec![1, 2, 1, 3, 1];
        count += 23;
    }
    if negative {
        histogram.negative_spans = vec![span(0, 2)];
        histogram.negative_deltas = vec![1, 1];
        count += 3;
    }
    if zero {
        histogram.zero_count = Some(ZeroCount::Int(1));
        count += 1;
    }
    Histogram { count: Some(Count::Int(count)), ..histogram }
}

#[test]
fn native_histograms_are_written_and_those_that_do_not_add_up_refused() {
    let custom = Histogram {
        count: Some(Count::Int(30)),
        schema: -53,
        custom_values: vec![0.1, 0.5, 1.0, 2.5, 5.0, 10.0],
        positive_spans: vec![BucketSpan { offset: 0, length: 6 }],
        positive_deltas: vec![2, 1, 2, 3, -1, -2],
        ..Histogram::default()
    };
    let bad_count = Histogram { count: Some(Count::Int(99)), ..buckets(true, false, false) };
    let started = Histogram { start_timestamp: NOW_MS - 1_800_000, ..buckets(true, true, true) };
    let bad = vec![(Reason::BadHistogram, 1)];
    for (rule, histogram, refusals) in [
        ("Histograms/basic_histogram", buckets(true, true, true), vec![]),
        ("Histograms/custom_buckets_histogram", custom, vec![]),
        ("Histograms/positive_only_histogram", buckets(true, false, true), vec![]),
        ("Histograms/negative_only_histogram", buckets(false, true, false), vec![]),
        ("Histograms/minimal_histogram", buckets(false, false, true), vec![]),
        ("EmptyHistogram", buckets(false, false, false), vec![]),
        ("HistogramWithCreatedTimestamp", started, vec![]),
        ("Histograms/bad_count_histogram", bad_count, bad),
    ] {
        let series = Sent::new(&[("__name__", "h"), ("job", "j")]).histogram(histogram).metadata(3, "help", "seconds");
        let written = u64::from(refusals.is_empty());
        let (bench, _) = check(rule, std::slice::from_ref(&series), [0, written, 0], &refusals);
        if written == 1 {
            assert_eq!(bench.info("h").map(|info| info.kind), Some(Kind::Histogram), "{rule}");
            // And once more, when the series is known.
            assert_eq!(super::written(&bench.remote_write2(&[series])), [0, 1, 0], "{rule}");
            let number = Sent::new(&[("__name__", "h"), ("job", "j")]).sample(0, 1.0);
            assert_eq!(refused(&bench.remote_write2(&[number])), [(Reason::ShapeConflict, 1)].into(), "{rule}");
        }
    }
    let h = |name: &str| Sent::new(&[("__name__", name)]).histogram(buckets(true, false, true));
    check("MultipleHistograms", &[h("hist1"), h("hist2")], [0, 2, 0], &[]);
    let with_exemplar = h("h").exemplar(&[("trace_id", "abc123def456"), ("span_id", "span789")], Some(0), 1.23);
    check("HistogramWithExemplar", &[with_exemplar], [0, 1, 1], &[]);
    let both = h("h").sample(0, 1.0);
    check("Protobuf Message: MUST NOT include both", &[both], [1, 0, 0], &[(Reason::ShapeConflict, 1)]);
}

#[test]
fn exemplars_without_data_find_the_histogram_that_they_belong_to() {
    let bench = Bench::default();
    bench.remote_write2(&[Sent::new(&[("__name__", "h")]).histogram(buckets(true, true, true))]);
    let orphan = Sent::new(&[("__name__", "h")]).exemplar(&[], Some(0), 1.0);
    assert_eq!(written(&bench.remote_write2(&[orphan])), [0, 0, 1]);
    assert_eq!(bench.registry.len(), 1);
}

#[test]
fn start_timestamps_are_taken_from_samples_and_from_series() {
    let bench = Bench::default();
    let hour_ago = NOW_MS - 3_600_000;
    let old = Sent { created_timestamp: hour_ago, ..sample(&[("__name__", "old")]) };
    let mut message = messages::message(&[old, sample(&[("__name__", "new")]), sample(&[("__name__", "unsaid")])]);
    message.timeseries[1].samples[0].start_timestamp = hour_ago + 5;
    let normalized = bench.take(Format::RemoteWrite2, &message.encode_to_vec());
    let view = bench.registry.read();
    let starts: Vec<_> = normalized.points.iter().map(|point| view.start_at(point.0)).collect();
    assert_eq!(starts, [Some(UnixNanos::from_millis(hour_ago)), Some(UnixNanos::from_millis(hour_ago + 5)), None]);
}

#[test]
fn metadata_of_every_type_describes_its_metric() {
    for (rule, metric_type, kind) in [
        ("Metadata/unspecified_metadata_type", 0, Kind::Unknown),
        ("Metadata/counter_metadata", 1, Kind::Counter),
        ("Metadata/gauge_metadata", 2, Kind::Gauge),
        ("Metadata/histogram_metadata", 3, Kind::Histogram),
        ("Metadata/gauge_histogram_metadata_type", 4, Kind::Histogram),
        ("Metadata/summary_metadata_type", 5, Kind::Summary),
        ("Metadata/info_metadata_type", 6, Kind::Info),
        ("Metadata/stateset_metadata_type", 7, Kind::StateSet),
        ("a type of a later version", 99, Kind::Unknown),
    ] {
        for (help, unit) in [("Help with\nnewlines and \"quotes\"", "bytes/sec"), ("", "")] {
            let series = sample(&[("__name__", "http.requests"), ("a", "1")]).metadata(metric_type, help, unit);
            let (bench, _) = check(rule, &[series.clone(), series], [2, 0, 0], &[]);
            let info = bench.info("http_requests").expect("a metric");
            assert_eq!((info.kind, info.help.as_str(), info.unit.as_str()), (kind, help, unit), "{rule}");
            let said = metric_type % 99 != 0 || !help.is_empty();
            assert_eq!(info.original, if said { "http.requests" } else { "http_requests" }, "{rule}");
        }
    }
}

#[test]
fn metadata_is_taken_over_when_it_changes_and_the_last_of_a_body_counts() {
    let bench = Bench::default();
    let m = |help: &str| sample(&[("__name__", "m")]).metadata(2, help, "s");
    for (sent, expected) in
        [(vec!["one"], "one"), (vec!["one"], "one"), (vec!["two"], "two"), (vec!["a", "b", "c"], "c")]
    {
        bench.remote_write2(&sent.into_iter().map(m).collect::<Vec<_>>());
        assert_eq!(bench.info("m").expect("a metric").help, expected);
    }
}

#[test]
fn metadata_beyond_the_table_is_a_warning_and_its_samples_stay() {
    let mut message = messages::message(&[sample(&[("__name__", "m")]).metadata(1, "help", "s")]);
    message.timeseries[0].metadata.as_mut().expect("sent").unit_ref = 50;
    let bench = Bench::default();
    let normalized = bench.take(Format::RemoteWrite2, &message.encode_to_vec());
    assert_eq!((written(&normalized), warned(&normalized)), ([1, 0, 0], [(Reason::BadSymbol, 1)].into()));
    assert!(normalized.warnings[0].detail.contains("metric \"m\": metadata refers to symbol 50"));
    assert_eq!(bench.info("m").map(|info| info.help), Some(String::new()));
}
