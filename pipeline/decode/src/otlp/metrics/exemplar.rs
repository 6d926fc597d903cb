//! Exemplars: single observations that went into a point.

use super::Number;
use crate::error::DecodeError;
use crate::otlp::any_value::KeyValues;
use crate::wire::{Extent, Field, Repeated, Step, View};

/// The exemplars of a point.
pub type Exemplars<'a> = Repeated<'a, Exemplar<'a>>;

/// An observation with the trace it was made in.
#[derive(Debug, Clone, Copy)]
pub struct Exemplar<'a> {
    /// What the point's attributes don't say.
    pub attributes: KeyValues<'a>,
    /// When it was made; 0 where not known.
    pub time: u64,
    /// The value; `None` where nothing is set.
    pub value: Option<Number>,
    /// 8 bytes, or none.
    pub span_id: &'a [u8],
    /// 16 bytes, or none.
    pub trace_id: &'a [u8],
}

impl<'a> View<'a> for Exemplar<'a> {
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        const MESSAGE: &str = "Exemplar";
        let message = field.slice()?;
        let mut attributes = Extent::default();
        let (mut time, mut value, mut span_id, mut trace_id) = (0, None, &[][..], &[][..]);
        for field in message.fields(MESSAGE) {
            let field = field?;
            match field.number {
                2 => time = field.fixed64()?,
                3 => value = Some(Number::Double(field.double()?)),
                4 => span_id = field.bytes()?,
                5 => trace_id = field.bytes()?,
                6 => value = Some(Number::Int(field.fixed64()? as i64)),
                7 => attributes.add(&field),
                _ => {}
            }
        }
        let attributes = Repeated::new(message, attributes, Step::new(MESSAGE, 7));
        Ok(Self { attributes, time, value, span_id, trace_id })
    }
}
