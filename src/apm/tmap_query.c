/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading cells: the widest level that is fine enough, its rows and what is pending in memory, added up in one dense
 * grid of the answer's columns and buckets.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "apm/tmap_grid.h"
#include "apm/tmap_internal.h"
#include "base/err.h"

static void on_cell(void *arg, uint64_t key, uint64_t n)
{
    struct tmap_grid *g = arg;

    tmap_grid_add(g, g->time_ns, tmap_key_bucket(key), tmap_key_class(key), n);
}

static int on_row(void *arg, const struct log_record *row, uint64_t id)
{
    struct tmap_grid *g = arg;

    (void)id;
    g->time_ns = row->time_ns;
    return row->body.type == VALUE_BYTES ? tmap_row_decode(row->body.u.s, on_cell, g)
                                         : -ERR_CORRUPT;
}

static void add_table(struct tmap_grid *g, const struct tmap_table *t, int64_t step_ns)
{
    for (size_t i = 0; i < t->cap; i++) {
        if (t->v[i].key != 0) {
            uint64_t key = t->v[i].key - 1;

            tmap_grid_add(g, tmap_key_column(key) * step_ns, tmap_key_bucket(key),
                          tmap_key_class(key), t->v[i].n);
        }
    }
}

static bool wanted(const struct str *groups, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(groups[i], name)) {
            return true;
        }
    }
    return n == 0;
}

/** `level` -1: the live columns. */
static void add_memory(struct tmap *t, const struct tmap_query *q, int level, struct tmap_grid *g)
{
    mutex_lock(&t->lock);
    for (size_t i = 0; i < t->groups.n; i++) {
        const struct tmap_own *own = t->groups.v[i];

        if (wanted(q->groups, q->groups_n, own->name)) {
            add_table(g, level < 0 ? &own->live : &own->pending[level],
                      level < 0 ? TMAP_LIVE_NS : TMAP_LEVEL[level].step_ns);
        }
    }
    mutex_unlock(&t->lock);
}

static const struct filter *text_is(struct arena *a, const char *name, struct str text)
{
    return filter_pred(a, (struct field){FIELD_RESOURCE, str_cstr(name)}, PRED_EQ,
                       (struct value){.type = VALUE_STR, .u.s = text});
}

static const struct filter *filter_of(struct arena *a, const struct tmap_query *q, int level)
{
    const struct filter *both[2] = {text_is(a, TMAP_ATTR_LEVEL, str_cstr(TMAP_LEVEL[level].name))};
    const struct filter **any;

    if (q->groups_n == 0) {
        return both[0];
    }
    any = arena_array(a, const struct filter *, q->groups_n);
    for (size_t i = 0; any != NULL && i < q->groups_n; i++) {
        any[i] = text_is(a, TMAP_ATTR_GROUP, q->groups[i]);
    }
    both[1] = any != NULL ? filter_or(a, any, q->groups_n) : NULL;
    return filter_and(a, both, 2);
}

static int add_rows(struct tmap *t, const struct tmap_query *q, int level, struct arena *a,
                    struct tmap_grid *g, struct err *reterr)
{
    const struct columns_query scan = {.min_ns = g->min_ns,
                                       .max_ns = g->min_ns + (int64_t)g->columns * g->step_ns,
                                       .filter = filter_of(a, q, level),
                                       .cancel = q->cancel,
                                       .budget = q->budget,
                                       .need = COLUMNS_NEED_BODY};

    return scan.filter == NULL
               ? err_set(reterr, ERR_NOMEM, "no memory for the query")
               : columns_scan_logs(t->opts.cells, &scan, INT64_MAX, 0, on_row, g, NULL, reterr);
}

/** Width of columns and where they come from. @return the level; -1: live */
static int choose(const struct tmap *t, const struct tmap_query *q, struct tmap_grid *g)
{
    int64_t least = (q->max_ns - q->min_ns + (int64_t)q->columns - 1) / (int64_t)q->columns;
    int64_t unit = TMAP_LEVEL[0].step_ns;
    int level = 0;

    if (least < unit && q->min_ns >= t->live_from_ns) {
        level = -1;
        unit = TMAP_LIVE_NS;
    }
    while (level >= 0 && level + 1 < TMAP_LEVELS && TMAP_LEVEL[level + 1].step_ns <= least) {
        unit = TMAP_LEVEL[++level].step_ns;
    }
    tmap_grid_range(g, q->min_ns, q->max_ns, q->columns, unit);
    return level;
}

static int check_query(const struct tmap_query *q, struct err *reterr)
{
    if (q->min_ns < 0 || q->max_ns <= q->min_ns) {
        return err_set(reterr, ERR_INVALID, "the range ends before it begins");
    }
    if (q->columns == 0 || q->columns > TMAP_COLUMNS_MAX || q->shift > TMAP_SUB_BITS) {
        return err_set(reterr, ERR_INVALID, "1 to %d columns", TMAP_COLUMNS_MAX);
    }
    return 0;
}

int tmap_cells(struct tmap *t, const struct tmap_query *q, struct arena *a, struct tmap_cells *ret,
               struct err *reterr)
{
    struct tmap_cells out = {0};
    struct tmap_grid g = {0};
    int rc = check_query(q, reterr);
    int level;

    if (rc < 0) {
        return rc;
    }
    rwlock_read(&t->visible);
    mutex_lock(&t->lock);
    level = choose(t, q, &g);
    mutex_unlock(&t->lock);
    if (tmap_grid_alloc(&g, q->shift)) {
        add_memory(t, q, level, &g);
        rc = level < 0 ? 0 : add_rows(t, q, level, a, &g, reterr);
    }
    rwlock_unlock(&t->visible);
    if (g.n == NULL || (rc == 0 && tmap_grid_cells(&g, a, &out) < 0)) {
        rc = err_set(reterr, ERR_NOMEM, "no memory for %zu columns", g.columns);
    }
    tmap_grid_done(&g);
    if (rc == 0) {
        out.level_ns = level < 0 ? TMAP_LIVE_NS : TMAP_LEVEL[level].step_ns;
        *ret = out;
    }
    return rc;
}

/* ---- live ---- */

static bool changed(const struct tmap_own *g, int64_t column, uint64_t since)
{
    const struct tmap_column_version *v = &g->versions[column % TMAP_LIVE_SLOTS];

    return v->column == column && v->version > since;
}

/** A column is given whole when any wanted group changed it. */
static void mark_changed(struct tmap *t, const struct str *groups, size_t groups_n, uint64_t since,
                         int64_t first, bool marks[TMAP_LIVE_SLOTS])
{
    for (size_t i = 0; i < t->groups.n; i++) {
        const struct tmap_own *g = t->groups.v[i];

        if (!wanted(groups, groups_n, g->name)) {
            continue;
        }
        for (int64_t c = first; c < first + TMAP_LIVE_SLOTS; c++) {
            if (changed(g, c, since)) {
                marks[c - first] = true;
            }
        }
    }
}

int tmap_live(struct tmap *t, const struct str *groups, size_t groups_n, uint64_t *version,
              struct arena *a, struct tmap_cells *ret)
{
    bool marks[TMAP_LIVE_SLOTS] = {0};
    struct tmap_grid g = {.step_ns = TMAP_LIVE_NS, .columns = TMAP_LIVE_SLOTS};
    struct tmap_cells out = {0};
    int64_t first;
    uint64_t upto;
    int rc;

    if (!tmap_grid_alloc(&g, 0)) {
        return -ERR_NOMEM;
    }
    mutex_lock(&t->lock);
    first = t->live_from_ns / TMAP_LIVE_NS;
    g.min_ns = first * TMAP_LIVE_NS;
    upto = t->version;
    mark_changed(t, groups, groups_n, *version, first, marks);
    for (size_t i = 0; i < t->groups.n; i++) {
        const struct tmap_own *own = t->groups.v[i];

        for (size_t j = 0; wanted(groups, groups_n, own->name) && j < own->live.cap; j++) {
            uint64_t key = own->live.v[j].key - 1;
            int64_t column = own->live.v[j].key != 0 ? tmap_key_column(key) : -1;

            if (column >= first && column < first + TMAP_LIVE_SLOTS && marks[column - first]) {
                tmap_grid_add(&g, column * TMAP_LIVE_NS, tmap_key_bucket(key), tmap_key_class(key),
                              own->live.v[j].n);
            }
        }
    }
    mutex_unlock(&t->lock);
    rc = tmap_grid_cells(&g, a, &out);
    tmap_grid_done(&g);
    if (rc == 0) {
        out.level_ns = TMAP_LIVE_NS;
        *version = upto;
        *ret = out;
    }
    return rc;
}

/* ---- groups ---- */

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct tmap_group *)a)->name, ((const struct tmap_group *)b)->name);
}

static int streams_of_day(struct tmap *t, struct arena *a, struct columns_streams *ret)
{
    int64_t now_ns = clock_wall_ns();
    const struct columns_query q = {.min_ns = now_ns - 7 * 86400 * TMAP_SECOND_NS,
                                    .max_ns = INT64_MAX,
                                    .filter = text_is(a, TMAP_ATTR_LEVEL, STR("1h"))};

    return q.filter == NULL ? -ERR_NOMEM : columns_streams(t->opts.cells, &q, a, ret, NULL);
}

int tmap_groups(struct tmap *t, struct arena *a, struct tmap_group **ret, size_t *ret_n)
{
    struct columns_streams streams = {0};
    struct tmap_group *v;
    size_t n = 0;
    size_t unique = 0;
    int rc = streams_of_day(t, a, &streams);

    if (rc < 0) {
        return rc;
    }
    mutex_lock(&t->lock);
    v = arena_array(a, struct tmap_group, t->groups.n + streams.n + 1);
    for (size_t i = 0; v != NULL && i < t->groups.n; i++) {
        v[n++] = (struct tmap_group){t->groups.v[i]->name, t->groups.v[i]->requests};
    }
    mutex_unlock(&t->lock);
    if (v == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < streams.n; i++) {
        v[n++] = (struct tmap_group){
            attrs_get_str(streams.v[i].resource->attrs, STR(TMAP_ATTR_GROUP)), 0};
    }
    qsort(v, n, sizeof(*v), by_name);
    for (size_t i = 0; i < n; i++) {
        if (unique != 0 && str_eq(v[unique - 1].name, v[i].name)) {
            v[unique - 1].n += v[i].n;
        } else {
            v[unique++] = v[i];
        }
    }
    *ret = v;
    *ret_n = unique;
    return 0;
}
