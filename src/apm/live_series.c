/* SPDX-License-Identifier: Apache-2.0
 *
 * The totals as series, so that history is PromQL: by instance and by operation counters of requests by result, of
 * APDEX zones and of time, and of groups and busy operations a native histogram. A series that is new begins with a
 * zero where its first request came, so that increase() sees it.
 */
#include "apm/live_internal.h"

#include "base/alloc.h"
#include "base/err.h"
#include "store/tsdb/native.h"

enum { LABELS_MAX = 6, COPY_TEXT = 2048 };

static const int64_t QUIET_MS =
    600000; /* series of what had no request for so long are not written on */

/* Names of the three families' metrics. */
struct family {
    const char *requests, *apdex, *time, *histogram;
    const char *label; /* besides "group"; NULL: none */
};

static const struct family GROUP = {"apm_group_requests_total", "apm_group_apdex_total",
                                    "apm_group_duration_seconds_total",
                                    "apm_group_duration_seconds", NULL};
static const struct family INSTANCE = {"apm_instance_requests_total", "apm_instance_apdex_total",
                                       "apm_instance_duration_seconds_total", NULL, "instance"};
static const struct family OPERATION = {"apm_operation_requests_total", "apm_operation_apdex_total",
                                        "apm_operation_duration_seconds_total",
                                        "apm_operation_duration_seconds", "operation"};

/* One track, copied from under the lock. */
struct copy {
    const struct family *family;
    struct live_counts total;
    struct str group,
        value; /* texts of records live as long as the shard is not purged: by the same thread */
    bool first;
    int64_t first_ms;
    bool histogram;
    uint64_t buckets[LATENCY_BUCKETS];
};

struct writer {
    struct tsdb *db;
    struct tsdb_batch *batch;
    int64_t now_ms;
    struct copy *c;
    size_t failed;
};

static void put(struct writer *w, const char *name, const char *label, const char *value, double v)
{
    struct label ls[LABELS_MAX] = {{STR(LABEL_NAME), str_cstr(name)}, {STR("group"), w->c->group}};
    size_t n = 2;
    struct series_ref ref;

    if (w->c->family->label != NULL) {
        ls[n++] = (struct label){str_cstr(w->c->family->label), w->c->value};
    }
    if (label != NULL) {
        ls[n++] = (struct label){str_cstr(label), str_cstr(value)};
    }
    if (!labels_normalize(ls, &n) ||
        tsdb_intern(w->db, (struct labels){ls, n}, NULL, &ref, NULL) < 0) {
        w->failed++;
        return;
    }
    if (w->c->first) {
        ignore_result(tsdb_batch_add(w->batch, ref, w->c->first_ms - 1, 0),
                      "without the zero the first increase is missed, no more");
    }
    w->failed += tsdb_batch_add(w->batch, ref, w->now_ms, v) < 0;
}

struct histogram_series {
    struct label v[LABELS_MAX];
    size_t n;
};

static int histogram_labels(void *arg, struct labels *ret, struct err *reterr)
{
    struct histogram_series *s = arg;

    if (!labels_normalize(s->v, &s->n)) {
        return err_set(reterr, ERR_INVALID, "labels of a histogram");
    }
    *ret = (struct labels){s->v, s->n};
    return 0;
}

static void put_histogram(struct writer *w)
{
    const struct copy *c = w->c;
    struct histogram_series of = {{{STR(LABEL_NAME), str_cstr(c->family->histogram)},
                                   {STR("group"), c->group},
                                   {STR("operation"), c->value}},
                                  3}; /* an empty operation is none */
    struct hash128 key = live_key(str_cstr(c->family->histogram), c->group);
    struct native_series series = {.door_key = &key, .labels = histogram_labels, .arg = &of};
    struct native_histogram h = {.schema = LATENCY_SCHEMA,
                                 .zero_threshold = 1e-9,
                                 .count = (double)c->total.done,
                                 .sum = (double)c->total.sum_ns / 1e9};
    int rc = 0;

    key = live_key(str_of((const char *)&key, sizeof(key)), c->value);
    if (c->first) {
        struct native_histogram zero = {.schema = LATENCY_SCHEMA, .zero_threshold = 1e-9};

        ignore_result(native_append(w->db, w->batch, &series, c->first_ms - 1, &zero, NULL),
                      "without the zero the first increase is missed, no more");
    }
    for (int i = 0; rc == 0 && i < LATENCY_BUCKETS; i++) {
        if (c->buckets[i] != 0) {
            rc = native_push(&h.positive, i + LATENCY_INDEX_MIN, (double)c->buckets[i]);
        }
    }
    rc = rc < 0 ? rc : native_append(w->db, w->batch, &series, w->now_ms, &h, NULL);
    w->failed += rc < 0;
    native_done(&h);
}

static void write_copy(struct writer *w)
{
    const struct copy *c = w->c;
    const struct family *f = c->family;
    const struct live_counts *n = &c->total;

    put(w, f->requests, "result", "ok", (double)(n->done - n->err4 - n->err5));
    put(w, f->requests, "result", "4xx", (double)n->err4);
    put(w, f->requests, "result", "5xx", (double)n->err5);
    put(w, f->apdex, "zone", "satisfied", (double)n->satisfied);
    put(w, f->apdex, "zone", "tolerating", (double)n->tolerating);
    put(w, f->apdex, "zone", "frustrated", (double)n->frustrated);
    put(w, f->time, NULL, NULL, (double)n->sum_ns / 1e9);
    if (c->histogram) {
        put_histogram(w);
    }
}

/* Under the shard's lock. @return false when there is nothing to write */
static bool copy_track(struct writer *w, struct track *t, bool histogram)
{
    struct copy *c = w->c;

    if (t->total.done == 0 || w->now_ms - t->last_ms > QUIET_MS) {
        return false;
    }
    c->total = t->total;
    c->first = !t->written;
    c->first_ms = t->first_ms;
    c->histogram = histogram && t->histogram != NULL;
    if (c->histogram) {
        memcpy(c->buckets, t->histogram, sizeof(c->buckets));
    }
    t->written = true;
    return true;
}

/* Records are only taken away by live_purge(), on this thread: between two locks pointers stay good. */
static void write_group(struct writer *w, struct live_shard *s, struct live_grp *g,
                        size_t *histograms_left)
{
    size_t instances;
    size_t operations;
    bool some;

    mutex_lock(&s->lock);
    instances = g->instances.n;
    operations = g->operations.n;
    w->c->family = &GROUP;
    w->c->group = g->name;
    w->c->value = STR("");
    some = copy_track(w, &g->track, true);
    mutex_unlock(&s->lock);
    if (some) {
        write_copy(w);
    }
    for (size_t i = 0; i < instances; i++) {
        mutex_lock(&s->lock);
        w->c->family = &INSTANCE;
        w->c->value = g->instances.v[i]->instance;
        some = copy_track(w, &g->instances.v[i]->track, false);
        mutex_unlock(&s->lock);
        if (some) {
            write_copy(w);
        }
    }
    for (size_t i = 0; i < operations; i++) {
        mutex_lock(&s->lock);
        w->c->family = &OPERATION;
        w->c->value = g->operations.v[i]->name;
        some = copy_track(w, &g->operations.v[i]->track, *histograms_left != 0);
        mutex_unlock(&s->lock);
        if (some) {
            *histograms_left -= w->c->histogram;
            write_copy(w);
        }
    }
}

static void describe(struct tsdb *db)
{
    static const struct {
        const char *metric, *type, *unit, *help;
    } ALL[] = {
        {"apm_group_requests_total", "counter", "", "Finished requests of a group by result."},
        {"apm_group_apdex_total", "counter", "", "Finished requests of a group by APDEX zone."},
        {"apm_group_duration_seconds_total", "counter", "seconds",
         "Time requests of a group took."},
        {"apm_group_duration_seconds", "histogram", "seconds", "Durations of a group's requests."},
        {"apm_instance_requests_total", "counter", "",
         "Finished requests of an instance by result."},
        {"apm_instance_apdex_total", "counter", "",
         "Finished requests of an instance by APDEX zone."},
        {"apm_instance_duration_seconds_total", "counter", "seconds",
         "Time requests of an instance took."},
        {"apm_operation_requests_total", "counter", "",
         "Finished requests of an operation by result."},
        {"apm_operation_apdex_total", "counter", "",
         "Finished requests of an operation by APDEX zone."},
        {"apm_operation_duration_seconds_total", "counter", "seconds",
         "Time requests of an operation took."},
        {"apm_operation_duration_seconds", "histogram", "seconds",
         "Durations of an operation's requests."},
    };

    for (size_t i = 0; i < ARRAY_LEN(ALL); i++) {
        ignore_result(tsdb_set_metadata(db, str_cstr(ALL[i].metric), str_cstr(ALL[i].type),
                                        str_cstr(ALL[i].unit), str_cstr(ALL[i].help), NULL),
                      "metadata is a courtesy; the samples count");
    }
}

int live_write_series(struct live *l, int64_t now_ms, struct err *reterr)
{
    struct writer w = {.db = l->opts.metrics, .now_ms = now_ms};
    size_t histograms_left = l->opts.max_histogram_operations;
    struct tsdb_commit done;
    int rc;

    if (w.db == NULL || atomic_load_explicit(&l->groups_n, memory_order_relaxed) == 0) {
        return 0;
    }
    w.c = mem_try_calloc(1, sizeof(*w.c));
    if (w.c == NULL) {
        return err_set(reterr, ERR_NOMEM, "out of memory");
    }
    describe(w.db);
    w.batch = tsdb_batch_new(w.db);
    for (size_t i = 0; i < LIVE_SHARDS; i++) {
        struct live_shard *s = &l->shards[i];
        size_t n;

        mutex_lock(&s->lock);
        n = s->list.n;
        mutex_unlock(&s->lock);
        for (size_t k = 0; k < n; k++) {
            struct live_grp *g;

            mutex_lock(&s->lock);
            g = s->list.v[k];
            mutex_unlock(&s->lock);
            write_group(&w, s, g, &histograms_left);
        }
    }
    rc = tsdb_batch_commit(w.batch, &done, reterr);
    tsdb_batch_free(w.batch);
    mem_free(w.c);
    if (rc == 0 && w.failed != 0) {
        return err_set(reterr, ERR_LIMIT, "%zu series of requests were refused", w.failed);
    }
    return rc;
}
