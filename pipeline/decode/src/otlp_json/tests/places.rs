//! What an error says of its place.

use super::*;

#[test]
fn an_error_says_line_column_and_path() {
    let json = r#"{
  "resourceMetrics": [{}, {
    "scopeMetrics": [{
      "metrics": [{
        "name": "m",
        "sum": { "dataPoints": [{ "asInt": "1", "attributes": [{ "key": "k", "value": { "boolValue": "no" } }] }] }
      }]
    }]
  }]
}"#;
    assert_eq!(
        error(Signal::Metrics, json),
        "line 6, column 105, in resourceMetrics[1].scopeMetrics[0].metrics[0].sum.dataPoints[0].attributes[0].value.boolValue: \
         invalid type: string \"no\", expected true or false"
    );
}

#[test]
fn a_body_that_is_cut_off_says_where() {
    let json = r#"{"resourceLogs":[{"schemaUrl":"x"},{"schema"#;
    assert_eq!(error(Signal::Logs, json), "line 1, column 43, in resourceLogs[1]: EOF while parsing a string");
}

#[test]
fn bytes_that_are_not_utf_8_are_an_error_with_their_place() {
    let json = [&b"{\"resourceLogs\":[{\"schemaUrl\":\"a"[..], &[0xff], b"\"}]}"].concat();
    let said = error(Signal::Logs, json);
    assert!(said.starts_with("line 1, column 3") && said.contains("resourceLogs[0].schemaUrl: "), "{said}");
}

#[test]
fn a_long_wrong_value_is_told_in_short() {
    let long = "é".repeat(1_000_000);
    for json in [
        format!(r#"{{"resourceLogs":"{long}"}}"#),
        format!(r#"{{"resourceLogs":[{{"resource":{{"droppedAttributesCount":"{long}"}}}}]}}"#),
        format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"severityNumber":"{long}"}}]}}]}}]}}"#),
    ] {
        let said = error(Signal::Logs, json);
        assert!(said.chars().count() < 500, "{} characters", said.chars().count());
    }
}
