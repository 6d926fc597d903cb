//! The probes' samples, each sent when its time has come.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use flyball_bench::body::Body;
use flyball_bench::load::Load;
use futures::future::try_join_all;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics};
use prost::Message;
use tokio::sync::mpsc;

use super::schedule::{Change, Schedule};
use crate::client::{Client, Endpoint};
use crate::clock;
use crate::pace::nanos;

/// The metric of the probes.
pub(super) const METRIC: &str = "probe";

/// How the samples travel.
pub(super) const LOAD: Load = Load::OtlpHttp;

/// Connections that send them; a probe has always the same. One that waits for an answer delays those behind it, and their latencies say so.
const CONNECTIONS: usize = 8;

/// What a probe is called.
pub(super) fn host(probe: usize) -> String {
    format!("probe-{probe}")
}

/// Sends a sample of every probe under the threshold, so that the series are known.
pub(super) async fn introduce(endpoint: Endpoint, schedule: Schedule) -> Result<()> {
    let mut client = Client::connect(Arc::new(endpoint)).await?;
    for probe in 0..schedule.probes {
        client.send(&sample(probe, 0)).await?;
    }
    Ok(())
}

/// Sends every change when its time has come, and returns how often the target said "not now".
pub(super) async fn send(endpoint: Arc<Endpoint>, schedule: Schedule, start: Instant) -> Result<usize> {
    let clients = try_join_all((0..CONNECTIONS).map(|_| Client::connect(Arc::clone(&endpoint)))).await?;
    let (due, connections): (Vec<_>, Vec<_>) =
        (0..CONNECTIONS).map(|_| mpsc::channel(schedule.probes * schedule.spells * 2)).unzip();
    // A thread wakes up within some ten microseconds; a timer of the runtime within a millisecond.
    let clock = thread::Builder::new().name("schedule".to_owned()).spawn(move || tell(schedule, start, &due))?;
    let senders = clients.into_iter().zip(connections).map(|(mut client, mut due)| async move {
        while let Some(change) = due.recv().await {
            let Change { probe, .. } = change;
            client.send(&sample(probe, change.value())).await.with_context(|| host(probe))?;
        }
        anyhow::Ok(client.waits())
    });
    let waits = try_join_all(senders).await?;
    clock.join().ok().context("the schedule's thread panicked")?;
    Ok(waits.into_iter().sum())
}

/// Hands each change to its connection in time.
fn tell(schedule: Schedule, start: Instant, connections: &[mpsc::Sender<Change>]) {
    for change in schedule.changes() {
        thread::sleep((start + change.at).saturating_duration_since(clock::now()));
        if connections[change.probe % CONNECTIONS].blocking_send(change).is_err() {
            return;
        }
    }
}

/// A sample of now.
fn sample(probe: usize, value: u64) -> Body {
    let host = KeyValue {
        key: "host".to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue(host(probe))) }),
        ..KeyValue::default()
    };
    let point = NumberDataPoint {
        attributes: vec![host],
        time_unix_nano: nanos(),
        value: Some(Number::AsDouble(value as f64)),
        ..NumberDataPoint::default()
    };
    let metric = Metric {
        name: METRIC.to_owned(),
        data: Some(Data::Gauge(Gauge { data_points: vec![point] })),
        ..Metric::default()
    };
    let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
    let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
    let request = ExportMetricsServiceRequest { resource_metrics: vec![resource] };
    Body { bytes: request.encode_to_vec().into(), points: 1 }
}

/// What an exporter of the probes shows at a time after the beginning; before it, all are under the threshold.
pub(super) fn page(schedule: Schedule, start: Option<Instant>) -> String {
    let value = |probe| start.map_or(0, |start| schedule.value(probe, clock::now().saturating_duration_since(start)));
    (0..schedule.probes).map(|probe| format!("{METRIC}{{host=\"{}\"}} {}\n", host(probe), value(probe))).collect()
}
