//! The records of the series journal as bytes.

use flyball_model::series::{LabelView, RegistryView};
use flyball_model::{MetricInfo, MetricRef, SeriesRef, UnixNanos};

const METRIC: u8 = 1;
const SERIES: u8 = 2;

/// A record, borrowed from a frame.
#[derive(Debug, PartialEq)]
pub(super) enum Record<'a> {
    /// A metric, new or with new information.
    Metric { number: MetricRef, name: &'a str, info: MetricInfo },
    /// A new series. Its number is the count of series records before it.
    Series { metric: MetricRef, first_at: UnixNanos, labels: Vec<(&'a str, &'a str)> },
}

pub(super) fn encode_metric(view: &RegistryView<'_>, metric: MetricRef, out: &mut Vec<u8>) {
    out.push(METRIC);
    out.extend(metric.0.to_le_bytes());
    text(view.metric_name(metric), out);
    let info = serde_json::to_string(view.info(metric)).expect("strings, enums and booleans always have a JSON form");
    text(&info, out);
}

pub(super) fn encode_series(view: &LabelView<'_>, series: SeriesRef, out: &mut Vec<u8>) {
    out.push(SERIES);
    out.extend(view.metric_of(series).0.to_le_bytes());
    out.extend(view.first_at(series).0.to_le_bytes());
    let labels =
        u16::try_from(view.label_symbols(series).len()).expect("limits.labels keeps label sets far below 65,536");
    out.extend(labels.to_le_bytes());
    for (name, value) in view.labels(series) {
        text(name, out);
        text(value, out);
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.extend(u32::try_from(text.len()).expect("names and values are capped far below 4 GiB").to_le_bytes());
    out.extend(text.as_bytes());
}

/// Reads a frame's body record by record.
pub(super) struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// Bytes that are not read yet.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next record, `None` at the end.
    ///
    /// # Errors
    /// Says what does not fit; the checksum was good, so the writer was wrong.
    pub(super) fn next(&mut self) -> Result<Option<Record<'a>>, String> {
        let Some((&kind, rest)) = self.rest.split_first() else { return Ok(None) };
        self.rest = rest;
        let metric = MetricRef(u32::from_le_bytes(self.take()?));
        let record = match kind {
            METRIC => {
                let name = self.text()?;
                let info = serde_json::from_str(self.text()?).map_err(|error| format!("metric '{name}': {error}"))?;
                Record::Metric { number: metric, name, info }
            }
            SERIES => {
                let first_at = UnixNanos(i64::from_le_bytes(self.take()?));
                let labels = (0..u16::from_le_bytes(self.take()?))
                    .map(|_| Ok((self.text()?, self.text()?)))
                    .collect::<Result<Vec<_>, String>>()?;
                Record::Series { metric, first_at, labels }
            }
            other => return Err(format!("a record has the unknown kind {other}")),
        };
        Ok(Some(record))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or("a record is cut off")?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn text(&mut self) -> Result<&'a str, String> {
        let length = u32::from_le_bytes(self.take()?) as usize;
        let (text, rest) = self.rest.split_at_checked(length).ok_or("a text is cut off")?;
        self.rest = rest;
        std::str::from_utf8(text).map_err(|_| "a text is not UTF-8".to_owned())
    }
}
