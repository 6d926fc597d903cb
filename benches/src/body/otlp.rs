//! OTLP metrics in a gRPC frame.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use crate::series::{CORES, PER_HOST, Series, value};

/// One point of each of these series, behind gRPC's five bytes of frame: not compressed, and its length.
pub(super) fn message(numbers: Range<usize>, round: usize, at_millis: i64) -> Bytes {
    let request = request(numbers, round, at_millis);
    let length = request.encoded_len();
    let mut frame = BytesMut::with_capacity(5 + length);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length).expect("a batch is far below 4 GiB"));
    request.encode(&mut frame).expect("the frame has room for it");
    frame.freeze()
}

// A resource a host, a metric of ten points: consecutive numbers share both.
fn request(numbers: Range<usize>, round: usize, at_millis: i64) -> ExportMetricsServiceRequest {
    let mut resource_metrics: Vec<ResourceMetrics> = Vec::new();
    let mut last = None;
    for number in numbers {
        let series = Series::new(number);
        let (host, metric) = (number / PER_HOST, number / CORES);
        let (new_host, new_metric) = (last.map(|(host, _)| host) != Some(host), last != Some((host, metric)));
        last = Some((host, metric));
        if new_host {
            resource_metrics.push(ResourceMetrics {
                resource: Some(Resource { attributes: attributes(&series.resource), ..Resource::default() }),
                scope_metrics: vec![ScopeMetrics::default()],
                ..ResourceMetrics::default()
            });
        }
        let metrics = &mut resource_metrics.last_mut().expect("pushed above").scope_metrics[0].metrics;
        if new_metric {
            metrics.push(Metric {
                name: series.metric,
                data: Some(metric::Data::Gauge(Gauge::default())),
                ..Metric::default()
            });
        }
        if let Some(metric::Data::Gauge(gauge)) = metrics.last_mut().and_then(|metric| metric.data.as_mut()) {
            gauge.data_points.push(NumberDataPoint {
                attributes: attributes(&series.point),
                time_unix_nano: u64::try_from(at_millis).expect("after 1970") * 1_000_000,
                value: Some(number_data_point::Value::AsDouble(value(number, round))),
                ..NumberDataPoint::default()
            });
        }
    }
    ExportMetricsServiceRequest { resource_metrics }
}

fn attributes(pairs: &[(&'static str, String)]) -> Vec<KeyValue> {
    pairs
        .iter()
        .map(|(key, value)| KeyValue {
            key: (*key).to_owned(),
            value: Some(AnyValue { value: Some(any_value::Value::StringValue(value.clone())) }),
            ..KeyValue::default()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_series_share_their_host_and_metric() {
        let request = request(95..115, 0, 1_000);
        let hosts: Vec<_> = request.resource_metrics.iter().map(|host| &host.scope_metrics[0].metrics).collect();
        assert_eq!(hosts.iter().map(|metrics| metrics.len()).collect::<Vec<_>>(), [1, 2]);
        let frame = message(95..115, 0, 1_000);
        assert_eq!(ExportMetricsServiceRequest::decode(&frame[5..]).expect("protobuf"), request);
    }
}
