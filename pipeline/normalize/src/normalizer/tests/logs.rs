use arrow::array::{Array, AsArray};
use arrow::datatypes::{TimestampNanosecondType, UInt8Type, UInt32Type};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{ArrayValue, InstrumentationScope};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};

use super::*;

fn body(text: &str) -> Option<AnyValue> {
    Some(AnyValue { value: Some(Value::StringValue(text.into())) })
}

fn record() -> LogRecord {
    LogRecord { time_unix_nano: NOW_NANOS, body: body("started"), ..Default::default() }
}

fn send(bench: &Bench, pairs: &[(&str, &str)], scope: &str, log_records: Vec<LogRecord>) -> Normalized {
    let scope = Some(InstrumentationScope { name: scope.into(), ..Default::default() });
    let resource_logs = vec![ResourceLogs {
        resource: Some(Resource { attributes: attributes(pairs), ..Default::default() }),
        scope_logs: vec![ScopeLogs { scope, log_records, ..Default::default() }],
        ..Default::default()
    }];
    bench.take(Format::OtlpLogs, &ExportLogsServiceRequest { resource_logs }.encode_to_vec())
}

/// A text column, `-` for null.
fn texts(normalized: &Normalized, column: &str) -> Vec<String> {
    let column = normalized.logs.batch().column_by_name(column).expect("a column of the schema");
    column.as_string::<i32>().iter().map(|text| text.unwrap_or("-").to_owned()).collect()
}

/// The attributes of a record, in their order.
fn attributes_of(normalized: &Normalized, row: usize) -> Vec<(String, String)> {
    let entries = normalized.logs.batch().column_by_name("attributes").expect("a column").as_map().value(row);
    let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1).as_string::<i32>());
    keys.iter().zip(values).map(|(key, value)| (key.unwrap_or("-").into(), value.unwrap_or("-").into())).collect()
}

#[test]
fn a_record_keeps_all_it_says() {
    let bench = Bench::default();
    let full = LogRecord {
        observed_time_unix_nano: NOW_NANOS + 5,
        severity_number: 17,
        severity_text: "Error".into(),
        attributes: attributes(&[("http.route", "/a"), ("code", "500")]),
        event_name: "request.failed".into(),
        trace_id: (0..16).collect(),
        span_id: vec![0xab; 8],
        ..record()
    };
    let normalized = send(&bench, &[("service.name", "shop"), ("a", "")], "my.scope", vec![full]);
    let batch = normalized.logs.batch();
    let stream = batch.column_by_name("stream").expect("a column").as_primitive::<UInt32Type>().value(0);
    assert_eq!(bench.series(SeriesRef(stream)), r#"logs{service_name="shop"}"#);
    let nanos = |name: &str| {
        batch.column_by_name(name).expect("a column").as_primitive::<TimestampNanosecondType>().value(0) - NOW.0
    };
    assert_eq!((nanos("time"), nanos("observed_time")), (0, 5));
    assert_eq!(batch.column_by_name("severity_number").expect("a column").as_primitive::<UInt8Type>().value(0), 17);
    for (column, expected) in [
        ("severity", "Error"),
        ("body", "started"),
        ("event_name", "request.failed"),
        ("trace_id", "000102030405060708090a0b0c0d0e0f"),
        ("span_id", "abababababababab"),
    ] {
        assert_eq!(texts(&normalized, column), [expected], "{column}");
    }
    let expected = [("http.route", "/a"), ("code", "500"), ("otel.scope.name", "my.scope")];
    assert_eq!(attributes_of(&normalized, 0), expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert_eq!(refused(&normalized), BTreeMap::new());
}

#[test]
fn what_a_record_does_not_say_is_null() {
    let zero = LogRecord { trace_id: vec![0; 16], span_id: vec![1; 7], severity_number: 25, body: None, ..record() };
    let empty = LogRecord { body: Some(AnyValue { value: None }), ..zero.clone() };
    let normalized = send(&Bench::default(), &[], "", vec![zero, empty]);
    for column in ["severity", "body", "event_name", "trace_id", "span_id"] {
        assert_eq!(texts(&normalized, column), ["-", "-"], "{column}");
    }
    for column in ["severity_number", "observed_time"] {
        assert_eq!(
            normalized.logs.batch().column_by_name(column).map(|column| column.null_count()),
            Some(2),
            "{column}"
        );
    }
    assert_eq!(attributes_of(&normalized, 0), []);
}

#[test]
fn bodies_and_attributes_that_are_no_text_are_written_as_json() {
    let array = || {
        let values = vec![AnyValue { value: Some(Value::IntValue(1)) }, body("x").expect("set")];
        Some(AnyValue { value: Some(Value::ArrayValue(ArrayValue { values })) })
    };
    let attributes = vec![KeyValue { key: "list".into(), value: array(), ..Default::default() }];
    let normalized = send(&Bench::default(), &[], "", vec![LogRecord { body: array(), attributes, ..record() }]);
    assert_eq!(texts(&normalized, "body"), [r#"[1,"x"]"#]);
    assert_eq!(attributes_of(&normalized, 0), [("list".to_owned(), r#"[1,"x"]"#.to_owned())]);
}

#[test]
fn a_record_without_a_time_has_that_of_its_observation_or_receipt() {
    let observed = LogRecord { time_unix_nano: 0, observed_time_unix_nano: NOW_NANOS - 3, ..record() };
    let neither = LogRecord { time_unix_nano: 0, ..record() };
    let normalized = send(&Bench::default(), &[], "", vec![observed, neither]);
    let times = normalized.logs.batch().column_by_name("time").expect("a column");
    assert_eq!(times.as_primitive::<TimestampNanosecondType>().values().as_ref(), [NOW.0 - 3, NOW.0]);
}

#[test]
fn bad_records_are_refused_each_for_its_reason_and_the_good_ones_kept() {
    for (bad, reason, words) in [
        (LogRecord { time_unix_nano: 1, ..record() }, Reason::TooOld, "log record: the time 1970"),
        (LogRecord { time_unix_nano: u64::MAX, ..record() }, Reason::TooFarInFuture, "after"),
        (
            LogRecord { attributes: attributes(&[("k", "1"), ("j", "1"), ("k", "2")]), ..record() },
            Reason::DuplicateLabel,
            "\"k\"",
        ),
        (LogRecord { attributes: attributes(&[("", "1")]), ..record() }, Reason::EmptyLabelName, "no name"),
    ] {
        let bench = Bench::default();
        let normalized = send(&bench, &[], "s", vec![bad, record()]);
        assert_eq!((normalized.logs.len(), refused(&normalized)), (1, [(reason, 1)].into()), "{words}");
        assert!(normalized.rejections[0].detail.contains(words), "{:?}", normalized.rejections);
    }
}

#[test]
fn text_that_is_not_utf8_costs_its_own_record_only() {
    let bench = Bench::default();
    let fields = LogRecord {
        severity_text: "severity".into(),
        event_name: "event".into(),
        attributes: attributes(&[("key", "value")]),
        ..record()
    };
    let records = ScopeLogs { log_records: vec![fields, record()], ..Default::default() };
    let resource_logs = vec![ResourceLogs { scope_logs: vec![records], ..Default::default() }];
    let good = ExportLogsServiceRequest { resource_logs }.encode_to_vec();
    for find in ["severity", "event", "key", "value", "started"] {
        let mut bad = good.clone();
        let at = bad.windows(find.len()).position(|window| window == find.as_bytes()).expect("it is in there");
        bad[at] = 0xff;
        let normalized = bench.take(Format::OtlpLogs, &bad);
        assert_eq!((normalized.logs.len(), refused(&normalized)), (1, [(Reason::NotUtf8, 1)].into()), "{find}");
    }
}

#[test]
fn a_bad_resource_refuses_each_of_its_records_and_a_full_registry_too() {
    let bench = Bench::new(Limits { series: 1, labels: 2, ..Limits::default() });
    let three = [("a", "1"), ("b", "2"), ("c", "3")];
    let refuse = |pairs| refused(&send(&bench, pairs, "", vec![record(); 2]));
    assert_eq!(refuse(&three), [(Reason::TooManyLabels, 2)].into());
    assert_eq!(refuse(&[("a", "1"), ("a", "1")]), [(Reason::DuplicateLabel, 2)].into());
    assert_eq!(refuse(&three[..1]), BTreeMap::new());
    assert_eq!(refuse(&three[..2]), [(Reason::SeriesCap, 2)].into());
}
