//! The host source on the machine that runs the tests.

use flyball_model::intake::RefusalKind;
use flyball_model::ledger::Signal;
use flyball_model::{Refusal, WallClock};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, NumberDataPoint, number_data_point};
use prost::Message;

use super::*;
use crate::testing::{FakeIntake, all_stored};

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?;
    match value.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

fn points(metric: &Metric) -> &[NumberDataPoint] {
    match metric.data.as_ref() {
        Some(Data::Gauge(gauge)) => &gauge.data_points,
        Some(Data::Sum(sum)) => {
            assert_eq!((sum.is_monotonic, sum.aggregation_temporality()), (true, AggregationTemporality::Cumulative));
            &sum.data_points
        }
        _ => &[],
    }
}

fn value(point: &NumberDataPoint) -> f64 {
    match point.value {
        Some(number_data_point::Value::AsDouble(value)) => value,
        _ => f64::NAN,
    }
}

fn metric<'a>(metrics: &'a [Metric], name: &str) -> &'a Metric {
    metrics.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("{name} is missing"))
}

#[tokio::test]
async fn this_machine_is_read_at_once_and_again() {
    let intake = FakeIntake::new(all_stored());
    let cancel = CancellationToken::new();
    let options = HostOptions { every: Duration::ZERO, host_name: Some("edge-1".to_owned()) };
    let source = HostSource::new(options).run(intake.clone(), Arc::new(WallClock::default()), cancel.clone());
    let running = tokio::spawn(source);
    intake.event().await;
    intake.event().await;
    cancel.cancel();
    running.await.expect("no panic");

    let submission = intake.submissions.lock()[0].clone();
    assert_eq!((submission.receiver, submission.peer.as_str()), ("host", "local"));
    assert_eq!((submission.format, submission.encoding), (Format::Otlp(Signal::Metrics), Encoding::Identity));
    let request = ExportMetricsServiceRequest::decode(submission.body).expect("a request");
    let [resource_metrics] = &request.resource_metrics[..] else { panic!("one resource") };
    let resource = &resource_metrics.resource.as_ref().expect("a resource").attributes;
    assert_eq!(text(resource, "host.name"), Some("edge-1"));
    assert!(text(resource, "os.type").is_some() && text(resource, "host.arch").is_some());

    let metrics = &resource_metrics.scope_metrics[0].metrics;
    for metric in metrics {
        assert!(!metric.description.is_empty() && !metric.unit.is_empty(), "{}", metric.name);
        assert!(!points(metric).is_empty(), "{}", metric.name);
        for point in points(metric) {
            assert_eq!(text(&point.attributes, "instance"), Some("edge-1"));
            assert_eq!(text(&point.attributes, "job"), Some("flyball"));
            assert!(value(point).is_finite(), "{}", metric.name);
            assert_eq!(point.time_unix_nano, submission.received_at.0.cast_unsigned());
        }
    }
    let cpu = metric(metrics, "node_cpu_seconds_total");
    assert_eq!((cpu.unit.as_str(), text(&points(cpu)[0].attributes, "cpu")), ("s", Some("0")));
    assert!(points(cpu).iter().any(|point| text(&point.attributes, "mode") == Some("idle")));
    assert!(points(cpu)[0].start_time_unix_nano > 0, "a counter starts with the machine");
    let memory = metric(metrics, "node_memory_MemTotal_bytes");
    assert_eq!(memory.unit, "By");
    assert!(value(&points(memory)[0]) > 0.0);
    assert!(value(&points(metric(metrics, "node_time_seconds"))[0]) > 1.7e9);
    for name in
        ["node_load1", "node_network_receive_bytes_total", "node_filesystem_size_bytes", "node_boot_time_seconds"]
    {
        metric(metrics, name);
    }
}

#[tokio::test]
async fn a_refusal_does_not_end_the_source() {
    let intake = FakeIntake::new(Err(Refusal::new(RefusalKind::Unavailable, "draining")));
    let cancel = CancellationToken::new();
    let options = HostOptions { every: Duration::ZERO, ..HostOptions::default() };
    let source = HostSource::new(options).run(intake.clone(), Arc::new(WallClock::default()), cancel.clone());
    let running = tokio::spawn(source);
    intake.event().await;
    intake.answers(all_stored());
    intake.event().await;
    cancel.cancel();
    running.await.expect("no panic");
}
