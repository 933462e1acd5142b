/* SPDX-License-Identifier: Apache-2.0
 *
 * Life of a query: pin what it reads, list the sources that can hold rows, count what it took.
 */
#include "base/err.h"
#include "store/columns/part.h"
#include "store/columns/scan_internal.h"

#include <stdlib.h>

enum { UNLOAD_BYTES = 16 << 20 }; /* a query that read more gives the pages back */

static int newest_first(const void *pa, const void *pb)
{
    const struct source *a = pa;
    const struct source *b = pb;

    return (a->max_ns < b->max_ns) - (a->max_ns > b->max_ns);
}

static int oldest_first(const void *pa, const void *pb)
{
    const struct source *a = pa;
    const struct source *b = pb;

    return (a->min_ns > b->min_ns) - (a->min_ns < b->min_ns);
}

bool filter_one_trace(const struct filter *f, struct trace_id *ret)
{
    if (f == NULL) {
        return false;
    }
    if (f->type == FILTER_AND) {
        for (size_t i = 0; i < f->kids_n; i++) {
            if (filter_one_trace(f->kids[i], ret)) {
                return true;
            }
        }
        return false;
    }
    return f->type == FILTER_PRED && f->op == PRED_EQ && f->field.scope == FIELD_INTRINSIC &&
           str_eq(f->field.name, STR("trace_id")) && f->value.type == VALUE_STR &&
           hex_decode(f->value.u.s, ret->b, TRACE_ID_SIZE);
}

static void add_chunks(struct query *qu)
{
    struct trace_id id;
    bool one = filter_one_trace(qu->q->filter, &id);

    for (size_t i = 0; i < qu->snap.chunks_n; i++) {
        const struct mem_chunk *c = &qu->snap.chunks[i];

        if (one && !mem_chunk_may_have(c, id.b)) {
            qu->stats.blocks_pruned++;
            continue;
        }
        qu->sources[qu->sources_n++] =
            (struct source){.min_ns = c->info.min_ns,
                            .max_ns = c->info.max_ns,
                            .chunk = c,
                            .row_bytes = (uint32_t)(c->payload.n / c->info.rows_n)};
    }
}

static void add_block(struct query *qu, uint32_t part_at, uint32_t i)
{
    struct part *p = qu->snap.parts[part_at];
    const struct block_entry *b = part_block(p, i);

    if (b->max_ns >= qu->q->min_ns && b->min_ns < qu->q->max_ns) {
        qu->sources[qu->sources_n++] = (struct source){.min_ns = b->min_ns,
                                                       .max_ns = b->max_ns,
                                                       .part = p,
                                                       .part_at = part_at,
                                                       .block = i,
                                                       .row_bytes = b->raw_bytes / b->rows_n};
    }
}

static int add_blocks(struct query *qu, uint32_t part_at, struct err *reterr)
{
    struct part *p = qu->snap.parts[part_at];
    struct trace_id id;
    block_list some = {0};
    int rc;

    if (!filter_one_trace(qu->q->filter, &id)) {
        for (uint32_t i = 0; i < part_blocks(p); i++) {
            add_block(qu, part_at, i);
        }
        return 0;
    }
    rc = part_trace_blocks(p, id.b, &some, reterr);
    for (size_t i = 0; i < some.n && rc == 0; i++) {
        add_block(qu, part_at, some.v[i]);
    }
    qu->stats.blocks_pruned += part_blocks(p) - some.n;
    vec_done(&some);
    return rc;
}

int query_begin(struct columns *c, const struct columns_query *q, enum columns_kind kind,
                struct query *ret, struct err *reterr)
{
    struct query qu = {.c = c, .q = q, .kind = kind};
    size_t n = 0;
    int rc = snapshot_take(c, q->min_ns, q->max_ns, &qu.snap, reterr);

    if (rc < 0) {
        return rc;
    }
    n = qu.snap.chunks_n;
    for (size_t i = 0; i < qu.snap.parts_n; i++) {
        n += part_blocks(qu.snap.parts[i]);
    }
    arena_init(&qu.scratch, QUERY_ARENA_MAX);
    arena_init(&qu.row, QUERY_ARENA_MAX);
    block_tools_init(&qu.tools);
    qu.sources = mem_try_calloc(n + 1, sizeof(*qu.sources));
    qu.decided = mem_try_calloc(qu.snap.parts_n + 1, sizeof(*qu.decided));
    if (qu.sources == NULL || qu.decided == NULL ||
        !query_charge(&qu, (int64_t)(n * sizeof(*qu.sources)))) {
        query_end(&qu, NULL);
        return query_no_memory(reterr);
    }
    add_chunks(&qu);
    for (size_t i = 0; i < qu.snap.parts_n && rc == 0; i++) {
        rc = add_blocks(&qu, (uint32_t)i, reterr);
    }
    if (rc < 0) {
        query_end(&qu, NULL);
        return rc;
    }
    qsort(qu.sources, qu.sources_n, sizeof(*qu.sources),
          q->oldest_first ? oldest_first : newest_first);
    *ret = qu;
    return 0;
}

void query_end(struct query *qu, struct scan_stats *ret_stats)
{
    const struct columns_stats *s = &qu->c->stats;

    counter_add(s->scans, 1);
    counter_add(s->scanned_rows, qu->stats.rows_scanned);
    counter_add(s->blocks_read, qu->stats.blocks_read);
    counter_add(s->blocks_pruned, qu->stats.blocks_pruned);
    if (ret_stats != NULL) {
        *ret_stats = qu->stats;
    }
    for (size_t i = 0; i < qu->sources_n && qu->sources != NULL; i++) {
        mem_free(qu->sources[i].hits);
    }
    mem_free(qu->sources);
    for (size_t i = 0; i < qu->snap.parts_n && qu->decided != NULL; i++) {
        mem_free(qu->decided[i]);
    }
    mem_free(qu->decided);
    for (size_t i = 0; i < qu->snap.parts_n && qu->stats.bytes_read > UNLOAD_BYTES; i++) {
        columns_part_unload(qu->snap.parts[i]);
    }
    snapshot_done(&qu->snap);
    arena_done(&qu->scratch);
    arena_done(&qu->row);
    block_tools_done(&qu->tools);
    budget_give(qu->q->budget, qu->charged_bytes);
}

void query_fork(const struct query *qu, struct query *ret)
{
    *ret = *qu;
    arena_init(&ret->scratch, QUERY_ARENA_MAX);
    arena_init(&ret->row, QUERY_ARENA_MAX);
    block_tools_init(&ret->tools);
    ret->charged_bytes = 0;
    ret->arena_bytes = 0;
    ret->stats = (struct scan_stats){0};
    ret->unloaded_bytes = 0;
}

void query_join(struct query *qu, struct query *forked)
{
    arena_done(&forked->scratch);
    arena_done(&forked->row);
    block_tools_done(&forked->tools);
    budget_give(qu->q->budget, forked->charged_bytes);
    qu->stats.rows_scanned += forked->stats.rows_scanned;
    qu->stats.blocks_read += forked->stats.blocks_read;
    qu->stats.blocks_pruned += forked->stats.blocks_pruned;
    qu->stats.bytes_read += forked->stats.bytes_read;
}

void query_unload(struct query *qu)
{
    if (qu->stats.bytes_read - qu->unloaded_bytes > UNLOAD_BYTES) {
        qu->unloaded_bytes = qu->stats.bytes_read;
        for (size_t i = 0; i < qu->snap.parts_n; i++) {
            columns_part_unload(qu->snap.parts[i]);
        }
    }
}

bool query_charge(struct query *qu, int64_t bytes)
{
    if (!budget_take(qu->q->budget, bytes)) {
        return false;
    }
    qu->charged_bytes += bytes;
    return true;
}

bool query_account(struct query *qu, size_t other_bytes)
{
    int64_t now = (int64_t)(qu->scratch.used + qu->row.used + qu->tools.text.cap + other_bytes);

    if (now > qu->arena_bytes) {
        if (!query_charge(qu, now - qu->arena_bytes)) {
            return false;
        }
    } else {
        query_discharge(qu, qu->arena_bytes - now);
    }
    qu->arena_bytes = now;
    return true;
}

void query_discharge(struct query *qu, int64_t bytes)
{
    budget_give(qu->q->budget, bytes);
    qu->charged_bytes -= bytes;
}

int query_no_memory(struct err *reterr)
{
    return err_set(reterr, ERR_NOMEM, "the query needs more memory than its budget has left");
}

int mem_row_decode(const struct batch *b, struct str row, enum columns_kind kind, struct arena *a,
                   struct any_row *ret)
{
    return kind == COLUMNS_SPANS ? rowcodec_span(b, row, a, &ret->span)
                                 : rowcodec_log(b, row, a, &ret->log);
}
