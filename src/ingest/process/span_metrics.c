/* SPDX-License-Identifier: Apache-2.0
 *
 * A table of label sets found by the hash of their values. Counting takes one lock a batch; writing copies the counts
 * out under it.
 */
#include "ingest/process/span_metrics.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/log.h"

enum { LABELS_MAX = 8, NAME_MAX_BYTES = 1024 };

struct tally {
    struct hash128 key;
    struct str service, name; /* in own memory, behind the struct */
    uint8_t kind, status;
    bool overflow;
    bool written;
    int64_t first_ms;
    uint64_t calls;
    double sum_ms;
    size_t bounds_n;
    double bounds[BOUNDS_MAX];
    uint64_t buckets[BOUNDS_MAX + 1];
};

struct span_metrics {
    struct mutex lock;
    VEC(struct tally *) tallies; /* guarded by: lock */
    uint32_t *slots;             /* index + 1, by hash; a power of two; guarded by: lock */
    size_t slots_n;              /* guarded by: lock */
    struct tally *overflow;      /* one of them; guarded by: lock */
    struct counter *overflowed;
};

struct span_metrics *span_metrics_new(struct stats *stats)
{
    struct span_metrics *m = mem_xcalloc(1, sizeof(*m));

    mutex_init(&m->lock, LOCK_RANK_LEAF);
    m->overflowed = stats_counter(
        stats, "bongsu_span_metrics_overflow_spans_total", "",
        "Spans counted under otel_metric_overflow because there are too many label sets.");
    return m;
}

void span_metrics_free(struct span_metrics *m)
{
    if (m != NULL) {
        for (size_t i = 0; i < m->tallies.n; i++) {
            mem_free(m->tallies.v[i]);
        }
        vec_done(&m->tallies);
        mem_free(m->slots);
        mutex_done(&m->lock);
        mem_free(m);
    }
}

size_t span_metrics_series(struct span_metrics *m)
{
    size_t n;

    mutex_lock(&m->lock);
    n = m->tallies.n;
    mutex_unlock(&m->lock);
    return n;
}

static bool grow(struct span_metrics *m)
{
    size_t n = m->slots_n == 0 ? 256 : m->slots_n * 2;
    uint32_t *slots = mem_try_calloc(n, sizeof(*slots));

    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < m->tallies.n; i++) {
        size_t at = m->tallies.v[i]->key.lo & (n - 1);

        while (slots[at] != 0) {
            at = (at + 1) & (n - 1);
        }
        slots[at] = (uint32_t)i + 1;
    }
    mem_free(m->slots);
    m->slots = slots;
    m->slots_n = n;
    return true;
}

static struct tally *find(const struct span_metrics *m, struct hash128 key)
{
    size_t at;

    if (m->slots_n == 0) {
        return NULL;
    }
    for (at = key.lo & (m->slots_n - 1); m->slots[at] != 0; at = (at + 1) & (m->slots_n - 1)) {
        struct tally *t = m->tallies.v[m->slots[at] - 1];

        if (t->key.lo == key.lo && t->key.hi == key.hi) {
            return t;
        }
    }
    return NULL;
}

static struct tally *make(struct span_metrics *m, const struct span_metrics_opts *o,
                          struct hash128 key, struct str service, struct str name, int64_t wall_ms)
{
    struct tally *t;
    size_t at;

    if ((m->tallies.n + 1) * 2 > m->slots_n && !grow(m)) {
        return NULL;
    }
    t = mem_try_calloc(1, sizeof(*t) + service.n + name.n + 1);
    if (t == NULL || !vec_push(&m->tallies, t)) {
        mem_free(t);
        return NULL;
    }
    t->key = key;
    t->service = str_of((char *)(t + 1), service.n);
    t->name = str_of((char *)(t + 1) + service.n, name.n);
    if (service.n != 0) {
        memcpy(t + 1, service.p, service.n);
    }
    if (name.n != 0) {
        memcpy((char *)(t + 1) + service.n, name.p, name.n);
    }
    t->first_ms = wall_ms;
    t->bounds_n = o->bounds_n;
    memcpy(t->bounds, o->bounds_ms, o->bounds_n * sizeof(*t->bounds));
    at = key.lo & (m->slots_n - 1);
    while (m->slots[at] != 0) {
        at = (at + 1) & (m->slots_n - 1);
    }
    m->slots[at] = (uint32_t)m->tallies.n;
    return t;
}

static struct hash128 key_of(struct str service, const struct span *s)
{
    struct {
        struct hash128 service, name;
        uint64_t kind_status;
    } k = {hash128(service.p, service.n), hash128(s->name.p, s->name.n),
           (uint64_t)s->kind << 8 | s->status};

    return hash128(&k, sizeof(k));
}

static struct tally *tally_of(struct span_metrics *m, const struct span_metrics_opts *o,
                              struct str service, const struct span *s, int64_t wall_ms)
{
    struct hash128 key = key_of(service, s);
    struct tally *t = find(m, key);

    if (t != NULL) {
        return t;
    }
    if (m->tallies.n < o->max_series) {
        t = make(m, o, key, str_take(service, NAME_MAX_BYTES), str_take(s->name, NAME_MAX_BYTES),
                 wall_ms);
        if (t != NULL) {
            t->kind = s->kind;
            t->status = s->status;
            return t;
        }
    }
    counter_add(m->overflowed, 1);
    if (m->overflow == NULL) {
        m->overflow = make(m, o, hash128("overflow", 8), STR(""), STR(""), wall_ms);
        if (m->overflow != NULL) {
            m->overflow->overflow = true;
        }
    }
    return m->overflow;
}

void span_metrics_count(struct span_metrics *m, const struct span_metrics_opts *o,
                        const struct span *spans, size_t n, int64_t wall_ms)
{
    const struct resource *last = NULL;
    struct str service = {0};

    mutex_lock(&m->lock);
    for (size_t i = 0; i < n; i++) {
        const struct span *s = &spans[i];
        struct tally *t;
        double ms;
        size_t b = 0;

        if (s->resource != last) {
            last = s->resource;
            service = attrs_get_str(last->attrs, STR("service.name"));
        }
        t = tally_of(m, o, service, s, wall_ms);
        if (t == NULL) {
            continue;
        }
        ms = s->end_ns > s->start_ns ? (double)(s->end_ns - s->start_ns) / 1e6 : 0;
        t->calls++;
        t->sum_ms += ms;
        while (b < t->bounds_n && ms > t->bounds[b]) {
            b++;
        }
        t->buckets[b]++;
    }
    mutex_unlock(&m->lock);
}

/* ---- writing ---- */

static const char CALLS[] = "traces_span_metrics_calls_total";
static const char BUCKET[] = "traces_span_metrics_duration_milliseconds_bucket";
static const char SUM[] = "traces_span_metrics_duration_milliseconds_sum";
static const char COUNT[] = "traces_span_metrics_duration_milliseconds_count";

struct writer {
    struct tsdb *db;
    struct tsdb_batch *batch;
    const struct tally *t;
    int64_t wall_ms;
    size_t failed;
};

static void write_one(struct writer *w, const char *name, const char *le, double v)
{
    static const char *const KINDS[SPAN_KIND_COUNT] = {
        "SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER",
        "SPAN_KIND_CLIENT",      "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"};
    static const char *const STATUSES[SPAN_STATUS_COUNT] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK",
                                                            "STATUS_CODE_ERROR"};
    const struct tally *t = w->t;
    struct label v_[LABELS_MAX] = {{STR("__name__"), str_cstr(name)}};
    struct series_ref ref;
    size_t n = 1;

    if (t->overflow) {
        v_[n++] = (struct label){STR("otel_metric_overflow"), STR("true")};
    } else {
        v_[n++] = (struct label){STR("service_name"), t->service};
        v_[n++] = (struct label){STR("span_name"), t->name};
        v_[n++] = (struct label){STR("span_kind"),
                                 str_cstr(KINDS[t->kind < SPAN_KIND_COUNT ? t->kind : 0])};
        v_[n++] = (struct label){STR("status_code"),
                                 str_cstr(STATUSES[t->status < SPAN_STATUS_COUNT ? t->status : 0])};
    }
    if (le != NULL) {
        v_[n++] = (struct label){STR("le"), str_cstr(le)};
    }
    if (!labels_normalize(v_, &n) ||
        tsdb_intern(w->db, (struct labels){v_, n}, NULL, &ref, NULL) < 0) {
        w->failed++;
        return;
    }
    if (!t->written) {
        ignore_result(tsdb_batch_add(w->batch, ref, t->first_ms - 1, 0),
                      "without the zero the first increase is missed, no more");
    }
    if (tsdb_batch_add(w->batch, ref, w->wall_ms, v) < 0) {
        w->failed++;
    }
}

static void write_tally(struct writer *w)
{
    uint64_t below = 0;
    char le[32];

    write_one(w, CALLS, NULL, (double)w->t->calls);
    for (size_t i = 0; i < w->t->bounds_n; i++) {
        below += w->t->buckets[i];
        snprintf(le, sizeof(le), "%g", w->t->bounds[i]);
        write_one(w, BUCKET, le, (double)below);
    }
    write_one(w, BUCKET, "+Inf", (double)w->t->calls);
    write_one(w, SUM, NULL, w->t->sum_ms);
    write_one(w, COUNT, NULL, (double)w->t->calls);
}

static void describe(struct tsdb *db)
{
    ignore_result(tsdb_set_metadata(db, str_cstr(CALLS), STR("counter"), STR(""),
                                    STR("Spans by service, name, kind and status."), NULL),
                  "metadata is a courtesy; the samples count");
    ignore_result(tsdb_set_metadata(db, STR("traces_span_metrics_duration_milliseconds"),
                                    STR("histogram"), STR("milliseconds"),
                                    STR("Durations of spans."), NULL),
                  "metadata is a courtesy; the samples count");
}

int span_metrics_write(struct span_metrics *m, struct tsdb *db, int64_t wall_ms, struct err *reterr)
{
    struct writer w = {.db = db, .wall_ms = wall_ms};
    struct tsdb_commit done;
    struct err e = {0};
    size_t n = span_metrics_series(m);
    int rc;

    if (n == 0) {
        return 0;
    }
    describe(db);
    w.batch = tsdb_batch_new(db);
    for (size_t i = 0; i < n; i++) {
        struct tally copy;
        struct tally *t;

        mutex_lock(&m->lock);
        t = m->tallies.v[i]; /* tallies are never taken away; their texts do not move */
        copy = *t;
        t->written = true;
        mutex_unlock(&m->lock);
        w.t = &copy;
        write_tally(&w);
    }
    rc = tsdb_batch_commit(w.batch, &done, &e);
    tsdb_batch_free(w.batch);
    if (rc < 0 && reterr != NULL) {
        *reterr = e;
    }
    if (rc == 0 && w.failed != 0) {
        return err_set(reterr, ERR_LIMIT, "%zu series of span metrics were refused", w.failed);
    }
    return rc;
}
