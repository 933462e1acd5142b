/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting and writing. Each write is one batch of rows (all or nothing): what is pending at 10 s, the columns of the
 * wider levels that are complete, and a row that says which requests and columns that were. From it a start knows what
 * is missing: requests with later stamps, and wider columns that were still open, which the 10 s rows add up to.
 */
#include "apm/tmap_internal.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"

const struct tmap_level TMAP_LEVEL[TMAP_LEVELS] = {
    {"10s", 10 * TMAP_SECOND_NS},
    {"1m", 60 * TMAP_SECOND_NS},
    {"10m", 600 * TMAP_SECOND_NS},
    {"1h", 3600 * TMAP_SECOND_NS},
};

static const int64_t DEFAULT_LIVE_MS = 600000;
static const int64_t DEFAULT_WRITE_MS = 10000;
static const size_t DEFAULT_CELLS = 2 << 20;
static const size_t GROUPS_MAX = 5000;
static const size_t ROWS_ARENA = 256u << 20;

/* ---- counting ---- */

struct tmap_own *tmap_group_of(struct tmap *t, struct str name)
{
    struct tmap_own *g = map_get(&t->by_name, name);

    if (g != NULL) {
        return g;
    }
    if (t->groups.n >= GROUPS_MAX) {
        return NULL;
    }
    g = mem_try_calloc(1, sizeof(*g) + name.n + 1);
    if (g == NULL) {
        return NULL;
    }
    if (name.n != 0) {
        memcpy(g + 1, name.p, name.n);
    }
    g->name = str_of((char *)(g + 1), name.n);
    if (!vec_push(&t->groups, g)) {
        mem_free(g);
        return NULL;
    }
    if (map_put(&t->by_name, g->name, g) < 0) {
        t->groups.n--;
        mem_free(g);
        return NULL;
    }
    return g;
}

void tmap_count_one(struct tmap *t, struct tmap_own *g, const struct tmap_point *p, bool pending)
{
    unsigned bucket = tmap_bucket(p->duration_ns);

    g->requests++;
    for (int i = 0; pending && i < TMAP_LEVELS; i++) {
        size_t before = g->pending[i].n;

        if (!tmap_table_add(&g->pending[i],
                            tmap_key(p->start_ns / TMAP_LEVEL[i].step_ns, bucket, p->class), 1)) {
            counter_add(t->dropped, 1);
        }
        t->cells += g->pending[i].n - before;
    }
    if (p->start_ns >= t->live_from_ns) {
        int64_t column = p->start_ns / TMAP_LIVE_NS;

        if (tmap_table_add(&g->live, tmap_key(column, bucket, p->class), 1)) {
            g->versions[column % TMAP_LIVE_SLOTS] =
                (struct tmap_column_version){column, t->version};
        }
    }
}

void tmap_count(struct tmap *t, const struct tmap_point *points, size_t n)
{
    struct tmap_own *g = NULL;
    bool full;

    mutex_lock(&t->lock);
    t->version++;
    for (size_t i = 0; i < n; i++) {
        const struct tmap_point *p = &points[i];

        if (g == NULL || !str_eq(g->name, p->group)) {
            g = tmap_group_of(t, p->group);
        }
        if (g == NULL || p->start_ns < 0) {
            counter_add(t->dropped, 1);
        } else {
            tmap_count_one(t, g, p, true);
        }
        t->counted_stamp_ns = p->stamp_ns > t->counted_stamp_ns ? p->stamp_ns : t->counted_stamp_ns;
    }
    full = t->cells > t->opts.max_cells;
    if (full) {
        cond_signal(&t->wake);
    }
    mutex_unlock(&t->lock);
    counter_add(t->counted, n);
}

/* ---- writing ---- */

/** Cells on their way into rows. */
struct taken {
    struct tmap_own *group;
    int level;
    struct tmap_slot *v;
    size_t n;
};

struct batch {
    VEC(struct taken) taken;
    VEC(struct log_record) rows;
    struct arena a;
    int64_t stamp_ns, until_ns;
};

static void batch_done(struct batch *b)
{
    for (size_t i = 0; i < b->taken.n; i++) {
        mem_free(b->taken.v[i].v);
    }
    vec_done(&b->taken);
    vec_done(&b->rows);
    arena_done(&b->a);
}

/** What is due leaves the tables. What finds no memory stays: written later, but then the stamp must not pass it, so
 * the whole write fails. */
static bool take_due(struct tmap *t, struct batch *b)
{
    bool ok = true;

    mutex_lock(&t->lock);
    b->stamp_ns = t->counted_stamp_ns;
    for (size_t i = 0; ok && i < t->groups.n; i++) {
        struct tmap_own *g = t->groups.v[i];

        for (int l = 0; ok && l < TMAP_LEVELS; l++) {
            int64_t before = tmap_open_column(l, b->until_ns);
            struct taken k = {.group = g, .level = l};

            ok = vec_reserve(&b->taken, 1);
            if (!ok || g->pending[l].n == 0) {
                continue;
            }
            k.v = tmap_table_take(&g->pending[l], before, &k.n);
            if (k.v != NULL) {
                t->cells -= k.n;
                ignore_result(vec_push(&b->taken, k), "there is room");
            } else {
                ok = l != 0; /* none is due, or there is no memory: of level 0 all are due */
            }
        }
    }
    mutex_unlock(&t->lock);
    return ok;
}

static void put_back(struct tmap *t, struct batch *b)
{
    mutex_lock(&t->lock);
    for (size_t i = 0; i < b->taken.n; i++) {
        struct taken *k = &b->taken.v[i];
        struct tmap_table *to = &k->group->pending[k->level];
        size_t before = to->n;

        for (size_t j = 0; j < k->n; j++) {
            if (!tmap_table_add(to, k->v[j].key, k->v[j].n)) {
                counter_add(t->dropped, k->v[j].n);
            }
        }
        t->cells += to->n - before;
    }
    mutex_unlock(&t->lock);
}

static const struct scope SCOPE;

static bool push_row(struct batch *b, const struct resource *r, int64_t time_ns, struct value body,
                     struct attrs attrs)
{
    return vec_push(&b->rows, (struct log_record){.time_ns = time_ns,
                                                  .arrival_ns = b->until_ns,
                                                  .body = body,
                                                  .attrs = attrs,
                                                  .resource = r,
                                                  .scope = &SCOPE});
}

static const struct resource *resource_of(struct arena *a, const char *level, struct str group)
{
    struct resource *r = arena_new(a, struct resource);
    struct attr *v = arena_array(a, struct attr, 2);

    if (r == NULL || v == NULL) {
        return NULL;
    }
    v[0] = (struct attr){STR(TMAP_ATTR_LEVEL), {.type = VALUE_STR, .u.s = str_cstr(level)}};
    v[1] = (struct attr){STR(TMAP_ATTR_GROUP), {.type = VALUE_STR, .u.s = group}};
    *r = (struct resource){.attrs = {v, group.n != 0 ? 2u : 1u}};
    return r;
}

static bool rows_of(struct batch *b, const struct taken *k, struct buf *scratch)
{
    const struct resource *r = resource_of(&b->a, TMAP_LEVEL[k->level].name, k->group->name);

    for (size_t i = 0; r != NULL && i < k->n;) {
        int64_t column = tmap_key_column(k->v[i].key);
        size_t end = i;
        struct str body;

        while (end < k->n && tmap_key_column(k->v[end].key) == column) {
            end++;
        }
        buf_clear(scratch);
        tmap_row_encode(&k->v[i], end - i, scratch);
        body = arena_str_dup(&b->a, buf_str(scratch));
        if (scratch->failed || body.p == NULL ||
            !push_row(b, r, column * TMAP_LEVEL[k->level].step_ns,
                      (struct value){.type = VALUE_BYTES, .u.s = body}, (struct attrs){0})) {
            return false;
        }
        i = end;
    }
    return r != NULL;
}

static bool make_rows(struct batch *b)
{
    struct buf scratch CLEANUP(buf_done);
    const struct resource *meta = resource_of(&b->a, TMAP_META, STR(""));
    struct attr *v = arena_array(&b->a, struct attr, 2);

    buf_init(&scratch, 1 << 20);
    for (size_t i = 0; i < b->taken.n; i++) {
        if (!rows_of(b, &b->taken.v[i], &scratch)) {
            return false;
        }
    }
    if (meta == NULL || v == NULL) {
        return false;
    }
    v[0] = (struct attr){STR("stamp"), {.type = VALUE_I64, .u.i = b->stamp_ns}};
    v[1] = (struct attr){STR("until"), {.type = VALUE_I64, .u.i = b->until_ns}};
    return push_row(b, meta, b->until_ns, (struct value){0}, (struct attrs){v, 2});
}

/** Under `visible`. */
static int write_batch(struct tmap *t, struct batch *b, struct err *reterr)
{
    struct columns_commit done;
    int rc;

    if (!take_due(t, b)) {
        return err_set(reterr, ERR_NOMEM, "no memory to write cells of T-Maps");
    }
    if (b->taken.n == 0) {
        return 0;
    }
    rc = make_rows(b) ? columns_append_logs(t->opts.cells, b->rows.v, b->rows.n, &done, reterr)
                      : err_set(reterr, ERR_NOMEM, "no memory to write cells of T-Maps");
    if (rc == 0) {
        t->written_stamp_ns = b->stamp_ns;
        t->written_until_ns = b->until_ns;
        counter_add(t->rows, b->rows.n);
    }
    return rc;
}

static void expire_live(struct tmap *t, int64_t wall_ns)
{
    mutex_lock(&t->lock);
    t->live_from_ns = wall_ns - t->opts.live_ms * 1000000;
    for (size_t i = 0; i < t->groups.n; i++) {
        tmap_table_expire(&t->groups.v[i]->live, t->live_from_ns / TMAP_LIVE_NS);
    }
    mutex_unlock(&t->lock);
}

int tmap_write(struct tmap *t, int64_t wall_ms, struct err *reterr)
{
    int64_t wall_ns = wall_ms * 1000000;
    struct batch b = {0};
    int rc;

    arena_init(&b.a, ROWS_ARENA);
    rwlock_write(&t->visible);
    /* a clock that went back does not open columns again */
    b.until_ns = wall_ns > t->written_until_ns ? wall_ns : t->written_until_ns;
    rc = write_batch(t, &b, reterr);
    if (rc < 0) {
        put_back(t, &b);
        counter_add(t->failures, 1);
    }
    rwlock_unlock(&t->visible);
    batch_done(&b);
    expire_live(t, wall_ns);
    return rc;
}

/* ---- life ---- */

static void run(void *arg)
{
    static struct log_limit limit;
    struct tmap *t = arg;

    mutex_lock(&t->lock);
    while (!t->closing) {
        struct err e = {0};
        int64_t suppressed;

        cond_wait_ms(&t->wake, &t->lock, t->opts.write_ms);
        mutex_unlock(&t->lock);
        if (tmap_write(t, clock_wall_ms(), &e) < 0) {
            if (log_limit_pass(&limit, &suppressed)) {
                log_warn("tmap", "cells of T-Maps could not be written, will be tried again",
                         L_CSTR("error", e.msg), L_INT("suppressed", suppressed));
            }
            clock_sleep_ms(200);
        }
        mutex_lock(&t->lock);
    }
    mutex_unlock(&t->lock);
}

static void make_stats(struct tmap *t)
{
    struct stats *s = t->opts.stats;

    t->counted = stats_counter(s, "bongsu_tmap_requests_total", "", "Requests counted in T-Maps.");
    t->dropped = stats_counter(s, "bongsu_tmap_dropped_total", "",
                               "Counts of T-Map cells lost because there was no memory.");
    t->rows =
        stats_counter(s, "bongsu_tmap_rows_written_total", "", "Rows of T-Map cells written.");
    t->failures = stats_counter(s, "bongsu_tmap_write_failures_total", "",
                                "Writes of T-Map cells that failed and were tried again.");
}

static void tmap_free(struct tmap *t)
{
    for (size_t i = 0; i < t->groups.n; i++) {
        struct tmap_own *g = t->groups.v[i];

        for (int l = 0; l < TMAP_LEVELS; l++) {
            tmap_table_done(&g->pending[l]);
        }
        tmap_table_done(&g->live);
        mem_free(g);
    }
    vec_done(&t->groups);
    map_done(&t->by_name);
    cond_done(&t->wake);
    mutex_done(&t->lock);
    rwlock_done(&t->visible);
    mem_free(t);
}

int tmap_open(const struct tmap_opts *opts, struct tmap **ret, struct err *reterr)
{
    struct tmap *t = mem_xcalloc(1, sizeof(*t));
    int64_t now_ns = clock_wall_ns();
    int rc;

    t->opts = *opts;
    t->opts.live_ms = opts->live_ms != 0 ? opts->live_ms : DEFAULT_LIVE_MS;
    t->opts.write_ms = opts->write_ms != 0 ? opts->write_ms : DEFAULT_WRITE_MS;
    t->opts.max_cells = opts->max_cells != 0 ? opts->max_cells : DEFAULT_CELLS;
    t->live_from_ns = now_ns - t->opts.live_ms * 1000000;
    rwlock_init(&t->visible, LOCK_RANK_INGEST);
    mutex_init(&t->lock, LOCK_RANK_LEAF);
    cond_init(&t->wake);
    make_stats(t);
    rc = tmap_restore(t, now_ns, reterr);
    if (rc == 0 && !opts->manual) {
        rc = thread_start(&t->thread, "tmap", run, t) < 0
                 ? err_set(reterr, ERR_UNAVAILABLE, "the thread of T-Maps could not be started")
                 : 0;
    }
    if (rc < 0) {
        tmap_free(t);
        return rc;
    }
    *ret = t;
    return 0;
}

void tmap_close(struct tmap *t)
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
    if (tmap_write(t, clock_wall_ms(), &e) < 0) {
        log_warn("tmap", "cells of T-Maps are counted again at the next start",
                 L_CSTR("error", e.msg));
    }
    tmap_free(t);
}
