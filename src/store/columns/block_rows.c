/* SPDX-License-Identifier: Apache-2.0
 *
 * From columns back to rows, for the few rows that are wanted. Strings are copied, so that the block's
 * memory can go before the rows do.
 */
#include "base/err.h"
#include "store/columns/block.h"
#include "store/columns/rowcodec.h"
#include "store/columns/scan_internal.h"

struct maker {
    struct block *b;
    const uint32_t *rows;
    size_t n;
    struct arena *out;
    struct any_row *const *dst;
    enum columns_kind kind;
    struct rows_need need;
};

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
    int rc = block_ints(m->b, COL_RESOURCE, &index);

    for (size_t i = 0; i < m->n && rc == 0; i++) {
        int64_t at = index[m->rows[i]];

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
    int rc = block_ints(m->b, COL_SCOPE, &index);

    for (size_t i = 0; i < m->n && rc == 0; i++) {
        int64_t at = index[m->rows[i]];

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
    *ret = NULL;
    return m->b->core[id] != NULL ? block_column(m->b, m->b->core[id], ret) : 0;
}

static int make_ids(struct maker *m, enum col_id id, size_t size, size_t span_at, size_t log_at)
{
    const struct column *col;
    int rc = core_strs(m, id, &col);

    if (rc < 0 || col == NULL) {
        return rc;
    }
    for (size_t i = 0; i < m->n; i++) {
        struct str s = strs_at(&col->strs, m->rows[i]);
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

        if (!dup_str(m, strs_at(&col->strs, m->rows[i]), (struct str *)(void *)row)) {
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

        if (!dup_str(m, strs_at(&col->strs, m->rows[i]), &bytes)) {
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
        rc = make_value(m, col, m->rows[i], &m->dst[i]->log.body);
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
    rc = block_rank(m->b, number, &c->rank);
    rc = rc < 0 ? rc : block_column(m->b, m->b->attrs[number], &c->col);
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

static int make_row_attrs(struct maker *m, struct attr_cache *cache, const struct column *rest,
                          uint32_t row, struct attrs *ret)
{
    struct block *b = m->b;
    const struct block_shape *s = &b->shapes[b->shape_of != NULL ? b->shape_of[row] : 0];
    struct attr *v;
    struct str bytes = str_of(NULL, 0);
    struct rd rd;
    size_t n = 0;

    if (s->n == 0) {
        return 0;
    }
    v = arena_calloc(m->out, s->n, sizeof(*v));
    if (v == NULL || (rest != NULL && !dup_str(m, strs_at(&rest->strs, row), &bytes))) {
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
                rc = make_value(m, c->col, c->rank != NULL ? c->rank[row] : row, &v[n].value);
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
    for (size_t i = 0; i < m->n && rc == 0; i++) {
        struct attrs *as =
            m->kind == COLUMNS_SPANS ? &m->dst[i]->span.attrs : &m->dst[i]->log.attrs;

        rc = make_row_attrs(m, cache, rest, m->rows[i], as);
    }
    return rc;
}

#define INTS(name, id)                      \
    const int64_t *name;                    \
    if (rc == 0) {                          \
        rc = block_ints(m->b, (id), &name); \
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
        uint32_t row = m->rows[i];
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
        uint32_t row = m->rows[i];
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
        struct str s = strs_at(&col->strs, m->rows[i]);

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
    struct maker *m = &maker;
    const unsigned f = need.fields;
    bool spans = m->kind == COLUMNS_SPANS;
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
    if (rc == 0 && (f & COLUMNS_NEED_ATTRS) != 0) {
        rc = make_attrs(m);
    }
    make_no_tables(m, (f & COLUMNS_NEED_RESOURCE) == 0, (f & COLUMNS_NEED_SCOPE) == 0);
    if (rc == 0 && (f & COLUMNS_NEED_RESOURCE) != 0) {
        rc = make_resources(m);
    }
    if (rc == 0 && (f & COLUMNS_NEED_SCOPE) != 0) {
        rc = make_scopes(m);
    }
    return rc < 0 ? rc : block_check(b);
}
