/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables, points and cells of transactions. Slowest first takes two passes: durations alone find how long the last row
 * of the answer took, then only rows that took as long are read.
 */
#include "apm/txn_query.h"

#include <stdlib.h>

#include "apm/tmap_grid.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/vec.h"

static const struct filter *text_is(struct arena *a, enum field_scope scope, const char *name,
                                    struct str text)
{
    return filter_pred(a, (struct field){scope, str_cstr(name)}, PRED_EQ,
                       (struct value){.type = VALUE_STR, .u.s = text});
}

static const struct filter *took(struct arena *a, enum pred_op op, int64_t ns)
{
    return filter_pred(a, (struct field){FIELD_INTRINSIC, STR("duration_ns")}, op,
                       (struct value){.type = VALUE_I64, .u.i = ns});
}

static const struct filter *any_group(struct arena *a, const struct txn_filter *f)
{
    const struct filter **v = arena_array(a, const struct filter *, f->groups_n);

    for (size_t i = 0; v != NULL && i < f->groups_n; i++) {
        v[i] = text_is(a, FIELD_RESOURCE, TXN_GROUP, f->groups[i]);
    }
    return v != NULL ? filter_or(a, v, f->groups_n) : NULL;
}

static const struct filter *any_class(struct arena *a, unsigned classes)
{
    const struct filter *v[TMAP_CLASSES];
    size_t n = 0;

    for (int i = 0; i < TMAP_CLASSES; i++) {
        if ((classes >> i & 1) != 0) {
            v[n++] = text_is(a, FIELD_ATTR, TXN_CLASS, txn_class_name((enum tmap_class)i));
        }
    }
    return filter_or(a, v, n);
}

struct columns_query txn_columns_query(const struct txn_filter *f, struct arena *a, bool *ret_ok)
{
    const unsigned every_class = (1u << TMAP_CLASSES) - 1;
    const struct filter *v[5];
    size_t n = 0;
    struct columns_query q = {
        .min_ns = f->min_ns, .max_ns = f->max_ns, .cancel = f->cancel, .budget = f->budget};

    if (f->groups_n != 0) {
        v[n++] = any_group(a, f);
    }
    if (f->instance.n != 0) {
        v[n++] = text_is(a, FIELD_RESOURCE, TXN_INSTANCE, f->instance);
    }
    if (f->min_took_ns > 0) {
        v[n++] = took(a, PRED_GE, f->min_took_ns);
    }
    if (f->max_took_ns != INT64_MAX) {
        v[n++] = took(a, PRED_LT, f->max_took_ns);
    }
    if ((f->classes & every_class) != 0 && (f->classes & every_class) != every_class) {
        v[n++] = any_class(a, f->classes);
    }
    q.filter = n != 0 ? filter_and(a, v, n) : NULL;
    *ret_ok = n == 0 || q.filter != NULL;
    return q;
}

static int no_memory(struct err *reterr)
{
    return err_set(reterr, ERR_NOMEM, "no memory for the query");
}

/* ---- how many ---- */

static int count_classes(struct columns *rows, const struct columns_query *q, struct arena *a,
                         uint64_t ret[TMAP_CLASSES], struct err *reterr)
{
    const struct field by = {FIELD_ATTR, STR(TXN_CLASS)};
    const struct columns_buckets over = {.step_ns = q->max_ns - q->min_ns, .n = 1, .by = &by};
    struct columns_groups groups;
    int rc = columns_histogram(rows, q, &over, a, &groups, reterr);

    memset(ret, 0, TMAP_CLASSES * sizeof(*ret));
    for (size_t i = 0; rc == 0 && i < groups.n; i++) {
        enum tmap_class class = txn_class_of(groups.v[i].value);

        ret[class < TMAP_CLASSES ? class : TMAP_OK] += groups.v[i].total;
    }
    return rc;
}

/* ---- table ---- */

struct lister {
    struct arena *a;
    struct txn_row *v;
    size_t n, limit;
    bool failed;
};

static struct str keep(struct lister *l, struct str s)
{
    struct str copy = s.n != 0 ? arena_str_dup(l->a, s) : (struct str){0};

    l->failed |= s.n != 0 && copy.p == NULL;
    return copy;
}

static int64_t number(struct attrs as, const char *key)
{
    const struct value *v = attrs_get(as, str_cstr(key));

    return v != NULL && v->type == VALUE_I64 ? v->u.i : -1;
}

static struct str text(struct lister *l, struct attrs as, const char *key)
{
    return keep(l, attrs_get_str(as, str_cstr(key)));
}

static int on_listed(void *arg, const struct span *s, uint64_t id)
{
    struct lister *l = arg;

    (void)id;
    l->v[l->n++] = (struct txn_row){.trace_id = s->trace_id,
                                    .span_id = s->span_id,
                                    .start_ns = s->start_ns,
                                    .took_ns = s->end_ns - s->start_ns,
                                    .operation = keep(l, s->name),
                                    .group = text(l, s->resource->attrs, TXN_GROUP),
                                    .instance = text(l, s->resource->attrs, TXN_INSTANCE),
                                    .version = text(l, s->resource->attrs, "service.version"),
                                    .class = text(l, s->attrs, TXN_CLASS),
                                    .method = text(l, s->attrs, TXN_METHOD),
                                    .path = text(l, s->attrs, TXN_PATH),
                                    .client = text(l, s->attrs, TXN_CLIENT),
                                    .user = text(l, s->attrs, TXN_USER),
                                    .exception = text(l, s->attrs, TXN_EXCEPTION),
                                    .status = number(s->attrs, TXN_STATUS),
                                    .sql_n = number(s->attrs, TXN_SQL_N),
                                    .sql_ns = number(s->attrs, TXN_SQL_NS),
                                    .call_n = number(s->attrs, TXN_CALL_N),
                                    .call_ns = number(s->attrs, TXN_CALL_NS),
                                    .cpu_ns = number(s->attrs, TXN_CPU_NS)};
    return l->failed ? -ERR_NOMEM : l->n == l->limit;
}

/** The longest durations, a heap with the shortest on top. */
struct longest {
    int64_t *v;
    size_t n, limit;
};

static void sink(struct longest *h, size_t at)
{
    for (;;) {
        size_t least = at;

        for (size_t kid = 2 * at + 1; kid < 2 * at + 3 && kid < h->n; kid++) {
            least = h->v[kid] < h->v[least] ? kid : least;
        }
        if (least == at) {
            return;
        }
        int64_t v = h->v[at];

        h->v[at] = h->v[least];
        h->v[least] = v;
        at = least;
    }
}

static int on_duration(void *arg, const struct span *s, uint64_t id)
{
    struct longest *h = arg;
    int64_t took_ns = s->end_ns - s->start_ns;

    (void)id;
    if (h->n < h->limit) {
        h->v[h->n++] = took_ns;
        for (size_t at = h->n == h->limit ? h->n / 2 : 0; at > 0; at--) {
            sink(h, at - 1);
        }
    } else if (took_ns > h->v[0]) {
        h->v[0] = took_ns;
        sink(h, 0);
    }
    return 0;
}

/** How long the limit-th longest took; *ret_above: how many took longer. */
static int find_least(struct columns *rows, struct columns_query q, struct lister *l,
                      int64_t *ret_ns, size_t *ret_above, struct err *reterr)
{
    struct longest h = {.limit = l->limit, .v = arena_array(l->a, int64_t, l->limit)};
    int64_t least = INT64_MAX;
    int rc;

    q.need = COLUMNS_NEED_TIMES;
    rc = h.v == NULL ? no_memory(reterr)
                     : columns_scan_spans(rows, &q, INT64_MAX, 0, on_duration, &h, NULL, reterr);
    *ret_above = 0;
    for (size_t i = 0; rc == 0 && i < h.n; i++) {
        least = h.v[i] < least ? h.v[i] : least;
    }
    for (size_t i = 0; rc == 0 && i < h.n; i++) {
        *ret_above += h.v[i] > least;
    }
    *ret_ns = least;
    return rc;
}

static int by_took(const void *a, const void *b)
{
    const struct txn_row *x = a;
    const struct txn_row *y = b;

    return x->took_ns != y->took_ns ? (x->took_ns < y->took_ns) - (x->took_ns > y->took_ns)
                                    : (x->start_ns < y->start_ns) - (x->start_ns > y->start_ns);
}

static int scan_rows(struct columns *rows, const struct columns_query *q, struct lister *l,
                     struct err *reterr)
{
    int rc = l->n == l->limit
                 ? 0
                 : columns_scan_spans(rows, q, INT64_MAX, 0, on_listed, l, NULL, reterr);

    return l->failed ? no_memory(reterr) : rc;
}

/** Those that took longer than the last of the answer, then those that took as long. */
static int list_slowest(struct columns *rows, const struct txn_filter *f, struct lister *l,
                        struct err *reterr)
{
    struct txn_filter some = *f;
    int64_t least = INT64_MAX;
    size_t above = 0;
    bool ok;
    struct columns_query q = txn_columns_query(f, l->a, &ok);
    size_t limit = l->limit;
    int rc = !ok ? no_memory(reterr) : find_least(rows, q, l, &least, &above, reterr);

    if (rc < 0 || least == INT64_MAX) {
        return rc;
    }
    some.min_took_ns = least + 1;
    l->limit = above;
    q = txn_columns_query(&some, l->a, &ok);
    rc = !ok ? no_memory(reterr) : scan_rows(rows, &q, l, reterr);
    some.min_took_ns = least;
    some.max_took_ns = least + 1;
    l->limit = limit;
    q = txn_columns_query(&some, l->a, &ok);
    rc = rc < 0 ? rc : !ok ? no_memory(reterr) : scan_rows(rows, &q, l, reterr);
    if (rc == 0 && l->n > 1) {
        qsort(l->v, l->n, sizeof(*l->v), by_took);
    }
    return rc;
}

int txn_list(struct columns *rows, const struct txn_filter *f, bool slowest, size_t limit,
             struct arena *a, struct txn_list *ret, struct err *reterr)
{
    struct lister l = {.a = a, .limit = limit};
    struct txn_list out = {0};
    uint64_t total = 0;
    bool ok;
    struct columns_query q = txn_columns_query(f, a, &ok);
    int rc = !ok ? no_memory(reterr) : count_classes(rows, &q, a, out.total, reterr);

    for (int i = 0; i < TMAP_CLASSES; i++) {
        total += out.total[i];
    }
    /* requests that came since do not matter: the limit holds */
    l.limit = total < limit ? (size_t)total : limit;
    if (rc < 0 || l.limit == 0) {
        *ret = out;
        return rc;
    }
    l.v = arena_array(a, struct txn_row, l.limit);
    if (l.v == NULL) {
        return no_memory(reterr);
    }
    rc = slowest ? list_slowest(rows, f, &l, reterr) : scan_rows(rows, &q, &l, reterr);
    out.v = l.v;
    out.n = l.n;
    if (rc == 0) {
        *ret = out;
    }
    return rc;
}

/* ---- points ---- */

static const struct str CLASS_ATTR[] = {{TXN_CLASS, sizeof(TXN_CLASS) - 1}};

struct pointer {
    struct txn_point *v;
    size_t n, limit;
    uint64_t every, seen;
};

static enum tmap_class class_of(const struct span *s)
{
    enum tmap_class class = txn_class_of(attrs_get_str(s->attrs, STR(TXN_CLASS)));

    return class < TMAP_CLASSES ? class : TMAP_OK;
}

static int on_point(void *arg, const struct span *s, uint64_t id)
{
    struct pointer *p = arg;

    (void)id;
    if (p->seen++ % p->every == 0) {
        p->v[p->n++] = (struct txn_point){s->start_ns, s->end_ns - s->start_ns, class_of(s)};
    }
    return p->n == p->limit;
}

int txn_points(struct columns *rows, const struct txn_filter *f, size_t limit, struct arena *a,
               struct txn_points *ret, struct err *reterr)
{
    struct pointer p = {.limit = limit, .every = 1};
    uint64_t total[TMAP_CLASSES] = {0};
    bool ok;
    struct columns_query q = txn_columns_query(f, a, &ok);
    uint64_t all;
    int rc = !ok ? no_memory(reterr) : count_classes(rows, &q, a, total, reterr);

    if (rc < 0) {
        return rc;
    }
    all = total[TMAP_OK] + total[TMAP_4XX] + total[TMAP_5XX];
    p.every = all > limit ? (all + limit - 1) / limit : 1;
    p.v = arena_array(a, struct txn_point, limit);
    q.need = COLUMNS_NEED_ATTRS;
    q.attrs = CLASS_ATTR;
    q.attrs_n = 1;
    rc = p.v == NULL ? no_memory(reterr)
                     : columns_scan_spans(rows, &q, INT64_MAX, 0, on_point, &p, NULL, reterr);
    if (rc == 0) {
        *ret = (struct txn_points){p.v, p.n, all, p.every};
    }
    return rc;
}

/* ---- cells ---- */

static int on_counted(void *arg, const struct span *s, uint64_t id)
{
    (void)id;
    tmap_grid_add(arg, s->start_ns, tmap_bucket(s->end_ns - s->start_ns), class_of(s), 1);
    return 0;
}

int txn_cells(struct columns *rows, const struct txn_filter *f, size_t columns, unsigned shift,
              struct arena *a, struct tmap_cells *ret, struct err *reterr)
{
    struct tmap_grid g = {0};
    bool ok;
    struct columns_query q = txn_columns_query(f, a, &ok);
    int rc;

    if (columns == 0 || columns > TMAP_COLUMNS_MAX || shift > TMAP_SUB_BITS || f->min_ns < 0 ||
        f->max_ns <= f->min_ns) {
        return err_set(reterr, ERR_INVALID, "1 to %d columns of a range", TMAP_COLUMNS_MAX);
    }
    tmap_grid_range(&g, f->min_ns, f->max_ns, columns, 1000000000);
    if (!ok || !tmap_grid_alloc(&g, shift)) {
        return no_memory(reterr);
    }
    q.min_ns = g.min_ns;
    q.max_ns = g.min_ns + (int64_t)g.columns * g.step_ns;
    q.need = COLUMNS_NEED_ATTRS;
    q.attrs = CLASS_ATTR;
    q.attrs_n = 1;
    rc = columns_scan_spans(rows, &q, INT64_MAX, 0, on_counted, &g, NULL, reterr);
    rc = rc == 0 && tmap_grid_cells(&g, a, ret) < 0 ? no_memory(reterr) : rc;
    ret->level_ns = g.step_ns;
    tmap_grid_done(&g);
    return rc;
}
