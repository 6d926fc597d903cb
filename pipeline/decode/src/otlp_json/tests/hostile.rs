//! Bodies of those who mean harm: bounded time, bounded memory, an error or a message, never a panic.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::otlp::any_value::ANY_VALUE_DEPTH_MAX;
use crate::testing::{spoil, spoilings};

const SIGNALS: [Signal; 3] = [Signal::Metrics, Signal::Logs, Signal::Traces];

fn body(value: &str) -> String {
    format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{value}}}]}}]}}]}}"#)
}

/// A value inside of arrays and maps by turns.
fn nested(levels: usize, innermost: &str) -> String {
    let (array, map) = (r#"{"arrayValue":{"values":["#, r#"{"kvlistValue":{"values":[{"value":"#);
    let mut json = String::new();
    (0..levels).for_each(|level| json.push_str(if level % 2 == 0 { array } else { map }));
    json.push_str(innermost);
    (0..levels).rev().for_each(|level| json.push_str(if level % 2 == 0 { "]}}" } else { "}]}}" }));
    body(&json)
}

#[test]
fn any_values_are_read_down_to_the_same_depth_as_in_protobuf() {
    let deepest = nested(ANY_VALUE_DEPTH_MAX, "{}");
    // A small stack, so that the depth is proven to need no more of it than a thread has.
    let read = move || to_protobuf(Signal::Logs, deepest.as_bytes(), ROOM).map(|_| ());
    let read = std::thread::Builder::new().stack_size(1 << 20).spawn(read);
    assert_eq!(read.expect("a thread").join().expect("no overflow"), Ok(()));
    for levels in [ANY_VALUE_DEPTH_MAX + 1, 100_000] {
        let said = error(Signal::Logs, nested(levels, "{}"));
        assert!(said.ends_with("an AnyValue is nested more than 64 levels deep; flatten it"), "{said}");
    }
}

#[test]
fn what_nobody_asks_for_is_passed_over_without_a_stack() {
    let depth = 3_000_000;
    for json in [
        format!(r#"{{"new":{}{}}}"#, "[".repeat(depth), "]".repeat(depth)),
        format!(r#"{{"new":{}1{}}}"#, r#"{"a":"#.repeat(depth), "}".repeat(depth)),
    ] {
        assert_eq!(logs(&json), Ok(ExportLogsServiceRequest::default()));
    }
    let json = format!(r#"{{"new":{}"#, "[".repeat(depth));
    assert!(error(Signal::Logs, json).contains("EOF"));
    // Where a number belongs, nesting is passed over in the same way before it is refused.
    let json = body(&format!(r#"{{"intValue":{}{}}}"#, "[".repeat(depth), "]".repeat(depth)));
    assert!(
        error(Signal::Logs, json)
            .ends_with("a list instead of a whole number from -9223372036854775808 to 9223372036854775807")
    );
}

#[test]
fn more_than_the_limit_does_not_come_out() {
    let counts = "0,".repeat(100_000);
    let json = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"histogram":{{"dataPoints":[{{"bucketCounts":[{counts}0]}}]}}}}]}}]}}]}}"#
    );
    let whole = to_protobuf(Signal::Metrics, json.as_bytes(), ROOM).expect("there is room");
    assert!(whole.len() > 4 * json.len() - 1000, "two bytes became eight");
    let limited = |bytes_max| to_protobuf(Signal::Metrics, json.as_bytes(), bytes_max);
    assert_eq!(limited(whole.len()).as_ref(), Ok(&whole));
    for bytes_max in [0, 1, 10, 1000, whole.len() - 1] {
        assert_eq!(limited(bytes_max), Err(DecodeError::TooLarge { max: bytes_max, compressed: false }));
    }
    assert_eq!(to_protobuf(Signal::Metrics, b"{}", 0), Ok(Vec::new()));
}

/// Time grows with the length: a body of several megabytes of the worst kind takes no longer than a test may.
#[test]
#[expect(clippy::disallowed_methods, reason = "time is what is tested, as far as it grows with the square")]
fn the_worst_bodies_take_time_by_their_length() {
    let many = |item: &str| {
        body(&format!(r#"{{"arrayValue":{{"values":[{}{{}}]}}}}"#, format!("{item},").repeat(4_000_000 / item.len())))
    };
    let names = (0..200_000).map(|name| format!(r#""trace_{name}":0,"#)).collect::<String>();
    let started = Instant::now();
    for json in [
        many("{}"),
        many(r#"{"intValue":0.0000000000000000000e-99999999}"#),
        many(r#"{"stringValue":"\u0000\u0000\u0000"}"#),
        nested(ANY_VALUE_DEPTH_MAX, &format!(r#"{{"stringValue":"{}"}}"#, "x".repeat(4_000_000))),
        nested(ANY_VALUE_DEPTH_MAX - 1, &format!(r#"{{"arrayValue":{{"values":[{}{{}}]}}}}"#, "{},".repeat(1_000_000))),
        format!("{{{names}\"a\":0}}"),
        body(&format!(r#"{{"doubleValue":{}}}"#, "9".repeat(300))),
        body(&format!(r#"{{"doubleValue":0.{}}}"#, "9".repeat(4_000_000))),
    ] {
        to_protobuf(Signal::Logs, json.as_bytes(), ROOM).unwrap_or_else(|error| panic!("{error}"));
    }
    for json in [
        body(&format!(r#"{{"intValue":{}}}"#, "9".repeat(4_000_000))),
        body(&format!(r#"{{"intValue":1e{}}}"#, "9".repeat(4_000_000))),
        body(&format!(r#"{{"doubleValue":{}}}"#, "9".repeat(4_000_000))),
        body(&format!(r#"{{"bytesValue":"{}"}}"#, "é".repeat(2_000_000))),
        format!("{}{{", "\n".repeat(4_000_000)),
    ] {
        to_protobuf(Signal::Logs, json.as_bytes(), ROOM).expect_err("wrong");
    }
    // Some hundred times what it takes, even where nothing is optimised and others share the machine.
    assert!(started.elapsed() < Duration::from_secs(120), "{:?}", started.elapsed());
}

proptest! {
    /// Whatever comes out is protobuf of that message and within the limit.
    #[test]
    fn spoilt_bodies_end_in_a_message_or_an_error(
        seed: u64, signal in prop::sample::select(&SIGNALS[..]), spoilings in spoilings(), bytes_max in 0..4000_usize,
    ) {
        let json = spoil(random::json(signal, seed).into_bytes(), &spoilings);
        if let Ok(bytes) = to_protobuf(signal, &json, bytes_max) {
            prop_assert!(bytes.len() <= bytes_max);
            random::decoded(signal, &bytes).expect("protobuf of that message");
        }
    }

    #[test]
    fn any_bytes_end_in_a_message_or_an_error(json: Vec<u8>, signal in prop::sample::select(&SIGNALS[..])) {
        let _ = to_protobuf(signal, &json, ROOM);
    }
}
