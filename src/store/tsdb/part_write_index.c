/* SPDX-License-Identifier: Apache-2.0
 *
 * The index of a part is built in memory at its end, since pairs get their final numbers only when all are known.
 */
#include <stdlib.h>

#include "base/err.h"
#include "store/tsdb/part_write_internal.h"

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

enum { LISTS_MAX = 4 << 20 }; /* series numbers of postings made at a time */

struct index_build {
    struct buf section[SECTION_COUNT];
    struct entry_walk walk;
    uint32_t *order; /* pairs in final order */
    uint32_t *lists; /* series of some pairs, one after the other in final order */
    uint64_t *at;    /* where each of these pairs' next series goes */
    uint32_t names_n;
};

static int order_pairs(struct part_writer *w, struct index_build *x)
{
    x->order = mem_try_alloc(w->pairs.n * sizeof(*x->order));
    x->at = mem_try_alloc((w->pairs.n + 1) * sizeof(*x->at));
    if (x->at == NULL || x->order == NULL) {
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
    }
    return 0;
}

/** Lists of the pairs from rank `from` on, as many as fit: in one go they would take more memory than all that is
 * kept of the series. @return rank behind the last, or an error */
static int64_t collect_lists(const struct part_writer *w, struct index_build *x, size_t from)
{
    uint64_t n = 0;
    size_t to = from;

    while (to < w->pairs.n && (to == from || n + w->pairs.v[x->order[to]].series_n <= LISTS_MAX)) {
        x->at[to - from] = n;
        n += w->pairs.v[x->order[to++]].series_n;
    }
    mem_free(x->lists);
    x->lists = mem_try_alloc(n * sizeof(*x->lists));
    if (x->lists == NULL) {
        return -ERR_NOMEM;
    }
    part_entries_begin(&x->walk, w);
    for (uint32_t s = 0; s < w->info.series_n; s++) {
        part_entries_next(&x->walk);
        for (uint32_t i = 0; i < x->walk.s.pairs_n; i++) {
            uint32_t rank = w->pairs.v[x->walk.ids[i]].rank;

            if (rank >= from && rank < to) {
                x->lists[x->at[rank - from]++] = s;
            }
        }
    }
    return (int64_t)to;
}

static void put_pair(const struct part_writer *w, struct index_build *x, size_t i,
                     const uint32_t *list, struct buf *tmp)
{
    struct buf *pairs = &x->section[SECTION_PAIRS];
    const struct new_pair *p = &w->pairs.v[x->order[i]];

    if (i % PART_GROUP == 0) {
        bits_add_u32(&x->section[SECTION_PAIR_GROUPS], (uint32_t)pairs->n);
    }
    bits_add_varint(pairs, p->value.n);
    buf_add_str(pairs, p->value);
    buf_clear(tmp);
    put_postings(list, p->series_n, tmp);
    bits_add_varint(pairs, tmp->n);
    buf_add_str(pairs, buf_str(tmp));
}

static int build_pairs(const struct part_writer *w, struct index_build *x, struct buf *tmp)
{
    struct buf *names = &x->section[SECTION_NAMES];
    size_t first = 0;

    for (size_t i = 0; i < w->pairs.n;) {
        int64_t end = collect_lists(w, x, i);
        const uint32_t *list = x->lists;

        if (end < 0) {
            return (int)end;
        }
        for (; i < (size_t)end; i++) {
            const struct new_pair *p = &w->pairs.v[x->order[i]];

            put_pair(w, x, i, list, tmp);
            list += p->series_n;
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
    mem_free(x->lists);
    x->lists = NULL;
    return 0;
}

/** Where the walk over all chunks is. */
struct chunk_walk {
    uint32_t block, offset; /* behind the last one that is stored */
    uint32_t times;         /* column behind the last one used */
};

static void put_chunk(const struct part_writer *w, const struct new_chunk *c, bool blob,
                      struct chunk_walk *at, struct buf *dst)
{
    const struct new_chunk *of = c->size != 0 ? c : &w->chunks.v[c->block];

    if (!blob) {
        bits_add_varint(dst, bits_zigzag((int64_t)c->times - (int64_t)at->times));
        at->times = c->times + 1;
    }
    if (of != c) {
        bits_add_varint(dst, (uint64_t)of->size << 2 | PART_CHUNK_SAME);
        bits_add_varint(dst, at->block - of->block);
        bits_add_varint(dst, of->offset);
        return;
    }
    bits_add_varint(dst, (uint64_t)c->size << 2 | (c->block != at->block ? PART_CHUNK_STARTS : 0u));
    at->block = c->block;
    at->offset = c->offset + c->size;
}

/** Pairs behind the shared ones as distances from those of the series before at the same place: mostly of the same
 * labels, and close. `ranks` has those of the series before, and then this one's. */
static void put_ranks(const struct part_writer *w, const struct new_series *s, uint32_t shared,
                      uint32_t *ranks, uint32_t before_n, struct buf *dst)
{
    for (uint32_t at = shared; at < s->pairs_n; at += PART_MASK_PAIRS) {
        uint32_t end = s->pairs_n - at < PART_MASK_PAIRS ? s->pairs_n : at + PART_MASK_PAIRS;
        int64_t distance[PART_MASK_PAIRS];
        unsigned mask = 0;

        for (uint32_t k = at; k < end; k++) {
            uint32_t rank = w->pairs.v[s->ids[k]].rank;

            distance[k - at] = (int64_t)rank - (k < before_n ? ranks[k] : 0);
            mask |= (distance[k - at] != 0 ? 1u : 0u) << (k - at);
            ranks[k] = rank;
        }
        buf_add_byte(dst, (char)mask);
        for (uint32_t k = 0; k < end - at; k++) {
            if (distance[k] != 0) {
                bits_add_varint(dst, bits_zigzag(distance[k]));
            }
        }
    }
}

static void put_chunks(const struct part_writer *w, const struct new_series *s, size_t chunks_at,
                       struct chunk_walk *at, struct buf *dst)
{
    bits_add_varint(dst, (uint64_t)s->chunks_n << 1 | (s->blob ? PART_SERIES_BLOB : 0u));
    if (s->blob) {
        bits_add_varint(dst, (uint64_t)(s->min_ms - w->info.min_ms));
        bits_add_varint(dst, (uint64_t)(w->info.max_ms - s->max_ms));
    }
    for (uint32_t k = 0; k < s->chunks_n; k++) {
        put_chunk(w, &w->chunks.v[chunks_at + k], s->blob, at, dst);
    }
}

static void build_series(const struct part_writer *w, struct index_build *x)
{
    struct buf *dst = &x->section[SECTION_SERIES];
    const struct new_series *s = &x->walk.s;
    struct chunk_walk at = {0};
    size_t chunks_at = 0;
    uint32_t ranks[PART_MAX_LABELS];
    uint32_t ranks_n = 0;

    part_entries_begin(&x->walk, w);
    for (size_t i = 0; i < w->info.series_n; i++) {
        uint32_t shared;

        part_entries_next(&x->walk);
        if (i % PART_GROUP == 0) {
            struct part_group g = {(uint32_t)dst->n, at.block, at.offset};

            buf_add(&x->section[SECTION_SERIES_GROUPS], &g, sizeof(g));
            at.times = 0;
            ranks_n = 0;
        }
        shared = s->shared < ranks_n ? s->shared : ranks_n;
        bits_add_varint(dst, shared);
        bits_add_varint(dst, s->pairs_n - shared);
        put_ranks(w, s, shared, ranks, ranks_n, dst);
        ranks_n = s->pairs_n;
        put_chunks(w, s, chunks_at, &at, dst);
        chunks_at += s->chunks_n;
    }
}

static void build_times(const struct part_writer *w, struct index_build *x)
{
    buf_add_str(&x->section[SECTION_TIMES], buf_str(&w->times));
    for (size_t i = 0; i < w->times_at.n; i++) {
        bits_add_u32(&x->section[SECTION_TIMES_AT], w->times_at.v[i]);
    }
    bits_add_u32(&x->section[SECTION_TIMES_AT], (uint32_t)w->times.n);
}

static int write_summed(const struct part_writer *w, int fd, const void *p, size_t n, uint32_t *crc,
                        struct err *reterr)
{
    *crc = crc32c(*crc, p, n);
    return vfs_write_all(w->vfs, fd, p, n, reterr);
}

/** Sections are freed as they are written. */
static int write_sections(const struct part_writer *w, struct index_build *x, int fd,
                          struct part_footer *f, struct err *reterr)
{
    static const char PAD[8] = {0};
    size_t at = PART_MAGIC_SIZE;
    uint32_t crc = 0;
    int rc = write_summed(w, fd, PART_INDEX_MAGIC, PART_MAGIC_SIZE, &crc, reterr);

    for (int i = 0; rc == 0 && i < SECTION_COUNT; i++) {
        rc = write_summed(w, fd, PAD, f->at[i] - at, &crc, reterr);
        rc = rc == 0 ? write_summed(w, fd, x->section[i].data, x->section[i].n, &crc, reterr) : rc;
        at = f->at[i] + f->size[i];
        buf_done(&x->section[i]);
    }
    rc = rc == 0 ? write_summed(w, fd, PAD, (8 - at % 8) % 8, &crc, reterr) : rc;
    rc = rc == 0 ? write_summed(w, fd, f, offsetof(struct part_footer, crc), &crc, reterr) : rc;
    f->crc = crc;
    return rc == 0 ? vfs_write_all(w->vfs, fd, &f->crc,
                                   sizeof(*f) - offsetof(struct part_footer, crc), reterr)
                   : rc;
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
        .series_n = (uint32_t)w->info.series_n,
        .blocks_n = (uint32_t)w->blocks.n,
        .times_n = (uint32_t)w->times_at.n,
        .version = PART_VERSION,
    };
    size_t at = PART_MAGIC_SIZE;
    int fd;
    int rc;

    for (int i = 0; i < SECTION_COUNT; i++) {
        at += (8 - at % 8) % 8;
        f.at[i] = at;
        f.size[i] = x->section[i].n;
        at += x->section[i].n;
        if (x->section[i].failed) {
            return err_set(reterr, ERR_NOMEM, "index of a part");
        }
    }
    fd = part_write_create(w, "index", reterr);
    if (fd < 0) {
        return fd;
    }
    rc = write_sections(w, x, fd, &f, reterr);
    if (rc == 0) {
        int sync = w->vfs->fdatasync(w->vfs->ctx, fd);

        rc = sync < 0 ? err_set_errno(reterr, -sync, "syncing %s/index", w->dir) : 0;
    }
    ignore_result(w->vfs->close(w->vfs->ctx, fd), "synced before");
    w->info.bytes = w->at + at + (8 - at % 8) % 8 + sizeof(f);
    return rc;
}

static int build_index(struct part_writer *w, struct index_build *x, struct err *reterr)
{
    int rc = order_pairs(w, x);

    buf_clear(&w->block);
    w->block.max = (size_t)1 << 30; /* reused for postings */
    rc = rc == 0 ? build_pairs(w, x, &w->block) : rc;
    if (rc < 0) {
        return err_set(reterr, ERR_NOMEM, "index of a part");
    }
    build_series(w, x);
    build_times(w, x);
    for (size_t i = 0; i < w->blocks.n; i++) {
        bits_add_u64(&x->section[SECTION_BLOCKS], w->blocks.v[i]);
    }
    bits_add_u64(&x->section[SECTION_BLOCKS], w->at);
    if (w->block.failed) {
        return err_set(reterr, ERR_NOMEM, "index of a part");
    }
    return write_index(w, x, reterr);
}

int part_write_index(struct part_writer *w, struct err *reterr)
{
    struct index_build *x = mem_xcalloc(1, sizeof(*x));
    int rc;

    for (int i = 0; i < SECTION_COUNT; i++) {
        buf_init(&x->section[i], UINT32_MAX); /* offsets are 32 bits wide */
    }
    rc = build_index(w, x, reterr);
    for (int i = 0; i < SECTION_COUNT; i++) {
        buf_done(&x->section[i]);
    }
    mem_free(x->order);
    mem_free(x->lists);
    mem_free(x->at);
    mem_free(x);
    return rc;
}
