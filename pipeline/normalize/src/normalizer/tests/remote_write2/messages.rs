//! Requests as senders make them: texts go into a table of symbols, each once.

pub(in super::super) use flyball_prompb::v2 as proto;
use prost::Message;

use super::NOW_MS;

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
            metric_type: *metric_type,
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
