//! `prometheus.WriteRequest`, remote write 1.0: series with their samples, and metadata of metric families.

use crate::error::DecodeError;
use crate::native_histogram::NativeHistogram;
use crate::wire::{Extent, Field, Nested, Repeated, Slice, Step, View, varint};

const WRITE_REQUEST: &str = "WriteRequest";

/// The series of a request.
pub fn time_series(body: &[u8]) -> Nested<'_, TimeSeries<'_>, 1> {
    Nested::new(Slice::body(body), [Step::new(WRITE_REQUEST, 1)])
}

/// The metadata of a request.
pub fn metadata(body: &[u8]) -> Nested<'_, Metadata<'_>, 1> {
    Nested::new(Slice::body(body), [Step::new(WRITE_REQUEST, 3)])
}

/// The labels of a series.
pub type Labels<'a> = Repeated<'a, Label<'a>>;

/// A series with its samples.
#[derive(Debug, Clone, Copy)]
pub struct TimeSeries<'a> {
    /// The labels, `__name__` among them, in the sender's order.
    pub labels: Labels<'a>,
    /// The samples.
    pub samples: Repeated<'a, Sample>,
    /// Examples of what went into the samples or histograms.
    pub exemplars: Repeated<'a, Exemplar<'a>>,
    /// The native histograms.
    pub histograms: Repeated<'a, NativeHistogram<'a>>,
}

impl<'a> View<'a> for TimeSeries<'a> {
    #[inline]
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        const MESSAGE: &str = "TimeSeries";
        let message = field.slice()?;
        let mut exemplars = Extent::default();
        let (mut labels, mut samples, mut histograms) = (Extent::default(), Extent::default(), Extent::default());
        let mut fields = message.fields(MESSAGE);
        while let Some(field) = fields.next() {
            let field = field?;
            match field.number {
                1 => {
                    labels.add(&field);
                    labels.join(fields.run(1));
                }
                2 => samples.add(&field),
                3 => exemplars.add(&field),
                4 => histograms.add(&field),
                _ => {}
            }
        }
        Ok(Self {
            labels: Repeated::new(message, labels, Step::new(MESSAGE, 1)),
            samples: Repeated::new(message, samples, Step::new(MESSAGE, 2)),
            exemplars: Repeated::new(message, exemplars, Step::new(MESSAGE, 3)),
            histograms: Repeated::new(message, histograms, Step::new(MESSAGE, 4)),
        })
    }
}

/// A label; UTF-8 if the sender is honest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label<'a> {
    /// The name.
    pub name: &'a [u8],
    /// The value.
    pub value: &'a [u8],
}

impl<'a> View<'a> for Label<'a> {
    #[inline]
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        let (mut name, mut value) = (&[][..], &[][..]);
        for field in field.slice()?.fields("Label") {
            let field = field?;
            match field.number {
                1 => name = field.bytes()?,
                2 => value = field.bytes()?,
                _ => {}
            }
        }
        Ok(Self { name, value })
    }
}

/// A sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// The value; a NaN keeps its bits.
    pub value: f64,
    /// Milliseconds since the epoch.
    pub timestamp_ms: i64,
}

impl<'a> View<'a> for Sample {
    #[inline]
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        let message = field.slice()?;
        if let Some((value, timestamp_ms)) = value_and_time(message.bytes()) {
            return Ok(Sample { value, timestamp_ms });
        }
        let mut sample = Sample { value: 0.0, timestamp_ms: 0 };
        for field in message.fields("Sample") {
            let field = field?;
            match field.number {
                1 => sample.value = field.double()?,
                2 => sample.timestamp_ms = field.varint()? as i64,
                _ => {}
            }
        }
        Ok(sample)
    }
}

/// An exemplar.
#[derive(Debug, Clone, Copy)]
pub struct Exemplar<'a> {
    /// Its own labels, `trace_id` among them.
    pub labels: Labels<'a>,
    /// The value; a NaN keeps its bits.
    pub value: f64,
    /// Milliseconds since the epoch; 0 if not said.
    pub timestamp_ms: i64,
}

impl<'a> View<'a> for Exemplar<'a> {
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        const MESSAGE: &str = "Exemplar";
        let message = field.slice()?;
        let (mut labels, mut value, mut timestamp_ms) = (Extent::default(), 0.0, 0);
        for field in message.fields(MESSAGE) {
            let field = field?;
            match field.number {
                1 => labels.add(&field),
                2 => value = field.double()?,
                3 => timestamp_ms = field.varint()? as i64,
                _ => {}
            }
        }
        Ok(Self { labels: Repeated::new(message, labels, Step::new(MESSAGE, 1)), value, timestamp_ms })
    }
}

/// A sample as every sender writes it, in both versions: first the value, then the time, and nothing else.
#[inline]
pub(crate) fn value_and_time(sample: &[u8]) -> Option<(f64, i64)> {
    let (&[0x09, b0, b1, b2, b3, b4, b5, b6, b7, 0x10], time) = sample.split_first_chunk()? else { return None };
    let (timestamp_ms, length) = varint(time).ok()?;
    let value = f64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]);
    (length == time.len()).then_some((value, timestamp_ms as i64))
}

/// What is known of a metric family. Texts are UTF-8 if the sender is honest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata<'a> {
    /// What its values mean.
    pub metric_type: MetricType,
    /// The family's name: a counter's without `_total` where the exposition was OpenMetrics.
    pub family: &'a [u8],
    /// The description.
    pub help: &'a [u8],
    /// The unit.
    pub unit: &'a [u8],
}

/// `prometheus.MetricMetadata.MetricType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricType {
    /// Not known, or a number that is not in the schema.
    Unknown,
    /// A counter.
    Counter,
    /// A gauge.
    Gauge,
    /// A classic or native histogram.
    Histogram,
    /// A histogram whose buckets may shrink.
    GaugeHistogram,
    /// A summary.
    Summary,
    /// A gauge of 1 that carries labels.
    Info,
    /// Gauges of 0 or 1, a state each.
    StateSet,
}

impl MetricType {
    /// From the number in the schema, which is the same in remote write 2.0.
    pub(crate) const fn from_number(number: i32) -> Self {
        match number {
            1 => MetricType::Counter,
            2 => MetricType::Gauge,
            3 => MetricType::Histogram,
            4 => MetricType::GaugeHistogram,
            5 => MetricType::Summary,
            6 => MetricType::Info,
            7 => MetricType::StateSet,
            _ => MetricType::Unknown,
        }
    }
}

impl<'a> View<'a> for Metadata<'a> {
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        let mut metadata = Metadata { metric_type: MetricType::Unknown, family: &[], help: &[], unit: &[] };
        for field in field.slice()?.fields("MetricMetadata") {
            let field = field?;
            match field.number {
                1 => {
                    metadata.metric_type = MetricType::from_number(field.varint()? as i32);
                }
                2 => metadata.family = field.bytes()?,
                4 => metadata.help = field.bytes()?,
                5 => metadata.unit = field.bytes()?,
                _ => {}
            }
        }
        Ok(metadata)
    }
}

#[cfg(test)]
mod tests;
