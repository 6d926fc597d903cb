//! `ExportMetricsServiceRequest`: resource → scope → metric → number data points.

use flyball_model::Temporality;

use super::any_value::{KeyValue, KeyValues};
use crate::error::DecodeError;
use crate::wire::{self, Extent, Field, Nested, Repeated, Slice, Step, View};

/// The bit in [`NumberPoint::flags`] that says: no value was recorded.
pub const NO_RECORDED_VALUE: u32 = 1;

/// The resources of a request.
pub fn resource_metrics(body: &[u8]) -> Nested<'_, ResourceMetrics<'_>, 1> {
    Nested::new(Slice::body(body), [Step::new("ExportMetricsServiceRequest", 1)])
}

/// What one resource sent.
#[derive(Debug, Clone, Copy)]
pub struct ResourceMetrics<'a>(Slice<'a>);

impl<'a> View<'a> for ResourceMetrics<'a> {
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        field.slice().map(Self)
    }
}

impl<'a> ResourceMetrics<'a> {
    /// The resource's attributes.
    pub fn attributes(self) -> Nested<'a, KeyValue<'a>, 2> {
        Nested::new(self.0, [Step::new("ResourceMetrics", 1), Step::new("Resource", 1)])
    }

    /// The metrics of all scopes.
    pub fn metrics(self) -> Nested<'a, Metric<'a>, 2> {
        Nested::new(self.0, [Step::new("ResourceMetrics", 2), Step::new("ScopeMetrics", 2)])
    }
}

/// A metric with its points. Texts are UTF-8 if the sender is honest.
#[derive(Debug, Clone, Copy)]
pub struct Metric<'a> {
    /// The name as sent.
    pub name: &'a [u8],
    /// The description.
    pub description: &'a [u8],
    /// The unit, in UCUM.
    pub unit: &'a [u8],
    /// The points.
    pub data: Data<'a>,
}

/// The points of a metric, by kind.
#[derive(Debug, Clone, Copy)]
pub enum Data<'a> {
    /// Not set.
    None,
    /// A gauge.
    Gauge(NumberPoints<'a>),
    /// A sum.
    Sum {
        /// Its points.
        points: NumberPoints<'a>,
        /// How successive points relate; `None` where the sender does not say (which the protocol forbids).
        temporality: Option<Temporality>,
        /// Whether it only grows.
        monotonic: bool,
    },
    /// A histogram with explicit buckets.
    Histogram {
        /// How many points.
        points: u64,
    },
    /// A histogram with exponential buckets.
    ExponentialHistogram {
        /// How many points.
        points: u64,
    },
    /// A summary.
    Summary {
        /// How many points.
        points: u64,
    },
}

const METRIC: &str = "Metric";
const GAUGE: u32 = 5;
const SUM: u32 = 7;
const HISTOGRAM: u32 = 9;
const EXPONENTIAL_HISTOGRAM: u32 = 10;
const SUMMARY: u32 = 11;

impl<'a> View<'a> for Metric<'a> {
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        let message = field.slice()?;
        let (mut name, mut description, mut unit) = (&[][..], &[][..], &[][..]);
        // The kind that came last, and where its run without another kind in between begins.
        let (mut kind, mut from) = (0, 0);
        for field in message.fields(METRIC) {
            let field = field?;
            match field.number {
                1 => name = field.bytes()?,
                2 => description = field.bytes()?,
                3 => unit = field.bytes()?,
                GAUGE | SUM | HISTOGRAM | EXPONENTIAL_HISTOGRAM | SUMMARY if field.number != kind => {
                    (kind, from) = (field.number, field.start);
                }
                _ => {}
            }
        }
        let data = OneOf { message, kind, from }.data()?;
        Ok(Self { name, description, unit, data })
    }
}

/// Which of the kinds a metric is, and where it is said.
#[derive(Debug, Clone, Copy)]
struct OneOf<'a> {
    message: Slice<'a>,
    kind: u32,
    from: usize,
}

impl<'a> OneOf<'a> {
    fn data(self) -> Result<Data<'a>, DecodeError> {
        Ok(match self.kind {
            GAUGE => Data::Gauge(NumberPoints(self)),
            SUM => {
                let (temporality, monotonic) = self.sum()?;
                Data::Sum { points: NumberPoints(self), temporality, monotonic }
            }
            HISTOGRAM => Data::Histogram { points: self.count("Histogram")? },
            EXPONENTIAL_HISTOGRAM => Data::ExponentialHistogram { points: self.count("ExponentialHistogram")? },
            SUMMARY => Data::Summary { points: self.count("Summary")? },
            _ => Data::None,
        })
    }

    /// The data points, which are field 1 of every kind.
    fn points<T: View<'a>>(self, message: &'static str) -> Nested<'a, T, 2> {
        Nested::since(self.message, [Step::new(METRIC, self.kind), Step::new(message, 1)], self.from)
    }

    fn count(self, message: &'static str) -> Result<u64, DecodeError> {
        wire::count(self.points::<Slice<'a>>(message))
    }

    fn sum(self) -> Result<(Option<Temporality>, bool), DecodeError> {
        let (mut temporality, mut monotonic) = (None, false);
        for part in Nested::<Slice<'a>, 1>::since(self.message, [Step::new(METRIC, SUM)], self.from) {
            for field in part?.fields("Sum") {
                let field = field?;
                match field.number {
                    2 => {
                        temporality = match field.varint()? as i32 {
                            1 => Some(Temporality::Delta),
                            2 => Some(Temporality::Cumulative),
                            _ => None,
                        }
                    }
                    3 => monotonic = field.varint()? != 0,
                    _ => {}
                }
            }
        }
        Ok((temporality, monotonic))
    }
}

/// The points of a gauge or a sum.
#[derive(Debug, Clone, Copy)]
pub struct NumberPoints<'a>(OneOf<'a>);

impl<'a> IntoIterator for NumberPoints<'a> {
    type Item = Result<NumberPoint<'a>, DecodeError>;
    type IntoIter = Nested<'a, NumberPoint<'a>, 2>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.points(if self.0.kind == SUM { "Sum" } else { "Gauge" })
    }
}

/// A point of a gauge or a sum. Times are nanoseconds since the epoch, 0 where not known.
#[derive(Debug, Clone, Copy)]
pub struct NumberPoint<'a> {
    /// What the point is about, beside its resource.
    pub attributes: KeyValues<'a>,
    /// When the sum began.
    pub start_time: u64,
    /// The point's time.
    pub time: u64,
    /// See [`NO_RECORDED_VALUE`].
    pub flags: u32,
    /// The value; `None` where nothing is set.
    pub value: Option<Number>,
}

/// A number as sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A float.
    Double(f64),
    /// An integer.
    Int(i64),
}

impl Number {
    /// The number as a float; integers beyond 2^53 are rounded to the nearest.
    pub const fn as_f64(self) -> f64 {
        match self {
            Number::Double(value) => value,
            Number::Int(value) => value as f64,
        }
    }
}

impl<'a> View<'a> for NumberPoint<'a> {
    #[inline]
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        const MESSAGE: &str = "NumberDataPoint";
        let message = field.slice()?;
        let mut attributes = Extent::default();
        let (mut start_time, mut time, mut flags, mut value) = (0, 0, 0, None);
        for field in message.fields(MESSAGE) {
            let field = field?;
            match field.number {
                2 => start_time = field.fixed64()?,
                3 => time = field.fixed64()?,
                4 => value = Some(Number::Double(field.double()?)),
                6 => value = Some(Number::Int(field.fixed64()? as i64)),
                7 => attributes.add(&field),
                8 => flags = field.varint()? as u32,
                _ => {}
            }
        }
        let attributes = Repeated::new(attributes.of(message), Step::new(MESSAGE, 7));
        Ok(Self { attributes, start_time, time, flags, value })
    }
}

#[cfg(test)]
mod tests;
