//! Points of summaries: quantiles that the sender computed.

use crate::error::DecodeError;
use crate::otlp::any_value::KeyValues;
use crate::wire::{Extent, Field, Repeated, Step, View};

/// A point of a summary. Times are nanoseconds since the epoch, 0 where not known.
#[derive(Debug, Clone, Copy)]
pub struct SummaryPoint<'a> {
    /// What the point is about, beside its resource.
    pub attributes: KeyValues<'a>,
    /// When counting began.
    pub start_time: u64,
    /// The point's time.
    pub time: u64,
    /// How many observations.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The quantiles.
    pub quantiles: Repeated<'a, ValueAtQuantile>,
    /// See [`super::NO_RECORDED_VALUE`].
    pub flags: u32,
}

impl<'a> View<'a> for SummaryPoint<'a> {
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        const MESSAGE: &str = "SummaryDataPoint";
        let message = field.slice()?;
        let (mut attributes, mut quantiles) = (Extent::default(), Extent::default());
        let (mut start_time, mut time, mut count, mut sum, mut flags) = (0, 0, 0, 0.0, 0);
        for field in message.fields(MESSAGE) {
            let field = field?;
            match field.number {
                2 => start_time = field.fixed64()?,
                3 => time = field.fixed64()?,
                4 => count = field.fixed64()?,
                5 => sum = field.double()?,
                6 => quantiles.add(&field),
                7 => attributes.add(&field),
                8 => flags = field.varint()? as u32,
                _ => {}
            }
        }
        Ok(Self {
            attributes: Repeated::new(message, attributes, Step::new(MESSAGE, 7)),
            start_time,
            time,
            count,
            sum,
            quantiles: Repeated::new(message, quantiles, Step::new(MESSAGE, 6)),
            flags,
        })
    }
}

/// A quantile of a summary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueAtQuantile {
    /// Which: 0 is the least, 1 the greatest.
    pub quantile: f64,
    /// Its value.
    pub value: f64,
}

impl<'a> View<'a> for ValueAtQuantile {
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        let mut read = Self { quantile: 0.0, value: 0.0 };
        for field in field.slice()?.fields("ValueAtQuantile") {
            let field = field?;
            match field.number {
                1 => read.quantile = field.double()?,
                2 => read.value = field.double()?,
                _ => {}
            }
        }
        Ok(read)
    }
}
