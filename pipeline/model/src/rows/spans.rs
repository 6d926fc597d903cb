//! Spans.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringBuilder, TimestampNanosecondArray, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::attributes::Attributes;
use super::id::{SpanId, TraceId};
use super::logs::append_text;
use super::span_parts::{EventColumns, LinkColumns, SpanEvent, SpanLink, event_list_type, link_list_type};
use super::{RowKind, Rows, string_map_type};
use crate::batch::time_type;
use crate::series::SeriesRef;
use crate::time::UnixNanos;

pub(super) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("series", DataType::UInt32, false),
        Field::new("time", time_type(), false),
        Field::new("duration", DataType::Float64, false),
        Field::new("name", DataType::Utf8, false),
        Field::new("kind", DataType::Utf8, false),
        Field::new("status", DataType::Utf8, false),
        Field::new("status_message", DataType::Utf8, true),
        Field::new("trace_id", DataType::Utf8, true),
        Field::new("span_id", DataType::Utf8, true),
        Field::new("parent_span_id", DataType::Utf8, true),
        Field::new("trace_state", DataType::Utf8, true),
        Field::new("flags", DataType::UInt32, false),
        Field::new("attributes", string_map_type(), false),
        Field::new("events", event_list_type(), false),
        Field::new("links", link_list_type(), false),
        Field::new("dropped_attributes_count", DataType::UInt32, false),
        Field::new("dropped_events_count", DataType::UInt32, false),
        Field::new("dropped_links_count", DataType::UInt32, false),
    ]))
});

/// What a span was in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SpanKind {
    /// Not said, or a number that OpenTelemetry does not know.
    #[default]
    Unspecified,
    /// Work inside an application.
    Internal,
    /// The handling of a remote request.
    Server,
    /// A request to a remote service.
    Client,
    /// The sending of a message.
    Producer,
    /// The handling of a message.
    Consumer,
}

impl SpanKind {
    /// The kind of one of OpenTelemetry's numbers.
    pub const fn from_number(number: i32) -> Self {
        match number {
            1 => SpanKind::Internal,
            2 => SpanKind::Server,
            3 => SpanKind::Client,
            4 => SpanKind::Producer,
            5 => SpanKind::Consumer,
            _ => SpanKind::Unspecified,
        }
    }

    /// The word in the column `kind`.
    pub const fn as_str(self) -> &'static str {
        match self {
            SpanKind::Unspecified => "unspecified",
            SpanKind::Internal => "internal",
            SpanKind::Server => "server",
            SpanKind::Client => "client",
            SpanKind::Producer => "producer",
            SpanKind::Consumer => "consumer",
        }
    }
}

/// How a span ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SpanStatus {
    /// Not said, or a number that OpenTelemetry does not know.
    #[default]
    Unset,
    /// Well, says its developer.
    Ok,
    /// With an error.
    Error,
}

impl SpanStatus {
    /// The status of one of OpenTelemetry's numbers.
    pub const fn from_number(number: i32) -> Self {
        match number {
            1 => SpanStatus::Ok,
            2 => SpanStatus::Error,
            _ => SpanStatus::Unset,
        }
    }

    /// The word in the column `status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            SpanStatus::Unset => "unset",
            SpanStatus::Ok => "ok",
            SpanStatus::Error => "error",
        }
    }
}

/// One span without its attributes, events and links, borrowed. Empty text is null, but for the name.
#[derive(Debug, Clone, Copy)]
pub struct Span<'a> {
    /// The resource's label set, a series of [`crate::series::SPANS`].
    pub stream: SeriesRef,
    /// When it started.
    pub time: UnixNanos,
    /// How long it took, in nanoseconds; never negative. The column is in seconds.
    pub duration_nanos: u64,
    /// What was done.
    pub name: &'a str,
    /// What it was in its trace.
    pub kind: SpanKind,
    /// How it ended.
    pub status: SpanStatus,
    /// What its developer says of that.
    pub status_message: &'a str,
    /// The trace it belongs to.
    pub trace_id: Option<TraceId>,
    /// Its own id.
    pub span_id: Option<SpanId>,
    /// The span that it was part of; none for the root of a trace.
    pub parent_span_id: Option<SpanId>,
    /// W3C trace state.
    pub trace_state: &'a str,
    /// The lowest eight bits are W3C trace flags; bits 8 and 9 say whether the parent is remote.
    pub flags: u32,
    /// How many attributes its sender has left out.
    pub dropped_attributes_count: u32,
    /// How many events its sender has left out.
    pub dropped_events_count: u32,
    /// How many links its sender has left out.
    pub dropped_links_count: u32,
}

impl Span<'_> {
    /// A span of which nothing is known but when and where it started.
    pub const fn new(stream: SeriesRef, time: UnixNanos) -> Self {
        Self {
            stream,
            time,
            duration_nanos: 0,
            name: "",
            kind: SpanKind::Unspecified,
            status: SpanStatus::Unset,
            status_message: "",
            trace_id: None,
            span_id: None,
            parent_span_id: None,
            trace_state: "",
            flags: 0,
            dropped_attributes_count: 0,
            dropped_events_count: 0,
            dropped_links_count: 0,
        }
    }
}

/// Collects [`Span`]s into [`Rows`], straight into the columns.
#[derive(Debug)]
pub struct SpanBuilder {
    stream: Vec<u32>,
    time: Vec<i64>,
    duration: Vec<f64>,
    name: StringBuilder,
    kind: StringBuilder,
    status: StringBuilder,
    status_message: StringBuilder,
    trace_id: StringBuilder,
    span_id: StringBuilder,
    parent_span_id: StringBuilder,
    trace_state: StringBuilder,
    flags: Vec<u32>,
    attributes: Attributes,
    events: EventColumns,
    links: LinkColumns,
    dropped_attributes_count: Vec<u32>,
    dropped_events_count: Vec<u32>,
    dropped_links_count: Vec<u32>,
}

impl Default for SpanBuilder {
    fn default() -> Self {
        Self::for_body(0)
    }
}

const NANOS_PER_SECOND: f64 = 1e9;

/// A span takes about this many bytes on the wire: a first guess at the room for a batch.
const SPAN_BYTES_GUESS: usize = 256;

/// And has about this many attributes.
const ATTRIBUTES_GUESS: usize = 6;

impl SpanBuilder {
    /// A builder with room for the spans of a message of `bytes`: a guess, that spares most of the growing.
    pub fn for_body(bytes: usize) -> Self {
        let spans = bytes / SPAN_BYTES_GUESS;
        let texts = |bytes_each| StringBuilder::with_capacity(spans, spans * bytes_each);
        let counts = || Vec::with_capacity(spans);
        Self {
            stream: counts(),
            time: Vec::with_capacity(spans),
            duration: Vec::with_capacity(spans),
            name: texts(16),
            kind: texts("internal".len()),
            status: texts("unset".len()),
            status_message: texts(0),
            trace_id: texts(32),
            span_id: texts(16),
            parent_span_id: texts(16),
            trace_state: texts(0),
            flags: counts(),
            attributes: Attributes::with_capacity(spans, ATTRIBUTES_GUESS * spans, bytes / 4),
            events: EventColumns::default(),
            links: LinkColumns::default(),
            dropped_attributes_count: counts(),
            dropped_events_count: counts(),
            dropped_links_count: counts(),
        }
    }

    /// Begins a span; its events and links follow. Attributes have the names they were sent with; what is not text is
    /// written as JSON.
    pub fn push<'t>(&mut self, span: Span<'_>, attributes: impl IntoIterator<Item = (&'t str, &'t str)>) {
        self.stream.push(span.stream.0);
        self.time.push(span.time.0);
        self.duration.push(span.duration_nanos as f64 / NANOS_PER_SECOND);
        self.name.append_value(span.name);
        self.kind.append_value(span.kind.as_str());
        self.status.append_value(span.status.as_str());
        append_text(&mut self.status_message, span.status_message);
        TraceId::append(span.trace_id, &mut self.trace_id);
        SpanId::append(span.span_id, &mut self.span_id);
        SpanId::append(span.parent_span_id, &mut self.parent_span_id);
        append_text(&mut self.trace_state, span.trace_state);
        self.flags.push(span.flags);
        self.attributes.push(attributes);
        self.events.begin_span();
        self.links.begin_span();
        self.dropped_attributes_count.push(span.dropped_attributes_count);
        self.dropped_events_count.push(span.dropped_events_count);
        self.dropped_links_count.push(span.dropped_links_count);
    }

    /// Adds an event to the span that was pushed last.
    pub fn event<'t>(&mut self, event: SpanEvent<'_>, attributes: impl IntoIterator<Item = (&'t str, &'t str)>) {
        debug_assert!(!self.is_empty(), "an event belongs to a span");
        self.events.push(event, attributes);
    }

    /// Adds a link to the span that was pushed last.
    pub fn link<'t>(&mut self, link: SpanLink<'_>, attributes: impl IntoIterator<Item = (&'t str, &'t str)>) {
        debug_assert!(!self.is_empty(), "a link belongs to a span");
        self.links.push(link, attributes);
    }

    /// How many spans so far.
    pub fn len(&self) -> usize {
        self.stream.len()
    }

    /// Whether there is no span yet.
    pub fn is_empty(&self) -> bool {
        self.stream.is_empty()
    }

    /// The batch.
    pub fn finish(mut self) -> Rows {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from(self.stream)),
            Arc::new(TimestampNanosecondArray::from(self.time).with_timezone("UTC")),
            Arc::new(Float64Array::from(self.duration)),
            Arc::new(self.name.finish()),
            Arc::new(self.kind.finish()),
            Arc::new(self.status.finish()),
            Arc::new(self.status_message.finish()),
            Arc::new(self.trace_id.finish()),
            Arc::new(self.span_id.finish()),
            Arc::new(self.parent_span_id.finish()),
            Arc::new(self.trace_state.finish()),
            Arc::new(UInt32Array::from(self.flags)),
            self.attributes.finish(),
            self.events.finish(),
            self.links.finish(),
            Arc::new(UInt32Array::from(self.dropped_attributes_count)),
            Arc::new(UInt32Array::from(self.dropped_events_count)),
            Arc::new(UInt32Array::from(self.dropped_links_count)),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&SCHEMA), columns).expect("the builders are made for this schema");
        Rows { kind: RowKind::Spans, batch }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Float64Type, UInt32Type};

    use super::*;

    #[test]
    fn spans_with_events_and_links_become_rows() {
        let mut builder = SpanBuilder::default();
        let span = |at| Span { duration_nanos: 1_500_000, ..Span::new(SeriesRef(3), UnixNanos(at)) };
        builder.push(span(1), [("k", "v")]);
        builder.event(SpanEvent { time: UnixNanos(5), name: "e", dropped_attributes_count: 7 }, [("a", "b")]);
        builder.event(SpanEvent { time: UnixNanos(6), name: "", dropped_attributes_count: 0 }, []);
        builder.push(span(2), []);
        builder.push(span(3), []);
        let link = SpanLink { trace_id: TraceId::new(&[2; 16]), trace_state: "s=1", flags: 1, ..SpanLink::default() };
        builder.link(link, []);
        let rows = builder.finish();
        assert!(Rows::try_new(RowKind::Spans, rows.batch().clone()).is_ok());
        let batch = rows.batch();
        assert_eq!(batch["duration"].as_primitive::<Float64Type>().values().as_ref(), [0.0015; 3]);
        let (events, links) = (batch["events"].as_list::<i32>(), batch["links"].as_list::<i32>());
        assert_eq!((events.value_offsets(), links.value_offsets()), (&[0, 2, 2, 2][..], &[0, 0, 0, 1][..]));
        let events = events.values().as_struct();
        assert_eq!(events.column_by_name("name").expect("a field").as_string::<i32>().value(0), "e");
        let dropped = events.column_by_name("dropped_attributes_count").expect("a field");
        assert_eq!(dropped.as_primitive::<UInt32Type>().values().as_ref(), [7, 0]);
        let links = links.values().as_struct();
        assert_eq!(links.column_by_name("trace_id").expect("a field").as_string::<i32>().value(0), "02".repeat(16));
        assert!(links.column_by_name("span_id").expect("a field").is_null(0));
    }

    #[test]
    fn no_spans_are_an_empty_batch() {
        assert!(SpanBuilder::default().finish().is_empty());
    }

    #[test]
    fn numbers_become_words_and_unknown_ones_the_default() {
        let kinds = [-1, 0, 1, 2, 3, 4, 5, 6].map(|number| SpanKind::from_number(number).as_str());
        let expected =
            ["unspecified", "unspecified", "internal", "server", "client", "producer", "consumer", "unspecified"];
        assert_eq!(kinds, expected);
        let statuses = [-1, 0, 1, 2, 3].map(|number| SpanStatus::from_number(number).as_str());
        assert_eq!(statuses, ["unset", "unset", "ok", "error", "unset"]);
    }
}
