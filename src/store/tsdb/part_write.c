/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing parts: chunks stream to the data file, series wait as bytes for the index (part_write_index.c).
 */
#include <fcntl.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/map.h"
#include "base/random.h"
#include "base/vec.h"
#include "codec/bits.h"
#include "codec/chunk.h"
#include "codec/compress.h"
#include "store/tsdb/part_write_internal.h"

enum {
    SAME_MIN_BYTES = 32,  /* shorter values are written again: the reference would take as much */
    PLAIN_AFTER_MISS = 7, /* blocks not tried with zstd after one where it did not pay */
};

int part_write_create(const struct part_writer *w, const char *name, struct err *reterr)
{
    char *path = vfs_join(w->dir, name);
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
    buf_init(&w->loose, PART_BLOCK_MAX);
    buf_init(&w->times, UINT32_MAX);
    buf_init(&w->entries, SIZE_MAX / 2);
    random_bytes(&w->seed, sizeof(w->seed));
    w->try_loose = true;
    buf_init(&w->out, (size_t)4 << 30);
    rc = vfs_mkdirs(vfs, dir, reterr);
    if (rc == 0) {
        w->fd = part_write_create(w, "data", reterr);
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
    buf_done(&w->entries);
    vec_done(&w->chunks);
    vec_done(&w->blocks);
    vec_done(&w->times_at);
    vec_done(&w->loose_sizes);
    keymap_done(&w->by_times);
    keymap_done(&w->by_value);
    buf_done(&w->times);
    buf_done(&w->block);
    buf_done(&w->loose);
    buf_done(&w->out);
    arena_done(&w->arena);
    mem_free(w->dir);
    mem_free(w);
}

/* ---- data ---- */

/** Two hashes that have nothing in common, one of them seeded: equal keys are equal bytes for as many samples. */
static struct hash128 key_of(const struct part_writer *w, const void *p, size_t n, size_t samples)
{
    return (struct hash128){hash64_seed(p, n, w->seed + samples),
                            (uint64_t)n << 32 | crc32c(0, p, n)};
}

/** Chunks of the block lie where the fast-coded ones do. */
static void place_loose(struct part_writer *w)
{
    uint32_t at = 0;
    size_t k = 0;

    for (size_t i = w->block_chunks; i < w->chunks.n; i++) {
        if (w->chunks.v[i].size != 0) {
            w->chunks.v[i].offset = at;
            w->chunks.v[i].size = w->loose_sizes.v[k];
            at += w->loose_sizes.v[k++];
        }
    }
}

/** zstd over the fast-coded or the small chunks, only where that takes at least an eighth away: unpacking
 * costs every reader. What Huffman codes leave does not compress, but repeats in bit-packed chunks do. */
static struct str pack(struct part_writer *w, struct part_block_header *h)
{
    struct str payload = buf_str(&w->block);
    size_t limit = payload.n - payload.n / 8;
    bool won = false;

    if (w->try_loose && !w->loose.failed) {
        buf_clear(&w->out);
        if (compress_to(COMPRESS_ZSTD, buf_str(&w->loose), 3, &w->out, NULL) == 0 &&
            w->out.n < limit) {
            place_loose(w);
            payload = buf_str(&w->out);
            h->raw = (uint32_t)w->loose.n;
            h->codec = 1;
            won = true;
        }
        w->plain_left = won ? 0 : PLAIN_AFTER_MISS;
    } else {
        w->plain_left -= w->plain_left > 0 ? 1 : 0;
    }
    w->try_loose = w->plain_left == 0;
    return payload;
}

static int end_block(struct part_writer *w, struct err *reterr)
{
    struct part_block_header h = {.raw = (uint32_t)w->block.n};
    struct str payload;
    int rc;

    if (w->block.n == 0) {
        return 0;
    }
    payload = pack(w, &h);
    h.stored = (uint32_t)payload.n;
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
    w->block_chunks = w->chunks.n;
    buf_clear(&w->block);
    buf_clear(&w->loose);
    vec_clear(&w->loose_sizes);
    return 0;
}

/** The column of these times, written when it is new. */
static int intern_times(struct part_writer *w, const int64_t *t_ms, size_t n, uint32_t *ret)
{
    struct hash128 key = key_of(w, t_ms, n * sizeof(*t_ms), n);
    uint64_t found = 0;
    int rc;

    if (keymap_get(&w->by_times, key, &found)) {
        *ret = (uint32_t)found;
        return 0;
    }
    if (w->times_at.n >= UINT32_MAX - 1 || !vec_push(&w->times_at, (uint32_t)w->times.n)) {
        return -ERR_NOMEM;
    }
    *ret = (uint32_t)w->times_at.n - 1;
    rc = chunk_times_encode(t_ms, n, CHUNK_SMALL, &w->times);
    return rc == 0 ? keymap_put(&w->by_times, key, *ret) : rc;
}

/** Keep what lies behind `before` in the block as the chunk, or refer to the same bytes written earlier. */
static int place_values(struct part_writer *w, size_t before, size_t n, struct new_chunk *c)
{
    size_t size = w->block.n - before;
    struct hash128 key;
    uint64_t same = 0;

    if (size >= SAME_MIN_BYTES) {
        key = key_of(w, w->block.data + before, size, n);
        if (keymap_get(&w->by_value, key, &same)) {
            w->block.n = before;
            c->size = 0;
            c->block = (uint32_t)same;
            return 0;
        }
        if (keymap_put(&w->by_value, key, w->chunks.n) < 0) {
            return -ERR_NOMEM;
        }
    }
    c->size = (uint32_t)size;
    c->block = (uint32_t)w->blocks.n;
    c->offset = (uint32_t)before;
    return 0;
}

static int add_chunk(struct part_writer *w, const int64_t *t_ms, const double *v, size_t n)
{
    size_t before = w->block.n;
    struct new_chunk c = {0};
    int rc = intern_times(w, t_ms, n, &c.times);

    rc = rc == 0 ? chunk_values_encode_newest(v, n, CHUNK_SMALL, &w->block) : rc;
    rc = rc == 0 ? place_values(w, before, n, &c) : rc;
    if (rc == 0 && w->try_loose && c.size != 0) {
        size_t loose = w->loose.n;

        rc = chunk_values_encode_newest(v, n, CHUNK_FAST, &w->loose);
        rc =
            rc == 0 && !vec_push(&w->loose_sizes, (uint32_t)(w->loose.n - loose)) ? -ERR_NOMEM : rc;
    }
    if (rc == 0 && (w->chunks.n >= UINT32_MAX || !vec_push(&w->chunks, c))) {
        rc = -ERR_NOMEM;
    }
    return rc;
}

static int end_full_block(struct part_writer *w, struct err *reterr)
{
    return w->block.n >= PART_BLOCK_BYTES ? end_block(w, reterr) : 0;
}

/** In pieces of about the same size, so that series with the same times are cut alike. */
static int add_chunks(struct part_writer *w, const int64_t *t_ms, const double *v, size_t n,
                      struct new_series *s, struct err *reterr)
{
    size_t pieces = (n + PART_CHUNK_SAMPLES - 1) / PART_CHUNK_SAMPLES;
    size_t size = (n + pieces - 1) / pieces;

    for (size_t from = 0; from < n; from += size) {
        int rc = end_full_block(w, reterr);

        if (rc < 0) {
            return rc;
        }
        rc = add_chunk(w, t_ms + from, v + from, n - from < size ? n - from : size);
        if (rc < 0) {
            return err_set(reterr, (enum err_code) - rc, "encoding a chunk");
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

/** The labels become w->ids. */
static int add_labels(struct part_writer *w, struct labels labels, struct new_series *s,
                      struct err *reterr)
{
    if (labels.n > PART_MAX_LABELS) {
        return err_set(reterr, ERR_LIMIT, "too many labels");
    }
    *s = (struct new_series){.ids = w->ids, .pairs_n = (uint32_t)labels.n};
    for (uint32_t i = 0; i < labels.n; i++) {
        uint32_t id;

        if (intern_pair(w, labels.v[i], &id) < 0) {
            return err_set(reterr, ERR_NOMEM, "index of a part");
        }
        s->shared += i == s->shared && i < w->ids_n && w->ids[i] == id ? 1 : 0;
        w->ids[i] = id;
        w->pairs.v[id].series_n++;
    }
    w->ids_n = s->pairs_n;
    return 0;
}

/** varint shared pairs, other pairs, these, chunks << 1 | blob, of a blob zigzag first and last time. */
static void put_entry(struct part_writer *w, const struct new_series *s)
{
    struct buf *dst = &w->entries;

    bits_add_varint(dst, s->shared);
    bits_add_varint(dst, s->pairs_n - s->shared);
    for (uint32_t i = s->shared; i < s->pairs_n; i++) {
        bits_add_varint(dst, s->ids[i]);
    }
    bits_add_varint(dst, (uint64_t)s->chunks_n << 1 | (s->blob ? 1u : 0u));
    if (s->blob) {
        bits_add_varint(dst, bits_zigzag(s->min_ms));
        bits_add_varint(dst, bits_zigzag(s->max_ms));
    }
}

void part_entries_begin(struct entry_walk *x, const struct part_writer *w)
{
    x->s = (struct new_series){.ids = x->ids};
    x->in = bits_reader_of(w->entries.data, w->entries.n);
}

void part_entries_next(struct entry_walk *x)
{
    struct new_series *s = &x->s;
    uint64_t chunks;

    s->shared = (uint32_t)bits_read_varint(&x->in);
    s->pairs_n = s->shared + (uint32_t)bits_read_varint(&x->in);
    for (uint32_t i = s->shared; i < s->pairs_n; i++) {
        s->ids[i] = (uint32_t)bits_read_varint(&x->in);
    }
    chunks = bits_read_varint(&x->in);
    s->chunks_n = (uint32_t)(chunks >> 1);
    s->blob = (chunks & 1) != 0;
    if (s->blob) {
        s->min_ms = bits_unzigzag(bits_read_varint(&x->in));
        s->max_ms = bits_unzigzag(bits_read_varint(&x->in));
    }
}

/** The series is complete: `n` samples of it were written. */
static int add_entry(struct part_writer *w, const struct new_series *s, size_t n,
                     struct err *reterr)
{
    put_entry(w, s);
    if (w->entries.failed || w->info.series_n >= UINT32_MAX) {
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
    struct new_chunk c;
    int rc = end_full_block(w, reterr);

    rc = rc < 0 ? rc : add_labels(w, labels, &s, reterr);
    if (rc < 0) {
        return rc;
    }
    s.min_ms = min_ms;
    s.max_ms = max_ms;
    s.chunks_n = 1;
    s.blob = true;
    c = (struct new_chunk){
        .size = (uint32_t)bytes.n, .block = (uint32_t)w->blocks.n, .offset = (uint32_t)w->block.n};
    w->info.chunks_n++;
    buf_add_str(&w->block, bytes);
    if (w->try_loose) {
        buf_add_str(&w->loose, bytes);
    }
    if (w->block.failed || !vec_push(&w->chunks, c) || !vec_push(&w->loose_sizes, c.size)) {
        return err_set(reterr, ERR_NOMEM, "index of a part");
    }
    return add_entry(w, &s, n, reterr);
}

int part_writer_finish(struct part_writer *w, struct part_info *ret, struct err *reterr)
{
    int rc = end_block(w, reterr);

    rc = rc == 0 ? part_write_index(w, reterr) : rc;
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
