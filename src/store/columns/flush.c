/* SPDX-License-Identifier: Apache-2.0
 *
 * From the in-memory part to parts on disk, one per UTC day of row time. The order is what makes it safe:
 * seal, write parts, manifest, then cut the WAL. A crash anywhere leaves each row in exactly one place: rows
 * replayed from the WAL that are in parts have ids below the manifest's flushed_id and are dropped.
 */
#include <stdlib.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/log.h"
#include "io/vfs.h"
#include "store/columns/columns_internal.h"
#include "store/columns/order.h"
#include "store/columns/part.h"
#include "store/columns/part_write.h"
#include "store/columns/scan_internal.h"

enum {
    FLUSH_LEVEL = 1,
    KEEP_OPEN_ROWS = 16, /* batches with fewer rows are opened again for each */
    FLUSH_ARENA = 1 << 30,
};

/* Rows of one day and stream lie together. */
struct flush_group {
    uint64_t stream;
    uint32_t day;
    uint32_t number; /* in order, once all are known */
};

struct flush {
    struct columns *c;
    struct mem_gen **gens;
    size_t gens_n;
    const struct mem_chunk **chunks;
    struct batch *open; /* per chunk; rows_n == 0 until opened */
    size_t chunks_n;
    VEC(struct order_row) rows;
    struct order_row *sorted; /* rows.v or scratch */
    struct order_row *scratch;
    VEC(struct flush_group) groups;
    uint32_t *slots; /* index of a group + 1 by hash; power of two */
    size_t slots_n;
    uint32_t last_group; /* of the row before */
    uint32_t last_day;
    int64_t day_from_ns; /* of last_day, and its end */
    int64_t day_to_ns;
    VEC(struct part *) parts;
    struct arena tables; /* of open batches */
    struct arena row;
    struct part_writer *writer;
    uint32_t day;
    uint64_t seq;
    const char *last_resource; /* where its encoding lies, to skip the look-up */
    const char *last_scope;
    uint32_t resource;
    uint32_t scope;
    uint64_t bytes;
    struct err *reterr;
};

static int no_memory(struct flush *f)
{
    return err_set(f->reterr, ERR_NOMEM, "no memory to flush %s", f->c->opts.dir);
}

struct list_arg {
    struct flush *f;
    uint32_t chunk;
};

static bool groups_grow(struct flush *f)
{
    size_t n = f->slots_n != 0 ? f->slots_n * 2 : 1024;
    uint32_t *slots = mem_try_calloc(n, sizeof(*slots));

    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < f->groups.n; i++) {
        size_t at = hash_u64(f->groups.v[i].stream ^ f->groups.v[i].day) & (n - 1);

        while (slots[at] != 0) {
            at = (at + 1) & (n - 1);
        }
        slots[at] = (uint32_t)i + 1;
    }
    mem_free(f->slots);
    f->slots = slots;
    f->slots_n = n;
    return true;
}

/* Index of the group. @return false without memory */
static bool find_group(struct flush *f, uint32_t day, uint64_t stream, uint32_t *ret)
{
    struct flush_group g = {.stream = stream, .day = day};
    size_t at;

    if (f->last_group < f->groups.n && f->groups.v[f->last_group].stream == stream &&
        f->groups.v[f->last_group].day == day) {
        *ret = f->last_group;
        return true;
    }
    if ((f->groups.n + 1) * 2 > f->slots_n && !groups_grow(f)) {
        return false;
    }
    at = hash_u64(stream ^ day) & (f->slots_n - 1);
    while (f->slots[at] != 0 && !(f->groups.v[f->slots[at] - 1].stream == stream &&
                                  f->groups.v[f->slots[at] - 1].day == day)) {
        at = (at + 1) & (f->slots_n - 1);
    }
    if (f->slots[at] == 0) {
        if (!vec_push(&f->groups, g)) {
            return false;
        }
        f->slots[at] = (uint32_t)f->groups.n;
    }
    *ret = f->last_group = f->slots[at] - 1;
    return true;
}

static uint32_t row_day(struct flush *f, int64_t time_ns)
{
    const int64_t day_ns = 86400LL * 1000000000;

    if (f->last_day == 0 || time_ns < f->day_from_ns || time_ns >= f->day_to_ns) {
        f->last_day = day_of_ns(time_ns);
        f->day_from_ns = time_ns - time_ns % day_ns; /* times before 1970 are not taken */
        f->day_to_ns = f->day_from_ns + day_ns;
    }
    return f->last_day;
}

static int list_row(void *arg, const struct batch *b, struct str row, uint32_t at, int64_t time_ns,
                    uint64_t id)
{
    struct list_arg *l = arg;
    size_t resource = 0;
    size_t scope;
    int rc = rowcodec_row_tables(b, row, &resource, &scope);
    struct order_row r = {.time_ns = time_ns, .id = id, .chunk = l->chunk, .at = at};

    if (rc < 0) {
        return rc;
    }
    if (!find_group(l->f, row_day(l->f, time_ns), b->streams[resource], &r.group)) {
        return -ERR_NOMEM;
    }
    return vec_push(&l->f->rows, r) ? 0 : -ERR_NOMEM;
}

static int compare_groups(const void *pa, const void *pb)
{
    const struct flush_group *a = pa;
    const struct flush_group *b = pb;

    if (a->day != b->day) {
        return a->day < b->day ? -1 : 1;
    }
    return (a->stream > b->stream) - (a->stream < b->stream);
}

/* Rows by (day, stream, time, id). Groups are left in their order. */
static bool sort_rows(struct flush *f)
{
    size_t n = f->groups.n;
    uint32_t *renumber = mem_try_calloc(n + 1, sizeof(*renumber));
    uint32_t *starts = mem_try_calloc(n + 1, sizeof(*starts));
    bool ok;

    f->scratch = mem_try_calloc(f->rows.n + 1, sizeof(*f->scratch));
    ok = renumber != NULL && starts != NULL && f->scratch != NULL;
    if (ok) {
        for (size_t i = 0; i < n; i++) {
            f->groups.v[i].number = (uint32_t)i;
        }
        qsort(f->groups.v, n, sizeof(*f->groups.v), compare_groups);
        for (size_t i = 0; i < n; i++) {
            renumber[f->groups.v[i].number] = (uint32_t)i;
        }
        for (size_t i = 0; i < f->rows.n; i++) {
            f->rows.v[i].group = renumber[f->rows.v[i].group];
        }
        f->sorted = order_rows(f->rows.v, f->scratch, f->rows.n, starts, n);
    }
    mem_free(renumber);
    mem_free(starts);
    return ok;
}

/* Sort order of all rows, without decoding them. */
static int list_rows(struct flush *f)
{
    for (size_t i = 0; i < f->chunks_n; i++) {
        struct list_arg l = {f, (uint32_t)i};
        int rc;

        arena_reset(&f->row);
        rc = mem_chunk_each(f->chunks[i], INT64_MIN, INT64_MAX, &f->row, list_row, &l, f->reterr);
        if (rc < 0) {
            return rc == -ERR_NOMEM ? no_memory(f) : rc;
        }
    }
    return f->rows.n == 0 || sort_rows(f) ? 0 : no_memory(f);
}

static int finish_part(struct flush *f)
{
    char path[4096];
    struct part_writer *w = f->writer;
    struct part *p;
    uint64_t bytes;
    int rc;

    if (w == NULL) {
        return 0;
    }
    f->writer = NULL;
    part_path(f->c, f->day, f->seq, path, sizeof(path));
    rc = columns_part_writer_finish(w, &bytes, f->reterr);
    rc = rc < 0 ? rc : columns_part_open(path, f->day, f->seq, 0, &p, f->reterr);
    if (rc < 0) {
        return rc;
    }
    f->bytes += bytes;
    if (!vec_push(&f->parts, p)) {
        columns_part_unref(p);
        return no_memory(f);
    }
    return 0;
}

static int begin_part(struct flush *f, uint32_t day)
{
    char path[4096];

    f->day = day;
    f->seq = f->c->next_seq++;
    f->last_resource = NULL;
    f->last_scope = NULL;
    part_path(f->c, day, f->seq, path, sizeof(path));
    return part_writer_open(f->c->opts.vfs, path, f->c->opts.kind,
                            (struct part_writer_opts){.level = FLUSH_LEVEL, .borrow = true},
                            &f->writer, f->reterr);
}

/* The row's batch: large ones stay open, small ones are opened into the row's arena. */
static int row_batch(struct flush *f, const struct order_row *r, struct batch *ret)
{
    const struct mem_chunk *chunk = f->chunks[r->chunk];
    struct batch *b = &f->open[r->chunk];
    bool keep = chunk->info.rows_n >= KEEP_OPEN_ROWS;
    int rc = 0;

    if (b->info.rows_n == 0) {
        rc = rowcodec_open(chunk->payload, keep ? &f->tables : &f->row, ret, f->reterr);
        if (rc == 0 && keep) {
            *b = *ret;
        }
        return rc;
    }
    *ret = *b;
    return 0;
}

static int row_tables(struct flush *f, const struct batch *b, struct str row)
{
    size_t resource = 0;
    size_t scope = 0;
    int rc = rowcodec_row_tables(b, row, &resource, &scope);

    if (rc < 0) {
        return rc;
    }
    if (b->resource_bytes[resource].p != f->last_resource) {
        rc = part_writer_resource(f->writer, b->resource_bytes[resource], &f->resource, f->reterr);
        f->last_resource = b->resource_bytes[resource].p;
    }
    if (rc == 0 && b->scope_bytes[scope].p != f->last_scope) {
        rc = part_writer_scope(f->writer, b->scope_bytes[scope], &f->scope, f->reterr);
        f->last_scope = b->scope_bytes[scope].p;
    }
    return rc;
}

static int write_row(struct flush *f, const struct order_row *r)
{
    struct any_row any;
    struct batch b;
    struct str row = {0};
    int64_t time_ns;
    uint32_t pos = r->at;
    int rc;

    arena_reset(&f->row);
    rc = row_batch(f, r, &b);
    rc = rc < 0 ? rc : rowcodec_next(&b, &pos, &row, &time_ns);
    rc = rc < 0 ? rc : row_tables(f, &b, row);
    rc = rc < 0 ? rc : mem_row_decode(&b, row, f->c->opts.kind, &f->row, &any);
    if (rc < 0) {
        return rc;
    }
    return f->c->opts.kind == COLUMNS_SPANS
               ? part_writer_span(f->writer, &any.span, r->id, f->groups.v[r->group].stream,
                                  f->resource, f->scope, f->reterr)
               : part_writer_log(f->writer, &any.log, r->id, f->groups.v[r->group].stream,
                                 f->resource, f->scope, f->reterr);
}

static int write_rows(struct flush *f)
{
    for (size_t i = 0; i < f->rows.n; i++) {
        const struct order_row *r = &f->sorted[i];
        uint32_t day = f->groups.v[r->group].day;
        int rc = 0;

        if (f->writer == NULL || day != f->day) {
            rc = finish_part(f);
            rc = rc < 0 ? rc : begin_part(f, day);
        }
        rc = rc < 0 ? rc : write_row(f, r);
        if (rc < 0) {
            return rc == -ERR_NOMEM ? no_memory(f) : rc;
        }
        if (i % 4096 == 0) {
            job_progress(f->c, JOB_FLUSH, (double)i / (double)f->rows.n);
        }
    }
    return finish_part(f);
}

/* Close the active generation. Every append that got an id in it has ended when this returns. */
static int seal(struct columns *c, struct err *reterr)
{
    struct mem_gen *fresh = mem_gen_new(c->opts.budget);
    bool ok;

    if (fresh == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory to flush %s", c->opts.dir);
    }
    mutex_lock(&c->lock);
    c->flush_wanted = false;
    ok = vec_reserve(&c->sealed, 1);
    if (ok && (c->active->rows != 0 || c->active->inflight != 0)) {
        struct mem_gen *old = c->active;

        old->end_id = c->next_id;
        c->sealed.v[c->sealed.n++] = old;
        c->active = fresh;
        fresh = NULL;
        while (old->inflight != 0) {
            cond_wait(&c->appended, &c->lock);
        }
    }
    mutex_unlock(&c->lock);
    mem_gen_unref(fresh);
    return ok ? 0 : err_set(reterr, ERR_NOMEM, "no memory to flush %s", c->opts.dir);
}

/* Generations to write: sealed ones do not change any more and only this thread removes them. */
static int flush_begin(struct columns *c, struct flush *f)
{
    size_t n = 0;

    f->gens = mem_try_calloc(c->sealed.n + 1, sizeof(struct mem_gen *));
    if (f->gens == NULL) {
        return no_memory(f);
    }
    for (size_t i = 0; i < c->sealed.n; i++) {
        f->gens[f->gens_n++] = c->sealed.v[i];
        n += c->sealed.v[i]->chunks.n;
    }
    f->chunks = mem_try_calloc(n + 1, sizeof(struct mem_chunk *));
    f->open = mem_try_calloc(n + 1, sizeof(*f->open));
    if (f->chunks == NULL || f->open == NULL) {
        return no_memory(f);
    }
    for (size_t i = 0; i < f->gens_n; i++) {
        for (size_t k = 0; k < f->gens[i]->chunks.n; k++) {
            f->chunks[f->chunks_n++] = &f->gens[i]->chunks.v[k];
        }
    }
    return 0;
}

static void flush_done(struct flush *f)
{
    part_writer_abort(f->writer);
    mem_free(f->gens);
    mem_free(f->chunks);
    mem_free(f->open);
    vec_done(&f->rows);
    vec_done(&f->groups);
    mem_free(f->scratch);
    mem_free(f->slots);
    vec_done(&f->parts);
    arena_done(&f->tables);
    arena_done(&f->row);
}

static int flush_sealed(struct columns *c, struct err *reterr)
{
    struct flush f = {.c = c, .reterr = reterr};
    struct change ch = {0};
    int rc;

    arena_init(&f.tables, FLUSH_ARENA);
    arena_init(&f.row, FLUSH_ARENA);
    rc = flush_begin(c, &f);
    rc = rc < 0 ? rc : list_rows(&f);
    rc = rc < 0 ? rc : write_rows(&f);
    if (rc == 0) {
        ch = (struct change){.add = f.parts.v,
                             .add_n = f.parts.n,
                             .flushed_gens = f.gens_n,
                             .flushed_id = f.gens[f.gens_n - 1]->end_id};
        rc = columns_publish(c, &ch, reterr);
    }
    if (rc == 0) {
        counter_add(c->stats.written_bytes, f.bytes);
        log_debug("columns", "flushed", L_CSTR("dir", c->opts.dir), L_INT("rows", f.rows.n),
                  L_INT("parts", f.parts.n), L_INT("bytes", f.bytes));
    } else {
        for (size_t i = 0; i < f.parts.n; i++) {
            ignore_result(vfs_remove_tree(c->opts.vfs, columns_part_dir(f.parts.v[i]), NULL),
                          "not in the manifest: removed at the next start");
            columns_part_unref(f.parts.v[i]);
        }
    }
    flush_done(&f);
    return rc;
}

int columns_flush_locked(struct columns *c, struct err *reterr)
{
    struct mono start = clock_mono();
    uint64_t segment;
    size_t sealed;
    int rc = wal_rotate(c->wal, &segment, reterr); /* before the seal: all of it lies below, or has
                                                      ids below flushed_id */

    if (rc < 0) {
        err_prefix(reterr, "WAL of %s", c->opts.dir);
    }
    rc = rc < 0 ? rc : seal(c, reterr);
    if (rc < 0) {
        counter_add(c->stats.flush_failures, 1);
        return rc;
    }
    mutex_lock(&c->lock);
    sealed = c->sealed.n;
    mutex_unlock(&c->lock);
    if (sealed == 0) {
        return wal_truncate(c->wal, segment, reterr);
    }
    job_begin(c, JOB_FLUSH);
    rc = flush_sealed(c, reterr);
    rc = rc < 0 ? rc : wal_truncate(c->wal, segment, reterr);
    job_end(c, JOB_FLUSH, rc == 0, mono_since_ns(start));
    timing_observe_ns(c->stats.flush_time, mono_since_ns(start));
    counter_add(rc == 0 ? c->stats.flushes : c->stats.flush_failures, 1);
    return rc;
}
