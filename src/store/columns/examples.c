/* SPDX-License-Identifier: Apache-2.0
 *
 * A span for each group and bucket of a histogram, to be shown beside its counts. Blocks come newest first, and one is
 * passed over when every bucket it could give a span to has one; so this reads a small part of what is counted.
 */
#include "store/columns/examples.h"

#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"
#include "store/columns/block.h"
#include "store/columns/rowcodec.h"
#include "store/columns/scan_internal.h"

#include <stdlib.h>

enum { CHECK_EVERY = 64, BUCKETS_MAX = 100000 };

/* What is known of a group in a bucket. */
struct cell {
    int64_t time_ns;
    struct trace_id trace_id;
    struct span_id span_id;
    uint32_t at; /* row of the block at hand whose ids are still to be read */
    bool set;
    bool pending;
};

struct group {
    struct str value;
    struct cell *cells;
};

struct finder {
    struct query qu;
    const struct columns_buckets *over;
    struct arena *a;  /* of the answer */
    struct map known; /* value to number + 1 */
    VEC(struct group) groups;
    VEC(struct cell *) pending;
    uint32_t **of_resource; /* per part of the snapshot, per resource: group + 1; NULL: none yet */
    size_t seen;
    struct err *reterr;
};

static size_t bucket_of(const struct finder *f, int64_t time_ns)
{
    return (size_t)(((uint64_t)time_ns - (uint64_t)f->qu.q->min_ns) / (uint64_t)f->over->step_ns);
}

static int find_group(struct finder *f, struct str value, uint32_t *ret)
{
    uintptr_t number = (uintptr_t)map_get(&f->known, value);

    if (number == 0) {
        struct group g = {.value = value.n != 0 ? arena_str_dup(f->a, value) : STR(""),
                          .cells = arena_calloc(f->a, f->over->n, sizeof(*g.cells))};

        if (g.value.p == NULL || g.cells == NULL || !vec_push(&f->groups, g) ||
            map_put(&f->known, g.value, (void *)f->groups.n) < 0) {
            return -ERR_NOMEM;
        }
        number = f->groups.n;
    }
    *ret = (uint32_t)number - 1;
    return 0;
}

/* ---- rows in memory ---- */

static bool has_newer(const struct finder *f, uint32_t group, size_t bucket, int64_t time_ns)
{
    const struct cell *c = &f->groups.v[group].cells[bucket];

    return c->set && c->time_ns >= time_ns;
}

static int take_chunk_row(void *arg, const struct batch *b, struct str row, uint32_t at,
                          int64_t time_ns, uint64_t id)
{
    struct finder *f = arg;
    struct query *qu = &f->qu;
    struct any_row any = {0};
    struct row_ref ref = any_row_ref(&any, qu->kind);
    const size_t bucket = bucket_of(f, time_ns);
    char hex[PRED_HEX_SIZE];
    struct value v;
    uint32_t group = 0;
    int rc = ++f->seen % CHECK_EVERY == 0 ? cancel_check(qu->q->cancel) : 0;

    (void)at;
    (void)id;
    qu->stats.rows_scanned++;
    if (rc < 0 || bucket >= f->over->n ||
        (f->over->by == NULL && has_newer(f, 0, bucket, time_ns))) {
        return rc;
    }
    arena_reset(&qu->row);
    rc = mem_row_decode(b, row, qu->kind, &qu->row, &any);
    if (rc < 0 || !filter_matches_row(qu->q->filter, &ref, &qu->tools.text)) {
        return rc;
    }
    if (f->over->by != NULL) {
        struct str text = STR("");

        if (row_field(&ref, f->over->by, &v, hex)) {
            text = value_text(&v, &qu->tools.text);
        }
        rc = qu->tools.text.failed ? -ERR_NOMEM : find_group(f, text, &group);
    }
    if (rc == 0 && !has_newer(f, group, bucket, time_ns)) {
        f->groups.v[group].cells[bucket] = (struct cell){.time_ns = time_ns,
                                                         .trace_id = any.span.trace_id,
                                                         .span_id = any.span.span_id,
                                                         .set = true};
    }
    return rc;
}

/* ---- blocks ---- */

/* The one group that all rows of a block are in, as far as that is told by its resource. @return false: not told */
static int block_one_group(struct finder *f, const struct source *src, bool *ret_one, uint32_t *ret)
{
    const struct field *by = f->over->by;
    const struct block_entry *e = part_block(src->part, src->block);
    uint32_t *memo = f->of_resource[src->part_at];
    struct resource res = {0};
    struct str text = STR("");
    struct value v;
    struct rd r;
    int rc;

    *ret = 0;
    *ret_one = by == NULL;
    if (by == NULL || by->scope != FIELD_RESOURCE || e->resource_min != e->resource_max) {
        return 0;
    }
    if (memo == NULL) {
        memo = mem_try_calloc((size_t)part_resources(src->part) + 1, sizeof(*memo));
        f->of_resource[src->part_at] = memo;
    }
    if (memo == NULL) {
        return -ERR_NOMEM;
    }
    *ret_one = true;
    if (memo[e->resource_min] != 0) {
        *ret = memo[e->resource_min] - 1;
        return 0;
    }
    r = rd_of(part_resource_bytes(src->part, e->resource_min));
    rc = resource_decode(&r, &f->qu.scratch, &res);
    if (rc < 0) {
        return rc;
    }
    if (attrs_field(res.attrs, by->name, &v)) {
        text = value_text(&v, &f->qu.tools.text);
    }
    rc = f->qu.tools.text.failed ? -ERR_NOMEM : find_group(f, text, ret);
    memo[e->resource_min] = rc == 0 ? *ret + 1 : 0;
    return rc;
}

/* Has the group a span in every bucket that the block reaches? */
static bool is_served(const struct finder *f, uint32_t group, const struct source *src)
{
    const struct columns_query *q = f->qu.q;
    const struct cell *cells = f->groups.v[group].cells;
    size_t from = bucket_of(f, src->min_ns > q->min_ns ? src->min_ns : q->min_ns);
    size_t to = bucket_of(f, src->max_ns < q->max_ns ? src->max_ns : q->max_ns - 1);

    for (size_t i = from; i <= to && i < f->over->n; i++) {
        if (!cells[i].set) {
            return false;
        }
    }
    return true;
}

static int mark_rows(struct finder *f, struct block *b, const uint64_t *bits,
                     const struct block_groups *bg, const uint32_t *map, uint32_t one)
{
    const int64_t *time;
    int rc = block_ints(b, COL_TIME, &time);

    for (size_t w = block_words(b); w-- != 0 && rc == 0;) { /* the newest of a stream first */
        for (uint64_t left = bits[w]; left != 0;) {
            const unsigned bit = 63u - (unsigned)__builtin_clzll(left);
            const uint32_t row = (uint32_t)(w * 64) + bit;
            const size_t bucket = bucket_of(f, time[row]);
            uint32_t group = one;
            struct cell *c;

            left &= ~((uint64_t)1 << bit);
            if (map != NULL) {
                group = map[bg->group[row] != UINT32_MAX ? bg->group[row] : bg->texts_n];
            }
            if (bucket >= f->over->n || has_newer(f, group, bucket, time[row])) {
                continue;
            }
            c = &f->groups.v[group].cells[bucket];
            if (!c->pending && !vec_push(&f->pending, c)) {
                return -ERR_NOMEM;
            }
            *c = (struct cell){.time_ns = time[row], .at = row, .set = true, .pending = true};
        }
    }
    return rc;
}

static int by_row(const void *pa, const void *pb)
{
    const struct cell *a = *(struct cell *const *)pa;
    const struct cell *b = *(struct cell *const *)pb;

    return (a->at > b->at) - (a->at < b->at);
}

static int read_ids(struct finder *f, struct block *b, enum col_id id, const uint32_t *rows)
{
    const size_t size = id == COL_TRACE_ID ? TRACE_ID_SIZE : SPAN_ID_SIZE;
    const struct column *col = NULL;
    int rc = b->core[id] == NULL ? 0 : block_pick(b, b->core[id], rows, f->pending.n, &col);

    for (size_t i = 0; i < f->pending.n && rc == 0 && col != NULL; i++) {
        struct cell *c = f->pending.v[i];
        struct str s = strs_at(&col->strs, i);

        if (s.n == size) {
            memcpy(id == COL_TRACE_ID ? c->trace_id.b : c->span_id.b, s.p, size);
        }
    }
    return rc;
}

static int fill_ids(struct finder *f, struct block *b)
{
    uint32_t *rows = arena_array(b->a, uint32_t, f->pending.n + 1);
    int rc;

    if (rows == NULL) {
        return -ERR_NOMEM;
    }
    if (f->pending.n > 1) {
        qsort(f->pending.v, f->pending.n, sizeof(*f->pending.v), by_row);
    }
    for (size_t i = 0; i < f->pending.n; i++) {
        rows[i] = f->pending.v[i]->at;
        f->pending.v[i]->pending = false;
    }
    rc = f->pending.n == 0 ? 0 : read_ids(f, b, COL_TRACE_ID, rows);
    rc = rc < 0 || f->pending.n == 0 ? rc : read_ids(f, b, COL_SPAN_ID, rows);
    f->pending.n = 0;
    return rc;
}

static int take_rows(struct finder *f, struct block *b, const uint64_t *bits, bool one,
                     uint32_t group)
{
    struct block_groups bg = {0};
    uint32_t *map = NULL;
    int rc = 0;

    if (!one) {
        rc = block_group(b, f->over->by, bits, &bg);
        map = rc == 0 ? arena_array(b->a, uint32_t, bg.texts_n + 1) : NULL;
        if (rc < 0 || map == NULL) {
            return rc < 0 ? rc : -ERR_NOMEM;
        }
        for (size_t i = 0; i < bg.texts_n && rc == 0; i++) {
            rc = find_group(f, bg.texts[i], &map[i]);
        }
        rc = rc < 0 ? rc : find_group(f, STR(""), &map[bg.texts_n]); /* absent */
    }
    rc = rc < 0 ? rc : mark_rows(f, b, bits, &bg, map, group);
    return rc < 0 ? rc : fill_ids(f, b);
}

static int take_block(struct finder *f, const struct source *src)
{
    struct query *qu = &f->qu;
    enum decision d;
    struct block b;
    uint64_t *bits;
    bool one;
    uint32_t group;
    int rc = query_decide(qu, src, &d, f->reterr);

    rc = rc < 0 || d == DECISION_NONE ? rc : block_one_group(f, src, &one, &group);
    if (rc < 0 || d == DECISION_NONE || (one && is_served(f, group, src))) {
        qu->stats.blocks_pruned++;
        return rc;
    }
    rc = block_open(src->part, src->block, &qu->scratch, &qu->tools, &b, f->reterr);
    bits = rc == 0 ? arena_array(&qu->scratch, uint64_t, block_words(&b)) : NULL;
    rc = rc < 0         ? rc
         : bits == NULL ? block_no_memory(&b)
                        : block_filter(&b, d == DECISION_ALL ? NULL : qu->q->filter, bits);
    if (rc > 0 && bits != NULL) {
        rc = block_filter_time(&b, qu->q->min_ns, qu->q->max_ns, bits);
        rc = rc < 0 ? rc : take_rows(f, &b, bits, one, group);
    }
    qu->stats.blocks_read++;
    qu->stats.rows_scanned += block_rows_n(&b);
    qu->stats.bytes_read += b.read_bytes;
    return rc;
}

static int take_sources(struct finder *f)
{
    struct query *qu = &f->qu;
    uint32_t none;
    int rc = f->over->by == NULL ? find_group(f, STR(""), &none) : 0;

    for (size_t i = 0; i < qu->sources_n && rc == 0; i++) {
        const struct source *src = &qu->sources[i];

        rc = cancel_check(qu->q->cancel);
        arena_reset(&qu->scratch);
        if (rc == 0 && src->chunk != NULL) {
            rc = mem_chunk_each(src->chunk, qu->q->min_ns, qu->q->max_ns, &qu->scratch,
                                take_chunk_row, f, f->reterr);
            qu->stats.blocks_read++;
            qu->stats.bytes_read += src->chunk->payload.n;
        } else if (rc == 0) {
            rc = take_block(f, src);
        }
        rc = rc == 0 && !query_account(qu, f->a->used) ? -ERR_NOMEM : rc;
    }
    if (rc == -ERR_NOMEM) {
        return query_no_memory(f->reterr);
    }
    return rc == -ERR_CANCELED || rc == -ERR_TIMEOUT
               ? err_set(f->reterr, (enum err_code) - rc, "search of examples stopped")
               : rc;
}

static int list_examples(const struct finder *f, struct columns_examples *ret)
{
    size_t n = 0;

    for (size_t g = 0; g < f->groups.n; g++) {
        for (size_t i = 0; i < f->over->n; i++) {
            n += f->groups.v[g].cells[i].set;
        }
    }
    ret->v = arena_array(f->a, struct columns_example, n + 1);
    if (ret->v == NULL) {
        return query_no_memory(f->reterr);
    }
    for (size_t g = 0; g < f->groups.n; g++) {
        for (size_t i = 0; i < f->over->n; i++) {
            const struct cell *c = &f->groups.v[g].cells[i];

            if (c->set) {
                ret->v[ret->n++] = (struct columns_example){.value = f->groups.v[g].value,
                                                            .bucket = i,
                                                            .time_ns = c->time_ns,
                                                            .trace_id = c->trace_id,
                                                            .span_id = c->span_id};
            }
        }
    }
    return 0;
}

int columns_find_examples(struct columns *c, const struct columns_query *q,
                          const struct columns_buckets *over, struct arena *a,
                          struct columns_examples *ret, struct err *reterr)
{
    struct columns_query mine = *q;
    struct finder f = {.over = over, .a = a, .reterr = reterr};
    struct columns_examples out = {0};
    int rc;

    if (over->step_ns <= 0 || over->n == 0 || over->n > BUCKETS_MAX ||
        c->opts.kind != COLUMNS_SPANS) {
        return err_set(reterr, ERR_INVALID,
                       "examples are of spans, with a step above 0 and 1 to %d buckets",
                       BUCKETS_MAX);
    }
    mine.oldest_first = false;
    rc = query_begin(c, &mine, COLUMNS_SPANS, &f.qu, reterr);
    if (rc < 0) {
        return rc;
    }
    f.of_resource = mem_try_calloc(f.qu.snap.parts_n + 1, sizeof(*f.of_resource));
    rc = f.of_resource != NULL ? take_sources(&f) : query_no_memory(reterr);
    rc = rc < 0 ? rc : list_examples(&f, &out);
    for (size_t i = 0; i < f.qu.snap.parts_n && f.of_resource != NULL; i++) {
        mem_free(f.of_resource[i]);
    }
    mem_free(f.of_resource);
    vec_done(&f.groups);
    vec_done(&f.pending);
    map_done(&f.known);
    query_end(&f.qu, &out.stats);
    if (rc == 0) {
        *ret = out;
    }
    return rc;
}
