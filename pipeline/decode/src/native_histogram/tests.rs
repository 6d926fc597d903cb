use flyball_prompb::histogram as proto;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::testing::{Schema, numbers, scramble, spoil, spoilings};
use crate::wire::{Nested, Slice};

/// A message of histograms: what is walked here is the field of a series.
#[derive(Clone, PartialEq, Message)]
struct Outer {
    #[prost(message, repeated, tag = "1")]
    histograms: Vec<proto::Histogram>,
}

static OUTER: Schema = Schema(&[(1, &Schema(&[(8, &Schema(&[])), (11, &Schema(&[]))]))]);

fn outer() -> impl Strategy<Value = Outer> {
    let count = prop_oneof![any::<u64>().prop_map(proto::Count::Int), any::<f64>().prop_map(proto::Count::Float)];
    let zero_count =
        prop_oneof![any::<u64>().prop_map(proto::ZeroCount::Int), any::<f64>().prop_map(proto::ZeroCount::Float)];
    let side = || {
        let span = (any::<i32>(), any::<u32>()).prop_map(|(offset, length)| proto::BucketSpan { offset, length });
        (vec(span, 0..4), vec(any::<i64>(), 0..5), vec(any::<f64>(), 0..5))
    };
    let totals =
        (proptest::option::of(count), any::<f64>(), any::<i32>(), any::<f64>(), proptest::option::of(zero_count));
    let rest = (0..4i32, any::<i64>(), vec(any::<f64>(), 0..4), any::<i64>());
    let histogram = (totals, side(), side(), rest).prop_map(|(totals, negative, positive, rest)| {
        let (count, sum, schema, zero_threshold, zero_count) = totals;
        let (negative_spans, negative_deltas, negative_counts) = negative;
        let (positive_spans, positive_deltas, positive_counts) = positive;
        let (reset_hint, timestamp, custom_values, start_timestamp) = rest;
        proto::Histogram {
            count,
            sum,
            schema,
            zero_threshold,
            zero_count,
            negative_spans,
            negative_deltas,
            negative_counts,
            positive_spans,
            positive_deltas,
            positive_counts,
            reset_hint,
            timestamp,
            custom_values,
            start_timestamp,
        }
    });
    vec(histogram, 0..3).prop_map(|histograms| Outer { histograms })
}

type Lists = (Vec<proto::BucketSpan>, Vec<i64>, Vec<f64>);

fn rebuild_side(side: Side<'_>) -> Result<Lists, DecodeError> {
    let span = |span: BucketSpan| proto::BucketSpan { offset: span.offset, length: span.length };
    let spans = side.spans.iter().map(|read| read.map(span)).collect::<Result<_, _>>()?;
    Ok((spans, side.deltas.iter().collect::<Result<_, _>>()?, side.counts.iter().collect::<Result<_, _>>()?))
}

/// A view as the message it was read from.
pub(crate) fn rebuild_histogram(read: NativeHistogram<'_>) -> Result<proto::Histogram, DecodeError> {
    let (negative_spans, negative_deltas, negative_counts) = rebuild_side(read.negative)?;
    let (positive_spans, positive_deltas, positive_counts) = rebuild_side(read.positive)?;
    Ok(proto::Histogram {
        count: Some(match read.count {
            Count::Int(count) => proto::Count::Int(count),
            Count::Float(count) => proto::Count::Float(count),
        }),
        sum: read.sum,
        schema: read.schema,
        zero_threshold: read.zero_threshold,
        zero_count: Some(match read.zero_count {
            Count::Int(count) => proto::ZeroCount::Int(count),
            Count::Float(count) => proto::ZeroCount::Float(count),
        }),
        negative_spans,
        negative_deltas,
        negative_counts,
        positive_spans,
        positive_deltas,
        positive_counts,
        reset_hint: match read.reset_hint {
            ResetHint::Unknown => 0,
            ResetHint::Yes => 1,
            ResetHint::No => 2,
            ResetHint::Gauge => 3,
        },
        timestamp: read.timestamp_ms,
        custom_values: read.custom_values.iter().collect::<Result<_, _>>()?,
        start_timestamp: read.start_timestamp_ms,
    })
}

fn rebuild(body: &[u8]) -> Result<Outer, DecodeError> {
    let walk = Nested::<NativeHistogram<'_>, 1>::new(Slice::body(body), [Step::new("Outer", 1)]);
    let histograms = walk.map(|read| rebuild_histogram(read?)).collect::<Result<_, _>>()?;
    Ok(Outer { histograms })
}

/// Takes out what the view does not tell apart.
pub(crate) fn prune_histogram(histogram: &mut proto::Histogram) {
    histogram.count.get_or_insert(proto::Count::Float(0.0));
    histogram.zero_count.get_or_insert(proto::ZeroCount::Float(0.0));
    if !(0..=3).contains(&histogram.reset_hint) {
        histogram.reset_hint = 0;
    }
}

fn prune(mut outer: Outer) -> Outer {
    outer.histograms.iter_mut().for_each(prune_histogram);
    outer
}

/// Both as bytes, since a NaN is not equal to itself.
fn check_against_prost(body: &[u8]) -> Result<(), TestCaseError> {
    let walked = rebuild(body);
    if let Ok(expected) = Outer::decode(body) {
        prop_assert_eq!(walked.map(|walked| walked.encode_to_vec()), Ok(prune(expected).encode_to_vec()));
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_histogram_is_walked_to_the_same_values(outer in outer()) {
        let body = outer.encode_to_vec();
        prop_assert!(rebuild(&body).is_ok());
        check_against_prost(&body)?;
    }

    #[test]
    fn fields_in_any_order_and_number_are_walked_to_the_same_values(outer in outer(), seed: u64) {
        check_against_prost(&scramble(&outer.encode_to_vec(), &OUTER, &mut numbers(seed)))?;
    }

    #[test]
    fn spoilt_messages_never_panic(outer in outer(), spoilings in spoilings()) {
        check_against_prost(&spoil(outer.encode_to_vec(), &spoilings))?;
    }
}
