/* SPDX-License-Identifier: Apache-2.0
 *
 * An event thread that scrapes its share of the targets: each at its own offset of the interval, with a
 * bounded number of connections. Targets come and go through a queue; everything else is the thread's own.
 */
#ifndef INGEST_SCRAPE_LOOP_H
#define INGEST_SCRAPE_LOOP_H

#include "base/stats.h"
#include "ingest/scrape/append.h"
#include "ingest/scrape/auth.h"
#include "ingest/scrape/failure_log.h"

struct loop;

/** Counters of all loops together. */
struct loop_stats {
    struct counter *scrapes_up;
    struct counter *scrapes_failed;
    struct counter *late; /* intervals skipped because the scrape before had not begun or ended */
    struct counter *samples;
    struct counter *body_bytes;
    struct counter *connects;
    struct timing *duration;
};

struct loop_opts {
    struct sink *sink;
    struct families *families;
    struct auth_tokens *tokens;
    struct loop_stats *stats;
    struct failure_logs *failures;
    const char *version;
    bool with_created; /* see appender_new() */
    unsigned max_connections;
    unsigned number;
};

/** @return NULL when the thread fails */
struct loop *loop_new(const struct loop_opts *o);
/** Stop at once, without markers. NULL is fine. */
void loop_free(struct loop *l);
/** Scrape it from now on; takes a reference of its own. Thread-safe. */
NODISCARD int loop_add(struct loop *l, struct target *t);
/** No more; its series get markers when it does not come back. Thread-safe. */
NODISCARD int loop_remove(struct loop *l, struct target *t);
size_t loop_in_flight(const struct loop *l);
size_t loop_connections(const struct loop *l);

#endif
