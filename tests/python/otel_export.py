"""Sends the greenhouse with the OpenTelemetry SDK, as an instrumented program would.

usage: otel_export.py grpc|http/protobuf ENDPOINT cumulative|delta NANOS
NANOS is when its records and spans begin. Certificates and tokens come from the environment, as the specification names it. What is sent, and must arrive, stands in tests/all/opentelemetry_sdk/greenhouse.rs.
"""

import sys

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.metrics import Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider, ObservableCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

protocol, endpoint, temporality, at = sys.argv[1:]
at = int(at)
if protocol == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    def options(_signal):
        return {"endpoint": endpoint, "insecure": not endpoint.startswith("https")}
else:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    def options(signal):
        return {"endpoint": f"{endpoint}/v1/{signal}", "compression": Compression.Gzip}


# What the specification calls the temporality preference "delta".
delta = {kind: AggregationTemporality.DELTA for kind in (Counter, ObservableCounter, Histogram)}
metric_exporter = OTLPMetricExporter(
    preferred_temporality=delta if temporality == "delta" else None, **options("metrics")
)
resource = Resource.create({"service.name": "greenhouse", "host.name": "edge-7", "run": "r1"})
metrics = MeterProvider(
    resource=resource,
    metric_readers=[PeriodicExportingMetricReader(metric_exporter, 60_000)],
    views=[View(instrument_name="payload.size", aggregation=ExponentialBucketHistogramAggregation())],
)
traces = TracerProvider(resource=resource)
traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(**options("traces"))))
logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(**options("logs"))))

meter = metrics.get_meter("tests", "1.2.3")
cycle = 0
temperature = meter.create_gauge("room.temperature", unit="Cel", description="air in a room")
opened = meter.create_counter("door.opened", unit="1")
water = meter.create_counter("water.used", unit="l")
inside = meter.create_up_down_counter("people.inside")
meter.create_observable_gauge("sun.height", callbacks=[lambda _: [Observation(12.5)]])
meter.create_observable_counter("energy.used", callbacks=[lambda _: [Observation((100, 250, 250)[cycle], {"phase": "L1"})]])
duration = meter.create_histogram("request.duration", unit="s", explicit_bucket_boundaries_advisory=[0.25, 1.0, 10.0])
size = meter.create_histogram("payload.size", unit="By")
route = {"http.route": "/cart"}

tracer = traces.get_tracer("tests", "1.2.3")
request = tracer.start_span(
    "GET /cart",
    kind=SpanKind.SERVER,
    attributes={"http.route": "/cart", "http.response.status_code": 504},
    links=[Link(SpanContext(int("b2" * 16, 16), int("02" * 8, 16), is_remote=True), {"why": "retry"})],
    start_time=at,
)
request.add_event("exception", {"exception.type": "Timeout"}, timestamp=at + 100_000)

temperature.set(21.53125, {"room": "north"})
temperature.set(-3.0e-7, {"room": "cold store"})
opened.add(3, {"door": "main"})
opened.add(4, {"door": "main"})
opened.add(9007199254740991, {"door": "revolving"})
water.add(0.5)
water.add(0.25)
inside.add(5)
inside.add(-7)
# An exemplar of a histogram's point is what was observed within a sampled span.
with trace.use_span(request, end_on_exit=False):
    for seconds in (0.25, 0.5, 0.5, 12.5):
        duration.record(seconds, route)
for bytes_ in (0, 1, 2, 3.5, 1024):
    size.record(bytes_)
assert metrics.force_flush(), "metrics were not taken"

cycle = 1
temperature.set(21.75, {"room": "north"})
opened.add(5, {"door": "main"})
water.add(1.125)
inside.add(1)
duration.record(0.75, route)
for bytes_ in (0.125, 2):
    size.record(bytes_)
assert metrics.force_flush(), "metrics were not taken the second time"
cycle = 2

logger = logs.get_logger("tests", "1.2.3")
logger.emit(
    LogRecord(
        timestamp=at,
        severity_number=SeverityNumber.WARN,
        severity_text="WARN",
        body="door left open: größer als 5 min",
        attributes={"door": "main", "minutes": 6, "alarm": True, "share": 0.5, "by": ["ada", "ben"], "raw": b"\x00\xff"},
    )
)
logger.emit(
    LogRecord(
        timestamp=at + 1,
        severity_number=SeverityNumber.INFO,
        severity_text="INFO",
        body={"state": "closed", "by": ["ada", "ben"], "deep": {"a": [1, 2.5, True]}},
    )
)
logger.emit(
    LogRecord(
        timestamp=at + 2,
        event_name="door.closed",
        severity_number=SeverityNumber.INFO,
        context=trace.set_span_in_context(request),
    )
)
assert logs.force_flush(), "logs were not taken"

query = tracer.start_span("SELECT", trace.set_span_in_context(request), SpanKind.CLIENT, start_time=at + 1_000_000)
query.end(at + 201_000_000)
request.set_status(Status(StatusCode.ERROR, "timed out"))
request.end(at + 250_000_000)
assert traces.force_flush(), "spans were not taken"
metrics.shutdown()
logs.shutdown()
traces.shutdown()
