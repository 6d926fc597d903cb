//! Prometheus remote write 1.0.

use std::ops::Range;

use bytes::Bytes;
use prost::Message;

use crate::series::{Series, value};

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// One sample of each of these series, in snappy's block format.
pub(super) fn body(numbers: Range<usize>, round: usize, at_millis: i64) -> Bytes {
    let timeseries = numbers
        .map(|number| {
            let series = Series::new(number);
            let name = [("__name__", series.metric.as_str())];
            let labels = name.into_iter().chain(series.labels());
            TimeSeries {
                labels: labels.map(|(name, value)| Label { name: name.to_owned(), value: value.to_owned() }).collect(),
                samples: vec![Sample { value: value(number, round), timestamp: at_millis }],
            }
        })
        .collect();
    let request = WriteRequest { timeseries }.encode_to_vec();
    snap::raw::Encoder::new().compress_vec(&request).expect("a batch is far below snappy's 4 GiB").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_decodes_to_its_samples() {
        let body = body(5..8, 2, 1_000);
        let size = snap::raw::decompress_len(&body).expect("a length");
        let mut plain = vec![0; size];
        snap::raw::Decoder::new().decompress(&body, &mut plain).expect("snappy");
        let request = WriteRequest::decode(plain.as_slice()).expect("protobuf");
        assert_eq!(request.timeseries.len(), 3);
        assert_eq!(request.timeseries[1].labels.len(), 8);
        assert_eq!(request.timeseries[1].samples[0], Sample { value: value(6, 2), timestamp: 1_000 });
    }
}
