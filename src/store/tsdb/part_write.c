/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing parts. Chunks stream to the data file; the index is built in memory, since pairs get their final
 * numbers only when all are known.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"
#include "codec/bits.h"
#include "codec/chunk.h"
#include "codec/compress.h"
#include "store/tsdb/part_format.h"

struct new_pair {
    struct str name, value; /* in the arena */
    uint32_t series_n;
    uint32_t rank; /* final number */
};

struct new_series {
    uint64_t pairs_at; /* in pair_ids */
    uint64_t sizes_at; /* in sizes */
    int64_t min_ms, max_ms;
    uint32_t pairs_n;
    uint32_t chunks_n;
    uint32_t block, offset; /* of its first chunk */
};

struct part_writer {
    const struct vfs *vfs;
    char *dir;
    int fd;
    bool finished;
    struct part_info info;
    struct arena arena;
    struct map by_text; /* "name\0value" -> new_pair index + 1 */
    VEC(struct new_pair) pairs;
    VEC(struct new_series) series;
    VEC(uint32_t) pair_ids; /* of all series, in label order */
    VEC(uint32_t) sizes;    /* of all chunks: bytes << 1 | starts a block */
    VEC(uint64_t) blocks;   /* offsets */
    struct buf block;       /* being filled */
    struct buf out;         /* compressed block, later sections */
    uint64_t at;            /* end of the data file */
};

static char *join(const char *dir, const char *name)
{
    size_t n = strlen(dir) + strlen(name) + 2;
    char *p = mem_xcalloc(1, n);

    snprintf(p, n, "%s/%s", dir, name);
    return p;
}

static int create(const struct part_writer *w, const char *name, struct err *reterr)
{
    char *path = join(w->dir, name);
    int fd = w->vfs->open(w->vfs->ctx, path, O_WRONLY | O_CREAT | O_TRUNC, 0640);

    if (fd < 0) {
        fd = err_set_errno(reterr, -fd, "creating %s", path);
    }
    mem_free(path);
    return fd;
}

int part_writer_new(const struct vfs *vfs, const char *dir, const struct part_info *info,
                    struct part_writer **ret, struct err *reterr)
{
    struct part_writer *w = mem_xcalloc(1, sizeof(*w));
    int rc;

    w->vfs = vfs;
    w->dir = mem_xstrdup(dir);
    w->info = *info;
    w->info.min_ms = INT64_MAX;
    w->info.max_ms = INT64_MIN;
    w->info.series_n = w->info.samples_n = w->info.chunks_n = 0;
    w->fd = -1;
    arena_init(&w->arena, SIZE_MAX / 2);
    buf_init(&w->block, PART_BLOCK_MAX);
    buf_init(&w->out, (size_t)4 << 30);
    rc = vfs_mkdirs(vfs, dir, reterr);
    if (rc == 0) {
        w->fd = create(w, "data", reterr);
        rc =
            w->fd < 0 ? w->fd : vfs_write_all(vfs, w->fd, PART_DATA_MAGIC, PART_MAGIC_SIZE, reterr);
    }
    w->at = PART_MAGIC_SIZE;
    if (rc < 0) {
        part_writer_free(w);
        return rc;
    }
    *ret = w;
    return 0;
}

void part_writer_free(struct part_writer *w)
{
    if (w == NULL) {
        return;
    }
    if (w->fd >= 0) {
        ignore_result(w->vfs->close(w->vfs->ctx, w->fd), "unfinished");
    }
    if (!w->finished) {
        ignore_result(vfs_remove_tree(w->vfs, w->dir, NULL), "removed again at the next start");
    }
    map_done(&w->by_text);
    vec_done(&w->pairs);
    vec_done(&w->series);
    vec_done(&w->pair_ids);
    vec_done(&w->sizes);
    vec_done(&w->blocks);
    buf_done(&w->block);
    buf_done(&w->out);
    arena_done(&w->arena);
    mem_free(w->dir);
    mem_free(w);
}

/* ---- data ---- */

static int end_block(struct part_writer *w, struct err *reterr)
{
    struct part_block_header h = {.raw = (uint32_t)w->block.n, .stored = (uint32_t)w->block.n};
    struct str payload = buf_str(&w->block);
    int rc;

    if (w->block.n == 0) {
        return 0;
    }
    buf_clear(&w->out);
    /* zstd only where it takes at least an eighth away: unpacking costs every reader. */
    if (compress_to(COMPRESS_ZSTD, payload, 3, &w->out, NULL) == 0 &&
        w->out.n < payload.n - payload.n / 8) {
        payload = buf_str(&w->out);
        h.stored = (uint32_t)payload.n;
        h.codec = 1;
    }
    h.crc = crc32c(crc32c(0, (const char *)&h + 4, sizeof(h) - 4), payload.p, payload.n);
    rc = vfs_write_all(w->vfs, w->fd, &h, sizeof(h), reterr);
    rc = rc == 0 ? vfs_write_all(w->vfs, w->fd, payload.p, payload.n, reterr) : rc;
    if (rc < 0) {
        return err_prefix(reterr, "%s/data", w->dir);
    }
    if (!vec_push(&w->blocks, w->at)) {
        return err_set(reterr, ERR_NOMEM, "index of a part");
    }
    w->at += sizeof(h) + payload.n;
    buf_clear(&w->block);
    return 0;
}

static int add_chunks(struct part_writer *w, const int64_t *t_ms, const double *v, size_t n,
                      struct new_series *s, struct err *reterr)
{
    for (size_t from = 0; from < n; from += PART_CHUNK_SAMPLES) {
        size_t k = n - from < PART_CHUNK_SAMPLES ? n - from : PART_CHUNK_SAMPLES;
        size_t before = w->block.n;
        bool starts = false;
        int rc;

        if (w->block.n >= PART_BLOCK_BYTES) {
            rc = end_block(w, reterr);
            if (rc < 0) {
                return rc;
            }
            before = 0;
            starts = true;
        }
        if (from == 0) { /* a start at its first chunk is told by the entry before it, too */
            s->block = (uint32_t)w->blocks.n;
            s->offset = (uint32_t)before;
        }
        rc = chunk_encode(t_ms + from, v + from, k, &w->block);
        if (rc < 0) {
            return err_set(reterr, (enum err_code) - rc, "encoding a chunk");
        }
        if (!vec_push(&w->sizes, (uint32_t)(w->block.n - before) << 1 | (starts ? 1u : 0u))) {
            return err_set(reterr, ERR_NOMEM, "index of a part");
        }
        s->chunks_n++;
        w->info.chunks_n++;
    }
    return 0;
}

static int intern_pair(struct part_writer *w, struct label l, uint32_t *ret)
{
    char small[512];
    size_t n = l.name.n + 1 + l.value.n;
    char *text = n <= sizeof(small) ? small : arena_alloc(&w->arena, n, 1);
    struct str key;
    struct str copy;
    uintptr_t found;

    if (text == NULL) {
        return -ERR_NOMEM;
    }
    memcpy(text, l.name.p, l.name.n);
    text[l.name.n] = '\0';
    memcpy(text + l.name.n + 1, l.value.p, l.value.n);
    key = str_of(text, n);
    found = (uintptr_t)map_get(&w->by_text, key);
    if (found != 0) {
        *ret = (uint32_t)(found - 1);
        return 0;
    }
    copy = arena_str_dup(&w->arena, key);
    if (copy.n != key.n || w->pairs.n >= UINT32_MAX - 1 ||
        !vec_push(&w->pairs, (struct new_pair){.name = str_take(copy, l.name.n),
                                               .value = str_drop(copy, l.name.n + 1)}) ||
        map_put(&w->by_text, copy, (void *)(w->pairs.n)) < 0) { /* index + 1 */
        return -ERR_NOMEM;
    }
    *ret = (uint32_t)w->pairs.n - 1;
    return 0;
}

static int add_labels(struct part_writer *w, struct labels labels, struct new_series *s,
                      struct err *reterr)
{
    *s = (struct new_series){
        .pairs_at = w->pair_ids.n, .sizes_at = w->sizes.n, .pairs_n = (uint32_t)labels.n};
    for (size_t i = 0; i < labels.n; i++) {
        uint32_t id;

        if (intern_pair(w, labels.v[i], &id) < 0 || !vec_push(&w->pair_ids, id)) {
            return err_set(reterr, ERR_NOMEM, "index of a part");
        }
        w->pairs.v[id].series_n++;
    }
    return 0;
}

/** The series is complete: `n` samples of it were written. */
static int add_entry(struct part_writer *w, const struct new_series *s, size_t n,
                     struct err *reterr)
{
    if (!vec_push(&w->series, *s)) {
        return err_set(reterr, ERR_NOMEM, "index of a part");
    }
    w->info.min_ms = s->min_ms < w->info.min_ms ? s->min_ms : w->info.min_ms;
    w->info.max_ms = s->max_ms > w->info.max_ms ? s->max_ms : w->info.max_ms;
    w->info.series_n++;
    w->info.samples_n += n;
    return 0;
}

int part_writer_add(struct part_writer *w, struct labels labels, const int64_t *t_ms,
                    const double *v, size_t n, struct err *reterr)
{
    struct new_series s;
    int rc;

    if (n == 0) {
        return 0;
    }
    rc = add_labels(w, labels, &s, reterr);
    if (rc < 0) {
        return rc;
    }
    s.min_ms = t_ms[0];
    s.max_ms = t_ms[n - 1];
    rc = add_chunks(w, t_ms, v, n, &s, reterr);
    return rc < 0 ? rc : add_entry(w, &s, n, reterr);
}

int part_writer_add_blob(struct part_writer *w, struct labels labels, int64_t min_ms,
                         int64_t max_ms, size_t n, struct str bytes, struct err *reterr)
{
    struct new_series s;
    bool starts = w->block.n >= PART_BLOCK_BYTES;
    int rc = starts ? end_block(w, reterr) : 0;

    rc = rc < 0 ? rc : add_labels(w, labels, &s, reterr);
    if (rc < 0) {
        return rc;
    }
    s.min_ms = min_ms;
    s.max_ms = max_ms;
    s.block = (uint32_t)w->blocks.n;
    s.offset = (uint32_t)w->block.n;
    s.chunks_n = 1;
    w->info.chunks_n++;
    buf_add_str(&w->block, bytes);
    if (w->block.failed || !vec_push(&w->sizes, (uint32_t)bytes.n << 1 | (starts ? 1u : 0u))) {
        return err_set(reterr, ERR_NOMEM, "index of a part");
    }
    return add_entry(w, &s, n, reterr);
}

/* ---- index ---- */

static int by_text(const void *a, const void *b, void *arg)
{
    const struct part_writer *w = arg;
    const struct new_pair *x = &w->pairs.v[*(const uint32_t *)a];
    const struct new_pair *y = &w->pairs.v[*(const uint32_t *)b];
    int c = str_cmp(x->name, y->name);

    return c != 0 ? c : str_cmp(x->value, y->value);
}

/** Runs of series numbers: varint (gap << 1 | more than one), then varint (length - 2). */
static void put_postings(const uint32_t *v, size_t n, struct buf *dst)
{
    uint64_t next = 0;

    for (size_t i = 0; i < n;) {
        size_t k = i + 1;

        while (k < n && v[k] == v[k - 1] + 1) {
            k++;
        }
        bits_add_varint(dst, (v[i] - next) << 1 | (k - i > 1 ? 1u : 0u));
        if (k - i > 1) {
            bits_add_varint(dst, k - i - 2);
        }
        next = (uint64_t)v[k - 1] + 1;
        i = k;
    }
}

struct index_build {
    struct buf section[SECTION_COUNT];
    uint32_t *order; /* pairs in final order */
    uint32_t *lists; /* series of each pair, one after the other in final order */
    uint32_t names_n;
};

static int collect_lists(struct part_writer *w, struct index_build *x)
{
    uint64_t *at = mem_try_calloc(w->pairs.n + 1, sizeof(*at));

    x->order = mem_try_alloc(w->pairs.n * sizeof(*x->order));
    x->lists = mem_try_alloc(w->pair_ids.n * sizeof(*x->lists));
    if (at == NULL || x->order == NULL || x->lists == NULL) {
        mem_free(at);
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < w->pairs.n; i++) {
        x->order[i] = (uint32_t)i;
    }
    if (w->pairs.n > 1) {
        qsort_r(x->order, w->pairs.n, sizeof(*x->order), by_text, w);
    }
    for (size_t i = 0; i < w->pairs.n; i++) {
        w->pairs.v[x->order[i]].rank = (uint32_t)i;
        at[i + 1] = at[i] + w->pairs.v[x->order[i]].series_n;
    }
    for (size_t s = 0; s < w->series.n; s++) {
        uint32_t *ids = w->pair_ids.v + w->series.v[s].pairs_at;

        for (uint32_t i = 0; i < w->series.v[s].pairs_n; i++) {
            ids[i] = w->pairs.v[ids[i]].rank;
            x->lists[at[ids[i]]++] = (uint32_t)s;
        }
    }
    mem_free(at);
    return 0;
}

static void build_pairs(const struct part_writer *w, struct index_build *x, struct buf *tmp)
{
    struct buf *names = &x->section[SECTION_NAMES];
    struct buf *pairs = &x->section[SECTION_PAIRS];
    const uint32_t *list = x->lists;
    size_t first = 0;

    for (size_t i = 0; i < w->pairs.n; i++) {
        const struct new_pair *p = &w->pairs.v[x->order[i]];

        if (i % PART_GROUP == 0) {
            bits_add_u32(&x->section[SECTION_PAIR_GROUPS], (uint32_t)pairs->n);
        }
        bits_add_varint(pairs, p->value.n);
        buf_add_str(pairs, p->value);
        buf_clear(tmp);
        put_postings(list, p->series_n, tmp);
        list += p->series_n;
        bits_add_varint(pairs, tmp->n);
        buf_add_str(pairs, buf_str(tmp));
        if (i + 1 == w->pairs.n || !str_eq(w->pairs.v[x->order[i + 1]].name, p->name)) {
            bits_add_varint(names, p->name.n);
            buf_add_str(names, p->name);
            bits_add_varint(names, first);
            bits_add_varint(names, i + 1 - first);
            first = i + 1;
            x->names_n++;
        }
    }
}

static void build_series(const struct part_writer *w, struct index_build *x)
{
    struct buf *dst = &x->section[SECTION_SERIES];

    for (size_t i = 0; i < w->series.n; i++) {
        const struct new_series *s = &w->series.v[i];
        const uint32_t *ids = w->pair_ids.v + s->pairs_at;
        uint32_t shared = 0;

        if (i % PART_GROUP == 0) {
            struct part_group g = {(uint32_t)dst->n, s->block, s->offset};

            buf_add(&x->section[SECTION_SERIES_GROUPS], &g, sizeof(g));
        } else {
            const struct new_series *last = s - 1;
            const uint32_t *ids0 = w->pair_ids.v + last->pairs_at;

            while (shared < s->pairs_n && shared < last->pairs_n && ids[shared] == ids0[shared]) {
                shared++;
            }
        }
        bits_add_varint(dst, shared);
        bits_add_varint(dst, s->pairs_n - shared);
        for (uint32_t k = shared; k < s->pairs_n; k++) {
            bits_add_varint(dst, ids[k]);
        }
        bits_add_varint(dst, (uint64_t)(s->min_ms - w->info.min_ms));
        bits_add_varint(dst, (uint64_t)(w->info.max_ms - s->max_ms));
        bits_add_varint(dst, s->chunks_n);
        for (uint32_t k = 0; k < s->chunks_n; k++) {
            bits_add_varint(dst, w->sizes.v[s->sizes_at + k]);
        }
    }
}

static int write_index(struct part_writer *w, struct index_build *x, struct err *reterr)
{
    struct part_footer f = {
        .day = w->info.day,
        .seq_lo = w->info.seq_lo,
        .seq_hi = w->info.seq_hi,
        .min_ms = w->info.min_ms,
        .max_ms = w->info.max_ms,
        .samples_n = w->info.samples_n,
        .chunks_n = w->info.chunks_n,
        .data_bytes = w->at,
        .names_n = x->names_n,
        .pairs_n = (uint32_t)w->pairs.n,
        .series_n = (uint32_t)w->series.n,
        .blocks_n = (uint32_t)w->blocks.n,
        .version = 1,
    };
    static const char PAD[8] = {0};
    int fd;
    int rc;

    buf_clear(&w->out);
    buf_add(&w->out, PART_INDEX_MAGIC, PART_MAGIC_SIZE);
    for (int i = 0; i < SECTION_COUNT; i++) {
        buf_add(&w->out, PAD, (8 - w->out.n % 8) % 8);
        f.at[i] = w->out.n;
        f.size[i] = x->section[i].n;
        buf_add_str(&w->out, buf_str(&x->section[i]));
        w->out.failed = w->out.failed || x->section[i].failed;
    }
    buf_add(&w->out, PAD, (8 - w->out.n % 8) % 8);
    buf_add(&w->out, &f, offsetof(struct part_footer, crc));
    if (w->out.failed) {
        return err_set(reterr, ERR_NOMEM, "index of a part");
    }
    f.crc = crc32c(0, w->out.data, w->out.n);
    buf_add(&w->out, (const char *)&f + offsetof(struct part_footer, crc), 8);
    if (w->out.failed) {
        return err_set(reterr, ERR_NOMEM, "index of a part");
    }
    fd = create(w, "index", reterr);
    if (fd < 0) {
        return fd;
    }
    rc = vfs_write_all(w->vfs, fd, w->out.data, w->out.n, reterr);
    if (rc == 0) {
        int sync = w->vfs->fdatasync(w->vfs->ctx, fd);

        rc = sync < 0 ? err_set_errno(reterr, -sync, "syncing %s/index", w->dir) : 0;
    }
    ignore_result(w->vfs->close(w->vfs->ctx, fd), "synced before");
    w->info.bytes = w->at + w->out.n;
    return rc;
}

static int build_index(struct part_writer *w, struct index_build *x, struct err *reterr)
{
    int rc = collect_lists(w, x);

    if (rc < 0) {
        return err_set(reterr, ERR_NOMEM, "index of a part");
    }
    buf_clear(&w->block);
    w->block.max = (size_t)1 << 30; /* reused for postings */
    build_pairs(w, x, &w->block);
    build_series(w, x);
    for (size_t i = 0; i < w->blocks.n; i++) {
        bits_add_u64(&x->section[SECTION_BLOCKS], w->blocks.v[i]);
    }
    bits_add_u64(&x->section[SECTION_BLOCKS], w->at);
    if (w->block.failed) {
        return err_set(reterr, ERR_NOMEM, "index of a part");
    }
    return write_index(w, x, reterr);
}

int part_writer_finish(struct part_writer *w, struct part_info *ret, struct err *reterr)
{
    struct index_build x = {0};
    int rc = end_block(w, reterr);

    for (int i = 0; i < SECTION_COUNT; i++) {
        buf_init(&x.section[i], UINT32_MAX); /* offsets are 32 bits wide */
    }
    rc = rc == 0 ? build_index(w, &x, reterr) : rc;
    for (int i = 0; i < SECTION_COUNT; i++) {
        buf_done(&x.section[i]);
    }
    mem_free(x.order);
    mem_free(x.lists);
    if (rc == 0) {
        int r = w->vfs->fdatasync(w->vfs->ctx, w->fd);

        rc = r < 0 ? err_set_errno(reterr, -r, "syncing %s/data", w->dir) : 0;
    }
    if (rc == 0) {
        int r = w->vfs->sync_dir(w->vfs->ctx, w->dir);

        rc = r < 0 ? err_set_errno(reterr, -r, "syncing %s", w->dir) : 0;
    }
    if (rc < 0) {
        return rc;
    }
    w->finished = true;
    *ret = w->info;
    return 0;
}
