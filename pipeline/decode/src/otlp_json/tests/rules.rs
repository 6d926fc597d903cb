//! One row a rule. Sections of the OpenTelemetry Protocol specification 1.10 by their names; `ProtoJSON` is protobuf's own
//! JSON mapping (protobuf.dev/programming-guides/json), which that one refers to.

use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as PointValue;
use opentelemetry_proto::tonic::metrics::v1::{ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint};
use opentelemetry_proto::tonic::trace::v1::Span;

use super::*;

fn record(json: &str) -> Result<LogRecord, DecodeError> {
    let json = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{json}]}}]}}]}}"#);
    logs(&json).map(|mut logs| logs.resource_logs.remove(0).scope_logs.remove(0).log_records.remove(0))
}

fn span(json: &str) -> Result<Span, DecodeError> {
    let json = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{json}]}}]}}]}}"#);
    traces(&json).map(|mut traces| traces.resource_spans.remove(0).scope_spans.remove(0).spans.remove(0))
}

fn data(kind: &str, json: &str) -> Result<Data, DecodeError> {
    let json = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"{kind}":{{"dataPoints":[{json}]}}}}]}}]}}]}}"#
    );
    let metric = |mut metrics: ExportMetricsServiceRequest| {
        metrics.resource_metrics.remove(0).scope_metrics.remove(0).metrics.remove(0)
    };
    metrics(&json).map(|metrics| metric(metrics).data.expect("set"))
}

fn point(json: &str) -> Result<NumberDataPoint, DecodeError> {
    match data("gauge", json)? {
        Data::Gauge(mut gauge) => Ok(gauge.data_points.remove(0)),
        other => panic!("{other:?}"),
    }
}

fn histogram(json: &str) -> Result<HistogramDataPoint, DecodeError> {
    match data("histogram", json)? {
        Data::Histogram(mut histogram) => Ok(histogram.data_points.remove(0)),
        other => panic!("{other:?}"),
    }
}

fn exponential(json: &str) -> Result<ExponentialHistogramDataPoint, DecodeError> {
    match data("exponentialHistogram", json)? {
        Data::ExponentialHistogram(mut histogram) => Ok(histogram.data_points.remove(0)),
        other => panic!("{other:?}"),
    }
}

fn value(json: &str) -> Result<Option<Value>, DecodeError> {
    record(&format!(r#"{{"body":{json}}}"#)).map(|record| record.body.expect("there").value)
}

/// Rows of section, JSON, and what it means.
type Rows<'a, T> = &'a [(&'a str, &'a str, T)];

fn check<T: PartialEq + std::fmt::Debug>(rows: Rows<'_, T>, read: impl Fn(&str) -> Result<T, DecodeError>) {
    for (section, json, expected) in rows {
        match read(json) {
            Ok(found) => assert_eq!(&found, expected, "{section}: {json}"),
            Err(error) => panic!("{section}: {json}: {error}"),
        }
    }
}

/// Rows of section, JSON, and a part of what is said to it.
fn refuse<T: std::fmt::Debug>(rows: &[(&str, &str, &str)], read: impl Fn(&str) -> Result<T, DecodeError>) {
    for (section, json, part) in rows {
        let said = read(json).expect_err(json).to_string();
        assert!(said.contains(part), "{section}: {json}: {said}");
    }
}

#[test]
fn ids_are_hex_digits_of_either_case_and_no_base64() {
    const SECTION: &str = "JSON Protobuf Encoding: traceId and spanId";
    let trace_id = vec![0x5b, 0x8e, 0xff, 0xf7, 0x98, 0x03, 0x81, 0x03, 0xd2, 0x69, 0xb6, 0x33, 0x81, 0x3f, 0xc6, 0x0c];
    let with_trace = |trace_id: &[u8]| LogRecord { trace_id: trace_id.to_vec(), ..Default::default() };
    check(
        &[
            (SECTION, r#"{"traceId":"5B8EFFF798038103D269B633813FC60C"}"#, with_trace(&trace_id)),
            (SECTION, r#"{"traceId":"5b8efff798038103d269b633813fc60c"}"#, with_trace(&trace_id)),
            (SECTION, r#"{"traceId":"5b8EFFf798038103d269b633813fc60C"}"#, with_trace(&trace_id)),
            (SECTION, r#"{"traceId":"\u0035b"}"#, with_trace(&[0x5b])),
            (SECTION, r#"{"traceId":""}"#, with_trace(&[])),
            (
                SECTION,
                r#"{"spanId":"EEE19B7EC3C1B174"}"#,
                LogRecord { span_id: vec![0xee, 0xe1, 0x9b, 0x7e, 0xc3, 0xc1, 0xb1, 0x74], ..Default::default() },
            ),
        ],
        record,
    );
    check(
        &[(
            SECTION,
            r#"{"parentSpanId":"0a","links":[{"traceId":"0B","spanId":"0c"}]}"#,
            (vec![10], vec![11], vec![12]),
        )],
        |json| {
            span(json).map(|span| (span.parent_span_id, span.links[0].trace_id.clone(), span.links[0].span_id.clone()))
        },
    );
    check(&[(SECTION, r#"{"exemplars":[{"traceId":"0B","spanId":"0c"}]}"#, (vec![11], vec![12]))], |json| {
        point(json).map(|point| (point.exemplars[0].trace_id.clone(), point.exemplars[0].span_id.clone()))
    });
    refuse(
        &[
            (SECTION, r#"{"traceId":"W47/95gDgQPSabYzgT/GDA=="}"#, "hex digits"),
            (SECTION, r#"{"traceId":"5b8"}"#, "3 hex digits"),
            (SECTION, r#"{"spanId":"éa"}"#, "hex digits"),
            (SECTION, r#"{"spanId":5}"#, "expected a string of hex digits"),
        ],
        record,
    );
}

#[test]
fn enums_are_numbers_and_no_names() {
    const SECTION: &str = "JSON Protobuf Encoding: enum fields";
    check(
        &[
            (SECTION, r#"{"kind":2}"#, 2),
            ("ProtoJSON: enums are open", r#"{"kind":77}"#, 77),
            ("ProtoJSON: integers", r#"{"kind":2.0}"#, 2),
        ],
        |json| span(json).map(|span| span.kind),
    );
    refuse(
        &[
            (
                SECTION,
                r#"{"kind":"SPAN_KIND_SERVER"}"#,
                "kind: SPAN_KIND_SERVER is an enum's name, and OTLP's JSON takes its number: 2",
            ),
            (SECTION, r#"{"kind":"2"}"#, "takes a number from 0 to 5"),
            (SECTION, r#"{"kind":2.5}"#, "2.5 is not a whole number"),
            (SECTION, r#"{"kind":2147483648}"#, "2147483648 is not a whole number"),
            (SECTION, r#"{"status":{"code":"STATUS_CODE_ERROR"}}"#, "number: 2"),
        ],
        span,
    );
    refuse(&[(SECTION, r#"{"severityNumber":"SEVERITY_NUMBER_FATAL4"}"#, "number: 24")], record);
    let sum = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"sum":{"aggregationTemporality":"AGGREGATION_TEMPORALITY_CUMULATIVE"}}]}]}]}"#;
    refuse(&[(SECTION, sum, "number: 2")], metrics);
}

#[test]
fn unknown_fields_are_as_if_not_there() {
    const SECTION: &str = "JSON Protobuf Encoding: unknown names";
    let known = LogRecord { severity_number: 9, ..Default::default() };
    check(
        &[
            (SECTION, r#"{"new":1,"severityNumber":9}"#, known.clone()),
            (SECTION, r#"{"severityNumber":9,"new":{"deep":[[{"er":null}],"\ud800"]}}"#, known.clone()),
            (SECTION, r#"{"":[],"SeverityNumber":3,"severitynumber":3,"severityNumber":9}"#, known.clone()),
            (SECTION, r#"{"new":1,"severityNumber":9,"new":2}"#, known),
        ],
        record,
    );
    check(&[(SECTION, r#"{"newValue":"x"}"#, None), (SECTION, "{}", None)], value);
    check(&[(SECTION, r#"{"new":[{}]}"#, ExportLogsServiceRequest::default())], logs);
}

#[test]
fn names_are_lower_camel_case_and_the_original_ones_are_understood() {
    const SECTION: &str = "JSON Protobuf Encoding: keys; ProtoJSON: parsers accept both";
    let expected = LogRecord { dropped_attributes_count: 123, ..Default::default() };
    check(
        &[
            (SECTION, r#"{"droppedAttributesCount":123}"#, expected.clone()),
            (SECTION, r#"{"dropped_attributes_count":123}"#, expected.clone()),
            (SECTION, r#"{"dropped\u0041ttributesCount":123}"#, expected),
        ],
        record,
    );
    refuse(
        &[(SECTION, r#"{"flags":1,"dropped_attributes_count":1,"droppedAttributesCount":1}"#, "is there twice")],
        record,
    );
}

#[test]
fn integers_of_64_bits_are_strings_or_numbers() {
    const SECTION: &str = "JSON Protobuf Encoding: 64-bit integers";
    let at = |time_unix_nano| NumberDataPoint { time_unix_nano, ..Default::default() };
    check(
        &[
            (SECTION, r#"{"timeUnixNano":"1544712660300000001"}"#, at(1_544_712_660_300_000_001)),
            (SECTION, r#"{"timeUnixNano":1544712660300000001}"#, at(1_544_712_660_300_000_001)),
            (SECTION, r#"{"timeUnixNano":"18446744073709551615"}"#, at(u64::MAX)),
            (SECTION, r#"{"timeUnixNano":18446744073709551615}"#, at(u64::MAX)),
            ("ProtoJSON: exponents", r#"{"timeUnixNano":1.544712660300000001e18}"#, at(1_544_712_660_300_000_001)),
            ("ProtoJSON: exponents", r#"{"timeUnixNano":"1544712660300000001E0"}"#, at(1_544_712_660_300_000_001)),
            ("ProtoJSON: fractions of zeros", r#"{"timeUnixNano":7.00}"#, at(7)),
            ("ProtoJSON: escapes", r#"{"timeUnixNano":"\u0037"}"#, at(7)),
        ],
        point,
    );
    let int = |value| Some(PointValue::AsInt(value));
    check(
        &[
            (SECTION, r#"{"asInt":"-9223372036854775808"}"#, int(i64::MIN)),
            (SECTION, r#"{"asInt":-9223372036854775808}"#, int(i64::MIN)),
            (SECTION, r#"{"asInt":9223372036854775807}"#, int(i64::MAX)),
            (SECTION, r#"{"asInt":"0"}"#, int(0)),
            (SECTION, r#"{"asInt":-0}"#, int(0)),
        ],
        |json| point(json).map(|point| point.value),
    );
    check(
        &[
            (SECTION, r#"{"intValue":"-5"}"#, Some(Value::IntValue(-5))),
            (SECTION, r#"{"intValue":5}"#, Some(Value::IntValue(5))),
        ],
        value,
    );
    check(&[(SECTION, r#"{"bucketCounts":["1",2,"3e0",18446744073709551615]}"#, vec![1, 2, 3, u64::MAX])], |json| {
        histogram(json).map(|point| point.bucket_counts)
    });
    check(&[(SECTION, r#"{"positive":{"bucketCounts":["1",200]}}"#, vec![1, 200])], |json| {
        exponential(json).map(|point| point.positive.expect("there").bucket_counts)
    });
    refuse(
        &[
            (SECTION, r#"{"timeUnixNano":"18446744073709551616"}"#, "from 0 to 18446744073709551615"),
            (SECTION, r#"{"timeUnixNano":-1}"#, "-1 is not a whole number from 0"),
            (SECTION, r#"{"asInt":9223372036854775808}"#, "from -9223372036854775808 to 9223372036854775807"),
            (SECTION, r#"{"asInt":1.5}"#, "1.5 is not a whole number"),
            (SECTION, r#"{"asInt":""}"#, " is not a whole number"),
            (SECTION, r#"{"asInt":" 1"}"#, " 1 is not a whole number"),
            (SECTION, r#"{"asInt":"1 "}"#, "1  is not a whole number"),
            (SECTION, r#"{"asInt":"0x10"}"#, "0x10 is not a whole number"),
            (SECTION, r#"{"asInt":"\ud800"}"#, "asInt: "),
            (SECTION, "{\"asInt\":\"\u{7f}\\n\"}", r"asInt: \u{7f}\n is not a whole number"),
            (SECTION, r#"{"asInt":true}"#, "a truth value instead of a whole number"),
            (SECTION, r#"{"asInt":[1]}"#, "a list instead of a whole number"),
            (SECTION, r#"{"asInt":{"low":1,"high":0}}"#, "an object instead of a whole number"),
        ],
        point,
    );
}

#[test]
fn integers_of_32_bits_are_bounded_by_their_type() {
    const SECTION: &str = "ProtoJSON: int32, fixed32, uint32";
    check(&[(SECTION, r#"{"flags":4294967295}"#, u32::MAX), (SECTION, r#"{"flags":"1"}"#, 1)], |json| {
        record(json).map(|record| record.flags)
    });
    check(
        &[
            (SECTION, r#"{"scale":-2147483648,"positive":{"offset":"-3"}}"#, (i32::MIN, -3)),
            (SECTION, r#"{"scale":20,"positive":{"offset":2147483647}}"#, (20, i32::MAX)),
        ],
        |json| exponential(json).map(|point| (point.scale, point.positive.map_or(0, |Buckets { offset, .. }| offset))),
    );
    check(&[(SECTION, r#"{"stringValueStrindex":-7}"#, Some(Value::StringValueStrindex(-7)))], value);
    refuse(
        &[
            (SECTION, r#"{"flags":4294967296}"#, "from 0 to 4294967295"),
            (SECTION, r#"{"droppedAttributesCount":-1}"#, "from 0 to 4294967295"),
        ],
        record,
    );
    refuse(&[(SECTION, r#"{"scale":2147483648}"#, "from -2147483648 to 2147483647")], exponential);
}

#[test]
fn doubles_are_numbers_or_strings_also_for_what_json_has_no_number_for() {
    const SECTION: &str = "ProtoJSON: double";
    let rows = [
        ("0.1", 0.1),
        ("-0", -0.0),
        ("5", 5.0),
        ("\"5.25e-3\"", 0.00525),
        ("1.7976931348623157e308", f64::MAX),
        ("5e-324", 5e-324),
        ("1e-400", 0.0),
        ("0.30000000000000004", 0.300_000_000_000_000_04),
        ("123456789012345678901234567890", 123_456_789_012_345_678_901_234_567_890.0),
        ("\"Infinity\"", f64::INFINITY),
        ("\"-Infinity\"", f64::NEG_INFINITY),
        ("\"NaN\"", f64::NAN),
    ];
    for (json, expected) in rows {
        let found = point(&format!(r#"{{"asDouble":{json}}}"#)).expect(json).value;
        let Some(PointValue::AsDouble(found)) = found else { panic!("{json}: {found:?}") };
        assert_eq!(found.to_bits(), expected.to_bits(), "{SECTION}: {json}");
    }
    check(&[(SECTION, r#"{"explicitBounds":[0,"1",2.5,"Infinity"]}"#, vec![0.0, 1.0, 2.5, f64::INFINITY])], |json| {
        histogram(json).map(|point| point.explicit_bounds)
    });
    refuse(
        &[
            (SECTION, r#"{"asDouble":1e999}"#, "1e999 is not a number up to"),
            (SECTION, r#"{"asDouble":"-1.8e308"}"#, "is not a number up to"),
            (SECTION, r#"{"asDouble":"inf"}"#, "inf is not a number"),
            (SECTION, r#"{"asDouble":"nan"}"#, "nan is not a number"),
            (SECTION, r#"{"asDouble":"+Infinity"}"#, "is not a number"),
            (SECTION, r#"{"asDouble":"1,5"}"#, "1,5 is not a number"),
            (SECTION, r#"{"asDouble":false}"#, "a truth value instead of a number"),
            ("RFC 8259, 6", r#"{"asDouble":NaN}"#, "line 1, column"),
            ("RFC 8259, 6", r#"{"asDouble":.5}"#, "line 1, column"),
            ("RFC 8259, 6", r#"{"asDouble":01}"#, "line 1, column"),
        ],
        point,
    );
}

#[test]
fn bytes_are_base64_in_either_alphabet_padded_or_not() {
    const SECTION: &str = "ProtoJSON: bytes";
    let bytes = |bytes: &[u8]| Some(Value::BytesValue(bytes.to_vec()));
    check(
        &[
            (SECTION, r#"{"bytesValue":"+/8="}"#, bytes(&[0xfb, 0xff])),
            (SECTION, r#"{"bytesValue":"+/8"}"#, bytes(&[0xfb, 0xff])),
            (SECTION, r#"{"bytesValue":"-_8="}"#, bytes(&[0xfb, 0xff])),
            (SECTION, r#"{"bytesValue":"-_8"}"#, bytes(&[0xfb, 0xff])),
            (SECTION, r#"{"bytesValue":"-_9"}"#, bytes(&[0xfb, 0xff])),
            (SECTION, r#"{"bytesValue":"\u002b\/8="}"#, bytes(&[0xfb, 0xff])),
            (SECTION, r#"{"bytesValue":""}"#, bytes(&[])),
        ],
        value,
    );
    refuse(
        &[
            (SECTION, r#"{"bytesValue":"+_8="}"#, "body.bytesValue: not base64"),
            (SECTION, r#"{"bytesValue":"a"}"#, "not base64"),
            (SECTION, r#"{"bytesValue":"A A="}"#, "not base64"),
            (SECTION, r#"{"bytesValue":[1,2]}"#, "expected a string in base64"),
        ],
        value,
    );
}

#[test]
fn null_is_a_field_that_is_not_there() {
    const SECTION: &str = "ProtoJSON: null";
    check(
        &[(
            SECTION,
            r#"{"timeUnixNano":null,"severityNumber":null,"severityText":null,"body":null,"attributes":null,"traceId":null}"#,
            LogRecord::default(),
        )],
        record,
    );
    check(
        &[
            (SECTION, r#"{"stringValue":null}"#, None),
            ("ProtoJSON: null in a oneof", r#"{"stringValue":null,"boolValue":true}"#, Some(Value::BoolValue(true))),
            (
                "ProtoJSON: null in a oneof",
                r#"{"boolValue":true,"bytesValue":null,"kvlistValue":null}"#,
                Some(Value::BoolValue(true)),
            ),
        ],
        value,
    );
    check(&[(SECTION, r#"{"sum":null,"min":0}"#, (None, Some(0.0)))], |json| {
        histogram(json).map(|point| (point.sum, point.min))
    });
    refuse(
        &[
            ("ProtoJSON: null in a list", r#"{"bucketCounts":[1,null]}"#, "bucketCounts[1]: null is no item of a list"),
            ("ProtoJSON: null in a list", r#"{"attributes":[null]}"#, "attributes[0]: null is no item of a list"),
        ],
        histogram,
    );
}

#[test]
fn what_is_there_is_told_from_what_is_not() {
    const SECTION: &str = "ProtoJSON: presence of oneofs, optional fields and messages";
    check(
        &[
            (SECTION, r#"{"asInt":0}"#, Some(PointValue::AsInt(0))),
            (SECTION, r#"{"asDouble":0}"#, Some(PointValue::AsDouble(0.0))),
            (SECTION, "{}", None),
        ],
        |json| point(json).map(|point| point.value),
    );
    check(&[(SECTION, r#"{"sum":0}"#, Some(0.0)), (SECTION, "{}", None)], |json| {
        histogram(json).map(|point| point.sum)
    });
    check(
        &[
            (SECTION, r#"{"stringValue":""}"#, Some(Value::StringValue(String::new()))),
            (SECTION, r#"{"boolValue":false}"#, Some(Value::BoolValue(false))),
            (SECTION, r#"{"arrayValue":{}}"#, Some(Value::ArrayValue(ArrayValue::default()))),
            (SECTION, r#"{"kvlistValue":{"values":[]}}"#, Some(Value::KvlistValue(KeyValueList::default()))),
        ],
        value,
    );
}

#[test]
fn a_name_comes_once_and_a_oneof_has_one_member() {
    refuse(
        &[
            (
                "ProtoJSON: duplicate names",
                r#"{"stringValue":"a","stringValue":"a"}"#,
                "\"stringValue\" is there twice",
            ),
            (
                "ProtoJSON: oneof",
                r#"{"stringValue":"a","intValue":"1"}"#,
                "\"stringValue\" and \"intValue\" exclude each other",
            ),
        ],
        value,
    );
    refuse(
        &[("ProtoJSON: oneof", r#"{"asInt":1,"asDouble":1.5}"#, "\"asInt\" and \"asDouble\" exclude each other")],
        point,
    );
    let two = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{},"summary":{}}]}]}]}"#;
    refuse(&[("ProtoJSON: oneof", two, "metrics[0]: \"gauge\" and \"summary\" exclude each other")], metrics);
    refuse(
        &[(
            "ProtoJSON: duplicate names",
            r#"{"resourceLogs":[],"resourceLogs":[]}"#,
            "line 1, column 33: \"resourceLogs\" is there twice",
        )],
        logs,
    );
}

#[test]
fn strings_are_unicode() {
    const SECTION: &str = "RFC 8259, 7 and 8";
    let text = |text: &str| Some(Value::StringValue(text.into()));
    check(
        &[
            (SECTION, r#"{"stringValue":"\"\\\/\b\f\n\r\t\u00e9 é"}"#, text("\"\\/\u{8}\u{c}\n\r\té é")),
            (SECTION, r#"{"stringValue":"\ud83d\ude00😀"}"#, text("😀😀")),
            (SECTION, r#"{"stringValue":"\u0000"}"#, text("\0")),
        ],
        value,
    );
    refuse(
        &[
            (SECTION, r#"{"stringValue":"\ud800"}"#, "body.stringValue: "),
            (SECTION, r#"{"stringValue":"\udc00"}"#, "body.stringValue: "),
            (SECTION, r#"{"stringValue":"\ud800\u0041"}"#, "body.stringValue: "),
            (SECTION, r#"{"stringValue":"\x41"}"#, "body.stringValue: "),
            (SECTION, "{\"stringValue\":\"\n\"}", "body.stringValue: control character"),
            ("ProtoJSON: string", r#"{"stringValue":5}"#, "integer `5`, expected a string"),
            ("ProtoJSON: bool", r#"{"boolValue":"true"}"#, "expected true or false"),
            ("ProtoJSON: bool", r#"{"boolValue":1}"#, "expected true or false"),
            ("ProtoJSON: string", r#"{"stringValue":true}"#, "boolean `true`, expected a string"),
        ],
        value,
    );
}

#[test]
fn any_values_may_be_nested() {
    let int = |value| AnyValue { value: Some(Value::IntValue(value)) };
    let entry = |key: &str, value| KeyValue { key: key.into(), value, ..Default::default() };
    check(
        &[
            (
                "common.proto",
                r#"{"arrayValue":{"values":[{"intValue":1},{},{"arrayValue":{"values":[{"intValue":2}]}}]}}"#,
                Some(Value::ArrayValue(ArrayValue {
                    values: vec![
                        int(1),
                        AnyValue::default(),
                        AnyValue { value: Some(Value::ArrayValue(ArrayValue { values: vec![int(2)] })) },
                    ],
                })),
            ),
            (
                "common.proto",
                r#"{"kvlistValue":{"values":[{"key":"a","value":{"intValue":1}},{"value":{}},{"key":"b"}]}}"#,
                Some(Value::KvlistValue(KeyValueList {
                    values: vec![entry("a", Some(int(1))), entry("", Some(AnyValue::default())), entry("b", None)],
                })),
            ),
        ],
        value,
    );
}

#[test]
fn a_request_without_telemetry_is_no_error_and_no_request_is_one() {
    const SECTION: &str = "OTLP/HTTP Response: Full Success, an empty request";
    let none = ExportLogsServiceRequest::default();
    check(
        &[
            (SECTION, "{}", none.clone()),
            (SECTION, " {\"resourceLogs\" : [ ] }\r\n", none.clone()),
            (SECTION, r#"{"resourceLogs":null}"#, none),
        ],
        logs,
    );
    refuse(
        &[
            (
                "OTLP/HTTP Request",
                "",
                "line 1, column 1: the body is empty; an ExportLogsServiceRequest without telemetry is {}",
            ),
            ("OTLP/HTTP Request", " \n", "the body is empty"),
            ("OTLP/HTTP Request", "null", "expected an object: ExportLogsServiceRequest"),
            ("OTLP/HTTP Request", "[]", "expected an object: ExportLogsServiceRequest"),
            ("OTLP/HTTP Request", "\"{}\"", "expected an object: ExportLogsServiceRequest"),
            ("OTLP/HTTP Request", "{}{}", "line 1, column 3: trailing characters"),
            ("OTLP/HTTP Request", r#"{"resourceLogs":{}}"#, "resourceLogs: invalid type: map, expected a list"),
            (
                "OTLP/HTTP Request",
                r#"{"resourceLogs":[[]]}"#,
                "resourceLogs[0]: invalid type: sequence, expected an object: ResourceLogs",
            ),
        ],
        logs,
    );
}
