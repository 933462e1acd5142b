/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests counted as they come in: for every group, instance and operation a ring of 2 s ticks with raw counters and
 * a histogram. A request belongs to the tick it ended in, so one that is told of late corrects its tick. Groups are
 * counted from the same requests, never from averages of instances.
 */
#ifndef APM_LIVE_H
#define APM_LIVE_H

#include "apm/latency.h"
#include "apm/naming.h"
#include "base/stats.h"
#include "store/tsdb/tsdb.h"

struct live;

enum {
    LIVE_TICK_MS = 2000,
    LIVE_TICKS = 300, /* ten minutes are kept */
    LIVE_LAG_MAX = 15,
};

struct live_opts {
    struct naming *naming; /* borrowed; NULL: entry_of() */
    struct tsdb
        *metrics; /* borrowed; where series go and in-flight requests come from; NULL: neither */
    struct stats *stats;   /* may be NULL */
    size_t max_groups;     /* 0: 1,000; beyond, requests are counted in the group "(other)" */
    size_t max_instances;  /* 0: 10,000 in all; beyond, as the instance "(other)" */
    size_t max_operations; /* 0: 10,000 in all; beyond, as the operation "(other)" */
    size_t max_histogram_operations; /* 0: 300: operations whose histogram is written as series */
    int64_t max_bytes; /* 0: 512 MiB for ticks; beyond, requests are only counted in the totals */
    int64_t up_ms;     /* 0: 2 min; an instance not heard of for longer is shown as gone */
    int64_t keep_ms;   /* 0: 24 h; and dropped after this */
};

struct live *live_new(const struct live_opts *opts);
/** Stops the thread and writes the series a last time. The doors must be stopped. NULL is fine. */
void live_free(struct live *l);
/** Start the thread that writes series, reads in-flight requests and drops what is gone.
 * @return 0, -ERR_UNAVAILABLE */
NODISCARD int live_start(struct live *l, struct err *reterr);

/** Spans that came in, of all kinds; `wall_ms` is now. Thread-safe; a lock per request for a few hundred ns. */
void live_seen(void *live, const struct span *spans, size_t n, int64_t wall_ms);

/** Thresholds from now on; what was counted stays. Thread-safe. @return 0, -ERR_NOMEM */
NODISCARD int live_set_settings(struct live *l, const struct apm_settings *s, struct err *reterr);

/** What the thread does every LIVE_TICK_MS; for tests without one. */
void live_tick(struct live *l, int64_t now_ms);
/** Write all series now. @return as tsdb_batch_commit() */
NODISCARD int live_write_series(struct live *l, int64_t now_ms, struct err *reterr);

/* ---- reading: all strings and arrays in the caller's arena, -ERR_NOMEM when it is full ---- */

/** Ticks [from, to], numbered by end time / LIVE_TICK_MS. */
struct live_window {
    int64_t from, to;
};

static inline int64_t live_tick_of(int64_t wall_ms)
{
    return wall_ms / LIVE_TICK_MS;
}

struct live_counts {
    uint64_t done, satisfied, tolerating, frustrated, err4, err5;
    uint64_t started; /* of the finished requests, those that began in the window */
    uint64_t sum_ns, max_ns;
};

struct live_figures {
    struct live_counts n;
    double p50_ns, p90_ns, p95_ns, p99_ns; /* 0 when nothing was done */
};

/** Score 0..100; NAN when nothing was done. */
double live_apdex(const struct live_counts *n);
/** "excellent", "good", "fair", "poor", "unacceptable", or "none" for NAN. */
const char *live_grade(double score);

struct live_group {
    struct str name;
    struct live_figures f;
    size_t instances, up, operations;
    int64_t first_ms, last_ms; /* requests */
    int64_t t_ms;              /* of operations without one of their own */
    bool frustrated_4xx;
    int64_t tick;      /* newest tick that is taken to be whole */
    int lag_ticks;     /* how far it is behind now because of late senders */
    int64_t in_flight; /* -1: no instance reports it */
};

struct live_instance {
    uint32_t id; /* of this run of the server */
    struct str instance, name, service, ns, version, host;
    struct live_figures f;
    int64_t first_ms, last_ms; /* requests */
    int64_t heard_ms;          /* requests or metrics */
    bool up;
    int64_t in_flight; /* -1: not reported */
};

struct live_operation {
    struct str name;
    enum entry_named named;
    struct live_figures f;
    int64_t t_ms;
    int64_t first_ms, last_ms;
};

/** One tick of a group. */
struct live_point {
    int64_t tick;
    struct live_figures f;
};

/** What of a group is asked for. */
struct live_ask {
    struct str group;
    struct live_window w;
    int64_t now_ms;
    bool quiet;     /* instances without a request in the window, too */
    uint64_t since; /* points that changed since this change number; 0: all with requests */
};

/** All groups, by name. @return 0, -ERR_NOMEM */
NODISCARD int live_groups(struct live *l, struct live_window w, int64_t now_ms, struct arena *a,
                          struct live_group **ret, size_t *ret_n, struct err *reterr);
/** One. @return 0, -ERR_NOT_FOUND, -ERR_NOMEM */
NODISCARD int live_group(struct live *l, const struct live_ask *ask, struct arena *a,
                         struct live_group *ret, struct err *reterr);
/** Instances of a group, those that are gone too, by name. */
NODISCARD int live_instances(struct live *l, const struct live_ask *ask, struct arena *a,
                             struct live_instance **ret, size_t *ret_n, struct err *reterr);
/** Operations with a request in the window, the busiest first. */
NODISCARD int live_operations(struct live *l, const struct live_ask *ask, struct arena *a,
                              struct live_operation **ret, size_t *ret_n, struct err *reterr);
/** Ticks of a group in the window, in order, and the change number to ask with next time. A tick may be told of again
 * unchanged, never missed. */
NODISCARD int live_points(struct live *l, const struct live_ask *ask, struct arena *a,
                          struct live_point **ret, size_t *ret_n, uint64_t *ret_changes,
                          struct err *reterr);

#endif
