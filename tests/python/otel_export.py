"""Sends metrics and logs with the OpenTelemetry SDK, as an instrumented program would.

usage: otel_export.py grpc|http ENDPOINT RUN
RUN becomes the attribute `run` of everything, so that a test finds its own.
"""

import sys
import time

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

protocol, endpoint, run = sys.argv[1:]
if protocol == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter

    metric_exporter = OTLPMetricExporter(endpoint=endpoint, insecure=True)
    log_exporter = OTLPLogExporter(endpoint=endpoint, insecure=True)
else:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    metric_exporter = OTLPMetricExporter(endpoint=f"{endpoint}/v1/metrics", compression=Compression.Gzip)
    log_exporter = OTLPLogExporter(endpoint=f"{endpoint}/v1/logs", compression=Compression.Gzip)

resource = Resource.create({"service.name": "greenhouse", "host.name": "edge-7", "run": run})

metrics = MeterProvider(resource=resource, metric_readers=[PeriodicExportingMetricReader(metric_exporter, 60_000)])
meter = metrics.get_meter("tests")
temperature = meter.create_gauge("room.temperature", unit="Cel", description="air in a room")
temperature.set(21.53125, {"room": "north"})
temperature.set(-3.0e-7, {"room": "cold store"})
opened = meter.create_counter("door.opened", unit="1")
opened.add(3, {"door": "main"})
opened.add(4, {"door": "main"})
opened.add(9007199254740991, {"door": "revolving"})
inside = meter.create_up_down_counter("people.inside")
inside.add(5)
inside.add(-7)
assert metrics.force_flush(), "metrics were not taken"

logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(BatchLogRecordProcessor(log_exporter))
logger = logs.get_logger("tests")
logger.emit(
    LogRecord(
        timestamp=time.time_ns(),
        severity_number=SeverityNumber.WARN,
        severity_text="WARN",
        body="door left open: größer als 5 min",
        attributes={"door": "main", "minutes": 6, "alarm": True, "share": 0.5},
    )
)
logger.emit(
    LogRecord(
        timestamp=time.time_ns(),
        severity_number=SeverityNumber.INFO,
        severity_text="INFO",
        body={"state": "closed", "by": ["ada", "ben"]},
        attributes={},
    )
)
assert logs.force_flush(), "logs were not taken"
metrics.shutdown()
logs.shutdown()
