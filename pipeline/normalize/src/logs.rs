//! OTLP logs: records become rows.
//!
//! A resource's labels are a stream, interned like a series. A record's attributes keep the names they were sent with.

use flyball_decode::DecodeError;
use flyball_decode::otlp::any_value::{AnyValueBytes, KeyValue};
use flyball_decode::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs, resource_logs};
use flyball_model::{SeriesRef, UnixNanos, batch};

use crate::fault::{Fault, Found, part};
use crate::labels::Level;
use crate::rejections::Subject;
use crate::series::{SeriesKey, emptied};
use crate::text::{Text, Texts};
use crate::work::Work;

/// The attribute that holds the name of the instrumentation scope, as the OpenTelemetry specification calls it.
const SCOPE_NAME: &str = "otel.scope.name";

/// OpenTelemetry's severities end here (FATAL4).
const SEVERITY_MAX: i32 = 24;

/// Room that is kept from record to record.
#[derive(Debug, Default)]
struct Scratch<'a> {
    texts: Texts,
    attributes: Vec<(&'a str, Text<'a>)>,
    keys: Vec<&'a str>,
    pairs: Vec<(&'static str, &'static str)>,
}

/// Walks a request into the work.
pub(crate) fn walk<'a>(work: &mut Work<'_, 'a>, body: &'a [u8]) -> Result<(), DecodeError> {
    let mut scratch = Scratch::default();
    for resource in resource_logs(body) {
        walk_resource(work, &mut scratch, resource?)?;
    }
    Ok(())
}

fn walk_resource<'a>(
    work: &mut Work<'_, 'a>,
    scratch: &mut Scratch<'a>,
    resource: ResourceLogs<'a>,
) -> Result<(), DecodeError> {
    let mut level = Level::default();
    let prepared = part(level.fill_resource(resource.attributes(), work.limits))?;
    let mut stream = Stream { labels: prepared.map(|()| level), number: None };
    for scope in resource.scopes() {
        walk_scope(work, scratch, scope?, &mut stream)?;
    }
    Ok(())
}

fn walk_scope<'a>(
    work: &mut Work<'_, 'a>,
    scratch: &mut Scratch<'a>,
    scope: ScopeLogs<'a>,
    stream: &mut Stream<'a>,
) -> Result<(), DecodeError> {
    let scope_name = scope.scope_name()?;
    for record in scope.records() {
        let taken = take(work, scratch, &record?, scope_name, stream);
        if let Err(fault) = part(taken)? {
            work.rejections.add(&fault, 1, Subject::LogRecord);
        }
    }
    Ok(())
}

/// The stream of a resource, looked up by its first good record.
#[derive(Debug)]
struct Stream<'a> {
    labels: Result<Level<'a>, Fault<'a>>,
    number: Option<SeriesRef>,
}

impl<'a> Stream<'a> {
    fn find(&mut self, work: &mut Work<'_, 'a>, at: UnixNanos) -> Found<'a, SeriesRef> {
        if let Some(number) = self.number {
            return Ok(number);
        }
        let resource = self.labels.as_ref().map_err(Clone::clone)?;
        let number = work.finder.find(&SeriesKey::Stream { resource }, at)?;
        self.number = Some(number);
        Ok(number)
    }
}

fn take<'a>(
    work: &mut Work<'_, 'a>,
    scratch: &mut Scratch<'a>,
    record: &LogRecord<'a>,
    scope_name: &'a [u8],
    stream: &mut Stream<'a>,
) -> Found<'a, ()> {
    // A record without a time has that of its observation, and one without either that of its receipt.
    let time = work.window.nanos(if record.time == 0 { record.observed_time } else { record.time })?;
    let Scratch { texts, attributes, keys, pairs } = scratch;
    texts.clear();
    read_attributes(texts, attributes, keys, record, scope_name)?;
    let body = record.body.map(|body| read_body(texts, body)).transpose()?.flatten();
    let (trace_id, span_id) = (hex(texts, record.trace_id, 16), hex(texts, record.span_id, 8));
    let severity = text("severity text", record.severity_text)?;
    let event_name = text("event name", record.event_name)?;
    let stream = stream.find(work, time)?;
    let mut borrowed = emptied(std::mem::take(pairs));
    borrowed.extend(attributes.iter().map(|&(key, value)| (key, texts.get(value))));
    work.push_log(batch::LogRecord {
        stream,
        time,
        // A time beyond what can be written down is the latest that can.
        observed_time: (record.observed_time != 0)
            .then(|| UnixNanos(i64::try_from(record.observed_time).unwrap_or(i64::MAX))),
        severity_number: match record.severity_number {
            number @ 1..=SEVERITY_MAX => number as u8,
            _ => 0,
        },
        severity,
        body: body.map(|body| texts.get(body)),
        event_name,
        trace_id: texts.get(trace_id),
        span_id: texts.get(span_id),
        attributes: &borrowed,
    })?;
    *pairs = emptied(borrowed);
    Ok(())
}

fn read_attributes<'a>(
    texts: &mut Texts,
    attributes: &mut Vec<(&'a str, Text<'a>)>,
    keys: &mut Vec<&'a str>,
    record: &LogRecord<'a>,
    scope_name: &'a [u8],
) -> Found<'a, ()> {
    attributes.clear();
    for attribute in record.attributes {
        let KeyValue { key, value } = attribute?;
        let value = texts.value(value)?.map_err(|_| Fault::ValueNotUtf8 { label: key })?;
        let key = std::str::from_utf8(key).map_err(|_| Fault::LabelNotUtf8 { label: key })?;
        if key.is_empty() {
            return Err(Fault::EmptyLabelName.into());
        }
        attributes.push((key, value));
    }
    keys.clear();
    keys.extend(attributes.iter().map(|attribute| attribute.0));
    keys.sort_unstable();
    if let Some([label, _]) = keys.array_windows().find(|[a, b]| a == b) {
        return Err(Fault::DuplicateLabel { label }.into());
    }
    if !scope_name.is_empty() && keys.binary_search(&SCOPE_NAME).is_err() {
        attributes.push((SCOPE_NAME, Text::Sent(text("scope name", scope_name)?)));
    }
    Ok(())
}

/// The body's text; `None` where the sender set a body without a value.
fn read_body<'a>(texts: &mut Texts, body: AnyValueBytes<'a>) -> Found<'a, Option<Text<'a>>> {
    use flyball_decode::otlp::any_value::AnyValue;
    match body.read()? {
        AnyValue::Empty => Ok(None),
        AnyValue::String(sent) => Ok(Some(Text::Sent(text("body", sent)?))),
        _ => match texts.value(body)? {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Fault::TextNotUtf8 { field: "body", text: b"(an array or a map)" }.into()),
        },
    }
}

fn text<'a>(field: &'static str, bytes: &'a [u8]) -> Result<&'a str, Fault<'a>> {
    std::str::from_utf8(bytes).map_err(|_| Fault::TextNotUtf8 { field, text: bytes })
}

/// An id as lower-case hex. One of another length, or all zero, is none by the specification.
fn hex(texts: &mut Texts, id: &[u8], bytes: usize) -> Text<'static> {
    if id.len() != bytes || id.iter().all(|&byte| byte == 0) {
        return Text::EMPTY;
    }
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).expect("a nibble is below 16");
    texts.make(|made| made.extend(id.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])))
}
