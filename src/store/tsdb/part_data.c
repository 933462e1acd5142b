/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunks of a part: finding their block, checking and unpacking it, decoding what is asked for. A block's checksum
 * is looked at the first time it is read.
 */
#include "base/err.h"
#include "codec/chunk.h"
#include "codec/compress.h"
#include "store/tsdb/part_internal.h"
#include "store/tsdb/tsdb_internal.h"

/** An unpacked block shared by readers. */
struct hot_block {
    _Atomic uint32_t refs; /* acq_rel on the last release */
    uint32_t number;
    struct buf bytes;
};

void part_hot_unref(struct hot_block *h)
{
    if (h != NULL && atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) == 1) {
        buf_done(&h->bytes);
        mem_free(h);
    }
}

/** A block's bytes; *ret_hot must be released when not NULL. */
static int get_block(struct part *p, uint32_t number, struct str *ret, struct hot_block **ret_hot,
                     struct err *reterr)
{
    struct part_block_header h;
    uint64_t at;
    struct str payload;
    struct hot_block *hot;
    int rc;

    if (number >= p->f.blocks_n) {
        return part_bad(p, "chunk in a block that is not there", reterr);
    }
    at = bits_get_u64(p->section[SECTION_BLOCKS] + (size_t)number * 8);
    if (at > p->data.n || p->data.n - at < sizeof(h)) {
        return part_bad(p, "block outside the data file", reterr);
    }
    memcpy(&h, p->data.p + at, sizeof(h));
    if (h.stored > p->data.n - at - sizeof(h) || h.raw > PART_BLOCK_MAX) {
        return part_bad(p, "block outside the data file", reterr);
    }
    if (h.codec == 1) {
        mutex_lock(&p->lock);
        hot = p->hot;
        if (hot != NULL && hot->number == number) {
            atomic_fetch_add_explicit(&hot->refs, 1, memory_order_relaxed);
            mutex_unlock(&p->lock);
            *ret = buf_str(&hot->bytes);
            *ret_hot = hot;
            return 0;
        }
        mutex_unlock(&p->lock);
    }
    payload = str_of((const char *)p->data.p + at + sizeof(h), h.stored);
    if (atomic_load_explicit(&p->verified[number], memory_order_relaxed) == 0 &&
        crc32c(crc32c(0, p->data.p + at + 4, sizeof(h) - 4), payload.p, payload.n) != h.crc) {
        return part_bad(p, "checksum of a data block is wrong", reterr);
    }
    atomic_store_explicit(&p->verified[number], 1, memory_order_relaxed);
    if (h.codec == 0) {
        *ret = payload;
        *ret_hot = NULL;
        return 0;
    }
    hot = mem_try_calloc(1, sizeof(*hot));
    if (hot == NULL) {
        return err_set(reterr, ERR_NOMEM, "unpacking a data block");
    }
    atomic_init(&hot->refs, 2); /* ours and the part's */
    hot->number = number;
    buf_init(&hot->bytes, h.raw);
    rc = decompress(COMPRESS_ZSTD, payload, &hot->bytes, NULL);
    if (rc < 0 || hot->bytes.n != h.raw) {
        atomic_store_explicit(&hot->refs, 1, memory_order_relaxed);
        part_hot_unref(hot);
        return rc == -ERR_NOMEM ? err_set(reterr, ERR_NOMEM, "unpacking a data block")
                                : part_bad(p, "data block does not unpack", reterr);
    }
    *ret = buf_str(&hot->bytes);
    *ret_hot = hot;
    mutex_lock(&p->lock);
    {
        struct hot_block *old = p->hot;

        p->hot = hot;
        mutex_unlock(&p->lock);
        part_hot_unref(old);
    }
    return 0;
}

/** Append a chunk's samples from min_ms on, or all: the times of its column, the values in `bytes`. `base`: where
 * the series starts in dst. */
static int append_chunk(const struct part *p, struct str column,
                        const struct chunk_times_info *info, struct str bytes, int64_t min_ms,
                        size_t base, struct samples *dst, struct err *reterr)
{
    int64_t *t;
    int k = 0;
    int rc;

    if (samples_room(dst, info->n) < 0) {
        return err_set(reterr, ERR_NOMEM, "reading samples");
    }
    t = dst->t_ms + dst->n;
    if (p->f.version >= PART_VERSION_NEWEST_FIRST) {
        k = chunk_times_decode_since(column, min_ms, t, info->n);
        rc = k <= 0 ? -ERR_CORRUPT
                    : chunk_values_decode_newest(bytes, info->n, dst->v + dst->n, (size_t)k);
    } else {
        k = chunk_times_decode(column, t, info->n);
        rc = k < 0 ? k : chunk_values_decode(bytes, dst->v + dst->n, info->n);
    }
    if (rc < 0 || (dst->n > base && t[0] <= t[-1])) {
        return part_bad(p, "malformed chunk", reterr);
    }
    dst->n += (size_t)k;
    return 0;
}

/** The block at hand of a reader. */
struct open_block {
    uint32_t number; /* UINT32_MAX: none */
    struct str bytes;
    struct hot_block *hot;
};

/** Bytes of a chunk; `b` is kept open for the next. */
static int chunk_bytes(struct part *p, const struct chunk_at *at, struct open_block *b,
                       struct str *ret, struct err *reterr)
{
    if (at->block != b->number) {
        int rc;

        part_hot_unref(b->hot);
        *b = (struct open_block){.number = UINT32_MAX};
        rc = get_block(p, at->block, &b->bytes, &b->hot, reterr);
        if (rc != 0) {
            return rc;
        }
        b->number = at->block;
    }
    if (at->size == 0 || at->offset > b->bytes.n || at->size > b->bytes.n - at->offset) {
        return part_bad(p, "chunk outside its block", reterr);
    }
    *ret = str_of(b->bytes.p + at->offset, at->size);
    return 0;
}

uint64_t part_series_bytes(const struct part_cursor *c)
{
    struct chunk_walk w = part_walk_of(c);
    struct chunk_at at;
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < c->chunks_n && part_next_chunk(&w, c->blob, &at); i++) {
        bytes += at.size;
    }
    return bytes;
}

static int read_chunks(const struct part_cursor *c, int64_t min_ms, int64_t max_ms,
                       struct samples *dst, struct err *reterr)
{
    struct part *p = (struct part *)(uintptr_t)c->part; /* only the hot block changes */
    struct chunk_walk w = part_walk_of(c);
    struct open_block open = {.number = UINT32_MAX};
    const size_t base = dst->n; /* what other parts gave lies before */
    int rc = 0;

    if (c->max_ms < min_ms || c->min_ms > max_ms) {
        return 0;
    }
    if (c->blob) {
        return part_bad(p, "not a series of samples", reterr);
    }
    for (uint32_t i = 0; rc == 0 && i < c->chunks_n; i++) {
        struct chunk_times_info info = {0};
        struct chunk_at at;
        struct str column = {0};
        struct str bytes = {0};

        if (!part_next_chunk(&w, false, &at) || !part_column(p, at.times, &column) ||
            chunk_times_peek(column, &info) < 0) {
            rc = part_bad(p, "malformed list of chunks", reterr);
            continue;
        }
        if (info.last_ms < min_ms || info.first_ms > max_ms) {
            continue;
        }
        rc = chunk_bytes(p, &at, &open, &bytes, reterr);
        rc = rc == 0 ? append_chunk(p, column, &info, bytes, min_ms, base, dst, reterr) : rc;
    }
    part_hot_unref(open.hot);
    return rc;
}

int part_read(const struct part_cursor *c, int64_t min_ms, int64_t max_ms, struct samples *dst,
              struct err *reterr)
{
    size_t from = dst->n;
    int rc = read_chunks(c, min_ms, max_ms, dst, reterr);

    if (rc == 0 && part_hides(c->part)) {
        part_drop_hidden(c, dst, from);
    }
    return rc;
}

/** The last sample of the last chunk: the first value there is. */
static int read_newest(const struct part_cursor *c, struct samples *dst, struct err *reterr)
{
    struct part *p = (struct part *)(uintptr_t)c->part; /* only the hot block changes */
    struct chunk_walk w = part_walk_of(c);
    struct open_block open = {.number = UINT32_MAX};
    struct chunk_times_info info = {0};
    struct chunk_at at = {0};
    struct str column = {0};
    struct str bytes = {0};
    int rc;

    for (uint32_t i = 0; i < c->chunks_n; i++) {
        if (!part_next_chunk(&w, false, &at)) {
            return part_bad(p, "malformed list of chunks", reterr);
        }
    }
    if (!part_column(p, at.times, &column) || chunk_times_peek(column, &info) < 0) {
        return part_bad(p, "malformed list of chunks", reterr);
    }
    rc = chunk_bytes(p, &at, &open, &bytes, reterr);
    if (rc == 0 && samples_room(dst, 1) < 0) {
        rc = err_set(reterr, ERR_NOMEM, "reading samples");
    }
    if (rc == 0 && chunk_values_decode_newest(bytes, info.n, dst->v + dst->n, 1) < 0) {
        rc = part_bad(p, "malformed chunk", reterr);
    }
    if (rc == 0) {
        dst->t_ms[dst->n++] = info.last_ms;
    }
    part_hot_unref(open.hot);
    return rc;
}

int part_read_newest(const struct part_cursor *c, int64_t min_ms, int64_t max_ms,
                     struct samples *dst, struct err *reterr)
{
    if (c->blob || c->max_ms > max_ms || part_hides(c->part) ||
        c->part->f.version < PART_VERSION_NEWEST_FIRST) {
        return part_read(c, min_ms, max_ms, dst, reterr);
    }
    return c->max_ms < min_ms ? 0 : read_newest(c, dst, reterr);
}

int part_read_blob(const struct part_cursor *c, int (*fn)(void *arg, struct str bytes), void *arg,
                   struct err *reterr)
{
    struct part *p = (struct part *)(uintptr_t)c->part; /* only the hot block changes */
    struct chunk_walk w = part_walk_of(c);
    struct open_block open = {.number = UINT32_MAX};
    struct chunk_at at;
    struct str bytes = {0};
    int rc;

    if (!c->blob || c->chunks_n != 1 || !part_next_chunk(&w, true, &at)) {
        return part_bad(p, "not a series of one chunk", reterr);
    }
    rc = chunk_bytes(p, &at, &open, &bytes, reterr);
    if (rc == 0) {
        rc = fn(arg, bytes);
        rc = rc == -ERR_CORRUPT ? part_bad(p, "malformed roll-up", reterr) : rc;
    }
    part_hot_unref(open.hot);
    return rc;
}
