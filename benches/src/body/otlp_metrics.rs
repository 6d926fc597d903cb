//! OTLP metrics: a resource a host, a gauge of ten points a metric, the rest of the labels on the points.

use super::Tick;
use super::wire::{double, fixed64, message, text};
use crate::series::{CORES, PER_HOST, Series, metric, value};

/// One point of each of these series. Consecutive ones share their host and their metric.
pub(super) fn body(numbers: &[usize], tick: &Tick) -> Vec<u8> {
    let mut out = Vec::with_capacity(numbers.len() * 128);
    for host in numbers.chunk_by(|a, b| a / PER_HOST == b / PER_HOST) {
        message(&mut out, 1, |out| {
            let series = Series::new(host[0]);
            message(out, 1, |out| attributes(out, 1, &series.resource, host[0] / PER_HOST, tick));
            message(out, 2, |out| {
                for points in host.chunk_by(|a, b| a / CORES == b / CORES) {
                    message(out, 2, |out| gauge(out, points, tick));
                }
            });
        });
    }
    out
}

fn gauge(out: &mut Vec<u8>, numbers: &[usize], tick: &Tick) {
    text(out, 1, &metric(Series::new(numbers[0]).metric));
    message(out, 5, |out| {
        for &number in numbers {
            message(out, 1, |out| {
                fixed64(out, 3, tick.nanos());
                double(out, 4, value(number, tick.round));
                attributes(out, 7, &Series::new(number).point, number, tick);
            });
        }
    });
}

/// Pairs of texts as `KeyValue`s.
pub(super) fn attributes(out: &mut Vec<u8>, field: u32, pairs: &[(&str, String)], seed: usize, tick: &Tick) {
    let mut pairs: Vec<_> = pairs.iter().collect();
    tick.arrange(seed, &mut pairs);
    for (key, value) in pairs {
        message(out, field, |out| {
            text(out, 1, key);
            message(out, 2, |out| text(out, 1, value));
        });
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
    use prost::Message;

    use super::*;

    #[test]
    fn consecutive_series_share_their_host_and_metric() {
        let tick = Tick { round: 2, at_millis: 1_000, shuffle_labels: false };
        let numbers: Vec<_> = (95..115).collect();
        let request = ExportMetricsServiceRequest::decode(body(&numbers, &tick).as_slice()).expect("protobuf");
        let hosts: Vec<_> = request.resource_metrics.iter().map(|host| &host.scope_metrics[0].metrics).collect();
        assert_eq!(hosts.iter().map(|metrics| metrics.len()).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(request.resource_metrics[1].resource.as_ref().map(|resource| resource.attributes.len()), Some(3));
        let Some(Data::Gauge(gauge)) = &hosts[1][1].data else { panic!("a gauge: {:?}", hosts[1][1]) };
        assert_eq!((hosts[1][1].name.as_str(), gauge.data_points.len()), ("bench_node_reading_1", 5));
        let point = &gauge.data_points[4];
        assert_eq!((point.time_unix_nano, point.attributes.len()), (1_000_000_000, 4));
        assert_eq!(point.value, Some(Value::AsDouble(value(114, 2))));
        assert_eq!(request.encode_to_vec(), body(&numbers, &tick), "as short as the generated encoder makes it");
    }
}
