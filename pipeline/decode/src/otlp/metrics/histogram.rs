//! Points of histograms with explicit buckets.

use super::exemplar::Exemplars;
use crate::error::DecodeError;
use crate::otlp::any_value::KeyValues;
use crate::wire::{Double, Extent, Field, Fixed64, Numbers, Repeated, Step, View};

/// A point of a histogram with explicit buckets. Times are nanoseconds since the epoch, 0 where not known.
#[derive(Debug, Clone, Copy)]
pub struct HistogramPoint<'a> {
    /// What the point is about, beside its resource.
    pub attributes: KeyValues<'a>,
    /// When counting began.
    pub start_time: u64,
    /// The point's time.
    pub time: u64,
    /// How many observations.
    pub count: u64,
    /// Their sum.
    pub sum: Option<f64>,
    /// The least of them.
    pub min: Option<f64>,
    /// The greatest of them.
    pub max: Option<f64>,
    /// How many are in each bucket: one number more than there are bounds, or none at all.
    pub bucket_counts: Numbers<'a, Fixed64, 1>,
    /// The upper bounds of all buckets but the last.
    pub explicit_bounds: Numbers<'a, Double, 1>,
    /// Examples of the observations.
    pub exemplars: Exemplars<'a>,
    /// See [`super::NO_RECORDED_VALUE`].
    pub flags: u32,
}

impl<'a> View<'a> for HistogramPoint<'a> {
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        const MESSAGE: &str = "HistogramDataPoint";
        let message = field.slice()?;
        let (mut attributes, mut exemplars) = (Extent::default(), Extent::default());
        let (mut counts, mut bounds) = (Extent::default(), Extent::default());
        let (mut start_time, mut time, mut count, mut flags) = (0, 0, 0, 0);
        let (mut sum, mut min, mut max) = (None, None, None);
        for field in message.fields(MESSAGE) {
            let field = field?;
            match field.number {
                2 => start_time = field.fixed64()?,
                3 => time = field.fixed64()?,
                4 => count = field.fixed64()?,
                5 => sum = Some(field.double()?),
                6 => counts.add(&field),
                7 => bounds.add(&field),
                8 => exemplars.add(&field),
                9 => attributes.add(&field),
                10 => flags = field.varint()? as u32,
                11 => min = Some(field.double()?),
                12 => max = Some(field.double()?),
                _ => {}
            }
        }
        Ok(Self {
            attributes: Repeated::new(message, attributes, Step::new(MESSAGE, 9)),
            start_time,
            time,
            count,
            sum,
            min,
            max,
            bucket_counts: Numbers::new(message, counts, [Step::new(MESSAGE, 6)]),
            explicit_bounds: Numbers::new(message, bounds, [Step::new(MESSAGE, 7)]),
            exemplars: Repeated::new(message, exemplars, Step::new(MESSAGE, 8)),
            flags,
        })
    }
}
