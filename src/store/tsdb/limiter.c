/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting series by metric, by job and values by label, exactly, as series come and go. Values are
 * counted by their hash with a reference count, and only when that limit is on.
 */
#include "store/tsdb/limiter.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "codec/utf8.h"
#include "store/tsdb/tsdb_internal.h"

enum {
    OFFENDERS_MAX = 64, /* of each limit */
    EXAMPLE_BYTES = 400,
    EXAMPLE_EVERY_MS = 1000,
    NAME_SHOWN = 100, /* bytes of a name in an error */
};

/** A metric, a job, or a label of a metric, and how much it has. */
struct use {
    struct str metric, name; /* metric: of a label only; behind the struct */
    uint64_t n;
    char text[];
};

struct offender {
    struct hash128 key;
    struct str metric, label, source; /* in `text` */
    char *text;                       /* owned */
    int64_t since_ms;
    _Atomic uint64_t refused; /* this to example_ms relaxed: figures for people */
    _Atomic int64_t last_ms;
    _Atomic int64_t example_ms;
    size_t example_n;            /* guarded by: limiter->text_lock */
    char example[EXAMPLE_BYTES]; /* guarded by: limiter->text_lock */
};

struct limiter {
    uint64_t max[TSDB_LIMIT_COUNT];
    struct rwlock lock;
    struct map metrics, jobs;     /* name -> struct use; guarded by: lock */
    struct keymap labels;         /* metric and label -> struct use; guarded by: lock */
    struct keymap values;         /* metric, label and value -> series; guarded by: lock */
    VEC(struct use *) label_uses; /* owned; guarded by: lock */
    struct offender *offenders[TSDB_LIMIT_COUNT][OFFENDERS_MAX]; /* owned; guarded by: lock */
    size_t offenders_n[TSDB_LIMIT_COUNT];                        /* guarded by: lock */
    _Atomic uint64_t refused[TSDB_LIMIT_COUNT];                  /* relaxed */
    struct counter *refused_total[TSDB_LIMIT_COUNT];
    struct mutex text_lock;
};

struct limiter *limiter_new(const uint64_t max[TSDB_LIMIT_COUNT], struct stats *stats)
{
    static const char *const LABELS[TSDB_LIMIT_COUNT] = {
        [TSDB_LIMIT_SERIES] = "limit=\"series\"",
        [TSDB_LIMIT_METRIC] = "limit=\"series_per_metric\"",
        [TSDB_LIMIT_SOURCE] = "limit=\"series_per_source\"",
        [TSDB_LIMIT_VALUES] = "limit=\"values_per_label\"",
    };
    struct limiter *l = mem_xcalloc(1, sizeof(*l));

    memcpy(l->max, max, sizeof(l->max));
    rwlock_init(&l->lock, (enum lock_rank)(LOCK_RANK_SHARD + 1));
    mutex_init(&l->text_lock, LOCK_RANK_LEAF);
    for (int i = 0; i < TSDB_LIMIT_COUNT; i++) {
        l->refused_total[i] =
            stats_counter(stats, "bongsu_tsdb_series_refused_total", LABELS[i],
                          "New series refused by a limit, counted at every attempt.");
    }
    return l;
}

static void free_uses(struct map *m)
{
    size_t pos = 0;
    struct str key;
    void *value;

    while (map_next(m, &pos, &key, &value)) {
        mem_free(value);
    }
    map_done(m);
}

void limiter_free(struct limiter *l)
{
    if (l == NULL) {
        return;
    }
    free_uses(&l->metrics);
    free_uses(&l->jobs);
    for (size_t i = 0; i < l->label_uses.n; i++) {
        mem_free(l->label_uses.v[i]);
    }
    vec_done(&l->label_uses);
    keymap_done(&l->labels);
    keymap_done(&l->values);
    for (int i = 0; i < TSDB_LIMIT_COUNT; i++) {
        for (size_t k = 0; k < l->offenders_n[i]; k++) {
            mem_free(l->offenders[i][k]->text);
            mem_free(l->offenders[i][k]);
        }
    }
    rwlock_done(&l->lock);
    mutex_done(&l->text_lock);
    mem_free(l);
}

/* ---- what there is ---- */

static struct hash128 mix(uint64_t a, uint64_t b)
{
    const uint64_t v[2] = {a, b};

    return hash128(v, sizeof(v));
}

static struct hash128 label_key(uint64_t metric, struct str label)
{
    return mix(metric, hash64(label.p, label.n));
}

static struct hash128 value_key(struct hash128 label, struct str value)
{
    struct hash128 v = hash128(value.p, value.n);

    return mix(label.lo ^ v.lo, label.hi ^ hash_u64(v.hi));
}

static bool is_counted(struct label l)
{
    return !str_eq(l.name, STR(LABEL_NAME)) && !label_name_is_hidden(l.name);
}

static struct use *use_new(struct str metric, struct str name)
{
    struct use *u = mem_try_calloc(1, sizeof(*u) + metric.n + name.n);

    if (u != NULL) {
        if (metric.n != 0) { /* NULL then */
            memcpy(u->text, metric.p, metric.n);
        }
        if (name.n != 0) {
            memcpy(u->text + metric.n, name.p, name.n);
        }
        u->metric = str_of(u->text, metric.n);
        u->name = str_of(u->text + metric.n, name.n);
    }
    return u;
}

static bool is_full(const struct map *m, struct str name, uint64_t max)
{
    const struct use *u = max != 0 ? map_get(m, name) : NULL;

    return u != NULL && u->n >= max;
}

static struct use *label_use(const struct limiter *l, struct hash128 key)
{
    uint64_t at;

    return keymap_get(&l->labels, key, &at) ? l->label_uses.v[at] : NULL;
}

/** Label that has as many values as it may and would get another. Under the lock. */
static bool find_full_label(const struct limiter *l, struct labels labels, struct str metric,
                            struct str *ret)
{
    uint64_t m = hash64(metric.p, metric.n);

    for (size_t i = 0; l->max[TSDB_LIMIT_VALUES] != 0 && i < labels.n; i++) {
        struct hash128 key = label_key(m, labels.v[i].name);
        const struct use *u = is_counted(labels.v[i]) ? label_use(l, key) : NULL;
        uint64_t refs = 0;

        if (u != NULL && u->n >= l->max[TSDB_LIMIT_VALUES] &&
            (!keymap_get(&l->values, value_key(key, labels.v[i].value), &refs) || refs == 0)) {
            *ret = labels.v[i].name;
            return true;
        }
    }
    return false;
}

/** Which limit a new series would break, TSDB_LIMIT_COUNT for none. Under the lock. */
static enum tsdb_limit find_limit(const struct limiter *l, struct labels labels, uint64_t active,
                                  struct tsdb_limit_who *ret)
{
    struct str metric = labels_get(labels, STR(LABEL_NAME));
    struct str job = labels_get(labels, STR("job"));
    struct str label;

    *ret = (struct tsdb_limit_who){.metric = metric};
    if (l->max[TSDB_LIMIT_SERIES] != 0 && active >= l->max[TSDB_LIMIT_SERIES]) {
        return TSDB_LIMIT_SERIES;
    }
    if (is_full(&l->metrics, metric, l->max[TSDB_LIMIT_METRIC])) {
        return TSDB_LIMIT_METRIC;
    }
    if (find_full_label(l, labels, metric, &label)) {
        ret->label = label;
        return TSDB_LIMIT_VALUES;
    }
    if (job.n != 0 && is_full(&l->jobs, job, l->max[TSDB_LIMIT_SOURCE])) {
        *ret = (struct tsdb_limit_who){.source = job};
        return TSDB_LIMIT_SOURCE;
    }
    return TSDB_LIMIT_COUNT;
}

/* ---- refusing ---- */

static struct hash128 who_key(const struct tsdb_limit_who *w)
{
    return mix(hash64(w->metric.p, w->metric.n) ^ hash_u64(hash64(w->label.p, w->label.n)),
               hash64(w->source.p, w->source.n));
}

static struct offender *find_offender(const struct limiter *l, enum tsdb_limit which,
                                      struct hash128 key)
{
    for (size_t i = 0; i < l->offenders_n[which]; i++) {
        struct offender *o = l->offenders[which][i];

        if (o->key.lo == key.lo && o->key.hi == key.hi) {
            return o;
        }
    }
    return NULL;
}

/** The place of a new offender: the one that was quiet longest goes. Under the write lock. */
static size_t offender_place(struct limiter *l, enum tsdb_limit which)
{
    size_t at = 0;

    if (l->offenders_n[which] < OFFENDERS_MAX) {
        return l->offenders_n[which]++;
    }
    for (size_t i = 1; i < OFFENDERS_MAX; i++) {
        if (atomic_load_explicit(&l->offenders[which][i]->last_ms, memory_order_relaxed) <
            atomic_load_explicit(&l->offenders[which][at]->last_ms, memory_order_relaxed)) {
            at = i;
        }
    }
    mem_free(l->offenders[which][at]->text);
    mem_free(l->offenders[which][at]);
    return at;
}

static struct str keep(char **at, struct str s)
{
    char *p = *at;

    if (s.n != 0) {
        memcpy(p, s.p, s.n);
    }
    *at += s.n;
    return str_of(p, s.n);
}

/** A first refusal of its kind. */
static void add_offender(struct limiter *l, enum tsdb_limit which, const struct tsdb_limit_who *w,
                         int64_t now)
{
    struct hash128 key = who_key(w);
    struct offender *o = mem_try_calloc(1, sizeof(*o));
    char *text = mem_try_calloc(1, w->metric.n + w->label.n + w->source.n + 1);
    char *at = text;

    if (o == NULL || text == NULL) { /* it is refused all the same */
        mem_free(o);
        mem_free(text);
        return;
    }
    o->key = key;
    o->text = text;
    o->since_ms = now;
    atomic_init(&o->last_ms, now);
    o->metric = keep(&at, w->metric);
    o->label = keep(&at, w->label);
    o->source = keep(&at, w->source);
    rwlock_write(&l->lock);
    if (find_offender(l, which, key) == NULL) {
        size_t place = offender_place(l, which);

        l->offenders[which][place] = steal(o);
        text = NULL;
    }
    rwlock_unlock(&l->lock);
    if (o != NULL) {
        mem_free(text);
        mem_free(o);
    }
}

static void note_example(struct limiter *l, struct offender *o, struct labels labels, int64_t now)
{
    int64_t last = atomic_load_explicit(&o->example_ms, memory_order_relaxed);
    struct buf b;
    struct str s;

    if (now - last < EXAMPLE_EVERY_MS ||
        !atomic_compare_exchange_strong_explicit(&o->example_ms, &last, now, memory_order_relaxed,
                                                 memory_order_relaxed)) {
        return;
    }
    buf_init(&b, 2 << 20);
    if (labels.n != 0 && label_name_is_hidden(labels.v[labels.n - 1].name)) {
        labels.n--;
    }
    labels_format(labels, &b);
    s = utf8_cut(buf_str(&b), EXAMPLE_BYTES);
    mutex_lock(&l->text_lock);
    if (s.n != 0) {
        memcpy(o->example, s.p, s.n);
    }
    o->example_n = s.n;
    mutex_unlock(&l->text_lock);
    buf_done(&b);
}

static void log_refusal(const struct err *e)
{
    static struct log_limit limit;
    int64_t suppressed;

    if (log_limit_pass(&limit, &suppressed)) {
        log_warn("tsdb", "new series refused", L_CSTR("limit", e->msg),
                 L_INT("suppressed", suppressed));
    }
}

static int explain(const struct limiter *l, enum tsdb_limit which, const struct tsdb_limit_who *w,
                   struct err *reterr)
{
    unsigned long long max = l->max[which];

    switch (which) {
    case TSDB_LIMIT_METRIC:
        return err_set(reterr, ERR_LIMIT, "limit of %llu series reached by metric \"%.*s\"", max,
                       STR_ARG(str_take(w->metric, NAME_SHOWN)));
    case TSDB_LIMIT_SOURCE:
        return err_set(reterr, ERR_LIMIT, "limit of %llu series reached by job \"%.*s\"", max,
                       STR_ARG(str_take(w->source, NAME_SHOWN)));
    case TSDB_LIMIT_VALUES:
        return err_set(
            reterr, ERR_LIMIT, "limit of %llu values reached by label \"%.*s\" of metric \"%.*s\"",
            max, STR_ARG(str_take(w->label, NAME_SHOWN)), STR_ARG(str_take(w->metric, NAME_SHOWN)));
    case TSDB_LIMIT_SERIES:
    case TSDB_LIMIT_COUNT:
        break;
    }
    return err_set(reterr, ERR_LIMIT, "limit of %llu active series reached by metric \"%.*s\"", max,
                   STR_ARG(str_take(w->metric, NAME_SHOWN)));
}

int limiter_check(struct limiter *l, struct labels labels, uint64_t active, struct err *reterr)
{
    struct tsdb_limit_who who;
    enum tsdb_limit which;
    struct offender *o;
    struct err local = {0};
    int64_t now;

    rwlock_read(&l->lock);
    which = find_limit(l, labels, active, &who);
    if (LIKELY(which == TSDB_LIMIT_COUNT)) {
        rwlock_unlock(&l->lock);
        return 0;
    }
    o = find_offender(l, which, who_key(&who));
    if (UNLIKELY(o == NULL)) {
        rwlock_unlock(&l->lock);
        add_offender(l, which, &who, clock_wall_ms());
        rwlock_read(&l->lock);
        o = find_offender(l, which, who_key(&who));
    }
    now = clock_wall_ms();
    if (o != NULL) {
        atomic_fetch_add_explicit(&o->refused, 1, memory_order_relaxed);
        atomic_store_explicit(&o->last_ms, now, memory_order_relaxed);
        note_example(l, o, labels, now);
    }
    rwlock_unlock(&l->lock);
    atomic_fetch_add_explicit(&l->refused[which], 1, memory_order_relaxed);
    counter_add(l->refused_total[which], 1);
    (void)explain(l, which, &who, reterr != NULL ? reterr : &local);
    log_refusal(reterr != NULL ? reterr : &local);
    return -ERR_LIMIT;
}

/* ---- counting ---- */

static int count_name(struct map *m, struct str name)
{
    struct use *u = map_get(m, name);

    if (u == NULL) {
        u = use_new(str_of(NULL, 0), name);
        if (u == NULL || map_put(m, u->name, u) < 0) {
            mem_free(u);
            return -ERR_NOMEM;
        }
    }
    u->n++;
    return 0;
}

static void uncount_name(struct map *m, struct str name)
{
    struct use *u = map_get(m, name);

    if (u != NULL && --u->n == 0) {
        (void)map_del(m, u->name);
        mem_free(u);
    }
}

static int count_value(struct limiter *l, struct str metric, struct label label)
{
    struct hash128 key = label_key(hash64(metric.p, metric.n), label.name);
    struct hash128 value = value_key(key, label.value);
    struct use *u = label_use(l, key);
    uint64_t refs = 0;

    if (u == NULL) {
        u = use_new(metric, label.name);
        if (u == NULL || !vec_push(&l->label_uses, u)) {
            mem_free(u);
            return -ERR_NOMEM;
        }
        if (keymap_put(&l->labels, key, l->label_uses.n - 1) < 0) {
            mem_free(u);
            l->label_uses.n--;
            return -ERR_NOMEM;
        }
    }
    if (!keymap_get(&l->values, value, &refs)) {
        refs = 0;
    }
    if (keymap_put(&l->values, value, refs + 1) < 0) {
        return -ERR_NOMEM;
    }
    u->n += refs == 0 ? 1 : 0;
    return 0;
}

static void uncount_value(struct limiter *l, struct str metric, struct label label)
{
    struct hash128 key = label_key(hash64(metric.p, metric.n), label.name);
    struct hash128 value = value_key(key, label.value);
    struct use *u = label_use(l, key);
    uint64_t refs = 0;

    if (u != NULL && keymap_get(&l->values, value, &refs) && refs != 0) {
        ignore_result(keymap_put(&l->values, value, refs - 1), "replacing does not allocate");
        u->n -= refs == 1 ? 1 : 0;
    }
}

/** Under the write lock. The counts of the first `values` labels go, too. */
static void uncount(struct limiter *l, struct labels labels, size_t values)
{
    struct str metric = labels_get(labels, STR(LABEL_NAME));
    struct str job = labels_get(labels, STR("job"));

    uncount_name(&l->metrics, metric);
    if (job.n != 0) {
        uncount_name(&l->jobs, job);
    }
    for (size_t i = 0; l->max[TSDB_LIMIT_VALUES] != 0 && i < values; i++) {
        if (is_counted(labels.v[i])) {
            uncount_value(l, metric, labels.v[i]);
        }
    }
}

static int count(struct limiter *l, struct labels labels)
{
    struct str metric = labels_get(labels, STR(LABEL_NAME));
    struct str job = labels_get(labels, STR("job"));

    if (count_name(&l->metrics, metric) < 0) {
        return -ERR_NOMEM;
    }
    if (job.n != 0 && count_name(&l->jobs, job) < 0) {
        uncount_name(&l->metrics, metric);
        return -ERR_NOMEM;
    }
    for (size_t i = 0; l->max[TSDB_LIMIT_VALUES] != 0 && i < labels.n; i++) {
        if (is_counted(labels.v[i]) && count_value(l, metric, labels.v[i]) < 0) {
            uncount(l, labels, i);
            return -ERR_NOMEM;
        }
    }
    return 0;
}

int limiter_add(struct limiter *l, struct labels labels, uint64_t active, bool force,
                struct err *reterr)
{
    struct tsdb_limit_who who;
    enum tsdb_limit which = TSDB_LIMIT_COUNT;
    int rc;

    rwlock_write(&l->lock);
    if (!force) { /* again: others may have come in between */
        which = find_limit(l, labels, active, &who);
    }
    rc = which == TSDB_LIMIT_COUNT ? count(l, labels) : 0;
    rwlock_unlock(&l->lock);
    return which != TSDB_LIMIT_COUNT ? explain(l, which, &who, reterr) : rc;
}

void limiter_remove(struct limiter *l, struct labels labels)
{
    rwlock_write(&l->lock);
    uncount(l, labels, labels.n);
    rwlock_unlock(&l->lock);
}

static bool has_series(void *arg, uint64_t refs)
{
    (void)arg;
    return refs != 0;
}

void limiter_sweep(struct limiter *l)
{
    size_t kept = 0;

    if (l->max[TSDB_LIMIT_VALUES] == 0) {
        return;
    }
    rwlock_write(&l->lock);
    keymap_filter(&l->values, has_series, NULL);
    keymap_done(&l->labels);
    for (size_t i = 0; i < l->label_uses.n; i++) {
        struct use *u = l->label_uses.v[i];
        struct hash128 key = label_key(hash64(u->metric.p, u->metric.n), u->name);

        if (u->n == 0 || keymap_put(&l->labels, key, kept) < 0) {
            mem_free(u);
        } else {
            l->label_uses.v[kept++] = u;
        }
    }
    l->label_uses.n = kept;
    rwlock_unlock(&l->lock);
}

/* ---- telling ---- */

static void most_used(const struct map *m, struct str *ret, uint64_t *ret_n)
{
    size_t pos = 0;
    struct str key;
    void *value;

    while (map_next(m, &pos, &key, &value)) {
        const struct use *u = value;

        if (u->n > *ret_n || (u->n == *ret_n && str_cmp(u->name, *ret) < 0)) {
            *ret_n = u->n;
            *ret = u->name;
        }
    }
}

static bool dup_who(struct arena *a, struct tsdb_limit_who *w)
{
    struct str *v[3] = {&w->metric, &w->label, &w->source};
    bool ok = true;

    for (int i = 0; i < 3; i++) {
        struct str copy = arena_str_dup(a, *v[i]);

        ok = ok && copy.n == v[i]->n;
        *v[i] = copy;
    }
    return ok;
}

static int by_last(const void *a, const void *b)
{
    const struct tsdb_offender *x = a;
    const struct tsdb_offender *y = b;

    return (x->last_ms < y->last_ms) - (x->last_ms > y->last_ms);
}

static int list_offenders(struct limiter *l, int which, struct arena *a,
                          struct tsdb_limit_state *ret)
{
    size_t n = l->offenders_n[which];

    ret->offenders = arena_array(a, struct tsdb_offender, n + 1);
    if (ret->offenders == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        struct offender *o = l->offenders[which][i];
        struct tsdb_offender *out = &ret->offenders[i];

        *out = (struct tsdb_offender){
            .who = {o->metric, o->label, o->source},
            .refused = atomic_load_explicit(&o->refused, memory_order_relaxed),
            .since_ms = o->since_ms,
            .last_ms = atomic_load_explicit(&o->last_ms, memory_order_relaxed)};
        mutex_lock(&l->text_lock);
        out->example = arena_str_dup(a, str_of(o->example, o->example_n));
        mutex_unlock(&l->text_lock);
        if (!dup_who(a, &out->who)) {
            return -ERR_NOMEM;
        }
    }
    ret->offenders_n = n;
    if (n > 1) {
        qsort(ret->offenders, n, sizeof(*ret->offenders), by_last);
    }
    return 0;
}

static int read_state(struct limiter *l, struct arena *a,
                      struct tsdb_limit_state ret[TSDB_LIMIT_COUNT])
{
    struct tsdb_limit_state *values = &ret[TSDB_LIMIT_VALUES];
    bool ok = true;

    most_used(&l->metrics, &ret[TSDB_LIMIT_METRIC].used_by.metric, &ret[TSDB_LIMIT_METRIC].used);
    most_used(&l->jobs, &ret[TSDB_LIMIT_SOURCE].used_by.source, &ret[TSDB_LIMIT_SOURCE].used);
    for (size_t i = 0; i < l->label_uses.n; i++) {
        const struct use *u = l->label_uses.v[i];

        if (u->n > values->used) {
            values->used = u->n;
            values->used_by = (struct tsdb_limit_who){.metric = u->metric, .label = u->name};
        }
    }
    for (int i = 0; ok && i < TSDB_LIMIT_COUNT; i++) {
        ret[i].max = l->max[i];
        ret[i].refused = atomic_load_explicit(&l->refused[i], memory_order_relaxed);
        ok = dup_who(a, &ret[i].used_by) && list_offenders(l, i, a, &ret[i]) == 0;
    }
    return ok ? 0 : -ERR_NOMEM;
}

int tsdb_limits(struct tsdb *db, struct arena *a, struct tsdb_limit_state ret[TSDB_LIMIT_COUNT],
                struct err *reterr)
{
    struct limiter *l = db->head.limiter;
    int rc;

    memset(ret, 0, TSDB_LIMIT_COUNT * sizeof(*ret));
    rwlock_read(&l->lock);
    rc = read_state(l, a, ret);
    rwlock_unlock(&l->lock);
    ret[TSDB_LIMIT_SERIES].used = atomic_load_explicit(&db->head.series_n, memory_order_relaxed);
    return rc < 0 ? err_set(reterr, ERR_NOMEM, "state of the limits") : 0;
}
