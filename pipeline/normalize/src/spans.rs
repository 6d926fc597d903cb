//! OTLP traces: spans become rows.
//!
//! A resource's labels are a stream, interned like a series. Attributes keep the names they were sent with.
//!
//! What is odd is kept, since a span that is missing is worse than one that is incomplete:
//!
//! | a span | is stored with |
//! |---|---|
//! | without a start | its end as its time, and a duration of 0; the time of receipt where it has neither |
//! | without an end | a duration of 0 |
//! | that ends before it starts | a duration of 0, and a warning to its sender |
//! | with an id of another length, or all zero | null for that id |
//! | with a kind or a status code that OpenTelemetry does not know | `unspecified`, `unset` |
//! | with an event without a time | its own time for that event |

use std::ops::Range;

use flyball_decode::DecodeError;
use flyball_decode::otlp::traces::{Event, Link, ResourceSpans, Span, resource_spans};
use flyball_model::UnixNanos;
use flyball_model::rows::{self, SpanBuilder, SpanEvent, SpanId, SpanKind, SpanLink, SpanStatus, TraceId};
use flyball_model::series::SPANS;

use crate::attributes::{Attributes, Layout, RECORD_PARTS_MAX, ScopeAttributes};
use crate::fault::{Fault, Found};
use crate::rejections::Subject;
use crate::stream::{Stream, text, walk_scope};
use crate::window::{Window, clamped};
use crate::work::Work;

/// What a span counts as when records are counted: its columns are as wide as those of two log records.
const SPAN_RECORDS: usize = 2;

/// What the ids, the kind and the status of a span take as text.
const SPAN_WORDS_BYTES: usize = 32 + 16 + 16 + "unspecified".len() + "unset".len();

/// What the ids of a link take as text.
const LINK_IDS_BYTES: usize = 32 + 16;

/// The rows in the making, and room that is kept from span to span.
struct Spans<'a> {
    rows: SpanBuilder,
    attributes: Attributes<'a>,
    layouts: Layouts<'a>,
    events: Vec<(SpanEvent<'a>, Range<usize>)>,
    links: Vec<(SpanLink<'a>, Range<usize>)>,
}

/// Spans, events and links have attributes of their own kinds.
#[derive(Default)]
struct Layouts<'a> {
    spans: Layout<'a>,
    events: Layout<'a>,
    links: Layout<'a>,
}

/// Walks a request into the work.
pub(crate) fn walk<'a>(work: &mut Work<'_, 'a>, body: &'a [u8]) -> Result<(), DecodeError> {
    let mut spans = Spans {
        rows: SpanBuilder::for_body(body.len()),
        attributes: Attributes::default(),
        layouts: Layouts::default(),
        events: Vec::new(),
        links: Vec::new(),
    };
    for resource in resource_spans(body) {
        spans.walk_resource(work, resource?)?;
    }
    work.take(spans.rows.finish());
    Ok(())
}

impl<'a> Spans<'a> {
    fn walk_resource(&mut self, work: &mut Work<'_, 'a>, resource: ResourceSpans<'a>) -> Result<(), DecodeError> {
        let mut stream = Stream::read(work, SPANS, resource.attributes())?;
        for scope in resource.scopes() {
            let scope = scope?;
            walk_scope(
                work,
                scope.scope()?,
                scope.spans(),
                |span| Subject::Span(span.name),
                |work, record, scope| self.take(work, record, scope, &mut stream),
            )?;
        }
        Ok(())
    }

    fn take(
        &mut self,
        work: &mut Work<'_, 'a>,
        span: &Span<'a>,
        scope: &ScopeAttributes,
        stream: &mut Stream<'a>,
    ) -> Found<'a, ()> {
        let (time, duration_nanos) = times(&work.window, span)?;
        let name = text("name", span.name)?;
        let status_message = text("status message", span.status_message)?;
        let trace_state = text("trace state", span.trace_state)?;
        self.attributes.clear();
        let set = self.attributes.read(&mut self.layouts.spans, span.attributes)?;
        self.read_events(span, time)?;
        self.read_links(span)?;
        let stream = stream.find(work, time)?;
        let own_bytes = name.len() + status_message.len() + trace_state.len() + SPAN_WORDS_BYTES;
        let text_bytes = own_bytes + self.part_bytes() + self.attributes.bytes() + scope.bytes();
        work.make_room(SPAN_RECORDS + self.events.len() + self.links.len(), text_bytes)?;
        if span.end_time != 0 && span.end_time < span.start_time {
            let fault = Fault::EndBeforeStart { start: span.start_time, end: span.end_time };
            work.warnings.add(&fault, 1, Subject::Span(span.name));
        }
        let row = rows::Span {
            stream,
            time,
            duration_nanos,
            name,
            kind: SpanKind::from_number(span.kind),
            status: SpanStatus::from_number(span.status_code),
            status_message,
            trace_id: TraceId::new(span.trace_id),
            span_id: SpanId::new(span.span_id),
            parent_span_id: SpanId::new(span.parent_span_id),
            trace_state,
            flags: span.flags,
            dropped_attributes_count: span.dropped_attributes_count,
            dropped_events_count: span.dropped_events_count,
            dropped_links_count: span.dropped_links_count,
        };
        self.rows.push(row, self.attributes.of(&set, scope));
        for (event, set) in &self.events {
            self.rows.event(*event, self.attributes.of(set, ScopeAttributes::NONE));
        }
        for (link, set) in &self.links {
            self.rows.link(*link, self.attributes.of(set, ScopeAttributes::NONE));
        }
        Ok(())
    }

    fn read_events(&mut self, span: &Span<'a>, span_time: UnixNanos) -> Found<'a, ()> {
        self.events.clear();
        for event in span.events {
            let Event { time, name, attributes, dropped_attributes_count } = event?;
            let set = self.attributes.read(&mut self.layouts.events, attributes)?;
            let name = text("event name", name)?;
            let time = if time == 0 { span_time } else { clamped(time) };
            self.check_parts()?;
            self.events.push((SpanEvent { time, name, dropped_attributes_count }, set));
        }
        Ok(())
    }

    fn read_links(&mut self, span: &Span<'a>) -> Found<'a, ()> {
        self.links.clear();
        for link in span.links {
            let Link { trace_id, span_id, trace_state, attributes, dropped_attributes_count, flags } = link?;
            let set = self.attributes.read(&mut self.layouts.links, attributes)?;
            let trace_state = text("trace state of a link", trace_state)?;
            let (trace_id, span_id) = (TraceId::new(trace_id), SpanId::new(span_id));
            self.check_parts()?;
            self.links.push((SpanLink { trace_id, span_id, trace_state, flags, dropped_attributes_count }, set));
        }
        Ok(())
    }

    fn check_parts(&self) -> Result<(), Fault<'a>> {
        match self.events.len() + self.links.len() + self.attributes.len() {
            RECORD_PARTS_MAX.. => Err(Fault::TooManyParts { max: RECORD_PARTS_MAX }),
            _ => Ok(()),
        }
    }

    /// Bytes of text of events and links, without their attributes.
    fn part_bytes(&self) -> usize {
        let events = self.events.iter().map(|(event, _)| event.name.len()).sum::<usize>();
        let links = self.links.iter().map(|(link, _)| link.trace_state.len() + LINK_IDS_BYTES).sum::<usize>();
        events + links
    }
}

/// When a span started, and its duration in nanoseconds.
fn times(window: &Window, span: &Span<'_>) -> Result<(UnixNanos, u64), Fault<'static>> {
    let (start, end) = match (span.start_time, span.end_time) {
        (0, end) => (end, end),
        (start, end) => (start, end.max(start)),
    };
    let time = window.nanos(start)?;
    // The end is bounded like the start, so that no clock gone wild makes a duration of centuries.
    window.nanos(end)?;
    Ok((time, end - start))
}
