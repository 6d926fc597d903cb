//! Requests as senders make them: texts go into a table of symbols, each once.

use prost::Message;

use super::NOW_MS;

pub(in super::super) mod proto {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Request {
        #[prost(bytes = "vec", repeated, tag = "4")]
        pub(crate) symbols: Vec<Vec<u8>>,
        #[prost(message, repeated, tag = "5")]
        pub(crate) timeseries: Vec<TimeSeries>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct TimeSeries {
        #[prost(uint32, repeated, tag = "1")]
        pub(crate) labels_refs: Vec<u32>,
        #[prost(message, repeated, tag = "2")]
        pub(crate) samples: Vec<Sample>,
        #[prost(message, repeated, tag = "3")]
        pub(crate) histograms: Vec<Histogram>,
        #[prost(message, repeated, tag = "4")]
        pub(crate) exemplars: Vec<Exemplar>,
        #[prost(message, optional, tag = "5")]
        pub(crate) metadata: Option<Metadata>,
        #[prost(int64, tag = "6")]
        pub(crate) created_timestamp: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Sample {
        #[prost(double, tag = "1")]
        pub(crate) value: f64,
        #[prost(int64, tag = "2")]
        pub(crate) timestamp: i64,
        #[prost(int64, tag = "3")]
        pub(crate) start_timestamp: i64,
    }

    /// An integer histogram; the fields of a float one are left out.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Histogram {
        #[prost(uint64, optional, tag = "1")]
        pub(crate) count_int: Option<u64>,
        #[prost(double, tag = "3")]
        pub(crate) sum: f64,
        #[prost(sint32, tag = "4")]
        pub(crate) schema: i32,
        #[prost(uint64, optional, tag = "6")]
        pub(crate) zero_count_int: Option<u64>,
        #[prost(message, repeated, tag = "8")]
        pub(crate) negative_spans: Vec<Span>,
        #[prost(sint64, repeated, tag = "9")]
        pub(crate) negative_deltas: Vec<i64>,
        #[prost(message, repeated, tag = "11")]
        pub(crate) positive_spans: Vec<Span>,
        #[prost(sint64, repeated, tag = "12")]
        pub(crate) positive_deltas: Vec<i64>,
        #[prost(int64, tag = "15")]
        pub(crate) timestamp: i64,
        #[prost(double, repeated, tag = "16")]
        pub(crate) custom_values: Vec<f64>,
        #[prost(int64, tag = "17")]
        pub(crate) start_timestamp: i64,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub(crate) struct Span {
        #[prost(sint32, tag = "1")]
        pub(crate) offset: i32,
        #[prost(uint32, tag = "2")]
        pub(crate) length: u32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Exemplar {
        #[prost(uint32, repeated, tag = "1")]
        pub(crate) labels_refs: Vec<u32>,
        #[prost(double, tag = "2")]
        pub(crate) value: f64,
        #[prost(int64, tag = "3")]
        pub(crate) timestamp: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Metadata {
        #[prost(int32, tag = "1")]
        pub(crate) r#type: i32,
        #[prost(uint32, tag = "3")]
        pub(crate) help_ref: u32,
        #[prost(uint32, tag = "4")]
        pub(crate) unit_ref: u32,
    }
}

type Labels = Vec<(String, String)>;

/// A series to send.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Sent {
    pub(super) labels: Labels,
    /// Milliseconds after now, and values.
    pub(super) samples: Vec<(i64, f64)>,
    pub(super) histograms: Vec<proto::Histogram>,
    /// Labels, milliseconds after now (`None`: not said), values.
    pub(super) exemplars: Vec<(Labels, Option<i64>, f64)>,
    /// Type, help, unit.
    pub(super) metadata: Option<(i32, String, String)>,
    pub(super) created_timestamp: i64,
}

fn owned(labels: &[(&str, &str)]) -> Labels {
    labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

impl Sent {
    pub(in super::super) fn new(labels: &[(&str, &str)]) -> Self {
        Self { labels: owned(labels), ..Self::default() }
    }

    pub(in super::super) fn sample(mut self, after_ms: i64, value: f64) -> Self {
        self.samples.push((after_ms, value));
        self
    }

    pub(in super::super) fn histogram(mut self, histogram: proto::Histogram) -> Self {
        self.histograms.push(proto::Histogram { timestamp: NOW_MS, ..histogram });
        self
    }

    pub(in super::super) fn exemplar(mut self, labels: &[(&str, &str)], after_ms: Option<i64>, value: f64) -> Self {
        self.exemplars.push((owned(labels), after_ms, value));
        self
    }

    pub(in super::super) fn metadata(mut self, metric_type: i32, help: &str, unit: &str) -> Self {
        self.metadata = Some((metric_type, help.to_owned(), unit.to_owned()));
        self
    }
}

/// The table of symbols in the making.
#[derive(Debug)]
pub(super) struct Table(pub(super) Vec<Vec<u8>>);

impl Table {
    pub(in super::super) fn reference(&mut self, text: &str) -> u32 {
        let place = self.0.iter().position(|symbol| symbol == text.as_bytes()).unwrap_or_else(|| {
            self.0.push(text.into());
            self.0.len() - 1
        });
        place as u32
    }

    fn references(&mut self, labels: &[(String, String)]) -> Vec<u32> {
        labels.iter().flat_map(|(name, value)| [self.reference(name), self.reference(value)]).collect()
    }
}

/// The message of some series.
pub(in super::super) fn message(series: &[Sent]) -> proto::Request {
    let mut table = Table(vec![Vec::new()]);
    let timeseries = series.iter().map(|series| proto::TimeSeries {
        labels_refs: table.references(&series.labels),
        samples: (series.samples.iter())
            .map(|&(after, value)| proto::Sample { value, timestamp: NOW_MS.saturating_add(after), start_timestamp: 0 })
            .collect(),
        histograms: series.histograms.clone(),
        exemplars: (series.exemplars.iter())
            .map(|(labels, after, value)| proto::Exemplar {
                labels_refs: table.references(labels),
                value: *value,
                timestamp: after.map_or(0, |after| NOW_MS.saturating_add(after)),
            })
            .collect(),
        metadata: series.metadata.as_ref().map(|(metric_type, help, unit)| proto::Metadata {
            r#type: *metric_type,
            help_ref: table.reference(help),
            unit_ref: table.reference(unit),
        }),
        created_timestamp: series.created_timestamp,
    });
    let timeseries = timeseries.collect();
    proto::Request { symbols: table.0, timeseries }
}

/// The body of some series.
pub(in super::super) fn request(series: &[Sent]) -> Vec<u8> {
    message(series).encode_to_vec()
}
