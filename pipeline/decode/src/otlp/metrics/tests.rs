use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1 as proto;
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use prost::Message;
use proto::exponential_histogram_data_point::Buckets;
use proto::metric::Data as ProtoData;
use proto::number_data_point::Value;

use super::*;
use crate::otlp::any_value::tests::{prune_pairs, rebuild_pairs};
use crate::testing::{self, KEY_VALUE, Schema, numbers, scramble, spoil, spoilings};

static EXEMPLAR: Schema = Schema(&[(7, &KEY_VALUE)]);
static POINTS: Schema = Schema(&[(1, &Schema(&[(5, &EXEMPLAR), (7, &KEY_VALUE)]))]);
static HISTOGRAMS: Schema = Schema(&[(1, &Schema(&[(8, &EXEMPLAR), (9, &KEY_VALUE)]))]);
static EXPONENTIALS: Schema =
    Schema(&[(1, &Schema(&[(1, &KEY_VALUE), (8, &Schema(&[])), (9, &Schema(&[])), (11, &EXEMPLAR)]))]);
static SUMMARIES: Schema = Schema(&[(1, &Schema(&[(6, &Schema(&[])), (7, &KEY_VALUE)]))]);
static METRICS: Schema =
    Schema(&[(2, &Schema(&[(5, &POINTS), (7, &POINTS), (9, &HISTOGRAMS), (10, &EXPONENTIALS), (11, &SUMMARIES)]))]);
static REQUEST: Schema = Schema(&[(1, &Schema(&[(1, &Schema(&[(1, &KEY_VALUE)])), (2, &METRICS)]))]);

/// All views of a request as the message they were read from, in one scope per resource.
fn rebuild(body: &[u8]) -> Result<ExportMetricsServiceRequest, DecodeError> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut resources = Vec::new();
    for resource in resource_metrics(body) {
        let resource = resource?;
        let mut metrics = Vec::new();
        for metric in resource.metrics() {
            let metric = metric?;
            metrics.push(proto::Metric {
                name: text(metric.name),
                description: text(metric.description),
                unit: text(metric.unit),
                data: rebuild_data(metric.data)?,
                metadata: Vec::new(),
            });
        }
        resources.push(one_scope(rebuild_pairs(resource.attributes())?, metrics));
    }
    Ok(ExportMetricsServiceRequest { resource_metrics: resources })
}

fn one_scope(
    attributes: Vec<opentelemetry_proto::tonic::common::v1::KeyValue>,
    metrics: Vec<proto::Metric>,
) -> proto::ResourceMetrics {
    proto::ResourceMetrics {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_metrics: vec![proto::ScopeMetrics { metrics, ..Default::default() }],
        ..Default::default()
    }
}

fn rebuild_data(data: Data<'_>) -> Result<Option<ProtoData>, DecodeError> {
    Ok(match data {
        Data::None => None,
        Data::Gauge(points) => Some(ProtoData::Gauge(proto::Gauge { data_points: rebuild_points(points)? })),
        Data::Sum { points, temporality, monotonic } => Some(ProtoData::Sum(proto::Sum {
            data_points: rebuild_points(points)?,
            aggregation_temporality: number_of(temporality),
            is_monotonic: monotonic,
        })),
        Data::Histogram { points, temporality } => Some(ProtoData::Histogram(proto::Histogram {
            data_points: points.into_iter().map(|point| rebuild_histogram(point?)).collect::<Result<_, _>>()?,
            aggregation_temporality: number_of(temporality),
        })),
        Data::ExponentialHistogram { points, temporality } => {
            Some(ProtoData::ExponentialHistogram(proto::ExponentialHistogram {
                data_points: points.into_iter().map(|point| rebuild_exponential(point?)).collect::<Result<_, _>>()?,
                aggregation_temporality: number_of(temporality),
            }))
        }
        Data::Summary { points } => Some(ProtoData::Summary(proto::Summary {
            data_points: points.into_iter().map(|point| rebuild_summary(point?)).collect::<Result<_, _>>()?,
        })),
    })
}

fn number_of(temporality: Option<Temporality>) -> i32 {
    match temporality {
        None => 0,
        Some(Temporality::Delta) => 1,
        Some(Temporality::Cumulative) => 2,
    }
}

fn rebuild_histogram(point: HistogramPoint<'_>) -> Result<proto::HistogramDataPoint, DecodeError> {
    Ok(proto::HistogramDataPoint {
        attributes: rebuild_pairs(point.attributes)?,
        start_time_unix_nano: point.start_time,
        time_unix_nano: point.time,
        count: point.count,
        sum: point.sum,
        bucket_counts: point.bucket_counts.iter().collect::<Result<_, _>>()?,
        explicit_bounds: point.explicit_bounds.iter().collect::<Result<_, _>>()?,
        exemplars: rebuild_exemplars(point.exemplars)?,
        flags: point.flags,
        min: point.min,
        max: point.max,
    })
}

fn rebuild_exponential(point: ExponentialPoint<'_>) -> Result<proto::ExponentialHistogramDataPoint, DecodeError> {
    let buckets = |run: BucketRun<'_>| {
        let bucket_counts = run.counts.iter().collect::<Result<_, _>>()?;
        Ok(Some(Buckets { offset: run.offset, bucket_counts }))
    };
    Ok(proto::ExponentialHistogramDataPoint {
        attributes: rebuild_pairs(point.attributes)?,
        start_time_unix_nano: point.start_time,
        time_unix_nano: point.time,
        count: point.count,
        sum: point.sum,
        scale: point.scale,
        zero_count: point.zero_count,
        positive: buckets(point.positive)?,
        negative: buckets(point.negative)?,
        flags: point.flags,
        exemplars: rebuild_exemplars(point.exemplars)?,
        min: point.min,
        max: point.max,
        zero_threshold: point.zero_threshold,
    })
}

fn rebuild_summary(point: SummaryPoint<'_>) -> Result<proto::SummaryDataPoint, DecodeError> {
    let quantile = |read: ValueAtQuantile| proto::summary_data_point::ValueAtQuantile {
        quantile: read.quantile,
        value: read.value,
    };
    Ok(proto::SummaryDataPoint {
        attributes: rebuild_pairs(point.attributes)?,
        start_time_unix_nano: point.start_time,
        time_unix_nano: point.time,
        count: point.count,
        sum: point.sum,
        quantile_values: point.quantiles.iter().map(|read| read.map(quantile)).collect::<Result<_, _>>()?,
        flags: point.flags,
    })
}

fn rebuild_exemplars(exemplars: Exemplars<'_>) -> Result<Vec<proto::Exemplar>, DecodeError> {
    let exemplar = |exemplar: Exemplar<'_>| {
        Ok(proto::Exemplar {
            filtered_attributes: rebuild_pairs(exemplar.attributes)?,
            time_unix_nano: exemplar.time,
            span_id: exemplar.span_id.to_vec(),
            trace_id: exemplar.trace_id.to_vec(),
            value: exemplar.value.map(|value| match value {
                Number::Double(value) => proto::exemplar::Value::AsDouble(value),
                Number::Int(value) => proto::exemplar::Value::AsInt(value),
            }),
        })
    };
    exemplars.iter().map(|read| exemplar(read?)).collect()
}

fn rebuild_points(points: NumberPoints<'_>) -> Result<Vec<proto::NumberDataPoint>, DecodeError> {
    let point = |point: NumberPoint<'_>| {
        Ok(proto::NumberDataPoint {
            attributes: rebuild_pairs(point.attributes)?,
            start_time_unix_nano: point.start_time,
            time_unix_nano: point.time,
            flags: point.flags,
            value: point.value.map(|value| match value {
                Number::Double(value) => Value::AsDouble(value),
                Number::Int(value) => Value::AsInt(value),
            }),
            exemplars: rebuild_exemplars(point.exemplars)?,
        })
    };
    points.into_iter().map(|read| point(read?)).collect()
}

/// Takes out what the views do not show.
fn prune(request: ExportMetricsServiceRequest) -> ExportMetricsServiceRequest {
    let resource_metrics = request
        .resource_metrics
        .into_iter()
        .map(|resource| {
            let mut attributes = resource.resource.unwrap_or_default().attributes;
            prune_pairs(&mut attributes);
            let mut metrics: Vec<_> = resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics).collect();
            metrics.iter_mut().for_each(prune_metric);
            one_scope(attributes, metrics)
        })
        .collect();
    ExportMetricsServiceRequest { resource_metrics }
}

fn prune_metric(metric: &mut proto::Metric) {
    metric.metadata.clear();
    let temporality = |number: &mut i32| {
        if !(1..=2).contains(number) {
            *number = 0;
        }
    };
    match &mut metric.data {
        None => {}
        Some(ProtoData::Gauge(gauge)) => gauge.data_points.iter_mut().for_each(prune_number),
        Some(ProtoData::Sum(sum)) => {
            temporality(&mut sum.aggregation_temporality);
            sum.data_points.iter_mut().for_each(prune_number);
        }
        Some(ProtoData::Histogram(histogram)) => {
            temporality(&mut histogram.aggregation_temporality);
            for point in &mut histogram.data_points {
                prune_pairs(&mut point.attributes);
                point.exemplars.iter_mut().for_each(prune_exemplar);
            }
        }
        Some(ProtoData::ExponentialHistogram(histogram)) => {
            temporality(&mut histogram.aggregation_temporality);
            for point in &mut histogram.data_points {
                prune_pairs(&mut point.attributes);
                point.exemplars.iter_mut().for_each(prune_exemplar);
                point.positive.get_or_insert_default();
                point.negative.get_or_insert_default();
            }
        }
        Some(ProtoData::Summary(summary)) => {
            summary.data_points.iter_mut().for_each(|point| prune_pairs(&mut point.attributes));
        }
    }
}

fn prune_number(point: &mut proto::NumberDataPoint) {
    prune_pairs(&mut point.attributes);
    point.exemplars.iter_mut().for_each(prune_exemplar);
}

fn prune_exemplar(exemplar: &mut proto::Exemplar) {
    prune_pairs(&mut exemplar.filtered_attributes);
}

/// Both as bytes, since a NaN is not equal to itself.
fn check_against_prost(body: &[u8]) -> Result<(), TestCaseError> {
    let walked = rebuild(body);
    if let Ok(expected) = ExportMetricsServiceRequest::decode(body) {
        prop_assert_eq!(walked.map(|walked| walked.encode_to_vec()), Ok(prune(expected).encode_to_vec()));
    }
    Ok(())
}

#[test]
fn the_last_kind_of_a_metric_counts_and_the_name_may_come_after_the_points() {
    let number = |value| proto::NumberDataPoint { value: Some(Value::AsInt(value)), ..Default::default() };
    let gauge = |value| ProtoData::Gauge(proto::Gauge { data_points: vec![number(value)] });
    let sum = |value| {
        let data_points = vec![number(value)];
        ProtoData::Sum(proto::Sum { data_points, aggregation_temporality: 1, is_monotonic: true })
    };
    let part = |data| proto::Metric { data: Some(data), ..Default::default() }.encode_to_vec();
    let name = proto::Metric { name: "late".into(), ..Default::default() }.encode_to_vec();
    let walk = |parts: &[Vec<u8>]| {
        // From the inside out: a metric of a scope, a scope of a resource, a resource of a request.
        let mut body = parts.concat();
        for field in [2, 2, 1] {
            let inner = std::mem::take(&mut body);
            prost::encoding::encode_key(field, prost::encoding::WireType::LengthDelimited, &mut body);
            prost::encoding::encode_varint(inner.len() as u64, &mut body);
            body.extend(inner);
        }
        let metric = resource_metrics(&body).next().and_then(|r| r.expect("valid").metrics().next());
        let metric = metric.expect("one metric").expect("valid");
        let (points, sum) = match metric.data {
            Data::Gauge(points) => (points, None),
            Data::Sum { points, temporality, monotonic } => (points, Some((temporality, monotonic))),
            other => panic!("{other:?}"),
        };
        let values: Vec<_> = points.into_iter().map(|point| point.expect("valid").value).collect();
        (metric.name.to_vec(), sum, values)
    };
    let int = |value| Some(Number::Int(value));
    let delta = Some((Some(Temporality::Delta), true));
    assert_eq!(walk(&[part(gauge(1)), name.clone()]), (b"late".to_vec(), None, vec![int(1)]));
    assert_eq!(walk(&[part(gauge(1)), part(gauge(2))]).2, [int(1), int(2)]);
    assert_eq!(walk(&[part(gauge(1)), part(sum(2))]), (Vec::new(), delta, vec![int(2)]));
    assert_eq!(walk(&[part(gauge(1)), part(sum(2)), part(gauge(3))]), (Vec::new(), None, vec![int(3)]));
}

proptest! {
    #[test]
    fn any_message_is_walked_to_the_same_points(request in testing::export_metrics()) {
        let body = request.encode_to_vec();
        prop_assert!(rebuild(&body).is_ok());
        check_against_prost(&body)?;
    }

    #[test]
    fn fields_in_any_order_and_number_are_walked_to_the_same_points(request in testing::export_metrics(), seed: u64) {
        let body = scramble(&request.encode_to_vec(), &REQUEST, &mut numbers(seed));
        prop_assert!(ExportMetricsServiceRequest::decode(&body[..]).is_ok());
        check_against_prost(&body)?;
    }

    #[test]
    fn spoilt_messages_never_panic(request in testing::export_metrics(), spoilings in spoilings()) {
        check_against_prost(&spoil(request.encode_to_vec(), &spoilings))?;
    }

    #[test]
    fn any_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        check_against_prost(&body)?;
    }
}
