//! `google.rpc.Status`, the body of every OTLP error, and the one detail that OTLP gives a meaning.
//!
//! The messages are small and stable, so they are written down here instead of pulling in a crate of Google's types
//! (source: `google/rpc/status.proto`, `error_details.proto`, `google/protobuf/{any,duration}.proto`).

use std::time::Duration;

use flyball_model::Refusal;
use flyball_model::intake::RefusalKind;
use prost::Message;

/// What a client waits before it tries again, where the refusal does not say.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(1);

/// The canonical codes that flyball answers with; the same numbers in `grpc-status` and in `google.rpc.Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Ok = 0,
    InvalidArgument = 3,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Unavailable = 14,
}

impl From<RefusalKind> for Code {
    fn from(kind: RefusalKind) -> Self {
        match kind {
            RefusalKind::Malformed => Code::InvalidArgument,
            RefusalKind::TooLarge => Code::ResourceExhausted,
            RefusalKind::Unsupported => Code::Unimplemented,
            RefusalKind::Unavailable => Code::Unavailable,
        }
    }
}

/// How long the sender of a refused body should wait; `None` when it must not send it again.
pub(crate) fn retry_after(refusal: &Refusal) -> Option<Duration> {
    (refusal.kind == RefusalKind::Unavailable).then(|| refusal.retry_after.unwrap_or(RETRY_AFTER_DEFAULT))
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

fn retry_info(delay: Duration) -> Any {
    // Protobuf's durations end at about 10,000 years; a delay of that length is a bug elsewhere, not a reason to panic.
    let seconds = i64::try_from(delay.as_secs()).unwrap_or(i64::MAX);
    let info = RetryInfo { retry_delay: Some(ProtoDuration { seconds, nanos: delay.subsec_nanos().cast_signed() }) };
    Any { type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(), value: info.encode_to_vec() }
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
    fn retry_after_is_rounded_up() {
        assert_eq!(retry_after_secs(Duration::ZERO), 1);
        assert_eq!(retry_after_secs(Duration::from_millis(1001)), 2);
        assert_eq!(retry_after_secs(Duration::from_secs(7)), 7);
    }
}
