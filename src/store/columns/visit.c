/* SPDX-License-Identifier: Apache-2.0
 *
 * Visiting every row of a query that counts, source after source: rows in memory one by one, blocks as bitmaps of the
 * rows that pass. Here are the budget, the statistics and the stop; what is counted is the visitor's business.
 */
#include "base/err.h"
#include "store/columns/scan_internal.h"

static int visit_block(struct query *qu, const struct source *src, const struct filter *filter,
                       const struct row_visitor *v, struct err *reterr)
{
    struct block b;
    uint64_t *bits;
    int rc = block_open(src->part, src->block, &qu->scratch, &qu->tools, &b, reterr);

    if (rc < 0) {
        return rc;
    }
    bits = arena_array(&qu->scratch, uint64_t, block_words(&b));
    rc = bits != NULL ? block_filter(&b, filter, bits) : block_no_memory(&b);
    if (rc > 0) {
        rc = block_filter_time(&b, qu->q->min_ns, qu->q->max_ns, bits);
        rc = rc < 0 ? rc : v->block(v->arg, src, &b, bits);
    }
    *(b.decoded_n != 0 ? &qu->stats.blocks_read : &qu->stats.blocks_pruned) += 1;
    qu->stats.rows_scanned += b.decoded_n != 0 ? block_rows_n(&b) : 0;
    qu->stats.bytes_read += b.read_bytes;
    return rc;
}

/* A block, opened unless its resources or the visitor make that needless. */
static int visit_part(struct query *qu, const struct source *src, const struct row_visitor *v,
                      struct err *reterr)
{
    enum decision d;
    int rc = query_decide(qu, src, &d, reterr);

    if (rc < 0 || d == DECISION_NONE) {
        qu->stats.blocks_pruned += d == DECISION_NONE;
        return rc;
    }
    if (d == DECISION_ALL && v->whole != NULL && v->whole(v->arg, src, &rc)) {
        return rc;
    }
    return visit_block(qu, src, d == DECISION_ALL ? NULL : qu->q->filter, v, reterr);
}

static int visit_source(struct query *qu, const struct source *src, const struct row_visitor *v,
                        struct err *reterr)
{
    int rc = cancel_check(qu->q->cancel);

    if (rc == 0) {
        arena_reset(&qu->scratch);
        if (src->chunk != NULL) {
            rc = mem_chunk_each(src->chunk, qu->q->min_ns, qu->q->max_ns, &qu->scratch, v->row,
                                v->arg, reterr);
            qu->stats.blocks_read++;
            qu->stats.bytes_read += src->chunk->payload.n;
        } else {
            rc = visit_part(qu, src, v, reterr);
        }
    }
    if (rc == -ERR_NOMEM || (rc == 0 && !query_account(qu, v->answer->used))) {
        return query_no_memory(reterr);
    }
    return rc == -ERR_CANCELED || rc == -ERR_TIMEOUT
               ? err_set(reterr, (enum err_code) - rc, "%s stopped", v->what)
               : rc;
}

int query_visit(struct query *qu, const struct row_visitor *v, struct err *reterr)
{
    int rc = 0;

    for (size_t i = 0; i < qu->sources_n && rc == 0; i++) {
        rc = visit_source(qu, &qu->sources[i], v, reterr);
    }
    return rc;
}
