//! How many points or records a body has, counted by somebody else than the normaliser.

use flyball_decode::exposition::{Dialect, Entry, entries};
use flyball_decode::line_protocol::Lines;
use flyball_decode::otlp_json;
use flyball_decode::scaphandre::{REPORTS_MAX, Report, reports};
use flyball_model::intake::Format;
use flyball_model::ledger::Signal;
use flyball_prompb::{v1, v2};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message;

use super::bench::limits;

/// What a body holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    /// Points or records.
    pub(crate) points: u64,
    /// Whether some of them are changes: what becomes of them depends on the bodies before.
    pub(crate) deltas: bool,
}

impl Received {
    fn exactly(points: usize) -> Self {
        Self { points: points as u64, deltas: false }
    }
}

/// What a body holds. `None` where that can't be told: prost can't read it, which asks for more than the normaliser does.
pub(crate) fn received(format: Format, body: &[u8]) -> Option<Received> {
    match format {
        Format::Otlp(Signal::Metrics) => {
            ExportMetricsServiceRequest::decode(body).ok().map(|request| metrics(&request))
        }
        Format::Otlp(Signal::Logs) => ExportLogsServiceRequest::decode(body).ok().map(|request| {
            let scopes = request.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
            Received::exactly(scopes.map(|scope| scope.log_records.len()).sum())
        }),
        Format::Otlp(Signal::Traces) => ExportTraceServiceRequest::decode(body).ok().map(|request| {
            let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
            Received::exactly(scopes.map(|scope| scope.spans.len()).sum())
        }),
        Format::RemoteWrite1 => v1::WriteRequest::decode(body).ok().map(|request| {
            let points = request.timeseries.iter().map(|series| series.samples.len() + series.histograms.len());
            Received::exactly(points.sum())
        }),
        Format::RemoteWrite2 => v2::Request::decode(body).ok().filter(has_empty_symbol_first).map(|request| {
            let points = request.timeseries.iter().map(|series| series.samples.len() + series.histograms.len());
            Received::exactly(points.sum())
        }),
        Format::PrometheusText => samples(body, Dialect::Text),
        Format::OpenMetrics => samples(body, Dialect::OpenMetrics),
        Format::LineProtocol { .. } => Some(fields(body)),
        Format::Scaphandre => figures(body),
        Format::OtlpJson(signal) => {
            let body = otlp_json::to_protobuf(signal, body, limits().body_bytes).ok()?;
            received(Format::Otlp(signal), &body)
        }
    }
}

/// Reports that can't be read.
pub(crate) fn bad_reports(stream: &[u8]) -> u64 {
    reports(stream).filter(Result::is_err).count() as u64
}

/// A request without series needs no symbols.
fn has_empty_symbol_first(request: &v2::Request) -> bool {
    request.symbols.first().is_some_and(Vec::is_empty)
}

fn metrics(request: &ExportMetricsServiceRequest) -> Received {
    const DELTA: i32 = 1;
    let (mut points, mut deltas) = (0, false);
    let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    for metric in scopes.flat_map(|scope| &scope.metrics) {
        let (some, temporality) = match &metric.data {
            None => (0, 0),
            Some(Data::Gauge(data)) => (data.data_points.len(), 0),
            Some(Data::Sum(data)) => (data.data_points.len(), data.aggregation_temporality),
            Some(Data::Histogram(data)) => (data.data_points.len(), data.aggregation_temporality),
            Some(Data::ExponentialHistogram(data)) => (data.data_points.len(), data.aggregation_temporality),
            Some(Data::Summary(data)) => (data.data_points.len(), 0),
        };
        points += some;
        deltas |= temporality == DELTA;
    }
    Received { deltas, ..Received::exactly(points) }
}

fn samples(body: &[u8], dialect: Dialect) -> Option<Received> {
    let mut samples = 0;
    for entry in entries(body, dialect).ok()? {
        let Entry::Sample(sample) = entry.ok()? else { continue };
        // Labels are read only when somebody asks for them, and so are their errors found.
        let labels = sample.labels().chain(sample.exemplar.iter().flat_map(|exemplar| exemplar.labels()));
        labels.collect::<Result<Vec<_>, _>>().ok()?;
        samples += 1;
    }
    Some(Received::exactly(samples))
}

/// A line whose fields can't be read counts as one.
fn fields(body: &[u8]) -> Received {
    let (mut lines, mut fields, mut points) = (Lines::new(body), Vec::new(), 0);
    while let Some(line) = lines.next(&mut fields) {
        points += if line.is_ok() { fields.len() } else { 1 };
    }
    Received::exactly(points)
}

/// A report that can't be read counts as one, and a figure that is missing as none.
fn figures(stream: &[u8]) -> Option<Received> {
    let counts: Vec<_> = reports(stream).map(|report| report.map_or(1, |report| figures_of(&report))).collect();
    (counts.len() <= REPORTS_MAX).then(|| Received::exactly(counts.into_iter().sum()))
}

fn figures_of(report: &Report<'_>) -> usize {
    let is_number = |text: &&str| text.trim().parse::<f64>().is_ok_and(f64::is_finite);
    let texts = |texts: &[&str]| texts.iter().filter(|text| is_number(text)).count();
    let is_first = report.sockets.is_empty() && report.consumers.is_empty();
    let host = report.host.consumption.iter().filter(|&&power| !(is_first && power == 0.0)).count();
    let disks = report.host.components.iter().flat_map(|components| &components.disks);
    let disks = disks.map(|disk| texts(&[&disk.disk_total_bytes, &disk.disk_available_bytes])).sum::<usize>();
    let domains =
        report.sockets.iter().flat_map(|socket| &socket.domains).filter(|domain| domain.consumption.is_some());
    let sockets = report.sockets.iter().filter(|socket| socket.consumption.is_some()).count() + domains.count();
    let usages = report.consumers.iter().filter_map(|consumer| consumer.resources_usage.as_ref()).map(|usage| {
        texts(&[
            &usage.cpu_usage,
            &usage.memory_usage,
            &usage.memory_virtual_usage,
            &usage.disk_usage_read,
            &usage.disk_usage_write,
        ])
    });
    let consumers = report.consumers.iter().filter(|consumer| consumer.consumption.is_some()).count();
    host + disks + sockets + consumers + usages.sum::<usize>()
}
