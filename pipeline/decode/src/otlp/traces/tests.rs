use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as proto;
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::otlp::any_value::tests::{prune_pairs, prune_scope, rebuild_pairs, rebuild_scope};
use crate::testing::{self, KEY_VALUE, Schema, numbers, scramble, spoil, spoilings};

static EVENT: Schema = Schema(&[(3, &KEY_VALUE)]);
static LINK: Schema = Schema(&[(4, &KEY_VALUE)]);
static SPAN: Schema = Schema(&[(9, &KEY_VALUE), (11, &EVENT), (13, &LINK), (15, &Schema(&[]))]);
static SCOPE: Schema = Schema(&[(1, &Schema(&[(3, &KEY_VALUE)])), (2, &SPAN)]);
static REQUEST: Schema = Schema(&[(1, &Schema(&[(1, &Schema(&[(1, &KEY_VALUE)])), (2, &SCOPE)]))]);

/// All views of a request as the message they were read from.
fn rebuild(body: &[u8]) -> Result<ExportTraceServiceRequest, DecodeError> {
    let mut resource_spans = Vec::new();
    for resource in super::resource_spans(body) {
        let resource = resource?;
        let mut scope_spans = Vec::new();
        for scope in resource.scopes() {
            let scope = scope?;
            let spans = scope.spans().map(|span| rebuild_span(span?)).collect::<Result<_, _>>()?;
            let scope = Some(rebuild_scope(scope.scope()?)?);
            scope_spans.push(proto::ScopeSpans { scope, spans, ..Default::default() });
        }
        let resource = Resource { attributes: rebuild_pairs(resource.attributes())?, ..Default::default() };
        resource_spans.push(proto::ResourceSpans { resource: Some(resource), scope_spans, ..Default::default() });
    }
    Ok(ExportTraceServiceRequest { resource_spans })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn rebuild_span(span: Span<'_>) -> Result<proto::Span, DecodeError> {
    Ok(proto::Span {
        trace_id: span.trace_id.to_vec(),
        span_id: span.span_id.to_vec(),
        trace_state: text(span.trace_state),
        parent_span_id: span.parent_span_id.to_vec(),
        flags: span.flags,
        name: text(span.name),
        kind: span.kind,
        start_time_unix_nano: span.start_time,
        end_time_unix_nano: span.end_time,
        attributes: rebuild_pairs(span.attributes)?,
        dropped_attributes_count: span.dropped_attributes_count,
        events: span.events.iter().map(|event| rebuild_event(event?)).collect::<Result<_, _>>()?,
        dropped_events_count: span.dropped_events_count,
        links: span.links.iter().map(|link| rebuild_link(link?)).collect::<Result<_, _>>()?,
        dropped_links_count: span.dropped_links_count,
        status: Some(proto::Status { message: text(span.status_message), code: span.status_code }),
    })
}

fn rebuild_event(event: Event<'_>) -> Result<proto::span::Event, DecodeError> {
    Ok(proto::span::Event {
        time_unix_nano: event.time,
        name: text(event.name),
        attributes: rebuild_pairs(event.attributes)?,
        dropped_attributes_count: event.dropped_attributes_count,
    })
}

fn rebuild_link(link: Link<'_>) -> Result<proto::span::Link, DecodeError> {
    Ok(proto::span::Link {
        trace_id: link.trace_id.to_vec(),
        span_id: link.span_id.to_vec(),
        trace_state: text(link.trace_state),
        attributes: rebuild_pairs(link.attributes)?,
        dropped_attributes_count: link.dropped_attributes_count,
        flags: link.flags,
    })
}

/// Takes out what the views do not show.
fn prune(mut request: ExportTraceServiceRequest) -> ExportTraceServiceRequest {
    for resource in &mut request.resource_spans {
        let mut attributes = resource.resource.take().unwrap_or_default().attributes;
        prune_pairs(&mut attributes);
        resource.resource = Some(Resource { attributes, ..Default::default() });
        resource.schema_url.clear();
        for scope in &mut resource.scope_spans {
            scope.scope = prune_scope(scope.scope.take());
            scope.schema_url.clear();
            for span in &mut scope.spans {
                span.status.get_or_insert_default();
                prune_pairs(&mut span.attributes);
                span.events.iter_mut().for_each(|event| prune_pairs(&mut event.attributes));
                span.links.iter_mut().for_each(|link| prune_pairs(&mut link.attributes));
            }
        }
    }
    request
}

fn check_against_prost(body: &[u8]) -> Result<(), TestCaseError> {
    let walked = rebuild(body);
    if let Ok(expected) = ExportTraceServiceRequest::decode(body) {
        prop_assert_eq!(walked.map(|walked| walked.encode_to_vec()), Ok(prune(expected).encode_to_vec()));
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_message_is_walked_to_the_same_spans(request in testing::export_traces()) {
        let body = request.encode_to_vec();
        prop_assert!(rebuild(&body).is_ok());
        check_against_prost(&body)?;
    }

    #[test]
    fn fields_in_any_order_and_number_are_walked_to_the_same_spans(request in testing::export_traces(), seed: u64) {
        let body = scramble(&request.encode_to_vec(), &REQUEST, &mut numbers(seed));
        prop_assert!(ExportTraceServiceRequest::decode(&body[..]).is_ok());
        check_against_prost(&body)?;
    }

    #[test]
    fn spoilt_messages_never_panic(request in testing::export_traces(), spoilings in spoilings()) {
        check_against_prost(&spoil(request.encode_to_vec(), &spoilings))?;
    }

    #[test]
    fn any_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        check_against_prost(&body)?;
    }
}
