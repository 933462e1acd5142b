/* SPDX-License-Identifier: Apache-2.0
 *
 * All spans of one or many traces in one pass: batches in memory and parts are asked through their trace
 * indexes, a block that holds several of the traces is read once, many blocks by several threads. Copies of one
 * span that a client sent twice are given once.
 */
#include <stdatomic.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/thread.h"
#include "store/columns/block.h"
#include "store/columns/part_format.h"
#include "store/columns/scan_internal.h"

#include <stdlib.h>

enum {
    TRACE_ARENA_MAX = 512 << 20,
    CHECK_EVERY = 64,
    TRACES_MAX = 1 << 20,
    WORKERS_MAX = 8,
    BLOCKS_EACH = 4, /* a thread more for as many blocks */
    SPARES_MAX = 4,
    SPARE_BYTES = 2 << 20, /* larger ones are not kept */
};

/* Memory for reading blocks that the last look-ups left: made anew, it would cost as much as the reading. */
struct spare {
    struct arena scratch;
    struct block_tools tools;
};

struct trace_spares {
    struct mutex lock;
    struct spare v[SPARES_MAX]; /* guarded by: lock */
    size_t n;
};

struct found {
    struct span span;
    uint64_t id;
    uint32_t trace; /* index of its id */
};

typedef VEC(struct found) found_list;

/* A block that may have some of the traces. */
struct task {
    const struct part *part;
    uint32_t block;
};

struct trace_lookup;

/* What one thread finds. */
struct worker {
    struct trace_lookup *t;
    struct arena a; /* what the spans point to */
    struct arena scratch;
    struct block_tools tools;
    struct scan_stats stats;
    int64_t charged_bytes;
    found_list list;
    struct err err;
    int rc;
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
    VEC(struct task) tasks;
    atomic_size_t next_task; /* relaxed: pool_for() orders the work before and after */
    atomic_bool failed;      /* relaxed: the others stop soon */
    struct worker workers[WORKERS_MAX];
    size_t workers_n;
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
static bool account(struct worker *w)
{
    int64_t now = (int64_t)(w->a.used + w->scratch.used + w->list.cap * sizeof(struct found));

    if (now > w->charged_bytes && !budget_take(w->t->q->budget, now - w->charged_bytes)) {
        return false;
    }
    if (now < w->charged_bytes) {
        budget_give(w->t->q->budget, w->charged_bytes - now);
    }
    w->charged_bytes = now;
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
    struct worker *w = arg;
    struct trace_id row_id;
    struct found f = {.id = id};
    int rc = rowcodec_row_trace(row, COLUMNS_SPANS, &row_id);

    (void)at;
    (void)time_ns;
    w->stats.rows_scanned++;
    if (rc < 0 || !find_id(w->t, row_id.b, &f.trace)) {
        return rc;
    }
    rc = rowcodec_span(b, row, &w->a, &f.span);
    if (rc < 0) {
        return rc;
    }
    return vec_push(&w->list, f) ? 0 : -ERR_NOMEM;
}

/* ---- a block ---- */

/* Rows of a block that are looked for, rising, and which trace each is of. */
struct wanted {
    uint32_t *rows;
    uint32_t *traces;
    size_t n;
};

/* Ids one after the other, as they lie. */
static void find_fixed(const struct trace_lookup *t, const uint8_t *ids, uint32_t n,
                       struct wanted *ret)
{
    for (uint32_t i = 0; i < n && t->ids_n == 1; i++) {
        if (memcmp(ids + (size_t)i * TRACE_ID_SIZE, t->ids[0].b, TRACE_ID_SIZE) == 0) {
            ret->traces[ret->n] = 0;
            ret->rows[ret->n++] = i;
        }
    }
    for (uint32_t i = 0; i < n && t->ids_n != 1; i++) {
        if (find_id(t, ids + (size_t)i * TRACE_ID_SIZE, &ret->traces[ret->n])) {
            ret->rows[ret->n++] = i;
        }
    }
}

/* Each distinct id is looked for once. */
static bool find_strs(const struct trace_lookup *t, const struct strs *ids, uint32_t n,
                      struct arena *a, struct wanted *ret)
{
    const size_t k = ids->form == STRS_DICT ? ids->dict_n : 1;
    uint32_t *known = arena_calloc(a, k, sizeof(*known)); /* trace + 1 */
    bool any = false;

    if (known == NULL) {
        return false;
    }
    for (size_t i = 0; i < k && ids->form != STRS_FLAT && ids->form != STRS_TEMPLATES; i++) {
        if (ids->v[i].n == TRACE_ID_SIZE && find_id(t, (const uint8_t *)ids->v[i].p, &known[i])) {
            known[i]++;
            any = true;
        }
    }
    for (uint32_t i = 0; i < n && (any || strs_is_plain(ids)); i++) {
        struct str s;

        if (!strs_is_plain(ids)) {
            uint32_t trace = known[ids->form == STRS_DICT ? ids->codes[i] : 0];

            if (trace != 0) {
                ret->traces[ret->n] = trace - 1;
                ret->rows[ret->n++] = i;
            }
            continue;
        }
        s = strs_at(ids, i);
        if (s.n == TRACE_ID_SIZE && find_id(t, (const uint8_t *)s.p, &ret->traces[ret->n])) {
            ret->rows[ret->n++] = i;
        }
    }
    return true;
}

/* Rows that are deleted or lie outside the times are none. */
static int drop_rows(const struct worker *w, struct block *b, struct wanted *v)
{
    const struct columns_query *q = w->t->q;
    const bool inside = b->entry->min_ns >= q->min_ns && b->entry->max_ns < q->max_ns;
    const int64_t *time = NULL;
    size_t kept = 0;
    int rc = inside || v->n == 0 ? 0 : block_pick_ints(b, COL_TIME, v->rows, v->n, &time);

    for (size_t i = 0; i < v->n && rc == 0; i++) {
        uint32_t row = v->rows[i];
        bool gone = b->deleted != NULL && (b->deleted[row / 64] >> (row % 64) & 1) != 0;

        if (!gone && (time == NULL || (time[i] >= q->min_ns && time[i] < q->max_ns))) {
            v->traces[kept] = v->traces[i];
            v->rows[kept++] = row;
        }
    }
    v->n = kept;
    return rc;
}

static int wanted_rows(struct worker *w, struct block *b, struct wanted *ret)
{
    const uint32_t n = block_rows_n(b);
    struct block_col *c = b->core[COL_TRACE_ID];
    const uint8_t *fixed;
    const struct column *ids;
    struct str raw = {0};
    int rc;

    *ret = (struct wanted){arena_array(&w->scratch, uint32_t, (size_t)n + 1),
                           arena_array(&w->scratch, uint32_t, (size_t)n + 1), 0};
    if (ret->rows == NULL || ret->traces == NULL) {
        return -ERR_NOMEM;
    }
    rc = block_payload(b, c, &raw);
    if (rc < 0) {
        return rc;
    }
    fixed = strs_fixed(raw, n, TRACE_ID_SIZE);
    if (fixed != NULL) {
        b->read_bytes += c->stored.n;
        find_fixed(w->t, fixed, n, ret);
    } else {
        rc = block_column(b, c, &ids);
        if (rc == 0 && !find_strs(w->t, &ids->strs, n, &w->scratch, ret)) {
            return -ERR_NOMEM;
        }
    }
    return rc < 0 ? rc : drop_rows(w, b, ret);
}

static int take_block_rows(struct worker *w, struct block *b)
{
    struct wanted v;
    struct any_row *made;
    struct any_row **dst;
    const int64_t *id;
    int rc = wanted_rows(w, b, &v);

    if (rc < 0 || v.n == 0) {
        return rc;
    }
    made = arena_calloc(&w->scratch, v.n, sizeof(*made));
    dst = arena_array(&w->scratch, struct any_row *, v.n);
    if (made == NULL || dst == NULL || !vec_reserve(&w->list, v.n)) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < v.n; i++) {
        dst[i] = &made[i];
    }
    rc = block_pick_ints(b, COL_ID, v.rows, v.n, &id);
    rc = rc < 0 ? rc : block_make_rows(b, v.rows, v.n, &w->a, query_need(w->t->q), dst);
    for (size_t i = 0; i < v.n && rc == 0; i++) {
        w->list.v[w->list.n++] =
            (struct found){.span = made[i].span, .id = (uint64_t)id[i], .trace = v.traces[i]};
    }
    return rc;
}

static int take_block(struct worker *w, const struct task *task)
{
    struct block b;
    int rc = cancel_check(w->t->q->cancel);

    arena_reset(&w->scratch);
    rc = rc < 0 ? rc : block_open(task->part, task->block, &w->scratch, &w->tools, &b, &w->err);
    if (rc == 0 && b.core[COL_TRACE_ID] != NULL) {
        rc = take_block_rows(w, &b);
        w->stats.blocks_read++;
        w->stats.rows_scanned += block_rows_n(&b);
        w->stats.bytes_read += b.read_bytes;
    }
    return rc == 0 && !account(w) ? -ERR_NOMEM : rc;
}

/* ---- all blocks ---- */

static void work(void *arg, size_t number)
{
    struct trace_lookup *t = arg;
    struct worker *w = &t->workers[number];

    while (w->rc == 0 && !atomic_load_explicit(&t->failed, memory_order_relaxed)) {
        size_t i = atomic_fetch_add_explicit(&t->next_task, 1, memory_order_relaxed);

        if (i >= t->tasks.n) {
            return;
        }
        w->rc = take_block(w, &t->tasks.v[i]);
        if (w->rc < 0) {
            atomic_store_explicit(&t->failed, true, memory_order_relaxed);
        }
    }
}

/* Errors of workers and their finds go to the first one. */
static int gather(struct trace_lookup *t)
{
    struct worker *first = &t->workers[0];

    for (size_t i = 0; i < t->workers_n; i++) {
        const struct worker *w = &t->workers[i];

        if (w->rc < 0) {
            *t->reterr = w->err;
            return w->rc;
        }
        if (i == 0 || w->list.n == 0) {
            continue;
        }
        if (!vec_reserve(&first->list, w->list.n)) {
            return -ERR_NOMEM;
        }
        memcpy(first->list.v + first->list.n, w->list.v, w->list.n * sizeof(struct found));
        first->list.n += w->list.n;
    }
    return account(first) ? 0 : -ERR_NOMEM;
}

struct trace_spares *trace_spares_new(void)
{
    struct trace_spares *s = mem_xcalloc(1, sizeof(*s));

    mutex_init(&s->lock, LOCK_RANK_LEAF);
    return s;
}

void trace_spares_free(struct trace_spares *s)
{
    for (size_t i = 0; s != NULL && i < s->n; i++) {
        arena_done(&s->v[i].scratch);
        block_tools_done(&s->v[i].tools);
    }
    if (s != NULL) {
        mutex_done(&s->lock);
        mem_free(s);
    }
}

static bool take_spare(struct trace_spares *s, struct worker *w)
{
    bool any;

    mutex_lock(&s->lock);
    any = s->n != 0;
    if (any) {
        s->n--;
        w->scratch = s->v[s->n].scratch;
        w->tools = s->v[s->n].tools;
    }
    mutex_unlock(&s->lock);
    return any;
}

static void give_spare(struct trace_spares *s, struct worker *w)
{
    bool kept = false;

    arena_reset(&w->scratch);
    if (w->scratch.used <= SPARE_BYTES) {
        mutex_lock(&s->lock);
        kept = s->n < SPARES_MAX;
        if (kept) {
            s->v[s->n++] = (struct spare){w->scratch, w->tools};
        }
        mutex_unlock(&s->lock);
    }
    if (!kept) {
        arena_done(&w->scratch);
        block_tools_done(&w->tools);
    }
}

static void worker_init(struct trace_lookup *t)
{
    struct worker *w = &t->workers[t->workers_n++];

    w->t = t;
    arena_init(&w->a, TRACE_ARENA_MAX);
    if (!take_spare(t->c->spares, w)) {
        arena_init(&w->scratch, QUERY_ARENA_MAX);
        block_tools_init(&w->tools);
    }
}

static int read_blocks(struct trace_lookup *t)
{
    struct pool *pool = t->c->opts.pool;
    size_t threads = pool != NULL ? pool_threads(pool) + 1 : 1;

    while (t->workers_n < WORKERS_MAX && t->workers_n < threads &&
           t->workers_n < t->tasks.n / BLOCKS_EACH) {
        worker_init(t);
    }
    for (size_t i = 1; i < t->tasks.n; i++) {
        columns_part_prefetch(t->tasks.v[i].part, t->tasks.v[i].block);
    }
    pool_for(t->workers_n > 1 ? pool : NULL, t->workers_n, work, t);
    return gather(t);
}

static int by_index(const void *pa, const void *pb)
{
    const uint32_t a = *(const uint32_t *)pa;
    const uint32_t b = *(const uint32_t *)pb;

    return (a > b) - (a < b);
}

static int list_part(struct trace_lookup *t, const struct part *p)
{
    block_list blocks = {0};
    int rc = part_traces_blocks(p, t->fps, t->fps_n, &blocks, t->reterr);

    if (blocks.n > 1) {
        qsort(blocks.v, blocks.n, sizeof(*blocks.v), by_index);
    }
    for (size_t i = 0; i < blocks.n && rc == 0; i++) {
        if ((i == 0 || blocks.v[i] != blocks.v[i - 1]) &&
            !vec_push(&t->tasks, ((struct task){p, blocks.v[i]}))) {
            rc = -ERR_NOMEM;
        }
    }
    vec_done(&blocks);
    return rc;
}

static int collect(struct trace_lookup *t, struct snapshot *snap)
{
    struct worker *w = &t->workers[0];

    for (size_t i = 0; i < snap->chunks_n; i++) {
        const struct mem_chunk *c = &snap->chunks[i];
        int rc = i % CHECK_EVERY == 0 ? cancel_check(t->q->cancel) : 0;

        if (rc == 0 && chunk_has_any(t, c)) {
            rc = mem_chunk_each(c, t->q->min_ns, t->q->max_ns, &w->a, take_row, w, t->reterr);
            w->stats.bytes_read += c->payload.n;
        }
        if (rc < 0) {
            return rc == -ERR_CORRUPT
                       ? err_set(t->reterr, ERR_CORRUPT, "a row batch in memory is damaged")
                       : rc;
        }
    }
    for (size_t i = 0; i < snap->parts_n; i++) {
        int rc = list_part(t, snap->parts[i]);

        if (rc < 0) {
            return rc;
        }
    }
    return read_blocks(t);
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
    struct worker *w = &t->workers[0];
    const found_list *list = &w->list;
    struct span *spans;
    uint64_t *ids;

    if (list->n == 0) {
        return 0;
    }
    qsort(list->v, list->n, sizeof(*list->v), by_start);
    spans = arena_array(&w->a, struct span, list->n);
    ids = arena_array(&w->a, uint64_t, list->n);
    if (spans == NULL || ids == NULL || !account(w)) {
        return query_no_memory(t->reterr);
    }
    for (size_t i = 0; i < list->n;) {
        uint32_t trace = list->v[i].trace;
        struct columns_trace_spans out = {.index = trace, .spans = spans, .row_ids = ids};
        int rc;

        for (; i < list->n && list->v[i].trace == trace; i++) {
            if (i == 0 || !same_span(&list->v[i], &list->v[i - 1])) {
                spans[out.n] = list->v[i].span;
                ids[out.n++] = list->v[i].id;
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
    struct scan_stats sum = {0};

    for (size_t i = 0; i < t->workers_n; i++) {
        struct worker *w = &t->workers[i];

        sum.rows_scanned += w->stats.rows_scanned;
        sum.blocks_read += w->stats.blocks_read;
        sum.bytes_read += w->stats.bytes_read;
        budget_give(t->q->budget, w->charged_bytes);
        vec_done(&w->list);
        arena_done(&w->a);
        give_spare(t->c->spares, w);
    }
    counter_add(s->scans, 1);
    counter_add(s->scanned_rows, sum.rows_scanned);
    counter_add(s->blocks_read, sum.blocks_read);
    if (ret_stats != NULL) {
        *ret_stats = sum;
    }
    vec_done(&t->tasks);
    mem_free(t->slots);
    mem_free(t->fps);
}

int columns_traces(struct columns *c, const struct columns_query *q, const struct trace_id *ids,
                   size_t n, columns_trace_fn fn, void *arg, struct scan_stats *ret_stats,
                   struct err *reterr)
{
    struct columns_query mine = *q;
    struct err why = {0};
    struct trace_lookup t = {
        .c = c, .q = &mine, .ids = ids, .ids_n = n, .reterr = reterr != NULL ? reterr : &why};
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
    worker_init(&t);
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
