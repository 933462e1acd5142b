/* SPDX-License-Identifier: Apache-2.0
 *
 * Merging parts of one day: size-tiered, so that a row is rewritten a logarithmic number of times. Sources
 * are read block by block in their common order (stream, time, id). A full block of one resource goes over as it
 * is, without being decoded; only small and mixed blocks are taken apart into rows. Nothing larger than a
 * block per source is in memory, but for the trace index of the result, which is why parts stop growing at
 * MERGE_MAX_ROWS. Deleted rows stay behind.
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
    MERGE_LEVEL = 1,
    MERGE_MIN = 4,  /* parts of one tier */
    MERGE_MAX = 16, /* parts at once */
    MERGE_MAX_ROWS = 8000000,
    UNLOAD_BLOCKS = 64,   /* after as many of a part their pages are given back */
    TIER_BYTES = 1 << 20, /* tier 0 ends here, each next one is four times as large */
    PACE_MS = 20,         /* of work, then as long a rest: background merges take half a core */
};

struct cursor {
    struct part *part;
    uint64_t *streams; /* sort key per resource of the part */
    uint32_t block;    /* next to load or copy */
    bool copy;         /* it is to be copied; else the rows at hand are of the block before */
    bool done;
    uint32_t *copied; /* per block: its number in the result + 1; 0: not copied */
    struct arena columns;
    struct arena rows_arena;
    struct any_row *rows;
    const uint32_t *index; /* of each row in its block */
    const int64_t *ids;
    const int64_t *resources;
    const int64_t *scopes;
    uint32_t n;
    uint32_t at;
    uint64_t stream; /* of what comes next */
    int64_t time_ns;
    uint64_t id;
};

struct merge {
    struct columns *c;
    bool all; /* somebody waits: no rests */
    struct cursor cursors[MERGE_MAX];
    size_t n;
    struct part_writer *writer;
    struct block_tools tools;
    struct mono work_since;
    uint64_t rows_total;
    uint64_t rows_done;
    uint64_t rows_kept;
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

/* Between two blocks: stop, let a flush in that cannot wait, rest. */
static int breathe(struct merge *m)
{
    struct columns *c = m->c;
    bool flush;

    if (columns_stopping(c)) {
        return err_set(m->reterr, ERR_CANCELED, "merge stopped");
    }
    job_progress(c, JOB_MERGE, (double)m->rows_done / (double)m->rows_total);
    mutex_lock(&c->lock);
    flush = c->flush_wanted;
    mutex_unlock(&c->lock);
    if (flush) {
        struct err err = {0};

        if (columns_flush_locked(c, &err) < 0) { /* tried again after the merge */
            log_warn("columns", "flush during a merge failed", L_CSTR("dir", c->opts.dir),
                     L_CSTR("error", err.msg));
        }
        m->work_since = clock_mono();
    } else if (!m->all && mono_since_ns(m->work_since) > PACE_MS * 1000000LL) {
        clock_sleep_ms(PACE_MS);
        m->work_since = clock_mono();
    }
    return 0;
}

/* A block that can go over as it is: large enough, of one resource, nothing deleted. */
static bool can_copy(const struct cursor *cu)
{
    const struct block_entry *e = part_block(cu->part, cu->block);

    return part_has_blooms(cu->part) && e->resource_min == e->resource_max &&
           part_deleted(cu->part, cu->block) == NULL &&
           (e->rows_n >= BLOCK_ROWS_SPLIT || e->raw_bytes >= BLOCK_BYTES / 2);
}

/* What comes next by rows. */
static void set_row_key(const struct merge *m, struct cursor *cu)
{
    cu->stream = cu->streams[cu->resources[cu->index[cu->at]]];
    cu->time_ns = m->c->opts.kind == COLUMNS_SPANS ? cu->rows[cu->at].span.start_ns
                                                   : cu->rows[cu->at].log.time_ns;
    cu->id = (uint64_t)cu->ids[cu->index[cu->at]];
}

/* Make the rows of the next block that are not deleted. */
static int load_block(struct merge *m, struct cursor *cu)
{
    struct any_row **dst;
    uint32_t *rows;
    struct block b;
    size_t n;
    size_t kept = 0;
    int rc;

    arena_reset(&cu->columns);
    arena_reset(&cu->rows_arena);
    rc = block_open(cu->part, cu->block, &cu->columns, &m->tools, &b, m->reterr);
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
    for (uint32_t i = 0; i < n; i++) {
        if (b.deleted == NULL || (b.deleted[i / 64] >> (i % 64) & 1) == 0) {
            rows[kept] = i;
            dst[kept] = &cu->rows[kept];
            kept++;
        }
    }
    rc = block_make_rows(&b, rows, kept, &cu->rows_arena, ROWS_NEED_ALL, dst);
    rc = rc < 0 ? rc : block_ints(&b, COL_ID, &cu->ids);
    rc = rc < 0 ? rc : block_ints(&b, COL_RESOURCE, &cu->resources);
    rc = rc < 0 ? rc : block_ints(&b, COL_SCOPE, &cu->scopes);
    cu->index = rows;
    m->rows_done += n - kept;
    cu->n = rc == 0 ? (uint32_t)kept : 0;
    return rc;
}

/* The next rows or block to copy. */
static int cursor_next(struct merge *m, struct cursor *cu)
{
    cu->at = 0;
    cu->n = 0;
    for (; cu->block < part_blocks(cu->part); cu->block++) {
        int rc = breathe(m);

        if (cu->block % UNLOAD_BLOCKS == UNLOAD_BLOCKS - 1) {
            columns_part_unload(cu->part);
        }

        if (rc < 0) {
            return rc;
        }
        if (can_copy(cu)) {
            const struct block_entry *e = part_block(cu->part, cu->block);

            cu->copy = true;
            cu->stream = cu->streams[e->resource_min];
            cu->time_ns = e->min_ns;
            cu->id = 0;
            return 0;
        }
        rc = load_block(m, cu);
        if (rc < 0) {
            return rc;
        }
        if (cu->n != 0) {
            cu->block++;
            set_row_key(m, cu);
            return 0;
        }
    }
    cu->done = true;
    return 0;
}

static bool comes_before(const struct cursor *a, const struct cursor *b)
{
    if (a->stream != b->stream) {
        return a->stream < b->stream;
    }
    return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->id < b->id;
}

static int map_resource(struct merge *m, size_t i, uint32_t r, uint32_t *ret)
{
    if (m->resource_map[i][r] == 0) {
        int rc = part_writer_resource(m->writer, part_resource_bytes(m->cursors[i].part, r), ret,
                                      m->reterr);

        if (rc < 0) {
            return rc;
        }
        m->resource_map[i][r] = *ret + 1;
    }
    *ret = m->resource_map[i][r] - 1;
    return 0;
}

static int map_scope(struct merge *m, size_t i, uint32_t s, uint32_t *ret)
{
    if (m->scope_map[i][s] == 0) {
        int rc =
            part_writer_scope(m->writer, part_scope_bytes(m->cursors[i].part, s), ret, m->reterr);

        if (rc < 0) {
            return rc;
        }
        m->scope_map[i][s] = *ret + 1;
    }
    *ret = m->scope_map[i][s] - 1;
    return 0;
}

static int put_row(struct merge *m, size_t i)
{
    struct cursor *cu = &m->cursors[i];
    const struct any_row *row = &cu->rows[cu->at];
    uint32_t at = cu->index[cu->at];
    uint32_t resource = 0;
    uint32_t scope = 0;
    int rc = map_resource(m, i, (uint32_t)cu->resources[at], &resource);

    rc = rc < 0 ? rc : map_scope(m, i, (uint32_t)cu->scopes[at], &scope);
    if (rc < 0) {
        return rc;
    }
    rc = m->c->opts.kind == COLUMNS_SPANS ? part_writer_span(m->writer, &row->span, cu->id,
                                                             cu->stream, resource, scope, m->reterr)
                                          : part_writer_log(m->writer, &row->log, cu->id,
                                                            cu->stream, resource, scope, m->reterr);
    if (rc < 0) {
        return rc;
    }
    m->rows_done++;
    m->rows_kept++;
    if (++cu->at == cu->n) {
        return cursor_next(m, cu);
    }
    set_row_key(m, cu);
    return 0;
}

static int copy_block(struct merge *m, size_t i)
{
    struct cursor *cu = &m->cursors[i];
    const struct block_entry *e = part_block(cu->part, cu->block);
    struct block b;
    const int64_t *old;
    int64_t *scopes;
    uint32_t resource = 0;
    uint32_t number = 0;
    int rc;

    arena_reset(&cu->columns);
    rc = block_open(cu->part, cu->block, &cu->columns, &m->tools, &b, m->reterr);
    rc = rc < 0 ? rc : map_resource(m, i, e->resource_min, &resource);
    rc = rc < 0 ? rc : block_ints(&b, COL_SCOPE, &old);
    scopes = arena_array(&cu->columns, int64_t, e->rows_n);
    if (rc < 0 || scopes == NULL) {
        return rc < 0 ? rc : no_memory(m);
    }
    for (uint32_t row = 0; row < e->rows_n && rc == 0; row++) {
        uint32_t s = 0;

        if (row != 0 && old[row] == old[row - 1]) {
            scopes[row] = scopes[row - 1];
            continue;
        }
        if ((uint64_t)old[row] >= part_scopes(cu->part)) {
            return block_corrupt(&b, "scope of a row");
        }
        rc = map_scope(m, i, (uint32_t)old[row], &s);
        scopes[row] = s;
    }
    rc = rc < 0 ? rc : part_writer_copy(m->writer, &b, resource, scopes, &number, m->reterr);
    if (rc < 0) {
        return rc;
    }
    cu->copied[cu->block] = number + 1;
    cu->copy = false;
    cu->block++;
    m->rows_done += e->rows_n;
    m->rows_kept += e->rows_n;
    return cursor_next(m, cu);
}

static int merge_rows(struct merge *m)
{
    for (;;) {
        size_t best = SIZE_MAX;
        int rc;

        for (size_t i = 0; i < m->n; i++) {
            if (!m->cursors[i].done &&
                (best == SIZE_MAX || comes_before(&m->cursors[i], &m->cursors[best]))) {
                best = i;
            }
        }
        if (best == SIZE_MAX) {
            return 0;
        }
        rc = m->cursors[best].copy ? copy_block(m, best) : put_row(m, best);
        if (rc < 0) {
            return rc;
        }
    }
}

/* Traces of the blocks that were copied: from the sources' own indexes. */
static int copy_traces(struct merge *m)
{
    int rc = 0;

    for (size_t i = 0; i < m->n && rc == 0; i++) {
        rc =
            part_writer_copy_traces(m->writer, m->cursors[i].part, m->cursors[i].copied, m->reterr);
    }
    return rc;
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
        cu->copied = mem_try_calloc((size_t)part_blocks(parts[i]) + 1, sizeof(*cu->copied));
        if (m->resource_map[i] == NULL || m->scope_map[i] == NULL || cu->copied == NULL) {
            return no_memory(m);
        }
    }
    for (size_t i = 0; i < n; i++) {
        int rc = cursor_streams(m, &m->cursors[i]);

        rc = rc < 0 ? rc : cursor_next(m, &m->cursors[i]);
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
        mem_free(m->cursors[i].copied);
        arena_done(&m->cursors[i].columns);
        arena_done(&m->cursors[i].rows_arena);
        mem_free(m->resource_map[i]);
        mem_free(m->scope_map[i]);
    }
    block_tools_done(&m->tools);
    mem_free(m);
}

/* Write what is left of the sources as one part. @return 1; 0 when no row is left */
static int write_part(struct merge *m, struct part **parts, size_t n, uint64_t *ret_bytes,
                      struct part **ret)
{
    struct columns *c = m->c;
    uint32_t day = part_day(parts[0]);
    uint64_t seq = c->next_seq++;
    struct part_writer *w;
    char path[4096];
    int rc;

    part_path(c, day, seq, path, sizeof(path));
    rc = part_writer_open(c->opts.vfs, path, c->opts.kind,
                          (struct part_writer_opts){.level = MERGE_LEVEL}, &m->writer, m->reterr);
    rc = rc < 0 ? rc : merge_begin(m, parts, n);
    rc = rc < 0 ? rc : merge_rows(m);
    rc = rc < 0 ? rc : copy_traces(m);
    if (rc < 0 || m->rows_kept == 0) {
        return rc; /* merge_done() removes what was begun */
    }
    w = m->writer;
    m->writer = NULL;
    rc = columns_part_writer_finish(w, ret_bytes, m->reterr);
    rc = rc < 0 ? rc : columns_part_open(path, day, seq, 0, ret, m->reterr);
    return rc < 0 ? rc : 1;
}

static int merge_parts(struct columns *c, struct part **parts, size_t n, bool all,
                       struct err *reterr)
{
    struct merge *m = mem_try_calloc(1, sizeof(*m));
    struct part *result = NULL;
    uint64_t bytes = 0;
    int rc;

    if (m == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory to merge");
    }
    m->c = c;
    m->all = all;
    m->reterr = reterr;
    m->work_since = clock_mono();
    block_tools_init(&m->tools);
    rc = write_part(m, parts, n, &bytes, &result);
    if (rc >= 0) {
        struct change ch = {
            .add = &result, .add_n = rc == 1 ? 1 : 0, .remove = parts, .remove_n = n};

        rc = columns_publish(c, &ch, reterr);
        if (rc < 0 && result != NULL) {
            ignore_result(vfs_remove_tree(c->opts.vfs, columns_part_dir(result), NULL),
                          "not in the manifest: removed at the next start");
            columns_part_unref(result);
        }
    }
    if (rc == 0) {
        counter_add(c->stats.merges, 1);
        counter_add(c->stats.merged_rows, m->rows_total);
        counter_add(c->stats.written_bytes, bytes);
        log_debug("columns", "merged", L_CSTR("dir", c->opts.dir), L_INT("parts", n),
                  L_INT("rows", m->rows_total), L_INT("bytes", bytes));
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

    for (size_t i = 0; i < c->parts.n && found == 0; i++) { /* deleted rows go first */
        if (part_mask(c->parts.v[i]) != 0) {
            dst[found++] = c->parts.v[i];
        }
    }
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
        rc = merge_parts(c, parts, n, all, reterr);
        job_end(c, JOB_MERGE, rc == 0, mono_since_ns(start));
        timing_observe_ns(c->stats.merge_time, mono_since_ns(start));
        if (rc < 0) {
            return rc;
        }
        merges++;
    }
}
