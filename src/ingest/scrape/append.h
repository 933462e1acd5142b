/* SPDX-License-Identifier: Apache-2.0
 *
 * From a fetched page to the store: samples, staleness markers of what vanished, and the series about the
 * scrape itself, committed as one batch. One appender belongs to one loop.
 */
#ifndef INGEST_SCRAPE_APPEND_H
#define INGEST_SCRAPE_APPEND_H

#include "ingest/scrape/families.h"
#include "ingest/scrape/target.h"

struct appender;

/** `sink` and `families` are borrowed.
 * @param with_created  where a page says when a counter or histogram began, a zero is stored then */
struct appender *appender_new(struct sink *sink, struct families *families, bool with_created);
void appender_free(struct appender *a);

/** One finished fetch. */
struct scraped {
    struct str body; /* decoded page; empty when the fetch failed */
    enum expo_format format;
    bool failed; /* nothing to parse: `err` says why */
    struct err err;
    int64_t t_ms;        /* stamp of samples without a time of their own */
    int64_t duration_ns; /* of the fetch */
    int64_t body_bytes;  /* -1: over the limit */
};

struct append_result {
    bool up;
    struct err err;   /* why not */
    uint64_t samples; /* exposed */
    uint64_t stored;
};

/** Store it. A page that breaks a rule or a limit is stored as a failed scrape: up 0, markers for all. */
void appender_store(struct appender *a, struct target *t, const struct scraped *s,
                    struct append_result *ret);
/** The target is gone: markers for all its series at t_ms. */
void appender_end(struct appender *a, struct target *t, int64_t t_ms);

#endif
