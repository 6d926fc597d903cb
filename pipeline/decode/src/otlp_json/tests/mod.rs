//! OTLP's JSON, rule by rule, against the tables' source, against prost, and against those who mean harm.

mod hostile;
mod places;
mod random;
mod requests;
mod round_trip;
mod rules;
mod tables;

use flyball_model::ledger::Signal;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;

use super::*;

/// More than any of these tests needs.
const ROOM: usize = 1 << 24;

/// What prost makes of what comes out.
fn read<M: prost::Message + Default>(signal: Signal, json: &str) -> Result<M, DecodeError> {
    let bytes = to_protobuf(signal, json.as_bytes(), ROOM)?;
    Ok(M::decode(&bytes[..]).expect("what comes out is protobuf of that message"))
}

fn metrics(json: &str) -> Result<ExportMetricsServiceRequest, DecodeError> {
    read(Signal::Metrics, json)
}

fn logs(json: &str) -> Result<ExportLogsServiceRequest, DecodeError> {
    read(Signal::Logs, json)
}

fn traces(json: &str) -> Result<ExportTraceServiceRequest, DecodeError> {
    read(Signal::Traces, json)
}

/// The error's whole text.
fn error(signal: Signal, json: impl AsRef<[u8]>) -> String {
    to_protobuf(signal, json.as_ref(), ROOM).expect_err("this is wrong").to_string()
}
