/* SPDX-License-Identifier: Apache-2.0
 *
 * All spans of one or many traces in one pass: batches in memory and parts are asked through their trace
 * indexes, a block that holds several of the traces is read once. Copies of one span that a client sent twice
 * are given once.
 */
#include "base/err.h"
#include "base/hash.h"
#include "store/columns/block.h"
#include "store/columns/part_format.h"
#include "store/columns/scan_internal.h"

#include <stdlib.h>

enum { TRACE_ARENA_MAX = 512 << 20, CHECK_EVERY = 64, TRACES_MAX = 1 << 20 };

struct found {
    struct span span;
    uint64_t id;
    uint32_t trace; /* index of its id */
};

struct trace_lookup {
    struct columns *c;
    const struct columns_query *q;
    const struct trace_id *ids;
    size_t ids_n;
    uint32_t *slots; /* index + 1 by hash of the id */
    size_t slots_n;  /* power of two */
    uint64_t *fps;   /* rising */
    size_t fps_n;
    struct arena a; /* what the spans point to */
    struct arena scratch;
    struct block_tools tools;
    struct scan_stats stats;
    int64_t charged_bytes;
    VEC(struct found) list;
    struct err *reterr;
};

static size_t slot_of(const struct trace_lookup *t, const uint8_t *id)
{
    return hash64(id, TRACE_ID_SIZE) & (t->slots_n - 1);
}

/* Index of an id that is looked for. @return false when it is not */
static bool find_id(const struct trace_lookup *t, const uint8_t *id, uint32_t *ret)
{
    for (size_t at = slot_of(t, id); t->slots[at] != 0; at = (at + 1) & (t->slots_n - 1)) {
        if (memcmp(t->ids[t->slots[at] - 1].b, id, TRACE_ID_SIZE) == 0) {
            *ret = t->slots[at] - 1;
            return true;
        }
    }
    return false;
}

static int by_value(const void *pa, const void *pb)
{
    const uint64_t a = *(const uint64_t *)pa;
    const uint64_t b = *(const uint64_t *)pb;

    return (a > b) - (a < b);
}

static bool lookup_init(struct trace_lookup *t)
{
    t->slots_n = 16;
    while (t->slots_n < t->ids_n * 2) {
        t->slots_n *= 2;
    }
    t->slots = mem_try_calloc(t->slots_n, sizeof(*t->slots));
    t->fps = mem_try_calloc(t->ids_n + 1, sizeof(*t->fps));
    if (t->slots == NULL || t->fps == NULL) {
        return false;
    }
    for (size_t i = 0; i < t->ids_n; i++) {
        size_t at = slot_of(t, t->ids[i].b);
        uint32_t known;

        if (trace_id_is_zero(t->ids[i]) || find_id(t, t->ids[i].b, &known)) {
            continue;
        }
        while (t->slots[at] != 0) {
            at = (at + 1) & (t->slots_n - 1);
        }
        t->slots[at] = (uint32_t)i + 1;
        t->fps[t->fps_n++] = trace_fingerprint(t->ids[i].b);
    }
    qsort(t->fps, t->fps_n, sizeof(*t->fps), by_value);
    return true;
}

/* Bring what was taken from the budget in line with what is held. */
static bool account(struct trace_lookup *t)
{
    int64_t now = (int64_t)(t->a.used + t->scratch.used + t->list.cap * sizeof(struct found));

    if (now > t->charged_bytes && !budget_take(t->q->budget, now - t->charged_bytes)) {
        return false;
    }
    if (now < t->charged_bytes) {
        budget_give(t->q->budget, t->charged_bytes - now);
    }
    t->charged_bytes = now;
    return true;
}

static bool chunk_has_any(const struct trace_lookup *t, const struct mem_chunk *c)
{
    const struct trace_set *set = mem_chunk_traces(c);
    bool any = set == NULL;

    for (size_t i = 0; i < t->fps_n && !any && set->n != 0; i++) {
        const uint32_t fp = (uint32_t)t->fps[i];
        size_t lo = 0;
        size_t hi = set->n;

        while (lo < hi) {
            size_t mid = lo + (hi - lo) / 2;

            if (set->v[mid] < fp) {
                lo = mid + 1;
            } else {
                hi = mid;
            }
        }
        any = lo < set->n && set->v[lo] == fp;
    }
    return any;
}

static int take_row(void *arg, const struct batch *b, struct str row, uint32_t at, int64_t time_ns,
                    uint64_t id)
{
    struct trace_lookup *t = arg;
    struct trace_id row_id;
    struct found f = {.id = id};
    int rc = rowcodec_row_trace(row, COLUMNS_SPANS, &row_id);

    (void)at;
    (void)time_ns;
    t->stats.rows_scanned++;
    if (rc < 0 || !find_id(t, row_id.b, &f.trace)) {
        return rc;
    }
    rc = rowcodec_span(b, row, &t->a, &f.span);
    if (rc < 0) {
        return rc;
    }
    return vec_push(&t->list, f) ? 0 : -ERR_NOMEM;
}

/* Rows of the block that are looked for, and which trace each is of. */
static int wanted_rows(struct trace_lookup *t, struct block *b, const struct column *ids,
                       uint32_t *rows, uint32_t *traces, size_t *ret_n)
{
    const int64_t *time;
    size_t n = 0;
    int rc = block_ints(b, COL_TIME, &time);

    for (uint32_t i = 0; i < block_rows_n(b) && rc == 0; i++) {
        struct str s = strs_at(&ids->strs, i);

        bool gone = b->deleted != NULL && (b->deleted[i / 64] >> (i % 64) & 1) != 0;

        if (s.n == TRACE_ID_SIZE && !gone && time[i] >= t->q->min_ns && time[i] < t->q->max_ns &&
            find_id(t, (const uint8_t *)s.p, &traces[n])) {
            rows[n++] = i;
        }
    }
    *ret_n = n;
    return rc;
}

static int take_block_rows(struct trace_lookup *t, struct block *b, const struct column *ids)
{
    size_t n = block_rows_n(b);
    uint32_t *rows = arena_array(&t->scratch, uint32_t, n);
    uint32_t *traces = arena_array(&t->scratch, uint32_t, n + 1);
    struct any_row *made;
    struct any_row **dst;
    const int64_t *id;
    size_t found = 0;
    int rc = rows == NULL || traces == NULL ? -ERR_NOMEM : block_ints(b, COL_ID, &id);

    rc = rc < 0 ? rc : wanted_rows(t, b, ids, rows, traces, &found);
    if (rc < 0 || found == 0) {
        return rc;
    }
    made = arena_calloc(&t->scratch, found, sizeof(*made));
    dst = arena_array(&t->scratch, struct any_row *, found);
    if (made == NULL || dst == NULL || !vec_reserve(&t->list, found)) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < found; i++) {
        dst[i] = &made[i];
    }
    rc = block_make_rows(b, rows, found, &t->a, query_need(t->q), dst);
    for (size_t i = 0; i < found && rc == 0; i++) {
        t->list.v[t->list.n++] =
            (struct found){.span = made[i].span, .id = (uint64_t)id[rows[i]], .trace = traces[i]};
    }
    return rc;
}

static int take_block(struct trace_lookup *t, const struct part *p, uint32_t index)
{
    const struct column *ids;
    struct block b;
    int rc = cancel_check(t->q->cancel);

    arena_reset(&t->scratch);
    rc = rc < 0 ? rc : block_open(p, index, &t->scratch, &t->tools, &b, t->reterr);
    if (rc == 0 && b.core[COL_TRACE_ID] != NULL) {
        rc = block_column(&b, b.core[COL_TRACE_ID], &ids);
        rc = rc < 0 ? rc : take_block_rows(t, &b, ids);
        t->stats.blocks_read++;
        t->stats.rows_scanned += block_rows_n(&b);
        t->stats.bytes_read += b.read_bytes;
    }
    return rc == 0 && !account(t) ? -ERR_NOMEM : rc;
}

static int by_index(const void *pa, const void *pb)
{
    const uint32_t a = *(const uint32_t *)pa;
    const uint32_t b = *(const uint32_t *)pb;

    return (a > b) - (a < b);
}

static int collect_part(struct trace_lookup *t, const struct part *p)
{
    block_list blocks = {0};
    int rc = part_traces_blocks(p, t->fps, t->fps_n, &blocks, t->reterr);

    if (blocks.n > 1) {
        qsort(blocks.v, blocks.n, sizeof(*blocks.v), by_index);
    }
    for (size_t i = 0; i < blocks.n && rc == 0; i++) {
        if (i == 0 || blocks.v[i] != blocks.v[i - 1]) {
            rc = take_block(t, p, blocks.v[i]);
        }
    }
    vec_done(&blocks);
    return rc;
}

static int collect(struct trace_lookup *t, struct snapshot *snap)
{
    for (size_t i = 0; i < snap->chunks_n; i++) {
        const struct mem_chunk *c = &snap->chunks[i];
        int rc = i % CHECK_EVERY == 0 ? cancel_check(t->q->cancel) : 0;

        if (rc == 0 && chunk_has_any(t, c)) {
            rc = mem_chunk_each(c, t->q->min_ns, t->q->max_ns, &t->a, take_row, t, t->reterr);
            t->stats.bytes_read += c->payload.n;
        }
        if (rc < 0) {
            return rc == -ERR_CORRUPT
                       ? err_set(t->reterr, ERR_CORRUPT, "a row batch in memory is damaged")
                       : rc;
        }
    }
    for (size_t i = 0; i < snap->parts_n; i++) {
        int rc = collect_part(t, snap->parts[i]);

        if (rc < 0) {
            return rc;
        }
    }
    return account(t) ? 0 : -ERR_NOMEM;
}

static int by_start(const void *pa, const void *pb)
{
    const struct found *a = pa;
    const struct found *b = pb;
    int c;

    if (a->trace != b->trace) {
        return a->trace < b->trace ? -1 : 1;
    }
    if (a->span.start_ns != b->span.start_ns) {
        return a->span.start_ns < b->span.start_ns ? -1 : 1;
    }
    c = memcmp(a->span.span_id.b, b->span.span_id.b, SPAN_ID_SIZE);
    return c != 0 ? c : (a->id > b->id) - (a->id < b->id);
}

static bool same_span(const struct found *fa, const struct found *fb)
{
    const struct span *a = &fa->span;
    const struct span *b = &fb->span;

    return fa->trace == fb->trace && a->start_ns == b->start_ns && a->end_ns == b->end_ns &&
           a->kind == b->kind && memcmp(a->span_id.b, b->span_id.b, SPAN_ID_SIZE) == 0 &&
           memcmp(a->parent_id.b, b->parent_id.b, SPAN_ID_SIZE) == 0 && str_eq(a->name, b->name);
}

static int emit_traces(struct trace_lookup *t, columns_trace_fn fn, void *arg)
{
    struct span *spans;
    uint64_t *ids;

    if (t->list.n == 0) {
        return 0;
    }
    qsort(t->list.v, t->list.n, sizeof(*t->list.v), by_start);
    spans = arena_array(&t->a, struct span, t->list.n);
    ids = arena_array(&t->a, uint64_t, t->list.n);
    if (spans == NULL || ids == NULL || !account(t)) {
        return query_no_memory(t->reterr);
    }
    for (size_t i = 0; i < t->list.n;) {
        uint32_t trace = t->list.v[i].trace;
        struct columns_trace_spans out = {.index = trace, .spans = spans, .row_ids = ids};
        int rc;

        for (; i < t->list.n && t->list.v[i].trace == trace; i++) {
            if (i == 0 || !same_span(&t->list.v[i], &t->list.v[i - 1])) {
                spans[out.n] = t->list.v[i].span;
                ids[out.n++] = t->list.v[i].id;
            }
        }
        rc = fn(arg, &out);
        if (rc != 0) {
            return rc < 0 ? rc : 0;
        }
    }
    return 0;
}

static void lookup_done(struct trace_lookup *t, struct scan_stats *ret_stats)
{
    const struct columns_stats *s = &t->c->stats;

    counter_add(s->scans, 1);
    counter_add(s->scanned_rows, t->stats.rows_scanned);
    counter_add(s->blocks_read, t->stats.blocks_read);
    if (ret_stats != NULL) {
        *ret_stats = t->stats;
    }
    budget_give(t->q->budget, t->charged_bytes);
    vec_done(&t->list);
    mem_free(t->slots);
    mem_free(t->fps);
    arena_done(&t->a);
    arena_done(&t->scratch);
    block_tools_done(&t->tools);
}

int columns_traces(struct columns *c, const struct columns_query *q, const struct trace_id *ids,
                   size_t n, columns_trace_fn fn, void *arg, struct scan_stats *ret_stats,
                   struct err *reterr)
{
    struct columns_query mine = *q;
    struct trace_lookup t = {.c = c, .q = &mine, .ids = ids, .ids_n = n, .reterr = reterr};
    struct snapshot snap;
    int rc;

    if (c->opts.kind != COLUMNS_SPANS || n > TRACES_MAX) {
        return err_set(reterr, ERR_INVALID, "%s",
                       n > TRACES_MAX ? "too many traces at once"
                                      : "only a store of spans has traces");
    }
    if (mine.need != 0) { /* what tells copies of a span apart */
        mine.need |= COLUMNS_NEED_IDS | COLUMNS_NEED_TEXT;
    }
    rc = snapshot_take(c, q->min_ns, q->max_ns, &snap, reterr);
    if (rc < 0) {
        return rc;
    }
    arena_init(&t.a, TRACE_ARENA_MAX);
    arena_init(&t.scratch, QUERY_ARENA_MAX);
    block_tools_init(&t.tools);
    rc = lookup_init(&t) ? collect(&t, &snap) : -ERR_NOMEM;
    if (rc == -ERR_NOMEM) {
        rc = query_no_memory(reterr);
    } else if (rc == -ERR_CANCELED || rc == -ERR_TIMEOUT) {
        rc = err_set(reterr, (enum err_code) - rc, "trace lookup: %s", err_text(rc));
    }
    rc = rc < 0 ? rc : emit_traces(&t, fn, arg);
    lookup_done(&t, ret_stats);
    snapshot_done(&snap);
    return rc;
}

/* Spans of one trace to a callback for spans. */
struct one_trace {
    columns_span_fn fn;
    void *arg;
};

static int emit_one(void *arg, const struct columns_trace_spans *t)
{
    struct one_trace *o = arg;
    int rc = 0;

    for (size_t i = 0; i < t->n && rc == 0; i++) {
        rc = o->fn(o->arg, &t->spans[i], t->row_ids[i]);
    }
    return rc;
}

int columns_trace(struct columns *c, struct trace_id id, struct cancel *cancel, columns_span_fn fn,
                  void *arg, struct err *reterr)
{
    const struct columns_query q = {.min_ns = INT64_MIN, .max_ns = INT64_MAX, .cancel = cancel};
    struct one_trace o = {fn, arg};

    return columns_traces(c, &q, &id, 1, emit_one, &o, NULL, reterr);
}
