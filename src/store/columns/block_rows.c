/* SPDX-License-Identifier: Apache-2.0
 *
 * From columns back to rows, for the few rows that are wanted. Strings are copied, so that the block's
 * memory can go before the rows do. Of a few rows of a block only their values are read (block_pick.c).
 */
#include "base/err.h"
#include "store/columns/block.h"
#include "store/columns/rowcodec.h"
#include "store/columns/scan_internal.h"

#include <stdlib.h>

enum { SPARSE_RATIO = 8 }; /* single values when at most every eighth row is wanted */

struct maker {
    struct block *b;
    const uint32_t *rows; /* sparse: rising */
    size_t n;
    struct arena *out;
    struct any_row *const *dst;
    enum columns_kind kind;
    struct rows_need need;
    bool sparse; /* columns hold the values of `rows` only */
};

/* Where a column has the value of rows[i]. */
static inline size_t place(const struct maker *m, size_t i)
{
    return m->sparse ? i : m->rows[i];
}

static int maker_ints(struct maker *m, enum col_id id, const int64_t **ret)
{
    return m->sparse ? block_pick_ints(m->b, id, m->rows, m->n, ret) : block_ints(m->b, id, ret);
}

static int no_room(struct maker *m)
{
    return block_no_memory(m->b);
}

static bool dup_str(struct maker *m, struct str s, struct str *ret)
{
    *ret = s.n != 0 ? arena_str_dup(m->out, s) : str_of(NULL, 0);
    return s.n == 0 || ret->p != NULL;
}

/* Resources and scopes: each index of the part once per call when rows are beside each other. */
static int make_resources(struct maker *m)
{
    const int64_t *index;
    const struct resource *last = NULL;
    int64_t last_index = -1;
    int rc = maker_ints(m, COL_RESOURCE, &index);

    for (size_t i = 0; i < m->n && rc == 0; i++) {
        int64_t at = index[place(m, i)];

        if (at != last_index || last == NULL) {
            struct resource *r = arena_calloc(m->out, 1, sizeof(*r));
            struct str bytes;
            struct rd rd;

            if ((uint64_t)at >= part_resources(m->b->part)) {
                return block_corrupt(m->b, "resource of a row");
            }
            /* the encoding outlives the part's mapping only as a copy */
            if (r == NULL || !dup_str(m, part_resource_bytes(m->b->part, (uint32_t)at), &bytes)) {
                return no_room(m);
            }
            rd = rd_of(bytes);
            rc = resource_decode(&rd, m->out, r);
            if (rc < 0) {
                return rc == -ERR_NOMEM ? no_room(m) : block_corrupt(m->b, "resource");
            }
            last = r;
            last_index = at;
        }
        if (m->kind == COLUMNS_SPANS) {
            m->dst[i]->span.resource = last;
        } else {
            m->dst[i]->log.resource = last;
        }
    }
    return rc;
}

static int make_scopes(struct maker *m)
{
    const int64_t *index;
    const struct scope *last = NULL;
    int64_t last_index = -1;
    int rc = maker_ints(m, COL_SCOPE, &index);

    for (size_t i = 0; i < m->n && rc == 0; i++) {
        int64_t at = index[place(m, i)];

        if (at != last_index || last == NULL) {
            struct scope *s = arena_calloc(m->out, 1, sizeof(*s));
            struct str bytes;
            struct rd rd;

            if ((uint64_t)at >= part_scopes(m->b->part)) {
                return block_corrupt(m->b, "scope of a row");
            }
            if (s == NULL || !dup_str(m, part_scope_bytes(m->b->part, (uint32_t)at), &bytes)) {
                return no_room(m);
            }
            rd = rd_of(bytes);
            rc = scope_decode(&rd, m->out, s);
            if (rc < 0) {
                return rc == -ERR_NOMEM ? no_room(m) : block_corrupt(m->b, "scope");
            }
            last = s;
            last_index = at;
        }
        if (m->kind == COLUMNS_SPANS) {
            m->dst[i]->span.scope = last;
        } else {
            m->dst[i]->log.scope = last;
        }
    }
    return rc;
}

/* Ids, names, and the blobs are handled by one loop each over the wanted rows. */
static int core_strs(struct maker *m, enum col_id id, const struct column **ret)
{
    struct block_col *c = m->b->core[id];

    *ret = NULL;
    return c == NULL   ? 0
           : m->sparse ? block_pick(m->b, c, m->rows, m->n, ret)
                       : block_column(m->b, c, ret);
}

static int make_ids(struct maker *m, enum col_id id, size_t size, size_t span_at, size_t log_at)
{
    const struct column *col;
    int rc = core_strs(m, id, &col);

    if (rc < 0 || col == NULL) {
        return rc;
    }
    for (size_t i = 0; i < m->n; i++) {
        struct str s = strs_at(&col->strs, place(m, i));
        char *row = m->kind == COLUMNS_SPANS ? (char *)&m->dst[i]->span + span_at
                                             : (char *)&m->dst[i]->log + log_at;

        if (s.n == size) {
            memcpy(row, s.p, size);
        } else if (s.n != 0) {
            return block_corrupt(m->b, "an id");
        }
    }
    return 0;
}

static int make_texts(struct maker *m, enum col_id id, size_t span_at, size_t log_at)
{
    const struct column *col;
    int rc = core_strs(m, id, &col);

    if (rc < 0 || col == NULL) {
        return rc;
    }
    for (size_t i = 0; i < m->n; i++) {
        char *row = m->kind == COLUMNS_SPANS ? (char *)&m->dst[i]->span + span_at
                                             : (char *)&m->dst[i]->log + log_at;

        if (!dup_str(m, strs_at(&col->strs, place(m, i)), (struct str *)(void *)row)) {
            return no_room(m);
        }
    }
    return 0;
}

static int make_blobs(struct maker *m, enum col_id id)
{
    const struct column *col;
    int rc = core_strs(m, id, &col);

    if (rc < 0 || col == NULL) {
        return rc;
    }
    for (size_t i = 0; i < m->n; i++) {
        struct span *s = &m->dst[i]->span;
        struct str bytes;
        struct rd r;

        if (!dup_str(m, strs_at(&col->strs, place(m, i)), &bytes)) {
            return no_room(m);
        }
        r = rd_of(bytes);
        if (bytes.n == 0) {
            continue;
        }
        rc = id == COL_EVENTS ? events_decode(&r, m->out, s) : links_decode(&r, m->out, s);
        if (rc < 0) {
            return rc == -ERR_NOMEM ? no_room(m) : block_corrupt(m->b, "events or links");
        }
    }
    return 0;
}

/* A value of a column in the rows' memory. */
static int make_value(struct maker *m, const struct column *col, size_t i, struct value *ret)
{
    if (col->type == COLTYPE_STR) {
        ret->type = VALUE_STR;
        return dup_str(m, strs_at(&col->strs, i), &ret->u.s) ? 0 : no_room(m);
    }
    if (col->type == COLTYPE_MIXED) {
        struct str bytes;
        struct rd r;
        int rc;

        if (!dup_str(m, strs_at(&col->strs, i), &bytes)) {
            return no_room(m);
        }
        r = rd_of(bytes);
        rc = value_decode(&r, m->out, ret);
        return rc == -ERR_NOMEM ? no_room(m) : rc < 0 ? block_corrupt(m->b, "a value") : 0;
    }
    return column_value(col, i, m->out, ret);
}

static int make_bodies(struct maker *m)
{
    const struct column *col;
    int rc = core_strs(m, COL_BODY, &col);

    for (size_t i = 0; i < m->n && rc == 0 && col != NULL; i++) {
        rc = make_value(m, col, place(m, i), &m->dst[i]->log.body);
    }
    return rc;
}

static bool wants_attr(const struct maker *m, struct str name)
{
    if (m->need.attrs == NULL) {
        return true;
    }
    for (size_t i = 0; i < m->need.attrs_n; i++) {
        if (str_eq(m->need.attrs[i], name)) {
            return true;
        }
    }
    return false;
}

/* Attribute columns of the block, decoded as shapes ask for them. */
struct attr_cache {
    bool known; /* whether it is wanted */
    bool unwanted;
    const struct column *col;
    const uint32_t *rank; /* NULL: row is the index */
    struct str name;      /* in the rows' memory */
    uint32_t *at;         /* sparse: places of its values in the column, rising */
    uint32_t at_n;
    uint32_t next; /* sparse: of the picked values */
};

static int cache_attr(struct maker *m, struct attr_cache *c, uint32_t number)
{
    int rc;

    if (c->known) {
        return 0;
    }
    c->known = true;
    c->unwanted = !wants_attr(m, m->b->attrs[number]->name);
    if (c->unwanted) {
        return 0;
    }
    if (m->sparse) {
        rc = block_pick(m->b, m->b->attrs[number], c->at, c->at_n, &c->col);
    } else {
        rc = block_rank(m->b, number, &c->rank);
        rc = rc < 0 ? rc : block_column(m->b, m->b->attrs[number], &c->col);
    }
    if (rc == 0 && !dup_str(m, m->b->attrs[number]->name, &c->name)) {
        rc = no_room(m);
    }
    return rc;
}

static int rest_attr(struct maker *m, struct rd *rest, struct attr *ret)
{
    int rc;

    ret->key = rd_str(rest);
    rc = value_decode(rest, m->out, &ret->value);
    return rc == -ERR_NOMEM ? no_room(m) : rc < 0 ? block_corrupt(m->b, "rest column") : 0;
}

/* Sparse: the places of the wanted rows' values, as block_rank() would find them, for all attributes in one pass. */
static int place_attrs(struct maker *m, struct attr_cache *cache)
{
    struct block *b = m->b;
    uint32_t *seen = arena_calloc(b->a, (size_t)b->shapes_n + 1, sizeof(*seen));
    uint32_t *rank = arena_calloc(b->a, (size_t)b->attrs_n + 1, sizeof(*rank));
    uint32_t row = 0;

    if (seen == NULL || rank == NULL) {
        return no_room(m);
    }
    for (size_t i = 0; i < m->n; i++) {
        const struct block_shape *s;

        if (b->shape_of == NULL) {
            seen[0] = m->rows[i] - row;
            row = m->rows[i];
        }
        for (; row < m->rows[i]; row++) {
            seen[b->shape_of[row]]++;
        }
        for (uint32_t k = 0; k < b->shapes_n; k++) {
            for (uint32_t j = 0; seen[k] != 0 && j < b->shapes[k].n; j++) {
                rank[b->shapes[k].items[j]] += seen[k];
            }
            seen[k] = 0;
        }
        s = &b->shapes[b->shape_of != NULL ? b->shape_of[row] : 0];
        for (uint32_t j = 0; j < s->n; j++) {
            struct attr_cache *c = &cache[s->items[j] - (s->items[j] != SHAPE_REST ? 1 : 0)];

            if (s->items[j] == SHAPE_REST) {
                continue;
            }
            if (c->at == NULL) {
                c->at = arena_array(b->a, uint32_t, m->n);
            }
            if (c->at == NULL) {
                return no_room(m);
            }
            if (c->at_n == m->n) {
                return block_corrupt(b, "an attribute twice in a shape");
            }
            c->at[c->at_n++] = rank[s->items[j]];
        }
    }
    return 0;
}

/* Where an attribute's column has the value of rows[i]. */
static size_t attr_place(const struct maker *m, struct attr_cache *c, size_t i)
{
    return m->sparse ? c->next++ : c->rank != NULL ? c->rank[m->rows[i]] : m->rows[i];
}

static int make_row_attrs(struct maker *m, struct attr_cache *cache, const struct column *rest,
                          size_t i_row, struct attrs *ret)
{
    struct block *b = m->b;
    const uint32_t row = m->rows[i_row];
    const struct block_shape *s = &b->shapes[b->shape_of != NULL ? b->shape_of[row] : 0];
    struct attr *v;
    struct str bytes = str_of(NULL, 0);
    struct rd rd;
    size_t n = 0;

    if (s->n == 0) {
        return 0;
    }
    v = arena_calloc(m->out, s->n, sizeof(*v));
    if (v == NULL || (rest != NULL && !dup_str(m, strs_at(&rest->strs, place(m, i_row)), &bytes))) {
        return no_room(m);
    }
    rd = rd_of(bytes);
    for (uint32_t i = 0; i < s->n; i++) {
        struct attr_cache *c = NULL;
        int rc;

        if (s->items[i] == SHAPE_REST) {
            if (rd.p == NULL) {
                return block_corrupt(b, "rest column");
            }
            rc = rest_attr(m, &rd, &v[n]);
            n += rc == 0 && wants_attr(m, v[n].key) ? 1 : 0;
        } else {
            c = &cache[s->items[i] - 1];
            rc = cache_attr(m, c, s->items[i] - 1);
            if (rc == 0 && !c->unwanted) {
                v[n].key = c->name;
                rc = make_value(m, c->col, attr_place(m, c, i_row), &v[n].value);
                n++;
            }
        }
        if (rc < 0) {
            return rc;
        }
    }
    *ret = (struct attrs){v, n};
    return 0;
}

static int make_attrs(struct maker *m)
{
    struct attr_cache *cache =
        arena_calloc(m->b->a, (size_t)m->b->attrs_n + 1, sizeof(struct attr_cache));
    const struct column *rest;
    int rc;

    if (cache == NULL) {
        return no_room(m);
    }
    rc = block_shapes(m->b);
    rc = rc < 0 ? rc : core_strs(m, COL_REST, &rest);
    rc = rc == 0 && m->sparse ? place_attrs(m, cache) : rc;
    for (size_t i = 0; i < m->n && rc == 0; i++) {
        struct attrs *as =
            m->kind == COLUMNS_SPANS ? &m->dst[i]->span.attrs : &m->dst[i]->log.attrs;

        rc = make_row_attrs(m, cache, rest, i, as);
    }
    return rc;
}

#define INTS(name, id)                   \
    const int64_t *name;                 \
    if (rc == 0) {                       \
        rc = maker_ints(m, (id), &name); \
    }

static int make_span_ints(struct maker *m)
{
    bool absolute = m->b->core[COL_ARRIVED] != NULL;
    int rc = 0;

    INTS(time, COL_TIME)
    INTS(arrival, m->b->core[COL_ARRIVED] != NULL ? COL_ARRIVED : COL_ARRIVAL)
    INTS(duration, COL_DURATION)
    INTS(kind, COL_KIND)
    INTS(status, COL_STATUS)
    INTS(flags, COL_FLAGS)
    INTS(dropped_attrs, COL_DROPPED_ATTRS)
    INTS(dropped_events, COL_DROPPED_EVENTS)
    INTS(dropped_links, COL_DROPPED_LINKS)
    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; i < m->n; i++) {
        size_t row = place(m, i);
        struct span *s = &m->dst[i]->span;

        *s = (struct span){
            .start_ns = time[row],
            .end_ns = (int64_t)((uint64_t)time[row] + (uint64_t)duration[row]),
            .arrival_ns = (int64_t)((absolute ? 0 : (uint64_t)time[row]) + (uint64_t)arrival[row]),
            .kind = (uint8_t)kind[row],
            .status = (uint8_t)status[row],
            .flags = (uint32_t)flags[row],
            .dropped_attrs = (uint32_t)dropped_attrs[row],
            .dropped_events = (uint32_t)dropped_events[row],
            .dropped_links = (uint32_t)dropped_links[row]};
    }
    return 0;
}

static int make_log_ints(struct maker *m)
{
    bool absolute = m->b->core[COL_ARRIVED] != NULL;
    int rc = 0;

    INTS(time, COL_TIME)
    INTS(arrival, m->b->core[COL_ARRIVED] != NULL ? COL_ARRIVED : COL_ARRIVAL)
    INTS(observed, COL_OBSERVED)
    INTS(severity, COL_SEVERITY)
    INTS(flags, COL_FLAGS)
    INTS(dropped_attrs, COL_DROPPED_ATTRS)
    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; i < m->n; i++) {
        size_t row = place(m, i);
        struct log_record *l = &m->dst[i]->log;

        *l = (struct log_record){
            .time_ns = time[row],
            .observed_ns = observed[row] != INT64_MIN
                               ? (int64_t)((uint64_t)time[row] + (uint64_t)observed[row])
                               : 0,
            .arrival_ns = (int64_t)((absolute ? 0 : (uint64_t)time[row]) + (uint64_t)arrival[row]),
            .severity = (uint8_t)severity[row],
            .flags = (uint32_t)flags[row],
            .dropped_attrs = (uint32_t)dropped_attrs[row]};
    }
    return 0;
}

/* Resources and scopes nobody looks at. */
static void make_no_tables(struct maker *m, bool resources, bool scopes)
{
    static const struct resource NO_RESOURCE = {0};
    static const struct scope NO_SCOPE = {0};

    for (size_t i = 0; i < m->n; i++) {
        if (resources) {
            m->dst[i]->span.resource = &NO_RESOURCE;
            m->dst[i]->log.resource = &NO_RESOURCE;
        }
        if (scopes) {
            m->dst[i]->span.scope = &NO_SCOPE;
            m->dst[i]->log.scope = &NO_SCOPE;
        }
    }
}

static int make_all_ids(struct maker *m)
{
    int rc = make_ids(m, COL_TRACE_ID, TRACE_ID_SIZE, offsetof(struct span, trace_id),
                      offsetof(struct log_record, trace_id));

    rc = rc < 0 ? rc
                : make_ids(m, COL_SPAN_ID, SPAN_ID_SIZE, offsetof(struct span, span_id),
                           offsetof(struct log_record, span_id));
    if (m->kind == COLUMNS_SPANS) {
        rc = rc < 0 ? rc
                    : make_ids(m, COL_PARENT_ID, SPAN_ID_SIZE, offsetof(struct span, parent_id), 0);
        rc = rc < 0 ? rc : make_texts(m, COL_TRACE_STATE, offsetof(struct span, trace_state), 0);
    }
    return rc;
}

static int make_patterns(struct maker *m)
{
    const struct column *col;
    int rc = core_strs(m, COL_PATTERN, &col);

    if (rc < 0 || col == NULL) {
        return rc;
    }
    for (size_t i = 0; i < m->n; i++) {
        struct str s = strs_at(&col->strs, place(m, i));

        if (s.n == PATTERN_ID_SIZE) {
            m->dst[i]->log.pattern = pattern_id_of((const uint8_t *)s.p);
        } else if (s.n != 0) {
            return block_corrupt(m->b, "a pattern id");
        }
    }
    return 0;
}

static int make_all_texts(struct maker *m)
{
    int rc;

    if (m->kind == COLUMNS_SPANS) {
        rc = make_texts(m, COL_NAME, offsetof(struct span, name), 0);
        return rc < 0 ? rc
                      : make_texts(m, COL_STATUS_MESSAGE, offsetof(struct span, status_message), 0);
    }
    rc = make_texts(m, COL_SEVERITY_TEXT, 0, offsetof(struct log_record, severity_text));
    return rc < 0 ? rc : make_texts(m, COL_EVENT_NAME, 0, offsetof(struct log_record, event_name));
}

struct wanted {
    uint32_t row;
    uint32_t at; /* in the caller's order */
};

static int by_row(const void *pa, const void *pb)
{
    const struct wanted *a = pa;
    const struct wanted *b = pb;

    return (a->row > b->row) - (a->row < b->row);
}

/* A few rows are made in their order in the block. */
static int make_sparse(struct maker *m)
{
    struct wanted *w = arena_array(m->b->a, struct wanted, m->n);
    uint32_t *rows = arena_array(m->b->a, uint32_t, m->n);
    struct any_row **dst = arena_array(m->b->a, struct any_row *, m->n);
    bool rising = true;

    for (size_t i = 1; i < m->n; i++) {
        rising = rising && m->rows[i - 1] < m->rows[i];
    }
    m->sparse = true;
    if (rising) {
        return 0;
    }
    if (w == NULL || rows == NULL || dst == NULL) {
        return no_room(m);
    }
    for (size_t i = 0; i < m->n; i++) {
        w[i] = (struct wanted){m->rows[i], (uint32_t)i};
    }
    qsort(w, m->n, sizeof(*w), by_row);
    for (size_t i = 0; i < m->n; i++) {
        rows[i] = w[i].row;
        dst[i] = m->dst[w[i].at];
    }
    m->rows = rows;
    m->dst = dst;
    return 0;
}

/* All but resources and scopes. */
static int make_fields(struct maker *m)
{
    const unsigned f = m->need.fields;
    const bool spans = m->kind == COLUMNS_SPANS;
    int rc = spans ? make_span_ints(m) : make_log_ints(m);

    if (rc == 0 && (f & COLUMNS_NEED_IDS) != 0) {
        rc = make_all_ids(m);
    }
    if (rc == 0 && (f & COLUMNS_NEED_TEXT) != 0) {
        rc = make_all_texts(m);
    }
    if (rc == 0 && spans && (f & COLUMNS_NEED_EVENTS) != 0) {
        rc = make_blobs(m, COL_EVENTS);
        rc = rc < 0 ? rc : make_blobs(m, COL_LINKS);
    }
    if (rc == 0 && !spans && (f & COLUMNS_NEED_PATTERN) != 0) {
        rc = make_patterns(m);
    }
    if (rc == 0 && !spans && (f & COLUMNS_NEED_BODY) != 0) {
        rc = make_bodies(m);
    }
    return rc == 0 && (f & COLUMNS_NEED_ATTRS) != 0 ? make_attrs(m) : rc;
}

int block_make_rows(struct block *b, const uint32_t *rows, size_t n, struct arena *out,
                    struct rows_need need, struct any_row *const *dst)
{
    struct maker maker = {.b = b,
                          .rows = rows,
                          .n = n,
                          .out = out,
                          .dst = dst,
                          .kind = part_kind(b->part),
                          .need = need};
    int rc = n != 0 && n <= block_rows_n(b) / SPARSE_RATIO ? make_sparse(&maker) : 0;

    rc = rc < 0 ? rc : make_fields(&maker);
    make_no_tables(&maker, (need.fields & COLUMNS_NEED_RESOURCE) == 0,
                   (need.fields & COLUMNS_NEED_SCOPE) == 0);
    if (rc == 0 && (need.fields & COLUMNS_NEED_RESOURCE) != 0) {
        rc = make_resources(&maker);
    }
    if (rc == 0 && (need.fields & COLUMNS_NEED_SCOPE) != 0) {
        rc = make_scopes(&maker);
    }
    return rc < 0 ? rc : block_check(b);
}
