/* SPDX-License-Identifier: Apache-2.0
 *
 * Merging parts of one day: size-tiered, so that a row is rewritten a logarithmic number of times. Sources
 * are read block by block in their common order (stream, time, id); nothing larger than a block per source
 * is in memory, but for the trace index of the result, which is why parts stop growing at MERGE_MAX_ROWS.
 */
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "io/vfs.h"
#include "store/columns/block.h"
#include "store/columns/columns_internal.h"
#include "store/columns/part_write.h"
#include "store/columns/rowcodec.h"
#include "store/columns/scan_internal.h"

enum {
    MERGE_LEVEL = 3,
    MERGE_MIN = 4,  /* parts of one tier */
    MERGE_MAX = 16, /* parts at once */
    MERGE_MAX_ROWS = 8000000,
    TIER_BYTES = 1 << 20, /* tier 0 ends here, each next one is four times as large */
};

struct cursor {
    struct part *part;
    uint64_t *streams; /* sort key per resource of the part */
    uint32_t block;    /* next to load */
    struct arena columns;
    struct arena rows_arena;
    struct any_row *rows;
    const int64_t *ids;
    const int64_t *resources;
    const int64_t *scopes;
    uint32_t n;
    uint32_t at;
};

struct merge {
    struct columns *c;
    struct cursor cursors[MERGE_MAX];
    size_t n;
    struct part_writer *writer;
    struct block_tools tools;
    uint64_t rows_total;
    uint64_t rows_done;
    uint32_t *resource_map[MERGE_MAX]; /* of a source to the result, + 1 */
    uint32_t *scope_map[MERGE_MAX];
    struct err *reterr;
};

static int no_memory(struct merge *m)
{
    return err_set(m->reterr, ERR_NOMEM, "no memory to merge parts of %s", m->c->opts.dir);
}

static int cursor_streams(struct merge *m, struct cursor *cu)
{
    uint32_t n = part_resources(cu->part);

    cu->streams = mem_try_calloc((size_t)n + 1, sizeof(*cu->streams));
    if (cu->streams == NULL) {
        return no_memory(m);
    }
    for (uint32_t i = 0; i < n; i++) {
        struct str bytes = part_resource_bytes(cu->part, i);
        struct rd r = rd_of(bytes);
        struct resource res = {0};
        int rc;

        arena_reset(&cu->columns);
        rc = resource_decode(&r, &cu->columns, &res);
        if (rc < 0) {
            return err_set(m->reterr, ERR_CORRUPT, "%s/index is damaged: resource %u",
                           columns_part_dir(cu->part), i);
        }
        cu->streams[i] = stream_key(&res, bytes);
    }
    return 0;
}

/* Make the rows of the next block. */
static int cursor_load(struct merge *m, struct cursor *cu)
{
    struct any_row **dst;
    uint32_t *rows;
    struct block b;
    size_t n;
    int rc;

    cu->at = 0;
    cu->n = 0;
    if (cu->block == part_blocks(cu->part)) {
        return 0;
    }
    if (columns_stopping(m->c)) {
        return err_set(m->reterr, ERR_CANCELED, "merge stopped");
    }
    arena_reset(&cu->columns);
    arena_reset(&cu->rows_arena);
    rc = block_open(cu->part, cu->block++, &cu->columns, &m->tools, &b, m->reterr);
    if (rc < 0) {
        return rc;
    }
    n = block_rows_n(&b);
    cu->rows = arena_array(&cu->columns, struct any_row, n);
    dst = arena_array(&cu->columns, struct any_row *, n);
    rows = arena_array(&cu->columns, uint32_t, n);
    if (cu->rows == NULL || dst == NULL || rows == NULL) {
        return no_memory(m);
    }
    for (size_t i = 0; i < n; i++) {
        rows[i] = (uint32_t)i;
        dst[i] = &cu->rows[i];
    }
    rc = block_make_rows(&b, rows, n, &cu->rows_arena, ROWS_NEED_ALL, dst);
    rc = rc < 0 ? rc : block_ints(&b, COL_ID, &cu->ids);
    rc = rc < 0 ? rc : block_ints(&b, COL_RESOURCE, &cu->resources);
    rc = rc < 0 ? rc : block_ints(&b, COL_SCOPE, &cu->scopes);
    cu->n = rc == 0 ? (uint32_t)n : 0;
    return rc;
}

static int64_t row_time(const struct merge *m, const struct cursor *cu)
{
    return m->c->opts.kind == COLUMNS_SPANS ? cu->rows[cu->at].span.start_ns
                                            : cu->rows[cu->at].log.time_ns;
}

static bool comes_before(const struct merge *m, const struct cursor *a, const struct cursor *b)
{
    uint64_t sa = a->streams[a->resources[a->at]];
    uint64_t sb = b->streams[b->resources[b->at]];
    int64_t ta;
    int64_t tb;

    if (sa != sb) {
        return sa < sb;
    }
    ta = row_time(m, a);
    tb = row_time(m, b);
    return ta != tb ? ta < tb : (uint64_t)a->ids[a->at] < (uint64_t)b->ids[b->at];
}

static int map_tables(struct merge *m, size_t i, uint32_t *ret_resource, uint32_t *ret_scope)
{
    struct cursor *cu = &m->cursors[i];
    uint32_t r = (uint32_t)cu->resources[cu->at];
    uint32_t s = (uint32_t)cu->scopes[cu->at];
    int rc = 0;

    if (m->resource_map[i][r] == 0) {
        rc = part_writer_resource(m->writer, part_resource_bytes(cu->part, r), ret_resource,
                                  m->reterr);
        m->resource_map[i][r] = rc == 0 ? *ret_resource + 1 : 0;
    }
    if (rc == 0 && m->scope_map[i][s] == 0) {
        rc = part_writer_scope(m->writer, part_scope_bytes(cu->part, s), ret_scope, m->reterr);
        m->scope_map[i][s] = rc == 0 ? *ret_scope + 1 : 0;
    }
    if (rc == 0) {
        *ret_resource = m->resource_map[i][r] - 1;
        *ret_scope = m->scope_map[i][s] - 1;
    }
    return rc;
}

static int put_row(struct merge *m, size_t i)
{
    struct cursor *cu = &m->cursors[i];
    const struct any_row *row = &cu->rows[cu->at];
    uint64_t stream = cu->streams[cu->resources[cu->at]];
    uint64_t id = (uint64_t)cu->ids[cu->at];
    uint32_t resource = 0;
    uint32_t scope = 0;
    int rc = map_tables(m, i, &resource, &scope);

    if (rc < 0) {
        return rc;
    }
    rc = m->c->opts.kind == COLUMNS_SPANS
             ? part_writer_span(m->writer, &row->span, id, stream, resource, scope, m->reterr)
             : part_writer_log(m->writer, &row->log, id, stream, resource, scope, m->reterr);
    if (rc < 0) {
        return rc;
    }
    m->rows_done++;
    if (++cu->at == cu->n) {
        job_progress(m->c, JOB_MERGE, (double)m->rows_done / (double)m->rows_total);
        return cursor_load(m, cu);
    }
    return 0;
}

static int merge_rows(struct merge *m)
{
    for (;;) {
        size_t best = SIZE_MAX;
        int rc;

        for (size_t i = 0; i < m->n; i++) {
            if (m->cursors[i].n != 0 &&
                (best == SIZE_MAX || comes_before(m, &m->cursors[i], &m->cursors[best]))) {
                best = i;
            }
        }
        if (best == SIZE_MAX) {
            return 0;
        }
        rc = put_row(m, best);
        if (rc < 0) {
            return rc;
        }
    }
}

static int merge_begin(struct merge *m, struct part **parts, size_t n)
{
    m->n = n;
    for (size_t i = 0; i < n; i++) {
        struct cursor *cu = &m->cursors[i];

        cu->part = parts[i];
        m->rows_total += part_rows(parts[i]);
        arena_init(&cu->columns, QUERY_ARENA_MAX);
        arena_init(&cu->rows_arena, QUERY_ARENA_MAX);
        m->resource_map[i] = mem_try_calloc((size_t)part_resources(parts[i]) + 1, 4);
        m->scope_map[i] = mem_try_calloc((size_t)part_scopes(parts[i]) + 1, 4);
        if (m->resource_map[i] == NULL || m->scope_map[i] == NULL) {
            return no_memory(m);
        }
    }
    for (size_t i = 0; i < n; i++) {
        int rc = cursor_streams(m, &m->cursors[i]);

        rc = rc < 0 ? rc : cursor_load(m, &m->cursors[i]);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static void merge_done(struct merge *m)
{
    part_writer_abort(m->writer);
    for (size_t i = 0; i < m->n; i++) {
        mem_free(m->cursors[i].streams);
        arena_done(&m->cursors[i].columns);
        arena_done(&m->cursors[i].rows_arena);
        mem_free(m->resource_map[i]);
        mem_free(m->scope_map[i]);
    }
    block_tools_done(&m->tools);
    mem_free(m);
}

static int merge_parts(struct columns *c, struct part **parts, size_t n, struct err *reterr)
{
    struct merge *m = mem_try_calloc(1, sizeof(*m));
    uint32_t day = part_day(parts[0]);
    uint64_t seq = c->next_seq++;
    struct part *result = NULL;
    uint64_t bytes = 0;
    char path[4096];
    int rc;

    if (m == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory to merge");
    }
    m->c = c;
    m->reterr = reterr;
    block_tools_init(&m->tools);
    part_path(c, day, seq, path, sizeof(path));
    rc = merge_begin(m, parts, n);
    rc = rc < 0
             ? rc
             : part_writer_open(c->opts.vfs, path, c->opts.kind, MERGE_LEVEL, &m->writer, reterr);
    rc = rc < 0 ? rc : merge_rows(m);
    if (rc == 0) {
        struct part_writer *w = m->writer;

        m->writer = NULL;
        rc = columns_part_writer_finish(w, &bytes, reterr);
    }
    rc = rc < 0 ? rc : columns_part_open(path, day, seq, &result, reterr);
    if (rc == 0) {
        struct change ch = {.add = &result, .add_n = 1, .remove = parts, .remove_n = n};

        rc = columns_publish(c, &ch, reterr);
        if (rc < 0) {
            ignore_result(vfs_remove_tree(c->opts.vfs, path, NULL),
                          "not in the manifest: removed at the next start");
            columns_part_unref(result);
        }
    }
    if (rc == 0) {
        counter_add(c->stats.merges, 1);
        counter_add(c->stats.merged_rows, m->rows_total);
        counter_add(c->stats.written_bytes, bytes);
        log_debug("columns", "merged", L_CSTR("dir", c->opts.dir), L_INT("day", day),
                  L_INT("parts", n), L_INT("rows", m->rows_total), L_INT("bytes", bytes));
    }
    merge_done(m);
    return rc;
}

static unsigned tier_of(const struct part *p)
{
    unsigned tier = 0;

    for (uint64_t size = part_bytes(p); size > TIER_BYTES; size /= 4) {
        tier++;
    }
    return tier;
}

static int by_size(const void *pa, const void *pb)
{
    uint64_t a = part_bytes(*(struct part *const *)pa);
    uint64_t b = part_bytes(*(struct part *const *)pb);

    return (a > b) - (a < b);
}

/* The parts of one day to merge now: the smallest tier with enough of them, or just all. */
static size_t choose(struct part **day, size_t n, bool all, struct part **dst)
{
    qsort(day, n, sizeof(struct part *), by_size);
    for (size_t from = 0; from + 1 < n;) {
        uint64_t rows = 0;
        size_t end = from;

        while (end < n && end - from < MERGE_MAX &&
               (all || tier_of(day[end]) == tier_of(day[from])) &&
               rows + part_rows(day[end]) <= MERGE_MAX_ROWS) {
            rows += part_rows(day[end]);
            end++;
        }
        if (end - from >= (all ? 2 : MERGE_MIN)) {
            memcpy(dst, day + from, (end - from) * sizeof(struct part *));
            return end - from;
        }
        from = end > from ? end : from + 1;
    }
    return 0;
}

/* The next set of parts to merge; `from_day` is left behind when nothing is due in it. */
static size_t next_merge(struct columns *c, bool all, struct part **dst)
{
    struct part **day = mem_try_calloc(c->parts.n + 1, sizeof(struct part *));
    size_t found = 0;

    for (size_t i = 0; i < c->parts.n && found == 0 && day != NULL;) {
        size_t n = 0;
        uint32_t d = part_day(c->parts.v[i]);

        for (; i < c->parts.n && part_day(c->parts.v[i]) == d; i++) {
            day[n++] = c->parts.v[i];
        }
        found = choose(day, n, all, dst);
    }
    mem_free(day);
    return found;
}

int columns_merge_locked(struct columns *c, bool all, struct err *reterr)
{
    struct part *parts[MERGE_MAX];
    int merges = 0;

    for (;;) {
        struct mono start = clock_mono();
        size_t n = next_merge(c, all, parts); /* the list only changes with maintenance held */
        int rc;

        if (n == 0) {
            return merges;
        }
        job_begin(c, JOB_MERGE);
        rc = merge_parts(c, parts, n, reterr);
        job_end(c, JOB_MERGE, rc == 0, mono_since_ns(start));
        timing_observe_ns(c->stats.merge_time, mono_since_ns(start));
        if (rc < 0) {
            return rc;
        }
        merges++;
    }
}
