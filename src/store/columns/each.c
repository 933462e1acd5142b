/* SPDX-License-Identifier: Apache-2.0
 *
 * Every span that passes, in no order: each block is read once and leaves memory before the next one, where a scan in
 * order of time goes back to the blocks of all streams for every page. Ids are read of the rows that ask for them.
 */
#include "base/err.h"
#include "store/columns/block.h"
#include "store/columns/scan_internal.h"

enum { CHECK_EVERY = 256 };

struct each {
    struct query qu;
    struct arena rows; /* of the block at hand */
    columns_row_fn fn;
    void *arg;
    size_t seen;
    bool stopped;
    struct err *reterr;
};

static int give(struct each *e, const struct columns_row *row)
{
    int rc = e->fn(e->arg, row);

    e->stopped = rc > 0;
    return rc > 0 ? -ERR_CANCELED : rc;
}

static int each_chunk_row(void *arg, const struct batch *b, struct str row, uint32_t at,
                          int64_t time_ns, uint64_t id)
{
    struct each *e = arg;
    struct query *qu = &e->qu;
    struct any_row any = {0};
    struct row_ref ref = any_row_ref(&any, qu->kind);
    int rc = ++e->seen % CHECK_EVERY == 0 ? cancel_check(qu->q->cancel) : 0;

    (void)at;
    (void)time_ns;
    qu->stats.rows_scanned++;
    arena_reset(&qu->row);
    rc = rc < 0 ? rc : mem_row_decode(b, row, qu->kind, &qu->row, &any);
    if (rc < 0 || !filter_matches_row(qu->q->filter, &ref, &qu->tools.text)) {
        return rc;
    }
    return give(e, &(struct columns_row){.span = &any.span, .id = id});
}

static int each_block(void *arg, const struct source *src, struct block *b, const uint64_t *bits)
{
    struct each *e = arg;
    const size_t n = block_count(b, bits);
    struct any_row *made;
    struct any_row **dst;
    uint32_t *rows;
    const int64_t *id;
    size_t k = 0;
    int rc;

    (void)src;
    if (n == 0) {
        return 0;
    }
    arena_reset(&e->rows);
    made = arena_array(&e->rows, struct any_row, n);
    dst = arena_array(b->a, struct any_row *, n);
    rows = arena_array(b->a, uint32_t, n);
    if (made == NULL || dst == NULL || rows == NULL) {
        return block_no_memory(b);
    }
    for (size_t w = 0; w < block_words(b); w++) {
        for (uint64_t left = bits[w]; left != 0; left &= left - 1) {
            rows[k] = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(left);
            dst[k] = &made[k];
            k++;
        }
    }
    rc = block_make_rows(b, rows, n, &e->rows, query_need(e->qu.q), dst);
    rc = rc < 0 ? rc : block_ints(b, COL_ID, &id);
    while (rc == 0 && k-- != 0) { /* the newest of a stream first */
        rc = give(
            e, &(struct columns_row){
                   .span = &made[k].span, .id = (uint64_t)id[rows[k]], .block = b, .at = rows[k]});
    }
    return rc;
}

static int read_id(struct block *b, enum col_id id, uint32_t at, uint8_t *dst, size_t size)
{
    const struct column *col;
    struct str s;
    int rc;

    memset(dst, 0, size);
    if (b->core[id] == NULL) {
        return 0;
    }
    rc = block_pick(b, b->core[id], &at, 1, &col);
    if (rc < 0) {
        return rc;
    }
    s = strs_at(&col->strs, 0);
    if (s.n == size) {
        memcpy(dst, s.p, size);
    }
    return s.n == size || s.n == 0 ? 0 : block_corrupt(b, "an id");
}

int columns_row_ids(const struct columns_row *row, struct trace_id *ret_trace,
                    struct span_id *ret_span)
{
    struct block *b = row->block;
    int rc;

    if (b == NULL) { /* of memory: whole */
        *ret_trace = row->span->trace_id;
        *ret_span = row->span->span_id;
        return 0;
    }
    rc = read_id(b, COL_TRACE_ID, row->at, ret_trace->b, TRACE_ID_SIZE);
    return rc < 0 ? rc : read_id(b, COL_SPAN_ID, row->at, ret_span->b, SPAN_ID_SIZE);
}

int columns_each_span(struct columns *c, const struct columns_query *q, columns_row_fn fn,
                      void *arg, struct scan_stats *ret_stats, struct err *reterr)
{
    struct each e = {.fn = fn, .arg = arg, .reterr = reterr};
    int rc;

    if (c->opts.kind != COLUMNS_SPANS) {
        return err_set(reterr, ERR_INVALID, "not a store of spans");
    }
    rc = query_begin(c, q, COLUMNS_SPANS, &e.qu, reterr);
    if (rc < 0) {
        return rc;
    }
    arena_init(&e.rows, QUERY_ARENA_MAX);
    rc = query_visit(&e.qu,
                     &(struct row_visitor){.arg = &e,
                                           .row = each_chunk_row,
                                           .block = each_block,
                                           .answer = &e.rows,
                                           .what = "scan"},
                     reterr);
    arena_done(&e.rows);
    query_end(&e.qu, ret_stats);
    if (e.stopped && reterr != NULL) {
        *reterr = (struct err){0};
    }
    return e.stopped ? 0 : rc;
}
