// Requests that change something. Each returns what the server answered or throws ApiError.
import { http, type Schemas, setCsrfToken, unwrap } from '@/api/client'
import type { Role, Scope, Session } from '@/api/queries'
import type { operations } from '@/api/schema.gen'

function remember(session: Session): Session {
  setCsrfToken(session.csrf_token)
  return session
}

export async function login(user: string, password: string): Promise<Session> {
  return remember(await unwrap(http.POST('/api/v1/session', { body: { user, password } })))
}

export async function logout(): Promise<void> {
  await unwrap(http.DELETE('/api/v1/session', { parseAs: 'text' }))
  setCsrfToken(undefined)
}

export async function setup(token: string, user: string, password: string): Promise<Session> {
  return remember(await unwrap(http.POST('/api/v1/setup', { body: { token, user, password } })))
}

export function createUser(user: string, password: string, role: Role) {
  return unwrap(http.POST('/api/v1/users', { body: { user, password, role } }))
}

export function updateUser(
  user: string,
  change: { role?: Role; password?: string; current_password?: string },
) {
  return unwrap(http.PATCH('/api/v1/users/{user}', { params: { path: { user } }, body: change }))
}

export async function deleteUser(user: string): Promise<void> {
  await unwrap(http.DELETE('/api/v1/users/{user}', { params: { path: { user } }, parseAs: 'text' }))
}

export function createToken(
  name: string,
  scopes: Scope[],
  expires_ms?: number,
): Promise<Schemas['Token'] & { secret: string }> {
  return unwrap(http.POST('/api/v1/tokens', { body: { name, scopes, expires_ms } }))
}

export async function deleteToken(id: string): Promise<void> {
  await unwrap(http.DELETE('/api/v1/tokens/{id}', { params: { path: { id } }, parseAs: 'text' }))
}

export function replaceProcessing(config: string): Promise<Schemas['Processing']> {
  return unwrap(http.PUT('/api/v1/processing', { body: { config } }))
}

export type ProcessingSample = NonNullable<
  operations['testProcessing']['requestBody']
>['content']['application/json']

export function tryProcessing(sample: ProcessingSample): Promise<Schemas['ProcessingResult']> {
  return unwrap(http.POST('/api/v1/processing/test', { body: sample }))
}
