/* SPDX-License-Identifier: Apache-2.0
 *
 * One target: from discovered labels to its final labels and address, its state for the API and the cache of
 * its series. Identity, configuration and labels are immutable after target_make(); status is guarded by the
 * target's lock; everything under "of the loop" belongs to the loop that scrapes it.
 */
#ifndef INGEST_SCRAPE_TARGET_H
#define INGEST_SCRAPE_TARGET_H

#include "base/lock.h"
#include "ingest/scrape/auth.h"
#include "ingest/scrape/config.h"
#include "ingest/scrape/scrape.h"
#include "ingest/scrape/series_cache.h"

struct http_transfer;
struct loop;

/** A metric family the page told about, in order of the page. */
struct target_family {
    uint64_t hash;
    uint32_t id; /* of families.h */
};

enum target_state { TARGET_NEW, TARGET_WAITING, TARGET_DUE, TARGET_IN_FLIGHT, TARGET_ENDING };

struct target {
    _Atomic int refs;
    struct config *conf; /* a reference */
    const struct job_conf *job;
    struct arena a;
    struct labels labels;
    struct str url, global_url;
    uint64_t key; /* of job name, labels and address: equal keys are one target */
    int64_t interval_ms, timeout_ms;
    _Atomic uint64_t
        over_limit; /* targets of a pool over its target limit; 0: it is not. Relaxed */

    struct arena discovered_a;
    struct labels discovered; /* guarded by: the manager's lock */

    struct mutex lock;
    enum scrape_health health;          /* guarded by: lock */
    char *last_error;                   /* guarded by: lock; owned; NULL: none */
    int64_t last_scrape_ns;             /* guarded by: lock */
    int64_t last_duration_ns;           /* guarded by: lock */
    VEC(struct target_family) families; /* guarded by: lock; written by the loop only */

    /* of the loop */
    struct loop *loop;
    enum target_state state;
    bool reported;      /* at least one scrape was stored */
    int64_t due_ns;     /* Unix ns: next scrape, or when staleness markers are written */
    int64_t started_ns; /* of the scrape in flight */
    int64_t stamp_ms;   /* its samples' time */
    int64_t stale_ms;   /* time of the markers when ending */
    struct mono began;
    struct http_transfer *transfer;
    struct header_list headers;  /* of the request in flight */
    struct http_profile profile; /* of the request in flight */
    struct series_cache cache;
    struct series_cache untimed;   /* `ref`: hash of a series' last exemplar without a time */
    struct series_ref reports[10]; /* up and the others */
    size_t heap_at;
    struct target *next, *prev; /* queue or flights of the loop */
};

/** What target_make() makes of discovered labels. */
enum target_made { TARGET_OK, TARGET_DROPPED, TARGET_BAD };

/**
 * Apply the job's relabelling to a group's target.
 * @param scratch  for working memory, reset by the caller
 * @param ret  set when TARGET_OK; one reference
 * @param ret_rule  the rule that dropped it, when TARGET_DROPPED
 * @param ret_discovered  labels before relabelling, in scratch
 */
enum target_made target_make(const struct job_conf *job, const struct sd_group *g, size_t i,
                             struct arena *scratch, struct target **ret,
                             struct labels *ret_discovered, size_t *ret_rule, struct err *reterr);
struct target *target_ref(struct target *t);
void target_unref(struct target *t);
/** Replace the labels shown as discovered. Manager's lock held. */
void target_set_discovered(struct target *t, struct labels ls);

#endif
