/* SPDX-License-Identifier: Apache-2.0
 *
 * The program's own measurements: counters, gauges and histograms that modules create once and bump with
 * relaxed atomics. The registry is passed in, never global; /metrics and the self-monitoring series both
 * read it through stats_each(). Names follow the Prometheus naming practice (unit suffix, _total).
 */
#ifndef BASE_STATS_H
#define BASE_STATS_H

#include <stdatomic.h>

#include "base/str.h"

struct stats;

struct counter {
    _Alignas(CACHE_LINE) _Atomic uint64_t v;
};

struct gauge {
    _Atomic int64_t v;
};

/** Fixed buckets 100 us .. 10 s (1-2.5-5 steps), observed in seconds. */
enum { STATS_BUCKETS = 16 };

struct timing {
    _Atomic uint64_t bucket[STATS_BUCKETS + 1]; /* last: +Inf; not cumulative */
    _Atomic uint64_t sum_ns;
};

struct stats *stats_new(void);
void stats_free(struct stats *s);

/**
 * Find or create. `labels` is Prometheus label text without braces (`reason="too_old"`) or "", and is
 * copied. Name and help must be constants or live as long as the registry.
 * @return never NULL; belongs to the registry. Thread-safe. A NULL registry gives an unregistered dummy.
 */
struct counter *stats_counter(struct stats *s, const char *name, const char *labels,
                              const char *help);
struct gauge *stats_gauge(struct stats *s, const char *name, const char *labels, const char *help);
struct timing *stats_timing(struct stats *s, const char *name, const char *labels,
                            const char *help);
/** A gauge whose value is asked for when read; `fn` must be quick; it may take locks. `arg` lives until the last
 * reader of the registry ended (readers ask copies of the entries, without a lock). */
void stats_gauge_fn(struct stats *s, const char *name, const char *labels, const char *help,
                    double (*fn)(void *arg), void *arg);

/** The same for a value that only rises; the name ends with _total. */
void stats_counter_fn(struct stats *s, const char *name, const char *labels, const char *help,
                      double (*fn)(void *arg), void *arg);

static inline void counter_add(struct counter *c, uint64_t n)
{
    atomic_fetch_add_explicit(&c->v, n, memory_order_relaxed);
}

static inline uint64_t counter_get(const struct counter *c)
{
    return atomic_load_explicit(&c->v, memory_order_relaxed);
}

static inline void gauge_set(struct gauge *g, int64_t v)
{
    atomic_store_explicit(&g->v, v, memory_order_relaxed);
}

static inline void gauge_add(struct gauge *g, int64_t d)
{
    atomic_fetch_add_explicit(&g->v, d, memory_order_relaxed);
}

void timing_observe_ns(struct timing *t, int64_t ns);

/** One exposed sample. `labels` as given plus le="..." for buckets. Strings valid during the call. */
struct stats_sample {
    const char *name;   /* family name */
    const char *suffix; /* "", "_bucket", "_sum", "_count" */
    const char *labels;
    const char *help;
    const char *type; /* "counter", "gauge", "histogram" */
    double value;
    bool first_of_family;
};

/** Call `fn` for every sample, families together, in order of name. */
void stats_each(struct stats *s, void (*fn)(void *arg, const struct stats_sample *sample),
                void *arg);

#endif
