//! What both OTLP transports answer: the response messages.

use flyball_model::Receipt;
use flyball_model::ledger::Signal;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsPartialSuccess, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use prost::Message;
use serde_json::json;

/// What there is to say of a body that was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Partial {
    /// How many points, records or spans were refused. With none of them, the message is a warning.
    pub(crate) rejected: i64,
    /// Why, or what to heed.
    pub(crate) error_message: String,
}

impl Partial {
    /// From a receipt; `None` where nothing is to be said: OTLP wants `partial_success` unset then.
    pub(crate) fn of(receipt: &Receipt) -> Option<Self> {
        let partial =
            Self { rejected: i64::try_from(receipt.rejected()).unwrap_or(i64::MAX), error_message: receipt.message() };
        (partial.rejected > 0 || !partial.error_message.is_empty()).then_some(partial)
    }
}

/// The encoded `Export…ServiceResponse`, in protobuf.
pub(crate) fn response(signal: Signal, receipt: &Receipt) -> Vec<u8> {
    let Some(Partial { rejected, error_message }) = Partial::of(receipt) else {
        return Vec::new();
    };
    match signal {
        Signal::Metrics => ExportMetricsServiceResponse {
            partial_success: Some(ExportMetricsPartialSuccess { rejected_data_points: rejected, error_message }),
        }
        .encode_to_vec(),
        Signal::Logs => ExportLogsServiceResponse {
            partial_success: Some(ExportLogsPartialSuccess { rejected_log_records: rejected, error_message }),
        }
        .encode_to_vec(),
        Signal::Traces => ExportTraceServiceResponse {
            partial_success: Some(ExportTracePartialSuccess { rejected_spans: rejected, error_message }),
        }
        .encode_to_vec(),
    }
}

/// The same in OTLP's JSON, where 64-bit integers are strings.
pub(crate) fn response_json(signal: Signal, receipt: &Receipt) -> Vec<u8> {
    let Some(Partial { rejected, error_message }) = Partial::of(receipt) else {
        return b"{}".to_vec();
    };
    let rejected_field = match signal {
        Signal::Metrics => "rejectedDataPoints",
        Signal::Logs => "rejectedLogRecords",
        Signal::Traces => "rejectedSpans",
    };
    json!({ "partialSuccess": { rejected_field: rejected.to_string(), "errorMessage": error_message } })
        .to_string()
        .into_bytes()
}
