//! Any message, written as JSON by somebody else, comes back.
//!
//! The writer is the serialisation of the crate `opentelemetry-proto`. It differs from the specification where a double is
//! no number, which it mostly writes as null; the requests here have none, and the table of doubles has them all.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_request_comes_back_from_json(seed: u64, signal in prop::sample::select(&[Signal::Metrics, Signal::Logs, Signal::Traces][..])) {
        let request = random::decoded(signal, &random::request(signal, seed)).expect("valid");
        let json = request.json();
        let bytes = to_protobuf(signal, json.as_bytes(), ROOM).unwrap_or_else(|error| panic!("{error}\n{json}"));
        let back = random::decoded(signal, &bytes).expect("valid");
        prop_assert!(request.same_as(back.as_any()), "{json}\n{request:?}\n{back:?}");
    }

    /// A sender may write the fields in any order, with any white space.
    #[test]
    fn order_and_white_space_do_not_matter(seed: u64) {
        let value: serde_json::Value = serde_json::from_str(&random::json(Signal::Metrics, seed)).expect("JSON");
        // Not the text itself: a `Value` does not hold all digits of it.
        let plain = value.to_string();
        let turned = serde_json::to_string_pretty(&reversed(value)).expect("JSON");
        prop_assert_eq!(metrics(&turned), metrics(&plain));
    }
}

/// The fields of all objects, the last one first.
fn reversed(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(fields) => {
            Value::Object(fields.into_iter().rev().map(|(name, value)| (name, reversed(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(reversed).collect()),
        other => other,
    }
}

#[test]
fn random_requests_have_every_field_sooner_or_later() {
    for signal in [Signal::Metrics, Signal::Logs, Signal::Traces] {
        let all: String = (0..400).map(|seed| random::json(signal, seed)).collect();
        for (message, field) in tables::fields(signal) {
            assert!(all.contains(&format!("\"{field}\":")), "{message}.{field}");
        }
    }
}
