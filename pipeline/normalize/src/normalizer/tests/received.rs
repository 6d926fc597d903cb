//! What was received is metered on its own, and is what was kept and refused: in every format, whatever becomes of a point.

use flyball_model::intake::Precision;
use flyball_model::relabel::{Action, Relabel, RelabelOptions};
use flyball_prompb::histogram::{Count, ZeroCount};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{Exemplar, Histogram, HistogramDataPoint, Summary, SummaryDataPoint};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, span::Event};
use proptest::collection::vec;
use proptest::prelude::*;

use super::remote_write2::messages::{self, Sent, proto};
use super::*;

/// A body, and what its sender says it holds.
struct Body {
    format: Format,
    context: Option<Context>,
    bytes: Vec<u8>,
    /// Points and records.
    holds: u64,
    /// How many of them are kept.
    kept: u64,
}

impl Body {
    fn new(format: Format, bytes: impl Into<Vec<u8>>, holds: u64, kept: u64) -> Self {
        Self { format, context: None, bytes: bytes.into(), holds, kept }
    }

    fn with(self, context: Context) -> Self {
        Self { context: Some(context), ..self }
    }

    fn take(&self, bench: &Bench, bytes: &[u8]) -> Result<Normalized, DecodeError> {
        bench.normalizer.normalize(self.format, bytes, self.context.as_ref(), NOW)
    }
}

fn metrics() -> Vec<u8> {
    let old = |point: NumberDataPoint| NumberDataPoint { time_unix_nano: 1, ..point };
    let of = |data| Metric { name: "of".into(), data: Some(data), ..Default::default() };
    let late = [1, 2].map(|time| point(&[("late", "")], NOW_NANOS - time, 1.0));
    let exemplars = vec![Exemplar { time_unix_nano: 1, ..Default::default() }; 3];
    let histogram = HistogramDataPoint { time_unix_nano: NOW_NANOS, exemplars, ..Default::default() };
    let bad_histogram = HistogramDataPoint { count: 1, bucket_counts: vec![2], ..histogram.clone() };
    let quantile_values = vec![ValueAtQuantile { quantile: 0.5, value: f64::NAN }; 4];
    let summary = SummaryDataPoint { time_unix_nano: NOW_NANOS, quantile_values, ..Default::default() };
    let bad_summary = SummaryDataPoint { time_unix_nano: 1, ..summary.clone() };
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![
            resource(
                &[],
                vec![
                    gauge("g", vec![point(&[], NOW_NANOS, f64::NAN), old(point(&[], 0, 1.0))]),
                    gauge("", vec![point(&[], NOW_NANOS, 1.0)]),
                    sum("d", 1, true, late.to_vec()),
                    Metric { name: "nothing".into(), ..Default::default() },
                    Metric {
                        name: "h".into(),
                        ..of(Data::Histogram(Histogram {
                            data_points: vec![histogram, bad_histogram],
                            aggregation_temporality: 2,
                        }))
                    },
                    of(Data::Summary(Summary { data_points: vec![summary, bad_summary] })),
                ],
            ),
            resource(&[("", "a resource that is bad")], vec![gauge("g", vec![point(&[], NOW_NANOS, 1.0); 2])]),
        ],
    };
    request.encode_to_vec()
}

fn logs() -> Vec<u8> {
    let record = |time_unix_nano| LogRecord { time_unix_nano, ..Default::default() };
    let log_records = vec![record(NOW_NANOS), record(0), record(1)];
    let scope_logs = vec![ScopeLogs { log_records, ..Default::default() }];
    let resource_logs = vec![ResourceLogs { scope_logs, ..Default::default() }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

fn spans() -> Vec<u8> {
    let span =
        |start_time_unix_nano| Span { start_time_unix_nano, events: vec![Event::default(); 3], ..Default::default() };
    let scope_spans = vec![ScopeSpans { spans: vec![span(NOW_NANOS), span(1)], ..Default::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..Default::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

fn remote_write_1() -> Vec<u8> {
    let label = |name: &str, value: &str| prompb::Label { name: name.into(), value: value.into() };
    let sample = |timestamp| prompb::Sample { value: 1.0, timestamp };
    let samples = vec![sample(NOW.as_millis()), sample(0)];
    let series = |labels| prompb::TimeSeries { labels, samples: samples.clone(), ..Default::default() };
    let histograms = vec![prompb::Histogram::default()];
    let exemplars = vec![prompb::Exemplar::default(); 2];
    let timeseries = vec![
        prompb::TimeSeries { histograms, exemplars, ..series(vec![label("__name__", "m")]) },
        series(vec![label("no", "name")]),
    ];
    prompb::WriteRequest { timeseries, metadata: vec![prompb::MetricMetadata::default()] }.encode_to_vec()
}

fn remote_write_2() -> Vec<u8> {
    let histogram =
        proto::Histogram { count: Some(Count::Int(0)), zero_count: Some(ZeroCount::Int(0)), ..Default::default() };
    messages::request(&[
        Sent::new(&[("__name__", "m")]).sample(0, 1.0).sample(i64::from(i32::MIN) * 1000, 1.0),
        Sent::new(&[("__name__", "h")]).histogram(histogram.clone()).exemplar(&[("a", "b")], None, 1.0),
        Sent::new(&[("no", "name")]).sample(0, 1.0).histogram(histogram),
    ])
}

/// All of them have points that are kept and others that are refused, and some that are passed over, dropped or given up.
fn bodies() -> Vec<Body> {
    let line_protocol = |whole| Format::LineProtocol { precision: Precision::Seconds, whole };
    let lines = "m f=1,s=\"text\"\nbad\nm,a=1,,b=2 f=1,g=2,h=3\nm,a=1,,b=2 s=\"\"\nm f=1,g=2 1\n# f=1\nm f=2";
    let drop = RelabelOptions {
        source_labels: vec!["__name__".into()],
        regex: Some("go_.*".into()),
        action: Action::Drop,
        ..RelabelOptions::default()
    };
    let scraped = || Context {
        relabel: vec![Relabel::new(drop.clone()).expect("a good rule")],
        complete: true,
        ..Context::default()
    };
    let text = "# HELP m is one\nm 1\nm{a=\"1\",a=\"2\"} 1\ngo_threads 5\ngo_info 1\nm 1 1\nn 2\n";
    let report = r#"{"host":{"consumption":1.0,"timestamp":null,"components":{"disks":[{"disk_total_bytes":"100","disk_available_bytes":""}]}},"consumers":[{"exe":"a","pid":1,"consumption":2.0,"timestamp":1.0},{"exe":"b","pid":2,"consumption":null,"timestamp":null}],"sockets":[]}"#;
    let json = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"m","gauge":{{"dataPoints":[
            {{"timeUnixNano":"{NOW_NANOS}","asInt":"1"}},{{"timeUnixNano":"{NOW_NANOS}"}}]}}}}]}}]}}]}}"#
    );
    vec![
        Body::new(Format::Otlp(Signal::Metrics), metrics(), 11, 5),
        Body::new(Format::Otlp(Signal::Logs), logs(), 3, 2),
        Body::new(Format::Otlp(Signal::Traces), spans(), 2, 1),
        Body::new(Format::OtlpJson(Signal::Metrics), json, 2, 1),
        Body::new(Format::RemoteWrite1, remote_write_1(), 5, 1),
        Body::new(Format::RemoteWrite2, remote_write_2(), 5, 2),
        Body::new(line_protocol(false), lines, 2 + 1 + 3 + 1 + 2 + 1, 3),
        Body::new(line_protocol(true), lines, 2 + 1 + 3 + 1 + 2 + 1, 0),
        Body::new(line_protocol(true), "m f=1,s=\"text\"", 2, 2),
        Body::new(Format::PrometheusText, text, 6, 4).with(Context::default()),
        Body::new(Format::PrometheusText, text, 6, 2).with(scraped()),
        Body::new(Format::OpenMetrics, format!("{text}# EOF\n"), 6, 2).with(scraped()),
        Body::new(Format::Scaphandre, format!("[{report},{}{report}", &report[..40]), 3 + 1 + 3, 4),
    ]
}

#[test]
fn what_was_received_is_what_was_kept_and_refused_in_every_format() {
    for body in bodies() {
        let bench = Bench::default();
        for round in ["first", "second"] {
            let taken = body.take(&bench, &body.bytes).expect("well formed");
            let what = format!("{:?}, {round} time: {:?}", body.format, taken.rejections);
            assert_eq!((taken.received, taken.count()), (body.holds, body.kept), "{what}");
            assert_eq!(taken.received, taken.count() + taken.rejected(), "{what}");
        }
    }
}

#[test]
fn staleness_markers_that_are_made_here_were_not_received() {
    let bench = Bench::default();
    let context = Context { complete: true, ..Context::default() };
    let take = |text: &str| {
        let taken = bench.normalizer.normalize(Format::PrometheusText, text.as_bytes(), Some(&context), NOW);
        let taken = taken.expect("well formed");
        (taken.points.len(), taken.parts, taken.received, taken.count())
    };
    assert_eq!(take("m 1\nn 2\n"), (2, 0, 2, 2));
    assert_eq!(take("m 1\n"), (2, 1, 1, 1));
    assert_eq!(take(""), (1, 1, 0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Also of bodies that are half broken.
    #[test]
    fn spoiled_bodies_balance(flips in vec(any::<(usize, u8)>(), 0..4), cut in any::<prop::sample::Index>(), whole: bool) {
        for body in bodies() {
            let mut bytes = super::account::spoil(body.bytes.clone(), &flips);
            if !whole {
                bytes.truncate(cut.index(bytes.len()));
            }
            let bench = super::account::bench();
            for _ in 0..2 {
                if let Ok(taken) = body.take(&bench, &bytes) {
                    let accounted = taken.count() + taken.rejected();
                    prop_assert_eq!(taken.received, accounted, "{:?}: {:?}", body.format, taken.rejections);
                }
            }
        }
    }
}
