/* SPDX-License-Identifier: Apache-2.0
 *
 * Prometheus scraping: reads a Prometheus configuration (global, scrape_configs, scrape_config_files), finds
 * targets, relabels, fetches their pages staggered over the interval on a few event threads, and stores the
 * samples with the series every Prometheus user expects (up, scrape_duration_seconds, staleness markers).
 * Sources: Prometheus 3 documentation "Configuration", "Metric types", HTTP API "Targets".
 */
#ifndef INGEST_SCRAPE_SCRAPE_H
#define INGEST_SCRAPE_SCRAPE_H

#include "base/arena.h"
#include "base/buf.h"
#include "ingest/sink.h"

struct scrape;
struct err;

struct scrape_opts {
    struct sink *sink; /* borrowed */
    const char *version;
    unsigned threads; /* event threads; 0: 2 */
    /** Open connections to targets at once; 0: three quarters of the descriptors the process may open, at most 20,000. */
    unsigned max_connections;
    bool with_created;      /* store a zero where a page says a counter began */
    const char *dns_server; /* "ADDR:PORT" for dns_sd_configs; NULL or "": the system's */
    struct stats *stats;    /* may be NULL */
};

/** Starts the event threads without any job. @return NULL when threads fail */
struct scrape *scrape_new(const struct scrape_opts *opts);
/** Ends transfers and threads; writes no staleness markers, as Prometheus on shutdown. NULL is fine. */
void scrape_free(struct scrape *s);

/**
 * Read the file and let what it says take the place of what runs: unchanged jobs go on, changed ones keep
 * their targets' series. On failure everything stays as it was.
 * @param path  "" or NULL: no jobs
 * @return 0; -ERR_INVALID with file, line and key; -ERR_NOT_FOUND, -ERR_IO, -ERR_NOMEM. Thread-safe.
 */
NODISCARD int scrape_load(struct scrape *s, const char *path, struct err *reterr);

/**
 * Read a configuration as scrape_load() does and write what was found to `dst` (one line a job).
 * @param ret_notices  lines about sections that are read by Prometheus but not here
 */
NODISCARD int scrape_check(const char *path, struct buf *dst, struct buf *ret_notices,
                           struct err *reterr);

enum scrape_health { SCRAPE_UNKNOWN, SCRAPE_UP, SCRAPE_DOWN };

/** One target as the targets API shows it. Strings live in the caller's arena. */
struct scrape_target_info {
    struct str pool;
    struct str url;
    struct str global_url; /* with this host's name instead of localhost */
    struct str last_error; /* empty: none. A dropped target: the rule that dropped it */
    struct labels discovered;
    struct labels labels;   /* empty for a dropped target */
    int64_t last_scrape_ns; /* Unix ns; 0: not scraped yet */
    int64_t last_duration_ns;
    int64_t interval_ms;
    int64_t timeout_ms;
    enum scrape_health health;
};

struct scrape_pool_info {
    struct str name;
    size_t active;
    size_t dropped; /* all of them, also those not kept */
};

struct scrape_snapshot {
    struct scrape_target_info *active, *dropped;
    struct scrape_pool_info *pools; /* sorted by name */
    size_t active_n, dropped_n, pools_n;
};

/** Targets now, by pool, then labels. @param pool  only this one; empty: all
 * @return 0, -ERR_NOMEM (arena). Thread-safe. */
NODISCARD int scrape_snapshot(struct scrape *s, struct str pool, struct arena *a,
                              struct scrape_snapshot *ret, struct err *reterr);

/** What a target told about one metric family. */
struct scrape_metadata {
    struct labels target;
    struct str metric, type, help, unit;
};

/** @param metric  only this family; empty: all.  @param limit  0: none. In `a`. */
NODISCARD int scrape_target_metadata(struct scrape *s, struct str metric, size_t limit,
                                     struct arena *a, struct scrape_metadata **ret, size_t *ret_n,
                                     struct err *reterr);

#endif
