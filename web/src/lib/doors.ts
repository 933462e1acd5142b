// Addresses a sender should use, made from what the server says about its doors and the host name this
// browser reached it by.

interface Door {
  name: string
  address: string
  on: boolean
}

/** "0.0.0.0:4318" or "[::]:4318" -> "4318"; undefined when the door is closed. */
export function doorPort(doors: Door[] | undefined, name: string): string | undefined {
  const door = doors?.find(d => d.name === name && d.on)
  return door === undefined ? undefined : /:(\d+)$/.exec(door.address)?.[1]
}

export function otlpHttpUrl(doors: Door[] | undefined, hostname: string): string {
  return `http://${hostname}:${doorPort(doors, 'otlp_http') ?? '4318'}`
}

export function otlpSnippet(doors: Door[] | undefined, hostname: string): string {
  return [
    `export OTEL_EXPORTER_OTLP_ENDPOINT=${otlpHttpUrl(doors, hostname)}`,
    'export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf',
    'export OTEL_SERVICE_NAME=my-service',
  ].join('\n')
}

export function agentSnippet(doors: Door[] | undefined, hostname: string): string {
  return `bongsu-agent --server ${otlpHttpUrl(doors, hostname)}`
}

export function remoteWriteSnippet(origin: string): string {
  return ['remote_write:', `  - url: ${origin}/api/v1/write`].join('\n')
}
