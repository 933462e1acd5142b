// Every way to send data to this server, as configuration to copy: made from what the server says about its doors and
// from the address this browser reached it by. Pure, so that every text is tested.
import { type Doors, doorPort, needsToken, otlpHttpUrl, TOKEN } from '@/lib/doors'

export type Signal = 'metrics' | 'traces' | 'logs'

export const GROUPS = [
  { key: 'apps', ids: ['java', 'node', 'python', 'go', 'dotnet', 'collector', 'zipkin'] },
  {
    key: 'logs',
    ids: [
      'fluentbit',
      'fluentd',
      'filebeat',
      'logstash',
      'vector',
      'promtail',
      'alloy',
      'rsyslog',
      'syslogng',
      'logger',
      'curl',
    ],
  },
  { key: 'hosts', ids: ['agent', 'prometheus'] },
] as const

export type SourceId = (typeof GROUPS)[number]['ids'][number]

export const SOURCE_IDS: readonly SourceId[] = GROUPS.flatMap(g => [...g.ids])

/** Product names are the same in every language. */
export const NAMES: Record<SourceId, string> = {
  java: 'Java',
  node: 'Node.js',
  python: 'Python',
  go: 'Go',
  dotnet: '.NET',
  collector: 'OpenTelemetry Collector',
  zipkin: 'Zipkin',
  fluentbit: 'Fluent Bit',
  fluentd: 'Fluentd',
  filebeat: 'Filebeat',
  logstash: 'Logstash',
  vector: 'Vector',
  promtail: 'Promtail',
  alloy: 'Grafana Alloy',
  rsyslog: 'rsyslog',
  syslogng: 'syslog-ng',
  logger: 'logger',
  curl: 'curl (JSON lines)',
  agent: 'Bongsu agent',
  prometheus: 'Prometheus',
}

/** What the steps of a source are called; texts in onboarding.step_*. */
export type Step = 'install' | 'environment' | 'run' | 'file' | 'code' | 'test'

export interface Block {
  step: Step
  /** The file the text goes into, where that is fixed. */
  path?: string
  code: string
}

/** A door that is closed until an address is given, and how it is opened. */
export interface Closed {
  door: 'syslog_tcp' | 'fluent'
  code: string
}

export interface Guide {
  signals: Signal[]
  blocks: Block[]
  closed?: Closed
  /** The doors whose own count tells that something came in; without one the signals' counts do. */
  doors: string[]
  /** The door it sends to. */
  door: 'http' | 'otlp_http' | 'syslog_tcp' | 'fluent'
}

/** Where the browser found the server: https://bongsu.example/watch is host, port, TLS and prefix. */
export interface Place {
  url: string
  host: string
  port: string
  tls: boolean
  /** Path of the console without the last slash: '' or '/watch'. */
  prefix: string
}

export function placeOf(serverUrl: string): Place {
  const u = new URL(serverUrl)
  const tls = u.protocol === 'https:'
  return {
    url: serverUrl.replace(/\/$/, ''),
    host: u.hostname,
    port: u.port || (tls ? '443' : '80'),
    tls,
    prefix: u.pathname.replace(/\/$/, ''),
  }
}

/** Whether the door answers only on its own machine, while the browser came from another. */
export function onlyLocal(status: Doors | undefined, name: string, place: Place): boolean {
  const address = status?.doors?.find(d => d.name === name && d.on)?.address ?? ''
  const loopback = (h: string) => /^(127\.|\[?::1\]?$|localhost$)/.test(h)
  return loopback(address.replace(/:\d+$/, '')) && !loopback(place.host)
}

const lines = (...parts: (string | false)[]) => parts.filter(p => p !== false).join('\n')

/** OTLP has a door of its own; behind TLS, or when that is closed, it goes the way the browser came. */
function otlp(status: Doors | undefined, place: Place): { url: string; door: 'http' | 'otlp_http' } {
  return place.tls || (status !== undefined && doorPort(status.doors, 'otlp_http') === undefined)
    ? { url: `${place.url}/otlp`, door: 'http' }
    : { url: otlpHttpUrl(status, place.host), door: 'otlp_http' }
}

function otel(status: Doors | undefined, place: Place): string {
  return lines(
    'export OTEL_SERVICE_NAME=my-service',
    `export OTEL_EXPORTER_OTLP_ENDPOINT=${otlp(status, place).url}`,
    'export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf',
    needsToken(status) && `export OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20${TOKEN}"`,
  )
}

function sdk(status: Doors | undefined, place: Place, blocks: Block[]): Guide {
  return {
    signals: ['traces', 'metrics', 'logs'],
    doors: [],
    door: otlp(status, place).door,
    blocks: [
      ...blocks.filter(b => b.step === 'install'),
      { step: 'environment', code: otel(status, place) },
      ...blocks.filter(b => b.step !== 'install'),
    ],
  }
}

function syslog(status: Doors | undefined, make: (port: string) => Block[]): Guide {
  const port = doorPort(status?.doors, 'syslog_tcp')
  return {
    signals: ['logs'],
    doors: ['syslog_udp', 'syslog_tcp', 'syslog_tls'],
    door: 'syslog_tcp',
    blocks: make(port ?? '5514'),
    ...(port === undefined && {
      closed: {
        door: 'syslog_tcp',
        code: 'bongsu server --syslog-listen-tcp 0.0.0.0:5514 --syslog-listen-udp 0.0.0.0:5514',
      } as const,
    }),
  }
}

function forward(status: Doors | undefined, make: (port: string) => Block[]): Guide {
  const port = doorPort(status?.doors, 'fluent')
  return {
    signals: ['logs'],
    doors: ['fluent', 'fluent_tls'],
    door: 'fluent',
    blocks: make(port ?? '24224'),
    ...(port === undefined && {
      closed: {
        door: 'fluent',
        code: 'bongsu server --fluent-listen 0.0.0.0:24224 --fluent-shared-key KEY',
      } as const,
    }),
  }
}

const logs = (...blocks: Block[]): Guide => ({ signals: ['logs'], doors: [], door: 'http', blocks })

function elastic(place: Place): string {
  // clients of Elasticsearch take port 9200 when none is written
  return `${place.tls ? 'https' : 'http'}://${place.host}:${place.port}${place.prefix}/elasticsearch`
}

type Maker = (status: Doors | undefined, place: Place) => Guide

const MAKERS: Record<SourceId, Maker> = {
  java: (status, place) =>
    sdk(status, place, [
      {
        step: 'install',
        code: lines(
          'curl -LO https://github.com/open-telemetry/opentelemetry-java-instrumentation\\',
          '/releases/latest/download/opentelemetry-javaagent.jar',
        ),
      },
      { step: 'run', code: 'java -javaagent:opentelemetry-javaagent.jar -jar app.jar' },
    ]),
  node: (status, place) =>
    sdk(status, place, [
      {
        step: 'install',
        code: 'npm install @opentelemetry/api @opentelemetry/auto-instrumentations-node',
      },
      {
        step: 'run',
        code: lines(
          'export OTEL_TRACES_EXPORTER=otlp OTEL_METRICS_EXPORTER=otlp OTEL_LOGS_EXPORTER=otlp',
          'node --import @opentelemetry/auto-instrumentations-node/register app.js',
        ),
      },
    ]),
  python: (status, place) =>
    sdk(status, place, [
      {
        step: 'install',
        code: lines(
          'pip install opentelemetry-distro opentelemetry-exporter-otlp',
          'opentelemetry-bootstrap -a install',
        ),
      },
      {
        step: 'run',
        code: lines(
          'export OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED=true',
          'opentelemetry-instrument python app.py',
        ),
      },
    ]),
  go: (status, place) =>
    sdk(status, place, [
      {
        step: 'install',
        code: lines(
          'go get go.opentelemetry.io/otel/sdk',
          'go get go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp',
          'go get go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp',
        ),
      },
      {
        step: 'code',
        path: 'main.go',
        code: lines(
          'exporter, err := otlptracehttp.New(ctx)',
          'if err != nil {',
          '\tlog.Fatal(err)',
          '}',
          'provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))',
          'defer provider.Shutdown(ctx)',
          'otel.SetTracerProvider(provider)',
          'handler := otelhttp.NewHandler(mux, "server")',
        ),
      },
    ]),
  dotnet: (status, place) =>
    sdk(status, place, [
      {
        step: 'install',
        code: lines(
          'dotnet add package OpenTelemetry.Extensions.Hosting',
          'dotnet add package OpenTelemetry.Exporter.OpenTelemetryProtocol',
          'dotnet add package OpenTelemetry.Instrumentation.AspNetCore',
          'dotnet add package OpenTelemetry.Instrumentation.Http',
        ),
      },
      {
        step: 'code',
        path: 'Program.cs',
        code: lines(
          'builder.Services.AddOpenTelemetry()',
          '    .WithTracing(t => t.AddAspNetCoreInstrumentation()',
          '        .AddHttpClientInstrumentation().AddOtlpExporter())',
          '    .WithMetrics(m => m.AddAspNetCoreInstrumentation()',
          '        .AddHttpClientInstrumentation().AddOtlpExporter());',
          'builder.Logging.AddOpenTelemetry(l => l.AddOtlpExporter());',
        ),
      },
    ]),
  collector: (status, place) => ({
    signals: ['traces', 'metrics', 'logs'],
    doors: [],
    door: otlp(status, place).door,
    blocks: [
      {
        step: 'file',
        path: 'config.yaml',
        code: lines(
          'exporters:',
          '  otlphttp:',
          `    endpoint: ${otlp(status, place).url}`,
          needsToken(status) && '    headers:',
          needsToken(status) && `      authorization: Bearer ${TOKEN}`,
          'service:',
          '  pipelines:',
          '    traces: {receivers: [otlp], exporters: [otlphttp]}',
          '    metrics: {receivers: [otlp], exporters: [otlphttp]}',
          '    logs: {receivers: [otlp], exporters: [otlphttp]}',
        ),
      },
    ],
  }),
  zipkin: (status, place) => ({
    signals: ['traces'],
    doors: [],
    door: 'http',
    blocks: [
      {
        step: 'file',
        path: 'application.properties',
        code: lines(
          `management.zipkin.tracing.endpoint=${place.url}/api/v2/spans`,
          'management.tracing.sampling.probability=1.0',
        ),
      },
      {
        step: 'test',
        code: lines(
          `curl -i ${place.url}/api/v2/spans \\`,
          `  -H 'Content-Type: application/json' \\`,
          needsToken(status) && `  -H 'Authorization: Bearer ${TOKEN}' \\`,
          `  -d '[{"traceId":"'$(openssl rand -hex 16)'",`,
          `        "id":"'$(openssl rand -hex 8)'","name":"hello",`,
          `        "kind":"SERVER","duration":1200,`,
          `        "localEndpoint":{"serviceName":"zipkin-test"}}]'`,
        ),
      },
    ],
  }),
  fluentbit: status =>
    forward(status, port => [
      {
        step: 'file',
        path: '/etc/fluent-bit/fluent-bit.conf',
        code: lines(
          '[OUTPUT]',
          '    name                 forward',
          '    match                *',
          '    host                 HOST',
          `    port                 ${port}`,
          '    shared_key           KEY',
          '    require_ack_response true',
          '    compress             gzip',
        ),
      },
    ]),
  fluentd: status =>
    forward(status, port => [
      {
        step: 'file',
        path: '/etc/fluent/fluentd.conf',
        code: lines(
          '<match **>',
          '  @type forward',
          '  require_ack_response true',
          '  compress gzip',
          '  <server>',
          '    host HOST',
          `    port ${port}`,
          '  </server>',
          '  <security>',
          '    self_hostname "#{Socket.gethostname}"',
          '    shared_key KEY',
          '  </security>',
          '</match>',
        ),
      },
    ]),
  filebeat: (status, place) =>
    logs({
      step: 'file',
      path: '/etc/filebeat/filebeat.yml',
      code: lines(
        'output.elasticsearch:',
        `  hosts: ["${elastic(place)}"]`,
        needsToken(status) && '  username: bongsu',
        needsToken(status) && `  password: ${TOKEN}`,
      ),
    }),
  logstash: (status, place) =>
    logs({
      step: 'file',
      path: '/etc/logstash/conf.d/bongsu.conf',
      code: lines(
        'output {',
        '  elasticsearch {',
        `    hosts => ["${elastic(place)}"]`,
        needsToken(status) && '    user => "bongsu"',
        needsToken(status) && `    password => "${TOKEN}"`,
        '  }',
        '}',
      ),
    }),
  vector: (status, place) =>
    logs({
      step: 'file',
      path: '/etc/vector/vector.yaml',
      code: lines(
        'sinks:',
        '  bongsu:',
        '    type: elasticsearch',
        '    inputs: [my_source]',
        `    endpoints: ["${elastic(place)}"]`,
        '    mode: data_stream',
        '    compression: gzip',
        needsToken(status) && `    auth: {strategy: basic, user: bongsu, password: ${TOKEN}}`,
      ),
    }),
  promtail: (status, place) =>
    logs({
      step: 'file',
      path: '/etc/promtail/config.yml',
      code: lines(
        'clients:',
        `  - url: ${place.url}/loki/api/v1/push`,
        needsToken(status) && `    bearer_token: ${TOKEN}`,
      ),
    }),
  alloy: (status, place) =>
    logs({
      step: 'file',
      path: '/etc/alloy/config.alloy',
      code: lines(
        'loki.write "bongsu" {',
        '  endpoint {',
        `    url = "${place.url}/loki/api/v1/push"`,
        needsToken(status) && `    bearer_token = "${TOKEN}"`,
        '  }',
        '}',
      ),
    }),
  rsyslog: status =>
    syslog(status, port => [
      {
        step: 'file',
        path: '/etc/rsyslog.d/bongsu.conf',
        code: lines(
          `*.* action(type="omfwd" target="HOST" port="${port}"`,
          '           protocol="tcp" TCP_Framing="octet-counted"',
          '           template="RSYSLOG_SyslogProtocol23Format"',
          '           queue.type="LinkedList" queue.filename="bongsu"',
          '           queue.saveOnShutdown="on" action.resumeRetryCount="-1")',
        ),
      },
      { step: 'run', code: 'systemctl restart rsyslog' },
    ]),
  syslogng: status =>
    syslog(status, port => [
      {
        step: 'file',
        path: '/etc/syslog-ng/conf.d/bongsu.conf',
        code: lines(
          `destination d_bongsu { syslog("HOST" transport("tcp") port(${port})); };`,
          'log { source(s_src); destination(d_bongsu); };',
        ),
      },
      { step: 'run', code: 'systemctl restart syslog-ng' },
    ]),
  logger: status =>
    syslog(status, port => [
      { step: 'test', code: `logger --server HOST --port ${port} --tcp --tag shop "hello"` },
    ]),
  curl: (status, place) =>
    logs({
      step: 'test',
      code: lines(
        `echo '{"level":"info","message":"hello","app":"shop"}' |`,
        '  curl -i --data-binary @- \\',
        needsToken(status) && `    -H 'Authorization: Bearer ${TOKEN}' \\`,
        `    '${place.url}/api/v1/logs/import?_stream_fields=app'`,
      ),
    }),
  agent: (status, place) => ({
    signals: ['metrics', 'logs'],
    doors: [],
    door: 'http',
    blocks: [
      {
        step: 'run',
        code: `bongsu-agent --server ${place.url}${needsToken(status) ? ` --token ${TOKEN}` : ''}`,
      },
    ],
  }),
  prometheus: (status, place) => ({
    signals: ['metrics'],
    doors: [],
    door: 'http',
    blocks: [
      {
        step: 'file',
        path: '/etc/prometheus/prometheus.yml',
        code: lines(
          'remote_write:',
          `  - url: ${place.url}/api/v1/write`,
          needsToken(status) && '    authorization:',
          needsToken(status) && `      credentials: ${TOKEN}`,
        ),
      },
    ],
  }),
}

/** How one sender is set up for this server. */
export function guideOf(id: SourceId, status: Doors | undefined, place: Place): Guide {
  const guide = MAKERS[id](status, place)
  return { ...guide, blocks: guide.blocks.map(b => ({ ...b, code: b.code.replaceAll('HOST', place.host) })) }
}

export interface Counts {
  doors?: { name: string; requests?: number | undefined }[]
  ingest: { signal: string; total: number }[]
}

/** What has come in so far by the way of this guide, or of its signals when the way has no count of its own. */
export function received(guide: Guide, counts: Counts): Record<Signal, number> {
  const own =
    counts.doors?.filter(d => guide.doors.includes(d.name)).reduce((n, d) => n + (d.requests ?? 0), 0) ?? 0
  const of = (signal: Signal) =>
    !guide.signals.includes(signal)
      ? 0
      : guide.doors.length > 0
        ? own
        : (counts.ingest.find(i => i.signal === signal)?.total ?? 0)
  return { metrics: of('metrics'), traces: of('traces'), logs: of('logs') }
}
