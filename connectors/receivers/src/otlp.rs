//! What both OTLP transports answer: the response messages, and that traces are not taken yet.

use flyball_model::intake::{Format, RefusalKind};
use flyball_model::ledger::Signal;
use flyball_model::{Receipt, Refusal};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsPartialSuccess, ExportMetricsServiceResponse};
use prost::Message;

/// The outcome as OTLP must hear it: traces are read, so that their spans stand in the ledger, and refused all the same.
///
/// Also when the pipeline is busy: a client that comes again would only be refused then.
pub(crate) fn judged(format: Format, outcome: Result<Receipt, Refusal>) -> Result<Receipt, Refusal> {
    if format.signal() != Signal::Traces {
        return outcome;
    }
    let why = match outcome {
        Ok(receipt) => receipt.message(),
        Err(refusal) if matches!(refusal.kind, RefusalKind::Malformed | RefusalKind::TooLarge) => return Err(refusal),
        Err(refusal) => refusal.message,
    };
    let advice = "flyball does not take traces yet; switch the traces exporter off or point it elsewhere";
    let message = if why.is_empty() { advice.to_owned() } else { format!("{advice} ({why})") };
    Err(Refusal::new(RefusalKind::Unsupported, message))
}

/// The encoded `Export…ServiceResponse`. Without rejections it is empty: OTLP wants `partial_success` unset then.
pub(crate) fn response(format: Format, receipt: &Receipt) -> Vec<u8> {
    let rejected = receipt.rejected();
    if rejected == 0 {
        return Vec::new();
    }
    let rejected = i64::try_from(rejected).unwrap_or(i64::MAX);
    let error_message = receipt.message();
    match format.signal() {
        Signal::Metrics => ExportMetricsServiceResponse {
            partial_success: Some(ExportMetricsPartialSuccess { rejected_data_points: rejected, error_message }),
        }
        .encode_to_vec(),
        Signal::Logs => ExportLogsServiceResponse {
            partial_success: Some(ExportLogsPartialSuccess { rejected_log_records: rejected, error_message }),
        }
        .encode_to_vec(),
        // `judged` made a refusal of it.
        Signal::Traces => Vec::new(),
    }
}
