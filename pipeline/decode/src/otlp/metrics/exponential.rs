//! Points of histograms with exponential buckets.

use super::exemplar::Exemplars;
use crate::error::DecodeError;
use crate::otlp::any_value::KeyValues;
use crate::wire::{Extent, Field, Nested, Numbers, Repeated, Slice, Step, Varint, View, zigzag};

/// A point of a histogram with exponential buckets. Times are nanoseconds since the epoch, 0 where not known.
#[derive(Debug, Clone, Copy)]
pub struct ExponentialPoint<'a> {
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
    /// How fine the buckets are.
    pub scale: i32,
    /// The greatest magnitude that counts as zero.
    pub zero_threshold: f64,
    /// How many observations count as zero.
    pub zero_count: u64,
    /// Observations above zero.
    pub positive: BucketRun<'a>,
    /// Observations below zero.
    pub negative: BucketRun<'a>,
    /// Examples of the observations.
    pub exemplars: Exemplars<'a>,
    /// See [`super::NO_RECORDED_VALUE`].
    pub flags: u32,
}

/// Neighbouring buckets.
#[derive(Debug, Clone, Copy)]
pub struct BucketRun<'a> {
    /// The index of the first.
    pub offset: i32,
    /// How many observations are in each.
    pub counts: Numbers<'a, Varint, 2>,
}

const MESSAGE: &str = "ExponentialHistogramDataPoint";

impl<'a> BucketRun<'a> {
    /// The buckets in one field of a point, all its occurrences together.
    fn new(message: Slice<'a>, extent: Extent, field: u32) -> Result<Self, DecodeError> {
        const BUCKETS: &str = "Buckets";
        let mut offset = 0;
        for part in Nested::<Slice<'a>, 1>::new(extent.of(message), [Step::new(MESSAGE, field)]) {
            for field in part?.fields(BUCKETS) {
                let field = field?;
                if field.number == 1 {
                    offset = zigzag(u64::from(field.varint()? as u32)) as i32;
                }
            }
        }
        Ok(Self { offset, counts: Numbers::new(message, extent, [Step::new(MESSAGE, field), Step::new(BUCKETS, 2)]) })
    }
}

impl<'a> View<'a> for ExponentialPoint<'a> {
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        let message = field.slice()?;
        let (mut attributes, mut exemplars) = (Extent::default(), Extent::default());
        let (mut positive, mut negative) = (Extent::default(), Extent::default());
        let (mut start_time, mut time, mut count, mut zero_count, mut flags) = (0, 0, 0, 0, 0);
        let (mut sum, mut min, mut max) = (None, None, None);
        let (mut scale, mut zero_threshold) = (0, 0.0);
        for field in message.fields(MESSAGE) {
            let field = field?;
            match field.number {
                1 => attributes.add(&field),
                2 => start_time = field.fixed64()?,
                3 => time = field.fixed64()?,
                4 => count = field.fixed64()?,
                5 => sum = Some(field.double()?),
                6 => scale = zigzag(u64::from(field.varint()? as u32)) as i32,
                7 => zero_count = field.fixed64()?,
                8 => positive.add(&field),
                9 => negative.add(&field),
                10 => flags = field.varint()? as u32,
                11 => exemplars.add(&field),
                12 => min = Some(field.double()?),
                13 => max = Some(field.double()?),
                14 => zero_threshold = field.double()?,
                _ => {}
            }
        }
        Ok(Self {
            attributes: Repeated::new(message, attributes, Step::new(MESSAGE, 1)),
            start_time,
            time,
            count,
            sum,
            min,
            max,
            scale,
            zero_threshold,
            zero_count,
            positive: BucketRun::new(message, positive, 8)?,
            negative: BucketRun::new(message, negative, 9)?,
            exemplars: Repeated::new(message, exemplars, Step::new(MESSAGE, 11)),
            flags,
        })
    }
}
