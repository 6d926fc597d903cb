//! `ExportTraceServiceRequest`: resource → scope → spans, with their events and links.

mod span;

use super::any_value::KeyValue;
use super::scope::Scope;
use crate::error::DecodeError;
use crate::wire::{Field, Nested, Slice, Step, View};

pub use span::{Event, Link, Span};

/// The resources of a request.
pub fn resource_spans(body: &[u8]) -> Nested<'_, ResourceSpans<'_>, 1> {
    Nested::new(Slice::body(body), [Step::new("ExportTraceServiceRequest", 1)])
}

/// What one resource sent.
#[derive(Debug, Clone, Copy)]
pub struct ResourceSpans<'a>(Slice<'a>);

impl<'a> View<'a> for ResourceSpans<'a> {
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        field.slice().map(Self)
    }
}

impl<'a> ResourceSpans<'a> {
    /// The resource's attributes.
    pub fn attributes(self) -> Nested<'a, KeyValue<'a>, 2> {
        Nested::new(self.0, [Step::new("ResourceSpans", 1), Step::new("Resource", 1)])
    }

    /// The scopes.
    pub fn scopes(self) -> Nested<'a, ScopeSpans<'a>, 1> {
        Nested::new(self.0, [Step::new("ResourceSpans", 2)])
    }
}

/// What one instrumentation scope of a resource sent.
#[derive(Debug, Clone, Copy)]
pub struct ScopeSpans<'a>(Slice<'a>);

impl<'a> View<'a> for ScopeSpans<'a> {
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        field.slice().map(Self)
    }
}

impl<'a> ScopeSpans<'a> {
    /// The scope.
    ///
    /// # Errors
    /// When the bytes are not such a message.
    pub fn scope(self) -> Result<Scope<'a>, DecodeError> {
        Scope::read(self.0, "ScopeSpans")
    }

    /// The spans.
    pub fn spans(self) -> Nested<'a, Span<'a>, 1> {
        Nested::new(self.0, [Step::new("ScopeSpans", 2)])
    }
}

#[cfg(test)]
mod tests;
