//! Events and links of spans: lists of structs, built flat and cut into lists at the end.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray, StringBuilder, StructArray, TimestampNanosecondArray, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Fields};

use super::attributes::Attributes;
use super::id::{SpanId, TraceId};
use super::logs::append_text;
use super::string_map_type;
use crate::batch::time_type;
use crate::time::UnixNanos;

/// Something that happened within a span, without its attributes.
#[derive(Debug, Clone, Copy)]
pub struct SpanEvent<'a> {
    /// When.
    pub time: UnixNanos,
    /// What.
    pub name: &'a str,
    /// How many attributes its sender has left out.
    pub dropped_attributes_count: u32,
}

/// A span of this or another trace that a span is related to, without its attributes. Empty text is null.
#[derive(Debug, Clone, Copy, Default)]
pub struct SpanLink<'a> {
    /// The other trace.
    pub trace_id: Option<TraceId>,
    /// The other span.
    pub span_id: Option<SpanId>,
    /// W3C trace state.
    pub trace_state: &'a str,
    /// The lowest eight bits are W3C trace flags; bits 8 and 9 say whether the other span is remote.
    pub flags: u32,
    /// How many attributes its sender has left out.
    pub dropped_attributes_count: u32,
}

/// The type of the column `events`.
pub(super) fn event_list_type() -> DataType {
    DataType::List(item(event_fields()))
}

/// The type of the column `links`.
pub(super) fn link_list_type() -> DataType {
    DataType::List(item(link_fields()))
}

fn event_fields() -> Fields {
    Fields::from(vec![
        Field::new("time", time_type(), false),
        Field::new("name", DataType::Utf8, false),
        Field::new("attributes", string_map_type(), false),
        Field::new("dropped_attributes_count", DataType::UInt32, false),
    ])
}

fn link_fields() -> Fields {
    Fields::from(vec![
        Field::new("trace_id", DataType::Utf8, true),
        Field::new("span_id", DataType::Utf8, true),
        Field::new("trace_state", DataType::Utf8, true),
        Field::new("flags", DataType::UInt32, false),
        Field::new("attributes", string_map_type(), false),
        Field::new("dropped_attributes_count", DataType::UInt32, false),
    ])
}

fn item(fields: Fields) -> FieldRef {
    Arc::new(Field::new("item", DataType::Struct(fields), false))
}

/// The column `events` in the making.
#[derive(Debug)]
pub(super) struct EventColumns {
    starts: Vec<i32>,
    time: Vec<i64>,
    name: StringBuilder,
    attributes: Attributes,
    dropped_attributes_count: Vec<u32>,
}

impl Default for EventColumns {
    fn default() -> Self {
        Self {
            starts: Vec::new(),
            time: Vec::new(),
            name: StringBuilder::with_capacity(0, 0),
            attributes: Attributes::default(),
            dropped_attributes_count: Vec::new(),
        }
    }
}

impl EventColumns {
    /// What is pushed from here on belongs to the next span.
    pub(super) fn begin_span(&mut self) {
        self.starts.push(offset(self.time.len()));
    }

    pub(super) fn push<'t>(&mut self, event: SpanEvent<'_>, attributes: impl IntoIterator<Item = (&'t str, &'t str)>) {
        self.time.push(event.time.0);
        self.name.append_value(event.name);
        self.attributes.push(attributes);
        self.dropped_attributes_count.push(event.dropped_attributes_count);
    }

    pub(super) fn finish(mut self) -> ArrayRef {
        let end = self.time.len();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(TimestampNanosecondArray::from(self.time).with_timezone("UTC")),
            Arc::new(self.name.finish()),
            self.attributes.finish(),
            Arc::new(UInt32Array::from(self.dropped_attributes_count)),
        ];
        lists(event_fields(), columns, self.starts, end)
    }
}

/// The column `links` in the making.
#[derive(Debug)]
pub(super) struct LinkColumns {
    starts: Vec<i32>,
    trace_id: StringBuilder,
    span_id: StringBuilder,
    trace_state: StringBuilder,
    flags: Vec<u32>,
    attributes: Attributes,
    dropped_attributes_count: Vec<u32>,
}

impl Default for LinkColumns {
    fn default() -> Self {
        let texts = || StringBuilder::with_capacity(0, 0);
        Self {
            starts: Vec::new(),
            trace_id: texts(),
            span_id: texts(),
            trace_state: texts(),
            flags: Vec::new(),
            attributes: Attributes::default(),
            dropped_attributes_count: Vec::new(),
        }
    }
}

impl LinkColumns {
    /// What is pushed from here on belongs to the next span.
    pub(super) fn begin_span(&mut self) {
        self.starts.push(offset(self.flags.len()));
    }

    pub(super) fn push<'t>(&mut self, link: SpanLink<'_>, attributes: impl IntoIterator<Item = (&'t str, &'t str)>) {
        TraceId::append(link.trace_id, &mut self.trace_id);
        SpanId::append(link.span_id, &mut self.span_id);
        append_text(&mut self.trace_state, link.trace_state);
        self.flags.push(link.flags);
        self.attributes.push(attributes);
        self.dropped_attributes_count.push(link.dropped_attributes_count);
    }

    pub(super) fn finish(mut self) -> ArrayRef {
        let end = self.flags.len();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.trace_id.finish()),
            Arc::new(self.span_id.finish()),
            Arc::new(self.trace_state.finish()),
            Arc::new(UInt32Array::from(self.flags)),
            self.attributes.finish(),
            Arc::new(UInt32Array::from(self.dropped_attributes_count)),
        ];
        lists(link_fields(), columns, self.starts, end)
    }
}

fn lists(fields: Fields, columns: Vec<ArrayRef>, mut offsets: Vec<i32>, end: usize) -> ArrayRef {
    offsets.push(offset(end));
    let values = StructArray::new(fields.clone(), columns, None);
    Arc::new(ListArray::new(item(fields), OffsetBuffer::new(offsets.into()), Arc::new(values), None))
}

fn offset(parts: usize) -> i32 {
    i32::try_from(parts).expect("the parts of a batch are bounded far below 2^31")
}
