// SPDX-License-Identifier: Apache-2.0
//
// What the three services share: a logger, JSON calls to each other, and an express app that answers errors
// the same way everywhere. Tracing, metrics and log shipping come from the auto-instrumentation alone.
import express from 'express';
import pino from 'pino';

export const log = pino({ level: 'info', base: undefined });

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
export const between = (low, high) => low + Math.random() * (high - low);
export const chance = (share) => Math.random() < share;

export class HttpError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** JSON in, JSON out; a status of 400 or more is thrown as HttpError. */
export async function call(base, path, body) {
  const answer = await fetch(base + path, {
    method: body ? 'POST' : 'GET',
    headers: { 'content-type': 'application/json' },
    body: body ? JSON.stringify(body) : undefined,
    signal: AbortSignal.timeout(5000),
  });
  const text = await answer.text();
  if (!answer.ok) throw new HttpError(answer.status, `${new URL(base + path).pathname}: ${answer.status} ${text.slice(0, 200)}`);
  return JSON.parse(text);
}

/** routes(app) adds the handlers; handlers may be async and throw. */
export function serve(routes) {
  const app = express();
  app.use(express.json({ limit: '100kb' }));
  routes(app);
  app.use((_req, _res, next) => next(new HttpError(404, 'no such page')));
  app.use((err, req, res, _next) => {
    const status = err.status ?? 500;
    log[status >= 500 ? 'error' : 'warn']({ err: status >= 500 ? err : undefined, status, path: req.path }, err.message);
    res.status(status).json({ error: err.message });
  });
  const server = app.listen(Number(process.env.PORT), '127.0.0.1', () => log.info({ port: Number(process.env.PORT) }, 'listening'));
  process.on('SIGTERM', () => server.close());
}
