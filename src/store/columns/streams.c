/* SPDX-License-Identifier: Apache-2.0
 *
 * Distinct resources of the rows that pass. A block whose rows all pass and are all of one resource is counted
 * from the index alone.
 */
#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"
#include "store/columns/rowcodec.h"
#include "store/columns/scan_internal.h"

#include <stdlib.h>

struct lister {
    struct query qu;
    struct arena *a;  /* of the answer */
    struct map known; /* encoding of a resource -> number + 1 */
    VEC(struct columns_stream) list;
    struct arena tables;
    uint32_t **numbers; /* per part of the snapshot: of its resources, + 1; NULL: none yet */
    size_t seen;
    struct err *reterr;
};

enum { CHECK_EVERY = 256 };

static int find_stream(struct lister *l, struct str encoded, uint32_t *ret)
{
    void *hit = map_get(&l->known, encoded);
    struct columns_stream s = {0};
    struct resource *res;
    struct str key;
    struct rd r;
    int rc;

    if (hit != NULL) {
        *ret = (uint32_t)(uintptr_t)hit - 1;
        return 0;
    }
    key = arena_str_dup(l->a, encoded);
    res = arena_calloc(l->a, 1, sizeof(*res));
    if (key.p == NULL || res == NULL) {
        return -ERR_NOMEM;
    }
    r = rd_of(key);
    rc = resource_decode(&r, l->a, res);
    if (rc < 0) {
        return rc;
    }
    s.resource = res;
    if (!vec_push(&l->list, s) || map_put(&l->known, key, (void *)(uintptr_t)l->list.n) < 0) {
        return -ERR_NOMEM;
    }
    *ret = (uint32_t)l->list.n - 1;
    return 0;
}

static void count(struct lister *l, uint32_t number, uint64_t rows, uint64_t bytes)
{
    l->list.v[number].rows += rows;
    l->list.v[number].bytes += bytes;
}

/* Number of a part's resource. */
static int part_stream(struct lister *l, const struct source *src, uint32_t i, uint32_t *ret)
{
    uint32_t **numbers = &l->numbers[src->part_at];
    int rc;

    if (*numbers == NULL) {
        *numbers =
            arena_calloc(&l->tables, (size_t)part_resources(src->part) + 1, sizeof(uint32_t));
        if (*numbers == NULL) {
            return -ERR_NOMEM;
        }
    }
    if ((*numbers)[i] == 0) {
        uint32_t number = 0;

        rc = find_stream(l, part_resource_bytes(src->part, i), &number);
        if (rc < 0) {
            return rc;
        }
        (*numbers)[i] = number + 1;
    }
    *ret = (*numbers)[i] - 1;
    return 0;
}

static int count_chunk_row(void *arg, const struct batch *b, struct str row, uint32_t at,
                           int64_t time_ns, uint64_t id)
{
    struct lister *l = arg;
    struct query *qu = &l->qu;
    size_t resource = 0;
    size_t scope = 0;
    uint32_t number = 0;
    int rc = ++l->seen % CHECK_EVERY == 0 ? cancel_check(qu->q->cancel) : 0;

    (void)at;
    (void)time_ns;
    (void)id;
    qu->stats.rows_scanned++;
    if (rc == 0 && qu->q->filter != NULL) {
        struct any_row any;
        struct row_ref ref = any_row_ref(&any, qu->kind);

        arena_reset(&qu->row);
        rc = mem_row_decode(b, row, qu->kind, &qu->row, &any);
        if (rc == 0 && !filter_matches_row(qu->q->filter, &ref, &qu->tools.text)) {
            return 0;
        }
    }
    rc = rc < 0 ? rc : rowcodec_row_tables(b, row, &resource, &scope);
    rc = rc < 0 ? rc : find_stream(l, b->resource_bytes[resource], &number);
    if (rc == 0) {
        count(l, number, 1, row.n);
    }
    return rc;
}

/* As many rows of one resource, one after the other. */
static int count_run(struct lister *l, const struct source *src, struct block *b, int64_t resource,
                     uint64_t rows)
{
    uint32_t number = 0;
    int rc;

    if (resource < b->entry->resource_min || resource > b->entry->resource_max) {
        return block_corrupt(b, "resource of a row");
    }
    rc = part_stream(l, src, (uint32_t)resource, &number);
    if (rc == 0) {
        count(l, number, rows, rows * src->row_bytes);
    }
    return rc;
}

static int count_rows(struct lister *l, const struct source *src, struct block *b,
                      const uint64_t *bits)
{
    const int64_t *index;
    int64_t resource = 0;
    uint64_t run = 0;
    int rc = block_ints(b, COL_RESOURCE, &index);

    for (size_t w = 0; w < block_words(b) && rc == 0; w++) {
        for (uint64_t left = bits[w]; left != 0 && rc == 0; left &= left - 1) {
            uint32_t row = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(left);

            if (run != 0 && index[row] != resource) { /* rows are sorted by resource */
                rc = count_run(l, src, b, resource, run);
                run = 0;
            }
            resource = index[row];
            run++;
        }
    }
    return rc == 0 && run != 0 ? count_run(l, src, b, resource, run) : rc;
}

static int count_block(void *arg, const struct source *src, struct block *b, const uint64_t *bits)
{
    struct lister *l = arg;
    uint64_t passed = block_count(b, bits);
    uint32_t number = 0;
    int rc;

    if (passed == 0) {
        return 0;
    }
    if (b->entry->resource_min != b->entry->resource_max) {
        return count_rows(l, src, b, bits);
    }
    rc = part_stream(l, src, b->entry->resource_min, &number);
    if (rc == 0) {
        count(l, number, passed, passed * src->row_bytes);
    }
    return rc;
}

/* All rows of the block, of one resource: the index says it all. */
static bool count_whole(void *arg, const struct source *src, int *ret_rc)
{
    struct lister *l = arg;
    const struct block_entry *e = part_block(src->part, src->block);
    uint32_t number = 0;

    if (e->resource_min != e->resource_max || part_deleted(src->part, src->block) != NULL ||
        e->min_ns < l->qu.q->min_ns || e->max_ns >= l->qu.q->max_ns) {
        return false;
    }
    l->qu.stats.blocks_pruned++;
    *ret_rc = part_stream(l, src, e->resource_min, &number);
    if (*ret_rc == 0) {
        count(l, number, e->rows_n, (uint64_t)e->rows_n * src->row_bytes);
    }
    return true;
}

static int by_rows(const void *pa, const void *pb)
{
    const struct columns_stream *a = pa;
    const struct columns_stream *b = pb;

    return (a->rows < b->rows) - (a->rows > b->rows);
}

int columns_streams(struct columns *c, const struct columns_query *q, struct arena *a,
                    struct columns_streams *ret, struct err *reterr)
{
    struct lister l = {.a = a, .reterr = reterr};
    struct columns_streams out = {0};
    int rc = query_begin(c, q, c->opts.kind, &l.qu, reterr);

    if (rc < 0) {
        return rc;
    }
    arena_init(&l.tables, QUERY_ARENA_MAX);
    l.numbers = arena_calloc(&l.tables, l.qu.snap.parts_n + 1, sizeof(uint32_t *));
    rc = l.numbers == NULL ? query_no_memory(reterr)
                           : query_visit(&l.qu,
                                         &(struct row_visitor){.arg = &l,
                                                               .row = count_chunk_row,
                                                               .block = count_block,
                                                               .whole = count_whole,
                                                               .answer = a,
                                                               .what = "listing of streams"},
                                         reterr);
    if (rc == 0) {
        out.v = arena_array(a, struct columns_stream, l.list.n + 1);
        rc = out.v != NULL ? 0 : query_no_memory(reterr);
    }
    if (rc == 0 && l.list.n != 0) {
        memcpy(out.v, l.list.v, l.list.n * sizeof(*out.v));
        qsort(out.v, l.list.n, sizeof(*out.v), by_rows);
        out.n = l.list.n;
    }
    map_done(&l.known);
    vec_done(&l.list);
    arena_done(&l.tables);
    query_end(&l.qu, &out.stats);
    if (rc == 0) {
        *ret = out;
    }
    return rc;
}
