//! The instrumentation scope: which library made the telemetry.

use super::any_value::KeyValue;
use crate::error::DecodeError;
use crate::wire::{Extent, Nested, Slice, Step};

/// The number of the field `scope` in `ScopeLogs` and `ScopeSpans`.
const SCOPE: u32 = 1;

const MESSAGE: &str = "InstrumentationScope";

/// A scope. Texts are UTF-8 if the sender is honest, and empty where it does not say.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The library's name.
    pub name: &'a [u8],
    /// The library's version.
    pub version: &'a [u8],
    span: Slice<'a>,
    step: Step,
}

impl<'a> Scope<'a> {
    /// Reads the scope of a message that has one; `message` is that message's name.
    pub(super) fn read(parent: Slice<'a>, message: &'static str) -> Result<Self, DecodeError> {
        let mut extent = Extent::default();
        for field in parent.fields(message) {
            let field = field?;
            if field.number == SCOPE {
                extent.add(&field);
            }
        }
        let step = Step::new(message, SCOPE);
        let mut scope = Self { name: &[], version: &[], span: extent.of(parent), step };
        for part in Nested::<Slice<'a>, 1>::new(scope.span, [step]) {
            for field in part?.fields(MESSAGE) {
                let field = field?;
                match field.number {
                    1 => scope.name = field.bytes()?,
                    2 => scope.version = field.bytes()?,
                    _ => {}
                }
            }
        }
        Ok(scope)
    }

    /// The attributes.
    pub fn attributes(self) -> Nested<'a, KeyValue<'a>, 2> {
        Nested::new(self.span, [self.step, Step::new(MESSAGE, 3)])
    }
}
