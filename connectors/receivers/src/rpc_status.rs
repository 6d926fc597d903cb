//! `google.rpc.Status`, the body of every OTLP error, and the one detail that OTLP gives a meaning.
//!
//! The messages are small and stable, so they are written down here instead of pulling in a crate of Google's types
//! (source: `google/rpc/status.proto`, `error_details.proto`, `google/protobuf/{any,duration}.proto`).

use std::time::Duration;

use flyball_model::Refusal;
use flyball_model::intake::RefusalKind;
use prost::Message;
use serde_json::json;

/// What a client waits before it tries again, where the refusal does not say.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(1);

/// The canonical codes that flyball answers with; the same numbers in `grpc-status` and in `google.rpc.Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Ok = 0,
    InvalidArgument = 3,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Unavailable = 14,
    Unauthenticated = 16,
}

impl From<RefusalKind> for Code {
    fn from(kind: RefusalKind) -> Self {
        match kind {
            RefusalKind::Malformed => Code::InvalidArgument,
            RefusalKind::TooLarge | RefusalKind::Throttled => Code::ResourceExhausted,
            RefusalKind::Unsupported => Code::Unimplemented,
            RefusalKind::Unavailable => Code::Unavailable,
        }
    }
}

/// How long the sender of a refused body should wait; `None` when it must not send it again.
pub(crate) fn retry_after(refusal: &Refusal) -> Option<Duration> {
    refusal.kind.is_retryable().then(|| refusal.retry_after.unwrap_or(RETRY_AFTER_DEFAULT))
}

/// The value of `Retry-After`: whole seconds, rounded up, at least one.
pub(crate) fn retry_after_secs(delay: Duration) -> u64 {
    delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0)).max(1)
}

/// A refusal as an encoded `google.rpc.Status`, with `RetryInfo` where a retry makes sense.
pub(crate) fn encode(refusal: &Refusal) -> Vec<u8> {
    let details = retry_after(refusal).map(retry_info).into_iter().collect();
    Status { code: Code::from(refusal.kind) as i32, message: refusal.message.clone(), details }.encode_to_vec()
}

/// The same in protobuf's JSON mapping: an `Any` is its message with an `@type`, a duration a text of seconds.
pub(crate) fn encode_json(refusal: &Refusal) -> Vec<u8> {
    let mut status = json!({ "code": Code::from(refusal.kind) as i32, "message": refusal.message });
    if let Some(delay) = retry_after(refusal) {
        status["details"] = json!([{ "@type": RETRY_INFO, "retryDelay": seconds(delay) }]);
    }
    status.to_string().into_bytes()
}

/// A code and a message as an encoded `google.rpc.Status` without details.
pub(crate) fn bytes_of(code: Code, message: &str) -> Vec<u8> {
    Status { code: code as i32, message: message.to_owned(), details: Vec::new() }.encode_to_vec()
}

/// The same in protobuf's JSON mapping.
pub(crate) fn json_of(code: Code, message: &str) -> Vec<u8> {
    json!({ "code": code as i32, "message": message }).to_string().into_bytes()
}

/// `1s`, `1.500s`, `0.000001s`: seconds with as many groups of three digits as it takes.
fn seconds(delay: Duration) -> String {
    let (seconds, nanos) = (delay.as_secs(), delay.subsec_nanos());
    match nanos {
        0 => format!("{seconds}s"),
        _ if nanos.is_multiple_of(1_000_000) => format!("{seconds}.{:03}s", nanos / 1_000_000),
        _ if nanos.is_multiple_of(1000) => format!("{seconds}.{:06}s", nanos / 1000),
        _ => format!("{seconds}.{nanos:09}s"),
    }
}

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

fn retry_info(delay: Duration) -> Any {
    // Protobuf's durations end at about 10,000 years; a delay of that length is a bug elsewhere, not a reason to panic.
    let seconds = i64::try_from(delay.as_secs()).unwrap_or(i64::MAX);
    let info = RetryInfo { retry_delay: Some(ProtoDuration { seconds, nanos: delay.subsec_nanos().cast_signed() }) };
    Any { type_url: RETRY_INFO.to_owned(), value: info.encode_to_vec() }
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Status {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Any {
    #[prost(string, tag = "1")]
    pub(crate) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<ProtoDuration>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct ProtoDuration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_for_now_carries_retry_info() {
        let mut refusal = Refusal::new(RefusalKind::Unavailable, "draining");
        refusal.retry_after = Some(Duration::from_millis(1500));
        let status = Status::decode(&encode(&refusal)[..]).expect("a status");
        assert_eq!((status.code, status.message.as_str()), (14, "draining"));
        assert_eq!(status.details[0].type_url, "type.googleapis.com/google.rpc.RetryInfo");
        let info = RetryInfo::decode(&status.details[0].value[..]).expect("retry info");
        assert_eq!(info.retry_delay, Some(ProtoDuration { seconds: 1, nanos: 500_000_000 }));

        refusal.kind = RefusalKind::Malformed;
        assert_eq!(Status::decode(&encode(&refusal)[..]).expect("a status").details, []);
    }

    #[test]
    fn the_same_is_said_in_json() {
        let mut refusal = Refusal::new(RefusalKind::Unavailable, "a \"word\"\n");
        for (nanos, text) in [
            (0, "0s"),
            (3_000_000_000, "3s"),
            (1_500_000_000, "1.500s"),
            (1_000_001_000, "1.000001s"),
            (20_000_000, "0.020s"),
            (1, "0.000000001s"),
        ] {
            refusal.retry_after = Some(Duration::from_nanos(nanos));
            let status: serde_json::Value = serde_json::from_slice(&encode_json(&refusal)).expect("JSON");
            let details = json!([{ "@type": RETRY_INFO, "retryDelay": text }]);
            assert_eq!(status, json!({ "code": 14, "message": "a \"word\"\n", "details": details }));
        }
        refusal.kind = RefusalKind::TooLarge;
        let status: serde_json::Value = serde_json::from_slice(&encode_json(&refusal)).expect("JSON");
        assert_eq!(status, json!({ "code": 8, "message": "a \"word\"\n" }));
    }

    #[test]
    fn retry_after_is_rounded_up() {
        assert_eq!(retry_after_secs(Duration::ZERO), 1);
        assert_eq!(retry_after_secs(Duration::from_millis(1001)), 2);
        assert_eq!(retry_after_secs(Duration::from_secs(7)), 7);
    }
}
