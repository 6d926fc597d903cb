//! A series with all that is said of it.

use super::refs::{Reference, References};
use crate::error::DecodeError;
use crate::native_histogram::NativeHistogram;
use crate::remote_write::{MetricType, value_and_time};
use crate::wire::{Extent, Field, Repeated, Step, View};

/// A series with its samples or histograms.
#[derive(Debug, Clone, Copy)]
pub struct TimeSeries<'a> {
    /// The labels, `__name__` among them: name, value, name, value, ….
    pub labels: References<'a>,
    /// The samples.
    pub samples: Repeated<'a, Sample>,
    /// The native histograms.
    pub histograms: Repeated<'a, NativeHistogram<'a>>,
    /// Examples of what went into either.
    pub exemplars: Repeated<'a, Exemplar<'a>>,
    /// What is said of the metric.
    pub metadata: Metadata,
    /// When the series began to count, in milliseconds since the epoch; 0 if not said. Where it stood until 2.0-rc.3: later
    /// senders say it with each sample.
    pub created_timestamp_ms: i64,
}

impl<'a> View<'a> for TimeSeries<'a> {
    #[inline]
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        const MESSAGE: &str = "TimeSeries";
        let message = field.slice()?;
        let mut labels = References::empty(MESSAGE, 1);
        let (mut samples, mut histograms, mut exemplars) = (Extent::default(), Extent::default(), Extent::default());
        let mut metadata = Metadata::default();
        let mut created_timestamp_ms = 0;
        for field in message.fields(MESSAGE) {
            let field = field?;
            match field.number {
                1 => labels.add(&field, message),
                2 => samples.add(&field),
                3 => histograms.add(&field),
                4 => exemplars.add(&field),
                5 => metadata.merge(field)?,
                6 => created_timestamp_ms = field.varint()? as i64,
                _ => {}
            }
        }
        Ok(Self {
            labels,
            samples: Repeated::new(message, samples, Step::new(MESSAGE, 2)),
            histograms: Repeated::new(message, histograms, Step::new(MESSAGE, 3)),
            exemplars: Repeated::new(message, exemplars, Step::new(MESSAGE, 4)),
            metadata,
            created_timestamp_ms,
        })
    }
}

/// A sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// The value; a NaN keeps its bits.
    pub value: f64,
    /// Milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// When the series began to count, in milliseconds since the epoch; 0 if not said.
    pub start_timestamp_ms: i64,
}

impl<'a> View<'a> for Sample {
    #[inline]
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        let message = field.slice()?;
        if let Some((value, timestamp_ms)) = value_and_time(message.bytes()) {
            return Ok(Sample { value, timestamp_ms, start_timestamp_ms: 0 });
        }
        let mut sample = Sample { value: 0.0, timestamp_ms: 0, start_timestamp_ms: 0 };
        for field in message.fields("Sample") {
            let field = field?;
            match field.number {
                1 => sample.value = field.double()?,
                2 => sample.timestamp_ms = field.varint()? as i64,
                3 => sample.start_timestamp_ms = field.varint()? as i64,
                _ => {}
            }
        }
        Ok(sample)
    }
}

/// An exemplar.
#[derive(Debug, Clone, Copy)]
pub struct Exemplar<'a> {
    /// Its own labels, `trace_id` among them: name, value, name, value, ….
    pub labels: References<'a>,
    /// The value; a NaN keeps its bits.
    pub value: f64,
    /// Milliseconds since the epoch; 0 if not said.
    pub timestamp_ms: i64,
}

impl<'a> View<'a> for Exemplar<'a> {
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        const MESSAGE: &str = "Exemplar";
        let message = field.slice()?;
        let mut exemplar = Self { labels: References::empty(MESSAGE, 1), value: 0.0, timestamp_ms: 0 };
        for field in message.fields(MESSAGE) {
            let field = field?;
            match field.number {
                1 => exemplar.labels.add(&field, message),
                2 => exemplar.value = field.double()?,
                3 => exemplar.timestamp_ms = field.varint()? as i64,
                _ => {}
            }
        }
        Ok(exemplar)
    }
}

/// What is said of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// What its values mean.
    pub metric_type: MetricType,
    /// The description; 0 is none.
    pub help: Reference,
    /// The unit; 0 is none.
    pub unit: Reference,
}

impl Default for Metadata {
    fn default() -> Self {
        Self { metric_type: MetricType::Unknown, help: 0, unit: 0 }
    }
}

impl Metadata {
    /// Takes one occurrence of the message in: two of them are one message, and the last of each field counts.
    #[inline]
    fn merge(&mut self, field: Field<'_>) -> Result<(), DecodeError> {
        for field in field.slice()?.fields("Metadata") {
            let field = field?;
            match field.number {
                1 => self.metric_type = MetricType::from_number(field.varint()? as i32),
                3 => self.help = field.varint()? as u32,
                4 => self.unit = field.varint()? as u32,
                _ => {}
            }
        }
        Ok(())
    }
}
