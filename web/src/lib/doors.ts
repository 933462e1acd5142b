// Addresses a sender should use, made from what the server says about its doors and the address this
// browser reached it by. With login switched on every sender needs a token; TOKEN stands for it.

interface Door {
  name: string
  address: string
  on: boolean
}

export interface Doors {
  doors?: Door[] | undefined
  auth_enabled?: boolean | undefined
}

export const TOKEN = 'TOKEN'

/** "0.0.0.0:4318" or "[::]:4318" -> "4318"; undefined when the door is closed. */
export function doorPort(doors: Door[] | undefined, name: string): string | undefined {
  const door = doors?.find(d => d.name === name && d.on)
  return door === undefined ? undefined : /:(\d+)$/.exec(door.address)?.[1]
}

export function needsToken(status: Doors | undefined): boolean {
  return status?.auth_enabled !== false
}

export function otlpHttpUrl(status: Doors | undefined, hostname: string): string {
  return `http://${hostname}:${doorPort(status?.doors, 'otlp_http') ?? '4318'}`
}

export function otlpSnippet(status: Doors | undefined, hostname: string): string {
  return [
    `export OTEL_EXPORTER_OTLP_ENDPOINT=${otlpHttpUrl(status, hostname)}`,
    'export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf',
    ...(needsToken(status) ? [`export OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20${TOKEN}`] : []),
    'export OTEL_SERVICE_NAME=my-service',
  ].join('\n')
}

/** The agent talks to the main door (OTLP below /otlp there). */
export function agentSnippet(status: Doors | undefined, serverUrl: string): string {
  return `bongsu-agent --server ${serverUrl}${needsToken(status) ? ` --token ${TOKEN}` : ''}`
}

export function remoteWriteSnippet(status: Doors | undefined, serverUrl: string): string {
  return [
    'remote_write:',
    `  - url: ${serverUrl}/api/v1/write`,
    ...(needsToken(status) ? ['    authorization:', `      credentials: ${TOKEN}`] : []),
  ].join('\n')
}
