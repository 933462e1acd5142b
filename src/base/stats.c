/* SPDX-License-Identifier: Apache-2.0
 *
 * A sorted list of entries under one mutex: entries are created at start-up and read every few seconds.
 */
#include "base/stats.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/lock.h"

enum kind { KIND_COUNTER, KIND_GAUGE, KIND_GAUGE_FN, KIND_COUNTER_FN, KIND_TIMING };

struct entry {
    const char *name;
    char *labels; /* owned */
    const char *help;
    enum kind kind;
    void *value; /* counter, gauge or timing; owned */
    double (*fn)(void *arg);
    void *arg;
    struct entry *next; /* sorted by name, then labels */
};

struct stats {
    struct mutex lock;
    struct entry *first; /* guarded by: lock */
};

static const char *const TYPES[] = {"counter", "gauge", "gauge", "counter", "histogram"};

/* Upper bounds in ns and as label text. */
static const struct {
    int64_t ns;
    const char *le;
} BOUNDS[STATS_BUCKETS] = {
    {100000, "0.0001"},  {250000, "0.00025"}, {500000, "0.0005"},  {1000000, "0.001"},
    {2500000, "0.0025"}, {5000000, "0.005"},  {10000000, "0.01"},  {25000000, "0.025"},
    {50000000, "0.05"},  {100000000, "0.1"},  {250000000, "0.25"}, {500000000, "0.5"},
    {1000000000, "1"},   {2500000000, "2.5"}, {5000000000, "5"},   {10000000000, "10"},
};

struct stats *stats_new(void)
{
    struct stats *s = mem_xcalloc(1, sizeof(*s));

    mutex_init(&s->lock, LOCK_RANK_STATS);
    return s;
}

void stats_free(struct stats *s)
{
    if (s == NULL) {
        return;
    }
    while (s->first != NULL) {
        struct entry *e = s->first;

        s->first = e->next;
        mem_free(e->value);
        mem_free(e->labels);
        mem_free(e);
    }
    mutex_done(&s->lock);
    mem_free(s);
}

static int order(const struct entry *e, const char *name, const char *labels)
{
    int c = strcmp(e->name, name);

    return c != 0 ? c : strcmp(e->labels, labels);
}

static void *new_value(enum kind kind)
{
    static const size_t SIZES[] = {sizeof(struct counter), sizeof(struct gauge), 1, 1,
                                   sizeof(struct timing)};
    size_t size = (SIZES[kind] + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    void *p = aligned_alloc(CACHE_LINE, size);

    if (p == NULL) {
        return mem_xcalloc(1, size);
    }
    memset(p, 0, size);
    return p;
}

/* The entry, new or old, with the lock released. */
static struct entry *obtain(struct stats *s, const char *name, const char *labels, const char *help,
                            enum kind kind)
{
    struct entry **at;
    struct entry *e;

    mutex_lock(&s->lock);
    for (at = &s->first; *at != NULL && order(*at, name, labels) < 0; at = &(*at)->next) {
    }
    e = *at;
    if (e == NULL || order(e, name, labels) != 0) {
        e = mem_xcalloc(1, sizeof(*e));
        *e =
            (struct entry){name, mem_xstrdup(labels), help, kind, new_value(kind), NULL, NULL, *at};
        *at = e;
    }
    mutex_unlock(&s->lock);
    return e;
}

struct counter *stats_counter(struct stats *s, const char *name, const char *labels,
                              const char *help)
{
    static struct counter dummy;

    return s == NULL ? &dummy : obtain(s, name, labels, help, KIND_COUNTER)->value;
}

struct gauge *stats_gauge(struct stats *s, const char *name, const char *labels, const char *help)
{
    static struct gauge dummy;

    return s == NULL ? &dummy : obtain(s, name, labels, help, KIND_GAUGE)->value;
}

struct timing *stats_timing(struct stats *s, const char *name, const char *labels, const char *help)
{
    static struct timing dummy;

    return s == NULL ? &dummy : obtain(s, name, labels, help, KIND_TIMING)->value;
}

static void ask(struct stats *s, struct entry *e, double (*fn)(void *arg), void *arg)
{
    mutex_lock(&s->lock);
    e->fn = fn;
    e->arg = arg;
    mutex_unlock(&s->lock);
}

void stats_gauge_fn(struct stats *s, const char *name, const char *labels, const char *help,
                    double (*fn)(void *arg), void *arg)
{
    if (s != NULL) {
        ask(s, obtain(s, name, labels, help, KIND_GAUGE_FN), fn, arg);
    }
}

void stats_counter_fn(struct stats *s, const char *name, const char *labels, const char *help,
                      double (*fn)(void *arg), void *arg)
{
    if (s != NULL) {
        ask(s, obtain(s, name, labels, help, KIND_COUNTER_FN), fn, arg);
    }
}

void timing_observe_ns(struct timing *t, int64_t ns)
{
    size_t i = 0;

    while (i < STATS_BUCKETS && ns > BOUNDS[i].ns) {
        i++;
    }
    atomic_fetch_add_explicit(&t->bucket[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&t->sum_ns, ns > 0 ? (uint64_t)ns : 0, memory_order_relaxed);
}

typedef void (*sample_fn)(void *arg, const struct stats_sample *sample);

static void emit_timing(struct stats_sample s, struct timing *t, sample_fn fn, void *arg)
{
    const char *labels = s.labels;
    const char *comma = labels[0] != '\0' ? "," : "";
    char text[256];
    uint64_t total = 0;

    s.suffix = "_bucket";
    for (size_t i = 0; i <= STATS_BUCKETS; i++) {
        total += atomic_load_explicit(&t->bucket[i], memory_order_relaxed);
        snprintf(text, sizeof(text), "%s%sle=\"%s\"", labels, comma,
                 i < STATS_BUCKETS ? BOUNDS[i].le : "+Inf");
        s.labels = text;
        s.value = (double)total;
        fn(arg, &s);
        s.first_of_family = false;
    }
    s.labels = labels;
    s.suffix = "_sum";
    s.value = (double)atomic_load_explicit(&t->sum_ns, memory_order_relaxed) / 1e9;
    fn(arg, &s);
    s.suffix = "_count";
    s.value = (double)total;
    fn(arg, &s);
}

static void emit(const struct entry *e, bool first, sample_fn fn, void *arg)
{
    struct stats_sample s = {.name = e->name,
                             .suffix = "",
                             .labels = e->labels,
                             .help = e->help,
                             .type = TYPES[e->kind],
                             .first_of_family = first};

    switch (e->kind) {
    case KIND_COUNTER:
        s.value = (double)counter_get(e->value);
        break;
    case KIND_GAUGE:
        s.value =
            (double)atomic_load_explicit(&((struct gauge *)e->value)->v, memory_order_relaxed);
        break;
    case KIND_GAUGE_FN:
    case KIND_COUNTER_FN:
        s.value = e->fn != NULL ? e->fn(e->arg) : 0;
        break;
    case KIND_TIMING:
        emit_timing(s, e->value, fn, arg);
        return;
    }
    fn(arg, &s);
}

/* Entries live as long as the registry, so copies of them stay good without the lock. */
static struct entry *copy_entries(struct stats *s, size_t *ret_n)
{
    struct entry *copy;
    size_t n = 0;

    mutex_lock(&s->lock);
    for (struct entry *e = s->first; e != NULL; e = e->next) {
        n++;
    }
    copy = mem_xcalloc(n, sizeof(*copy));
    n = 0;
    for (struct entry *e = s->first; e != NULL; e = e->next) {
        copy[n++] = *e;
    }
    mutex_unlock(&s->lock);
    *ret_n = n;
    return copy;
}

void stats_each(struct stats *s, sample_fn fn, void *arg)
{
    const char *family = "";
    size_t n;
    struct entry *v = copy_entries(s, &n);

    for (size_t i = 0; i < n; i++) {
        emit(&v[i], strcmp(family, v[i].name) != 0, fn, arg);
        family = v[i].name;
    }
    mem_free(v);
}
