/* SPDX-License-Identifier: Apache-2.0
 *
 * The entries of a part's series, in order: labels, and where the chunks are. Each is told from the one before, so
 * that a cursor goes on cheaply and starts anew at every 16th.
 */
#include "base/err.h"
#include "codec/bits.h"
#include "codec/chunk.h"
#include "store/tsdb/part_internal.h"

void part_cursor_init(struct part_cursor *c, const struct part *p)
{
    c->part = p;
    c->number = UINT32_MAX;
    c->next = NULL;
}

/** The bytes of a column of times. */
bool part_column(const struct part *p, uint64_t column, struct str *ret)
{
    uint32_t from;
    uint32_t to;

    if (column >= p->f.times_n) {
        return false;
    }
    from = bits_get_u32(p->section[SECTION_TIMES_AT] + column * 4);
    to = bits_get_u32(p->section[SECTION_TIMES_AT] + column * 4 + 4);
    if (from > to || to > p->f.size[SECTION_TIMES]) {
        return false;
    }
    *ret = str_of((const char *)p->section[SECTION_TIMES] + from, to - from);
    return true;
}

/** Read where the next chunk is. */
bool part_next_chunk(struct chunk_walk *w, bool blob, struct chunk_at *ret)
{
    uint64_t size;

    ret->times = 0;
    if (!blob) {
        ret->times = w->times + (uint32_t)bits_unzigzag(bits_read_varint(&w->r));
        w->times = ret->times + 1;
    }
    size = bits_read_varint(&w->r);
    if (w->r.bad || size >> 2 > PART_BLOCK_MAX || w->offset > PART_BLOCK_MAX) {
        return false;
    }
    ret->size = (uint32_t)(size >> 2);
    if ((size & PART_CHUNK_SAME) != 0) {
        uint64_t back = bits_read_varint(&w->r);
        uint64_t offset = bits_read_varint(&w->r);

        ret->block = w->block - (uint32_t)back;
        ret->offset = (uint32_t)offset;
        return !w->r.bad && back <= w->block && offset <= PART_BLOCK_MAX;
    }
    if ((size & PART_CHUNK_STARTS) != 0) {
        w->block++;
        w->offset = 0;
    }
    ret->block = w->block;
    ret->offset = w->offset;
    w->offset += ret->size;
    return true;
}

struct chunk_walk part_walk_of(const struct part_cursor *c)
{
    const struct part *p = c->part;
    const uint8_t *end = p->section[SECTION_SERIES] + p->f.size[SECTION_SERIES];

    return (struct chunk_walk){bits_reader_of(c->chunks, (size_t)(end - c->chunks)), c->block,
                               c->offset, c->times};
}

/** The range of a series of samples is the one of its first and last column. */
static bool range_of(struct part_cursor *c, uint32_t first, uint32_t last)
{
    struct chunk_times_info info;
    struct str column;

    if (!part_column(c->part, first, &column) || chunk_times_peek(column, &info) < 0) {
        return false;
    }
    c->min_ms = info.first_ms;
    if (last != first &&
        (!part_column(c->part, last, &column) || chunk_times_peek(column, &info) < 0)) {
        return false;
    }
    c->max_ms = info.last_ms;
    return true;
}

/** Read the chunks at c->next: where they end and, for samples, their range. */
static int decode_chunks(struct part_cursor *c, struct bits_reader r)
{
    struct chunk_walk w = {r, c->end_block, c->end_offset, c->end_times};
    struct chunk_at at = {0};
    uint32_t first = 0;

    c->chunks = r.p;
    c->block = w.block;
    c->offset = w.offset;
    c->times = w.times;
    for (uint32_t i = 0; i < c->chunks_n; i++) {
        if (!part_next_chunk(&w, c->blob, &at)) {
            return -ERR_CORRUPT;
        }
        first = i == 0 ? at.times : first;
    }
    c->end_block = w.block;
    c->end_offset = w.offset;
    c->end_times = w.times;
    c->next = w.r.p;
    return c->blob || range_of(c, first, at.times) ? 0 : -ERR_CORRUPT;
}

/** Pairs from `from` on, each told as a distance from the one the series before has there. */
static bool get_masked_pairs(struct part_cursor *c, struct bits_reader *r, uint32_t from,
                             uint32_t before_n)
{
    const uint32_t pairs_n = c->part->f.pairs_n;

    for (uint32_t at = from; at < c->pairs_n; at += PART_MASK_PAIRS) {
        uint32_t end = c->pairs_n - at < PART_MASK_PAIRS ? c->pairs_n : at + PART_MASK_PAIRS;
        unsigned mask = bits_read_u8(r);

        for (uint32_t i = at; i < end; i++, mask >>= 1) {
            uint64_t pair = i < before_n ? c->pairs[i] : 0;

            pair += (mask & 1) != 0 ? (uint64_t)bits_unzigzag(bits_read_varint(r)) : 0;
            if (pair >= pairs_n) {
                return false;
            }
            c->pairs[i] = (uint32_t)pair;
        }
    }
    return !r->bad;
}

/** As version 2 had them. */
static bool get_plain_pairs(struct part_cursor *c, struct bits_reader *r, uint32_t from)
{
    for (uint32_t i = from; i < c->pairs_n; i++) {
        uint64_t pair = bits_read_varint(r);

        if (pair >= c->part->f.pairs_n) {
            return false;
        }
        c->pairs[i] = (uint32_t)pair;
    }
    return !r->bad;
}

/** Decode the entry at c->next as the one of c->number. */
static int decode_entry(struct part_cursor *c, bool group_start)
{
    const struct part *p = c->part;
    const uint8_t *end = p->section[SECTION_SERIES] + p->f.size[SECTION_SERIES];
    struct bits_reader r = bits_reader_of(c->next, (size_t)(end - c->next));
    uint64_t shared = bits_read_varint(&r);
    uint64_t fresh = bits_read_varint(&r);
    const uint32_t before_n = group_start ? 0 : c->pairs_n;
    uint64_t chunks;

    if (r.bad || shared > before_n || fresh > PART_MAX_LABELS - shared) {
        return -ERR_CORRUPT;
    }
    c->pairs_n = (uint32_t)(shared + fresh);
    if (!(p->f.version >= PART_VERSION_PAIR_MASKS
              ? get_masked_pairs(c, &r, (uint32_t)shared, before_n)
              : get_plain_pairs(c, &r, (uint32_t)shared))) {
        return -ERR_CORRUPT;
    }
    chunks = bits_read_varint(&r);
    c->blob = (chunks & PART_SERIES_BLOB) != 0;
    chunks >>= 1;
    if (c->blob) {
        c->min_ms = (int64_t)((uint64_t)p->f.min_ms + bits_read_varint(&r));
        c->max_ms = (int64_t)((uint64_t)p->f.max_ms - bits_read_varint(&r));
    }
    if (r.bad || chunks == 0 || chunks > (uint64_t)(r.end - r.p)) {
        return -ERR_CORRUPT;
    }
    c->chunks_n = (uint32_t)chunks;
    return decode_chunks(c, r);
}

int part_seek(struct part_cursor *c, uint32_t number)
{
    const struct part *p = c->part;
    uint32_t at = c->number;

    if (number >= p->f.series_n) {
        return -ERR_CORRUPT;
    }
    if (at == number && c->next != NULL) {
        return 0;
    }
    c->number = UINT32_MAX; /* until it worked */
    if (at == UINT32_MAX || c->next == NULL || at > number ||
        at / PART_GROUP != number / PART_GROUP) {
        struct part_group g;
        int rc;

        at = number / PART_GROUP * PART_GROUP;
        memcpy(&g, p->section[SECTION_SERIES_GROUPS] + at / PART_GROUP * sizeof(g), sizeof(g));
        if (g.entry > p->f.size[SECTION_SERIES]) {
            return -ERR_CORRUPT;
        }
        c->next = p->section[SECTION_SERIES] + g.entry;
        c->end_block = g.block;
        c->end_offset = g.offset;
        c->end_times = 0;
        rc = decode_entry(c, true);
        if (rc < 0) {
            return rc;
        }
    }
    for (; at < number; at++) {
        int rc = decode_entry(c, false);

        if (rc < 0) {
            return rc;
        }
    }
    c->number = number;
    return 0;
}

struct part_place part_place_of(const struct part_cursor *c)
{
    return (struct part_place){
        .min_ms = c->min_ms,
        .max_ms = c->max_ms,
        .number = c->number,
        .entry = (uint32_t)(c->chunks - c->part->section[SECTION_SERIES]),
        .block = c->block,
        .offset = c->offset,
        .times = c->times,
        .chunks = c->chunks_n << 1 | (c->blob ? 1u : 0u),
    };
}

void part_resume(struct part_cursor *c, const struct part *p, const struct part_place *at)
{
    part_cursor_init(c, p);
    c->number = at->number;
    c->min_ms = at->min_ms;
    c->max_ms = at->max_ms;
    c->pairs_n = 0;
    c->chunks_n = at->chunks >> 1;
    c->blob = (at->chunks & 1) != 0;
    c->chunks = p->section[SECTION_SERIES] + at->entry;
    c->block = at->block;
    c->offset = at->offset;
    c->times = at->times;
}
