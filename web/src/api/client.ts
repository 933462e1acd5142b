// The one place that talks HTTP: typed by the contract, adds the CSRF token, and turns every failure
// into an ApiError (what the server said) or a NetworkError (nobody answered).
import createClient, { type Middleware } from 'openapi-fetch'
import type { components, paths } from '@/api/schema.gen'

export type Schemas = components['schemas']

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly errorType: string,
    message: string,
    readonly retryAfterS?: number,
  ) {
    super(message)
    this.name = 'ApiError'
  }
}

export class NetworkError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'NetworkError'
  }
}

let csrfToken: string | undefined
let onUnauthorized: (() => void) | undefined

export function setCsrfToken(token: string | undefined): void {
  csrfToken = token
}

export function setUnauthorizedHandler(handler: () => void): void {
  onUnauthorized = handler
}

const security: Middleware = {
  onRequest({ request }) {
    if (csrfToken !== undefined && request.method !== 'GET' && request.method !== 'HEAD') {
      request.headers.set('X-CSRF-Token', csrfToken)
    }
    return request
  },
}

/** Address of the server without a trailing slash; follows <base href>, so a path prefix works. */
export function serverUrl(path = ''): string {
  return new URL(`.${path}`, document.baseURI).toString().replace(/\/$/, '')
}

export const http = createClient<paths>({
  baseUrl: serverUrl(),
  credentials: 'same-origin',
  // looked up at call time, so that tests can replace it
  fetch: request => globalThis.fetch(request),
})
http.use(security)

interface Result<T> {
  data?: T
  error?: unknown
  response: Response
}

function errorOf(response: Response, body: unknown): ApiError {
  const e = (typeof body === 'object' && body !== null ? body : {}) as Partial<Schemas['Error']>
  const retry = Number(response.headers.get('Retry-After'))
  const message =
    e.error ?? (typeof body === 'string' && body !== '' ? body.slice(0, 300) : response.statusText)
  return new ApiError(response.status, e.errorType ?? 'http', message, retry > 0 ? retry : undefined)
}

/** Awaits an openapi-fetch call; returns the body or throws ApiError / NetworkError / AbortError. */
export async function unwrap<T>(call: Promise<Result<T>>): Promise<T> {
  let result: Result<T>
  try {
    result = await call
  } catch (e) {
    if (e instanceof DOMException && e.name === 'AbortError') {
      throw e
    }
    if (e instanceof SyntaxError) {
      throw new ApiError(0, 'bad_answer', e.message)
    }
    throw new NetworkError(e instanceof Error ? e.message : String(e))
  }
  if (!result.response.ok) {
    if (result.response.status === 401) {
      onUnauthorized?.()
    }
    throw errorOf(result.response, result.error)
  }
  return result.data as T
}
