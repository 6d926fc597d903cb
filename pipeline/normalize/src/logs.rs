//! OTLP logs: records become rows.
//!
//! A resource's labels are a stream, interned like a series. A record's attributes keep the names they were sent with.

use flyball_decode::DecodeError;
use flyball_decode::otlp::any_value::{AnyValue, AnyValueBytes};
use flyball_decode::otlp::logs::{LogRecord, ResourceLogs, resource_logs};
use flyball_model::rows::{self, LogBuilder, SpanId, TraceId};
use flyball_model::series::LOGS;

use crate::attributes::{Attributes, Layout, ScopeAttributes};
use crate::fault::Found;
use crate::rejections::Subject;
use crate::stream::{Stream, text, walk_scope};
use crate::text::{Text, Texts};
use crate::window::clamped;
use crate::work::Work;

/// OpenTelemetry's severities end here (FATAL4).
const SEVERITY_MAX: i32 = 24;

/// The rows in the making, and room that is kept from record to record.
struct Records<'a> {
    rows: LogBuilder,
    attributes: Attributes<'a>,
    layout: Layout<'a>,
}

/// Walks a request into the work.
pub(crate) fn walk<'a>(work: &mut Work<'_, 'a>, body: &'a [u8]) -> Result<(), DecodeError> {
    let mut records = Records {
        rows: LogBuilder::for_body(body.len()),
        attributes: Attributes::default(),
        layout: Layout::default(),
    };
    for resource in resource_logs(body) {
        records.walk_resource(work, resource?)?;
    }
    work.take(records.rows.finish());
    Ok(())
}

impl<'a> Records<'a> {
    fn walk_resource(&mut self, work: &mut Work<'_, 'a>, resource: ResourceLogs<'a>) -> Result<(), DecodeError> {
        let mut stream = Stream::read(work, LOGS, resource.attributes())?;
        for scope in resource.scopes() {
            let scope = scope?;
            walk_scope(
                work,
                scope.scope()?,
                scope.records(),
                |_| Subject::LogRecord,
                |work, record, scope| self.take(work, record, scope, &mut stream),
            )?;
        }
        Ok(())
    }

    fn take(
        &mut self,
        work: &mut Work<'_, 'a>,
        record: &LogRecord<'a>,
        scope: &ScopeAttributes,
        stream: &mut Stream<'a>,
    ) -> Found<'a, ()> {
        // A record without a time has that of its observation, and one without either that of its receipt.
        let time = work.window.nanos(if record.time == 0 { record.observed_time } else { record.time })?;
        let Self { rows, attributes, layout } = self;
        attributes.clear();
        let set = attributes.read(layout, record.attributes)?;
        let body = match record.body {
            Some(body) => read_body(&mut attributes.texts, body)?,
            None => None,
        };
        let severity = text("severity text", record.severity_text)?;
        let event_name = text("event name", record.event_name)?;
        let stream = stream.find(work, time)?;
        let ids_bytes = 2 * (record.trace_id.len().min(16) + record.span_id.len().min(8));
        let own_bytes = severity.len() + event_name.len() + body.map_or(0, Text::len) + ids_bytes;
        work.make_room(1, own_bytes + attributes.bytes() + scope.bytes())?;
        let row = rows::LogRecord {
            stream,
            time,
            observed_time: (record.observed_time != 0).then(|| clamped(record.observed_time)),
            severity_number: match record.severity_number {
                number @ 1..=SEVERITY_MAX => number as u8,
                _ => 0,
            },
            severity,
            body: body.map(|body| attributes.texts.get(body)),
            event_name,
            trace_id: TraceId::new(record.trace_id),
            span_id: SpanId::new(record.span_id),
            flags: record.flags,
            dropped_attributes_count: record.dropped_attributes_count,
        };
        rows.push(row, attributes.of(&set, scope));
        Ok(())
    }
}

/// The body's text; `None` where the sender set a body without a value.
fn read_body<'a>(texts: &mut Texts, body: AnyValueBytes<'a>) -> Found<'a, Option<Text<'a>>> {
    match body.read()? {
        AnyValue::Empty => Ok(None),
        AnyValue::String(sent) => Ok(Some(Text::Sent(text("body", sent)?))),
        other => Ok(Some(texts.written(other)?.map_err(|problem| problem.of_field("body"))?)),
    }
}
