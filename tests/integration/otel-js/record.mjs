// SPDX-License-Identifier: Apache-2.0
//
// Records spans, logs and metrics of every shape the SDK can make, exports them over one OTLP transport and
// writes what was recorded to a file, so that the test can compare it with what the server gives back.
// Usage: node record.mjs grpc|proto|json GRPC_URL HTTP_URL RUN_ID OUT_FILE
import { writeFileSync } from 'node:fs';
import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace, createTraceState } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { BatchLogRecordProcessor, InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs';
import { AggregationTemporality, AggregationType, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import * as traceGrpc from '@opentelemetry/exporter-trace-otlp-grpc';
import * as traceJson from '@opentelemetry/exporter-trace-otlp-http';
import * as traceProto from '@opentelemetry/exporter-trace-otlp-proto';
import * as logsGrpc from '@opentelemetry/exporter-logs-otlp-grpc';
import * as logsJson from '@opentelemetry/exporter-logs-otlp-http';
import * as logsProto from '@opentelemetry/exporter-logs-otlp-proto';
import * as metricsGrpc from '@opentelemetry/exporter-metrics-otlp-grpc';
import * as metricsJson from '@opentelemetry/exporter-metrics-otlp-http';
import * as metricsProto from '@opentelemetry/exporter-metrics-otlp-proto';

const [transport, grpcUrl, httpUrl, run, outFile] = process.argv.slice(2);
const pick = {
  grpc: [traceGrpc, logsGrpc, metricsGrpc],
  proto: [traceProto, logsProto, metricsProto],
  json: [traceJson, logsJson, metricsJson],
}[transport];
const compression = transport === 'proto' ? 'gzip' : 'none';
const target = (signal) => (transport === 'grpc' ? { url: grpcUrl } : { url: `${httpUrl}/v1/${signal}`, compression });

const resource = resourceFromAttributes({
  'service.name': `recorder-${transport}`,
  'service.namespace': 'checks',
  'service.instance.id': run,
  'deployment.environment.name': '시험',
  'process.pid': process.pid,
  'list.of.strings': ['a', 'b'],
  'is.test': true,
});

// Nanoseconds as a decimal string from the SDK's [seconds, nanoseconds].
const ns = ([s, n]) => (BigInt(s) * 1000000000n + BigInt(n)).toString();
const bytes = (v) => (v instanceof Uint8Array ? { bytes: Buffer.from(v).toString('base64') } : v);
const deep = (v) =>
  Array.isArray(v) ? v.map(deep)
  : v instanceof Uint8Array ? bytes(v)
  : v && typeof v === 'object' ? Object.fromEntries(Object.entries(v).map(([k, x]) => [k, deep(x)]))
  : v;

// Fails the run instead of losing data silently.
function checked(exporter, name) {
  const original = exporter.export.bind(exporter);
  exporter.export = (items, done) =>
    original(items, (result) => {
      if (result.code !== 0) {
        console.error(`${name} export failed:`, result.error);
        process.exitCode = 1;
      }
      done(result);
    });
  return exporter;
}

const ATTRIBUTES = {
  text: 'plain', empty: '', korean: '봉수 – fire 🔥', quotes: '"\\\n\t\u0001',
  long: 'x'.repeat(3000), 'http.response.status_code': 503, negative: -42, zero: 0, big: 9007199254740994,
  ratio: 0.1, tiny: 5e-324, negative_ratio: -1234.5678, yes: true, no: false,
  strings: ['a', '', '다'], integers: [1, -2, 3], doubles: [0.5, 1.25], booleans: [true, false], none: [],
};

function recordSpans(tracer) {
  const t0 = Date.now() - 30000;
  const at = (ms) => t0 + ms;
  let earlier = null;
  for (let i = 0; i < 12; i++) {
    const root = tracer.startSpan(`operation ${i} / 작업`, { kind: SpanKind.SERVER, root: true, startTime: at(i * 100), attributes: ATTRIBUTES }, ROOT_CONTEXT);
    const inRoot = trace.setSpan(ROOT_CONTEXT, root);
    for (const [k, kind] of [SpanKind.INTERNAL, SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER, SpanKind.SERVER].entries()) {
      const links = earlier ? [{ context: earlier, attributes: { reason: 'follows', n: k } }, { context: earlier }] : [];
      const child = tracer.startSpan(`child ${k}`, { kind, startTime: at(i * 100 + k), links, attributes: { k, 'db.statement': `select ${k}` } }, inRoot);
      child.addEvent('started', { attempt: k, ok: true, list: [1, 2] }, at(i * 100 + k + 0.25));
      child.addEvent('nothing to say', at(i * 100 + k + 0.5));
      if (k === 1) {
        child.recordException(new Error('card declined'), at(i * 100 + k + 0.75));
        child.setStatus({ code: SpanStatusCode.ERROR, message: 'card declined: 잔액 부족' });
      } else if (k === 2) {
        child.setStatus({ code: SpanStatusCode.OK });
      }
      const leaf = tracer.startSpan('leaf', { startTime: at(i * 100 + k + 0.3) }, trace.setSpan(inRoot, child));
      leaf.end(at(i * 100 + k + 0.3)); // no duration at all
      child.end(at(i * 100 + k + 40));
    }
    root.end(at(i * 100 + 80));
    earlier = root.spanContext();
  }
  const remote = { traceId: 'abcdef0123456789abcdef0123456789', spanId: '0123456789abcdef', traceFlags: TraceFlags.SAMPLED, isRemote: true, traceState: createTraceState('vendor=value,other=1') };
  const orphan = tracer.startSpan('continues a remote trace', { kind: SpanKind.CONSUMER, startTime: at(5000) }, trace.setSpanContext(ROOT_CONTEXT, remote));
  orphan.end(at(5001));
  return remote;
}

function recordLogs(logger, remote) {
  const inTrace = trace.setSpanContext(ROOT_CONTEXT, remote);
  const t0 = Date.now() - 20000;
  const bodies = ['plain text', '여러 줄\nsecond line', '', 42, 0.5, true, ['a', 1, false], { order: { id: 7, items: ['x', 'y'] }, total: 12.5 }, new Uint8Array([0, 1, 254, 255])];
  const severities = [SeverityNumber.TRACE, SeverityNumber.DEBUG, SeverityNumber.INFO, SeverityNumber.INFO2, SeverityNumber.WARN, SeverityNumber.ERROR, SeverityNumber.ERROR4, SeverityNumber.FATAL];
  for (const [i, body] of bodies.entries()) {
    logger.emit({
      timestamp: t0 + i, observedTimestamp: t0 + i + 5, body,
      severityNumber: severities[i % severities.length], severityText: ['TRACE', 'Debug', 'info', '', 'WARNING'][i % 5],
      attributes: { ...ATTRIBUTES, i, nested: { a: { b: [1, { c: 'd' }] } }, raw: new Uint8Array([1, 2, 3]) },
      context: i % 2 ? inTrace : ROOT_CONTEXT,
      eventName: i === 3 ? 'order.placed' : undefined,
    });
  }
}

// What each instrument must be called in PromQL, after the OpenTelemetry-Prometheus compatibility rules.
function recordMetrics(meter) {
  meter.createCounter('shop.orders', { description: 'Orders taken', unit: '1' }).add(5, { kind: 'web' });
  const revenue = meter.createCounter('shop.revenue', { unit: 'By' });
  revenue.add(10.25, { kind: 'web' });
  revenue.add(4.5, { kind: '앱' });
  const queue = meter.createUpDownCounter('shop.queue.length', { unit: '{item}' });
  queue.add(7);
  queue.add(-10);
  meter.createGauge('shop.temperature', { unit: 'Cel' }).record(-3.75, { room: 'a' });
  meter.createObservableGauge('shop.utilization', { unit: '1' }).addCallback((r) => r.observe(0.625));
  const latency = meter.createHistogram('shop.latency', { unit: 'ms', advice: { explicitBucketBoundaries: [1, 10, 100] } });
  for (const v of [0.5, 1, 5, 50, 500, 5000]) latency.record(v, { route: '/buy' });
  const size = meter.createHistogram('shop.size.exponential', { unit: 'By' });
  for (const v of [1, 2, 3, 100, 0, 1e6]) size.record(v);
}

function expectedMetrics(batches) {
  const found = [];
  for (const batch of batches) {
    for (const scope of batch.scopeMetrics) {
      for (const m of scope.metrics) {
        for (const p of m.dataPoints) {
          found.push({ name: m.descriptor.name, unit: m.descriptor.unit, type: m.dataPointType, attributes: p.attributes, time_ns: ns(p.endTime), value: p.value });
        }
      }
    }
  }
  return found;
}

const spansSeen = new InMemorySpanExporter();
const tracerProvider = new BasicTracerProvider({
  resource,
  spanLimits: { attributeValueLengthLimit: Infinity },
  spanProcessors: [
    new BatchSpanProcessor(checked(new pick[0].OTLPTraceExporter(target('traces')), 'trace'), { maxExportBatchSize: 20, scheduledDelayMillis: 50 }),
    new SimpleSpanProcessor(spansSeen),
  ],
});
const logsSeen = new InMemoryLogRecordExporter();
const loggerProvider = new LoggerProvider({
  resource,
  processors: [new BatchLogRecordProcessor({ exporter: checked(new pick[1].OTLPLogExporter(target('logs')), 'logs') }), new SimpleLogRecordProcessor({ exporter: logsSeen })],
});
const metricExporter = checked(new pick[2].OTLPMetricExporter({ ...target('metrics'), temporalityPreference: AggregationTemporality.CUMULATIVE }), 'metrics');
const metricsSeen = [];
const sendMetrics = metricExporter.export.bind(metricExporter);
metricExporter.export = (batch, done) => {
  metricsSeen.push(batch);
  sendMetrics(batch, done);
};
const reader = new PeriodicExportingMetricReader({ exporter: metricExporter, exportIntervalMillis: 3600000 });
const meterProvider = new MeterProvider({
  resource,
  readers: [reader],
  views: [{ instrumentName: 'shop.size.exponential', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }],
});

const remote = recordSpans(tracerProvider.getTracer('recorder', '1.2.3'));
recordLogs(loggerProvider.getLogger('recorder.logs', '4.5'), remote);
recordMetrics(meterProvider.getMeter('recorder.metrics', '6.7'));
await tracerProvider.forceFlush();
await loggerProvider.forceFlush();
await reader.forceFlush();

const KINDS = ['internal', 'server', 'client', 'producer', 'consumer'];
const STATUS = ['unset', 'ok', 'error'];
writeFileSync(outFile, JSON.stringify({
  resource: deep(resource.attributes),
  spans: spansSeen.getFinishedSpans().map((s) => ({
    trace_id: s.spanContext().traceId, span_id: s.spanContext().spanId, parent_span_id: s.parentSpanContext?.spanId,
    trace_state: s.spanContext().traceState?.serialize(), name: s.name, kind: KINDS[s.kind], start_ns: ns(s.startTime), end_ns: ns(s.endTime),
    status: STATUS[s.status.code], status_message: s.status.message, attributes: deep(s.attributes),
    events: s.events.map((e) => ({ time_ns: ns(e.time), name: e.name, attributes: deep(e.attributes ?? {}) })),
    links: s.links.map((l) => ({ trace_id: l.context.traceId, span_id: l.context.spanId, attributes: deep(l.attributes ?? {}) })),
    scope: { name: s.instrumentationScope.name, version: s.instrumentationScope.version },
  })),
  logs: logsSeen.getFinishedLogRecords().map((r) => ({
    time_ns: ns(r.hrTime), observed_ns: ns(r.hrTimeObserved), severity_number: r.severityNumber, severity_text: r.severityText, body: deep(r.body),
    trace_id: r.spanContext?.traceId, span_id: r.spanContext?.spanId, attributes: deep(r.attributes), event_name: r.eventName,
    scope: { name: r.instrumentationScope.name, version: r.instrumentationScope.version },
  })),
  metrics: expectedMetrics(metricsSeen),
}));
await Promise.all([tracerProvider.shutdown(), loggerProvider.shutdown(), meterProvider.shutdown()]);
