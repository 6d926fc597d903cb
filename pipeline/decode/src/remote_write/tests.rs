use flyball_prompb::v1 as proto;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::native_histogram::tests::{prune_histogram, rebuild_histogram};
use crate::testing::{Schema, numbers, scramble, spoil, spoilings};

static REQUEST: Schema = Schema(&[
    (1, &Schema(&[(1, &Schema(&[])), (2, &Schema(&[])), (3, &Schema(&[(1, &Schema(&[]))]))])),
    (3, &Schema(&[])),
]);

fn text() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<char>(), 0..6).prop_map(|text| String::from_iter(text).into_bytes())
}

fn labels() -> impl Strategy<Value = Vec<proto::Label>> {
    vec((text(), text()).prop_map(|(name, value)| proto::Label { name, value }), 0..5)
}

fn write_request() -> impl Strategy<Value = proto::WriteRequest> {
    let sample = (any::<u64>(), any::<i64>())
        .prop_map(|(bits, timestamp)| proto::Sample { value: f64::from_bits(bits), timestamp });
    let exemplar = (labels(), any::<f64>(), any::<i64>()).prop_map(|(labels, value, timestamp)| proto::Exemplar {
        labels,
        value,
        timestamp,
    });
    let histogram = any::<f64>().prop_map(|sum| proto::Histogram { sum, ..Default::default() });
    let series = (labels(), vec(sample, 0..4), vec(exemplar, 0..2), vec(histogram, 0..3)).prop_map(
        |(labels, samples, exemplars, histograms)| proto::TimeSeries { labels, samples, exemplars, histograms },
    );
    let metadata = (0..9i32, text(), text(), text()).prop_map(|(metric_type, metric_family_name, help, unit)| {
        proto::MetricMetadata { metric_type, metric_family_name, help, unit }
    });
    (vec(series, 0..5), vec(metadata, 0..4))
        .prop_map(|(timeseries, metadata)| proto::WriteRequest { timeseries, metadata })
}

/// All views of a request as the message they were read from.
fn rebuild(body: &[u8]) -> Result<proto::WriteRequest, DecodeError> {
    let mut request = proto::WriteRequest::default();
    for series in time_series(body) {
        let series = series?;
        let label = |label: Label<'_>| proto::Label { name: label.name.to_vec(), value: label.value.to_vec() };
        let sample = |sample: Sample| proto::Sample { value: sample.value, timestamp: sample.timestamp_ms };
        let exemplar = |exemplar: Exemplar<'_>| {
            let labels = exemplar.labels.iter().map(|read| read.map(label)).collect::<Result<_, _>>()?;
            Ok(proto::Exemplar { labels, value: exemplar.value, timestamp: exemplar.timestamp_ms })
        };
        request.timeseries.push(proto::TimeSeries {
            labels: series.labels.iter().map(|read| read.map(label)).collect::<Result<_, _>>()?,
            samples: series.samples.iter().map(|read| read.map(sample)).collect::<Result<_, _>>()?,
            exemplars: series.exemplars.iter().map(|read| read.and_then(exemplar)).collect::<Result<_, _>>()?,
            histograms: series
                .histograms
                .iter()
                .map(|read| read.and_then(rebuild_histogram))
                .collect::<Result<_, _>>()?,
        });
    }
    for metadata in metadata(body) {
        let metadata = metadata?;
        request.metadata.push(proto::MetricMetadata {
            metric_type: metadata.metric_type as i32,
            metric_family_name: metadata.family.to_vec(),
            help: metadata.help.to_vec(),
            unit: metadata.unit.to_vec(),
        });
    }
    Ok(request)
}

/// Takes out what the views do not show.
fn prune(mut request: proto::WriteRequest) -> proto::WriteRequest {
    for series in &mut request.timeseries {
        series.histograms.iter_mut().for_each(prune_histogram);
    }
    for metadata in &mut request.metadata {
        if !(0..8).contains(&metadata.metric_type) {
            metadata.metric_type = 0;
        }
    }
    request
}

fn check_against_prost(body: &[u8]) -> Result<(), TestCaseError> {
    let walked = rebuild(body);
    if let Ok(expected) = proto::WriteRequest::decode(body) {
        prop_assert_eq!(walked.map(|walked| walked.encode_to_vec()), Ok(prune(expected).encode_to_vec()));
    }
    Ok(())
}

#[test]
fn the_raw_labels_of_a_series_do_not_depend_on_its_samples() {
    let request = |value| {
        let labels = proto::labels([("__name__", "m")]);
        let samples = vec![proto::Sample { value, timestamp: 1 }];
        let series = proto::TimeSeries { labels, samples, ..Default::default() };
        proto::WriteRequest { timeseries: vec![series], ..Default::default() }.encode_to_vec()
    };
    let raw =
        |body: &[u8]| time_series(body).next().map(|series| series.expect("valid").labels.raw().map(<[u8]>::to_vec));
    assert_eq!(raw(&request(1.0)), raw(&request(2.0)));
}

proptest! {
    #[test]
    fn any_message_is_walked_to_the_same_samples(request in write_request()) {
        let body = request.encode_to_vec();
        prop_assert!(rebuild(&body).is_ok());
        check_against_prost(&body)?;
    }

    #[test]
    fn fields_in_any_order_and_number_are_walked_to_the_same_samples(request in write_request(), seed: u64) {
        let body = scramble(&request.encode_to_vec(), &REQUEST, &mut numbers(seed));
        prop_assert!(proto::WriteRequest::decode(&body[..]).is_ok());
        check_against_prost(&body)?;
    }

    #[test]
    fn spoilt_messages_never_panic(request in write_request(), spoilings in spoilings()) {
        check_against_prost(&spoil(request.encode_to_vec(), &spoilings))?;
    }

    #[test]
    fn any_bytes_never_panic(body in vec(any::<u8>(), 0..200)) {
        check_against_prost(&body)?;
    }
}
