/* SPDX-License-Identifier: Apache-2.0
 *
 * Prometheus remote write 1.0 and 2.0: a snappy block of a protobuf request into the metrics engine. On the hit
 * path a series is found by the hash of its encoded label bytes; nothing is parsed or allocated per sample.
 * Sources: Prometheus remote write specifications 1.0 and 2.0.
 */
#ifndef INGEST_PROM_REMOTE_H
#define INGEST_PROM_REMOTE_H

#include "base/buf.h"
#include "ingest/sink.h"

struct err;
struct prom_remote;

struct prom_remote *prom_remote_new(struct sink *sink);
void prom_remote_free(struct prom_remote *p);

enum prom_remote_version { PROM_REMOTE_1, PROM_REMOTE_2 };

/** What was stored, also when the request failed in part. */
struct prom_remote_result {
    size_t samples;
    size_t histograms;
    size_t exemplars;
    bool deduplicated; /* of a replica not elected: taken and thrown away (202) */
};

/** From a Content-Type: application/x-protobuf, with proto=prometheus.WriteRequest or
 * proto=io.prometheus.write.v2.Request; empty means 1.0. @return false: another type (415) */
bool prom_remote_version(struct str content_type, enum prom_remote_version *ret);

/**
 * @param body  as it came, snappy-compressed
 * @return 0 when every sample was stored (204); -ERR_INVALID / -ERR_OUT_OF_RANGE naming the first bad
 *         series when some were refused, the others being stored (400, no retry), -ERR_LIMIT the same for
 *         the limit of series (422); -ERR_TRUNCATED, -ERR_TOO_LARGE: not decodable; -ERR_OVERLOAD (429),
 *         -ERR_NOSPACE, -ERR_IO (503): nothing was stored, retry
 * Thread-safe.
 */
NODISCARD int prom_remote_receive(struct prom_remote *p, enum prom_remote_version version,
                                  struct str body, struct prom_remote_result *ret,
                                  struct err *reterr);

/** The same for 1.0 when only success matters. */
NODISCARD static inline int prom_remote_write(struct prom_remote *p, struct str body,
                                              struct err *reterr)
{
    struct prom_remote_result r;

    return prom_remote_receive(p, PROM_REMOTE_1, body, &r, reterr);
}

#endif
