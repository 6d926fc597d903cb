use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, MapBuilder, NullArray, RecordBatch, StringArray,
    StringBuilder, TimestampNanosecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use arrow::ipc::reader::StreamReader;
use flyball_model::batch::time_type;
use flyball_model::rows::{map_field_names, string_map_type};

use super::*;
use crate::query::{QueryResult, UNIT_KEY};

fn sample() -> QueryResult {
    let mut labels = MapBuilder::new(Some(map_field_names()), StringBuilder::new(), StringBuilder::new());
    labels.keys().append_value("a");
    labels.values().append_value("1,\"2\"");
    labels.append(true).expect("one key, one value");
    labels.append(true).expect("empty");
    let host: DictionaryArray<Int32Type> = vec![Some("edge-1"), None].into_iter().collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampNanosecondArray::from(vec![1_767_225_610_000_000_000, 1]).with_timezone("UTC")),
        Arc::new(Float64Array::from(vec![0.1, f64::NEG_INFINITY])),
        Arc::new(host),
        Arc::new(Int64Array::from(vec![Some(i64::MAX), None])),
        Arc::new(BooleanArray::from(vec![true, false])),
        Arc::new(StringArray::from(vec!["", "a\nb"])),
        Arc::new(labels.finish()),
    ];
    let watts = [(UNIT_KEY.to_string(), "W".to_string())].into_iter().collect();
    let schema = Arc::new(Schema::new(vec![
        Field::new("time", time_type(), false),
        Field::new("value", DataType::Float64, false).with_metadata(watts),
        Field::new_dictionary("host", DataType::Int32, DataType::Utf8, true),
        Field::new("n", DataType::Int64, true),
        Field::new("ok", DataType::Boolean, false),
        Field::new("note", DataType::Utf8, false),
        Field::new("labels", string_map_type(), false),
    ]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).expect("columns fit the schema");
    QueryResult { schema, batches: vec![batch], elapsed: Duration::from_micros(1500) }
}

#[test]
fn json_has_columns_with_units_and_rows_with_plain_values() {
    let expected = r#"{"columns":[{"name":"time","type":"timestamp"},{"name":"value","type":"double","unit":"W"},{"name":"host","type":"text"},{"name":"n","type":"bigint"},{"name":"ok","type":"boolean"},{"name":"note","type":"text"},{"name":"labels","type":"map"}],"rows":[["2026-01-01T00:00:10Z",0.1,"edge-1",9223372036854775807,true,"",{"a":"1,\"2\""}],["1970-01-01T00:00:00.000000001Z","-Inf",null,null,false,"a\nb",{}]],"elapsed_ms":1.5}"#;
    assert_eq!(json_text(&sample()), expected);
    assert_eq!(json(&sample()).to_string(), expected);
    let objects: Vec<_> = objects(&sample()).collect();
    let expected = r#"{"time":"1970-01-01T00:00:00.000000001Z","value":"-Inf","host":null,"n":null,"ok":false,"note":"a\nb","labels":{}}"#;
    let expected: serde_json::Value = serde_json::from_str(expected).expect("JSON");
    assert_eq!((objects.len(), &objects[1]), (2, &expected));
}

#[test]
fn csv_quotes_what_needs_it_and_keeps_null_apart_from_empty() {
    assert_eq!(
        csv(&sample()),
        "time,value,host,n,ok,note,labels\r\n\
         2026-01-01T00:00:10Z,0.1,edge-1,9223372036854775807,true,\"\",\"{\"\"a\"\":\"\"1,\\\"\"2\\\"\"\"\"}\"\r\n\
         1970-01-01T00:00:00.000000001Z,-Inf,,,false,\"a\nb\",{}\r\n"
    );
}

#[test]
fn a_text_table_shows_units_and_nulls_and_aligns_numbers() {
    assert_eq!(
        table(&sample()),
        "\
time                            value [W]  host                      n  ok     note  labels
------------------------------  ---------  ------  -------------------  -----  ----  ---------------
2026-01-01T00:00:10Z                  0.1  edge-1  9223372036854775807  true         {\"a\":\"1,\\\"2\\\"\"}
1970-01-01T00:00:00.000000001Z       -Inf  NULL                   NULL  false  a     {}
                                                                               b
(2 rows, 1.5 ms)
"
    );
}

#[test]
fn an_arrow_stream_reads_back_the_same() {
    let result = sample();
    let bytes = arrow_ipc(&result).expect("known types");
    let reader = StreamReader::try_new(bytes.as_slice(), None).expect("a stream");
    let batches: Vec<_> = reader.collect::<Result<_, _>>().expect("the same batches");
    assert_eq!(batches, result.batches);
}

#[test]
fn a_column_of_untyped_nulls_is_null() {
    let schema = Arc::new(Schema::new(vec![Field::new("nothing", DataType::Null, true)]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(NullArray::new(1))]).expect("one column");
    let result = QueryResult { schema, batches: vec![batch], elapsed: Duration::ZERO };
    assert_eq!(json(&result)["rows"].to_string(), "[[null]]");
    assert_eq!(csv(&result), "nothing\r\n\r\n");
}

#[test]
fn an_empty_result_has_a_header() {
    let empty = QueryResult { batches: Vec::new(), ..sample() };
    assert_eq!(csv(&empty), "time,value,host,n,ok,note,labels\r\n");
    assert!(table(&empty).ends_with("(0 rows, 1.5 ms)\n"));
    assert!(json_text(&empty).contains(r#""rows":[],"#));
}
