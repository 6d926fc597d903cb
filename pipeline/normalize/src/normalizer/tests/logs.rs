use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{TimestampNanosecondType, UInt8Type, UInt32Type};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{ArrayValue, InstrumentationScope, KeyValueList};
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
    bench.take(Format::Otlp(Signal::Logs), &ExportLogsServiceRequest { resource_logs }.encode_to_vec())
}

fn batch(normalized: &Normalized) -> &RecordBatch {
    normalized.of(RowKind::Logs).expect("log records").batch()
}

/// A text column, `-` for null.
fn texts(normalized: &Normalized, column: &str) -> Vec<String> {
    batch(normalized)[column].as_string::<i32>().iter().map(|text| text.unwrap_or("-").to_owned()).collect()
}

/// The attributes of a record, in their order.
fn attributes_of(normalized: &Normalized, row: usize) -> Vec<(String, String)> {
    let entries = batch(normalized)["attributes"].as_map().value(row);
    let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1).as_string::<i32>());
    keys.iter().zip(values).map(|(key, value)| (key.unwrap_or("-").into(), value.unwrap_or("-").into())).collect()
}

fn numbers(batch: &RecordBatch, column: &str) -> Vec<u32> {
    batch[column].as_primitive::<UInt32Type>().values().to_vec()
}

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

#[test]
fn a_record_keeps_all_it_says() {
    let bench = Bench::default();
    let full = LogRecord {
        time_unix_nano: NOW_NANOS,
        body: body("started"),
        observed_time_unix_nano: NOW_NANOS + 5,
        severity_number: 17,
        severity_text: "Error".into(),
        attributes: attributes(&[("http.route", "/a"), ("code", "500")]),
        event_name: "request.failed".into(),
        trace_id: (0..16).collect(),
        span_id: vec![0xab; 8],
        flags: 0x101,
        dropped_attributes_count: 3,
    };
    let normalized = send(&bench, &[("service.name", "shop"), ("a", "")], "my.scope", vec![full]);
    let batch = batch(&normalized);
    assert_eq!(bench.series(SeriesRef(numbers(batch, "series")[0])), r#"logs{service_name="shop"}"#);
    let nanos = |name: &str| batch[name].as_primitive::<TimestampNanosecondType>().value(0) - NOW.0;
    assert_eq!((nanos("time"), nanos("observed_time")), (0, 5));
    assert_eq!(batch["severity_number"].as_primitive::<UInt8Type>().value(0), 17);
    assert_eq!((numbers(batch, "flags"), numbers(batch, "dropped_attributes_count")), (vec![0x101], vec![3]));
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
        assert_eq!(batch(&normalized)[column].null_count(), 2, "{column}");
    }
    assert_eq!(attributes_of(&normalized, 0), []);
}

#[test]
fn every_kind_of_value_becomes_text() {
    let pair = |key: &str, value: AnyValue| KeyValue { key: key.into(), value: Some(value), ..Default::default() };
    let array = |values: Vec<AnyValue>| any(Value::ArrayValue(ArrayValue { values }));
    let map = |values: Vec<KeyValue>| any(Value::KvlistValue(KeyValueList { values }));
    let nested = map(vec![
        pair("list", array(vec![any(Value::IntValue(1)), map(vec![]), AnyValue { value: None }])),
        pair("bytes", any(Value::BytesValue(vec![0, 255]))),
        pair("half", any(Value::DoubleValue(0.5))),
    ]);
    let long = "x".repeat(1000);
    let cases = [
        (any(Value::StringValue("as it is".into())), "as it is"),
        (any(Value::StringValue(long.clone())), &long),
        (any(Value::BoolValue(false)), "false"),
        (any(Value::IntValue(i64::MIN)), "-9223372036854775808"),
        (any(Value::DoubleValue(f64::NAN)), "NaN"),
        (any(Value::BytesValue(vec![0, 255])), "AP8="),
        (array(vec![any(Value::StringValue("q\"".into()))]), r#"["q\""]"#),
        (nested, r#"{"list":[1,{},null],"bytes":"AP8=","half":0.5}"#),
    ];
    let records = cases.iter().map(|(value, _)| LogRecord {
        body: Some(value.clone()),
        attributes: vec![pair("first", any(Value::IntValue(7))), pair("value", value.clone())],
        ..record()
    });
    let normalized = send(&Bench::default(), &[], "", records.collect());
    assert_eq!(texts(&normalized, "body"), cases.each_ref().map(|case| case.1));
    for (row, (_, expected)) in cases.iter().enumerate() {
        let expected = [("first", "7"), ("value", expected)].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(attributes_of(&normalized, row), expected);
    }
}

#[test]
fn the_scope_is_among_the_attributes_and_the_record_wins() {
    let scope = Some(InstrumentationScope {
        name: "lib".into(),
        version: "1.2".into(),
        attributes: attributes(&[("team", "a"), ("name", "hidden by the scope's name")]),
        ..Default::default()
    });
    let own = LogRecord { attributes: attributes(&[("otel.scope.version", "own")]), ..record() };
    let scope_logs = vec![ScopeLogs { scope, log_records: vec![record(), own], ..Default::default() }];
    let request = ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..Default::default() }] };
    let normalized = Bench::default().take(Format::Otlp(Signal::Logs), &request.encode_to_vec());
    for (row, expected) in [
        [("otel.scope.name", "lib"), ("otel.scope.version", "1.2"), ("otel.scope.team", "a")],
        [("otel.scope.version", "own"), ("otel.scope.name", "lib"), ("otel.scope.team", "a")],
    ]
    .iter()
    .enumerate()
    {
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(attributes_of(&normalized, row), expected);
    }
}

#[test]
fn a_scope_with_attributes_without_end_refuses_each_of_its_records() {
    let send = |count: usize| {
        let names: Vec<_> = (0..count).map(|number| format!("n{number}")).collect();
        let pairs: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
        let scope = Some(InstrumentationScope { attributes: attributes(&pairs), ..Default::default() });
        let scope_logs = vec![ScopeLogs { scope, log_records: vec![record(); 2], ..Default::default() }];
        let resource_logs = vec![ResourceLogs { scope_logs, ..Default::default() }];
        let body = ExportLogsServiceRequest { resource_logs }.encode_to_vec();
        Bench::default().take(Format::Otlp(Signal::Logs), &body)
    };
    assert_eq!(attributes_of(&send(128), 1).len(), 128);
    let refusing = send(129);
    assert_eq!((refusing.count(), refused(&refusing)), (0, [(Reason::TooManyLabels, 2)].into()));
}

#[test]
fn records_keep_their_order_over_scopes_and_resources() {
    let says = |text: &str| LogRecord { body: body(text), ..record() };
    let scope =
        |texts: &[&str]| ScopeLogs { log_records: texts.iter().map(|text| says(text)).collect(), ..Default::default() };
    let resource = |name: &str, scope_logs| ResourceLogs {
        resource: Some(Resource { attributes: attributes(&[("service.name", name)]), ..Default::default() }),
        scope_logs,
        ..Default::default()
    };
    let resource_logs = vec![
        resource("a", vec![scope(&["1", "2"]), scope(&["3"])]),
        resource("b", vec![scope(&["4"])]),
        resource("a", vec![scope(&["5"])]),
    ];
    let bench = Bench::default();
    let normalized =
        bench.take(Format::Otlp(Signal::Logs), &ExportLogsServiceRequest { resource_logs }.encode_to_vec());
    assert_eq!(texts(&normalized, "body"), ["1", "2", "3", "4", "5"]);
    assert_eq!(numbers(batch(&normalized), "series"), [0, 0, 0, 1, 0]);
}

#[test]
fn a_value_nested_too_deeply_costs_its_own_record_only() {
    let mut deep = any(Value::IntValue(1));
    for _ in 0..=flyball_decode::otlp::any_value::ANY_VALUE_DEPTH_MAX {
        deep = any(Value::ArrayValue(ArrayValue { values: vec![deep] }));
    }
    let attribute = KeyValue { key: "deep".into(), value: Some(deep.clone()), ..Default::default() };
    let in_body = LogRecord { body: Some(deep), ..record() };
    let in_attribute = LogRecord { attributes: vec![attribute], ..record() };
    let normalized = send(&Bench::default(), &[], "", vec![in_body, record(), in_attribute]);
    assert_eq!((normalized.count(), refused(&normalized)), (1, [(Reason::TooDeep, 2)].into()));
    let detail = &normalized.rejections[0].detail;
    assert!(detail.contains("the value of \"body\" is nested more than 64 levels deep; flatten it"), "{detail}");
}

#[test]
fn a_record_without_a_time_has_that_of_its_observation_or_receipt() {
    let observed = LogRecord { time_unix_nano: 0, observed_time_unix_nano: NOW_NANOS - 3, ..record() };
    let neither = LogRecord { time_unix_nano: 0, ..record() };
    let normalized = send(&Bench::default(), &[], "", vec![observed, neither]);
    let times = &batch(&normalized)["time"];
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
        assert_eq!((normalized.count(), refused(&normalized)), (1, [(reason, 1)].into()), "{words}");
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
        let normalized = bench.take(Format::Otlp(Signal::Logs), &bad);
        assert_eq!((normalized.count(), refused(&normalized)), (1, [(Reason::NotUtf8, 1)].into()), "{find}");
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
