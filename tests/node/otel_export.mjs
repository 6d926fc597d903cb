// Sends the greenhouse with the OpenTelemetry SDK, as an instrumented program would.
//
// usage: otel_export.mjs grpc|http/protobuf|http/json ENDPOINT cumulative|delta NANOS
// NANOS is when its records and spans begin. What is sent, and must arrive, stands in tests/all/opentelemetry_sdk/greenhouse.rs.
// Node looks for packages beside a script, so the tests run a copy of it beside them.

import { diag, DiagLogLevel, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags, ValueType } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { AggregationTemporalityPreference } from '@opentelemetry/exporter-metrics-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { AggregationType, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';

const [protocol, endpoint, temporality, nanos] = process.argv.slice(2);
// The SDK does not throw when an export fails, it logs.
const fail = (...what) => {
  console.error(...what);
  process.exit(1);
};
diag.setLogger({ error: fail, warn: fail, info() {}, debug() {}, verbose() {} }, DiagLogLevel.WARN);

const kind = { grpc: 'grpc', 'http/protobuf': 'proto', 'http/json': 'http' }[protocol];
const { OTLPMetricExporter } = await import(`@opentelemetry/exporter-metrics-otlp-${kind}`);
const { OTLPLogExporter } = await import(`@opentelemetry/exporter-logs-otlp-${kind}`);
const { OTLPTraceExporter } = await import(`@opentelemetry/exporter-trace-otlp-${kind}`);
const options = (signal) => ({ url: kind === 'grpc' ? `http://${endpoint}` : `${endpoint}/v1/${signal}`, compression: 'gzip' });

/** Nanoseconds after the start, as the SDK takes times: seconds and nanoseconds. */
const at = (after) => {
  const time = BigInt(nanos) + BigInt(after);
  return [Number(time / 1_000_000_000n), Number(time % 1_000_000_000n)];
};

const resource = resourceFromAttributes({ 'service.name': 'greenhouse', 'host.name': 'edge-7', run: 'r1' });
const temporalityPreference = AggregationTemporalityPreference[temporality.toUpperCase()];
const exporter = new OTLPMetricExporter({ ...options('metrics'), temporalityPreference });
const metrics = new MeterProvider({
  resource,
  readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 60_000 })],
  views: [{ instrumentName: 'payload.size', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }],
});
const traces = new BasicTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter(options('traces')))] });
const logExporter = new OTLPLogExporter(options('logs'));
const logs = new LoggerProvider({ resource, processors: [new BatchLogRecordProcessor({ exporter: logExporter })] });

const meter = metrics.getMeter('tests', '1.2.3');
let cycle = 0;
const temperature = meter.createGauge('room.temperature', { unit: 'Cel', description: 'air in a room' });
const opened = meter.createCounter('door.opened', { unit: '1', valueType: ValueType.INT });
const water = meter.createCounter('water.used', { unit: 'l' });
const inside = meter.createUpDownCounter('people.inside', { valueType: ValueType.INT });
meter.createObservableGauge('sun.height').addCallback((result) => result.observe(12.5));
meter.createObservableCounter('energy.used').addCallback((result) => result.observe([100, 250, 250][cycle], { phase: 'L1' }));
const duration = meter.createHistogram('request.duration', { unit: 's', advice: { explicitBucketBoundaries: [0.25, 1, 10] } });
const size = meter.createHistogram('payload.size', { unit: 'By' });
const route = { 'http.route': '/cart' };

temperature.record(21.53125, { room: 'north' });
temperature.record(-3.0e-7, { room: 'cold store' });
opened.add(3, { door: 'main' });
opened.add(4, { door: 'main' });
opened.add(9007199254740991, { door: 'revolving' });
water.add(0.5);
water.add(0.25);
inside.add(5);
inside.add(-7);
for (const seconds of [0.25, 0.5, 0.5, 12.5]) duration.record(seconds, route);
for (const bytes of [0, 1, 2, 3.5, 1024]) size.record(bytes);
await metrics.forceFlush();

cycle = 1;
temperature.record(21.75, { room: 'north' });
opened.add(5, { door: 'main' });
water.add(1.125);
inside.add(1);
duration.record(0.75, route);
for (const bytes of [0.125, 2]) size.record(bytes);
await metrics.forceFlush();
cycle = 2;

const tracer = traces.getTracer('tests', '1.2.3');
const linked = { traceId: 'b2'.repeat(16), spanId: '02'.repeat(8), traceFlags: TraceFlags.NONE, isRemote: true };
const request = tracer.startSpan(
  'GET /cart',
  {
    kind: SpanKind.SERVER,
    startTime: at(0),
    attributes: { 'http.route': '/cart', 'http.response.status_code': 504 },
    links: [{ context: linked, attributes: { why: 'retry' } }],
  },
  ROOT_CONTEXT,
);
request.addEvent('exception', { 'exception.type': 'Timeout' }, at(100_000));
const within = trace.setSpan(ROOT_CONTEXT, request);

const logger = logs.getLogger('tests', '1.2.3');
logger.emit({
  timestamp: at(0),
  severityNumber: SeverityNumber.WARN,
  severityText: 'WARN',
  body: 'door left open: größer als 5 min',
  attributes: { door: 'main', minutes: 6, alarm: true, share: 0.5, by: ['ada', 'ben'], raw: new Uint8Array([0, 255]) },
});
logger.emit({
  timestamp: at(1),
  severityNumber: SeverityNumber.INFO,
  severityText: 'INFO',
  body: { state: 'closed', by: ['ada', 'ben'], deep: { a: [1, 2.5, true] } },
});
logger.emit({ timestamp: at(2), eventName: 'door.closed', severityNumber: SeverityNumber.INFO, context: within });
await logs.forceFlush();

tracer.startSpan('SELECT', { kind: SpanKind.CLIENT, startTime: at(1_000_000) }, within).end(at(201_000_000));
request.setStatus({ code: SpanStatusCode.ERROR, message: 'timed out' });
request.end(at(250_000_000));
await traces.forceFlush();
await Promise.all([metrics.shutdown(), logs.shutdown(), traces.shutdown()]);
