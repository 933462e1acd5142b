/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of attributes by scope, with how many rows have them. For whole blocks the column directory says it;
 * else the rows' shapes do. Values are read only of attributes too rare for a column of their own.
 */
#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"
#include "store/columns/rowcodec.h"
#include "store/columns/scan_internal.h"

#include <stdlib.h>

struct lister {
    struct query qu;
    struct arena *a;                   /* of the answer */
    struct map known[FIELD_SCOPE + 1]; /* name -> number + 1; by scope */
    VEC(struct columns_name) list;
    size_t seen;
    struct err *reterr;
};

enum { CHECK_EVERY = 256, NOTED_MAX = 4096 };

static int add_name(struct lister *l, enum field_scope scope, struct str name, uint64_t rows,
                    unsigned types)
{
    void *hit = map_get(&l->known[scope], name);
    struct columns_name n = {.scope = scope};

    if (hit == NULL) {
        n.name = name.n != 0 ? arena_str_dup(l->a, name) : STR("");
        if (n.name.p == NULL || !vec_push(&l->list, n) ||
            map_put(&l->known[scope], n.name, (void *)(uintptr_t)l->list.n) < 0) {
            return -ERR_NOMEM;
        }
        hit = (void *)(uintptr_t)l->list.n;
    }
    l->list.v[(uintptr_t)hit - 1].rows += rows;
    l->list.v[(uintptr_t)hit - 1].types |= types;
    return 0;
}

static int add_attrs(struct lister *l, enum field_scope scope, struct attrs as, uint64_t rows)
{
    int rc = 0;

    for (size_t i = 0; i < as.n && rc == 0; i++) {
        rc = add_name(l, scope, as.v[i].key, rows, 1u << as.v[i].value.type);
    }
    return rc;
}

static int count_chunk_row(void *arg, const struct batch *b, struct str row, uint32_t at,
                           int64_t time_ns, uint64_t id)
{
    struct lister *l = arg;
    struct query *qu = &l->qu;
    struct any_row any = {0};
    struct row_ref ref = any_row_ref(&any, qu->kind);
    bool spans = qu->kind == COLUMNS_SPANS;
    int rc = ++l->seen % CHECK_EVERY == 0 ? cancel_check(qu->q->cancel) : 0;

    (void)at;
    (void)time_ns;
    (void)id;
    qu->stats.rows_scanned++;
    arena_reset(&qu->row);
    rc = rc < 0 ? rc : mem_row_decode(b, row, qu->kind, &qu->row, &any);
    if (rc < 0 ||
        (qu->q->filter != NULL && !filter_matches_row(qu->q->filter, &ref, &qu->tools.text))) {
        return rc;
    }
    rc = add_attrs(l, FIELD_ATTR, spans ? any.span.attrs : any.log.attrs, 1);
    rc = rc < 0 ? rc
                : add_attrs(l, FIELD_RESOURCE,
                            spans ? any.span.resource->attrs : any.log.resource->attrs, 1);
    return rc < 0
               ? rc
               : add_attrs(l, FIELD_SCOPE, spans ? any.span.scope->attrs : any.log.scope->attrs, 1);
}

static unsigned types_of(const struct block_col *c)
{
    switch (c->type) {
    case COLTYPE_I64:
        return 1u << VALUE_I64;
    case COLTYPE_STR:
        return 1u << VALUE_STR;
    case COLTYPE_F64:
        return 1u << VALUE_F64;
    case COLTYPE_BOOL:
        return 1u << VALUE_BOOL;
    case COLTYPE_MIXED:
        break;
    }
    return 0;
}

/* Rows of each shape that pass. */
static int count_shapes(struct block *b, const uint64_t *bits, uint64_t **ret)
{
    uint64_t *counts;
    int rc = block_shapes(b);

    if (rc < 0) {
        return rc;
    }
    counts = arena_calloc(b->a, (size_t)b->shapes_n + 1, sizeof(*counts));
    if (counts == NULL) {
        return block_no_memory(b);
    }
    for (size_t w = 0; w < block_words(b); w++) {
        for (uint64_t left = bits[w]; left != 0; left &= left - 1) {
            size_t row = w * 64 + (unsigned)__builtin_ctzll(left);

            counts[b->shape_of != NULL ? b->shape_of[row] : 0]++;
        }
    }
    *ret = counts;
    return 0;
}

/* Attributes with columns: by shapes, or from the directory when every row passed. */
static int add_columns(struct lister *l, struct block *b, const uint64_t *bits, bool whole)
{
    uint64_t *rows = arena_calloc(b->a, (size_t)b->attrs_n + 1, sizeof(*rows));
    uint64_t *shapes = NULL;
    int rc = 0;

    if (rows == NULL) {
        return block_no_memory(b);
    }
    if (!whole) {
        rc = count_shapes(b, bits, &shapes);
        for (uint32_t s = 0; rc == 0 && shapes != NULL && s < b->shapes_n; s++) {
            for (uint32_t i = 0; i < b->shapes[s].n; i++) {
                if (b->shapes[s].items[i] != SHAPE_REST) {
                    rows[b->shapes[s].items[i] - 1] += shapes[s];
                }
            }
        }
    }
    for (uint32_t i = 0; i < b->attrs_n && rc == 0; i++) {
        uint64_t n = whole ? b->attrs[i]->n : rows[i];

        if (n != 0) {
            rc = add_name(l, FIELD_ATTR, b->attrs[i]->name, n, types_of(b->attrs[i]));
        }
    }
    return rc;
}

static int add_rest(struct lister *l, struct block *b, const uint64_t *bits)
{
    const struct column *col;
    int rc = 0;

    if (b->core[COL_REST] == NULL) {
        return 0;
    }
    rc = block_column(b, b->core[COL_REST], &col);
    for (size_t w = 0; w < block_words(b) && rc == 0; w++) {
        for (uint64_t left = bits[w]; left != 0 && rc == 0; left &= left - 1) {
            struct rd r = rd_of(strs_at(&col->strs, w * 64 + (unsigned)__builtin_ctzll(left)));

            while (rd_left(&r) != 0 && rc == 0) {
                struct str name = rd_str(&r);
                struct value v;

                rc = value_decode(&r, b->a, &v);
                rc = rc < 0 ? rc : add_name(l, FIELD_ATTR, name, 1, 1u << v.type);
            }
            if (rc == -ERR_CORRUPT) {
                return block_corrupt(b, "rest column");
            }
        }
    }
    return rc;
}

static int add_table_entry(struct lister *l, struct block *b, bool scope, uint32_t i, uint64_t rows)
{
    struct resource res = {0};
    struct scope sc = {0};
    struct rd r = rd_of(scope ? part_scope_bytes(b->part, i) : part_resource_bytes(b->part, i));
    int rc = scope ? scope_decode(&r, b->a, &sc) : resource_decode(&r, b->a, &res);

    if (rc < 0) {
        return rc == -ERR_NOMEM ? rc : block_corrupt(b, "a table entry");
    }
    return add_attrs(l, scope ? FIELD_SCOPE : FIELD_RESOURCE, scope ? sc.attrs : res.attrs, rows);
}

/* Attributes of resources or scopes: once per distinct one of the block. */
static int add_tables(struct lister *l, struct block *b, bool scope, const uint64_t *bits)
{
    uint32_t n = scope ? part_scopes(b->part) : part_resources(b->part);
    uint64_t *rows;
    const int64_t *index;
    int rc = 0;

    if (!scope && b->entry->resource_min == b->entry->resource_max) {
        return add_table_entry(l, b, false, b->entry->resource_min, block_count(b, bits));
    }
    rows = arena_calloc(b->a, (size_t)n + 1, sizeof(*rows));
    if (rows == NULL) {
        return block_no_memory(b);
    }
    rc = block_ints(b, scope ? COL_SCOPE : COL_RESOURCE, &index);
    for (size_t w = 0; w < block_words(b) && rc == 0; w++) {
        for (uint64_t left = bits[w]; left != 0; left &= left - 1) {
            uint64_t at = (uint64_t)index[w * 64 + (unsigned)__builtin_ctzll(left)];

            if (at >= n) {
                return block_corrupt(b, "resource or scope of a row");
            }
            rows[at]++;
        }
    }
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        if (rows[i] != 0) {
            rc = add_table_entry(l, b, scope, i, rows[i]);
        }
    }
    return rc;
}

static int count_block(void *arg, const struct source *src, struct block *b, const uint64_t *bits)
{
    struct lister *l = arg;
    uint64_t passed = block_count(b, bits);
    int rc;

    (void)src;
    if (passed == 0) {
        return 0;
    }
    rc = add_columns(l, b, bits, passed == block_rows_n(b));
    rc = rc < 0 ? rc : add_rest(l, b, bits);
    rc = rc < 0 ? rc : add_tables(l, b, false, bits);
    return rc < 0 ? rc : add_tables(l, b, true, bits);
}

/* ---- whole parts ---- */

/* Names of a part, for the queries that take it whole. */
struct part_names {
    struct part_notes notes;
    struct arena a;
    size_t n;
    struct columns_name *v;
};

static void part_names_free(struct part_notes *notes)
{
    struct part_names *n = (struct part_names *)(void *)notes; /* its first member */

    arena_done(&n->a);
    mem_free(n);
}

static void lister_done(struct lister *l)
{
    for (size_t i = 0; i < ARRAY_LEN(l->known); i++) {
        map_done(&l->known[i]);
    }
    vec_done(&l->list);
}

/* Every block of the part; the counts go to `to`, whose query lends its memory. */
static int list_part(struct lister *to, struct query *qu, const struct part *p)
{
    int rc = 0;

    for (uint32_t i = 0; i < part_blocks(p) && rc == 0; i++) {
        struct block b;
        uint64_t *bits;

        rc = cancel_check(qu->q->cancel);
        if (rc < 0) {
            return err_set(to->reterr, (enum err_code) - rc, "listing of names stopped");
        }
        arena_reset(&qu->scratch);
        rc = block_open(p, i, &qu->scratch, &qu->tools, &b, to->reterr);
        bits = rc == 0 ? arena_array(&qu->scratch, uint64_t, block_words(&b)) : NULL;
        rc = rc < 0 ? rc : bits == NULL ? block_no_memory(&b) : block_filter(&b, NULL, bits);
        rc = rc < 0 ? rc : count_block(to, NULL, &b, bits);
        if (rc == -ERR_NOMEM || (rc == 0 && !query_account(qu, to->a->used))) {
            return query_no_memory(to->reterr);
        }
    }
    return rc;
}

/* The part's names: those that were noted, or found now. @param ret_own  too many to be noted: to be freed */
static int part_names(struct lister *l, const struct part *p, const struct part_names **ret,
                      struct part_names **ret_own)
{
    struct part_names *names;
    struct lister own = {.reterr = l->reterr};
    int rc;

    *ret = (const void *)part_notes(p);
    *ret_own = NULL;
    if (*ret != NULL) {
        return 0;
    }
    names = mem_try_calloc(1, sizeof(*names));
    if (names == NULL) {
        return query_no_memory(l->reterr);
    }
    names->notes.free_fn = part_names_free;
    arena_init(&names->a, QUERY_ARENA_MAX);
    own.a = &names->a;
    rc = list_part(&own, &l->qu, p);
    names->v = arena_array(&names->a, struct columns_name, own.list.n + 1);
    rc = rc == 0 && names->v == NULL ? query_no_memory(l->reterr) : rc;
    if (rc == 0 && own.list.n != 0) {
        memcpy(names->v, own.list.v, own.list.n * sizeof(*names->v));
        names->n = own.list.n;
    }
    lister_done(&own);
    if (rc < 0) {
        part_names_free(&names->notes);
        return rc;
    }
    *ret = names;
    if (names->n > NOTED_MAX) {
        *ret_own = names;
    } else {
        *ret = (const void *)part_keep_notes(p, &names->notes);
    }
    return 0;
}

/* Can the part be taken as a whole? */
static bool takes_whole(const struct query *qu, const struct part *p)
{
    return qu->q->filter == NULL && part_mask(p) == 0 && part_min_ns(p) >= qu->q->min_ns &&
           part_max_ns(p) < qu->q->max_ns;
}

/* Add the parts that the query takes whole; their blocks are no sources any more. */
static int add_parts(struct lister *l)
{
    struct query *qu = &l->qu;
    size_t kept = 0;
    int rc = 0;

    for (size_t i = 0; i < qu->snap.parts_n && rc == 0; i++) {
        const struct part_names *names;
        struct part_names *own;

        if (!takes_whole(qu, qu->snap.parts[i])) {
            continue;
        }
        rc = part_names(l, qu->snap.parts[i], &names, &own);
        for (size_t k = 0; rc == 0 && k < names->n; k++) {
            const struct columns_name *n = &names->v[k];

            rc = add_name(l, n->scope, n->name, n->rows, n->types);
            rc = rc == -ERR_NOMEM ? query_no_memory(l->reterr) : rc;
        }
        if (rc == 0 && own != NULL) {
            part_names_free(&own->notes);
        }
        qu->stats.blocks_pruned += part_blocks(qu->snap.parts[i]);
    }
    for (size_t i = 0; i < qu->sources_n; i++) {
        if (qu->sources[i].part == NULL || !takes_whole(qu, qu->sources[i].part)) {
            qu->sources[kept++] = qu->sources[i];
        }
    }
    qu->sources_n = kept;
    return rc;
}

static int by_rows(const void *pa, const void *pb)
{
    const struct columns_name *a = pa;
    const struct columns_name *b = pb;

    if (a->rows != b->rows) {
        return a->rows > b->rows ? -1 : 1;
    }
    return a->scope != b->scope ? (a->scope > b->scope) - (a->scope < b->scope)
                                : str_cmp(a->name, b->name);
}

int columns_names(struct columns *c, const struct columns_query *q, struct arena *a,
                  struct columns_names *ret, struct err *reterr)
{
    struct lister l = {.a = a, .reterr = reterr};
    struct columns_names out = {0};
    int rc = query_begin(c, q, c->opts.kind, &l.qu, reterr);

    if (rc < 0) {
        return rc;
    }
    rc = add_parts(&l);
    rc = rc < 0 ? rc
                : query_visit(&l.qu,
                              &(struct row_visitor){.arg = &l,
                                                    .row = count_chunk_row,
                                                    .block = count_block,
                                                    .answer = a,
                                                    .what = "listing of names"},
                              reterr);
    if (rc == 0) {
        out.v = arena_array(a, struct columns_name, l.list.n + 1);
        rc = out.v != NULL ? 0 : query_no_memory(reterr);
    }
    if (rc == 0 && l.list.n != 0) {
        memcpy(out.v, l.list.v, l.list.n * sizeof(*out.v));
        qsort(out.v, l.list.n, sizeof(*out.v), by_rows);
        out.n = l.list.n;
    }
    lister_done(&l);
    query_end(&l.qu, &out.stats);
    if (rc == 0) {
        *ret = out;
    }
    return rc;
}
