//! A span, its events and its links.

use crate::error::DecodeError;
use crate::otlp::any_value::KeyValues;
use crate::wire::{Extent, Field, Repeated, Slice, Step, View};

/// A span. Times are nanoseconds since the epoch, 0 where not known; texts are UTF-8 if the sender is honest, and empty
/// where there is none.
#[derive(Debug, Clone, Copy)]
pub struct Span<'a> {
    /// 16 bytes if the sender is honest.
    pub trace_id: &'a [u8],
    /// 8 bytes if the sender is honest.
    pub span_id: &'a [u8],
    /// W3C trace state.
    pub trace_state: &'a [u8],
    /// 8 bytes if the sender is honest; empty for the root of a trace.
    pub parent_span_id: &'a [u8],
    /// What was done.
    pub name: &'a [u8],
    /// `SpanKind`: 1 (internal) to 5 (consumer); 0 where not said. Not checked.
    pub kind: i32,
    /// When it started.
    pub start_time: u64,
    /// When it ended.
    pub end_time: u64,
    /// The attributes.
    pub attributes: KeyValues<'a>,
    /// How many attributes the sender has left out.
    pub dropped_attributes_count: u32,
    /// What happened within it.
    pub events: Repeated<'a, Event<'a>>,
    /// How many events the sender has left out.
    pub dropped_events_count: u32,
    /// Related spans.
    pub links: Repeated<'a, Link<'a>>,
    /// How many links the sender has left out.
    pub dropped_links_count: u32,
    /// `Status.code`: 1 (ok) or 2 (error); 0 where not said. Not checked.
    pub status_code: i32,
    /// What its developer says of the status.
    pub status_message: &'a [u8],
    /// The lowest eight bits are W3C trace flags.
    pub flags: u32,
}

impl<'a> View<'a> for Span<'a> {
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        const MESSAGE: &str = "Span";
        let message = field.slice()?;
        let (mut attributes, mut events, mut links) = (Extent::default(), Extent::default(), Extent::default());
        let mut span = Self {
            trace_id: &[],
            span_id: &[],
            trace_state: &[],
            parent_span_id: &[],
            name: &[],
            kind: 0,
            start_time: 0,
            end_time: 0,
            attributes: Repeated::new(message, Extent::default(), Step::new(MESSAGE, 9)),
            dropped_attributes_count: 0,
            events: Repeated::new(message, Extent::default(), Step::new(MESSAGE, 11)),
            dropped_events_count: 0,
            links: Repeated::new(message, Extent::default(), Step::new(MESSAGE, 13)),
            dropped_links_count: 0,
            status_code: 0,
            status_message: &[],
            flags: 0,
        };
        for field in message.fields(MESSAGE) {
            let field = field?;
            match field.number {
                1 => span.trace_id = field.bytes()?,
                2 => span.span_id = field.bytes()?,
                3 => span.trace_state = field.bytes()?,
                4 => span.parent_span_id = field.bytes()?,
                5 => span.name = field.bytes()?,
                6 => span.kind = field.varint()? as i32,
                7 => span.start_time = field.fixed64()?,
                8 => span.end_time = field.fixed64()?,
                9 => attributes.add(&field),
                10 => span.dropped_attributes_count = field.varint()? as u32,
                11 => events.add(&field),
                12 => span.dropped_events_count = field.varint()? as u32,
                13 => links.add(&field),
                14 => span.dropped_links_count = field.varint()? as u32,
                15 => span.read_status(field.slice()?)?,
                16 => span.flags = field.fixed32()?,
                _ => {}
            }
        }
        span.attributes = Repeated::new(message, attributes, Step::new(MESSAGE, 9));
        span.events = Repeated::new(message, events, Step::new(MESSAGE, 11));
        span.links = Repeated::new(message, links, Step::new(MESSAGE, 13));
        Ok(span)
    }
}

impl<'a> Span<'a> {
    /// Takes a status in. One that comes twice is merged field by field, as protobuf wants it.
    fn read_status(&mut self, status: Slice<'a>) -> Result<(), DecodeError> {
        for field in status.fields("Status") {
            let field = field?;
            match field.number {
                2 => self.status_message = field.bytes()?,
                3 => self.status_code = field.varint()? as i32,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Something that happened within a span.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// When; 0 where not known.
    pub time: u64,
    /// What.
    pub name: &'a [u8],
    /// The attributes.
    pub attributes: KeyValues<'a>,
    /// How many attributes the sender has left out.
    pub dropped_attributes_count: u32,
}

impl<'a> View<'a> for Event<'a> {
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        const MESSAGE: &str = "Span.Event";
        let message = field.slice()?;
        let (mut time, mut name, mut attributes) = (0, &[][..], Extent::default());
        let mut dropped_attributes_count = 0;
        for field in message.fields(MESSAGE) {
            let field = field?;
            match field.number {
                1 => time = field.fixed64()?,
                2 => name = field.bytes()?,
                3 => attributes.add(&field),
                4 => dropped_attributes_count = field.varint()? as u32,
                _ => {}
            }
        }
        let attributes = Repeated::new(message, attributes, Step::new(MESSAGE, 3));
        Ok(Self { time, name, attributes, dropped_attributes_count })
    }
}

/// A related span.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// 16 bytes if the sender is honest.
    pub trace_id: &'a [u8],
    /// 8 bytes if the sender is honest.
    pub span_id: &'a [u8],
    /// W3C trace state.
    pub trace_state: &'a [u8],
    /// The attributes.
    pub attributes: KeyValues<'a>,
    /// How many attributes the sender has left out.
    pub dropped_attributes_count: u32,
    /// The lowest eight bits are W3C trace flags.
    pub flags: u32,
}

impl<'a> View<'a> for Link<'a> {
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        const MESSAGE: &str = "Span.Link";
        let message = field.slice()?;
        let (mut trace_id, mut span_id, mut trace_state) = (&[][..], &[][..], &[][..]);
        let (mut attributes, mut dropped_attributes_count, mut flags) = (Extent::default(), 0, 0);
        for field in message.fields(MESSAGE) {
            let field = field?;
            match field.number {
                1 => trace_id = field.bytes()?,
                2 => span_id = field.bytes()?,
                3 => trace_state = field.bytes()?,
                4 => attributes.add(&field),
                5 => dropped_attributes_count = field.varint()? as u32,
                6 => flags = field.fixed32()?,
                _ => {}
            }
        }
        let attributes = Repeated::new(message, attributes, Step::new(MESSAGE, 4));
        Ok(Self { trace_id, span_id, trace_state, attributes, dropped_attributes_count, flags })
    }
}
