/* SPDX-License-Identifier: Apache-2.0
 *
 * All spans of one trace: the batches in memory are skimmed for the id, parts are asked through their
 * trace index. Copies of one span that a client sent twice are given once.
 */
#include "base/err.h"
#include "store/columns/block.h"
#include "store/columns/scan_internal.h"

#include <stdlib.h>

enum { TRACE_ARENA_MAX = 512 << 20, CHECK_EVERY = 64 };

struct found {
    struct span span;
    uint64_t id;
};

struct trace_lookup {
    struct trace_id id;
    struct cancel *cancel;
    struct arena a; /* what the spans point to */
    struct arena scratch;
    struct block_tools tools;
    VEC(struct found) list;
};

/* Does any row of the batch belong to the trace? Needs no tables. */
static int chunk_has_trace(struct trace_lookup *t, const struct mem_chunk *c, bool *ret)
{
    struct batch b = {.info = c->info, .payload = c->payload};
    uint32_t pos = rowcodec_first();
    struct str row = {0};
    int64_t time_ns;
    int rc;

    *ret = false;
    while ((rc = rowcodec_next(&b, &pos, &row, &time_ns)) == 1) {
        struct trace_id id;

        rc = rowcodec_row_trace(row, &id);
        if (rc < 0) {
            return rc;
        }
        if (memcmp(id.b, t->id.b, TRACE_ID_SIZE) == 0) {
            *ret = true;
            return 0;
        }
    }
    return rc;
}

static int take_row(void *arg, const struct batch *b, struct str row, uint32_t at, int64_t time_ns,
                    uint64_t id)
{
    struct trace_lookup *t = arg;
    struct trace_id row_id;
    struct found f = {.id = id};
    int rc = rowcodec_row_trace(row, &row_id);

    (void)at;
    (void)time_ns;
    if (rc < 0 || memcmp(row_id.b, t->id.b, TRACE_ID_SIZE) != 0) {
        return rc;
    }
    rc = rowcodec_span(b, row, &t->a, &f.span);
    if (rc < 0) {
        return rc;
    }
    return vec_push(&t->list, f) ? 0 : -ERR_NOMEM;
}

static int take_block_rows(struct trace_lookup *t, struct block *b, const struct column *ids)
{
    size_t n = block_rows_n(b);
    uint32_t *rows = arena_array(&t->scratch, uint32_t, n);
    struct any_row *made;
    struct any_row **dst;
    const int64_t *id;
    size_t found = 0;
    int rc = block_ints(b, COL_ID, &id);

    for (uint32_t i = 0; i < n && rows != NULL && rc == 0; i++) {
        struct str s = strs_at(&ids->strs, i);

        if (s.n == TRACE_ID_SIZE && memcmp(s.p, t->id.b, TRACE_ID_SIZE) == 0) {
            rows[found++] = i;
        }
    }
    if (rc < 0 || found == 0) {
        return rows == NULL ? -ERR_NOMEM : rc;
    }
    made = arena_calloc(&t->scratch, found, sizeof(*made));
    dst = arena_array(&t->scratch, struct any_row *, found);
    if (made == NULL || dst == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < found; i++) {
        dst[i] = &made[i];
    }
    rc = block_make_rows(b, rows, found, &t->a, dst);
    for (size_t i = 0; i < found && rc == 0; i++) {
        struct found f = {.span = made[i].span, .id = (uint64_t)id[rows[i]]};

        rc = vec_push(&t->list, f) ? 0 : -ERR_NOMEM;
    }
    return rc;
}

static int collect_part(struct trace_lookup *t, const struct part *p, struct err *reterr)
{
    block_list blocks = {0};
    int rc = part_trace_blocks(p, t->id.b, &blocks, reterr);

    for (size_t i = 0; i < blocks.n && rc == 0; i++) {
        const struct column *ids;
        struct block b;

        arena_reset(&t->scratch);
        rc = cancel_check(t->cancel);
        rc = rc < 0 ? rc : block_open(p, blocks.v[i], &t->scratch, &t->tools, &b, reterr);
        if (rc == 0 && b.core[COL_TRACE_ID] != NULL) {
            rc = block_column(&b, b.core[COL_TRACE_ID], &ids);
            rc = rc < 0 ? rc : take_block_rows(t, &b, ids);
        }
    }
    vec_done(&blocks);
    return rc;
}

static int by_start(const void *pa, const void *pb)
{
    const struct found *a = pa;
    const struct found *b = pb;
    int c;

    if (a->span.start_ns != b->span.start_ns) {
        return a->span.start_ns < b->span.start_ns ? -1 : 1;
    }
    c = memcmp(a->span.span_id.b, b->span.span_id.b, SPAN_ID_SIZE);
    return c != 0 ? c : (a->id > b->id) - (a->id < b->id);
}

static bool same_span(const struct span *a, const struct span *b)
{
    return a->start_ns == b->start_ns && a->end_ns == b->end_ns && a->kind == b->kind &&
           memcmp(a->span_id.b, b->span_id.b, SPAN_ID_SIZE) == 0 &&
           memcmp(a->parent_id.b, b->parent_id.b, SPAN_ID_SIZE) == 0 && str_eq(a->name, b->name);
}

static int emit_trace(struct trace_lookup *t, columns_span_fn fn, void *arg)
{
    if (t->list.n != 0) {
        qsort(t->list.v, t->list.n, sizeof(*t->list.v), by_start);
    }
    for (size_t i = 0; i < t->list.n; i++) {
        int rc;

        if (i != 0 && same_span(&t->list.v[i].span, &t->list.v[i - 1].span)) {
            continue;
        }
        rc = fn(arg, &t->list.v[i].span, t->list.v[i].id);
        if (rc != 0) {
            return rc < 0 ? rc : 0;
        }
    }
    return 0;
}

static int collect(struct trace_lookup *t, struct snapshot *snap, struct err *reterr)
{
    for (size_t i = 0; i < snap->chunks_n; i++) {
        bool has;
        int rc = i % CHECK_EVERY == 0 ? cancel_check(t->cancel) : 0;

        if (rc == 0) {
            rc = chunk_has_trace(t, &snap->chunks[i], &has);
        }
        if (rc == 0 && has) {
            rc = mem_chunk_each(&snap->chunks[i], INT64_MIN, INT64_MAX, &t->a, take_row, t, reterr);
        }
        if (rc < 0) {
            return rc == -ERR_CORRUPT
                       ? err_set(reterr, ERR_CORRUPT, "a row batch in memory is damaged")
                       : rc;
        }
    }
    for (size_t i = 0; i < snap->parts_n; i++) {
        int rc = collect_part(t, snap->parts[i], reterr);

        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

int columns_trace(struct columns *c, struct trace_id id, struct cancel *cancel, columns_span_fn fn,
                  void *arg, struct err *reterr)
{
    struct trace_lookup t = {.id = id, .cancel = cancel};
    struct snapshot snap;
    int rc;

    if (c->opts.kind != COLUMNS_SPANS) {
        return err_set(reterr, ERR_INVALID, "only a store of spans has traces");
    }
    if (trace_id_is_zero(id)) {
        return 0;
    }
    rc = snapshot_take(c, INT64_MIN, INT64_MAX, &snap, reterr);
    if (rc < 0) {
        return rc;
    }
    arena_init(&t.a, TRACE_ARENA_MAX);
    arena_init(&t.scratch, QUERY_ARENA_MAX);
    block_tools_init(&t.tools);
    rc = collect(&t, &snap, reterr);
    if (rc == -ERR_CANCELED || rc == -ERR_TIMEOUT || rc == -ERR_NOMEM) {
        rc = err_set(reterr, (enum err_code) - rc, "trace lookup: %s", err_text(rc));
    }
    if (rc == 0) {
        rc = emit_trace(&t, fn, arg);
    }
    vec_done(&t.list);
    arena_done(&t.a);
    arena_done(&t.scratch);
    block_tools_done(&t.tools);
    snapshot_done(&snap);
    return rc;
}
