/* SPDX-License-Identifier: Apache-2.0
 *
 * Durations and sizes as texts: Prometheus' durations (5m, 1d), Go's (1h30m, 1.5s), and sizes with decimal or
 * binary units (42MB, 1.5KiB). All strict: the whole text or nothing.
 */
#ifndef QUERY_LOGQL_UNITS_H
#define QUERY_LOGQL_UNITS_H

#include "base/buf.h"

/** Prometheus' form only: "5m", "1h30m", "0". */
NODISCARD bool lq_units_prom_duration(struct str s, int64_t *ret_ns);
/** Go's time.ParseDuration: sign, fractions, ns us µs ms s m h. */
NODISCARD bool lq_units_go_duration(struct str s, int64_t *ret_ns);
/** Either, the first one first. */
NODISCARD bool lq_units_duration(struct str s, int64_t *ret_ns);
/** "20", "1.5 KiB", "3k", "1,024 B". */
NODISCARD bool lq_units_bytes(struct str s, uint64_t *ret);

/** "1h30m", "90ms", "0s": Prometheus' form when whole milliseconds are enough, else Go's. */
void lq_units_print_duration(struct buf *dst, int64_t ns);
/** Go's Duration.String(): "1h30m0s", "1.5ms". */
void lq_units_print_go_duration(struct buf *dst, int64_t ns);
/** go-humanize's Bytes(): "83 MB". */
void lq_units_print_bytes(struct buf *dst, uint64_t n);

#endif
