//! OTLP's JSON goes the way of the protobuf that it stands for.

use super::*;

/// The same request in both forms.
fn both(bench: &Bench, value: number_data_point::Value, json: &str) -> (Normalized, Normalized) {
    let attribute = KeyValue {
        key: "host.name".into(),
        value: Some(AnyValue { value: Some(Value::StringValue("a".into())) }),
        ..KeyValue::default()
    };
    let point = NumberDataPoint {
        attributes: vec![attribute],
        time_unix_nano: NOW_NANOS,
        value: Some(value),
        ..NumberDataPoint::default()
    };
    let metric =
        Metric { name: "m".into(), data: Some(Data::Gauge(Gauge { data_points: vec![point] })), ..Metric::default() };
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
    let protobuf = bench.otlp(vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }]);
    let json = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"m","gauge":{{"dataPoints":[{{
            "attributes":[{{"key":"host.name","value":{{"stringValue":"a"}}}}], "timeUnixNano":"{NOW_NANOS}", {json}
        }}]}}}}]}}]}}]}}"#
    );
    (protobuf, bench.take(Format::OtlpJson(Signal::Metrics), json.as_bytes()))
}

#[test]
fn a_point_in_json_is_the_point_in_protobuf() {
    let bench = Bench::default();
    for (value, json) in [
        (number_data_point::Value::AsDouble(0.1), r#""asDouble":0.1"#),
        (number_data_point::Value::AsInt(-7), r#""asInt":"-7""#),
        (number_data_point::Value::AsDouble(f64::INFINITY), r#""asDouble":"Infinity""#),
    ] {
        let (protobuf, json) = both(&bench, value, json);
        assert_eq!(json.points, protobuf.points);
        assert_eq!((json.points.len(), json.not_finite), (1, protobuf.not_finite));
    }
}

#[test]
fn logs_and_spans_in_json_are_read_too() {
    let bench = Bench::default();
    let logs = format!(
        r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"timeUnixNano":{NOW_NANOS},"body":{{"stringValue":"x"}}}}]}}]}}]}}"#
    );
    assert_eq!(bench.take(Format::OtlpJson(Signal::Logs), logs.as_bytes()).count(), 1);
    let traces = format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{
            "traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"x",
            "startTimeUnixNano":{NOW_NANOS},"endTimeUnixNano":{NOW_NANOS}
        }}]}}]}}]}}"#
    );
    assert_eq!(bench.take(Format::OtlpJson(Signal::Traces), traces.as_bytes()).count(), 1);
}

#[test]
fn what_is_no_json_is_an_error_with_its_place() {
    let error = Bench::default().normalizer.normalize(Format::OtlpJson(Signal::Logs), b"{\n}x", None, NOW);
    assert_eq!(error.expect_err("trailing").to_string(), "line 2, column 2: trailing characters");
}

#[test]
fn the_protobuf_that_comes_out_is_held_to_the_limit_of_a_body() {
    let bench = Bench::new(Limits { body_bytes: 10, ..Limits::default() });
    let json = br#"{"resourceLogs":[{"schemaUrl":"longer than ten bytes"}]}"#;
    let error = bench.normalizer.normalize(Format::OtlpJson(Signal::Logs), json, None, NOW);
    assert_eq!(error.err(), Some(DecodeError::TooLarge { max: 10, compressed: false }));
}
