/* SPDX-License-Identifier: Apache-2.0
 *
 * Prometheus remote write 1.0: a snappy block of a protobuf WriteRequest into the metrics engine. On the hit
 * path a series is found by the hash of its encoded label bytes; nothing is parsed or allocated per sample.
 * Source: Prometheus remote write specification 1.0.
 */
#ifndef INGEST_PROM_REMOTE_H
#define INGEST_PROM_REMOTE_H

#include "base/buf.h"
#include "ingest/sink.h"

struct err;
struct prom_remote;

struct prom_remote *prom_remote_new(struct sink *sink);
void prom_remote_free(struct prom_remote *p);

/**
 * @param body  as it came, snappy-compressed
 * @return 0 when every sample was stored (204); -ERR_INVALID / -ERR_OUT_OF_RANGE naming the first bad
 *         series when some were refused, the others being stored (400, no retry), -ERR_LIMIT the same for
 *         the limit of series (422); -ERR_TRUNCATED, -ERR_TOO_LARGE: not decodable; -ERR_OVERLOAD (429),
 *         -ERR_NOSPACE, -ERR_IO (503): nothing was stored, retry
 * Thread-safe.
 */
NODISCARD int prom_remote_write(struct prom_remote *p, struct str body, struct err *reterr);

#endif
