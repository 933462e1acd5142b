// SPDX-License-Identifier: Apache-2.0
//
// Starts the three services and the customers, restarts what dies, ends all of them on SIGTERM or SIGINT.
// Needs OTEL_EXPORTER_OTLP_ENDPOINT and, when the server asks for one, BONGSU_TOKEN.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const children = new Map();
let ending = false;

const freePort = () => new Promise((done) => {
  const s = createServer().listen(0, '127.0.0.1', () => {
    const { port } = s.address();
    s.close(() => done(port));
  });
});

function start(name, env, args = []) {
  const child = spawn(process.execPath, [...args, `${name}.mjs`], { cwd: here, stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } });
  children.set(name, child);
  child.stderr.on('data', (text) => process.stderr.write(`${name}: ${text}`));
  child.on('exit', (code) => {
    children.delete(name);
    if (ending) return;
    console.error(`${name} ended with ${code}; starting it again`);
    setTimeout(() => ending || start(name, env, args), 1000);
  });
}

function end() {
  if (ending) return;
  ending = true;
  for (const child of children.values()) child.kill('SIGTERM');
  setTimeout(() => {
    for (const child of children.values()) child.kill('SIGKILL');
  }, 4000).unref();
}
process.on('SIGTERM', end);
process.on('SIGINT', end);

const telemetry = (name, version) => ({
  OTEL_SERVICE_NAME: name,
  OTEL_RESOURCE_ATTRIBUTES: `service.namespace=shop,service.version=${version},deployment.environment.name=demo`,
  OTEL_TRACES_EXPORTER: 'otlp', OTEL_METRICS_EXPORTER: 'otlp', OTEL_LOGS_EXPORTER: 'otlp',
  OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
  OTEL_EXPORTER_OTLP_HEADERS: process.env.BONGSU_TOKEN ? `authorization=Bearer%20${process.env.BONGSU_TOKEN}` : '',
  OTEL_METRIC_EXPORT_INTERVAL: '10000', OTEL_METRIC_EXPORT_TIMEOUT: '5000', OTEL_BSP_SCHEDULE_DELAY: '1000', OTEL_BLRP_SCHEDULE_DELAY: '1000',
  OTEL_SEMCONV_STABILITY_OPT_IN: 'http', OTEL_NODE_RESOURCE_DETECTORS: 'env,host,os,process,serviceinstance',
  OTEL_NODE_DISABLED_INSTRUMENTATIONS: 'net,dns,fs',
});
const instrumented = ['--experimental-loader=@opentelemetry/instrumentation/hook.mjs', '--import', '@opentelemetry/auto-instrumentations-node/register', '--no-warnings'];

const [checkout, inventory, payment] = await Promise.all([freePort(), freePort(), freePort()]);
const url = (port) => `http://127.0.0.1:${port}`;
start('inventory', { PORT: inventory, ...telemetry('inventory', '1.4.2') }, instrumented);
start('payment', { PORT: payment, ...telemetry('payment', '2.0.1') }, instrumented);
start('checkout', { PORT: checkout, INVENTORY_URL: url(inventory), PAYMENT_URL: url(payment), ...telemetry('checkout', '3.7.0') }, instrumented);
setTimeout(() => ending || start('traffic', { CHECKOUT_URL: url(checkout), OTEL_SDK_DISABLED: 'true' }), 3000);
console.log(`shop: ${url(checkout)}`);
