/* SPDX-License-Identifier: Apache-2.0
 *
 * What memory lacks after a start: wider columns that were open are the sum of their 10 s rows; requests with a stamp
 * behind the last written one are counted from their rows in `transactions`; so are the live columns.
 */
#include <inttypes.h>

#include "apm/tmap_internal.h"
#include "apm/transactions.h"
#include "base/err.h"
#include "base/log.h"

enum { METAS = 1000, FILTER_ARENA = 1 << 16 };

/** How far before the last written stamp a request may have begun to be counted again. */
static const int64_t LOOK_BACK_NS = 900 * TMAP_SECOND_NS;
static const uint64_t LIVE_ROWS_MAX = 2000000; /* what a start takes time for */

static const struct filter *level_is(struct arena *a, const char *level)
{
    return filter_pred(a, (struct field){FIELD_RESOURCE, STR(TMAP_ATTR_LEVEL)}, PRED_EQ,
                       (struct value){.type = VALUE_STR, .u.s = str_cstr(level)});
}

struct metas {
    struct tmap *t;
    size_t n;
};

static int64_t i64_of(struct attrs as, struct str key)
{
    const struct value *v = attrs_get(as, key);

    return v != NULL && v->type == VALUE_I64 ? v->u.i : 0;
}

static int on_meta(void *arg, const struct log_record *row, uint64_t id)
{
    struct metas *m = arg;
    int64_t stamp = i64_of(row->attrs, STR("stamp"));
    int64_t until = i64_of(row->attrs, STR("until"));

    (void)id;
    m->t->written_stamp_ns = stamp > m->t->written_stamp_ns ? stamp : m->t->written_stamp_ns;
    m->t->written_until_ns = until > m->t->written_until_ns ? until : m->t->written_until_ns;
    return ++m->n == METAS;
}

/* ---- open columns ---- */

struct adder {
    struct tmap *t;
    struct tmap_own *group;
    int64_t time_ns;
    bool failed;
};

static void add_to_open(void *arg, uint64_t key, uint64_t n)
{
    struct adder *a = arg;

    for (int l = 1; l < TMAP_LEVELS; l++) {
        int64_t column = a->time_ns / TMAP_LEVEL[l].step_ns;
        struct tmap_table *to = &a->group->pending[l];
        size_t before = to->n;

        if (column >= tmap_open_column(l, a->t->written_until_ns)) {
            a->failed |= !tmap_table_add(to, (uint64_t)column << 16 | key, n);
            a->t->cells += to->n - before;
        }
    }
}

static int on_fine_row(void *arg, const struct log_record *row, uint64_t id)
{
    struct adder *a = arg;
    struct str group = attrs_get_str(row->resource->attrs, STR(TMAP_ATTR_GROUP));

    (void)id;
    a->time_ns = row->time_ns;
    a->group = tmap_group_of(a->t, group);
    if (a->group == NULL) {
        return -ERR_NOMEM;
    }
    if (row->body.type != VALUE_BYTES || tmap_row_decode(row->body.u.s, add_to_open, a) < 0) {
        return -ERR_CORRUPT;
    }
    return a->failed ? -ERR_NOMEM : 0;
}

/* ---- requests ---- */

struct recount {
    struct tmap *t;
    uint64_t rows, counted;
};

static int on_request(void *arg, const struct span *row, uint64_t id)
{
    struct recount *r = arg;
    struct tmap *t = r->t;
    bool missing = row->arrival_ns > t->written_stamp_ns;
    struct tmap_point p = {.start_ns = row->start_ns,
                           .duration_ns = row->end_ns - row->start_ns,
                           .class = txn_class_of(attrs_get_str(row->attrs, STR(TXN_CLASS))),
                           .stamp_ns = row->arrival_ns};
    struct tmap_own *g;

    (void)id;
    r->rows++;
    if (!missing && (row->start_ns < t->live_from_ns || r->rows > LIVE_ROWS_MAX)) {
        return 0;
    }
    g = tmap_group_of(t, attrs_get_str(row->resource->attrs, STR(TXN_GROUP)));
    if (g == NULL) {
        return -ERR_NOMEM;
    }
    p.class = p.class < TMAP_CLASSES ? p.class : TMAP_OK;
    t->counted_stamp_ns = p.stamp_ns > t->counted_stamp_ns ? p.stamp_ns : t->counted_stamp_ns;
    r->counted += missing;
    tmap_count_one(t, g, &p, missing);
    return 0;
}

static int count_requests(struct tmap *t, int64_t wall_ns, struct err *reterr)
{
    const struct str class = STR(TXN_CLASS);
    int64_t from = t->written_stamp_ns - LOOK_BACK_NS;
    struct columns_query q = {.max_ns = INT64_MAX,
                              .need = COLUMNS_NEED_ATTRS | COLUMNS_NEED_RESOURCE,
                              .attrs = &class,
                              .attrs_n = 1};
    struct recount r = {.t = t};
    int rc;

    from = from < wall_ns - t->opts.live_ms * 1000000 ? from : wall_ns - t->opts.live_ms * 1000000;
    q.min_ns = t->written_stamp_ns == 0 ? INT64_MIN : from;
    rc = columns_scan_spans(t->opts.transactions, &q, INT64_MAX, 0, on_request, &r, NULL, reterr);
    if (rc == 0 && r.counted != 0) {
        log_info("tmap", "requests that were not in T-Maps yet were counted",
                 L_INT("requests", r.counted));
    }
    return rc;
}

int tmap_restore(struct tmap *t, int64_t wall_ns, struct err *reterr)
{
    struct arena a CLEANUP(arena_done);
    struct metas m = {.t = t};
    struct adder add = {.t = t};
    struct columns_query q = {.min_ns = INT64_MIN, .max_ns = INT64_MAX, .need = COLUMNS_NEED_ATTRS};
    int rc;

    arena_init(&a, FILTER_ARENA);
    q.filter = level_is(&a, TMAP_META);
    if (q.filter == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory to open T-Maps");
    }
    rc = columns_scan_logs(t->opts.cells, &q, INT64_MAX, 0, on_meta, &m, NULL, reterr);
    t->counted_stamp_ns = t->written_stamp_ns;
    if (rc == 0 && t->written_until_ns != 0) {
        q.filter = level_is(&a, TMAP_LEVEL[0].name);
        q.need = COLUMNS_NEED_BODY | COLUMNS_NEED_RESOURCE;
        q.min_ns = tmap_open_column(TMAP_LEVELS - 1, t->written_until_ns) *
                   TMAP_LEVEL[TMAP_LEVELS - 1].step_ns;
        rc = q.filter == NULL ? err_set(reterr, ERR_NOMEM, "no memory to open T-Maps")
                              : columns_scan_logs(t->opts.cells, &q, INT64_MAX, 0, on_fine_row,
                                                  &add, NULL, reterr);
    }
    return rc < 0 ? rc : count_requests(t, wall_ns, reterr);
}
