/* SPDX-License-Identifier: Apache-2.0
 *
 * Log lines to pattern ids while they come in. What is variable in a line is masked; masked lines seen before are
 * found by their hash, others go to the Drain tree of their service. Templates are kept in the store, so that an
 * id means the same for ever.
 */
#ifndef INGEST_PATTERNS_PATTERNS_H
#define INGEST_PATTERNS_PATTERNS_H

#include "base/buf.h"
#include "base/stats.h"
#include "model/otel.h"

struct patterns;
struct log_templates;

struct patterns_opts {
    struct log_templates *templates; /* borrowed; NULL: nothing is kept */
    struct stats *stats;
    size_t services;         /* with templates in memory; 0: 512 */
    size_t service_clusters; /* templates of one service; 0: 1000 */
    size_t clusters;         /* of all; 0: 20000 */
    int64_t idle_ns;         /* only templates unused for so long make room; 0: 1 h */
};

/** @return 0, -ERR_NOMEM */
NODISCARD int patterns_new(const struct patterns_opts *opts, struct patterns **ret);
void patterns_free(struct patterns *p); /* NULL is fine */

enum { PATTERNS_RESULTS = 5 };

/** Lines of a batch by how their patterns were found, not counted yet. */
struct patterns_tally {
    uint64_t lines[PATTERNS_RESULTS];
};

/** Set the pattern of every record whose body is text (or a map with a message); 0 where there is no room for another
 * template. Never fails. Thread-safe; lines seen before take no lock.
 * @param now_ns  wall clock: for what goes first when there is no room */
void patterns_mine(struct patterns *p, struct log_record *v, size_t n, int64_t now_ns,
                   struct patterns_tally *ret);
/** The batch was stored: it counts. */
void patterns_count(struct patterns *p, const struct patterns_tally *t);

/** A stored template as people read it, "<_>" for what varies. */
void patterns_text(struct str text, struct buf *dst);
/** The service whose patterns a record belongs to: service.name of the resource, else a Loki stream's service_name,
 * app, container or job; empty when there is none. */
struct str patterns_service(const struct resource *r);
/** The template of one line by itself, for lines whose template is not known any more. @return bytes in dst */
void patterns_of_line(struct str body, struct buf *dst);

#endif
