use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1 as proto;
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::otlp::any_value::tests as any_value;
use crate::testing::{self, ANY_VALUE, KEY_VALUE, Schema, numbers, scramble, spoil, spoilings};

static RECORD: Schema = Schema(&[(5, &ANY_VALUE), (6, &KEY_VALUE)]);
static SCOPE: Schema = Schema(&[(1, &Schema(&[(3, &KEY_VALUE)])), (2, &RECORD)]);
static REQUEST: Schema = Schema(&[(1, &Schema(&[(1, &Schema(&[(1, &KEY_VALUE)])), (2, &SCOPE)]))]);

/// All views of a request as the message they were read from.
fn rebuild(body: &[u8]) -> Result<ExportLogsServiceRequest, DecodeError> {
    let mut resources = Vec::new();
    for resource in resource_logs(body) {
        let resource = resource?;
        let mut scopes = Vec::new();
        for scope in resource.scopes() {
            let scope = scope?;
            let instrumentation = any_value::rebuild_scope(scope.scope()?)?;
            let log_records = scope.records().map(|record| rebuild_record(record?)).collect::<Result<_, _>>()?;
            scopes.push(scope_logs(Some(instrumentation), log_records));
        }
        resources.push(resource_logs_of(any_value::rebuild_pairs(resource.attributes())?, scopes));
    }
    Ok(ExportLogsServiceRequest { resource_logs: resources })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn scope_logs(scope: Option<InstrumentationScope>, log_records: Vec<proto::LogRecord>) -> proto::ScopeLogs {
    proto::ScopeLogs { scope, log_records, ..Default::default() }
}

fn resource_logs_of(
    attributes: Vec<opentelemetry_proto::tonic::common::v1::KeyValue>,
    scope_logs: Vec<proto::ScopeLogs>,
) -> proto::ResourceLogs {
    let resource = Some(Resource { attributes, ..Default::default() });
    proto::ResourceLogs { resource, scope_logs, ..Default::default() }
}

fn rebuild_record(record: LogRecord<'_>) -> Result<proto::LogRecord, DecodeError> {
    Ok(proto::LogRecord {
        time_unix_nano: record.time,
        observed_time_unix_nano: record.observed_time,
        severity_number: record.severity_number,
        severity_text: text(record.severity_text),
        body: record.body.map(any_value::rebuild).transpose()?,
        attributes: any_value::rebuild_pairs(record.attributes)?,
        dropped_attributes_count: record.dropped_attributes_count,
        flags: record.flags,
        event_name: text(record.event_name),
        trace_id: record.trace_id.to_vec(),
        span_id: record.span_id.to_vec(),
    })
}

/// Takes out what the views do not show.
fn prune(request: ExportLogsServiceRequest) -> ExportLogsServiceRequest {
    let mut resources = Vec::new();
    for resource in request.resource_logs {
        let mut attributes = resource.resource.unwrap_or_default().attributes;
        any_value::prune_pairs(&mut attributes);
        let mut scopes = Vec::new();
        for scope in resource.scope_logs {
            let mut records = scope.log_records;
            for record in &mut records {
                record.body.iter_mut().for_each(any_value::prune);
                any_value::prune_pairs(&mut record.attributes);
            }
            scopes.push(scope_logs(any_value::prune_scope(scope.scope), records));
        }
        resources.push(resource_logs_of(attributes, scopes));
    }
    ExportLogsServiceRequest { resource_logs: resources }
}

fn check_against_prost(body: &[u8]) -> Result<(), TestCaseError> {
    let walked = rebuild(body);
    if let Ok(expected) = ExportLogsServiceRequest::decode(body) {
        prop_assert_eq!(walked.map(|walked| walked.encode_to_vec()), Ok(prune(expected).encode_to_vec()));
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_message_is_walked_to_the_same_records(request in testing::export_logs()) {
        let body = request.encode_to_vec();
        prop_assert!(rebuild(&body).is_ok());
        check_against_prost(&body)?;
    }

    #[test]
    fn fields_in_any_order_and_number_are_walked_to_the_same_records(request in testing::export_logs(), seed: u64) {
        let body = scramble(&request.encode_to_vec(), &REQUEST, &mut numbers(seed));
        prop_assert!(ExportLogsServiceRequest::decode(&body[..]).is_ok());
        check_against_prost(&body)?;
    }

    #[test]
    fn spoilt_messages_never_panic(request in testing::export_logs(), spoilings in spoilings()) {
        check_against_prost(&spoil(request.encode_to_vec(), &spoilings))?;
    }

    #[test]
    fn any_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        check_against_prost(&body)?;
    }
}
