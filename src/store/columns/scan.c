/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows in order over many sources: a source is opened (filtered) only when no row found so far comes
 * before its first possible row, and rows are made in small pages, grouped by source, so that an
 * early exit reads little and a long scan decodes each block once per page. Sources that have to be opened
 * anyway are opened on several threads.
 */
#include <stdatomic.h>

#include "base/err.h"
#include "base/thread.h"
#include "store/columns/block.h"
#include "store/columns/scan_internal.h"

#include <stdlib.h>

enum {
    PAGE_FIRST = 32,
    PAGE_MAX = 1024,
    PAGE_BYTES = 8 << 20,
    CHECK_EVERY = 256,
    BATCH_FIRST = 2, /* sources opened at once while no row is known */
    BATCH_MAX = 32,
    BATCH_AHEAD = 8, /* of a scan to the end */
    OPENERS_MAX = 16,
};

/* Callback of either kind. */
struct emit {
    columns_span_fn span;
    columns_log_fn log;
    void *arg;
};

/* Rows from here on in the order of the scan. */
struct cursor {
    int64_t ns;
    uint64_t id;
};

struct picked {
    struct source *source;
    struct hit hit;
    uint32_t order; /* in the page */
};

struct scan {
    struct query qu;
    struct emit emit;
    int64_t before_ns;
    uint64_t before_id;
    bool oldest_first;
    size_t opened;        /* sources[0, opened) have been filtered */
    struct source **heap; /* opened ones with rows left, next row on top */
    size_t heap_n;
    struct picked *page;
    struct any_row *rows;
    struct arena page_arena;
    size_t page_n;
    size_t page_size;
    struct source *batch[BATCH_MAX]; /* to be opened now */
    size_t batch_n;
    size_t batch_max;
    struct query forks[OPENERS_MAX - 1]; /* of the query, for other threads */
    size_t forks_n;
    struct err *reterr;
};

static bool hit_newer(const struct hit *a, const struct hit *b)
{
    return a->time_ns != b->time_ns ? a->time_ns > b->time_ns : a->id > b->id;
}

static int newest_first(const void *pa, const void *pb)
{
    return hit_newer(pa, pb) ? -1 : hit_newer(pb, pa) ? 1 : 0;
}

static int oldest_first(const void *pa, const void *pb)
{
    return newest_first(pb, pa);
}

/* Does `a` come before `b` in the order of the scan? */
static bool hit_first(const struct scan *s, const struct hit *a, const struct hit *b)
{
    return s->oldest_first ? hit_newer(b, a) : hit_newer(a, b);
}

/* Without a cursor every row is still to come. */
static bool has_cursor(const struct scan *s)
{
    return s->before_ns != (s->oldest_first ? INT64_MIN : INT64_MAX);
}

/* Behind the cursor in the order of the scan, so still to come. */
static bool after_cursor(const struct scan *s, int64_t time_ns, uint64_t id)
{
    return !has_cursor(s) ||
           hit_first(s, &(struct hit){.time_ns = s->before_ns, .id = s->before_id},
                     &(struct hit){.time_ns = time_ns, .id = id});
}

static void sort_hits(const struct scan *s, struct hit *v, size_t n)
{
    bool in_order = true;
    bool reversed = true;

    for (size_t i = 1; i < n && (in_order || reversed); i++) {
        in_order = in_order && hit_first(s, &v[i - 1], &v[i]);
        reversed = reversed && hit_first(s, &v[i], &v[i - 1]);
    }
    if (reversed && !in_order) {
        for (size_t i = 0; i < n / 2; i++) {
            struct hit t = v[i];

            v[i] = v[n - 1 - i];
            v[n - 1 - i] = t;
        }
    } else if (!in_order) {
        qsort(v, n, sizeof(*v), s->oldest_first ? oldest_first : newest_first);
    }
}

/* Who opens sources: the query's thread with the query's memory, or another one with a fork of it. */
struct opener {
    struct scan *s;
    struct query *qu;
    struct err *reterr;
};

struct chunk_filter {
    struct opener *o;
    struct source *src;
    size_t seen;
};

static int filter_chunk_row(void *arg, const struct batch *b, struct str row, uint32_t at,
                            int64_t time_ns, uint64_t id)
{
    struct chunk_filter *cf = arg;
    struct query *qu = cf->o->qu;

    if (++cf->seen % CHECK_EVERY == 0) {
        int rc = cancel_check(qu->q->cancel);

        if (rc < 0) {
            return rc;
        }
    }
    if (!after_cursor(cf->o->s, time_ns, id)) {
        return 0;
    }
    qu->stats.rows_scanned++;
    if (qu->q->filter != NULL) {
        struct any_row any;
        struct row_ref ref = any_row_ref(&any, qu->kind);
        int rc;

        arena_reset(&qu->row);
        rc = mem_row_decode(b, row, qu->kind, &qu->row, &any);
        if (rc < 0) {
            return rc;
        }
        if (!filter_matches_row(qu->q->filter, &ref, &qu->tools.text)) {
            return 0;
        }
    }
    cf->src->hits[cf->src->hits_n++] = (struct hit){time_ns, id, at};
    return 0;
}

static int take_hits(struct opener *o, struct source *src, size_t n)
{
    src->hits = mem_try_alloc(n * sizeof(*src->hits));
    if (src->hits == NULL || !query_charge(o->qu, (int64_t)(n * sizeof(*src->hits)))) {
        return query_no_memory(o->reterr);
    }
    src->hits_cap = n;
    return 0;
}

static int open_chunk(struct opener *o, struct source *src)
{
    struct chunk_filter cf = {.o = o, .src = src};
    struct query *qu = o->qu;
    int rc = take_hits(o, src, src->chunk->info.rows_n);

    if (rc < 0) {
        return rc;
    }
    rc = mem_chunk_each(src->chunk, qu->q->min_ns, qu->q->max_ns, &qu->scratch, filter_chunk_row,
                        &cf, o->reterr);
    qu->stats.blocks_read++;
    qu->stats.bytes_read += src->chunk->payload.n;
    return rc == -ERR_NOMEM ? query_no_memory(o->reterr) : rc;
}

/* Hits of the rows whose bits are set. */
static int block_hits(struct opener *o, struct source *src, struct block *b, const uint64_t *bits)
{
    const int64_t *time;
    const int64_t *id;
    int rc = take_hits(o, src, block_count(b, bits));

    rc = rc < 0 ? rc : block_ints(b, COL_TIME, &time);
    rc = rc < 0 ? rc : block_ints(b, COL_ID, &id);
    for (size_t w = 0; w < block_words(b) && rc == 0; w++) {
        for (uint64_t left = bits[w]; left != 0; left &= left - 1) {
            uint32_t row = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(left);

            if (after_cursor(o->s, time[row], (uint64_t)id[row])) {
                src->hits[src->hits_n++] = (struct hit){time[row], (uint64_t)id[row], row};
            }
        }
    }
    return rc;
}

static int open_block(struct opener *o, struct source *src)
{
    struct query *qu = o->qu;
    struct block b;
    uint64_t *bits;
    int rc = block_open(src->part, src->block, &qu->scratch, &qu->tools, &b, o->reterr);

    if (rc < 0) {
        return rc;
    }
    bits = arena_array(&qu->scratch, uint64_t, block_words(&b));
    rc = bits != NULL ? block_filter(&b, src->all ? NULL : qu->q->filter, bits)
                      : block_no_memory(&b);
    if (rc == 0) {
        *(b.decoded_n != 0 ? &qu->stats.blocks_read : &qu->stats.blocks_pruned) += 1;
        qu->stats.rows_scanned += b.decoded_n != 0 ? block_rows_n(&b) : 0;
    } else if (rc > 0) {
        qu->stats.blocks_read++;
        qu->stats.rows_scanned += block_rows_n(&b);
        rc = block_filter_time(&b, qu->q->min_ns, qu->q->max_ns, bits);
        rc = rc < 0 ? rc : block_hits(o, src, &b, bits);
    }
    qu->stats.bytes_read += b.read_bytes;
    return rc;
}

static void close_source(struct scan *s, struct source *src)
{
    mem_free(src->hits);
    src->hits = NULL;
    query_discharge(&s->qu, (int64_t)(src->hits_cap * sizeof(struct hit)));
    src->hits_cap = 0;
}

static void heap_up(struct scan *s, size_t i)
{
    while (i != 0) {
        size_t up = (i - 1) / 2;
        struct source *t = s->heap[i];

        if (!hit_first(s, &t->hits[t->at], &s->heap[up]->hits[s->heap[up]->at])) {
            return;
        }
        s->heap[i] = s->heap[up];
        s->heap[up] = t;
        i = up;
    }
}

static void heap_down(struct scan *s)
{
    size_t i = 0;

    for (;;) {
        size_t best = i;

        for (size_t kid = 2 * i + 1; kid <= 2 * i + 2 && kid < s->heap_n; kid++) {
            struct source *k = s->heap[kid];

            if (hit_first(s, &k->hits[k->at], &s->heap[best]->hits[s->heap[best]->at])) {
                best = kid;
            }
        }
        if (best == i) {
            return;
        }
        struct source *t = s->heap[i];

        s->heap[i] = s->heap[best];
        s->heap[best] = t;
        i = best;
    }
}

/* Hits of the source, in order. */
static int open_source(struct opener *o, struct source *src, size_t other_bytes)
{
    struct query *qu = o->qu;
    int rc = cancel_check(qu->q->cancel);

    if (rc == 0) {
        arena_reset(&qu->scratch);
        rc = src->chunk != NULL ? open_chunk(o, src) : open_block(o, src);
        rc = rc < 0 || query_account(qu, other_bytes) ? rc : query_no_memory(o->reterr);
        query_unload(qu);
    }
    if (rc < 0) {
        return rc == -ERR_CANCELED || rc == -ERR_TIMEOUT
                   ? err_set(o->reterr, (enum err_code) - rc, "scan stopped")
                   : rc;
    }
    sort_hits(o->s, src->hits, src->hits_n);
    return 0;
}

/* Its rows are among those to come. */
static void take_source(struct scan *s, struct source *src)
{
    if (src->hits_n == 0) {
        close_source(s, src);
        return;
    }
    s->heap[s->heap_n++] = src;
    heap_up(s, s->heap_n - 1);
}

/* May the source hold a row that comes before the one known? */
static bool may_come_first(const struct scan *s, const struct source *next, const struct hit *known)
{
    return s->oldest_first ? next->min_ns <= known->time_ns : next->max_ns >= known->time_ns;
}

/* Are all of the source's rows in front of the cursor? */
static bool is_behind(const struct scan *s, const struct source *next)
{
    return has_cursor(s) &&
           (s->oldest_first ? next->max_ns < s->before_ns : next->min_ns > s->before_ns);
}

/* ---- several sources at once ---- */

struct batch_open {
    struct scan *s;
    atomic_size_t next; /* relaxed: pool_for() orders the work before and after */
    atomic_bool failed; /* relaxed: the others stop soon */
    int rc[OPENERS_MAX];
    size_t failed_at[OPENERS_MAX];
    struct err err[OPENERS_MAX];
};

static void open_some(void *arg, size_t number)
{
    struct batch_open *b = arg;
    struct scan *s = b->s;
    struct opener o = {s, number == 0 ? &s->qu : &s->forks[number - 1], &b->err[number]};
    size_t other = number == 0 ? s->page_arena.used : 0;

    while (!atomic_load_explicit(&b->failed, memory_order_relaxed)) {
        size_t at = atomic_fetch_add_explicit(&b->next, 1, memory_order_relaxed);

        if (at >= s->batch_n) {
            return;
        }
        b->rc[number] = open_source(&o, s->batch[at], other);
        if (b->rc[number] < 0) {
            b->failed_at[number] = at;
            atomic_store_explicit(&b->failed, true, memory_order_relaxed);
            return;
        }
    }
}

/* The gathered sources on several threads. The error is that of the first that failed. */
static int open_parallel(struct scan *s, size_t threads)
{
    struct batch_open b = {.s = s};
    size_t bad = SIZE_MAX;

    while (s->forks_n + 1 < threads) {
        query_fork(&s->qu, &s->forks[s->forks_n++]);
    }
    atomic_init(&b.next, 0);
    atomic_init(&b.failed, false);
    pool_for(s->qu.c->opts.pool, threads, open_some, &b);
    for (size_t i = 0; i < s->forks_n; i++) { /* hits are the query's */
        struct query *fork = &s->forks[i];

        s->qu.charged_bytes += fork->charged_bytes - fork->arena_bytes;
        fork->charged_bytes = fork->arena_bytes;
    }
    for (size_t i = 0; i < threads; i++) {
        if (b.rc[i] < 0 && (bad == SIZE_MAX || b.failed_at[i] < b.failed_at[bad])) {
            bad = i;
        }
    }
    if (bad != SIZE_MAX) {
        if (s->reterr != NULL) {
            *s->reterr = b.err[bad];
        }
        return b.rc[bad];
    }
    return 0;
}

static int open_batch(struct scan *s)
{
    const struct columns_opts *opts = &s->qu.c->opts;
    size_t threads = opts->pool != NULL ? pool_threads(opts->pool) : 1;
    struct opener alone = {s, &s->qu, s->reterr};
    uint64_t rows = 0;
    int rc = 0;

    for (size_t i = 0; i < s->batch_n; i++) {
        const struct source *src = s->batch[i];

        rows += src->chunk != NULL ? src->chunk->info.rows_n
                                   : part_block(src->part, src->block)->rows_n;
    }
    threads = threads < s->batch_n ? threads : s->batch_n;
    threads = threads < OPENERS_MAX ? threads : OPENERS_MAX;
    if (threads > 1 && rows >= opts->parallel_rows) {
        rc = open_parallel(s, threads);
    } else {
        for (size_t i = 0; i < s->batch_n && rc == 0; i++) {
            rc = open_source(&alone, s->batch[i], s->page_arena.used);
        }
    }
    for (size_t i = 0; i < s->batch_n && rc == 0; i++) {
        take_source(s, s->batch[i]);
    }
    return rc;
}

/* Is there no need to open the source? Else what its resources say is noted. @return 1, 0, an error */
static int is_needless(struct scan *s, struct source *src)
{
    enum decision d;
    int rc;

    if (is_behind(s, src)) {
        return 1;
    }
    if (src->chunk != NULL) {
        return 0;
    }
    rc = query_decide(&s->qu, src, &d, s->reterr);
    src->all = d == DECISION_ALL;
    if (rc == 0 && d == DECISION_NONE) {
        s->qu.stats.blocks_pruned++;
        return 1;
    }
    return rc;
}

/* How many are opened at once: more and more while no row is found; not many that turn out to be too many. */
static size_t batch_size(const struct scan *s)
{
    if (s->heap_n == 0) {
        return s->batch_max;
    }
    return s->qu.q->to_end ? BATCH_AHEAD : BATCH_FIRST;
}

/* Sources that may hold a row that comes before the first known one; ahead of time where all rows will be taken.
 * @return 1 when there may be others, 0, an error */
static int gather_batch(struct scan *s)
{
    size_t most = batch_size(s);

    s->batch_n = 0;
    while (s->opened < s->qu.sources_n && s->batch_n < most) {
        struct source *next = &s->qu.sources[s->opened];
        int rc;

        if (s->heap_n != 0 && !(s->qu.q->to_end && s->batch_n != 0) &&
            !may_come_first(s, next, &s->heap[0]->hits[s->heap[0]->at])) {
            return 0;
        }
        if (s->opened % CHECK_EVERY == 0) {
            arena_reset(&s->qu.scratch);
            rc = cancel_check(s->qu.q->cancel);
            if (rc < 0) {
                return err_set(s->reterr, (enum err_code) - rc, "scan stopped");
            }
        }
        s->opened++;
        rc = is_needless(s, next);
        if (rc < 0) {
            return rc;
        }
        if (rc == 0) {
            s->batch[s->batch_n++] = next;
        }
    }
    return s->opened < s->qu.sources_n;
}

/* Open every source that may hold a row that comes before the first known one. */
static int open_needed(struct scan *s)
{
    int rc = 1;

    while (rc > 0) {
        int opened;

        rc = gather_batch(s);
        if (rc < 0 || s->batch_n == 0) {
            return rc < 0 ? rc : 0;
        }
        opened = open_batch(s);
        if (opened < 0) {
            return opened;
        }
        s->batch_max = s->batch_max * 2 < BATCH_MAX ? s->batch_max * 2 : BATCH_MAX;
    }
    return 0;
}

/* Rows of one source in the page: from the row encoding. */
static int make_chunk_rows(struct scan *s, const struct picked *v, size_t n)
{
    struct batch b;
    const struct mem_chunk *chunk = v[0].source->chunk;
    int rc = rowcodec_open(chunk->payload, &s->page_arena, &b, s->reterr);

    for (size_t i = 0; i < n && rc == 0; i++) {
        uint32_t pos = v[i].hit.row;
        struct str row = {0};
        int64_t time_ns;

        rc = rowcodec_next(&b, &pos, &row, &time_ns);
        if (rc == 1) {
            rc = mem_row_decode(&b, row, s->qu.kind, &s->page_arena, &s->rows[v[i].order]);
        }
        if (rc < 0) {
            return rc == -ERR_NOMEM
                       ? query_no_memory(s->reterr)
                       : err_set(s->reterr, ERR_CORRUPT, "row batch in memory is damaged");
        }
    }
    return rc;
}

static int make_block_rows(struct scan *s, const struct picked *v, size_t n)
{
    struct block b;
    struct any_row **dst;
    uint32_t *rows;
    int rc;

    arena_reset(&s->qu.scratch);
    rc = block_open(v[0].source->part, v[0].source->block, &s->qu.scratch, &s->qu.tools, &b,
                    s->reterr);
    if (rc < 0) {
        return rc;
    }
    dst = arena_array(&s->qu.scratch, struct any_row *, n);
    rows = arena_array(&s->qu.scratch, uint32_t, n);
    if (dst == NULL || rows == NULL) {
        return query_no_memory(s->reterr);
    }
    for (size_t i = 0; i < n; i++) {
        rows[i] = v[i].hit.row;
        dst[i] = &s->rows[v[i].order];
    }
    rc = block_make_rows(&b, rows, n, &s->page_arena, query_need(s->qu.q), dst);
    s->qu.stats.bytes_read += b.read_bytes;
    return rc;
}

static int compare_picked(const void *pa, const void *pb)
{
    const struct picked *a = pa;
    const struct picked *b = pb;

    if (a->source != b->source) {
        return a->source < b->source ? -1 : 1;
    }
    return (a->order > b->order) - (a->order < b->order);
}

static int make_rows(struct scan *s)
{
    arena_reset(&s->page_arena);
    qsort(s->page, s->page_n, sizeof(*s->page), compare_picked);
    for (size_t i = 0; i < s->page_n;) {
        size_t end = i + 1;
        int rc;

        while (end < s->page_n && s->page[end].source == s->page[i].source) {
            end++;
        }
        rc = s->page[i].source->chunk != NULL ? make_chunk_rows(s, &s->page[i], end - i)
                                              : make_block_rows(s, &s->page[i], end - i);
        if (rc < 0) {
            return rc;
        }
        if (!query_account(&s->qu, s->page_arena.used)) {
            return query_no_memory(s->reterr);
        }
        i = end;
    }
    return 0;
}

/* Gather the next rows in order. */
static int fill_page(struct scan *s)
{
    size_t bytes = 0;

    s->page_n = 0;
    while (s->page_n < s->page_size && bytes < PAGE_BYTES) {
        struct source *top;
        int rc = open_needed(s);

        if (rc < 0) {
            return rc;
        }
        if (s->heap_n == 0) {
            break;
        }
        top = s->heap[0];
        s->page[s->page_n] = (struct picked){top, top->hits[top->at], (uint32_t)s->page_n};
        s->page_n++;
        bytes += top->row_bytes;
        if (++top->at == top->hits_n) {
            close_source(s, top);
            s->heap[0] = s->heap[--s->heap_n];
        }
        if (s->heap_n != 0) {
            heap_down(s);
        }
    }
    return 0;
}

static int emit_page(struct scan *s, uint64_t *ids)
{
    for (size_t i = 0; i < s->page_n; i++) {
        const struct any_row *r = &s->rows[i];
        int rc = s->emit.span != NULL ? s->emit.span(s->emit.arg, &r->span, ids[i])
                                      : s->emit.log(s->emit.arg, &r->log, ids[i]);

        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int scan_pages(struct scan *s)
{
    uint64_t ids[PAGE_MAX] = {0};

    for (;;) {
        int rc = fill_page(s);

        if (rc < 0 || s->page_n == 0) {
            return rc;
        }
        for (size_t i = 0; i < s->page_n; i++) {
            ids[i] = s->page[i].hit.id;
        }
        rc = make_rows(s);
        if (rc == 0) {
            rc = emit_page(s, ids);
        }
        if (rc != 0) {
            return rc < 0 ? rc : 0;
        }
        s->page_size = s->page_size * 2 < PAGE_MAX ? s->page_size * 2 : PAGE_MAX;
    }
}

static int scan_run(struct columns *c, const struct columns_query *q, struct cursor before,
                    struct emit emit, struct scan_stats *ret_stats, struct err *reterr)
{
    struct scan s = {.emit = emit,
                     .before_ns = before.ns,
                     .before_id = before.id,
                     .oldest_first = q->oldest_first,
                     .page_size = PAGE_FIRST,
                     .batch_max = BATCH_FIRST,
                     .reterr = reterr};
    enum columns_kind kind = emit.span != NULL ? COLUMNS_SPANS : COLUMNS_LOGS;
    struct columns_query cut = *q;
    int rc;

    if (c->opts.kind != kind) {
        return err_set(reterr, ERR_INVALID, "this store holds the other kind of rows");
    }
    if (has_cursor(&s) && !s.oldest_first && before.ns < cut.max_ns) {
        cut.max_ns = before.ns + 1; /* nothing newer than the cursor is of interest */
    } else if (has_cursor(&s) && s.oldest_first && before.ns > cut.min_ns) {
        cut.min_ns = before.ns;
    }
    rc = query_begin(c, &cut, kind, &s.qu, reterr);
    if (rc < 0) {
        return rc;
    }
    arena_init(&s.page_arena, QUERY_ARENA_MAX);
    s.heap = mem_try_calloc(s.qu.sources_n + 1, sizeof(struct source *));
    s.page = mem_try_calloc(PAGE_MAX, sizeof(*s.page));
    s.rows = mem_try_calloc(PAGE_MAX, sizeof(*s.rows));
    rc = s.heap == NULL || s.page == NULL || s.rows == NULL ? query_no_memory(reterr)
                                                            : scan_pages(&s);
    mem_free(s.heap);
    mem_free(s.page);
    mem_free(s.rows);
    arena_done(&s.page_arena);
    for (size_t i = 0; i < s.forks_n; i++) {
        query_join(&s.qu, &s.forks[i]);
    }
    query_end(&s.qu, ret_stats);
    return rc;
}

int columns_scan_spans(struct columns *c, const struct columns_query *q, int64_t before_ns,
                       uint64_t before_id, columns_span_fn fn, void *arg,
                       struct scan_stats *ret_stats, struct err *reterr)
{
    return scan_run(c, q, (struct cursor){before_ns, before_id},
                    (struct emit){.span = fn, .arg = arg}, ret_stats, reterr);
}

int columns_scan_logs(struct columns *c, const struct columns_query *q, int64_t before_ns,
                      uint64_t before_id, columns_log_fn fn, void *arg,
                      struct scan_stats *ret_stats, struct err *reterr)
{
    return scan_run(c, q, (struct cursor){before_ns, before_id},
                    (struct emit){.log = fn, .arg = arg}, ret_stats, reterr);
}
