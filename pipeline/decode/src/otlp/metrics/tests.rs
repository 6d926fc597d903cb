use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1 as proto;
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use prost::Message;
use proto::metric::Data as ProtoData;
use proto::number_data_point::Value;

use super::*;
use crate::otlp::any_value::tests::{prune_pairs, rebuild_pairs};
use crate::testing::{self, KEY_VALUE, Schema, numbers, scramble, spoil, spoilings};

static POINTS: Schema = Schema(&[(1, &Schema(&[(7, &KEY_VALUE)]))]);
static METRICS: Schema = Schema(&[(2, &Schema(&[(5, &POINTS), (7, &POINTS), (9, &Schema(&[])), (10, &Schema(&[]))]))]);
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
            aggregation_temporality: match temporality {
                None => 0,
                Some(Temporality::Delta) => 1,
                Some(Temporality::Cumulative) => 2,
            },
            is_monotonic: monotonic,
        })),
        Data::Histogram { points } => Some(histogram(points as usize)),
        Data::ExponentialHistogram { points } => Some(exponential_histogram(points as usize)),
        Data::Summary { points } => Some(summary(points as usize)),
    })
}

fn histogram(points: usize) -> ProtoData {
    let data_points = vec![proto::HistogramDataPoint::default(); points];
    ProtoData::Histogram(proto::Histogram { data_points, ..Default::default() })
}

fn exponential_histogram(points: usize) -> ProtoData {
    let data_points = vec![proto::ExponentialHistogramDataPoint::default(); points];
    ProtoData::ExponentialHistogram(proto::ExponentialHistogram { data_points, ..Default::default() })
}

fn summary(points: usize) -> ProtoData {
    ProtoData::Summary(proto::Summary { data_points: vec![proto::SummaryDataPoint::default(); points] })
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
            exemplars: Vec::new(),
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
    let points = match &mut metric.data {
        None => return,
        Some(ProtoData::Gauge(gauge)) => &mut gauge.data_points,
        Some(ProtoData::Sum(sum)) => {
            if !(1..=2).contains(&sum.aggregation_temporality) {
                sum.aggregation_temporality = 0;
            }
            &mut sum.data_points
        }
        Some(ProtoData::Histogram(data)) => {
            metric.data = Some(histogram(data.data_points.len()));
            return;
        }
        Some(ProtoData::ExponentialHistogram(data)) => {
            metric.data = Some(exponential_histogram(data.data_points.len()));
            return;
        }
        Some(ProtoData::Summary(data)) => {
            metric.data = Some(summary(data.data_points.len()));
            return;
        }
    };
    for point in points {
        prune_pairs(&mut point.attributes);
        point.exemplars.clear();
    }
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
