/* SPDX-License-Identifier: Apache-2.0
 *
 * The writer of parts. Blocks go to the file as they are cut; only the index (64 bytes a block), the tables
 * and one fingerprint per (trace, block) stay in memory until the end.
 */
#include "store/columns/part_write.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/vec.h"
#include "io/vfs.h"
#include "store/columns/block.h"
#include "store/columns/block_build.h"
#include "store/columns/block_format.h"
#include "store/columns/ints.h"
#include "store/columns/order.h"
#include "store/columns/part_format.h"
#include "store/columns/trace_filter.h"

enum { PATH_MAX_LEN = 4096, WRITE_AT = 1 << 20, TABLE_MAX = 1 << 30 };

/* Encodings of resources or scopes, each once. */
struct table {
    struct map index; /* encoding -> number + 1 */
    struct buf bytes; /* n × (u32 length, bytes) */
    uint32_t n;
};

struct part_writer {
    const struct vfs *vfs;
    char dir[PATH_MAX_LEN];
    char tmp[PATH_MAX_LEN];
    enum columns_kind kind;
    int fd; /* of data; -1: none */
    struct block_builder *builder;
    struct buf out; /* blocks not yet written */
    uint64_t data_bytes;
    VEC(struct block_entry) blocks;
    VEC(struct order_pair) traces; /* fingerprint, block */
    size_t traces_cut;             /* those from here on are of the block being built */
    struct table resources;
    struct table scopes;
    struct arena keys; /* of the tables */
    struct block_entry cur;
    uint64_t last_stream;
    uint64_t rows_n;
    int64_t min_ns;
    int64_t max_ns;
};

uint64_t trace_fingerprint(const uint8_t id[16])
{
    return hash64(id, 16) >> 16;
}

static void writer_free(struct part_writer *w)
{
    if (w->fd >= 0) {
        w->vfs->close(w->vfs->ctx, w->fd);
    }
    block_builder_free(w->builder);
    buf_done(&w->out);
    vec_done(&w->blocks);
    vec_done(&w->traces);
    map_done(&w->resources.index);
    map_done(&w->scopes.index);
    buf_done(&w->resources.bytes);
    buf_done(&w->scopes.bytes);
    arena_done(&w->keys);
    mem_free(w);
}

void part_writer_abort(struct part_writer *w)
{
    if (w == NULL) {
        return;
    }
    ignore_result(vfs_remove_tree(w->vfs, w->tmp, NULL), "leftovers are removed at the next open");
    writer_free(w);
}

static int open_file(struct part_writer *w, const char *name, struct err *reterr)
{
    char path[PATH_MAX_LEN + 16];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", w->tmp, name);
    fd = w->vfs->open(w->vfs->ctx, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    return fd >= 0 ? fd : err_set_errno(reterr, -fd, "cannot create %s", path);
}

int part_writer_open(const struct vfs *vfs, const char *dir, enum columns_kind kind,
                     struct part_writer_opts opts, struct part_writer **ret, struct err *reterr)
{
    struct part_writer *w = mem_try_calloc(1, sizeof(*w));
    int rc;

    if (w == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory to write %s", dir);
    }
    w->vfs = vfs;
    w->kind = kind;
    w->fd = -1;
    w->min_ns = INT64_MAX;
    w->max_ns = INT64_MIN;
    w->builder = block_builder_new(opts.level, opts.borrow);
    buf_init(&w->out, TABLE_MAX);
    buf_init(&w->resources.bytes, TABLE_MAX);
    buf_init(&w->scopes.bytes, TABLE_MAX);
    arena_init(&w->keys, TABLE_MAX);
    if (w->builder == NULL) {
        rc = err_set(reterr, ERR_NOMEM, "no memory to write %s", dir);
    } else if (snprintf(w->dir, sizeof(w->dir), "%s", dir) >= (int)sizeof(w->dir) ||
               snprintf(w->tmp, sizeof(w->tmp), "%s.tmp", dir) >= (int)sizeof(w->tmp)) {
        rc = err_set(reterr, ERR_INVALID, "path %.100s... is too long", dir);
    } else {
        rc = vfs_mkdirs(vfs, w->tmp, reterr);
    }
    if (rc == 0) {
        rc = open_file(w, "data", reterr);
    }
    if (rc < 0) {
        part_writer_abort(w);
        return rc;
    }
    w->fd = rc;
    *ret = w;
    return 0;
}

static int table_put(struct part_writer *w, struct table *t, struct str encoded, uint32_t *ret,
                     struct err *reterr)
{
    void *known = map_get(&t->index, encoded);
    const uint32_t n = (uint32_t)encoded.n;
    struct str key;

    if (known != NULL) {
        *ret = (uint32_t)(uintptr_t)known - 1;
        return 0;
    }
    key = arena_str_dup(&w->keys, encoded);
    buf_add(&t->bytes, &n, sizeof(n));
    buf_add_str(&t->bytes, encoded);
    if (key.p == NULL || t->bytes.failed ||
        map_put(&t->index, key, (void *)(uintptr_t)(t->n + 1)) < 0) {
        return err_set(reterr, ERR_NOMEM, "no memory for the tables of %s", w->dir);
    }
    *ret = t->n++;
    return 0;
}

int part_writer_resource(struct part_writer *w, struct str encoded, uint32_t *ret,
                         struct err *reterr)
{
    return table_put(w, &w->resources, encoded, ret, reterr);
}

int part_writer_scope(struct part_writer *w, struct str encoded, uint32_t *ret, struct err *reterr)
{
    return table_put(w, &w->scopes, encoded, ret, reterr);
}

static int write_out(struct part_writer *w, struct err *reterr)
{
    int rc = vfs_write_all(w->vfs, w->fd, w->out.data, w->out.n, reterr);

    if (rc < 0) {
        err_prefix(reterr, "%s/data", w->tmp);
        return rc;
    }
    buf_clear(&w->out);
    return 0;
}

/* The block at w->out's end, from `at`, is complete: into the index. */
static int keep_block(struct part_writer *w, size_t at, size_t dir_bytes, struct block_entry e,
                      struct err *reterr)
{
    e.offset = w->data_bytes;
    e.bytes = (uint32_t)(w->out.n - at);
    e.dir_bytes = (uint32_t)dir_bytes;
    e.dir_crc = crc32c(0, w->out.data + at, dir_bytes);
    w->data_bytes += e.bytes;
    if (!vec_push(&w->blocks, e)) {
        return err_set(reterr, ERR_NOMEM, "no memory for the index of %s", w->dir);
    }
    return w->out.n >= WRITE_AT ? write_out(w, reterr) : 0;
}

static int cut_block(struct part_writer *w, struct err *reterr)
{
    size_t at = w->out.n;
    size_t raw = block_raw_bytes(w->builder);
    int64_t dir;

    if (block_rows(w->builder) == 0) {
        return 0;
    }
    w->cur.rows_n = (uint32_t)block_rows(w->builder);
    w->cur.raw_bytes = raw < UINT32_MAX ? (uint32_t)raw : UINT32_MAX;
    dir = block_finish(w->builder, &w->out);
    if (dir < 0) {
        return err_set(reterr, (enum err_code) - dir, "block of %u rows for %s: %s", w->cur.rows_n,
                       w->dir, err_text((int)dir));
    }
    for (; w->traces_cut < w->traces.n; w->traces_cut++) {
        w->traces.v[w->traces_cut].value = (uint32_t)w->blocks.n;
    }
    return keep_block(w, at, (size_t)dir, w->cur, reterr);
}

static int row_begin(struct part_writer *w, int64_t time_ns, uint64_t stream, uint32_t resource,
                     const uint8_t trace[16], struct err *reterr)
{
    size_t rows = block_rows(w->builder);
    uint8_t any = 0;

    if (rows >= BLOCK_ROWS || block_raw_bytes(w->builder) >= BLOCK_BYTES ||
        (rows >= BLOCK_ROWS_SPLIT && stream != w->last_stream)) {
        int rc = cut_block(w, reterr);

        if (rc < 0) {
            return rc;
        }
        rows = 0;
    }
    if (rows == 0) {
        w->cur = (struct block_entry){.min_ns = time_ns,
                                      .max_ns = time_ns,
                                      .resource_min = resource,
                                      .resource_max = resource};
    }
    w->last_stream = stream;
    w->cur.min_ns = time_ns < w->cur.min_ns ? time_ns : w->cur.min_ns;
    w->cur.max_ns = time_ns > w->cur.max_ns ? time_ns : w->cur.max_ns;
    w->cur.resource_min = resource < w->cur.resource_min ? resource : w->cur.resource_min;
    w->cur.resource_max = resource > w->cur.resource_max ? resource : w->cur.resource_max;
    w->min_ns = time_ns < w->min_ns ? time_ns : w->min_ns;
    w->max_ns = time_ns > w->max_ns ? time_ns : w->max_ns;
    w->rows_n++;
    for (size_t i = 0; i < TRACE_ID_SIZE; i++) {
        any |= trace[i];
    }
    if (any != 0) {
        struct order_pair e = {trace_fingerprint(trace) >> SHORT_SHIFT,
                               0}; /* the block's number when it is cut */
        const struct order_pair *last =
            w->traces.n != w->traces_cut ? &w->traces.v[w->traces.n - 1] : NULL;

        if ((last == NULL || last->key != e.key) && !vec_push(&w->traces, e)) {
            return err_set(reterr, ERR_NOMEM, "no memory for the trace index of %s", w->dir);
        }
    }
    return 0;
}

static int row_added(struct part_writer *w, int rc, struct err *reterr)
{
    return rc < 0 ? err_set(reterr, (enum err_code) - rc, "row of %s: %s", w->dir, err_text(rc))
                  : 0;
}

int part_writer_span(struct part_writer *w, const struct span *s, uint64_t id, uint64_t stream,
                     uint32_t resource, uint32_t scope, struct err *reterr)
{
    int rc = row_begin(w, s->start_ns, stream, resource, s->trace_id.b, reterr);

    return rc < 0 ? rc : row_added(w, block_add_span(w->builder, s, id, resource, scope), reterr);
}

int part_writer_log(struct part_writer *w, const struct log_record *l, uint64_t id, uint64_t stream,
                    uint32_t resource, uint32_t scope, struct err *reterr)
{
    int rc = row_begin(w, l->time_ns, stream, resource, l->trace_id.b, reterr);

    return rc < 0 ? rc : row_added(w, block_add_log(w->builder, l, id, resource, scope), reterr);
}

int part_writer_copy(struct part_writer *w, const struct block *b, uint32_t resource,
                     const int64_t *scopes, uint32_t *ret_number, struct err *reterr)
{
    struct block_entry e = *b->entry;
    size_t at = w->out.n;
    int64_t dir;

    dir = block_relocate(b, resource, scopes, &w->out);
    if (dir < 0) {
        return err_set(reterr, (enum err_code) - dir, "block of %u rows for %s: %s", e.rows_n,
                       w->dir, err_text((int)dir));
    }
    e.resource_min = resource;
    e.resource_max = resource;
    w->min_ns = e.min_ns < w->min_ns ? e.min_ns : w->min_ns;
    w->max_ns = e.max_ns > w->max_ns ? e.max_ns : w->max_ns;
    w->rows_n += e.rows_n;
    *ret_number = (uint32_t)w->blocks.n;
    return keep_block(w, at, (size_t)dir, e, reterr);
}

struct copied_traces {
    struct part_writer *w;
    const uint32_t *copied;
};

static int copy_trace(void *arg, uint64_t fingerprint, uint32_t block)
{
    struct copied_traces *t = arg;

    if (t->copied[block] == 0) {
        return 0;
    }
    return vec_push(&t->w->traces, (struct order_pair){fingerprint, t->copied[block] - 1})
               ? 0
               : -ERR_NOMEM;
}

int part_writer_copy_traces(struct part_writer *w, const struct part *p, const uint32_t *copied,
                            struct err *reterr)
{
    struct copied_traces t = {w, copied};
    int rc = cut_block(w, reterr); /* rows' entries come first */

    rc = rc < 0 ? rc : part_each_trace(p, copy_trace, &t, reterr);
    w->traces_cut = w->traces.n;

    return rc == -ERR_NOMEM
               ? err_set(reterr, ERR_NOMEM, "no memory for the trace index of %s", w->dir)
               : rc;
}

/* @return false without memory */
static bool sort_traces(struct part_writer *w)
{
    struct order_pair *scratch = mem_try_calloc(w->traces.n + 1, sizeof(*scratch));
    const struct order_pair *sorted;
    size_t n = 0;

    if (scratch == NULL) {
        return false;
    }
    sorted = order_pairs(w->traces.v, scratch, w->traces.n);
    for (size_t i = 0; i < w->traces.n; i++) { /* in place: `sorted` may be the list itself */
        if (n == 0 || w->traces.v[n - 1].key != sorted[i].key ||
            w->traces.v[n - 1].value != sorted[i].value) {
            w->traces.v[n++] = sorted[i];
        }
    }
    w->traces.n = n;
    mem_free(scratch);
    return true;
}

/* The filter over the sorted fingerprints, each once, and its checksum, at the end of the file.
 * @return bytes of the filter; 0: there is none */
static uint32_t build_filter(const struct part_writer *w, struct buf *dst)
{
    const struct order_pair *v = w->traces.v;
    size_t n = 0;
    size_t pad = (TRACE_FILTER_BLOCK - dst->n % TRACE_FILTER_BLOCK) % TRACE_FILTER_BLOCK;
    size_t bytes;
    uint8_t *filter;
    uint32_t crc;

    for (size_t i = 0; i < w->traces.n; i++) {
        n += i == 0 || v[i].key != v[i - 1].key;
    }
    bytes = trace_filter_bytes(n);
    filter = (uint8_t *)buf_reserve(dst, pad + bytes + sizeof(crc));
    if (n == 0 || filter == NULL) {
        return 0;
    }
    memset(filter, 0, pad + bytes);
    filter += pad; /* each block within one cache line */
    for (size_t i = 0; i < w->traces.n; i++) {
        if (i == 0 || v[i].key != v[i - 1].key) {
            trace_filter_add(filter, bytes, (uint32_t)v[i].key);
        }
    }
    crc = crc32c(0, filter, bytes);
    memcpy(filter + bytes, &crc, sizeof(crc));
    dst->n += pad + bytes + sizeof(crc);
    return (uint32_t)bytes;
}

/* The `traces` file in one buffer. */
static void build_traces(struct part_writer *w, struct buf *dst)
{
    struct trace_header h = {.magic = TRACE_MAGIC, .version = PART_VERSION};
    size_t pages_at = sizeof(h);
    struct trace_page *page;

    if (!sort_traces(w)) {
        dst->failed = true;
        dst->nomem = true;
        return;
    }
    h.entries_n = w->traces.n;
    h.pages_n = (uint32_t)((w->traces.n + TRACE_PAGE - 1) / TRACE_PAGE);
    if (buf_reserve(dst, sizeof(h) + h.pages_n * sizeof(*page)) == NULL) {
        return;
    }
    memset(dst->data, 0, sizeof(h) + h.pages_n * sizeof(*page));
    dst->n = sizeof(h) + h.pages_n * sizeof(*page);
    for (uint32_t p = 0; p < h.pages_n && !dst->failed; p++) {
        const struct order_pair *v = w->traces.v + (size_t)p * TRACE_PAGE;
        size_t n = w->traces.n - (size_t)p * TRACE_PAGE;
        int64_t ints[TRACE_PAGE];
        int64_t scratch[TRACE_PAGE];
        struct trace_page e = {.first = v[0].key, .offset = dst->n};

        n = n < TRACE_PAGE ? n : TRACE_PAGE;
        for (size_t i = 0; i < n; i++) {
            ints[i] = (int64_t)v[i].key;
        }
        ints_encode(ints, n, scratch, dst);
        for (size_t i = 0; i < n; i++) {
            ints[i] = v[i].value;
        }
        ints_encode(ints, n, scratch, dst);
        if (!dst->failed) {
            e.bytes = (uint32_t)(dst->n - e.offset);
            e.entries_n = (uint32_t)n;
            e.crc = crc32c(0, dst->data + e.offset, e.bytes);
            memcpy(dst->data + pages_at + p * sizeof(e), &e, sizeof(e));
        }
    }
    h.filter_bytes = dst->failed ? 0 : build_filter(w, dst);
    if (!dst->failed) {
        h.pages_crc = crc32c(0, dst->data + pages_at, h.pages_n * sizeof(*page));
        h.header_crc = crc32c(0, &h, offsetof(struct trace_header, header_crc));
        memcpy(dst->data, &h, sizeof(h));
    }
}

static void build_index(struct part_writer *w, uint64_t traces_bytes, struct buf *dst)
{
    struct part_header h = {.magic = PART_MAGIC,
                            .version = PART_VERSION,
                            .kind = (uint32_t)w->kind,
                            .blocks_n = (uint32_t)w->blocks.n,
                            .rows_n = w->rows_n,
                            .min_ns = w->min_ns,
                            .max_ns = w->max_ns,
                            .data_bytes = w->data_bytes,
                            .traces_bytes = traces_bytes,
                            .resources_bytes = w->resources.bytes.n,
                            .scopes_bytes = w->scopes.bytes.n,
                            .resources_n = w->resources.n,
                            .scopes_n = w->scopes.n};

    buf_add(dst, &h, sizeof(h));
    buf_add(dst, w->blocks.v, w->blocks.n * sizeof(*w->blocks.v));
    buf_add_str(dst, buf_str(&w->resources.bytes));
    buf_add_str(dst, buf_str(&w->scopes.bytes));
    if (!dst->failed) {
        h.body_crc = crc32c(0, dst->data + sizeof(h), dst->n - sizeof(h));
        h.header_crc = crc32c(0, &h, offsetof(struct part_header, header_crc));
        memcpy(dst->data, &h, sizeof(h));
    }
}

static int write_file(struct part_writer *w, const char *name, const struct buf *content,
                      struct err *reterr)
{
    int rc = buf_status(content);
    int fd;

    if (rc < 0) {
        return err_set(reterr, ERR_NOMEM, "no memory for %s/%s", w->dir, name);
    }
    fd = open_file(w, name, reterr);
    if (fd < 0) {
        return fd;
    }
    rc = vfs_write_all(w->vfs, fd, content->data, content->n, reterr);
    if (rc == 0) {
        int sync = w->vfs->fdatasync(w->vfs->ctx, fd);

        rc = sync < 0 ? err_set_errno(reterr, -sync, "cannot sync") : 0;
    }
    w->vfs->close(w->vfs->ctx, fd);
    if (rc < 0) {
        err_prefix(reterr, "%s/%s", w->tmp, name);
    }
    return rc;
}

static int write_rest(struct part_writer *w, uint64_t *ret_bytes, struct err *reterr)
{
    struct buf b;
    uint64_t traces;
    int rc;

    buf_init(&b, (size_t)4 << 30);
    build_traces(w, &b);
    rc = write_file(w, "traces", &b, reterr);
    traces = b.n;
    buf_clear(&b);
    if (rc == 0) {
        build_index(w, traces, &b);
        rc = write_file(w, "index", &b, reterr);
        *ret_bytes = w->data_bytes + traces + b.n;
    }
    buf_done(&b);
    return rc;
}

/* Directory entries become durable from the inside out. */
static int move_into_place(struct part_writer *w, struct err *reterr)
{
    char parent[PATH_MAX_LEN];
    char *slash;
    int rc = w->vfs->sync_dir(w->vfs->ctx, w->tmp);

    rc = rc < 0 ? rc : w->vfs->rename(w->vfs->ctx, w->tmp, w->dir);
    memcpy(parent, w->dir, sizeof(parent));
    for (int up = 0; up < 2 && rc >= 0; up++) {
        slash = strrchr(parent, '/');
        if (slash == NULL || slash == parent) {
            break;
        }
        *slash = '\0';
        rc = w->vfs->sync_dir(w->vfs->ctx, parent);
    }
    return rc < 0 ? err_set_errno(reterr, -rc, "cannot put %s in place", w->dir) : 0;
}

int columns_part_writer_finish(struct part_writer *w, uint64_t *ret_bytes, struct err *reterr)
{
    uint64_t bytes = 0;
    int rc = cut_block(w, reterr);

    rc = rc < 0 ? rc : write_out(w, reterr);
    if (rc == 0) {
        int sync = w->vfs->fdatasync(w->vfs->ctx, w->fd);

        rc = sync < 0 ? err_set_errno(reterr, -sync, "cannot sync %s/data", w->tmp) : 0;
    }
    rc = rc < 0 ? rc : write_rest(w, &bytes, reterr);
    rc = rc < 0 ? rc : move_into_place(w, reterr);
    if (rc < 0) {
        part_writer_abort(w);
        return rc;
    }
    *ret_bytes = bytes;
    writer_free(w);
    return 0;
}
