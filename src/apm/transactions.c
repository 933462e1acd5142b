/* SPDX-License-Identifier: Apache-2.0
 *
 * A request is copied when it is seen, waits in a queue in the order of its stamps, and becomes a row in a batch of
 * others. Stamps are given and T-Map cells counted under one lock, so a stamp says how far cells were counted.
 */
#include "apm/transactions.h"

#include <stdio.h>

#include "apm/naming.h"
#include "apm/txn_children.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/thread.h"
#include "base/vec.h"

enum {
    DEFAULT_CHILDREN = 500000,
    TEXT_MAX = 1024, /* of one text of a row */
    BATCH_ROWS = 10000,
    ROW_ATTRS = 16,
    USER_SIZE = 17,
};

static const size_t DEFAULT_BYTES = 64u << 20;
static const size_t BATCH_ARENA = 64u << 20;
static const int64_t DEFAULT_SETTLE_MS = 3000;
static const int64_t DEFAULT_CHILD_MS = 10000;
static const int64_t TICK_MS = 500;
static const int64_t FUTURE_MS = 3600000; /* as the store's default */

/** Texts of a request that waits; the first ones make its resource. */
enum txn_text {
    T_GROUP,
    T_SERVICE,
    T_NS,
    T_VERSION,
    T_INSTANCE,
    T_RESOURCE, /* how many of them */
    T_OPERATION = T_RESOURCE,
    T_METHOD,
    T_PATH,
    T_CLIENT,
    T_USER,
    T_EXCEPTION,
    T_TEXTS,
};

struct waiting {
    struct waiting *next;
    int64_t due_ms; /* monotonic */
    int64_t stamp_ns, start_ns, end_ns;
    struct trace_id trace_id;
    struct span_id span_id;
    uint64_t instance; /* hash, as of children */
    int64_t cpu_ns;    /* -1: not known */
    int32_t status;
    uint8_t class, kind, span_status;
    uint16_t n[T_TEXTS]; /* lengths; the bytes follow the struct */
    size_t size;
};

struct transactions {
    struct transactions_opts opts;
    struct mutex lock;
    struct waiting *first, *last;  /* guarded by: lock */
    size_t bytes;                  /* of those in the queue; guarded by: lock */
    int64_t stamp_ns;              /* last given; guarded by: lock */
    struct txn_children *children; /* guarded by: lock */
    struct mutex writing;          /* one writer */
    struct counter *seen, *written, *dropped, *refused, *early, *forgotten;
    struct thread thread;
    struct cond wake;
    bool closing; /* guarded by: lock */
};

static const struct str CLASS_NAMES[TMAP_CLASSES] = {{"ok", 2}, {"4xx", 3}, {"5xx", 3}};

struct str txn_class_name(enum tmap_class class)
{
    return class < TMAP_CLASSES ? CLASS_NAMES[class] : STR("");
}

enum tmap_class txn_class_of(struct str name)
{
    int i = 0;

    while (i < TMAP_CLASSES && !str_eq(name, CLASS_NAMES[i])) {
        i++;
    }
    return (enum tmap_class)i;
}

/* ---- what a span says beyond struct entry ---- */

static struct str first_of(struct attrs as, const char *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct str v = attrs_get_str(as, str_cstr(keys[i]));

        if (v.n != 0) {
            return v;
        }
    }
    return (struct str){0};
}

static struct str user_of(const struct transactions *t, const struct span *s, char hash[USER_SIZE])
{
    static const char *const KEYS[] = {"enduser.id", "user.id", "session.id"};
    struct str user = t->opts.users == TRANSACTIONS_USERS_OFF
                          ? (struct str){0}
                          : first_of(s->attrs, KEYS, ARRAY_LEN(KEYS));

    if (user.n != 0 && t->opts.users == TRANSACTIONS_USERS_HASH) {
        snprintf(hash, USER_SIZE, "%016llx", (unsigned long long)hash64(user.p, user.n));
        return str_of(hash, USER_SIZE - 1);
    }
    return user;
}

static struct str exception_of(const struct span *s)
{
    for (size_t i = s->events_n; i > 0; i--) {
        if (str_eq(s->events[i - 1].name, STR("exception"))) {
            return attrs_get_str(s->events[i - 1].attrs, STR("exception.type"));
        }
    }
    return attrs_get_str(s->attrs, STR("error.type"));
}

static int64_t cpu_of(const struct span *s)
{
    const struct value *v = attrs_get(s->attrs, STR("cpu.time_ns"));

    v = v != NULL ? v : attrs_get(s->attrs, STR("thread.cpu_time_ns"));
    return v != NULL && v->type == VALUE_I64 ? v->u.i : -1;
}

/* ---- the queue ---- */

static struct waiting *copy_of(const struct transactions *t, const struct entry *e)
{
    char hash[USER_SIZE];
    struct str texts[T_TEXTS] = {
        [T_GROUP] = e->group,
        [T_SERVICE] = e->service,
        [T_NS] = e->ns,
        [T_VERSION] = e->version,
        [T_INSTANCE] = e->instance_name.n != 0 ? e->instance_name : e->instance,
        [T_OPERATION] = e->operation,
        [T_METHOD] = e->method,
        [T_PATH] = e->path,
        [T_CLIENT] = e->client,
        [T_USER] = user_of(t, e->span, hash),
        [T_EXCEPTION] = e->error ? exception_of(e->span) : (struct str){0}};
    size_t size = sizeof(struct waiting);
    struct waiting *w;
    char *at;

    for (int i = 0; i < T_TEXTS; i++) {
        texts[i] = str_take(texts[i], TEXT_MAX);
        size += texts[i].n;
    }
    w = mem_try_alloc(size);
    if (w == NULL) {
        return NULL;
    }
    *w = (struct waiting){.start_ns = e->start_ns,
                          .end_ns = e->start_ns + e->duration_ns,
                          .trace_id = e->span->trace_id,
                          .span_id = e->span->span_id,
                          .instance = hash64(e->instance.p, e->instance.n),
                          .cpu_ns = cpu_of(e->span),
                          .status = e->status,
                          .class = (uint8_t)e->outcome,
                          .kind = e->span->kind,
                          .span_status = e->span->status,
                          .size = size};
    at = (char *)(w + 1);
    for (int i = 0; i < T_TEXTS; i++) {
        w->n[i] = (uint16_t)texts[i].n;
        if (texts[i].n != 0) {
            memcpy(at, texts[i].p, texts[i].n);
            at += texts[i].n;
        }
    }
    return w;
}

static void push(struct transactions *t, struct waiting *w)
{
    *(t->last != NULL ? &t->last->next : &t->first) = w;
    t->last = w;
    t->bytes += w->size;
}

/** Is its time one the store takes? */
static bool in_time(const struct transactions *t, int64_t start_ns, int64_t wall_ms)
{
    int64_t ms = start_ns / 1000000;

    return start_ns >= 0 && ms <= wall_ms + FUTURE_MS &&
           (t->opts.retention_ms == 0 || ms >= wall_ms - t->opts.retention_ms);
}

struct seen_batch {
    VEC(struct tmap_point) points;
    VEC(struct waiting *) waiting;
    VEC(struct txn_child) children;
    VEC(const struct span *) parents; /* of children: their spans */
    VEC(uint64_t) instances;          /* of children */
};

static void seen_done(struct seen_batch *b)
{
    vec_done(&b->points);
    vec_done(&b->waiting);
    vec_done(&b->children);
    vec_done(&b->parents);
    vec_done(&b->instances);
}

/** As entry_of() finds it. */
static uint64_t instance_of(const struct resource *r)
{
    static const char *const KEYS[] = {"service.instance.id", "k8s.pod.name", "host.name"};
    struct str v = first_of(r->attrs, KEYS, ARRAY_LEN(KEYS));

    return hash64(v.p, v.n);
}

static struct str text_of(const struct waiting *w, enum txn_text which)
{
    const char *at = (const char *)(w + 1);

    for (int i = 0; i < (int)which; i++) {
        at += w->n[i];
    }
    return str_of(at, w->n[which]);
}

static void gather_entry(struct transactions *t, struct seen_batch *b, const struct entry *e,
                         int64_t wall_ms)
{
    struct waiting *w;

    if (!in_time(t, e->start_ns, wall_ms)) {
        counter_add(t->refused, 1);
        return;
    }
    w = copy_of(t, e);
    if (w == NULL || !vec_reserve(&b->points, 1) || !vec_push(&b->waiting, w)) {
        mem_free(w);
        counter_add(t->dropped, 1);
        return;
    }
    ignore_result(vec_push(&b->points, (struct tmap_point){.group = text_of(w, T_GROUP),
                                                           .start_ns = w->start_ns,
                                                           .duration_ns = w->end_ns - w->start_ns,
                                                           .class = (enum tmap_class)w->class}),
                  "there is room");
}

static void gather_child(struct seen_batch *b, const struct span *s)
{
    struct txn_child child;

    if (txn_child_of(s, &child) && vec_reserve(&b->parents, 1) && vec_reserve(&b->instances, 1) &&
        vec_push(&b->children, child)) {
        ignore_result(vec_push(&b->parents, s), "there is room");
        ignore_result(vec_push(&b->instances, instance_of(s->resource)), "there is room");
    }
}

static void take(struct transactions *t, struct seen_batch *b, int64_t arrival_ns, int64_t now_ms)
{
    bool wake;

    mutex_lock(&t->lock);
    for (size_t i = 0; i < b->children.n; i++) {
        if (!txn_children_add(t->children, &b->parents.v[i]->trace_id, b->instances.v[i],
                              &b->children.v[i], now_ms)) {
            counter_add(t->forgotten, 1);
        }
    }
    for (size_t i = 0; i < b->waiting.n; i++) {
        struct waiting *w = b->waiting.v[i];

        t->stamp_ns = arrival_ns > t->stamp_ns ? arrival_ns : t->stamp_ns + 1;
        w->stamp_ns = t->stamp_ns;
        w->due_ms = now_ms + t->opts.settle_ms;
        b->points.v[i].stamp_ns = t->stamp_ns;
    }
    if (t->opts.tmap != NULL) {
        tmap_count(t->opts.tmap, b->points.v, b->points.n);
    }
    for (size_t i = 0; i < b->waiting.n; i++) {
        if (t->bytes < t->opts.max_bytes) {
            push(t, b->waiting.v[i]);
        } else {
            mem_free(b->waiting.v[i]);
            counter_add(t->dropped, 1);
        }
    }
    wake = t->bytes > t->opts.max_bytes / 2;
    if (wake) {
        cond_signal(&t->wake);
    }
    mutex_unlock(&t->lock);
}

void transactions_seen(void *arg, const struct span *spans, size_t n, int64_t wall_ms)
{
    struct transactions *t = arg;
    struct seen_batch b = {0};
    struct entry e;

    for (size_t i = 0; i < n; i++) {
        if (naming_entry(t->opts.naming, &spans[i], &e)) {
            gather_entry(t, &b, &e, wall_ms);
        } else {
            gather_child(&b, &spans[i]);
        }
    }
    if (b.waiting.n != 0 || b.children.n != 0) {
        take(t, &b, wall_ms * 1000000, clock_mono().ns / 1000000);
        counter_add(t->seen, b.waiting.n);
    }
    seen_done(&b);
}

/* ---- writing ---- */

struct rows {
    struct arena a;
    struct map resources; /* texts -> struct resource */
    VEC(struct span) v;
};

static void put(struct attr *v, size_t *n, const char *key, struct value value)
{
    v[(*n)++] = (struct attr){str_cstr(key), value};
}

static void put_text(struct attr *v, size_t *n, const char *key, struct str text)
{
    if (text.n != 0) {
        put(v, n, key, (struct value){.type = VALUE_STR, .u.s = text});
    }
}

static void put_int(struct attr *v, size_t *n, const char *key, int64_t i)
{
    put(v, n, key, (struct value){.type = VALUE_I64, .u.i = i});
}

static const struct resource *resource_of(struct rows *r, const struct waiting *w)
{
    static const char *const KEYS[T_RESOURCE] = {[T_GROUP] = TXN_GROUP,
                                                 [T_SERVICE] = "service.name",
                                                 [T_NS] = "service.namespace",
                                                 [T_VERSION] = "service.version",
                                                 [T_INSTANCE] = TXN_INSTANCE};
    struct hash128 *key = arena_new(&r->a, struct hash128);
    struct str name;
    struct resource *made;
    struct attr *v;
    size_t n = 0;
    size_t bytes = 0;

    if (key == NULL) {
        return NULL;
    }
    for (int i = 0; i < T_RESOURCE; i++) {
        bytes += w->n[i];
    }
    /* the lengths, too: "ab" "c" is not "a" "bc" */
    *key = hash128(w + 1, bytes);
    key->hi ^= hash64(w->n, T_RESOURCE * sizeof(w->n[0]));
    name = str_of((const char *)key, sizeof(*key));
    made = map_get(&r->resources, name);
    if (made != NULL) {
        return made;
    }
    made = arena_new(&r->a, struct resource);
    v = arena_array(&r->a, struct attr, T_RESOURCE);
    if (made == NULL || v == NULL) {
        return NULL;
    }
    for (int i = 0; i < T_RESOURCE; i++) {
        put_text(v, &n, KEYS[i], text_of(w, (enum txn_text)i));
    }
    *made = (struct resource){.attrs = {v, n}};
    return map_put(&r->resources, name, made) == 0 ? made : NULL;
}

static const struct scope SCOPE;

static bool add_row(struct rows *r, const struct waiting *w, const struct txn_sums *sums)
{
    const struct resource *resource = resource_of(r, w);
    struct attr *v = arena_array(&r->a, struct attr, ROW_ATTRS);
    size_t n = 0;

    if (resource == NULL || v == NULL) {
        return false;
    }
    put_text(v, &n, TXN_CLASS, txn_class_name((enum tmap_class)w->class));
    if (w->status != 0) {
        put_int(v, &n, TXN_STATUS, w->status);
    }
    put_text(v, &n, TXN_METHOD, text_of(w, T_METHOD));
    put_text(v, &n, TXN_PATH, text_of(w, T_PATH));
    put_text(v, &n, TXN_CLIENT, text_of(w, T_CLIENT));
    put_text(v, &n, TXN_USER, text_of(w, T_USER));
    put_text(v, &n, TXN_EXCEPTION, text_of(w, T_EXCEPTION));
    if (sums->sql_n != 0) {
        put_int(v, &n, TXN_SQL_N, (int64_t)sums->sql_n);
        put_int(v, &n, TXN_SQL_NS, sums->sql_ns);
    }
    if (sums->call_n != 0) {
        put_int(v, &n, TXN_CALL_N, (int64_t)sums->call_n);
        put_int(v, &n, TXN_CALL_NS, sums->call_ns);
    }
    if (w->cpu_ns >= 0) {
        put_int(v, &n, TXN_CPU_NS, w->cpu_ns);
    }
    return vec_push(&r->v, (struct span){.trace_id = w->trace_id,
                                         .span_id = w->span_id,
                                         .name = text_of(w, T_OPERATION),
                                         .start_ns = w->start_ns,
                                         .end_ns = w->end_ns,
                                         .arrival_ns = w->stamp_ns,
                                         .attrs = {v, n},
                                         .resource = resource,
                                         .scope = &SCOPE,
                                         .kind = w->kind,
                                         .status = w->span_status});
}

/** Rows of the first that are due; they stay in the queue. @return how many */
static size_t rows_of_due(struct transactions *t, bool all, struct rows *r)
{
    int64_t now_ms = clock_mono().ns / 1000000;
    size_t n = 0;
    bool early;

    mutex_lock(&t->lock);
    early = t->bytes > t->opts.max_bytes / 2;
    for (struct waiting *w = t->first; w != NULL && n < BATCH_ROWS; w = w->next) {
        struct txn_sums sums;

        if (!all && !early && w->due_ms > now_ms) {
            break;
        }
        if (early && w->due_ms > now_ms) {
            counter_add(t->early, 1);
        }
        txn_children_sum(t->children, &w->trace_id, w->instance, w->start_ns, w->end_ns, &sums);
        if (!add_row(r, w, &sums)) {
            break;
        }
        n++;
    }
    mutex_unlock(&t->lock);
    return n;
}

/** Only writers take from the queue's front, so the first n are those that were written. */
static void drop_first(struct transactions *t, size_t n)
{
    struct waiting *gone = NULL;

    mutex_lock(&t->lock);
    gone = t->first;
    for (size_t i = 0; i < n; i++) {
        struct waiting *w = t->first;

        t->first = w->next;
        t->bytes -= w->size;
        if (i + 1 == n) {
            w->next = NULL;
        }
    }
    if (t->first == NULL) {
        t->last = NULL;
    }
    mutex_unlock(&t->lock);
    for (size_t i = 0; i < n; i++) {
        struct waiting *next = gone->next;

        mem_free(gone);
        gone = next;
    }
}

/** One batch. @return rows written, or negative */
static int64_t write_some(struct transactions *t, bool all, struct err *reterr)
{
    struct columns_commit done;
    struct rows r = {0};
    size_t n;
    int rc = 0;

    arena_init(&r.a, BATCH_ARENA);
    n = rows_of_due(t, all, &r);
    if (n != 0) {
        rc = columns_append_spans(t->opts.rows, r.v.v, n, &done, reterr);
    }
    map_done(&r.resources);
    vec_done(&r.v);
    arena_done(&r.a);
    if (rc < 0) {
        return rc;
    }
    if (n != 0) {
        drop_first(t, n);
        counter_add(t->written, n);
    }
    return (int64_t)n;
}

int transactions_write(struct transactions *t, bool all, struct err *reterr)
{
    int64_t rc;

    mutex_lock(&t->writing);
    do {
        rc = write_some(t, all, reterr);
    } while (rc == BATCH_ROWS);
    mutex_unlock(&t->writing);
    mutex_lock(&t->lock);
    txn_children_expire(t->children, clock_mono().ns / 1000000 - t->opts.child_ms);
    mutex_unlock(&t->lock);
    return rc < 0 ? (int)rc : 0;
}

static void run(void *arg)
{
    static struct log_limit limit;
    struct transactions *t = arg;

    mutex_lock(&t->lock);
    while (!t->closing) {
        struct err e = {0};
        int64_t suppressed;

        cond_wait_ms(&t->wake, &t->lock, TICK_MS);
        mutex_unlock(&t->lock);
        if (transactions_write(t, false, &e) < 0) {
            if (log_limit_pass(&limit, &suppressed)) {
                log_warn("transactions", "requests could not be stored, will be tried again",
                         L_CSTR("error", e.msg), L_INT("suppressed", suppressed));
            }
            clock_sleep_ms(200);
        }
        mutex_lock(&t->lock);
    }
    mutex_unlock(&t->lock);
}

/* ---- life ---- */

static void make_stats(struct transactions *t)
{
    struct stats *s = t->opts.stats;

    t->seen =
        stats_counter(s, "bongsu_transactions_seen_total", "", "Requests (entry spans) seen.");
    t->written = stats_counter(s, "bongsu_transactions_written_total", "", "Requests stored.");
    t->dropped = stats_counter(s, "bongsu_transactions_dropped_total", "",
                               "Requests not stored because too many wait or memory was short.");
    t->refused = stats_counter(s, "bongsu_transactions_refused_total", "",
                               "Requests older than the retention or too far in the future.");
    t->early = stats_counter(s, "bongsu_transactions_early_total", "",
                             "Requests stored before the spans below them were waited for.");
    t->forgotten = stats_counter(s, "bongsu_transactions_children_dropped_total", "",
                                 "SQL and calls not added to a request for lack of room.");
}

int transactions_new(const struct transactions_opts *opts, struct transactions **ret,
                     struct err *reterr)
{
    struct transactions *t = mem_xcalloc(1, sizeof(*t));

    t->opts = *opts;
    t->opts.settle_ms = opts->settle_ms != 0 ? opts->settle_ms : DEFAULT_SETTLE_MS;
    t->opts.child_ms = opts->child_ms != 0 ? opts->child_ms : DEFAULT_CHILD_MS;
    t->opts.max_bytes = opts->max_bytes != 0 ? opts->max_bytes : DEFAULT_BYTES;
    t->children = txn_children_new(opts->max_children != 0 ? opts->max_children : DEFAULT_CHILDREN);
    mutex_init(&t->lock, LOCK_RANK_INGEST);
    mutex_init(&t->writing, LOCK_RANK_API);
    cond_init(&t->wake);
    make_stats(t);
    if (!opts->manual && thread_start(&t->thread, "transactions", run, t) < 0) {
        transactions_free(t);
        return err_set(reterr, ERR_UNAVAILABLE, "the thread of transactions could not be started");
    }
    *ret = t;
    return 0;
}

void transactions_free(struct transactions *t)
{
    struct err e = {0};

    if (t == NULL) {
        return;
    }
    mutex_lock(&t->lock);
    t->closing = true;
    cond_broadcast(&t->wake);
    mutex_unlock(&t->lock);
    thread_join(&t->thread);
    if (transactions_write(t, true, &e) < 0) {
        log_warn("transactions", "requests that waited are lost", L_CSTR("error", e.msg));
    }
    while (t->first != NULL) {
        drop_first(t, 1);
    }
    txn_children_free(t->children);
    cond_done(&t->wake);
    mutex_done(&t->writing);
    mutex_done(&t->lock);
    mem_free(t);
}
