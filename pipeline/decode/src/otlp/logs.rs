//! `ExportLogsServiceRequest`: resource → scope → log records.

use super::any_value::{AnyValueBytes, KeyValue, KeyValues};
use super::scope::Scope;
use crate::error::DecodeError;
use crate::wire::{Extent, Field, Nested, Repeated, Slice, Step, View};

/// The resources of a request.
pub fn resource_logs(body: &[u8]) -> Nested<'_, ResourceLogs<'_>, 1> {
    Nested::new(Slice::body(body), [Step::new("ExportLogsServiceRequest", 1)])
}

/// What one resource sent.
#[derive(Debug, Clone, Copy)]
pub struct ResourceLogs<'a>(Slice<'a>);

impl<'a> View<'a> for ResourceLogs<'a> {
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        field.slice().map(Self)
    }
}

impl<'a> ResourceLogs<'a> {
    /// The resource's attributes.
    pub fn attributes(self) -> Nested<'a, KeyValue<'a>, 2> {
        Nested::new(self.0, [Step::new("ResourceLogs", 1), Step::new("Resource", 1)])
    }

    /// The scopes.
    pub fn scopes(self) -> Nested<'a, ScopeLogs<'a>, 1> {
        Nested::new(self.0, [Step::new("ResourceLogs", 2)])
    }
}

/// What one instrumentation scope of a resource sent.
#[derive(Debug, Clone, Copy)]
pub struct ScopeLogs<'a>(Slice<'a>);

impl<'a> View<'a> for ScopeLogs<'a> {
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        field.slice().map(Self)
    }
}

impl<'a> ScopeLogs<'a> {
    /// The scope.
    ///
    /// # Errors
    /// When the bytes are not such a message.
    pub fn scope(self) -> Result<Scope<'a>, DecodeError> {
        Scope::read(self.0, "ScopeLogs")
    }

    /// The records.
    pub fn records(self) -> Nested<'a, LogRecord<'a>, 1> {
        Nested::new(self.0, [Step::new("ScopeLogs", 2)])
    }
}

/// A log record. Times are nanoseconds since the epoch, 0 where not known; texts are UTF-8 if the sender is honest.
#[derive(Debug, Clone, Copy)]
pub struct LogRecord<'a> {
    /// When it happened.
    pub time: u64,
    /// When the collector saw it.
    pub observed_time: u64,
    /// 1 (TRACE) to 24 (FATAL4); 0 where not said. Not checked.
    pub severity_number: i32,
    /// The severity in the source's own word.
    pub severity_text: &'a [u8],
    /// The body; `None` where there is none.
    pub body: Option<AnyValueBytes<'a>>,
    /// The attributes.
    pub attributes: KeyValues<'a>,
    /// How many attributes the sender has left out.
    pub dropped_attributes_count: u32,
    /// The lowest eight bits are W3C trace flags; 0 where not said.
    pub flags: u32,
    /// The event's name.
    pub event_name: &'a [u8],
    /// 16 bytes if the sender is honest; empty where there is none.
    pub trace_id: &'a [u8],
    /// 8 bytes if the sender is honest; empty where there is none.
    pub span_id: &'a [u8],
}

impl<'a> View<'a> for LogRecord<'a> {
    #[inline]
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        const MESSAGE: &str = "LogRecord";
        let message = field.slice()?;
        let (mut body, mut attributes) = (Extent::default(), Extent::default());
        let (mut time, mut observed_time, mut severity_number) = (0, 0, 0);
        let (mut dropped_attributes_count, mut flags) = (0, 0);
        let (mut severity_text, mut event_name) = (&[][..], &[][..]);
        let (mut trace_id, mut span_id) = (&[][..], &[][..]);
        let mut fields = message.fields(MESSAGE);
        while let Some(field) = fields.next() {
            let field = field?;
            match field.number {
                1 => time = field.fixed64()?,
                2 => severity_number = field.varint()? as i32,
                3 => severity_text = field.bytes()?,
                5 => body.add(&field),
                6 => {
                    attributes.add(&field);
                    attributes.join(fields.run(6));
                }
                7 => dropped_attributes_count = field.varint()? as u32,
                8 => flags = field.fixed32()?,
                9 => trace_id = field.bytes()?,
                10 => span_id = field.bytes()?,
                11 => observed_time = field.fixed64()?,
                12 => event_name = field.bytes()?,
                _ => {}
            }
        }
        let attributes = Repeated::new(message, attributes, Step::new(MESSAGE, 6));
        let body = (!body.is_empty()).then(|| AnyValueBytes::new(body.of(message), Step::new(MESSAGE, 5)));
        Ok(Self {
            time,
            observed_time,
            severity_number,
            severity_text,
            body,
            attributes,
            dropped_attributes_count,
            flags,
            event_name,
            trace_id,
            span_id,
        })
    }
}

#[cfg(test)]
mod tests;
