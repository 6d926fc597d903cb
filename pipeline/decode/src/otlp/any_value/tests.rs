use opentelemetry_proto::tonic::common::v1 as proto;
use proptest::prelude::*;
use prost::Message;
use proto::any_value::Value;

use super::*;
use crate::otlp::scope::Scope;
use crate::testing;

/// The view as the message it was read from, without references to a string table.
pub(crate) fn rebuild(bytes: AnyValueBytes<'_>) -> Result<proto::AnyValue, DecodeError> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let value = match bytes.read()? {
        AnyValue::Empty => None,
        AnyValue::String(bytes) => Some(Value::StringValue(text(bytes))),
        AnyValue::Bool(value) => Some(Value::BoolValue(value)),
        AnyValue::Int(value) => Some(Value::IntValue(value)),
        AnyValue::Double(value) => Some(Value::DoubleValue(value)),
        AnyValue::Bytes(bytes) => Some(Value::BytesValue(bytes.to_vec())),
        AnyValue::Array(items) => {
            let values = items.values().map(|value| rebuild(value?)).collect::<Result<_, _>>()?;
            Some(Value::ArrayValue(proto::ArrayValue { values }))
        }
        AnyValue::Map(items) => {
            Some(Value::KvlistValue(proto::KeyValueList { values: rebuild_pairs(items.entries())? }))
        }
    };
    Ok(proto::AnyValue { value })
}

/// Attributes as the messages they were read from.
pub(crate) fn rebuild_pairs<'a>(
    pairs: impl IntoIterator<Item = Result<KeyValue<'a>, DecodeError>>,
) -> Result<Vec<proto::KeyValue>, DecodeError> {
    pairs
        .into_iter()
        .map(|pair| {
            let pair = pair?;
            let key = String::from_utf8_lossy(pair.key).into_owned();
            let value = rebuild(pair.value)?;
            Ok(proto::KeyValue { key, value: Some(value).filter(|value| value.value.is_some()), key_strindex: 0 })
        })
        .collect()
}

/// A scope as the message it was read from.
pub(crate) fn rebuild_scope(scope: Scope<'_>) -> Result<proto::InstrumentationScope, DecodeError> {
    Ok(proto::InstrumentationScope {
        name: String::from_utf8_lossy(scope.name).into_owned(),
        version: String::from_utf8_lossy(scope.version).into_owned(),
        attributes: rebuild_pairs(scope.attributes())?,
        dropped_attributes_count: 0,
    })
}

/// Takes out what the view does not show.
pub(crate) fn prune_scope(scope: Option<proto::InstrumentationScope>) -> Option<proto::InstrumentationScope> {
    let mut scope = scope.unwrap_or_default();
    scope.dropped_attributes_count = 0;
    prune_pairs(&mut scope.attributes);
    Some(scope)
}

/// Takes out what the view does not show.
pub(crate) fn prune(value: &mut proto::AnyValue) {
    match &mut value.value {
        Some(Value::ArrayValue(array)) => array.values.iter_mut().for_each(prune),
        Some(Value::KvlistValue(map)) => prune_pairs(&mut map.values),
        Some(Value::StringValueStrindex(_)) => value.value = None,
        _ => {}
    }
}

/// Takes out what the view does not show.
pub(crate) fn prune_pairs(pairs: &mut [proto::KeyValue]) {
    for pair in pairs {
        pair.key_strindex = 0;
        pair.value.iter_mut().for_each(prune);
        pair.value.take_if(|value| value.value.is_none());
    }
}

fn text_of(value: &proto::AnyValue) -> Result<Vec<u8>, DecodeError> {
    let pair = proto::KeyValue { value: Some(value.clone()), ..Default::default() };
    let bytes = pair.encode_to_vec();
    let view = AnyValueBytes::new(Slice::body(&bytes), Step::new("KeyValue", 2));
    let mut out = Vec::new();
    view.read()?.write_text(&mut out).map(|()| out)
}

fn varint(value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(value as u64, &mut bytes);
    bytes
}

fn array(values: Vec<Value>) -> Value {
    let values = values.into_iter().map(|value| proto::AnyValue { value: Some(value) }).collect();
    Value::ArrayValue(proto::ArrayValue { values })
}

#[test]
fn values_are_written_as_text() {
    let map = Value::KvlistValue(proto::KeyValueList {
        values: vec![proto::KeyValue {
            key: "k\"".into(),
            value: Some(proto::AnyValue { value: None }),
            key_strindex: 0,
        }],
    });
    for (value, expected) in [
        (Value::StringValue("as \"it\" is".into()), "as \"it\" is"),
        (Value::BoolValue(true), "true"),
        (Value::IntValue(i64::MIN), "-9223372036854775808"),
        (Value::DoubleValue(1.0), "1"),
        (Value::DoubleValue(-0.1), "-0.1"),
        (Value::DoubleValue(1e-7), "1e-7"),
        (Value::DoubleValue(2.5e300), "2.5e300"),
        (Value::DoubleValue(f64::NAN), "NaN"),
        (Value::DoubleValue(f64::NEG_INFINITY), "-Infinity"),
        (Value::BytesValue(vec![0, 255]), "AP8="),
        (map, r#"{"k\"":null}"#),
        (
            array(vec![
                Value::StringValue("a\n\u{1}é".into()),
                Value::IntValue(1),
                Value::DoubleValue(f64::INFINITY),
                Value::BytesValue(vec![1]),
                array(vec![]),
            ]),
            r#"["a\n\u0001é",1,"Infinity","AQ==",[]]"#,
        ),
    ] {
        let written = text_of(&proto::AnyValue { value: Some(value) }).expect("valid");
        assert_eq!(String::from_utf8_lossy(&written), expected);
    }
    assert_eq!(text_of(&proto::AnyValue { value: None }), Ok(Vec::new()));
}

#[test]
fn values_nested_too_deeply_are_an_error() {
    // By hand: prost can't encode what it would refuse to decode.
    let nested = |levels: usize| {
        let mut bytes = Vec::new();
        for key in std::iter::repeat_n([0x0a, 0x2a], levels).flatten() {
            let inner = std::mem::replace(&mut bytes, vec![key]);
            bytes.extend(varint(inner.len()));
            bytes.extend(inner);
        }
        let bytes = [vec![0x12], varint(bytes.len()), bytes].concat();
        let mut out = Vec::new();
        AnyValueBytes::new(Slice::body(&bytes), Step::new("KeyValue", 2))
            .read()?
            .write_text(&mut out)
            .map(|()| out.len())
    };
    // The innermost array holds an empty value.
    assert_eq!(nested(ANY_VALUE_DEPTH_MAX), Ok(2 * ANY_VALUE_DEPTH_MAX + "null".len()));
    assert!(matches!(nested(ANY_VALUE_DEPTH_MAX + 1), Err(DecodeError::TooDeep { max: ANY_VALUE_DEPTH_MAX, .. })));
    assert!(matches!(nested(5000), Err(DecodeError::TooDeep { .. })));
}

proptest! {
    #[test]
    fn arrays_and_maps_are_written_as_json_that_reads_back(value in testing::any_value()) {
        let bytes = text_of(&value).expect("valid and shallow");
        prop_assert!(bytes.len() <= 6 * value.encoded_len() + 8);
        let text = String::from_utf8(bytes).expect("all strings are UTF-8");
        if let Some(Value::ArrayValue(_) | Value::KvlistValue(_)) = &value.value {
            let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            prop_assert!(is_same(&read, Some(&value)), "{}", text);
        }
    }
}

/// Whether JSON says what the value says.
fn is_same(json: &serde_json::Value, value: Option<&proto::AnyValue>) -> bool {
    match value.and_then(|value| value.value.as_ref()) {
        None | Some(Value::StringValueStrindex(_)) => json.is_null(),
        Some(Value::StringValue(text)) => json.as_str() == Some(text),
        Some(Value::BoolValue(value)) => json.as_bool() == Some(*value),
        Some(Value::IntValue(value)) => json.as_i64() == Some(*value),
        // serde_json reads floats a bit inexactly unless asked not to.
        Some(Value::DoubleValue(value)) if value.is_finite() => {
            json.as_f64().is_some_and(|json| (json - value).abs() <= value.abs() * 1e-15)
        }
        Some(Value::DoubleValue(value)) => json.as_str().is_some_and(|text| {
            text == if value.is_nan() {
                "NaN"
            } else if *value > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            }
        }),
        Some(Value::BytesValue(bytes)) => json.as_str() == Some(&BASE64.encode(bytes)),
        Some(Value::ArrayValue(array)) => json.as_array().is_some_and(|json| {
            json.len() == array.values.len()
                && json.iter().zip(&array.values).all(|(json, value)| is_same(json, Some(value)))
        }),
        Some(Value::KvlistValue(map)) => json.as_object().is_some_and(|json| {
            // Of two entries with one key, serde_json keeps the last.
            let last = |key: &str| map.values.iter().rfind(|pair| pair.key == key);
            json.iter().all(|(key, json)| last(key).is_some_and(|pair| is_same(json, pair.value.as_ref())))
                && map.values.iter().all(|pair| json.contains_key(&pair.key))
        }),
    }
}
