//! `ExportMetricsServiceRequest`: resource → scope → metric → data points.

mod exemplar;
mod exponential;
mod histogram;
mod summary;

use std::marker::PhantomData;

use flyball_model::Temporality;

pub use exemplar::{Exemplar, Exemplars};
pub use exponential::{BucketRun, ExponentialPoint};
pub use histogram::HistogramPoint;
pub use summary::{SummaryPoint, ValueAtQuantile};

use super::any_value::{KeyValue, KeyValues};
use crate::error::DecodeError;
use crate::wire::{Extent, Field, Nested, Repeated, Slice, Step, View};

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
    /// The bytes of the resource: the same for the same resource, if its sender keeps its order. `None` where they lie in pieces.
    ///
    /// # Errors
    /// When the bytes are not such a message.
    pub fn resource_raw(self) -> Result<Option<&'a [u8]>, DecodeError> {
        let mut extent = Extent::default();
        for field in self.0.fields("ResourceMetrics") {
            let field = field?;
            if field.number == 1 {
                extent.add(&field);
            }
        }
        Ok(Repeated::<Slice<'a>>::new(self.0, extent, Step::new("ResourceMetrics", 1)).raw())
    }

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
        /// Its points.
        points: Points<'a, HistogramPoint<'a>>,
        /// How successive points relate; `None` where the sender does not say.
        temporality: Option<Temporality>,
    },
    /// A histogram with exponential buckets.
    ExponentialHistogram {
        /// Its points.
        points: Points<'a, ExponentialPoint<'a>>,
        /// How successive points relate; `None` where the sender does not say.
        temporality: Option<Temporality>,
    },
    /// A summary.
    Summary {
        /// Its points.
        points: Points<'a, SummaryPoint<'a>>,
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
                let (temporality, monotonic) = self.aggregation()?;
                Data::Sum { points: NumberPoints(self), temporality, monotonic }
            }
            HISTOGRAM => {
                let (temporality, _) = self.aggregation()?;
                Data::Histogram { points: Points::new(self), temporality }
            }
            EXPONENTIAL_HISTOGRAM => {
                let (temporality, _) = self.aggregation()?;
                Data::ExponentialHistogram { points: Points::new(self), temporality }
            }
            SUMMARY => Data::Summary { points: Points::new(self) },
            _ => Data::None,
        })
    }

    /// The name of the kind's message.
    const fn name(self) -> &'static str {
        match self.kind {
            GAUGE => "Gauge",
            SUM => "Sum",
            HISTOGRAM => "Histogram",
            EXPONENTIAL_HISTOGRAM => "ExponentialHistogram",
            _ => "Summary",
        }
    }

    /// The data points, which are field 1 of every kind.
    fn points<T: View<'a>>(self) -> Nested<'a, T, 2> {
        Nested::since(self.message, [Step::new(METRIC, self.kind), Step::new(self.name(), 1)], self.from)
    }

    /// How points of a sum or a histogram relate, which is field 2 of all of them, and whether a sum only grows.
    fn aggregation(self) -> Result<(Option<Temporality>, bool), DecodeError> {
        let (mut temporality, mut monotonic) = (None, false);
        for part in Nested::<Slice<'a>, 1>::since(self.message, [Step::new(METRIC, self.kind)], self.from) {
            for field in part?.fields(self.name()) {
                let field = field?;
                match field.number {
                    2 => {
                        temporality = match field.varint()? as i32 {
                            1 => Some(Temporality::Delta),
                            2 => Some(Temporality::Cumulative),
                            _ => None,
                        }
                    }
                    3 if self.kind == SUM => monotonic = field.varint()? != 0,
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
        self.0.points()
    }
}

/// The points of a histogram or a summary.
#[derive(Debug, Clone, Copy)]
pub struct Points<'a, T> {
    of: OneOf<'a>,
    view: PhantomData<fn() -> T>,
}

impl<'a, T> Points<'a, T> {
    const fn new(of: OneOf<'a>) -> Self {
        Self { of, view: PhantomData }
    }
}

impl<'a, T: View<'a>> IntoIterator for Points<'a, T> {
    type Item = Result<T, DecodeError>;
    type IntoIter = Nested<'a, T, 2>;

    fn into_iter(self) -> Self::IntoIter {
        self.of.points()
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
    /// Examples of what went into it.
    pub exemplars: Exemplars<'a>,
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
        let (mut attributes, mut exemplars) = (Extent::default(), Extent::default());
        let (mut start_time, mut time, mut flags, mut value) = (0, 0, 0, None);
        let mut fields = message.fields(MESSAGE);
        while let Some(field) = fields.next() {
            let field = field?;
            match field.number {
                2 => start_time = field.fixed64()?,
                3 => time = field.fixed64()?,
                4 => value = Some(Number::Double(field.double()?)),
                5 => exemplars.add(&field),
                6 => value = Some(Number::Int(field.fixed64()? as i64)),
                7 => {
                    attributes.add(&field);
                    attributes.join(fields.run(7));
                }
                8 => flags = field.varint()? as u32,
                _ => {}
            }
        }
        let attributes = Repeated::new(message, attributes, Step::new(MESSAGE, 7));
        let exemplars = Repeated::new(message, exemplars, Step::new(MESSAGE, 5));
        Ok(Self { attributes, start_time, time, flags, value, exemplars })
    }
}

#[cfg(test)]
mod tests;
