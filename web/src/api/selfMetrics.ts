// PromQL on the server's own series (bongsu_*), in one place because the names belong to the server.

export const ingestRate = (window: string) => `sum by (signal) (rate(bongsu_ingest_items_total[${window}]))`
export const dropRate = (window: string) =>
  `sum by (signal, reason) (rate(bongsu_ingest_dropped_total[${window}]))`
export const residentMemory = 'bongsu_process_resident_memory_bytes'
export const cpuRate = (window: string) => `rate(bongsu_process_cpu_seconds_total[${window}])`
