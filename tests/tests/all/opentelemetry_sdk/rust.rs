//! The SDK for Rust, within this process.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use flyball_tests::http::{client, runtime};
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
    TracerProvider,
};
use opentelemetry::{Context, InstrumentationScope, Key, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    Compression, LogExporter, MetricExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, PeriodicReader, SdkMeterProvider, Stream, Temporality};
use opentelemetry_sdk::trace::SdkTracerProvider;

/// Tells the story. The arguments are those of the scripts for other languages.
#[track_caller]
pub(super) fn export(arguments: &[&str]) {
    let &[protocol, endpoint, temporality, nanos] = arguments else { panic!("{arguments:?}") };
    let at = |after: u64| -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(nanos.parse::<u64>().expect("nanoseconds") + after)
    };
    let temporality = if temporality == "delta" { Temporality::Delta } else { Temporality::Cumulative };
    // Its gRPC client wants to be made where tokio runs.
    let _within = runtime().enter();
    let (metrics, logs, spans) = exporters(protocol, endpoint, temporality);
    let resource = Resource::builder_empty()
        .with_attributes(
            [("service.name", "greenhouse"), ("host.name", "edge-7"), ("run", "r1")].map(|(k, v)| KeyValue::new(k, v)),
        )
        .build();
    let exponential = |instrument: &Instrument| -> Option<Stream> {
        let aggregation = Aggregation::Base2ExponentialHistogram { max_size: 160, max_scale: 20, record_min_max: true };
        (instrument.name() == "payload.size")
            .then(|| Stream::builder().with_aggregation(aggregation).build().expect("a scale that is allowed"))
    };
    let metrics = SdkMeterProvider::builder()
        .with_resource(resource.clone())
        .with_reader(PeriodicReader::builder(metrics).with_interval(Duration::from_secs(60)).build())
        .with_view(exponential)
        .build();
    let logs = SdkLoggerProvider::builder().with_resource(resource.clone()).with_batch_exporter(logs).build();
    let traces = SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(spans).build();

    measure(&metrics);
    let request = trace(&traces, at);
    log(&logs, &request, at);
    metrics.shutdown().expect("metrics are taken a last time");
    logs.shutdown().expect("logs are taken");
    traces.shutdown().expect("spans are taken");
}

fn exporters(protocol: &str, endpoint: &str, temporality: Temporality) -> (MetricExporter, LogExporter, SpanExporter) {
    let metrics = MetricExporter::builder().with_temporality(temporality);
    if protocol == "grpc" {
        let url = format!("http://{endpoint}");
        let metrics = metrics.with_tonic().with_endpoint(&url).with_compression(Compression::Gzip).build();
        let logs = LogExporter::builder().with_tonic().with_endpoint(&url).with_compression(Compression::Gzip).build();
        let spans = SpanExporter::builder().with_tonic().with_endpoint(&url).build();
        return (metrics.expect("an exporter"), logs.expect("an exporter"), spans.expect("an exporter"));
    }
    let protocol = if protocol == "http/json" { Protocol::HttpJson } else { Protocol::HttpBinary };
    let at = |signal: &str| format!("{endpoint}/v1/{signal}");
    let metrics = metrics.with_http().with_http_client(OnRuntime).with_protocol(protocol);
    let metrics = metrics.with_endpoint(at("metrics")).with_compression(Compression::Gzip).build();
    let logs = LogExporter::builder().with_http().with_http_client(OnRuntime).with_protocol(protocol);
    let logs = logs.with_endpoint(at("logs")).build();
    let spans = SpanExporter::builder().with_http().with_http_client(OnRuntime).with_protocol(protocol);
    let spans = spans.with_endpoint(at("traces")).with_compression(Compression::Gzip).build();
    (metrics.expect("an exporter"), logs.expect("an exporter"), spans.expect("an exporter"))
}

fn measure(metrics: &SdkMeterProvider) {
    let meter = metrics.meter_with_scope(scope());
    let energy = Arc::new(AtomicU64::new(100));
    let temperature = meter.f64_gauge("room.temperature").with_unit("Cel").with_description("air in a room").build();
    let opened = meter.u64_counter("door.opened").with_unit("1").build();
    let water = meter.f64_counter("water.used").with_unit("l").build();
    let inside = meter.i64_up_down_counter("people.inside").build();
    let _sun = meter.f64_observable_gauge("sun.height").with_callback(|sun| sun.observe(12.5, &[])).build();
    let _energy = {
        let energy = Arc::clone(&energy);
        let phase = [KeyValue::new("phase", "L1")];
        let observed = meter.u64_observable_counter("energy.used");
        observed.with_callback(move |sum| sum.observe(energy.load(Ordering::Relaxed), &phase)).build()
    };
    let duration =
        meter.f64_histogram("request.duration").with_unit("s").with_boundaries(vec![0.25, 1.0, 10.0]).build();
    let size = meter.f64_histogram("payload.size").with_unit("By").build();
    let room = |name: &'static str| [KeyValue::new("room", name)];
    let door = |name: &'static str| [KeyValue::new("door", name)];
    let route = [KeyValue::new("http.route", "/cart")];

    temperature.record(21.53125, &room("north"));
    temperature.record(-3.0e-7, &room("cold store"));
    opened.add(3, &door("main"));
    opened.add(4, &door("main"));
    opened.add(9_007_199_254_740_991, &door("revolving"));
    water.add(0.5, &[]);
    water.add(0.25, &[]);
    inside.add(5, &[]);
    inside.add(-7, &[]);
    for seconds in [0.25, 0.5, 0.5, 12.5] {
        duration.record(seconds, &route);
    }
    for bytes in [0.0, 1.0, 2.0, 3.5, 1_024.0] {
        size.record(bytes, &[]);
    }
    metrics.force_flush().expect("metrics are taken");

    energy.store(250, Ordering::Relaxed);
    temperature.record(21.75, &room("north"));
    opened.add(5, &door("main"));
    water.add(1.125, &[]);
    inside.add(1, &[]);
    duration.record(0.75, &route);
    for bytes in [0.125, 2.0] {
        size.record(bytes, &[]);
    }
    metrics.force_flush().expect("metrics are taken the second time");
}

fn trace(traces: &SdkTracerProvider, at: impl Fn(u64) -> SystemTime) -> SpanContext {
    let tracer = traces.tracer_with_scope(scope());
    let ids = (TraceId::from_bytes([0xb2; 16]), SpanId::from_bytes([2; 8]));
    let linked = SpanContext::new(ids.0, ids.1, TraceFlags::default(), true, TraceState::default());
    let request = tracer
        .span_builder("GET /cart")
        .with_kind(SpanKind::Server)
        .with_start_time(at(0))
        .with_attributes([KeyValue::new("http.route", "/cart"), KeyValue::new("http.response.status_code", 504)])
        .with_events(vec![Event::new("exception", at(100_000), vec![KeyValue::new("exception.type", "Timeout")], 0)])
        .with_links(vec![Link::new(linked, vec![KeyValue::new("why", "retry")], 0)])
        .start_with_context(&tracer, &Context::new());
    let within = Context::new().with_span(request);
    let query = tracer.span_builder("SELECT").with_kind(SpanKind::Client).with_start_time(at(1_000_000));
    let query = Context::new().with_span(query.start_with_context(&tracer, &within));
    query.span().end_with_timestamp(at(201_000_000));
    let request = within.span();
    request.set_status(Status::error("timed out"));
    request.end_with_timestamp(at(250_000_000));
    traces.force_flush().expect("spans are taken");
    request.span_context().clone()
}

fn log(logs: &SdkLoggerProvider, request: &SpanContext, at: impl Fn(u64) -> SystemTime) {
    let logger = logs.logger_with_scope(scope());
    let names = || AnyValue::ListAny(Box::new(vec!["ada".into(), "ben".into()]));
    let map = |pairs: Vec<(&'static str, AnyValue)>| -> AnyValue {
        let pairs: HashMap<Key, AnyValue> = pairs.into_iter().map(|(key, value)| (key.into(), value)).collect();
        AnyValue::Map(Box::new(pairs))
    };

    let mut record = logger.create_log_record();
    record.set_timestamp(at(0));
    record.set_severity_number(Severity::Warn);
    record.set_severity_text("WARN");
    record.set_body("door left open: größer als 5 min".into());
    record.add_attribute("door", "main");
    record.add_attribute("minutes", 6);
    record.add_attribute("alarm", true);
    record.add_attribute("share", 0.5);
    record.add_attribute("by", names());
    record.add_attribute("raw", AnyValue::Bytes(Box::new(vec![0, 255])));
    logger.emit(record);

    let mut record = logger.create_log_record();
    record.set_timestamp(at(1));
    record.set_severity_number(Severity::Info);
    record.set_severity_text("INFO");
    let numbers = AnyValue::ListAny(Box::new(vec![1.into(), 2.5.into(), true.into()]));
    record.set_body(map(vec![("state", "closed".into()), ("by", names()), ("deep", map(vec![("a", numbers)]))]));
    logger.emit(record);

    let mut record = logger.create_log_record();
    record.set_timestamp(at(2));
    record.set_event_name("door.closed");
    record.set_severity_number(Severity::Info);
    record.set_trace_context(request.trace_id(), request.span_id(), Some(request.trace_flags()));
    logger.emit(record);
    logs.force_flush().expect("logs are taken");
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("tests").with_version("1.2.3").build()
}

/// An HTTP client for the SDK's own threads, on which no tokio runs.
#[derive(Debug)]
struct OnRuntime;

#[async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = request.try_into()?;
        let sent = runtime().spawn(async move {
            let answer = client().execute(request).await?;
            let status = answer.status();
            Ok::<_, reqwest::Error>((status, answer.bytes().await?))
        });
        let (status, body) = sent.await??;
        Ok(Response::builder().status(status).body(body)?)
    }
}
