// PromQL on the server's own series (bongsu_*), in one place because the names belong to the server.

const TAKEN = { metrics: 'samples', traces: 'spans', logs: 'log_records' } as const

/** Items taken in per second, one series for each signal with the label `signal`. */
export const ingestRate = (window: string) =>
  Object.entries(TAKEN)
    .map(
      ([signal, what]) =>
        `label_replace(sum(rate(bongsu_ingest_${what}_total[${window}])), "signal", "${signal}", "", "")`,
    )
    .join(' or ')

export const rejectRate = (window: string) =>
  `sum by (signal, reason) (rate(bongsu_ingest_rejected_total[${window}])) > 0`
