use flyball_prompb::v2 as proto;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::error::DecodeError;
use crate::native_histogram::tests::{prune_histogram, rebuild_histogram};
use crate::testing::{Schema, numbers, scramble, spoil, spoilings};

static SERIES: Schema = Schema(&[(2, &Schema(&[])), (3, &Schema(&[])), (4, &Schema(&[])), (5, &Schema(&[]))]);
static REQUEST: Schema = Schema(&[(5, &SERIES)]);

fn refs() -> impl Strategy<Value = Vec<u32>> {
    vec(prop_oneof![0..10u32, 0..20_000u32, any::<u32>()], 0..6)
}

fn request() -> impl Strategy<Value = proto::Request> {
    let sample = (any::<u64>(), any::<i64>(), any::<i64>()).prop_map(|(bits, timestamp, start_timestamp)| {
        proto::Sample { value: f64::from_bits(bits), timestamp, start_timestamp }
    });
    let exemplar = (refs(), any::<f64>(), any::<i64>()).prop_map(|(labels_refs, value, timestamp)| proto::Exemplar {
        labels_refs,
        value,
        timestamp,
    });
    let metadata = (0..9i32, any::<u32>(), any::<u32>())
        .prop_map(|(metric_type, help_ref, unit_ref)| proto::Metadata { metric_type, help_ref, unit_ref });
    let histogram = any::<f64>().prop_map(|sum| proto::Histogram { sum, ..Default::default() });
    let series =
        (
            refs(),
            vec(sample, 0..3),
            vec(histogram, 0..3),
            vec(exemplar, 0..3),
            proptest::option::of(metadata),
            any::<i64>(),
        )
            .prop_map(|(labels_refs, samples, histograms, exemplars, metadata, created_timestamp)| {
                proto::TimeSeries { labels_refs, samples, histograms, exemplars, metadata, created_timestamp }
            });
    (vec(vec(any::<u8>(), 0..5), 0..5), vec(series, 0..4)).prop_map(|(mut symbols, timeseries)| {
        symbols.insert(0, Vec::new());
        proto::Request { symbols, timeseries }
    })
}

fn rebuild(body: &[u8]) -> Result<proto::Request, DecodeError> {
    let mut places = SymbolPlaces::default();
    let symbols = places.index(body)?;
    let mut request = proto::Request::default();
    request.symbols.extend((0..symbols.len() as u32).map(|number| symbols.get(number).expect("in the table").to_vec()));
    assert_eq!(symbols.get(symbols.len() as u32), None);
    for series in time_series(body) {
        let series = series?;
        let Metadata { metric_type, help, unit } = series.metadata;
        let sample = |sample: Sample| proto::Sample {
            value: sample.value,
            timestamp: sample.timestamp_ms,
            start_timestamp: sample.start_timestamp_ms,
        };
        let exemplar = |exemplar: Exemplar<'_>| {
            let labels_refs = exemplar.labels.iter().collect::<Result<_, _>>()?;
            Ok(proto::Exemplar { labels_refs, value: exemplar.value, timestamp: exemplar.timestamp_ms })
        };
        request.timeseries.push(proto::TimeSeries {
            labels_refs: series.labels.iter().collect::<Result<_, _>>()?,
            samples: series.samples.iter().map(|read| read.map(sample)).collect::<Result<_, _>>()?,
            histograms: series
                .histograms
                .iter()
                .map(|read| read.and_then(rebuild_histogram))
                .collect::<Result<_, _>>()?,
            exemplars: series.exemplars.iter().map(|read| read.and_then(exemplar)).collect::<Result<_, _>>()?,
            metadata: Some(proto::Metadata { metric_type: metric_type as i32, help_ref: help, unit_ref: unit }),
            created_timestamp: series.created_timestamp_ms,
        });
    }
    Ok(request)
}

/// Takes out what the views do not tell apart.
fn prune(mut request: proto::Request) -> proto::Request {
    for series in &mut request.timeseries {
        series.histograms.iter_mut().for_each(prune_histogram);
        let metadata = series.metadata.get_or_insert_default();
        if !(0..8).contains(&metadata.metric_type) {
            metadata.metric_type = 0;
        }
    }
    request
}

fn check_against_prost(body: &[u8]) -> Result<(), TestCaseError> {
    let walked = rebuild(body);
    if let Ok(expected) = proto::Request::decode(body) {
        if expected.symbols.first().is_none_or(Vec::is_empty) {
            prop_assert_eq!(walked.map(|walked| walked.encode_to_vec()), Ok(prune(expected).encode_to_vec()));
        } else {
            let first = matches!(walked, Err(DecodeError::FirstSymbol { .. }));
            prop_assert!(first);
        }
    }
    Ok(())
}

#[test]
fn references_may_be_packed_in_pieces_or_not_packed() {
    for refs in [
        &[10, 4, 1, 2, 0x83, 1][..],
        &[10, 2, 1, 2, 10, 0, 10, 2, 0x83, 1],
        &[8, 1, 10, 1, 2, 8, 0x83, 1],
        &[8, 1, 8, 2, 8, 0x83, 1],
        &[8, 1, 48, 5, 10, 3, 2, 0x83, 1],
    ] {
        let body = [&[42, refs.len() as u8][..], refs].concat();
        let series = time_series(&body).next().expect("a series").expect("well formed");
        assert_eq!(series.labels.iter().collect::<Result<Vec<_>, _>>(), Ok(vec![1, 2, 131]), "{refs:?}");
    }
}

#[test]
fn broken_references_are_named_with_their_place() {
    for (refs, place, words) in [
        (&[10, 2, 1, 0x80][..], 5, "end inside a number"),
        (&[10, 11, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], 5, "longer than 64 bits"),
        (&[13, 1, 0, 0, 0], 2, "wire type 32-bit instead of varint"),
    ] {
        let body = [&[42, refs.len() as u8][..], refs].concat();
        let series = time_series(&body).next().expect("a series").expect("well formed but for its references");
        let error = series.labels.iter().find_map(Result::err).expect("broken").to_string();
        assert!(error.starts_with(&format!("byte {place}, in TimeSeries")), "{error}");
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn the_first_symbol_is_the_empty_text() {
    let index = |symbols: &[&str]| {
        let symbols = symbols.iter().map(|symbol| symbol.as_bytes().to_vec()).collect();
        let body = proto::Request { symbols, ..Default::default() }.encode_to_vec();
        SymbolPlaces::default().index(&body).map(|symbols| symbols.len())
    };
    assert_eq!(index(&[]), Ok(0));
    assert_eq!(index(&["", "a"]), Ok(2));
    let error = index(&["up", ""]).expect_err("not empty").to_string();
    assert_eq!(
        error,
        "the first symbol is \"up\" and must be the empty text, which references of 0 mean; put it first at the sender"
    );
}

#[test]
fn a_table_of_more_symbols_than_the_bound_is_refused() {
    let body = |symbols| [34u8, 0].repeat(symbols);
    let mut places = SymbolPlaces::default();
    assert_eq!(places.index(&body(SYMBOLS_MAX)).map(|symbols| symbols.len()), Ok(SYMBOLS_MAX));
    let error = places.index(&body(SYMBOLS_MAX + 1)).map(|symbols| symbols.len());
    assert_eq!(error, Err(DecodeError::TooMany { what: "symbols", max: SYMBOLS_MAX }));
}

#[test]
fn symbols_are_those_of_the_last_body_wherever_they_lie_in_it() {
    let mut places = SymbolPlaces::default();
    let series = [42, 0];
    let first = [&[34, 0, 34, 1, b'a'][..], &series, &[34, 1, b'b']].concat();
    let symbols = places.index(&first).expect("well formed");
    assert_eq!([symbols.get(1), symbols.get(2), symbols.get(3)], [Some(&b"a"[..]), Some(b"b"), None]);
    let second = [34, 0];
    let symbols = places.index(&second).expect("well formed");
    assert_eq!((symbols.len(), symbols.get(0), symbols.get(1)), (1, Some(&b""[..]), None));
}

#[test]
fn a_request_of_version_1_is_empty_here() {
    // Field 1 of `prometheus.WriteRequest`, which version 2.0 leaves out on purpose.
    let body = [10, 2, 18, 0];
    assert_eq!(rebuild(&body), Ok(proto::Request::default()));
}

proptest! {
    #[test]
    fn any_message_is_walked_to_the_same_samples(request in request()) {
        let body = request.encode_to_vec();
        prop_assert!(rebuild(&body).is_ok());
        check_against_prost(&body)?;
    }

    #[test]
    fn fields_in_any_order_and_number_are_walked_to_the_same_samples(request in request(), seed: u64) {
        let body = scramble(&request.encode_to_vec(), &REQUEST, &mut numbers(seed));
        prop_assert!(proto::Request::decode(&body[..]).is_ok());
        check_against_prost(&body)?;
    }

    #[test]
    fn spoilt_messages_never_panic(request in request(), spoilings in spoilings()) {
        check_against_prost(&spoil(request.encode_to_vec(), &spoilings))?;
    }

    #[test]
    fn any_bytes_never_panic(body in vec(any::<u8>(), 0..200)) {
        check_against_prost(&body)?;
    }
}
